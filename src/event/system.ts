import { defineReserved, unchecked } from './definition.ts'

/** An error as it is kept: plain and cut to size. */
interface KeptError {
  readonly name: string
  readonly message: string
  readonly code?: string
}

interface OfService {
  readonly service: string
}

interface OfEvent extends OfService {
  readonly eventId: string
  readonly type: string
  readonly key: string
  readonly position: number
  readonly attempts: number
  readonly error: KeptError
  readonly deadLetter: string
}

function system<const Type extends `hodisa.${string}`, Data>(type: Type) {
  return defineReserved(type, { kind: 'system', keep: '7d', schema: unchecked<Data>() })
}

/**
 * What the framework tells about itself: events of kind `system`, kept for a week. A service gets them by a pattern that
 * begins with `hodisa.`, or by one of these definitions.
 */
export const systemEvents = Object.freeze({
  /** A service gave up on an event; what is behind it in its key waits. */
  eventParked: system<'hodisa.event.parked', OfEvent>('hodisa.event.parked'),
  /** A service gave up on an event and went on. */
  eventSkipped: system<'hodisa.event.skipped', OfEvent>('hodisa.event.skipped'),
  /** A service paused itself. */
  serviceStopped: system<'hodisa.service.stopped', OfService & { readonly reason: string }>('hodisa.service.stopped'),
  /** What stood at the end of the log a while ago is still not finished. */
  serviceLagging: system<
    'hodisa.service.lagging',
    OfService & { readonly position: number; readonly head: number; readonly seconds: number }
  >('hodisa.service.lagging'),
  serviceCaughtUp: system<'hodisa.service.caughtUp', OfService>('hodisa.service.caughtUp'),
  /** A process did not show any more that it lives; its share is taken over. */
  instanceLost: system<'hodisa.instance.lost', { readonly instance: string; readonly lostBy: string }>(
    'hodisa.instance.lost',
  ),
  /** Nothing succeeds in a handler: its new events are held back. */
  breakerOpened: system<'hodisa.breaker.opened', OfService & { readonly handler: string }>('hodisa.breaker.opened'),
  breakerClosed: system<'hodisa.breaker.closed', OfService & { readonly handler: string }>('hodisa.breaker.closed'),
  /** No live instance has announced a pattern for long enough. */
  subscriptionEnded: system<'hodisa.subscription.ended', OfService & { readonly pattern: string }>(
    'hodisa.subscription.ended',
  ),
  /** A handler ignores its signal; others go on with its bucket. */
  handlerStuck: system<'hodisa.handler.stuck', OfService & { readonly eventId: string; readonly type: string }>(
    'hodisa.handler.stuck',
  ),
})

/** Whether a type, a pattern or the name of a handler is about the framework's own events. */
export function isReserved(name: string): boolean {
  return name === 'hodisa' || name.startsWith('hodisa.')
}
