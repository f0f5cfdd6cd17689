import { BUCKETS } from '../../event/bucket.ts'
import type { ExplanationWarning, SubscriptionExplanation, WarningCode } from './explanation.ts'
import type { ServiceFacts } from './facts.ts'
import { count, some, time } from './words.ts'

/** From how many positions on a lag is large. */
const LARGE_LAG = 1_000

/** What weakens a promise of a service, as far as it can be known. */
export function warningsOf(
  facts: ServiceFacts,
  subscriptions: readonly SubscriptionExplanation[],
): ExplanationWarning[] {
  return [...ofState(facts, subscriptions), ...ofOptions(facts), ...ofTypes(facts), ...ofHandlers(facts)]
}

function warning(code: WarningCode, message: string, fix: string): ExplanationWarning {
  return { code, level: 'warning', message, fix }
}

function hint(code: WarningCode, message: string, fix: string): ExplanationWarning {
  return { code, level: 'hint', message, fix }
}

function* ofState(
  { name, defined, state, progress, living, lag }: ServiceFacts,
  subscriptions: readonly SubscriptionExplanation[],
): Generator<ExplanationWarning> {
  if (state.paused !== null) {
    yield warning(
      'service-paused',
      `it is paused: ${state.paused}`,
      `\`hodisa services resume ${name}\` ends the pause.`,
    )
  }
  if (living.length === 0 && defined === undefined) {
    yield hint(
      'service-down',
      `no instance runs, and up to ${count(lag, 'event')} wait`,
      'Start one, or forget the service.',
    )
  }
  if (living.length > BUCKETS) {
    yield warning(
      'too-many-instances',
      `${living.length} instances share ${BUCKETS} buckets: ${living.length - BUCKETS} of them rest`,
      'Run fewer instances, and raise `concurrency` instead.',
    )
  }
  const unannounced = subscriptions.filter(({ since, announced }) => since !== null && !announced)
  if (living.length > 0 && unannounced.length > 0) {
    yield warning(
      'unannounced-subscription',
      `no running instance handles ${some(unannounced.map(({ pattern }) => pattern))}: those events wait, and so do their keys`,
      'Start an instance that handles them; the subscription ends when none has announced it for `abandonAfter`.',
    )
  }
  for (const { handler, openedAt } of state.breakers) {
    const since = new Date(openedAt).toISOString()
    yield warning(
      'breaker-open',
      `nothing succeeds at ${handler} since ${since}: new events of it are held back, but for single tries`,
      'Look for what the handler depends on; it goes on by itself when one event succeeds.',
    )
  }
  const { parked } = progress.cursors
  if (parked > 0) {
    yield hint(
      'parked-keys',
      `${count(parked, 'key')} ${parked === 1 ? 'is' : 'are'} parked: their later events wait`,
      'See `hodisa dead list`; then redrive, skip or drop.',
    )
  }
}

function* ofOptions({ defined, lag, living }: ServiceFacts): Generator<ExplanationWarning> {
  if (defined === undefined) return
  const { poison, patience, concurrency } = defined.options
  if (poison === 'skip') {
    yield warning(
      'poison-skip',
      "poison 'skip': an event that fails for good is lost to this service on purpose",
      "Use 'park' to keep it, and its order.",
    )
  }
  if (poison === 'stop') {
    yield warning(
      'poison-stop',
      "poison 'stop': one event that fails for good pauses all keys of the service",
      "Use 'park' to hold back its key alone.",
    )
  }
  if (patience === 0) {
    yield warning(
      'no-patience',
      'patience 0: in an outage of what the handlers depend on, events are given up one after the other',
      'Give it as long as such an outage may last.',
    )
  }
  if (concurrency === 1 && lag >= LARGE_LAG) {
    yield hint(
      'lag-at-concurrency-1',
      `up to ${count(lag, 'event')} wait, and each of ${count(Math.max(1, living.length), 'instance')} handles one at a time`,
      'Raise `concurrency`: the order of each key is kept.',
    )
  }
}

function* ofTypes({ defined, registry, living, newest, waiting }: ServiceFacts): Generator<ExplanationWarning> {
  const known = (type: string) =>
    defined === undefined
      ? Math.max(-1, ...living.flatMap(({ versions }) => versions[type] ?? []))
      : (registry.get(type)?.version ?? -1)
  // The first of each: what waits was recorded before what is newest, which is told from its end.
  const newer = [...waiting, ...newest.toReversed()].filter(
    ({ type, version }) => known(type) !== -1 && version > known(type),
  )
  if (newer.length > 0) {
    const first = new Map<string, string>()
    for (const { type, version, position } of newer) {
      const name = `${type} version ${version}`
      if (!first.has(name)) first.set(name, `${name} (known: ${known(type)}) at position ${position}`)
    }
    yield warning(
      'newer-version',
      `it meets versions that this code does not know: ${some(first.values())}; their keys wait`,
      'Deploy code that knows them.',
    )
  }
  if (defined === undefined) return
  const patterns = [...defined.routes].flatMap((route) => route.patterns.map(({ text }) => text))
  const unknown = (type: string) => registry.get(type) === undefined && !type.startsWith('hodisa.')
  const named = patterns.filter((pattern) => !pattern.includes('*') && unknown(pattern))
  const fix = 'Add the definitions to `events` of hodisa().'
  if (named.length > 0) {
    const message = `${some(named)}: handled without a definition, so their data is neither typed nor brought to a current version`
    yield warning('unknown-type', message, fix)
  }
  const met = new Set(newest.map(({ type }) => type).filter((type) => unknown(type) && !named.includes(type)))
  const unmet = [...met].filter((type) => defined.routes.find(type) !== undefined)
  if (unmet.length > 0) {
    yield hint('unknown-type', `its patterns also match ${some(unmet)}, of which the app has no definition`, fix)
  }
  const system = [...registry].filter(({ kind, type }) => kind === 'system' && defined.routes.find(type) !== undefined)
  const own = patterns.filter((pattern) => pattern.startsWith('hodisa.'))
  if (system.length + own.length > 0) {
    const names = system.map(({ type, keep }) => (keep === undefined ? type : `${type} (kept ${time(keep)})`))
    yield hint(
      'system-events',
      `system events may expire before a service that was down has handled them: ${some([...names, ...own])}`,
      'Do not keep state by them alone.',
    )
  }
}

function* ofHandlers({ defined, capabilities }: ServiceFacts): Generator<ExplanationWarning> {
  if (defined === undefined || !capabilities.transactions || !capabilities.sql) return
  const unused = [...defined.routes].filter(({ usage }) => usage.attempts > 0 && usage.commits === 0)
  if (unused.length === 0) return
  const patterns = unused.flatMap((route) => route.patterns.map(({ text }) => text))
  const attempts = unused.reduce((sum, { usage }) => sum + usage.attempts, 0)
  yield hint(
    'commit-unused',
    `${some(patterns)}: ran ${count(attempts, 'time')} here and never used ctx.commit`,
    'If it writes to this database, write in ctx.commit: then the write happens exactly once. Otherwise all is well.',
  )
}
