import type { GroupUpdate, Progress } from '../../store/groups.ts'
import type { Store, StoreFactory, StoreTransaction } from '../../store/port.ts'
import { type Faults, machineTime } from './faults.ts'
import type { Lines } from './lines.ts'

const PARTS = ['presence', 'groups', 'deadLetters', 'documents']
const WRITES =
  /^(append|progress|transaction|presence\.(join|beat|leave)|groups\.(update|forget)|deadLetters\.update|documents\.(define|drop|write)|inline|expire)$/

type Call = (...args: readonly unknown[]) => Promise<unknown>

/** A real store that kills its process at named points, is out of reach for a while, and notes every confirmed heartbeat. */
export function faultyStore(inner: StoreFactory, faults: Faults, lines: Lines): StoreFactory {
  return {
    engine: inner.engine,
    async open(host) {
      const store = await inner.open(host)
      return guarded(
        store,
        '',
        (method, call) =>
          (...args) =>
            around(method, call, args, faults, lines),
      )
    },
  }
}

/** The same object, with every asynchronous call of it and of its parts handed through `wrap`. */
function guarded<Target extends object>(
  target: Target,
  prefix: string,
  wrap: (method: string, call: Call) => Call,
): Target {
  return new Proxy(target, {
    get(_, name) {
      const value: unknown = Reflect.get(target, name, target)
      const path = `${prefix}${String(name)}`
      if (PARTS.includes(path) && typeof value === 'object' && value !== null) return guarded(value, `${path}.`, wrap)
      if (typeof value !== 'function') return value
      const call = (...args: readonly unknown[]) => Reflect.apply(value, target, args)
      return ['watch', 'close', 'outbox'].includes(path) ? call : wrap(path, call as Call)
    },
  })
}

async function around(
  method: string,
  call: Call,
  args: readonly unknown[],
  faults: Faults,
  lines: Lines,
): Promise<unknown> {
  const outage = faults.outageOf(method, WRITES.test(method))
  if (outage !== undefined) throw outage
  const step = stepOf(method, args)
  if (step !== undefined) faults.reach(`${step}.before`)
  const begun = machineTime()
  const result = await call(...(method === 'progress' ? withEffectPoints(args, faults) : args))
  if (method === 'presence.beat' && (result as { alive: boolean }).alive) lines.write(['h', args[0], begun])
  if (method === 'presence.join') lines.write(['h', (args[0] as { id: string }).id, begun])
  if (step !== undefined) faults.reach(`${step}.after`)
  return result
}

type Step = 'append' | 'heartbeat' | 'handover' | 'claim' | 'checkpoint' | 'done' | 'cursor'

function stepOf(method: string, args: readonly unknown[]): Step | undefined {
  if (method === 'append') return 'append'
  if (method === 'presence.beat') return 'heartbeat'
  if (method === 'groups.update') {
    const { leases = [], members } = args[2] as GroupUpdate
    if (leases.some(({ owner }) => typeof owner === 'string')) return 'claim'
    return members === undefined && leases.length > 0 ? 'handover' : undefined
  }
  if (method !== 'progress') return undefined
  const { mark, done = [] } = args[0] as Progress
  if (mark !== undefined) return 'checkpoint'
  return done.length > 0 ? 'done' : 'cursor'
}

/** Around the user's own writes, inside the transaction. */
function withEffectPoints([change, options]: readonly unknown[], faults: Faults): readonly unknown[] {
  const { work, ...rest } = (options ?? {}) as NonNullable<Parameters<Store['progress']>[1]>
  if (work === undefined) return [change, options]
  const withPoints = async (tx: StoreTransaction) => {
    faults.reach('effect.before')
    await work(tx)
    faults.reach('effect.after')
  }
  return [change, { ...rest, work: withPoints }]
}
