import { HodisaError, isHodisaError } from '../errors.ts'
import type { AppendCondition } from '../store/events.ts'
import type { Standing } from './bound.ts'
import type { Task } from './executor.ts'

/** Somebody else wrote first: it is to be decided again. */
export class Overtaken {
  readonly by: unknown

  constructor(by?: unknown) {
    this.by = by
  }
}

/** What the store refused because somebody else wrote first, or because it has lost what this was decided on. */
export async function overtakable<Result>(write: Promise<Result>): Promise<Result> {
  try {
    return await write
  } catch (error) {
    const codes = ['revision-conflict', 'partial-duplicate', 'document-exists', 'store-behind'] as const
    throw codes.some((code) => isHodisaError(error, code)) ? new Overtaken(error) : error
  }
}

/** That nobody wrote since. */
export function revisionsOf({ subjects }: Task, standings: readonly Standing[]): AppendCondition[] {
  return subjects.map(({ stream }, index) => {
    return { kind: 'expectedRevision', stream, expected: standings[index]?.revision ?? 0 }
  })
}

export function assertExpected({ what, subjects, options }: Task, standings: readonly Standing[]): void {
  const { expectedRevision } = options
  const [standing] = standings
  if (expectedRevision === undefined || standing?.revision === expectedRevision) return
  const stream = subjects[0]?.stream ?? ''
  const actualRevision = standing?.revision ?? 0
  throw new HodisaError(
    'revision-conflict',
    `${what}: ${stream} expected ${expectedRevision}, is at ${actualRevision}`,
    {
      stream,
      expectedRevision,
      actualRevision,
      violations: [{ stream, expected: expectedRevision, actual: actualRevision }],
    },
  )
}

export function gaveUp({ what, subjects }: Task, attempts: number, by: unknown): HodisaError {
  const streams = subjects.map(({ stream }) => stream)
  const details = by instanceof HodisaError ? by.details : {}
  const times = attempts === 1 ? 'once' : `${attempts} times`
  return new HodisaError(
    'revision-conflict',
    `${what}: others wrote to ${streams.join(' or ')} first, ${times}`,
    { ...details, streams, attempts },
    by,
  )
}
