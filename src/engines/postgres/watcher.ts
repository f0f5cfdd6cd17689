import { randomUUID } from 'node:crypto'
import { Hints } from '../../store/hints.ts'
import type { Hint, StoreHost } from '../../store/port.ts'
import type { Database, Session } from './database.ts'
import type { PgClient } from './driver.ts'
import type { Held, HeldListener } from './held.ts'
import type { Sequencer, Tick } from './sequencer.ts'

/** Ms between looks while notifications arrive. */
const POLL = 1_000
/** Looks at signals are rarer still: only one of so many. */
const SIGNALS_EVERY = 5
/** Ms between looks where they do not: soon after a change, and long after. */
const [QUICK_POLL, SLOW_POLL] = [20, 250]
/** Ms that a notification to itself may take. */
const ECHO = 2_000
/** How many have to arrive behind a pooler, and ms between them. */
const [ECHOES_BEHIND_POOLER, BETWEEN_ECHOES] = [6, 100]

const SIGNALS = "select value from hodisa.signals where name = 'groups'"

export interface WatcherSetup {
  /** Of its notifications. */
  readonly channel: string
  readonly sequencer: Sequencer
  readonly database: Database
  /** Called with every tick that another process tells. */
  readonly heard: (tick: Tick) => void
}

/** Tells listeners what changed: by LISTEN where that works, and by looking again and again beneath it. */
export class Watcher implements HeldListener {
  readonly #host: Pick<StoreHost, 'clock' | 'logger'>
  readonly #channel: string
  readonly #sequencer: Sequencer
  readonly #database: Database
  readonly #heard: (tick: Tick) => void
  readonly #hints: Hints
  readonly #echo = `echo ${randomUUID()}`
  #control: Held | undefined
  #endTrial: ((arrived: boolean | undefined) => void) | undefined
  #listening: boolean | undefined
  #seenHead = 0
  #seenGroups: number | undefined
  #changedAt = 0
  #awaited = ''
  #trial = 0
  #looks = 0
  #looking = false
  #again = false
  #cancel: (() => void) | undefined

  constructor(host: Pick<StoreHost, 'clock' | 'logger'>, { channel, sequencer, database, heard }: WatcherSetup) {
    this.#host = host
    this.#hints = new Hints(host.logger, () => this.#seenHead)
    this.#channel = channel
    this.#sequencer = sequencer
    this.#database = database
    this.#heard = heard
  }

  /** False where notifications do not arrive, as behind a pooler that gives each transaction another connection; undefined before it is known. */
  get listening(): boolean | undefined {
    return this.#listening
  }

  watch(listener: (hint: Hint) => void, control: Held): () => void {
    const remove = this.#hints.add(listener)
    this.#control = control
    if (this.#cancel === undefined) {
      this.#changedAt = this.#host.clock.monotonic()
      control.connect().catch(() => undefined) // looking finds what notifications would have told
      this.#later(0)
    }
    return () => {
      remove()
      if (!this.#hints.awaited) this.stop()
    }
  }

  stop(): void {
    this.#hints.clear()
    this.#cancel?.()
    this.#cancel = undefined
    this.#trial += 1
    this.#endTrial?.(undefined)
  }

  /** The log ends lower than it did. */
  fellBehind(head: number): void {
    this.#seenHead = head
    this.#hints.tell({ head, groups: true, behind: true })
  }

  /** A tick of this process. */
  ticked(head: number): void {
    if (head <= this.#seenHead) return
    this.#seenHead = head
    this.#changedAt = this.#host.clock.monotonic()
    this.#hints.tellSoon({ head: true, groups: false })
  }

  async connected(session: Session, client: PgClient): Promise<void> {
    client.on('notification', ({ channel, payload = '' }) => {
      if (channel === this.#channel) this.#notified(payload)
    })
    await session.raw({ text: `listen "${this.#channel}"` })
    void this.#tryOut()
    // Whatever was told while nobody listened.
    this.#sequencer.soon()
    this.#hints.tellSoon({ head: true, groups: true })
  }

  lost(): void {
    this.#listening = undefined
    if (this.#cancel === undefined) return
    // Looking connects again.
    if (this.#looking) this.#again = true
    else {
      this.#cancel()
      this.#later(0)
    }
  }

  /** Whether what is told arrives: LISTEN itself succeeds everywhere. */
  async #tryOut(): Promise<void> {
    const trial = ++this.#trial
    // A pooler may hand on by chance what a connection hears that this process has just then.
    const rounds = this.#database.pooled === true ? ECHOES_BEHIND_POOLER : 1
    let arrived: boolean | undefined = true
    for (let round = 0; round < rounds && arrived === true; round++) {
      if (round > 0) await new Promise<void>((resolve) => this.#host.clock.after(BETWEEN_ECHOES, resolve, true))
      if (trial !== this.#trial) return
      arrived = await this.#hearsEcho(`${this.#echo} ${round}`)
    }
    if (trial !== this.#trial || arrived === undefined) return
    if (!arrived && this.#listening !== false) {
      this.#host.logger.warn(
        'notifications of PostgreSQL do not arrive here, as behind a pooler in transaction mode: looking instead',
      )
    }
    this.#listening = arrived
    if (this.#cancel === undefined || this.#looking) return
    this.#cancel()
    this.#later(0)
  }

  /** Sent on another connection: on its own, a pooler would hand on what the server says to whoever is asking. */
  #hearsEcho(echo: string): Promise<boolean | undefined> {
    this.#endTrial?.(undefined)
    return new Promise((resolve) => {
      const cancel = this.#host.clock.after(ECHO, () => resolve(false), true)
      this.#awaited = echo
      this.#endTrial = (outcome) => {
        cancel()
        resolve(outcome)
      }
      const notify = 'select pg_notify($1, $2)'
      this.#database.query(notify, [this.#channel, echo]).catch(() => this.#endTrial?.(undefined))
    })
  }

  #notified(payload: string): void {
    if (payload === this.#awaited) this.#endTrial?.(true)
    else if (payload === 'groups') this.#hints.tellSoon({ head: false, groups: true })
    else if (payload.startsWith('groups ')) {
      this.#hints.tellSoon({ head: false, groups: { service: payload.slice('groups '.length) } })
    } else if (payload.startsWith('head ')) {
      const [, head, id, mark = ''] = payload.split(' ')
      const tick = { head: Number(head), id: Number(id), mark }
      this.#heard(tick)
      this.ticked(tick.head)
    }
  }

  #later(pause: number): void {
    this.#cancel = this.#host.clock.after(pause, () => void this.#look(), true)
  }

  async #look(): Promise<void> {
    this.#looking = true
    try {
      await this.#lookOnce()
    } catch {
      // The server is away; those who read are told, and the next look may find it.
    }
    this.#looking = false
    if (this.#cancel === undefined) return
    const idle = this.#host.clock.monotonic() - this.#changedAt
    const blind = idle < 1_000 ? QUICK_POLL : idle < 5_000 ? 50 : SLOW_POLL
    this.#later(this.#again ? 0 : this.#listening === false ? blind : POLL)
    this.#again = false
  }

  async #lookOnce(): Promise<void> {
    const listening = this.#listening === true
    const signals = !listening || ++this.#looks % SIGNALS_EVERY === 0
    // Heartbeats ask for the head too.
    const ticked = listening && this.#sequencer.tickedWithin(POLL * 1.5)
    const [, rows] = await Promise.all([
      ticked ? undefined : this.#sequencer.fresh(),
      signals ? this.#control?.query<[number]>(SIGNALS) : undefined,
    ])
    const groups = rows?.[0]?.[0]
    if (groups === undefined || groups === this.#seenGroups) return
    const first = this.#seenGroups === undefined
    this.#seenGroups = groups
    // What was changed before the first look was told with the connection, or since then.
    if (first && listening) return
    this.#changedAt = this.#host.clock.monotonic()
    this.#hints.tellSoon({ head: false, groups: true })
  }
}
