import { spawnSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Contender, compete, type Report, type Settings } from './measure.ts'

const DEFINITIONS = 500
const FOLDS = 100
const AGGREGATES = 100
const CATEGORIES = 100
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
      who: 'hodisa aggregates',
      against: 'hodisa',
      note: `the same definitions and publishes, ${AGGREGATES} aggregates of ${DEFINITIONS / AGGREGATES} events and 3 commands, all of them executed`,
      round: async (folder) => check(folder, [...definitions(true), ...app(), ...aggregates()]),
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
          `import { defineAggregate, defineEvent, hodisa, type RecordedOf, reject } from 'hodisa'`,
          `import { sqlite } from 'hodisa/sqlite'`,
          ...each(
            DEFINITIONS,
            (index) =>
              `const Event${index} = defineEvent('thing${index % CATEGORIES}.happened${index}', { schema: ${schema(index)},
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
        `await app.publish('thing${index % CATEGORIES}.happened${index}', { id${index}: 'a', user: 'b', total: 1, items: [] })`,
    ),
  ]
}

/** Maps from a type of event to what it does to a state, as an aggregate has them. */
function folds(before: string, after: string): string[] {
  return each(FOLDS, (index) => {
    const members = each(5, (step) => {
      const of = index * 5 + step
      return `'thing${of % CATEGORIES}.happened${of}': (state: number, event: ${before}Event${of}${after}) => state + event.data.total,`
    })
    return `export const fold${index} = { ${members.join('\n')} }`
  })
}

/** Each of the events of its own category, which it folds and records. */
function aggregates(): string[] {
  return each(AGGREGATES, (index) => {
    const own = each(DEFINITIONS / CATEGORIES, (step) => index + step * CATEGORIES)
    const data = `id${index}: 'a', user, total: state.total, items: []`
    const entries = own.map((of) => {
      return `'thing${index}.happened${of}': (state, event) => ({ ...state, total: state.total + event.data.total }),`
    })
    return `
      const Thing${index} = defineAggregate('thing${index}', {
        events: [${own.map((of) => `Event${of}`).join(', ')}],
        initial: { total: 0 },
        evolve: { ${entries.join('\n')} },
        commands: {
          begin: (state, { user }: { user: string }) => Event${index}({ ${data} }),
          goOn: (state, user: string) => state.total > 9 ? reject('too-much', { most: 9 }) : [Event${index}({ ${data} })],
          end: async (state, user: string) => [Event${index}({ ${data} }), Event${index + CATEGORIES}({ ${data.replace(`id${index}`, `id${index + CATEGORIES}`)} })],
        },
      })
      export const begun${index} = (await app.execute(Thing${index}, 'a', 'begin', { user: 'b' })).events[0]?.data.total
      export const rejected${index} = (await app.execute(Thing${index}, 'a', 'goOn', 'b')).rejection?.details.most
      export const ended${index} = (await app.execute(Thing${index}, 'a', 'end', 'b')).events.length
      export const total${index} = (await app.load(Thing${index}, 'a')).state.total
    `
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
