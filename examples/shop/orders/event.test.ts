import { describe, expect, it } from 'vitest'
import type { Invoice } from '../events.ts'
import { eventOf } from './event.ts'
import { generatedInvoices } from './generator.ts'

function invoice(number: string, ...quantities: number[]): Invoice {
  const lines = quantities.map((quantity) => ({ sku: 'A', description: '', quantity, price: 0 }))
  return { invoice: number, placedAt: '2010-12-01T08:26:00', customer: null, country: 'EIRE', lines }
}

describe('the event of an invoice', () => {
  it.each([
    ['order.created', invoice('536365', 1, 2)],
    ['order.created', invoice('A563186', 1)],
    ['order.returned', invoice('C536379', -1)],
    ['order.returned', invoice('C536380', 1)],
    ['stock.adjusted', invoice('536589', -10)],
    ['stock.adjusted', invoice('536590', 5, -1)],
    ['stock.adjusted', invoice('536591', 0)],
  ])('is %s', (type, source) => {
    expect(eventOf(source)).toMatchObject({ type, extras: { id: `invoice-${source.invoice}` } })
  })
})

describe('made-up invoices', () => {
  const first = (count: number, seed?: number) => {
    const invoices = generatedInvoices(seed)
    return Array.from({ length: count }, () => invoices.next().value as Invoice)
  }

  it('are the same every time', () => {
    expect(first(300)).toEqual(first(300))
    expect(first(300, 2)).not.toEqual(first(300))
  })

  it('are of every kind, and each has a number of its own', () => {
    const invoices = first(500)
    const types = invoices.map((each) => eventOf(each).type)
    expect(new Set(types)).toEqual(new Set(['order.created', 'order.returned', 'stock.adjusted']))
    expect(new Set(invoices.map((each) => each.invoice)).size).toBe(500)
  })
})
