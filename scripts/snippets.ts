/*
 * Puts code that runs into the documents: between `<!-- snippet: file#region -->` and `<!-- /snippet -->` stands that region of
 * `examples/snippets/file` (without a region, the whole file), and between `<!-- output: file -->` and `<!-- /output -->` what it
 * prints. With `--check` nothing is written, and what differs is an error; so is TypeScript in a guide that comes from no file.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'

const SNIPPET = /(<!-- snippet: (\S+?)(?:#(\S+))? -->\n)([\s\S]*?)(<!-- \/snippet -->)/g
const OUTPUT = /(<!-- output: (\S+) -->\n)([\s\S]*?)(<!-- \/output -->)/g

/** The document with every snippet as `read` gives it. */
export function withSnippets(markdown: string, read: (file: string) => string): string {
  return markdown.replace(SNIPPET, (_, start: string, file: string, name: string | undefined, __, end: string) => {
    const code = name === undefined ? read(file).trim() : regionOf(read(file), name, file)
    return `${start}\`\`\`ts\n${code}\n\`\`\`\n${end}`
  })
}

/** The document with every output as `run` gives it; lines that only stand in another order stay as they are. */
export function withOutputs(markdown: string, run: (file: string) => string): string {
  return markdown.replace(OUTPUT, (whole: string, start: string, file: string, block: string, end: string) => {
    const fresh = `\`\`\`text\n${run(file).trim()}\n\`\`\`\n`
    return sorted(fresh) === sorted(block) ? whole : `${start}${fresh}${end}`
  })
}

/** The lines of a region, moved to the left edge. @throws {Error} where there is no such region */
export function regionOf(source: string, name: string, file: string): string {
  const lines = source.split('\n')
  const start = lines.findIndex((line) => line.trim() === `// #region ${name}`)
  const length = lines.slice(start + 1).findIndex((line) => line.trim() === '// #endregion')
  if (start < 0 || length < 0) throw new Error(`${file} has no region ${name}`)
  const region = lines.slice(start + 1, start + 1 + length)
  const indent = Math.min(...region.filter((line) => line.trim() !== '').map((line) => line.search(/\S/)))
  return region.map((line) => line.slice(indent)).join('\n')
}

/** Blocks of TypeScript that stand outside of the markers. */
export function strayBlocks(markdown: string): string[] {
  return [...markdown.replaceAll(SNIPPET, '').matchAll(/^```(?:ts|typescript)\n([\s\S]*?)^```/gm)].map(
    ([, code = '']) => code.split('\n', 1).join(),
  )
}

function sorted(text: string): string {
  return text.split('\n').sort().join('\n')
}

if (import.meta.main) process.exitCode = main(process.argv.includes('--check'))

function main(check: boolean): number {
  const root = resolve(import.meta.dirname, '..')
  const snippets = join(root, 'examples', 'snippets')
  const problems: string[] = []
  for (const path of documents(root)) {
    const before = readFileSync(path, 'utf8')
    const shown = relative(root, path)
    const read = (file: string) => readFileSync(join(snippets, file), 'utf8')
    const after = withOutputs(withSnippets(before, read), (file) => run(join(snippets, file)))
    if (!/\/adr\//.test(path)) {
      for (const line of strayBlocks(after)) problems.push(`${shown}: code that comes from no snippet: ${line}`)
    }
    if (after === before) continue
    if (check) problems.push(`${shown}: its snippets are not those of the files; run \`node scripts/snippets.ts\``)
    else writeFileSync(path, after)
  }
  for (const problem of problems) process.stderr.write(`${problem}\n`)
  return problems.length === 0 ? 0 : 1
}

function documents(root: string): string[] {
  const found = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
  const docs = found.filter((path) => path.endsWith('.md')).map((path) => join(root, 'docs', path))
  return [join(root, 'README.md'), join(root, 'README.uz.md'), ...docs.sort()]
}

/** What a program prints, run in a folder of its own. */
function run(file: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'hodisa-snippet-'))
  try {
    const { status, stdout, stderr } = spawnSync(process.execPath, [file], { cwd: folder, encoding: 'utf8' })
    if (status !== 0) throw new Error(`${file} ended with ${status}: ${stderr}`)
    return stdout
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
