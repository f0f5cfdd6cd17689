import { PROJECTION } from '../../delivery/one-lane.ts'
import { BUCKETS } from '../../event/bucket.ts'
import { type Pattern, parsePattern } from '../../event/pattern.ts'
import { keyOf, type StoredEvent } from '../../store/events.ts'
import type {
  Cursor,
  DeadLetterUpdate,
  GroupState,
  GroupUpdate,
  Progress,
  StoredDeadLetter,
  Subscription,
} from '../../store/groups.ts'
import type { Store } from '../../store/port.ts'
import type { SimulatedProcess } from './process.ts'
import type { World } from './world.ts'

/** From its last heartbeat on a process may begin handlers for so long; only then may others take it for dead. Ms. */
const HOLDS = 4_500

/** A handler that runs. */
export interface Running {
  readonly process: SimulatedProcess
  readonly events: readonly StoredEvent[]
  /** Epoch of each event's lease when it began. */
  readonly epochs: ReadonlyMap<number, number>
  readonly generation: number
  readonly begun: number
  /** It publishes or commits: what the store records decides whether the events are done. */
  recorded: boolean
  /** Its lease was taken away: somebody else may begin its events. */
  excused: boolean
}

interface Watched {
  readonly service: string
  /** Not finished, by position: whether the service wants them or not. */
  readonly open: Map<number, StoredEvent>
  readonly running: Set<Running>
  /** Commits by position since the last reset. */
  readonly effects: Map<number, number>
  /** How often a handler failed, or its effects were not recorded, since an operator last decided. */
  readonly failures: Map<number, number>
  subscriptions: readonly (Subscription & { readonly matcher: Pattern; readonly late: boolean })[]
  owners: readonly { readonly owner: string | null; readonly epoch: number }[]
  cursors: ReadonlyMap<string, Cursor>
  /** Have not heard of the last reset yet. */
  readonly stale: Set<SimulatedProcess>
  /** Counts resets. */
  generation: number
}

/** A broken promise. */
export class Violation extends Error {
  override readonly name = 'Violation'
}

/**
 * Knows by itself what is finished, and looks at every write of the store: no mark and no checkpoint may pass an event that is
 * not, no handler may begin outside its turn, no effect may be committed twice.
 */
export class Referee {
  readonly #world: World
  readonly #base: Store
  readonly #services = new Map<string, Watched>()
  readonly #events = new Map<number, StoredEvent>()
  readonly #processes = new Set<SimulatedProcess>()
  #head = 0
  #last: Promise<unknown> = Promise.resolve()

  /** @param base the store itself, without weather */
  constructor(world: World, base: Store) {
    this.#world = world
    this.#base = base
  }

  /** One write after the other, each looked at before the next begins. */
  write(
    process: SimulatedProcess,
    path: string,
    args: readonly unknown[],
    perform: () => Promise<unknown>,
  ): Promise<unknown> {
    const result = this.#last.then(async () => {
      const letter = path === 'deadLetters.update' ? await this.#base.deadLetters.get(idOf(args[0])) : undefined
      const value = await perform()
      if (value !== false) await this.#wrote(process, path, args, letter)
      return value
    })
    this.#last = result.catch(() => undefined)
    return result
  }

  /** A handler begins. */
  begin(process: SimulatedProcess, service: string, positions: readonly number[]): Running {
    const watched = this.#watched(service)
    const events = positions.flatMap((position) => this.#events.get(position) ?? [])
    const epochs = new Map(events.map(({ bucket }) => [bucket, watched.owners[bucket]?.epoch ?? 0]))
    this.#world.say(process.name, `${service} begins ${positions.join(' ')}`)
    const { generation } = watched
    const running = { process, events, epochs, generation, begun: this.#world.time, recorded: false, excused: false }
    watched.running.add(running)
    this.#processes.add(process)
    // It begins what it held when the service was reset: that does not count, and nothing of it will be written.
    if (watched.stale.has(process)) return Object.assign(running, { generation: -1, excused: true })
    const inBatch = new Map<string, number>()
    for (const event of events) {
      const key = keyOf(event)
      const owner = watched.owners[event.bucket]?.owner
      if (owner === null || owner === undefined || !process.instances.includes(owner)) {
        this.#violated(`${service} begins ${event.position} in ${process.name}, but ${owner ?? 'nobody'} has its lease`)
      }
      for (const other of watched.running) {
        if (other.excused || other === running || !other.events.some((one) => keyOf(one) === key)) continue
        this.#violated(`${service} begins ${event.position} in ${process.name} while ${positionsOf(other)} runs`)
      }
      if ((inBatch.get(key) ?? 0) >= event.position) this.#violated(`a batch has ${event.position} out of order`)
      for (const before of watched.open.values()) {
        if (before.position >= event.position || keyOf(before) !== key || inBatch.get(key) === before.position) continue
        if (events.includes(before) || !this.#precedes(watched, before, event)) continue
        this.#violated(`${service} begins ${event.position} of ${key} before ${before.position} is finished`)
      }
      inBatch.set(key, event.position)
    }
    return running
  }

  /** A handler is over. */
  end(service: string, running: Running, succeeded: boolean): void {
    const watched = this.#watched(service)
    watched.running.delete(running)
    this.#world.say(running.process.name, `${service} ${succeeded ? 'ends' : 'fails'} ${positionsOf(running)}`)
    for (const { position } of running.events) {
      if (succeeded) {
        if (running.recorded) {
          if (watched.open.has(position)) this.#failed(watched, position)
        } else if (running.generation === watched.generation) watched.open.delete(position)
      } else this.#failed(watched, position)
    }
  }

  /** Nothing that ran there runs any more. */
  crashed(process: SimulatedProcess): void {
    for (const { running } of this.#services.values()) {
      for (const one of running) if (one.process === process) running.delete(one)
    }
  }

  /** What is not finished: a line each. Parked keys count as finished. */
  unfinished(): string[] {
    return [...this.#services.values()].flatMap((watched) =>
      [...watched.open.values()]
        .filter((event) => this.#wants(watched, event) && this.#cursor(watched, event)?.state !== 'parked')
        .map(({ position, type }) => `${watched.service} has not finished ${type} at ${position}`),
    )
  }

  /** How often an event's effects were committed since the service was last reset. */
  effects(service: string, position: number): number {
    return this.#watched(service).effects.get(position) ?? 0
  }

  async #wrote(
    process: SimulatedProcess,
    path: string,
    args: readonly unknown[],
    letter: StoredDeadLetter | undefined,
  ): Promise<void> {
    this.#processes.add(process)
    await this.#readOn()
    // What projections have taken in shows in their views: the check of a simulation looks there.
    const service = path === 'progress' ? (args[0] as Progress).service : path.startsWith('groups.') ? args[0] : ''
    if (String(service).startsWith(PROJECTION)) return
    if (path === 'progress') await this.#progressed(process, args[0] as Progress, args[1] !== undefined)
    if (path === 'groups.update') await this.#updated(process, String(args[0]), args[2] as GroupUpdate)
    if (path === 'groups.forget') this.#services.delete(String(args[0]))
    if (letter !== undefined) await this.#decided(letter, (args[0] as DeadLetterUpdate).letter)
  }

  async #readOn(): Promise<void> {
    for (;;) {
      const page = await this.#base.readLog({ after: this.#head, limit: 1_000 })
      for (const event of page.events) {
        this.#events.set(event.position, event)
        for (const { open } of this.#services.values()) open.set(event.position, event)
      }
      this.#head = page.scanned
      if (page.end) return
    }
  }

  async #progressed(process: SimulatedProcess, change: Progress, withEffects: boolean): Promise<void> {
    const { service, done = [], once = false, cursors = [], deadLetters = [], mark } = change
    const watched = this.#watched(service)
    const told = `${service} writes ${mark === undefined ? '' : `mark ${mark} `}done ${done.map(({ position }) => position)}`
    this.#world.say(process.name, `${told} cursors ${cursors.map(shown)}`)
    const heads = cursors.flatMap((one) => (withEffects && 'put' in one ? this.#headBefore(one.put) : []))
    const finished = !once ? [] : heads.length > 0 ? heads : done.map(({ position }) => position)
    for (const position of finished) {
      const effects = (watched.effects.get(position) ?? 0) + 1
      watched.effects.set(position, effects)
      if (effects > 1) this.#violated(`${service} committed the effects of ${position} ${effects} times`)
      watched.open.delete(position)
    }
    for (const { position } of done) {
      const event = watched.open.get(position)
      if (event !== undefined && this.#wants(watched, event))
        this.#violated(`${process.name} marks ${position} as done for ${service}, and it is not`)
    }
    for (const one of deadLetters) {
      if (!('put' in one)) continue
      const { position, state, attempts } = one.put
      if (state === 'skipped') watched.open.delete(position)
      const failures = watched.failures.get(position) ?? 0
      this.#world.say(process.name, `${service} gives ${position} up (${state}) after ${attempts} attempts`)
      if (failures < attempts)
        this.#violated(`${service} gave ${position} up after ${attempts} attempts, but ${failures} failed`)
    }
    if (mark === undefined && cursors.length === 0) return
    const state = await this.#base.groups.read(service)
    await this.#check(watched, state)
  }

  /** What a cursor stood at before it was moved behind its head. */
  #headBefore({ key, position }: Cursor): number {
    let head = position - 1
    const event = this.#events.get(head)
    if (event === undefined || keyOf(event) !== key) {
      this.#violated(`the cursor of ${key} stands at ${position}, which is not behind an event of it`)
      head = 0
    }
    return head
  }

  async #updated(process: SimulatedProcess, service: string, change: GroupUpdate): Promise<void> {
    const watched = this.#watched(service)
    const before = watched.owners
    const state = await this.#base.groups.read(service)
    const isNew = watched.subscriptions.length === 0
    this.#world.say(process.name, `${service} at revision ${state.revision}: ${Object.keys(change).join(', ')}`)
    watched.owners = state.leases.map(({ owner, epoch }) => ({ owner, epoch }))
    watched.subscriptions = state.subscriptions.map((one) => {
      const known = watched.subscriptions.find(({ pattern }) => pattern === one.pattern)
      return { ...one, matcher: parsePattern(one.pattern), late: known?.late ?? !isNew }
    })
    watched.stale.delete(process)
    if (change.forgetProgressAfter !== undefined) {
      for (const one of this.#processes) watched.stale.add(one)
      this.#reset(watched, change.forgetProgressAfter)
    }
    this.#lostLeases(watched, process, before, change)
    await this.#check(watched, state)
  }

  /** Whoever ran in a lease that is gone: either it let it go with nothing running, or it had lost it before. */
  #lostLeases(watched: Watched, by: SimulatedProcess, before: Watched['owners'], change: GroupUpdate): void {
    for (const running of watched.running) {
      const { process } = running
      for (const [bucket, epoch] of running.epochs) {
        if (watched.owners[bucket]?.epoch === epoch || running.excused) continue
        running.excused = true
        if (change.forgetProgressAfter !== undefined || process.stopping || process.state === 'crashed') continue
        // Of an instance that it was, before it came back as another one.
        if (before[bucket]?.owner !== process.instances.at(-1)) continue
        const age = this.#world.time - running.begun
        if (by === process && age < 10_000 && before[bucket]?.epoch === epoch && this.#holds(process))
          this.#violated(`${process.name} lets bucket ${bucket} go while ${positionsOf(running)} runs in it`)
        if (by !== process && this.#holds(process))
          this.#violated(`${by.name} takes bucket ${bucket} from ${process.name}, whose lease holds`)
      }
    }
  }

  #holds(process: SimulatedProcess): boolean {
    return process.clock.monotonic() < process.lastBeat + HOLDS
  }

  /** Everything above comes again; everything at or below is finished. */
  #reset(watched: Watched, position: number): void {
    watched.generation++
    for (const event of this.#events.values()) {
      if (event.position <= position) watched.open.delete(event.position)
      else {
        watched.open.set(event.position, event)
        watched.effects.delete(event.position)
      }
    }
  }

  async #decided({ service, position }: StoredDeadLetter, next: StoredDeadLetter | null): Promise<void> {
    this.#world.say('operator', `decides about ${position} of ${service}: ${next?.state ?? 'dropped'}`)
    const watched = this.#watched(service)
    if (next === null || next.state === 'skipped') watched.open.delete(position)
    watched.failures.delete(position)
    await this.#check(watched, await this.#base.groups.read(service))
  }

  /** Nothing unfinished may stand where nobody will look any more. */
  async #check(watched: Watched, state: GroupState): Promise<void> {
    const { service, open } = watched
    const cursors = await this.#base.groups.cursors(service)
    watched.cursors = new Map(cursors.map((cursor) => [cursor.key, cursor]))
    for (const event of open.values()) {
      const { position, bucket } = event
      const lease = state.leases[bucket]
      if (lease === undefined || !this.#wants(watched, event)) continue
      const cursor = this.#cursor(watched, event)
      if (cursor !== undefined) continue
      if (lease.checkpoint >= position)
        this.#violated(`${service}: the checkpoint ${lease.checkpoint} of bucket ${bucket} passed ${position}`)
      for (const { pattern, since, matcher } of watched.subscriptions) {
        const covered = lease.covered?.find((one) => one.pattern === pattern)
        if (covered !== undefined && since < position && position <= covered.until && matcher.matches(event.type))
          this.#violated(`${service}: ${pattern} counts as finished up to ${covered.until}, and ${position} is not`)
      }
    }
  }

  /** The cursor that an event is left to. */
  #cursor({ cursors, subscriptions }: Watched, event: StoredEvent): Cursor | undefined {
    const cursor = cursors.get(keyOf(event))
    if (cursor === undefined || cursor.position > event.position) return undefined
    const { patterns = [], positions = [] } = cursor.finished ?? {}
    const finished =
      positions.includes(event.position) ||
      subscriptions.some(
        ({ pattern, since, matcher }) =>
          since < event.position &&
          matcher.matches(event.type) &&
          patterns.some((one) => one.pattern === pattern && event.position <= one.until),
      )
    return finished ? undefined : cursor
  }

  #wants({ subscriptions }: Watched, { type, position }: StoredEvent): boolean {
    return subscriptions.some(({ since, matcher }) => since < position && matcher.matches(type))
  }

  /** Whether an unfinished event had to be handled first. What a later subscription brought in is between the others by chance. */
  #precedes(watched: Watched, before: StoredEvent, event: StoredEvent): boolean {
    if (!this.#wants(watched, before)) return false
    if (before.type === event.type) return true
    return watched.subscriptions.some(
      ({ since, matcher, late }) => !late && since < before.position && matcher.matches(before.type),
    )
  }

  #failed(watched: Watched, position: number): void {
    watched.failures.set(position, (watched.failures.get(position) ?? 0) + 1)
  }

  #watched(service: string): Watched {
    let watched = this.#services.get(service)
    if (watched === undefined) {
      watched = {
        service,
        open: new Map(this.#events),
        running: new Set(),
        effects: new Map(),
        failures: new Map(),
        subscriptions: [],
        owners: Array.from({ length: BUCKETS }, () => ({ owner: null, epoch: 0 })),
        cursors: new Map(),
        stale: new Set(),
        generation: 0,
      }
      this.#services.set(service, watched)
    }
    return watched
  }

  #violated(what: string): void {
    this.#world.say('referee', what)
    this.#world.fail(new Violation(what))
  }
}

function idOf(update: unknown): string {
  return (update as DeadLetterUpdate).id
}

function positionsOf({ events, process }: Running): string {
  return `${events.map(({ position }) => position).join(' ')} in ${process.name}`
}

function shown(change: NonNullable<Progress['cursors']>[number]): string {
  return 'put' in change
    ? `${change.put.key}@${change.put.position} ${change.put.state} ${change.put.attempts}`
    : `-${change.remove}`
}
