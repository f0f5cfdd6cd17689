import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { hodisa, isHodisaError, type Receipt } from 'hodisa'
import { Order } from '../aggregates/order.ts'
import { type Invoice, StockAdjusted } from '../events.ts'
import { type SourceInvoice, UnreadableFileError } from '../orders/invoices.ts'
import { idOf, kindOf } from '../orders/kind.ts'
import { source } from '../orders/source.ts'
import { stopSignal, tell } from '../process.ts'
import { storeAt, storePlace } from '../store.ts'

const { values: flags } = parseArgs({
  options: { orders: { type: 'string' }, count: { type: 'string' }, rate: { type: 'string' } },
})
const rate = flags.rate === undefined ? undefined : Number(flags.rate)
const batchSize = rate === undefined ? 32 : Math.min(32, Math.max(1, Math.round(rate / 10)))

const stopping = stopSignal()
const app = await hodisa({ source: 'order-service', store: storeAt(storePlace()), events: [StockAdjusted] })
await tell('ready')

try {
  const { invoices, unreadable } = await publishAll()
  if (!stopping.aborted) {
    report(`${invoices} invoices read, ${unreadable} lines could not be read`)
    await tell('finished')
  }
} catch (error) {
  if (!(error instanceof UnreadableFileError)) throw error
  report(error.message)
  process.exitCode = 2 // starting again would not help
} finally {
  await app.stop()
}

async function publishAll(): Promise<{ invoices: number; unreadable: number }> {
  const count = flags.count === undefined ? undefined : Number(flags.count)
  let invoices = 0
  let unreadable = 0
  let batch: SourceInvoice[] = []
  const onProblem = (line: number, reason: string) => {
    unreadable++
    report(`line ${line} cannot be read: ${reason}`)
  }
  for await (const invoice of source({ file: flags.orders, count }, onProblem)) {
    if (stopping.aborted) break
    invoices++
    batch.push(invoice)
    if (batch.length < batchSize) continue
    await publish(batch)
    batch = []
  }
  await publish(batch)
  return { invoices, unreadable }
}

async function publish(batch: readonly SourceInvoice[]): Promise<void> {
  const isNew = await Promise.all(batch.map(take))
  // Whatever was recorded before this process was killed is a duplicate, and costs no waiting.
  if (rate === undefined || !isNew.includes(true)) return
  await setTimeout((batch.length / rate) * 1000, undefined, { signal: stopping }).catch(() => undefined)
}

/** Tells whether it was new. */
async function take({ invoice, line }: SourceInvoice): Promise<boolean> {
  try {
    const { duplicate } = await record(invoice)
    return !duplicate
  } catch (error) {
    if (!isHodisaError(error, 'id-reused')) throw error
    report(`line ${line} cannot be taken: invoice ${invoice.invoice} was recorded before, with other lines`)
    return false
  }
}

/** Once, however often it is read: the id says that it is the same. */
async function record(invoice: Invoice): Promise<Receipt> {
  const id = idOf(invoice)
  switch (kindOf(invoice)) {
    case 'order':
      return (await app.execute(Order, invoice.invoice, 'place', invoice, { id })).receipt
    case 'return':
      return (await app.execute(Order, invoice.invoice, 'giveBack', invoice, { id })).receipt
    case 'adjustment':
      return await app.publish(StockAdjusted(invoice, { id }))
  }
}

function report(problem: string): void {
  process.stderr.write(`order: ${problem}\n`)
}
