import type { ExplanationWarning, ProjectionExplanation, PromiseExplanation } from '../delivery/explain/explanation.ts'
import { BUCKETS } from '../event/bucket.ts'
import type { ProjectionStatus } from './admin.ts'
import type { DefinedProjection } from './definition.ts'

/** What projections promise, and what weakens it: those an app registers, and those the store knows. */
export function explainProjections(
  defined: readonly DefinedProjection[],
  known: readonly ProjectionStatus[],
): readonly ProjectionExplanation[] {
  const ids = new Set(known.map(({ projection, version }) => `${projection}@${version}`))
  const own = new Set(defined.map(({ id }) => id))
  const fresh = defined
    .filter(({ id }) => !ids.has(id))
    .map(({ name, version, inline, partition }): ProjectionExplanation => {
      const mode = inline ? 'inline' : partition === undefined ? 'async' : 'parallel'
      return { projection: name, version, defined: true, mode, state: 'new', lag: 0, ...promises(mode), warnings: [] }
    })
  const stored = known.map((status): ProjectionExplanation => {
    const { projection, version, mode, state, lag } = status
    const isOwn = own.has(`${projection}@${version}`)
    return {
      projection,
      version,
      defined: isOwn,
      mode,
      state,
      lag,
      ...promises(mode),
      warnings: warnings(status, isOwn),
    }
  })
  return [...stored, ...fresh].sort((one, other) =>
    one.projection === other.projection ? one.version - other.version : one.projection < other.projection ? -1 : 1,
  )
}

function promises(
  mode: ProjectionStatus['mode'],
): Readonly<Record<'order' | 'delivery' | 'recovery', PromiseExplanation>> {
  if (mode === 'inline') return INLINE
  return mode === 'parallel' ? { ...ASYNC, order: PARALLEL } : ASYNC
}

const ASYNC = {
  order: {
    promise: 'events are taken in one after the other, in the order of the log',
    because: ['one instance at a time holds the whole projection; the others stand by'],
  },
  delivery: {
    promise: 'every event takes effect exactly once',
    because: ['documents and the position they are at are written in one transaction'],
  },
  recovery: {
    promise: 'it never passes an event over: behind one that a handler fails at everything waits',
    because: [
      'what may pass is tried again with growing waits, and a blocked one every 30 s and at every start',
      'the instances that stand by take over from a killed one in under 10 s, from a stopped one at once',
    ],
  },
} as const

const PARALLEL = {
  promise: 'the events of one document are taken in one after the other, in the order of the log',
  because: [`every document belongs to one of ${BUCKETS} buckets, and every bucket to one instance at a time`],
} as const

const INLINE = {
  order: {
    promise: 'events are taken in as they are recorded',
    because: ['of two appends that write one document, the first to do so is first in the log'],
  },
  delivery: {
    promise: 'every event takes effect exactly once, and is in the view when its write resolves',
    because: ['documents are written in the transaction of the append', 'a writer without the projection is refused'],
  },
  recovery: {
    promise: 'an event that a handler fails at is not recorded',
    because: ['what the handler throws refuses the append'],
  },
} as const

function warnings({ state, blocked, lag }: ProjectionStatus, own: boolean): ExplanationWarning[] {
  if (blocked !== undefined) {
    const { event, error, attempts } = blocked
    return [
      {
        code: 'projection-blocked',
        level: state === 'blocked' ? 'warning' : 'hint',
        message: `${event.type} ${event.id} at position ${event.position} fails (${attempts} attempts): ${error.message}`,
        fix: 'Correct the handler and start the program again: it goes on from there.',
      },
    ]
  }
  if (state === 'down' && !own) {
    return [
      {
        code: 'projection-down',
        level: 'hint',
        message: `no instance runs, and up to ${lag} events wait`,
        fix: 'Start one, or remove the version: `hodisa projections drop`.',
      },
    ]
  }
  return []
}
