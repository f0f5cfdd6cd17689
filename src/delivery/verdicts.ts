import { BUCKETS } from '../event/bucket.ts'
import { derivedId } from '../event/id.ts'
import { systemEvents } from '../event/system.ts'
import type { StoredEvent } from '../store/events.ts'
import type { Cursor, StoredDeadLetter } from '../store/groups.ts'
import { backoff } from './backoff.ts'
import type { ServiceCore } from './core.ts'
import type { CursorWriter } from './cursor-writer.ts'
import { at, type FailingKey, type FailingKeysHost } from './failing-key.ts'
import { isPermanent, storedError } from './failure.ts'
import type { Route } from './routes.ts'
import type { Share } from './shares.ts'

type Verdict = 'retry' | 'park' | 'skip' | 'stop' | 'full' | 'overruled'

/** Decides what becomes of an event whose attempt failed, writes it down, and tells. */
export class Verdicts {
  readonly #core: ServiceCore
  readonly #host: FailingKeysHost
  readonly #writer: CursorWriter
  /** How many keys may be parked before those of all instances are counted again: the own part of the room there was. */
  #room = 0

  constructor(core: ServiceCore, host: FailingKeysHost, writer: CursorWriter) {
    this.#core = core
    this.#host = host
    this.#writer = writer
  }

  /** Writes down a failed attempt, and what follows from it. */
  async fail(failing: FailingKey, share: Share, head: StoredEvent, route: Route, error: unknown): Promise<void> {
    const { clock, logger, options, random, service } = this.#core
    const now = clock.now()
    failing.ahead = [] // many keys may fail at once
    const attempts = failing.cursor.attempts + 1
    const stored = storedError(error)
    // A clock that was set back must not make patience last for all that time.
    const firstFailedAt = attempts === 1 ? now : Math.min(now, failing.cursor.firstFailedAt)
    const othersSucceed = this.#host.breaker(route).successes > failing.successes
    const verdict = await this.#checked(this.#verdict(attempts, firstFailedAt, error, othersSucceed), failing, head)
    const said = { service, id: head.id, type: head.type, key: failing.lane.key, attempts, error: stored.message }
    const nextAttemptAt = now + backoff(attempts, options.retry, random)
    const cursor: Cursor = {
      ...failing.cursor,
      position: head.position,
      attempts,
      firstFailedAt,
      nextAttemptAt,
      error: stored,
    }
    if (verdict === 'overruled')
      return this.#writer.put(failing, share, { ...failing.cursor, attempts: 0, nextAttemptAt: 0 })
    if (verdict === 'retry' || verdict === 'stop' || verdict === 'full') {
      logger[verdict === 'retry' ? 'info' : 'error'](`service ${service}: ${head.type} failed`, said)
      await this.#writer.put(failing, share, { ...cursor, state: 'retrying' })
      if (verdict === 'retry') return
      const reason = `${head.type} ${head.id} failed ${attempts} times: ${stored.message}`
      const full = `${options.maxParked} keys are parked, and that is maxParked: redrive or skip dead letters, then resume`
      await this.#host.stopService(verdict === 'full' ? `${full}. ${reason}` : reason)
      return
    }
    logger.error(
      `service ${service}: gave up on ${head.type} and ${verdict === 'park' ? 'parked' : 'skipped'} it`,
      said,
    )
    const letter = this.#letter(failing, head, { ...cursor, error: stored }, verdict === 'park' ? 'parked' : 'skipped')
    if (verdict === 'skip') failing.unsaved.push(head.position)
    const next: Cursor =
      verdict === 'park' ? { ...cursor, state: 'parked', deadLetter: letter.id } : at(cursor, head.position + 1)
    await this.#writer.put(failing, share, next, letter)
    await this.#announce(letter, head)
  }

  /** Nobody here can handle the head: it waits, and the bucket is offered to an instance that can. */
  async wait(failing: FailingKey, share: Share, { id, type, version, position }: StoredEvent): Promise<void> {
    const { logger, service } = this.#core
    logger.warn(
      `service ${service}: cannot handle ${type} version ${version}; its key waits for an instance that can`,
      { id },
    )
    failing.needs = { type, version }
    await this.#writer.put(failing, share, { ...failing.cursor, position, state: 'waiting' })
    this.#host.resync() // to offer the bucket
  }

  /** Whether an operator has skipped or dropped the head. */
  async isGivenUp(failing: FailingKey, { position }: StoredEvent): Promise<boolean> {
    const { deadLetter } = failing.cursor
    const letter = deadLetter === null ? undefined : await this.#core.store.deadLetters.get(deadLetter)
    if (letter !== undefined && letter.position !== position) return false
    failing.edited = letter?.edited ?? null
    return letter === undefined || letter.state === 'skipped'
  }

  #verdict(attempts: number, firstFailedAt: number, error: unknown, othersSucceed: boolean): Verdict {
    const { options, clock } = this.#core
    const hopeless =
      isPermanent(error) ||
      (attempts >= options.retry.attempts && (othersSucceed || clock.now() - firstFailedAt >= options.patience))
    return hopeless ? options.poison : 'retry'
  }

  /** What comes of a verdict: only so many keys are parked, and an operator may have decided while the attempt ran. */
  async #checked(verdict: Verdict, failing: FailingKey, head: StoredEvent): Promise<Verdict> {
    if (verdict !== 'park' && verdict !== 'skip') return verdict
    const { edited, cursor } = failing
    if (cursor.deadLetter !== null && ((await this.isGivenUp(failing, head)) || failing.edited !== edited)) {
      return 'overruled'
    }
    if (verdict === 'skip') return verdict
    if (this.#room > 0) {
      this.#room--
      return 'park'
    }
    const { store, service, options } = this.#core
    // A store that does not answer now must not keep the event from being parked.
    const counted = await store.groups.progress(service).catch(() => undefined)
    const room = counted === undefined ? 1 : options.maxParked - counted.cursors.parked
    this.#room = Math.floor(Math.max(0, room - 1) / BUCKETS)
    return room > 0 ? 'park' : 'full'
  }

  #letter(
    failing: FailingKey,
    head: StoredEvent,
    { attempts, error, firstFailedAt }: Cursor & { error: NonNullable<Cursor['error']> },
    state: StoredDeadLetter['state'],
  ): StoredDeadLetter {
    const { service, clock } = this.#core
    return {
      id: failing.cursor.deadLetter ?? derivedId('dead', service, head.id),
      service,
      key: failing.lane.key,
      bucket: head.bucket,
      position: head.position,
      eventId: head.id,
      type: head.type,
      state,
      attempts,
      error,
      firstFailedAt,
      parkedAt: clock.now(),
      edited: failing.edited,
    }
  }

  #announce(letter: StoredDeadLetter, { id, type, correlationId }: StoredEvent): Promise<void> {
    const { service, key, position, attempts, parkedAt, state } = letter
    const { name, message, code } = letter.error
    const error = { name, message, ...(code !== undefined && { code }) }
    const say = state === 'parked' ? systemEvents.eventParked : systemEvents.eventSkipped
    const event = say({ service, eventId: id, type, key, position, attempts, error, deadLetter: letter.id })
    return this.#core.system.say(event, { about: type, once: [letter.id, parkedAt], correlationId, causationId: id })
  }
}
