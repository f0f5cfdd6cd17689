import { AsyncLocalStorage } from 'node:async_hooks'
import { type Duration, milliseconds } from '../event/duration.ts'
import type { Clock } from '../store/port.ts'
import { Agenda } from './agenda.ts'
import { turn } from './turn.ts'

/** A clock that stands still until it is moved. */
export interface FakeClock extends Clock {
  /**
   * Moves time on, and calls back what falls due on the way: in order, each with everything that follows from it without time
   * passing. Resolves when that is over.
   */
  advance(by: Duration): Promise<void>
  /** Sets the wall clock, as an administrator would: no timer and no lease may mind. */
  set(now: Date | number): void
}

/**
 * Time for tests: `hodisa({ clock, … })`. On the memory engine everything an app does between two timers is done when `advance`
 * resolves; what uses the machine itself (files, sockets, other timers) takes its own time.
 */
export function fakeClock(start: Date | number = Date.UTC(2024, 0, 1)): FakeClock {
  const agenda = new Agenda()
  let offset = Number(start)
  let time = 0
  let ties = 0
  return {
    now: () => time + offset,
    monotonic: () => time,
    after: (ms, callback) => agenda.add(time + Math.max(0, ms), ties++, AsyncLocalStorage.bind(callback)),
    async advance(by) {
      const until = time + milliseconds(by, 'by')
      await turn()
      for (let next = agenda.next; next !== undefined && next <= until; next = agenda.next) {
        time = Math.max(time, next)
        agenda.take()?.()
        await turn()
      }
      time = until
    },
    set: (now) => {
      offset = Number(now) - time
    },
  }
}
