import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { hodisa, isHodisaError } from 'hodisa'
import { OrderCreated, OrderReturned, StockAdjusted } from '../events.ts'
import { eventOf } from '../orders/event.ts'
import { type SourceInvoice, UnreadableFileError } from '../orders/invoices.ts'
import { source } from '../orders/source.ts'
import { stopSignal, tell } from '../process.ts'
import { storeAt, storePlace } from '../store.ts'

const { values: flags } = parseArgs({
  options: { orders: { type: 'string' }, count: { type: 'string' }, rate: { type: 'string' } },
})
const rate = flags.rate === undefined ? undefined : Number(flags.rate)
const batchSize = rate === undefined ? 32 : Math.min(32, Math.max(1, Math.round(rate / 10)))

const stopping = stopSignal()
const app = await hodisa({
  source: 'order-service',
  store: storeAt(storePlace()),
  events: [OrderCreated, OrderReturned, StockAdjusted],
})
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

/** Whatever was recorded before this process was killed comes back as a duplicate, and costs no waiting. */
async function publish(batch: readonly SourceInvoice[]): Promise<void> {
  if (batch.length === 0) return
  try {
    const { duplicate } = await app.publish(batch.map(({ invoice }) => eventOf(invoice)))
    if (rate !== undefined && !duplicate)
      await setTimeout((batch.length / rate) * 1000, undefined, { signal: stopping }).catch(() => undefined)
  } catch (error) {
    if (!isHodisaError(error, 'id-reused')) throw error
    await publishSingly(batch)
  }
}

/** One invoice of the batch is recorded with other content: its lines stood apart, or the file was changed. */
async function publishSingly(batch: readonly SourceInvoice[]): Promise<void> {
  for (const { invoice, line } of batch) {
    await app.publish(eventOf(invoice)).catch((error: unknown) => {
      if (!isHodisaError(error, 'id-reused')) throw error
      report(`line ${line} cannot be taken: invoice ${invoice.invoice} was recorded before, with other lines`)
    })
  }
}

function report(problem: string): void {
  process.stderr.write(`order: ${problem}\n`)
}
