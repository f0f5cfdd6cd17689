import { AssertionError, deepStrictEqual } from 'node:assert'

/** What {@link rejected} gives: to be compared with what a command returned. */
export class ExpectedRejection<out Code extends string = string> {
  readonly code: Code
  /** Compared where it is given. */
  readonly details: readonly unknown[]

  constructor(code: Code, details: readonly unknown[]) {
    this.code = code
    this.details = details
  }
}

/** A rejection that a command is expected to return; its details count only where they are given. */
export function rejected<const Code extends string>(code: Code, ...details: readonly [details?: unknown]) {
  return new ExpectedRejection(code, details)
}

/** @throws {AssertionError} with both values, and a diff of them after `what` */
export function assertEqual(actual: unknown, expected: unknown, what: string): void {
  try {
    deepStrictEqual(actual, expected)
  } catch (error) {
    if (!(error instanceof AssertionError)) throw error
    throw new AssertionError({
      message: `${what}\n${error.message}`,
      actual,
      expected,
      operator: 'deepStrictEqual',
      stackStartFn: assertEqual,
    })
  }
}
