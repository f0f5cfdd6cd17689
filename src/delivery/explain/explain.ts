import type { Registry } from '../../event/registry.ts'
import type { Durability, Store } from '../../store/port.ts'
import { PROJECTION } from '../one-lane.ts'
import type {
  Explanation,
  ExplanationWarning,
  HandlerExplanation,
  ProjectionExplanation,
  ServiceExplanation,
  SubscriptionExplanation,
} from './explanation.ts'
import { type DefinedService, factsOf, type ServiceFacts } from './facts.ts'
import { deduplicationOf, deliveryOf, orderOf, recoveryOf } from './promises.ts'
import { warningsOf } from './warnings.ts'

export interface Wiring {
  readonly source: string
  readonly store: Store
  readonly durability: Durability
  readonly registry: Registry
  readonly services: readonly DefinedService[]
  readonly projections: readonly ProjectionExplanation[]
}

/** What the wiring as it is promises. Changes nothing; reads the store's state of services, and its newest events. */
export async function explain({
  source,
  store,
  durability,
  registry,
  services,
  projections,
}: Wiring): Promise<Explanation> {
  const { engine, capabilities } = store
  const described = (await store.describe?.()) ?? {
    location: null,
    durability: capabilities.durable ? durability : ('none' as const),
    warnings: [],
  }
  const defined = new Map(services.map((service) => [service.name, service]))
  const recorded = (await store.groups.list()).filter((name) => !name.startsWith(PROJECTION))
  const names = [...new Set([...defined.keys(), ...recorded])].sort()
  const known = { registry, capabilities, durability: described.durability }
  const explained: ServiceExplanation[] = []
  for (const name of names) {
    explained.push(serviceOf(await factsOf(store, name, { ...known, defined: defined.get(name) })))
  }
  return {
    source,
    store: {
      engine,
      location: described.location,
      durability: described.durability,
      capabilities: { ...capabilities },
    },
    services: explained,
    projections,
    warnings: [
      ...described.warnings.map((one): ExplanationWarning => ({ ...one, level: 'warning' })),
      ...(described.durability === 'os' ? [LOWERED] : []),
    ],
  }
}

const LOWERED: ExplanationWarning = {
  code: 'durability-lowered',
  level: 'warning',
  message: "durability 'os': a power cut can take events whose publisher was told that they are recorded",
  fix: "Leave `durability` at 'fsync' wherever events must not be lost.",
}

function serviceOf(facts: ServiceFacts): ServiceExplanation {
  const subscriptions = subscriptionsOf(facts)
  const { name, defined, state, living, lag } = facts
  return {
    service: name,
    defined: defined !== undefined,
    state: stateOf(facts),
    instances: living.length,
    lag: state.revision === 0 ? 0 : lag,
    handlers: handlersOf(defined),
    subscriptions,
    order: orderOf(facts),
    delivery: deliveryOf(facts, subscriptions),
    deduplication: deduplicationOf(facts),
    recovery: recoveryOf(facts),
    warnings: warningsOf(facts, subscriptions),
  }
}

function stateOf({ state, living }: ServiceFacts): ServiceExplanation['state'] {
  if (state.revision === 0) return 'new'
  if (state.paused !== null) return 'paused'
  return living.length > 0 ? 'running' : 'down'
}

/** Those the store has, and those that it will have when this app has started. */
function subscriptionsOf({ defined, state, living }: ServiceFacts): SubscriptionExplanation[] {
  const announced = new Set(living.flatMap(({ patterns }) => patterns))
  const recorded = new Map(state.subscriptions.map(({ pattern, since }) => [pattern, since]))
  const patterns = new Set([
    ...recorded.keys(),
    ...(defined?.routes.subscriptions().map(({ pattern }) => pattern) ?? []),
  ])
  return [...patterns].map((pattern) => ({
    pattern,
    since: recorded.get(pattern) ?? null,
    announced: announced.has(pattern),
  }))
}

function handlersOf(defined: DefinedService | undefined): HandlerExplanation[] {
  if (defined === undefined) return []
  return [...defined.routes].map(({ patterns, mode, usage }) => ({
    patterns: patterns.map(({ text }) => text),
    mode,
    ...usage,
  }))
}
