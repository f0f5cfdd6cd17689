import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Invoice } from '../events.ts'
import { linesOf } from './file.ts'
import { invoicesOf } from './invoices.ts'

const HEADER = 'InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country'
const GOOD = '536365,85123A,HOLDER,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shop-csv-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function read(content: string | Buffer): Promise<{ invoices: Invoice[]; problems: number[]; starts: number[] }> {
  const file = join(folder, 'orders.csv')
  await writeFile(file, content)
  const problems: number[] = []
  const invoices: Invoice[] = []
  const starts: number[] = []
  for await (const { invoice, line } of invoicesOf(linesOf(file), (bad) => problems.push(bad))) {
    invoices.push(invoice)
    starts.push(line)
  }
  return { invoices, problems, starts }
}

describe('invoices of a CSV file', () => {
  it('puts the lines of an invoice together', async () => {
    const other = GOOD.replace('536365', 'C536366').replace(',6,', ',-6,')
    const { invoices, starts } = await read([HEADER, GOOD, GOOD.replace('85123A', '71053'), other, ''].join('\n'))
    expect(invoices.map(({ invoice, lines }) => [invoice, lines.length])).toEqual([
      ['536365', 2],
      ['C536366', 1],
    ])
    expect(invoices[0]).toMatchObject({ customer: '17850', country: 'United Kingdom', placedAt: '2010-12-01T08:26:00' })
    expect(invoices[0]?.lines[0]).toEqual({ sku: '85123A', description: 'HOLDER', quantity: 6, price: 2550 })
    expect(starts).toEqual([2, 4])
  })

  it('reads commas, quotes and line breaks in quotes, other letters than ASCII, and three decimals', async () => {
    const lines = [
      HEADER,
      '1,A,"BAG, ""RED"" RETROSPOT",1,2010-12-01 08:26:00,0.001,,EIRE',
      '1,B,"TWO\nLINES",2,2010-12-01 08:26:00,1.655,,EIRE',
      '1,C,£5 BÄCKEREI ☕,3,2010-12-01 08:26:00,2,,EIRE',
    ]
    const { invoices, problems } = await read(lines.join('\r\n'))
    expect(problems).toEqual([])
    expect(invoices).toHaveLength(1)
    expect(invoices[0]?.customer).toBeNull()
    expect(invoices[0]?.lines).toEqual([
      { sku: 'A', description: 'BAG, "RED" RETROSPOT', quantity: 1, price: 1 },
      { sku: 'B', description: 'TWO\nLINES', quantity: 2, price: 1655 },
      { sku: 'C', description: '£5 BÄCKEREI ☕', quantity: 3, price: 2000 },
    ])
  })

  it('reads gzip, whatever the name, and letters that fall between two chunks', async () => {
    const many = Array.from({ length: 4000 }, (_, index) =>
      GOOD.replace('536365', `${index}`).replace('HOLDER', '££££'),
    )
    const { invoices } = await read(gzipSync([HEADER, ...many].join('\n')))
    expect(invoices).toHaveLength(4000)
    expect(new Set(invoices.map(({ lines }) => lines[0]?.description))).toEqual(new Set(['££££']))
  })

  it('takes the columns by their names, in any order, after a byte order mark', async () => {
    const { invoices } = await read(
      '\uFEFFCountry,InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,More\nSpain,7,X,,1,2010-12-01 08:26,1,5,?\n',
    )
    expect(invoices).toMatchObject([
      { invoice: '7', country: 'Spain', lines: [{ sku: 'X', description: '', price: 1000 }] },
    ])
  })

  it.each([
    ['too few fields', '536365,85123A,HOLDER,6'],
    ['too many fields', `${GOOD},more`],
    ['no invoice number', GOOD.replace('536365', '')],
    ['an invoice number with a slash', GOOD.replace('536365', '../etc')],
    ['no stock code', GOOD.replace('85123A', ' ')],
    ['a quantity in words', GOOD.replace(',6,', ',six,')],
    ['a quantity with decimals', GOOD.replace(',6,', ',6.5,')],
    ['no quantity', GOOD.replace(',6,', ',,')],
    ['a price in words', GOOD.replace('2.55', 'free')],
    ['a price with four decimals', GOOD.replace('2.55', '2.5555')],
    ['an amount beyond all bounds', GOOD.replace(',6,', ',9007199254740991,')],
    ['no date', GOOD.replace('2010-12-01 08:26:00', 'yesterday')],
    ['a date that never was', GOOD.replace('12-01', '13-41')],
    ['no country', GOOD.replace('United Kingdom', '')],
    ['a quote that does not close', GOOD.replace('HOLDER', '"HOLDER')],
    ['a quote in the wrong place', GOOD.replace('HOLDER', '"HOL"DER')],
  ])('reports a line with %s, and reads on', async (_, bad) => {
    const { invoices, problems } = await read([HEADER, GOOD, bad, GOOD, ''].join('\n'))
    expect(problems).toEqual([3])
    expect(invoices).toHaveLength(1)
    expect(invoices[0]?.lines).toHaveLength(2)
  })

  it('does not let a stray quote swallow the lines that follow it', async () => {
    const quoted = GOOD.replace('HOLDER', '"BAG, RED"')
    const lines = [
      HEADER,
      GOOD.replace('HOLDER', '"HOLDER'),
      ...Array(50).fill(quoted),
      GOOD.replace('HOLDER', 'A " B'),
      quoted,
    ]
    const { invoices, problems } = await read(lines.join('\n'))
    expect(problems).toEqual([2, 53])
    expect(invoices[0]?.lines).toHaveLength(51)
  })

  it('passes over empty lines, and counts them', async () => {
    const { invoices, problems } = await read([HEADER, '', GOOD, '', 'nonsense', ''].join('\n'))
    expect(invoices).toHaveLength(1)
    expect(problems).toEqual([5])
  })

  it.each([
    ['an empty file', ''],
    ['a file without its columns', 'a,b,c\n1,2,3\n'],
  ])('refuses %s', async (_, content) => {
    await expect(read(content)).rejects.toThrow(/first line/)
  })

  it('does not take a cut gzip file for a whole one', async () => {
    const whole = gzipSync([HEADER, ...Array(100).fill(GOOD)].join('\n'))
    await expect(read(whole.subarray(0, -20))).rejects.toThrow(/unexpected end/)
  })
})
