import type { AnyAggregate } from '../../aggregate/definition.ts'
import type { NewEvent } from '../../event/types.ts'
import { GivenAggregate, type GivenEvents, type GivenOptions } from './given-aggregate.ts'
import { GivenHistory } from './given-view.ts'

/**
 * Tests an aggregate as the plain functions it is made of, without a store:
 *
 * `given(Account, [Deposited({ amount: 10 })]).when('withdraw', { amount: 20 }).then(rejected('insufficient-funds'))`
 */
export function given<Of extends AnyAggregate>(
  aggregate: Of,
  events?: GivenEvents<Of>,
  options?: GivenOptions,
): GivenAggregate<Of>
/**
 * Tests a projection in the same way:
 *
 * `await given([OrderCreated(order)]).view(OrderSummary).then({ ord_1: { … } })`
 */
export function given(events: readonly NewEvent[]): GivenHistory
export function given(
  of: AnyAggregate | readonly NewEvent[],
  events: readonly NewEvent[] = [],
  options: GivenOptions = {},
): GivenAggregate<AnyAggregate> | GivenHistory {
  return isHistory(of) ? new GivenHistory(of) : new GivenAggregate(of, events, options)
}

function isHistory(of: AnyAggregate | readonly NewEvent[]): of is readonly NewEvent[] {
  return Array.isArray(of)
}
