import { spawnSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Contender, compete, type Report, type Settings } from './measure.ts'

const DEFINITIONS = 500
const FOLDS = 100
const ROOT = dirname(import.meta.dirname)

/** Seconds that TypeScript takes to check a generated program of 500 events. */
export async function types(settings: Settings): Promise<Report> {
  const { quick } = settings
  const contenders: Contender[] = [
    {
      who: 'hodisa',
      note: `${DEFINITIONS} definitions (zod), as many publishes by name, ${FOLDS} folds`,
      round: async (folder) => check(folder, [...definitions(true), ...app(), ...folds('RecordedOf<typeof ', '>')]),
    },
    {
      who: 'raw',
      note: 'the same schemas and folds without Hodisa',
      round: async (folder) => check(folder, [...definitions(false), ...folds('Plain<typeof ', '>')]),
    },
  ]
  return { bench: 'types', unit: 's check time', rows: await compete(settings, contenders, quick ? 1 : 3) }
}

function each<Line>(count: number, line: (index: number) => Line): Line[] {
  return Array.from({ length: count }, (_, index) => line(index))
}

function definitions(withHodisa: boolean): string[] {
  const schema = (index: number) =>
    `z.object({ id${index}: z.string(), user: z.string(), total: z.number(), at: z.string().optional(),
      items: z.array(z.object({ sku: z.string(), quantity: z.number() })) })`
  return [
    `import { z } from 'zod'`,
    ...(withHodisa
      ? [
          `import { defineEvent, hodisa, type RecordedOf } from 'hodisa'`,
          `import { sqlite } from 'hodisa/sqlite'`,
          ...each(
            DEFINITIONS,
            (index) =>
              `const Event${index} = defineEvent('thing${index % 50}.happened${index}', { schema: ${schema(index)},
                stream: (data) => data.id${index} })`,
          ),
        ]
      : [
          `type Plain<Schema extends z.ZodType> = { data: z.infer<Schema> }`,
          ...each(DEFINITIONS, (index) => `const Event${index} = ${schema(index)}`),
        ]),
  ]
}

function app(): string[] {
  const names = each(DEFINITIONS, (index) => `Event${index}`)
  return [
    `const app = await hodisa({ source: 'types', store: sqlite('types.db'), events: [${names.join(', ')}] })`,
    ...each(
      DEFINITIONS,
      (index) =>
        `await app.publish('thing${index % 50}.happened${index}', { id${index}: 'a', user: 'b', total: 1, items: [] })`,
    ),
  ]
}

/** Maps from a type of event to what it does to a state, as an aggregate has them. */
function folds(before: string, after: string): string[] {
  return each(FOLDS, (index) => {
    const members = each(5, (step) => {
      const of = index * 5 + step
      return `'thing${of % 50}.happened${of}': (state: number, event: ${before}Event${of}${after}) => state + event.data.total,`
    })
    return `export const fold${index} = { ${members.join('\n')} }`
  })
}

/** Checks the lines as one module of a program that has installed Hodisa. */
function check(folder: string, lines: readonly string[]): number {
  const modules = join(folder, 'node_modules')
  mkdirSync(modules)
  symlinkSync(ROOT, join(modules, 'hodisa'))
  symlinkSync(dirname(fileURLToPath(import.meta.resolve('zod/package.json'))), join(modules, 'zod'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(folder, 'program.ts'), lines.join('\n'))
  const compilerOptions = {
    ...{ target: 'es2024', lib: ['es2024', 'esnext.disposable'], module: 'nodenext', types: [] },
    ...{ strict: true, skipLibCheck: true, noEmit: true },
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['program.ts'] }))
  const tsc = join(dirname(fileURLToPath(import.meta.resolve('typescript/package.json'))), 'bin', 'tsc')
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', folder, '--extendedDiagnostics'], {
    encoding: 'utf8',
  })
  const time = /^Check time:\s+([\d.]+)s/m.exec(stdout)?.[1]
  if (status !== 0 || time === undefined) throw new Error(stdout)
  return Number(time)
}
