import { isBreaking, type SchemaChange, schemaChanges } from './schema-diff.ts'
import type { RecordedDefinition, SchemaRecord } from './schema-record.ts'

/** `unknown`: nothing could be compared but the version numbers. */
export type Level = 'same' | 'compatible' | 'unknown' | 'breaking'

/** What has become of one event type. */
export interface Finding {
  readonly type: string
  readonly level: Level
  /** Recorded and current version; absent on a side that does not have the type. */
  readonly from?: number
  readonly to?: number
  /** What it comes to. */
  readonly message: string
  readonly changes: readonly SchemaChange[]
}

/** Compares what was recorded with the code: by type, those that are gone at the end. */
export function compareRecords(before: SchemaRecord, now: SchemaRecord): Finding[] {
  const followed = new Set<string>()
  const found = Object.entries(now).map(([type, current]) => {
    const former = [type, ...current.was.toReversed()].find((name) => before[name] !== undefined)
    for (const name of [type, ...current.was]) followed.add(name)
    const recorded = former === undefined ? undefined : before[former]
    if (former === undefined || recorded === undefined) {
      return finding(type, 'compatible', { to: current.version }, 'it is new')
    }
    return compare(type, former, recorded, current)
  })
  const gone = Object.entries(before)
    .filter(([type]) => !followed.has(type))
    .map(([type, { version }]) =>
      finding(
        type,
        'breaking',
        { from: version },
        'it is gone: what was recorded as it is not brought to any version. Was it renamed? Then name it in `was`',
      ),
    )
  return [...found, ...gone]
}

function compare(type: string, former: string, before: RecordedDefinition, now: RecordedDefinition): Finding {
  const versions = { from: before.version, to: now.version }
  const forgotten = before.was.filter((name) => !now.was.includes(name))
  if (forgotten.length > 0) {
    return finding(
      type,
      'breaking',
      versions,
      `\`was\` has lost ${forgotten.join(', ')}: events recorded so are not read as it`,
    )
  }
  if (now.version < before.version) return finding(type, 'breaking', versions, 'its version went back')
  if (now.kind !== before.kind) {
    return finding(type, 'breaking', versions, `its kind was ${before.kind}, is ${now.kind}`)
  }
  if (now.category !== before.category) {
    const stream = (category: string | null) => (category === null ? 'no stream' : `streams of ${category}`)
    const message = `its events went to ${stream(before.category)}, and go to ${stream(now.category)}: their order is lost`
    return finding(type, 'breaking', versions, message)
  }
  const renamed = former === type ? '' : `it was renamed from ${former}`
  if (now.version > before.version) {
    return finding(
      type,
      'compatible',
      versions,
      joined(renamed, `upcasters bring version ${before.version} to ${now.version}`),
    )
  }
  const reason = now.schema === null ? now.reason : before.schema === null ? before.reason : undefined
  if (now.schema === null || before.schema === null) {
    const why = `cannot compare, only version numbers were compared: ${reason ?? 'one side has no schema'}`
    return finding(type, 'unknown', versions, joined(renamed, why))
  }
  const changes = schemaChanges(before.schema, now.schema)
  if (isBreaking(changes)) {
    const message = `it changed and its version did not: raise it to ${now.version + 1} and give upcast[${now.version}]`
    return { ...finding(type, 'breaking', versions, message), changes }
  }
  const level = changes.length > 0 || renamed !== '' ? 'compatible' : 'same'
  const message = joined(renamed, changes.length > 0 ? 'what was recorded is read as it is' : 'unchanged')
  return { ...finding(type, level, versions, message), changes }
}

function finding(type: string, level: Level, versions: Pick<Finding, 'from' | 'to'>, message: string): Finding {
  return { type, level, ...versions, message, changes: [] }
}

function joined(...texts: readonly string[]): string {
  return texts.filter((text) => text !== '').join('; ')
}
