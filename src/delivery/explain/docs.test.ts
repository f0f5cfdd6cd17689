import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const text = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8')

test('docs/explain.md names every code that the code warns with, and no other', () => {
  const inCode = ['./explanation.ts', '../../engines/memory/store.ts', '../../engines/sqlite/file-system.ts']
    .map(text)
    .flatMap((source) => [...source.matchAll(/^ {2}\| '([a-z0-9-]+)'$|code: '([a-z-]+-(?:store|system))'/gm)])
    .map(([, own, engines]) => own ?? engines)
  const [, section = ''] = text('../../../docs/explain.md').split('## Warnings')
  const inDocs = section
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .flatMap((line) => [...(line.split('|')[1] ?? '').matchAll(/`([a-z0-9-]+)`/g)].map(([, code]) => code))
  expect(inDocs.toSorted()).toEqual(inCode.toSorted())
})
