import fc from 'fast-check'
import { expect, test } from 'vitest'
import { sqlite } from '../engines/sqlite/index.ts'
import { defineEvent, hodisa, type RecordedEvent } from '../index.ts'
import { fakeTerminal, hodisaCommand, jsonLines, newStore } from './fixtures/command.ts'
import { run } from './run.ts'
import { treeOf } from './trace.ts'

// Processes are slow to start on a machine that is busy.

const Ordered = defineEvent('order.created')
const Paid = defineEvent('payment.taken')
const Mailed = defineEvent('mail.sent')

test('shows causes as a tree, and events whose cause is elsewhere as roots', async () => {
  const store = newStore()
  {
    await using app = await hodisa({ source: 'shop', store: sqlite(store), events: [Ordered, Paid, Mailed] })
    const say = (id: string, causationId?: string) => ({
      id,
      correlationId: 'req_1',
      ...(causationId && { causationId }),
    })
    await app.publish(Ordered({}, say('a')))
    await app.publish(Paid({}, say('b', 'a')))
    await app.publish(Mailed({}, say('c', 'a')))
    await app.publish(Mailed({}, say('d', 'b')))
    await app.publish(Mailed({}, say('e', 'of-another-request')))
    await app.publish(Mailed({}, { correlationId: 'req_2' }))
  }
  const { exit, out, err } = await hodisaCommand(['trace', 'req_1', '--store', store])
  expect({ exit, err }).toEqual({ exit: 0, err: '' })
  const [heading, ...lines] = out.trimEnd().split('\n')
  expect(heading).toMatch(/^req_1, 5 events from \d{4}-\d\d-\d\d /)
  expect(lines.map((line) => line.replace(/\s+\+\d+(\.\d+)? m?s/, ''))).toEqual([
    'order.created     a  shop',
    '├─ payment.taken  b  shop',
    '│  └─ mail.sent   d  shop',
    '└─ mail.sent      c  shop',
    'mail.sent         e  shop  caused by of-another-request',
  ])
  const machine = await hodisaCommand(['trace', 'd', '--json', '--store', store])
  expect(jsonLines(machine.out)).toMatchObject([
    { id: 'a', depth: 0 },
    { id: 'b', depth: 1 },
    { id: 'd', depth: 2 },
    { id: 'c', depth: 1 },
    { id: 'e', depth: 0 },
  ])
})

test('says when there is more than it shows', async () => {
  const store = newStore()
  {
    await using app = await hodisa({ source: 'shop', store: sqlite(store), events: [Mailed] })
    await app.publish([Mailed({}), Mailed({}), Mailed({})], { correlationId: 'req' })
  }
  const terminal = fakeTerminal()
  expect(await run(['trace', 'req', '--limit', '2', '--json', '--store', store], terminal)).toBe(0)
  expect(jsonLines(terminal.out)).toHaveLength(2)
  expect(terminal.err).toContain('only the first 2 events')
})

test('every event stands in the tree once, under its cause, whatever the causes are', () => {
  const causes = fc.array(fc.option(fc.nat({ max: 30 })), { maxLength: 30 })
  fc.assert(
    fc.property(causes, (given) => {
      const events = given.map((cause, index) => event(String(index), cause === null ? undefined : String(cause)))
      const tree = treeOf(events)
      expect(tree.map(({ event }) => event.id).sort()).toEqual(events.map(({ id }) => id).sort())
      const path: string[] = []
      for (const { event, depth } of tree) {
        path.length = depth
        if (depth > 0) expect(path.at(-1)).toBe(event.metadata.causationId)
        path.push(event.id)
      }
    }),
  )
})

test('a chain deeper than any stack is no trouble', () => {
  const events = Array.from({ length: 20_000 }, (_, index) => event(String(index), String(index - 1)))
  expect(treeOf(events).at(-1)?.depth).toBe(19_999)
})

function event(id: string, causationId?: string): RecordedEvent {
  const metadata = { correlationId: 'c', source: 's', ...(causationId !== undefined && { causationId }) }
  return { id, type: 'a.b', timestamp: '2024-01-15T10:30:00.000Z', version: 1, data: {}, metadata, position: 1 }
}
