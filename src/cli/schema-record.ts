import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import type { AnyEventDefinition } from '../index.ts'
import { CommandError } from './failure.ts'
import type { JsonSchema } from './schema-diff.ts'
import { jsonSchemaOf } from './schema-source.ts'

const FORMAT = 1

/** What the record keeps of one definition. */
export interface RecordedDefinition {
  readonly version: number
  readonly kind: string
  /** Types that it was recorded as before, the oldest first. */
  readonly was: readonly string[]
  /** Of the streams its events go to; null for events of no stream. */
  readonly category: string | null
  /** Of what is recorded; null where it cannot be had. */
  readonly schema: JsonSchema | null
  /** Why there is no schema. */
  readonly reason?: string
}

/** Definitions by type, as they stand in a file or in the code. */
export type SchemaRecord = Readonly<Record<string, RecordedDefinition>>

export async function recordOf(definitions: readonly AnyEventDefinition[], module: string): Promise<SchemaRecord> {
  const record: Record<string, RecordedDefinition> = {}
  for (const definition of definitions) {
    const { type, version, kind, was, category, streamId } = definition
    const source = await jsonSchemaOf(definition, module)
    const rest = { version, kind, was, category: streamId === undefined ? null : category }
    record[type] = 'schema' in source ? { ...rest, schema: source.schema } : { ...rest, schema: null, ...source }
  }
  return record
}

/** Undefined where there is no file. @throws {CommandError} `invalid-record` */
export function readRecord(file: string): SchemaRecord | undefined {
  if (!existsSync(file)) return undefined
  let content: unknown
  try {
    content = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new CommandError(
      'invalid-record',
      `${file} cannot be read: ${error instanceof Error ? error.message : error}`,
    )
  }
  const { format, events } = (content ?? {}) as { format?: unknown; events?: unknown }
  if (format !== FORMAT || typeof events !== 'object' || events === null || !Object.values(events).every(isRecorded)) {
    throw new CommandError('invalid-record', `${file} is no record of schemas that this release understands`)
  }
  return events as SchemaRecord
}

/** Sorted, so that a diff shows what has changed and nothing else. */
export function writeRecord(file: string, record: SchemaRecord): void {
  writeFileSync(file, `${JSON.stringify({ format: FORMAT, events: sorted(record) }, undefined, 2)}\n`)
}

function isRecorded(value: unknown): value is RecordedDefinition {
  if (typeof value !== 'object' || value === null) return false
  const { version, was, schema, category } = value as Partial<RecordedDefinition>
  return (
    Number.isSafeInteger(version) &&
    Array.isArray(was) &&
    (schema === null || typeof schema === 'object' || typeof schema === 'boolean') &&
    (category === null || typeof category === 'string')
  )
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1))
  return Object.fromEntries(entries.map(([name, inner]) => [name, sorted(inner)]))
}
