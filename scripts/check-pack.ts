/*
 * What would be published: everything the package names, the documents a person looks for first, and nothing of its workshop.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'

const root = resolve(import.meta.dirname, '..')
const LARGEST = 3_000_000 // bytes, unpacked
const ALLOWED = /^(dist\/|package\.json$|README\.md$|README\.uz\.md$|CHANGELOG\.md$|LICENSE$)/
const UNWANTED = /\.test\.|\.tmp\.|\/fixtures\/(?!worker)|\.types\./

const { stdout, status } = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
  cwd: root,
  encoding: 'utf8',
})
const [packed] = JSON.parse(status === 0 ? stdout : '[]') as { files: { path: string }[]; unpackedSize: number }[]
const paths = new Set(packed?.files.map(({ path }) => path))
const { bin, exports } = JSON.parse(readFileSync(resolve(root, 'package.json'), 'utf8')) as {
  bin: Record<string, string>
  exports: Record<string, string>
}
const entries = [...Object.values(bin), ...Object.values(exports)].map((path) => path.replace(/^\.\//, ''))
const needed = [...entries, ...entries.filter((path) => path.endsWith('.js')).map(typesOf), 'README.md', 'LICENSE']

const problems = [
  ...needed.filter((path) => !paths.has(path)).map((path) => `${path} is missing`),
  ...[...paths].filter((path) => !ALLOWED.test(path) || UNWANTED.test(path)).map((path) => `${path} does not belong`),
]
if ((packed?.unpackedSize ?? 0) > LARGEST) problems.push(`${packed?.unpackedSize} bytes are too many`)
const lockfile = readFileSync(resolve(root, 'package-lock.json'), 'utf8')
if (lockfile.includes('"resolved"')) problems.push('package-lock.json records where packages were downloaded from')

for (const problem of problems) process.stderr.write(`package: ${problem}\n`)
if (problems.length > 0) process.exitCode = 1

function typesOf(path: string): string {
  return path.replace(/\.js$/, '.d.ts')
}
