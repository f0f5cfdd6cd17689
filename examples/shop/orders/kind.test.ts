import { describe, expect, it } from 'vitest'
import type { Invoice } from '../events.ts'
import { generatedInvoices } from './generator.ts'
import { idOf, kindOf } from './kind.ts'

function invoice(number: string, ...quantities: number[]): Invoice {
  const lines = quantities.map((quantity) => ({ sku: 'A', description: '', quantity, price: 0 }))
  return { invoice: number, placedAt: '2010-12-01T08:26:00', customer: null, country: 'EIRE', lines }
}

describe('an invoice', () => {
  it.each([
    ['order', invoice('536365', 1, 2)],
    ['order', invoice('A563186', 1)],
    ['return', invoice('C536379', -1)],
    ['return', invoice('C536380', 1)],
    ['adjustment', invoice('536589', -10)],
    ['adjustment', invoice('536590', 5, -1)],
    ['adjustment', invoice('536591', 0)],
  ])('is an %s, and has an id of its own', (kind, source) => {
    expect(kindOf(source)).toBe(kind)
    expect(idOf(source)).toBe(`invoice-${source.invoice}`)
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
    const kinds = invoices.map(kindOf)
    expect(new Set(kinds)).toEqual(new Set(['order', 'return', 'adjustment']))
    expect(new Set(invoices.map((each) => each.invoice)).size).toBe(500)
  })
})
