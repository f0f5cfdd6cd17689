import fc from 'fast-check'
import { expect, test } from 'vitest'
import { sqlite } from '../engines/sqlite/index.ts'
import { defineEvent, hodisa } from '../index.ts'
import { fakeTerminal, jsonLines, newStore } from './fixtures/command.ts'
import { run } from './run.ts'

const COMMANDS = [
  ['publish'],
  ['events', 'get'],
  ['events', 'list'],
  ['trace'],
  ['services', 'list'],
  ['services', 'pause'],
  ['services', 'resume'],
  ['services', 'reset'],
  ['services', 'forget'],
  ['dead', 'list'],
  ['dead', 'show'],
  ['dead', 'redrive'],
  ['dead', 'skip'],
  ['dead', 'drop'],
  ['tail', '--limit', '0'],
  [],
]

const WORDS = [
  ...['--types', '--from', '--to', '--stream', '--correlation', '--limit', '--backwards', '--id', '--key', '--kind'],
  ...['--service', '--type', '--state', '--all', '--data', '--yes', '--schema-version', '--reason', '--cause'],
  ...[
    'order.created',
    'order-1',
    'evt_1',
    '{}',
    '{"a":1}',
    '{"__proto__":1}',
    '-',
    '--',
    '@',
    '*',
    '**',
    'start',
    'now',
  ],
  ...['0', '1', '-1', '1e999', '9007199254740993', '2024-01-15', '99999d', 'domain', 'system', 'parked', ''],
]

const argument = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...WORDS) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 12 }) },
  { weight: 1, arbitrary: fc.constant('x'.repeat(300)) },
)

test('whatever the arguments, the answer is data or a typed error, never a fault of its own', async () => {
  const store = newStore()
  {
    const Created = defineEvent('order.created')
    await using app = await hodisa({ source: 'shop', store: sqlite(store), events: [Created] })
    await app.publish(Created({}, { stream: 'order-1', id: 'evt_1' }))
  }
  const codes = new Set<number>()
  const runs = fc.asyncProperty(
    fc.constantFrom(...COMMANDS),
    fc.array(argument, { maxLength: 5 }),
    async (command, rest) => {
      const terminal = fakeTerminal({ input: '{}' })
      const exit = await run(['--json', '--store', store, ...command, ...rest], terminal)
      codes.add(exit)
      expect([0, 1, 2, 3, 4]).toContain(exit)
      if (exit === 0) return
      const errors = jsonLines<{ error: { code: string; message: string; fix: string } }>(terminal.err)
      for (const { error } of errors) {
        expect(error).toMatchObject({ code: expect.stringMatching(/^[a-z-]+$/), fix: expect.any(String) })
        expect(error.code).not.toBe('internal')
        expect(error.message).not.toMatch(/\n {4}at /)
      }
      expect(errors.length).toBeGreaterThan(0)
    },
  )
  await fc.assert(runs, { numRuns: 300 })
  expect(codes).toContain(0)
  expect(codes).toContain(2)
})
