import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { AnyEventDefinition } from '../index.ts'
import type { JsonSchema } from './schema-diff.ts'

/** The JSON Schema of what a definition records, or why it cannot be had. */
export type SchemaSource = { readonly schema: JsonSchema } | { readonly reason: string }

type Side = 'input' | 'output'
interface Standard {
  readonly vendor: string
  readonly jsonSchema?: Readonly<Record<Side, (options: { readonly target: string }) => unknown>>
}

const TARGET = 'draft-2020-12'

/**
 * From the schema itself, where it says it (Standard JSON Schema: Zod from 4.2, ArkType from 2.1.28), else by the converter of its
 * library, found from where the definitions are.
 */
export async function jsonSchemaOf(
  { schema }: AnyEventDefinition,
  module: string,
  side: Side = 'output',
): Promise<SchemaSource> {
  if (schema === undefined) return { reason: 'it is defined without a schema' }
  const standard: Standard = schema['~standard']
  if (standard.vendor === 'hodisa') return { reason: 'its schema is unchecked()' }
  try {
    if (standard.jsonSchema !== undefined) return written(standard.jsonSchema[side]({ target: TARGET }), side)
    if (standard.vendor === 'valibot') return written(await byValibot(schema, module, side), side)
    if (standard.vendor === 'zod') return written(await byZod(schema, module, side), side)
  } catch (error) {
    return { reason: `its schema has no JSON Schema: ${error instanceof Error ? error.message : String(error)}` }
  }
  return { reason: `schemas of ${standard.vendor} have no JSON Schema` }
}

function written(schema: unknown, side: Side): SchemaSource {
  const text = JSON.stringify(schema, side === 'input' ? undefined : (_, inner: unknown) => withDefaults(inner))
  const { $schema: _, '~standard': __, ...rest } = JSON.parse(text) as Record<string, unknown>
  return { schema: rest }
}

/** What has a default is always there in what a schema gives out; not every library says so. */
function withDefaults(schema: unknown): unknown {
  if (typeof schema !== 'object' || schema === null || !('properties' in schema)) return schema
  const { properties, required } = schema as { properties: unknown; required?: unknown }
  if (typeof properties !== 'object' || properties === null) return schema
  const filled = Object.entries(properties).flatMap(([name, member]) =>
    typeof member === 'object' && member !== null && 'default' in member ? [name] : [],
  )
  return { ...schema, required: [...new Set([...(Array.isArray(required) ? required : []), ...filled])] }
}

async function byValibot(schema: unknown, module: string, side: Side): Promise<unknown> {
  const name = '@valibot/to-json-schema'
  const { toJsonSchema } = await near<{ toJsonSchema(schema: unknown, options: object): unknown }>(name, module)
  return toJsonSchema(schema, { typeMode: side, target: TARGET })
}

async function byZod(schema: unknown, module: string, side: Side): Promise<unknown> {
  const zod = await near<{ toJSONSchema?(schema: unknown, options: object): unknown }>('zod', module)
  if (zod.toJSONSchema === undefined) throw new Error('Zod has one from version 4 on')
  return zod.toJSONSchema(schema, { io: side, target: TARGET })
}

/** A package as the module would import it. */
async function near<Package>(name: string, module: string): Promise<Package> {
  let path: string
  try {
    path = createRequire(resolve(module)).resolve(name)
  } catch {
    throw new Error(`${name} is not installed beside ${module}`)
  }
  return import(/* @vite-ignore */ pathToFileURL(path).href)
}
