import type { Statement } from 'better-sqlite3'
import { HodisaError } from '../../errors.ts'
import { type Connection, type Patience, retryDelay } from './connection.ts'
import { busyTooLong, closed, isBusy, mapError } from './errors.ts'
import { APPENDS, type Batch, type Lane, Lanes, type Pending } from './lanes.ts'

/** What a transaction changed, for those who wait for changes. */
export interface Effects {
  /** Position of the newest event; 0 for none. */
  head: number
  /** The new count of changes to groups; 0 for none. */
  groups: number
}

/** What takes part in the life of the transactions. */
export interface Participant {
  /** A transaction was begun. `othersWrote` unless nobody but this connection has committed since its last transaction. */
  begun(othersWrote: boolean): void
  rolledBack(): void
  committed(effects: Effects): void
}

/** Ms that one transaction may keep the event loop. */
const LONGEST_BATCH = 20
/** Ms of transactions one after the other until timers and sockets get their turn. */
const LONGEST_TURN = 5

/**
 * The one writer of a process. Whatever waits when it gets to work shares a transaction and its fsync. A refused operation (a
 * HodisaError thrown before it wrote) fails alone.
 */
export class Writer {
  readonly #connection: Connection
  readonly #patience: Patience
  readonly #participant: Participant
  readonly #lanes = new Lanes()
  readonly #begin: Statement
  readonly #commit: Statement
  readonly #rollback: Statement
  readonly #savepoint: Statement
  readonly #release: Statement
  readonly #rollbackTo: Statement
  readonly #dataVersion: Statement<[], number>
  #version: number | undefined
  #working = false
  #scheduled = false
  #turnStarted: number | undefined
  #busySince: number | undefined
  #overran = false
  #closing = false
  #idle: (() => void) | undefined

  constructor(connection: Connection, patience: Patience, participant: Participant) {
    this.#connection = connection
    this.#patience = patience
    this.#participant = participant
    this.#begin = connection.prepare('begin immediate')
    this.#commit = connection.prepare('commit')
    this.#rollback = connection.prepare('rollback')
    this.#savepoint = connection.prepare('savepoint work')
    this.#release = connection.prepare('release work')
    this.#rollbackTo = connection.prepare('rollback to work')
    this.#dataVersion = connection.prepare<[], number>('pragma data_version').pluck()
  }

  /** Runs `run` in a transaction; resolves once that is committed. `run` must not throw a HodisaError after it wrote. */
  submit<Result>(lane: Lane, bytes: number, run: (effects: Effects) => Result): Promise<Result> {
    return this.#enqueue(lane, bytes, false, run)
  }

  /** The same for asynchronous work, which runs by itself and may fail at any point. */
  submitWork<Result>(lane: Lane, run: (effects: Effects) => Promise<Result>): Promise<Result> {
    return this.#enqueue(lane, 0, true, run)
  }

  /** Finishes what was accepted. */
  async close(): Promise<void> {
    this.#closing = true
    if (this.#lanes.size > 0 || this.#working) await new Promise<void>((done) => (this.#idle = done))
  }

  #enqueue<Result>(
    lane: Lane,
    bytes: number,
    slow: boolean,
    run: (effects: Effects) => Result | Promise<Result>,
  ): Promise<Result> {
    if (this.#closing) return Promise.reject(closed(this.#patience.file))
    return new Promise<Result>((resolve, reject) => {
      const since = this.#patience.clock.monotonic()
      this.#lanes.add({
        lane,
        bytes,
        slow,
        since,
        alone: false,
        run,
        resolve: resolve as (value: unknown) => void,
        reject,
      })
      this.#schedule()
    })
  }

  #schedule(): void {
    if (this.#scheduled || this.#working) return
    this.#scheduled = true
    const turn = this.#turnStarted
    if (turn !== undefined && performance.now() - turn > LONGEST_TURN) setImmediate(() => this.#drain())
    // After everybody who resumes in this turn has handed in what comes next, so that all of it shares a transaction.
    else queueMicrotask(() => process.nextTick(() => this.#drain()))
  }

  #drain(): void {
    this.#scheduled = false
    if (this.#turnStarted === undefined) {
      this.#turnStarted = performance.now()
      setImmediate(() => (this.#turnStarted = undefined))
    }
    if (this.#lanes.size === 0) {
      this.#next()
      return
    }
    if (!this.#begun()) return
    const batch = this.#lanes.take(this.#overran)
    this.#overran = false
    const effects: Effects = { head: 0, groups: 0 }
    const ran = this.#runQuick(batch, effects)
    if (ran === undefined) this.#next()
    else if (ran.slow.length === 0) {
      this.#finish(ran.finished, effects)
      this.#next()
    } else {
      this.#working = true
      void this.#runSlow(ran.slow, ran.finished, effects).finally(() => {
        this.#working = false
        this.#next()
      })
    }
  }

  #next(): void {
    if (this.#lanes.size > 0) this.#schedule()
    else this.#idle?.()
  }

  /** Whether a transaction is open now; else it will be tried again, or nobody waits any more. */
  #begun(): boolean {
    const { clock, busyTimeout, file } = this.#patience
    try {
      this.#begin.run()
    } catch (error) {
      if (!isBusy(error)) {
        for (const pending of this.#lanes.clear()) pending.reject(mapError(error, file))
        this.#next()
        return false
      }
      const now = clock.monotonic()
      this.#busySince ??= now
      const start = this.#busySince
      const late = this.#lanes.removeIf((pending) => now - Math.max(start, pending.since) >= busyTimeout)
      for (const pending of late) pending.reject(busyTooLong(file, now - Math.max(start, pending.since), error))
      if (this.#lanes.size === 0) {
        this.#busySince = undefined
        this.#next()
        return false
      }
      this.#scheduled = true
      clock.after(retryDelay(), () => this.#drain())
      return false
    }
    this.#busySince = undefined
    const version = this.#dataVersion.get()
    this.#participant.begun(version !== this.#version)
    this.#version = version
    return true
  }

  /** With what may be run next. Undefined where the transaction had to be given up: then its members are back in their lanes. */
  #runQuick({ quick, slow }: Batch, effects: Effects): { finished: Finished[]; slow: readonly Pending[] } | undefined {
    const finished: Finished[] = []
    const start = performance.now()
    for (const [index, pending] of quick.entries()) {
      if (index > 0 && performance.now() - start > LONGEST_BATCH) {
        this.#overran = true
        return { finished, slow: this.#putOff(quick.slice(index), slow) }
      }
      try {
        finished.push({ pending, failed: false, outcome: pending.run(effects) })
      } catch (error) {
        if (error instanceof HodisaError && this.#connection.inTransaction) {
          finished.push({ pending, failed: true, outcome: error })
          continue
        }
        this.#giveUp()
        if (pending.alone || quick.length === 1) {
          this.#lanes.putBack(slow)
          pending.reject(mapError(error, this.#patience.file))
          return undefined
        }
        // It may have written something: each tries again by itself, so that only the culprit fails.
        for (const member of quick) member.alone = true
        this.#lanes.putBack([...quick, ...slow])
        return undefined
      }
    }
    return { finished, slow }
  }

  /** Puts the quick ones back; tells which of the slow ones need not wait for them, as appends do that came behind appends. */
  #putOff(quick: readonly Pending[], slow: readonly Pending[]): readonly Pending[] {
    const behind = quick.some(({ lane }) => lane === APPENDS)
    const waiting = slow.filter(({ lane }) => behind && lane === APPENDS)
    this.#lanes.putBack([...quick, ...waiting])
    return slow.filter((pending) => !waiting.includes(pending))
  }

  async #runSlow(slow: readonly Pending[], finished: Finished[], effects: Effects): Promise<void> {
    const start = performance.now()
    for (const [index, pending] of slow.entries()) {
      if (index > 0 && performance.now() - start > LONGEST_BATCH) {
        this.#lanes.putBack(slow.slice(index))
        break
      }
      const own: Effects = { head: 0, groups: 0 }
      try {
        this.#savepoint.run()
        finished.push({ pending, failed: false, outcome: await pending.run(own) })
        if (this.#connection.inTransaction) this.#release.run()
        effects.head = Math.max(effects.head, own.head)
        effects.groups = Math.max(effects.groups, own.groups)
      } catch (thrown) {
        const error = mapError(thrown, this.#patience.file)
        if (finished.at(-1)?.pending === pending) finished.pop()
        finished.push({ pending, failed: true, outcome: error })
        if (this.#undoneToSavepoint()) continue
        this.#abandon(finished, slow.slice(index + 1), error)
        return
      }
      if (!this.#connection.inTransaction) {
        const error = new HodisaError('invalid-option', 'a statement of the work ended the transaction', {})
        this.#abandon(finished, slow.slice(index + 1), error)
        return
      }
    }
    this.#finish(finished, effects)
  }

  #undoneToSavepoint(): boolean {
    if (!this.#connection.inTransaction) return false
    try {
      this.#rollbackTo.run()
      this.#release.run()
      this.#participant.rolledBack()
      return true
    } catch {
      return false
    }
  }

  /** SQLite gave up the whole transaction, as on a full disk. Work that ran must not run twice, so it fails; others go again. */
  #abandon(finished: readonly Finished[], waiting: readonly Pending[], error: unknown): void {
    this.#giveUp()
    const again: Pending[] = []
    for (const { pending, failed, outcome } of finished) {
      if (failed) pending.reject(outcome)
      else if (pending.slow) pending.reject(error)
      else again.push(pending)
    }
    this.#lanes.putBack([...again, ...waiting])
  }

  #finish(finished: readonly Finished[], effects: Effects): void {
    try {
      this.#commit.run()
    } catch (error) {
      this.#giveUp()
      const mapped = mapError(error, this.#patience.file)
      for (const { pending, failed, outcome } of finished) pending.reject(failed ? outcome : mapped)
      return
    }
    this.#participant.committed(effects)
    for (const { pending, failed, outcome } of finished) {
      if (failed) pending.reject(outcome)
      else pending.resolve(outcome)
    }
  }

  #giveUp(): void {
    this.#participant.rolledBack()
    try {
      if (this.#connection.inTransaction) this.#rollback.run()
    } catch {
      // SQLite has rolled back already, or the next `begin` says what is wrong.
    }
  }
}

interface Finished {
  readonly pending: Pending
  readonly failed: boolean
  /** What it returned or threw, which may be anything, undefined too. */
  readonly outcome: unknown
}
