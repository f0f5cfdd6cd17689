import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { difference, outlineOf } from './readmes.ts'

const read = (name: string) => readFileSync(new URL(`../${name}`, import.meta.url), 'utf8')

test('README.uz.md equals README.md section by section', () => {
  expect(difference(outlineOf(read('README.md')), outlineOf(read('README.uz.md')))).toBeUndefined()
})

test('a missing section, other code and a missing row are told', () => {
  const one = '# A\n\n```ts\na()\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n'
  expect(difference(outlineOf(one), outlineOf(one.replace('# A', '# B')))).toBeUndefined()
  expect(difference(outlineOf(one), outlineOf(one.replace('a()', 'b()')))).toContain('b()')
  expect(difference(outlineOf(one), outlineOf(one.replace('| 1 | 2 |\n', '')))).toContain('against\nnothing')
  expect(difference(outlineOf(one), outlineOf(`${one}## More`))).toBe('nothing\nagainst\n##')
})
