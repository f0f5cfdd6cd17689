/*
 * README.uz.md is README.md in Uzbek, section by section: both have the same headings by level, the same code and the same tables.
 */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'

/** What must be equal in both: the level of each heading, each code block, and the size of each table, in order. */
export function outlineOf(markdown: string): string[] {
  const outline: string[] = []
  let fence: string[] | undefined
  for (const line of markdown.split('\n')) {
    if (line.startsWith('```')) {
      if (fence !== undefined) outline.push([...fence, line].join('\n'))
      fence = fence === undefined ? [line] : undefined
    } else if (fence !== undefined) fence.push(line)
    else if (/^#+ /.test(line)) outline.push(line.split(' ', 1).join())
    else if (line.startsWith('|')) outline.push(`table row of ${line.split(/(?<!\\)\|/).length - 2}`)
    else if (/^(\d+\.|-) /.test(line)) outline.push(line.startsWith('-') ? 'item' : 'numbered item')
  }
  return outline
}

/** Where two outlines part, if they do. */
export function difference(one: readonly string[], other: readonly string[]): string | undefined {
  for (let index = 0; index < Math.max(one.length, other.length); index++) {
    if (one[index] !== other[index]) return `${one[index] ?? 'nothing'}\nagainst\n${other[index] ?? 'nothing'}`
  }
  return undefined
}

if (import.meta.main) {
  const root = resolve(import.meta.dirname, '..')
  const [english, uzbek] = ['README.md', 'README.uz.md'].map((name) =>
    outlineOf(readFileSync(resolve(root, name), 'utf8')),
  )
  const found = difference(english ?? [], uzbek ?? [])
  if (found !== undefined) {
    process.stderr.write(`README.md and README.uz.md part here:\n${found}\n`)
    process.exitCode = 1
  }
}
