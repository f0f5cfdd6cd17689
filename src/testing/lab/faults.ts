import { HodisaError } from '../../errors.ts'
import type { Clock } from '../../store/port.ts'
import type { Lines } from './lines.ts'

/** Where a process can be made to kill itself: before and after a step of its work. */
export const KILL_POINTS = [
  'effect.before',
  'effect.after',
  'done.before',
  'done.after',
  'cursor.before',
  'cursor.after',
  'checkpoint.before',
  'checkpoint.after',
  'heartbeat.before',
  'heartbeat.after',
  'handover.before',
  'handover.after',
  'claim.before',
  'claim.after',
  'handler.before',
  'handler.after',
  'commit.before',
  'commit.after',
  'append.before',
  'append.after',
  'migration.begun',
  'migration.made',
  'migration.committed',
] as const

export type KillPoint = (typeof KILL_POINTS)[number]

/** What the laboratory tells one of its processes to do to itself. */
export type Command =
  | { readonly do: 'die'; readonly point: KillPoint; readonly call: number }
  | { readonly do: 'block'; readonly for: number }
  | { readonly do: 'clock'; readonly by: number }
  | { readonly do: 'outage'; readonly code: 'store-full' | 'store-unavailable'; readonly for: number }
  /** To a publisher: it begins nothing for so long. */
  | { readonly do: 'rest'; readonly for: number }
  | { readonly do: 'stop' }

/** Ms of the machine's monotonic clock, which all its processes share. */
export function machineTime(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** The faults of one process: it dies, freezes, loses its store or its sense of time when it is told to. */
export class Faults {
  /** For handlers: when this process last looked at the clock before the latest look. */
  lookedAt = 0
  readonly #lines: Lines
  #latest = 0
  #death: { readonly point: KillPoint; left: number } | undefined
  #clockOffset = 0
  #outage: { readonly code: 'store-full' | 'store-unavailable'; readonly until: number } | undefined

  constructor(lines: Lines) {
    this.#lines = lines
  }

  obey(command: Exclude<Command, { do: 'stop' | 'rest' }>): void {
    if (command.do === 'die') this.#death = { point: command.point, left: command.call }
    else if (command.do === 'clock') this.#clockOffset += command.by
    else if (command.do === 'outage') this.#outage = { code: command.code, until: machineTime() + command.for }
    // Blocks the event loop without taking a core from the others.
    else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, command.for)
  }

  /** A step of the work is reached. Does not return when the process was told to die here. */
  reach(point: KillPoint): void {
    if (this.#death?.point !== point || --this.#death.left > 0) return
    this.#lines.write(['k', point, machineTime()])
    process.kill(process.pid, 'SIGKILL')
    for (;;); // the signal is on its way
  }

  /** What a call of the store rejects with while an outage lasts. */
  outageOf(method: string, writes: boolean): HodisaError | undefined {
    if (this.#outage === undefined) return undefined
    if (machineTime() >= this.#outage.until) this.#outage = undefined
    const { code } = this.#outage ?? {}
    if (code === undefined || (code === 'store-full' && !writes)) return undefined
    return new HodisaError(code, `the laboratory lets ${method} fail`, { method })
  }

  /** The machine's time, as wrong as it was made. */
  clock(inner: Clock): Clock {
    return {
      now: () => inner.now() + this.#clockOffset,
      monotonic: () => {
        this.lookedAt = this.#latest
        this.#latest = machineTime()
        return inner.monotonic()
      },
      after: (ms, callback, background) => inner.after(ms, callback, background),
    }
  }
}
