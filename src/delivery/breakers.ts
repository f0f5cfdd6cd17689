import { systemEvents } from '../event/system.ts'
import type { GroupState, GroupUpdate, OpenBreaker } from '../store/groups.ts'
import { backoff } from './backoff.ts'
import { Breaker } from './breaker.ts'
import type { ServiceCore } from './core.ts'
import type { Lane } from './lanes.ts'
import type { Route } from './routes.ts'

/** So many keys in a row must fail at least before it may be an outage. */
const FEWEST_FAILURES = 5

export interface BreakersHost {
  /** The lane may go on. */
  free(lane: Lane): void
  dispatch(): void
  /** Tries a change of the group until it goes through. */
  change(decide: (state: GroupState) => GroupUpdate | undefined): Promise<void>
}

/** The breakers of a service's handlers, and the lanes they hold back. */
export class Breakers {
  readonly #core: ServiceCore
  readonly #host: BreakersHost
  readonly #breakers = new Map<Route, Breaker>()
  readonly #held = new Map<Route, Set<Lane>>()
  /** Routes with a timer that ends their hold. */
  readonly #timers = new Set<Route>()
  #open: readonly OpenBreaker[] = []

  constructor(core: ServiceCore, host: BreakersHost) {
    this.#core = core
    this.#host = host
  }

  of(route: Route): Breaker {
    let breaker = this.#breakers.get(route)
    if (breaker === undefined) {
      breaker = new Breaker(Math.max(FEWEST_FAILURES, this.#core.options.concurrency))
      breaker.share(this.#openOf(route))
      this.#breakers.set(route, breaker)
    }
    return breaker
  }

  /** Whether a fresh event must wait; its lane is then kept until it may go on. */
  holds(route: Route, lane: Lane): boolean {
    const breaker = this.of(route)
    if (breaker.admits) return false
    const held = this.#held.get(route) ?? new Set()
    this.#held.set(route, held.add(lane))
    if (breaker.shared !== undefined) this.#probeAt(route, breaker.shared.probeAt)
    return true
  }

  succeeded(route: Route): void {
    const breaker = this.of(route)
    breaker.succeed()
    if (breaker.shared !== undefined) this.#close(route)
    this.letGo(route)
  }

  failed(route: Route, error: unknown): void {
    if (this.of(route).fail()) {
      const { logger, service, system } = this.#core
      const handler = nameOf(route)
      logger.warn(`service ${service}: nothing succeeds; new events of ${handler} are held back`, {
        error: String(error),
      })
      let told = false
      const open = ({ breakers }: GroupState): GroupUpdate | undefined => {
        told = !this.of(route).admits && !breakers.some((one) => one.handler === handler)
        return told ? { breakers: [...breakers, this.#opened(handler)] } : undefined
      }
      this.#tell(route, open, () => {
        if (told) void system.say(systemEvents.breakerOpened({ service, handler }), { about: handler })
      })
    }
    this.letGo(route)
  }

  /** Follows the store. */
  share(open: readonly OpenBreaker[]): void {
    this.#open = open
    for (const [route, breaker] of this.#breakers) {
      const before = breaker.shared
      if (breaker.share(this.#openOf(route))) {
        const { logger, service, system } = this.#core
        const handler = nameOf(route)
        logger.info(`service ${service}: ${handler} succeeds again`)
        const once = [service, handler, before?.openedAt ?? 0]
        void system.say(systemEvents.breakerClosed({ service, handler }), { about: handler, once })
      }
      if (breaker.isOutlived) this.#close(route)
      this.letGo(route)
    }
  }

  /** Lets the held lanes look again whether they may go on. */
  letGo(route: Route): void {
    const held = this.#held.get(route)
    if (held === undefined) return
    this.#held.delete(route)
    for (const lane of held) this.#host.free(lane)
    this.#host.dispatch()
  }

  #openOf(route: Route): OpenBreaker | undefined {
    const handler = nameOf(route)
    return this.#open.find((one) => one.handler === handler)
  }

  #opened(handler: string): OpenBreaker {
    const now = this.#core.clock.now()
    return { handler, openedAt: now, probes: 0, probeAt: now + this.#wait(1) }
  }

  #wait(probes: number): number {
    return backoff(probes, this.#core.options.retry, this.#core.random)
  }

  /** Takes the turn to probe when it is time, unless another instance was quicker. */
  #probeAt(route: Route, at: number): void {
    if (this.#timers.has(route)) return
    this.#timers.add(route)
    const { clock } = this.#core
    const probe = () => {
      this.#timers.delete(route)
      if (!this.#held.has(route)) return
      const handler = nameOf(route)
      let taken = false
      const turn = ({ breakers }: GroupState): GroupUpdate | undefined => {
        const now = clock.now()
        taken = breakers.some((one) => one.handler === handler && one.probeAt <= now)
        if (!taken) return undefined
        const next = (one: OpenBreaker) => ({
          ...one,
          probes: one.probes + 1,
          probeAt: now + this.#wait(one.probes + 2),
        })
        return { breakers: breakers.map((one) => (one.handler === handler ? next(one) : one)) }
      }
      this.#tell(route, turn, () => {
        if (taken) this.of(route).permit()
        this.letGo(route)
      })
    }
    clock.after(Math.max(1, at - clock.now()), probe, true)
  }

  #close(route: Route): void {
    const handler = nameOf(route)
    this.#tell(route, ({ breakers }) =>
      breakers.some((one) => one.handler === handler)
        ? { breakers: breakers.filter((one) => one.handler !== handler) }
        : undefined,
    )
  }

  #tell(
    route: Route,
    decide: (state: GroupState) => GroupUpdate | undefined,
    then: () => void = () => undefined,
  ): void {
    this.#host.change(decide).then(then, (error) => {
      const { logger, service } = this.#core
      logger.warn(`service ${service}: could not tell the others of a breaker: ${String(error)}`, {
        error: String(error),
      })
      if (this.of(route).shared === undefined) this.of(route).forgive() // nobody is told: nothing is held back
      this.letGo(route)
    })
  }
}

/** A handler by what it is registered for: the same in every instance. */
function nameOf({ patterns }: Route): string {
  return patterns.map(({ text }) => text).join(' ')
}
