import { expect, test } from 'vitest'
import { defineEvent } from './definition.ts'
import { parsePattern } from './pattern.ts'
import { Registry } from './registry.ts'

const Created = defineEvent('order.created', { was: ['order.placed', 'order.made'] })
const Paid = defineEvent('invoice.paid', { was: ['order.paid'] })

test('a definition goes by its former types too, and is published by its own alone', () => {
  const registry = new Registry([Created, Paid])
  expect(registry.get('order.made')).toBe(Created)
  expect(registry.currentType('order.placed')).toBe('order.created')
  expect(registry.currentType('no.such')).toBe('no.such')
  expect(registry.require('order.created')).toBe(Created)
  expect(() => registry.require('order.placed')).toThrow(/order\.placed was renamed: publish order\.created/)
  expect(registry.versions()).toEqual({
    ...{ 'order.created': 1, 'order.placed': 1, 'order.made': 1, 'invoice.paid': 1, 'order.paid': 1 },
  })
  expect([...registry]).toEqual([Created, Paid])
})

test('patterns are completed with the names that events were recorded as', () => {
  const registry = new Registry([Created, Paid])
  expect(registry.recordedAs(['order.created'])).toEqual(['order.created', 'order.placed', 'order.made'])
  expect(registry.recordedAs(['order.*'])).toEqual(['order.*'])
  expect(registry.recordedAs(['invoice.*', 'no.such'])).toEqual(['invoice.*', 'order.paid', 'no.such'])
  expect([...registry.formerTypes(parsePattern('*.paid'))]).toEqual([])
  expect(new Registry().recordedAs(['a.b'])).toEqual(['a.b'])
})

test.each([
  ['two definitions that were the same', [Created, defineEvent('order.begun', { was: ['order.made'] })], 'order.made'],
  ['one that is what another was', [Created, defineEvent('order.placed')], 'order.placed'],
  ['one that was what another is', [defineEvent('order.placed'), Created], 'order.placed'],
  ['two of one type', [Created, defineEvent('order.created')], 'order.created'],
])('%s are refused', (_, definitions, type) => {
  expect(() => new Registry(definitions)).toThrow(
    expect.objectContaining({ code: 'duplicate-definition', message: expect.stringContaining(type) }),
  )
})
