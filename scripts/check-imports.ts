/*
 * Arrows run one way. Fails when a file imports from a part of the program that its own part may not know. Tests may import
 * anything.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'

const source = resolve(process.argv[2] ?? join(import.meta.dirname, '../src'))

const TESTED = [
  'aggregate',
  'projection',
  'engines/memory',
  'engines/sqlite',
  'engines/postgres',
  'index',
  'app',
  'delivery',
  'log',
  'store',
  'event',
  'errors',
]

/** Each part and what it may import beside itself. Files that stand in `src` itself are `app`, but for the two named here. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  event: ['errors'],
  store: ['event', 'errors'],
  log: ['store', 'event', 'errors'],
  delivery: ['log', 'store', 'event', 'errors'],
  aggregate: ['log', 'store', 'event', 'errors'],
  projection: ['delivery', 'log', 'store', 'event', 'errors'],
  app: ['aggregate', 'projection', 'delivery', 'log', 'store', 'event', 'errors'],
  index: ['app', 'aggregate', 'projection', 'delivery', 'log', 'store', 'event', 'errors'],
  'engines/memory': ['store', 'event', 'errors'],
  'engines/sqlite': ['store', 'event', 'errors'],
  'engines/postgres': ['store', 'event', 'errors'],
  testing: TESTED,
  'testing/index': ['testing', ...TESTED],
  cli: ['index', 'engines/sqlite', 'engines/postgres'],
}

const IMPORT = /(?:\bfrom|\bimport)\s*\(?\s*['"](\.[^'"]+)['"]/g

const faults = readdirSync(source, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts') && !/\.(test|types)\.ts$/.test(path) && !path.split(sep).includes('fixtures'))
  .sort()
  .flatMap(faultsOf)

for (const fault of faults) process.stderr.write(`${fault}\n`)
if (faults.length > 0) process.exitCode = 1

function faultsOf(path: string): string[] {
  const own = partOf(path)
  const allowed = MAY_IMPORT[own]
  if (allowed === undefined) return [`src/${path}: say in scripts/check-imports.ts what "${own}" may import`]
  const text = readFileSync(join(source, path), 'utf8')
  return [...text.matchAll(IMPORT)].flatMap(({ 1: specifier = '', index }) => {
    const part = partOf(relative(source, resolve(source, dirname(path), specifier)))
    if (part === own || allowed.includes(part)) return []
    const line = text.slice(0, index).split('\n').length
    return [`src/${path}:${line}: "${own}" may not import "${part}" (${specifier})`]
  })
}

function partOf(path: string): string {
  const [first = '', second = ''] = path.replace(/\.ts$/, '').split(sep)
  if (second === '') return first in MAY_IMPORT ? first : 'app'
  if (first === 'engines') return `engines/${second}`
  return first === 'testing' && second === 'index' ? 'testing/index' : first
}
