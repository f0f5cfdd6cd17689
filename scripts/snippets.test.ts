import { expect, test } from 'vitest'
import { regionOf, strayBlocks, withOutputs, withSnippets } from './snippets.ts'

const SOURCE = [
  'import x',
  '// #region a',
  '  one()',
  '',
  '    two()',
  '// #endregion',
  '// #region b',
  '// #endregion',
]

test('a snippet is the region of its file, at the left edge', () => {
  const before = 'Text\n<!-- snippet: file.ts#a -->\nold\n<!-- /snippet -->\nmore'
  const after = withSnippets(before, () => SOURCE.join('\n'))
  expect(after).toBe('Text\n<!-- snippet: file.ts#a -->\n```ts\none()\n\n  two()\n```\n<!-- /snippet -->\nmore')
  expect(withSnippets(after, () => SOURCE.join('\n'))).toBe(after)
})

test('without a region it is the whole file', () => {
  const after = withSnippets('<!-- snippet: file.ts -->\n<!-- /snippet -->', () => 'all()\n')
  expect(after).toContain('```ts\nall()\n```')
})

test('a region that is not there is an error that names it', () => {
  expect(() => regionOf(SOURCE.join('\n'), 'c', 'file.ts')).toThrow('file.ts has no region c')
})

test('an output whose lines only stand in another order is left alone', () => {
  const document = '<!-- output: file.ts -->\n```text\nb\na\n```\n<!-- /output -->'
  expect(withOutputs(document, () => 'a\nb\n')).toBe(document)
  expect(withOutputs(document, () => 'a\nc\n')).toContain('a\nc')
})

test('TypeScript that comes from no file is found', () => {
  expect(strayBlocks('```ts\nmade()\n```\n<!-- snippet: f.ts -->\n```ts\nx()\n```\n<!-- /snippet -->')).toEqual([
    'made()',
  ])
})
