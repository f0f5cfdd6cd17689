import { type App, type From, HodisaError, type ServiceStatus } from '../index.ts'
import { type Context, confirm, print } from './context.ts'
import { type Cell, localTime, printable, table } from './format.ts'

export async function listServices(app: App, context: Context): Promise<void> {
  const services = await app.services.list()
  if (context.json) {
    for (const service of services) await print(context, service, () => '')
  } else if (services.length === 0) {
    context.terminal.note('no service has been recorded in this store\n')
  } else {
    await context.terminal.write(table(context.terminal, HEADER, services.map(cells)))
  }
}

export async function pauseService(app: App, context: Context, service: string, reason?: string): Promise<void> {
  await app.services.pause(service, reason)
  await done(context, service, 'paused')
}

export async function resumeService(app: App, context: Context, service: string): Promise<void> {
  await app.services.resume(service)
  await done(context, service, 'resumed')
}

export async function resetService(app: App, context: Context, service: string, from: From): Promise<void> {
  const { checkpoint } = await find(app, service)
  const place =
    from instanceof Date ? localTime(from.toISOString()) : typeof from === 'number' ? `position ${from}` : from
  await confirm(context, `Move service ${service} from position ${checkpoint} to ${place}? Events after it come again.`)
  await app.services.reset(service, { from })
  await done(context, service, 'reset')
}

export async function forgetService(app: App, context: Context, service: string): Promise<void> {
  await find(app, service)
  await confirm(context, `Forget service ${service}: its subscriptions, its progress and its dead letters?`)
  await app.services.forget(service)
  await done(context, service, 'forgotten')
}

async function find(app: App, name: string): Promise<ServiceStatus> {
  const found = (await app.services.list()).find(({ service }) => service === name)
  if (found !== undefined) return found
  throw new HodisaError('service-unknown', `the store knows no service ${JSON.stringify(name)}`, { service: name })
}

async function done(context: Context, service: string, action: string): Promise<void> {
  await print(context, { service, action }, () => printable(`${action} ${service}\n`, '\n'))
}

const HEADER: readonly Cell[] = [
  { text: 'SERVICE' },
  { text: 'STATE' },
  { text: 'INSTANCES', right: true },
  { text: 'CHECKPOINT', right: true },
  { text: 'LAG', right: true },
  { text: 'RETRYING', right: true },
  { text: 'PARKED', right: true },
  { text: 'WAITING', right: true },
  { text: 'SUBSCRIPTIONS' },
]

const STATES = { running: 'green', down: 'red', paused: 'yellow' } as const

function cells(status: ServiceStatus): Cell[] {
  const number = (value: number, style?: 'yellow' | 'red'): Cell => ({
    text: String(value),
    right: true,
    ...(style !== undefined && value > 0 && { style }),
  })
  const state = status.reason === undefined ? status.state : `${status.state} (${status.reason})`
  return [
    { text: status.service },
    { text: state, style: STATES[status.state] },
    number(status.instances.length),
    number(status.checkpoint),
    number(status.lag, 'yellow'),
    number(status.retrying, 'yellow'),
    number(status.parked, 'red'),
    number(status.waiting, 'yellow'),
    { text: status.subscriptions.map(({ pattern }) => pattern).join(' ') },
  ]
}
