import type {
  Explanation,
  ExplanationWarning,
  ProjectionExplanation,
  PromiseExplanation,
  ServiceExplanation,
} from './explanation.ts'
import { count } from './words.ts'

const DURABILITY = {
  fsync: 'on disk before a write resolves',
  os: 'handed to the operating system when a write resolves',
  none: 'in memory only',
} as const

/** An explanation as people read it: whole lines. */
export function formatExplanation({ source, store, services, projections, warnings }: Explanation): string {
  const place = store.location === null ? store.engine : `${store.engine}, ${store.location}`
  const lines = [
    source,
    `  store          ${place}`,
    `  durability     ${DURABILITY[store.durability]} (what ${source} writes)`,
    ...warnings.flatMap(warningLines),
    ...services.flatMap((service) => ['', ...serviceLines(service)]),
    ...projections.flatMap((projection) => ['', ...projectionLines(projection)]),
  ]
  if (services.length === 0) lines.push('', 'no services')
  return `${lines.join('\n')}\n`
}

function serviceLines(service: ServiceExplanation): string[] {
  const { state, instances, lag, warnings } = service
  const facts = [state, count(instances, 'instance'), ...(lag > 0 ? [`lag ${lag.toLocaleString('en')}`] : [])]
  return [
    `service ${service.service} (${facts.join(', ')})`,
    ...promiseLines('order', service.order),
    ...promiseLines('delivery', service.delivery),
    ...promiseLines('deduplication', service.deduplication),
    ...promiseLines('recovery', service.recovery),
    ...warnings.flatMap(warningLines),
  ]
}

function projectionLines(projection: ProjectionExplanation): string[] {
  const { mode, state, lag, warnings } = projection
  const facts = [...new Set([mode, state]), ...(lag > 0 ? [`lag ${lag.toLocaleString('en')}`] : [])]
  return [
    `projection ${projection.projection}@${projection.version} (${facts.join(', ')})`,
    ...promiseLines('order', projection.order),
    ...promiseLines('delivery', projection.delivery),
    ...promiseLines('recovery', projection.recovery),
    ...warnings.flatMap(warningLines),
  ]
}

function promiseLines(name: string, { promise, because }: PromiseExplanation): string[] {
  return [`  ${name.padEnd(14)} ${promise}`, ...because.map((reason) => `${' '.repeat(17)}- ${reason}`)]
}

function warningLines({ level, code, message, fix }: ExplanationWarning): string[] {
  return [`  ${level === 'warning' ? 'WARNING' : 'hint'} ${code}: ${message}`, `${' '.repeat(17)}${fix}`]
}
