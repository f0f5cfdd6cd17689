import type { AnyAggregate } from '../../aggregate/definition.ts'
import { GivenAggregate, type GivenEvents, type GivenOptions } from './given-aggregate.ts'

/**
 * Tests an aggregate as the plain functions it is made of, without a store:
 *
 * `given(Account, [Deposited({ amount: 10 })]).when('withdraw', { amount: 20 }).then(rejected('insufficient-funds'))`
 */
export function given<Of extends AnyAggregate>(
  aggregate: Of,
  events: GivenEvents<Of> = [],
  options: GivenOptions = {},
): GivenAggregate<Of> {
  return new GivenAggregate(aggregate, events, options)
}
