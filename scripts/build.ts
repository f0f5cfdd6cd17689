/*
 * Makes `dist` from `src`. Does nothing when `dist` is newer than everything it is made from, so that `npm start` is quick.
 * Compiles beside `dist` and moves file by file: a program that runs from `dist` meanwhile never sees half a file, and a
 * failed build leaves the last good one in place.
 */
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = resolve(import.meta.dirname, '..')
const dist = join(root, 'dist')
const { bin, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  bin: Record<string, string>
  exports: Record<string, string>
}
const commands = Object.values(bin)
const entries = [...commands, ...Object.values(exports).filter((path) => path.startsWith('./dist/'))]

if (!isFresh()) process.exitCode = build()

function build(): number {
  const startedAt = new Date()
  const fresh = `${dist}.${process.pid}`
  try {
    const tsc = join(dirname(fileURLToPath(import.meta.resolve('typescript/package.json'))), 'bin', 'tsc')
    const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', fresh], {
      cwd: root,
      stdio: 'inherit',
    })
    if (status !== 0) return status ?? 1
    for (const command of commands) chmodSync(join(fresh, command.slice('dist/'.length)), 0o755)
    const outputs = filesUnder(fresh)
    for (const output of outputs) {
      const target = join(dist, output)
      mkdirSync(dirname(target), { recursive: true })
      // A source saved while tsc ran must count as newer.
      utimesSync(join(fresh, output), startedAt, startedAt)
      renameSync(join(fresh, output), target)
    }
    const made = new Set(outputs)
    for (const stale of filesUnder(dist)) if (!made.has(stale)) rmSync(join(dist, stale), { force: true })
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
  return 0
}

function isFresh(): boolean {
  if (entries.some((path) => !existsSync(join(root, path)))) return false
  const madeFrom = ['tsconfig.json', 'tsconfig.build.json', 'package.json', 'package-lock.json', 'scripts/build.ts']
  const sources = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
    // Folders too: they become newer when a file is removed.
    .filter((entry) => !entry.name.endsWith('.test.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
  const newest = Math.max(...[...madeFrom.map((path) => join(root, path)), ...sources].map(changedAt))
  return Math.min(...filesUnder(dist).map((path) => changedAt(join(dist, path)))) > newest
}

function changedAt(path: string): number {
  return statSync(path).mtimeMs
}

/** Paths relative to the folder. */
function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
}
