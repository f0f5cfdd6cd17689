import { HodisaError } from '../errors.ts'
import type { StoredEvent } from '../store/events.ts'
import type { Lease, StartedMark } from '../store/groups.ts'
import type { ServiceCore } from './core.ts'

/** How an event is to be begun. `alone`: it was in flight when a process died. `killer`: it has killed too often. */
export type Care = 'none' | 'careful' | 'alone' | 'killer'

/** More than an instance can have had in hand: what comes after that was not in flight at the death. */
const MOST_CAREFUL = 2_000

/**
 * Finds the event that kills its process. After a death everything that was waiting is begun with care: written down first.
 * After another one, what was written down is suspect, and runs alone. Only deaths while alone count, so that an innocent
 * event is not blamed for a killed process.
 */
export class Guard {
  readonly #core: ServiceCore
  readonly #careful = new Map<number, Pick<Lease, 'epoch' | 'carefulUntil'>>()
  readonly #suspects = new Map<number, StartedMark>()
  #carefulLeft = 0

  constructor(core: ServiceCore) {
    this.#core = core
  }

  /** Whether any event may need care. */
  get isActive(): boolean {
    return this.#careful.size > 0
  }

  /** A bucket was claimed, with what its last owner had begun. */
  take({ bucket, epoch, carefulUntil }: Lease, started: readonly StartedMark[]): void {
    if (carefulUntil === null && started.length === 0) return
    this.#careful.set(bucket, { epoch, carefulUntil })
    this.#carefulLeft = MOST_CAREFUL
    for (const mark of started) this.#suspects.set(mark.position, mark)
  }

  drop(bucket: number): void {
    if (!this.#careful.delete(bucket)) return
    for (const mark of this.#suspects.values()) if (mark.bucket === bucket) this.#suspects.delete(mark.position)
  }

  careOf({ bucket, position }: StoredEvent): Care {
    const suspect = this.#suspects.get(position)
    if (suspect !== undefined) return suspect.deaths >= this.#core.options.crashAttempts ? 'killer' : 'alone'
    if (this.#carefulLeft === 0) return 'none'
    return position <= (this.#careful.get(bucket)?.carefulUntil ?? 0) ? 'careful' : 'none'
  }

  /** Writes down what is about to begin. */
  async begin(events: readonly StoredEvent[], alone: boolean): Promise<void> {
    if (!alone) this.#carefulLeft = Math.max(0, this.#carefulLeft - events.length)
    const marks = events
      .filter(({ bucket }) => this.#careful.has(bucket))
      .map(({ bucket, position }) => ({ bucket, position, alone }))
    if (marks.length > 0) await this.#write(events, { started: marks })
  }

  /**
   * The event ran alone, and the process lives. Never rejects: what the event did stands, and is not done again because the store did
   * not hear of this.
   */
  async survived(event: StoredEvent): Promise<void> {
    this.#suspects.delete(event.position)
    try {
      await this.#write([event], { survived: [event.position] })
    } catch (error) {
      const { logger, service } = this.#core
      const text = `service ${service}: could not write down that ${event.type} ${event.id} did not end the process: ${String(error)}`
      logger.warn(text, { error: String(error) })
    }
  }

  /** What to fail a killer with. It is a suspect no longer: redriven, it gets its chances anew. */
  async convict(event: StoredEvent): Promise<HodisaError> {
    const { service } = this.#core
    const deaths = this.#suspects.get(event.position)?.deaths ?? 0
    await this.survived(event)
    return new HodisaError(
      'process-killed',
      `service ${service}: ${event.type} ${event.id} ended its process ${deaths} times while it ran alone`,
      { service, id: event.id, type: event.type, deaths },
    )
  }

  async #write(
    events: readonly StoredEvent[],
    change: { started?: { bucket: number; position: number; alone: boolean }[]; survived?: number[] },
  ): Promise<void> {
    const { store, service, instance } = this.#core
    const fences = new Map(
      events.flatMap(({ bucket }) => {
        const lease = this.#careful.get(bucket)
        return lease === undefined ? [] : [[bucket, { bucket, epoch: lease.epoch }] as const]
      }),
    )
    await store.progress({ service, instance: instance(), fences: [...fences.values()], ...change })
  }
}
