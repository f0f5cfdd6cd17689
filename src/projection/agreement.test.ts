import fc from 'fast-check'
import { expect, test } from 'vitest'
import { eachEngine } from '../delivery/fixtures/bed.ts'
import type { App, Projection } from '../index.ts'
import { foldSales, histories, type Sale, sales } from './fixtures/histories.ts'
import { ORDER_EVENTS } from './fixtures/orders.ts'

// Much is written, and the machine may be busy.

eachEngine((bed, engine) => {
  test('an inline, an asynchronous and a plain fold agree on any history', async () => {
    await fc.assert(
      fc.asyncProperty(histories, async (history) => {
        const app = (await bed().app({ events: ORDER_EVENTS })) as unknown as App
        const [Inline, Async] = [sales('inline', true), sales('async')]
        app.project(Inline)
        app.project(Async)
        await app.start()
        for (const batch of history) await app.publish(batch)
        await app.settled()
        const expected = foldSales(history.flat())
        expect(await documents(app, Async)).toEqual(expected)
        expect(await documents(app, Inline)).toEqual(expected)
        await app.stop()
      }),
      { numRuns: engine === 'memory' ? 40 : 8 },
    )
  })
})

async function documents(app: App, projection: Projection<Sale>): Promise<Map<string, Sale>> {
  const found = new Map<string, Sale>()
  let after: string | undefined
  do {
    const page = await app.view(projection).find({ limit: 7, after })
    for (const [index, document] of page.documents.entries()) found.set(page.ids[index] ?? '', document)
    after = page.after
  } while (after !== undefined)
  return found
}
