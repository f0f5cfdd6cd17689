import type { AnyEventDefinition, App, RecordedEvent } from '../index.ts'
import { isHodisaError } from '../index.ts'
import { type Context, isOver } from './context.ts'
import { isBreaking, schemaChanges } from './schema-diff.ts'
import { jsonSchemaOf } from './schema-source.ts'

/** What was tried of one type and version as it is recorded. */
export interface Sampling {
  readonly type: string
  readonly version: number
  /** Events of it in the store, and how many of them were tried. */
  readonly events: number
  readonly tried: number
  readonly problems: readonly SampleProblem[]
  /** Why what came out could not be validated. */
  readonly unchecked?: string
}

export interface SampleProblem {
  /** `newer`: than the code knows. `upcast`: a step fails. `data`: the schema refuses what came out. */
  readonly what: 'newer' | 'upcast' | 'data'
  readonly id: string
  readonly position: number
  readonly issue: string
}

type Sample = Pick<RecordedEvent, 'id' | 'type' | 'version' | 'position'>

interface Kept {
  events: number
  readonly first: Sample[]
  readonly last: Sample[]
}

/**
 * Reads the log once, keeping the first and the last events of each type and version, and tries the upcasters on them.
 *
 * @param raw an app without definitions: it shows what was recorded
 * @param app one with the definitions
 */
export async function sample(
  { raw, app }: { readonly raw: App; readonly app: App },
  context: Context,
  { definitions, module, most }: { definitions: readonly AnyEventDefinition[]; module: string; most: number },
): Promise<readonly Sampling[]> {
  const byName = new Map(definitions.flatMap((one) => [one.type, ...one.was].map((name) => [name, one] as const)))
  const kept = new Map<string, Kept>()
  for await (const { id, type, version, position } of raw.read({ types: [...byName.keys()] })) {
    const key = `${type} ${version}`
    const of = kept.get(key) ?? { events: 0, first: [], last: [] }
    kept.set(key, of)
    of.events++
    if (of.first.length < Math.ceil(most / 2)) of.first.push({ id, type, version, position })
    else if (of.last.push({ id, type, version, position }) > Math.floor(most / 2)) of.last.shift()
    if (isOver(context)) break
  }
  const found: Sampling[] = []
  for (const { events, first, last } of kept.values()) {
    const samples = [...first, ...last]
    const [one] = samples
    const definition = one && byName.get(one.type)
    if (one === undefined || definition === undefined) continue
    const problems: SampleProblem[] = []
    for (const each of samples) problems.push(...(await tried(app, definition, each)))
    const unchecked = problems.some(({ what }) => what === 'data') ? await transforms(definition, module) : undefined
    const { type, version } = one
    const counts = { type, version, events, tried: samples.length }
    const upcasting = problems.filter(({ what }) => what !== 'data')
    found.push(unchecked === undefined ? { ...counts, problems } : { ...counts, problems: upcasting, unchecked })
  }
  return found.sort((one, other) =>
    one.type === other.type ? one.version - other.version : one.type < other.type ? -1 : 1,
  )
}

async function tried(app: App, definition: AnyEventDefinition, recorded: Sample): Promise<SampleProblem[]> {
  const { id, position, version } = recorded
  const problem = (what: SampleProblem['what'], issue: string) => [{ id, position, what, issue }]
  if (version > definition.version) {
    return problem('newer', `it is of version ${version}, and the code knows ${definition.version}`)
  }
  try {
    for await (const event of app.read({ from: position, to: position })) {
      if (event.id !== id) continue // what was split off is validated when it is read
      const issues = await issuesOf(definition, event.data)
      if (issues !== undefined) return problem('data', issues)
    }
    return []
  } catch (error) {
    if (!isHodisaError(error, 'upcast-failed')) throw error
    return problem('upcast', error.message)
  }
}

async function issuesOf({ schema }: AnyEventDefinition, data: unknown): Promise<string | undefined> {
  if (schema === undefined) return undefined
  const { issues } = await schema['~standard'].validate(data as never)
  if (issues === undefined) return undefined
  return issues
    .map(({ message, path = [] }) => {
      const names = path.map((part) => String(typeof part === 'object' ? part.key : part))
      return `${['data', ...names].join('.')}: ${message}`
    })
    .join('; ')
}

/** Why the schema may refuse what it gave out itself: what is recorded is its output, and it takes its input. */
async function transforms(definition: AnyEventDefinition, module: string): Promise<string | undefined> {
  const [input, output] = [
    await jsonSchemaOf(definition, module, 'input'),
    await jsonSchemaOf(definition, module, 'output'),
  ]
  if (!('schema' in output)) return 'schema' in input ? 'its schema changes what it takes' : undefined
  if (!('schema' in input)) return 'its schema changes what it takes'
  return isBreaking(schemaChanges(output.schema, input.schema)) ? 'its schema changes what it takes' : undefined
}
