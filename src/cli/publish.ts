import type { App, EventExtras, EventKind } from '../index.ts'
import { defineEvent } from '../index.ts'
import { type Context, print } from './context.ts'
import { printable } from './format.ts'

export interface PublishArguments extends Pick<EventExtras, 'id' | 'stream' | 'key' | 'correlationId' | 'causationId'> {
  readonly data: Readonly<Record<string, unknown>>
}

export interface DefinitionArguments {
  readonly type: string
  readonly kind: EventKind
  readonly version: number
}

/** The command knows no schemas, so it defines what it publishes: a type, a kind and the version the data is in. */
export function definitionOf({ type, kind, version }: DefinitionArguments) {
  const older = Array.from({ length: version - 1 }, (_, index) => [index + 1, (data: unknown) => data] as const)
  return defineEvent(type, { kind, version, upcast: Object.fromEntries(older) })
}

export async function publish(
  app: App,
  context: Context,
  definition: ReturnType<typeof definitionOf>,
  { data, ...extras }: PublishArguments,
): Promise<void> {
  const receipt = await app.publish(definition(data, extras))
  await print(context, receipt, () => {
    const places = receipt.streams.map(({ stream, revision }) => ` in ${stream} @${revision}`).join('')
    const verb = receipt.duplicate ? 'was published before:' : 'published'
    return printable(`${verb} ${definition.type} ${receipt.ids.join(' ')}${places}`).concat('\n')
  })
}
