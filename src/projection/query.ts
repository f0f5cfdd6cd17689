import type { StandardSchemaV1 } from '@standard-schema/spec'
import { HodisaError } from '../errors.ts'
import { assertFunction, assertObject, invalidOption } from '../event/input.ts'
import type { Projection } from './types.ts'
import type { View, ViewOptions } from './view.ts'

/** What a query has at hand. */
export interface QueryContext {
  /** The views of the app, as `app.view` gives them. */
  view<Doc>(projection: Projection<Doc>, options?: ViewOptions): View<Doc>
}

export interface QueryOptions<Schema extends StandardSchemaV1, Result> {
  /** Checks what the caller gives; without it the handler gets it as it is. Any Standard Schema v1. */
  readonly input?: Schema
  readonly handler: (input: StandardSchemaV1.InferOutput<Schema>, context: QueryContext) => Promise<Result> | Result
}

/** A named question to the views of an app. Made by `defineQuery`. */
export interface Query<Input, Result> {
  readonly name: string
  readonly input: StandardSchemaV1 | undefined
  readonly handler: (input: never, context: QueryContext) => Promise<Result> | Result
  /** Type of what callers give; undefined at run time. */
  readonly takes?: (input: Input) => void
}

/** What `app.query` takes behind the query: its input, which may be left out where the query takes none. */
export type QueryArguments<Input> = undefined extends Input ? [input?: Input] : [input: Input]

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,199}$/

/**
 * Defines a query: `defineQuery('orders-of-user', { input: z.object({ userId: z.string() }), handler: ({ userId }, { view }) => … })`.
 *
 * @throws {HodisaError} `invalid-definition`, `invalid-option`
 */
export function defineQuery<Result, Schema extends StandardSchemaV1 = StandardSchemaV1<undefined>>(
  name: string,
  { input, handler }: QueryOptions<Schema, Result>,
): Query<StandardSchemaV1.InferInput<Schema>, Result> {
  if (typeof name !== 'string' || !NAME.test(name)) {
    throw new HodisaError('invalid-definition', 'the name of a query must be letters, digits, ".", "-" and "_"', {
      query: String(name),
    })
  }
  assertFunction('handler', handler)
  if (input !== undefined && typeof input['~standard']?.validate !== 'function') {
    throw new HodisaError('invalid-definition', `query ${name}: input must be a Standard Schema v1`, { query: name })
  }
  return Object.freeze({ name, input, handler })
}

/** @throws {HodisaError} `invalid-data`, listing every issue with its path; and whatever the handler throws. */
export async function ask<Input, Result>(
  query: Query<Input, Result>,
  input: unknown,
  context: QueryContext,
): Promise<Result> {
  assertObject('query', query)
  if (typeof query.handler !== 'function') throw invalidOption('query', 'must be what defineQuery returned', query)
  const handler = query.handler as (input: unknown, context: QueryContext) => Promise<Result> | Result
  if (query.input === undefined) return handler(input, context)
  const checked = await query.input['~standard'].validate(input)
  if (checked.issues === undefined) return handler(checked.value, context)
  const issues = checked.issues.map(({ message, path = [] }) => ({
    message,
    path: path.map((part) => String(typeof part === 'object' ? part.key : part)),
  }))
  const text = issues.map(({ message, path }) => `${['input', ...path].join('.')}: ${message}`).join('; ')
  throw new HodisaError('invalid-data', `query ${query.name}: ${text}`, { query: query.name, issues })
}
