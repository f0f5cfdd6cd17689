import { defineEvent, unchecked } from 'hodisa'
import { type Simulated, simulate } from 'hodisa/testing'

const OrderPlaced = defineEvent('order.placed', {
  schema: unchecked<{ orderId: string }>(),
  stream: (order) => order.orderId,
})
const Receipt = defineEvent('order.receipted', { schema: unchecked<{ orderId: string }>() })

// #region simulate
/** The app under test: `hodisa` and `sleep` come from the simulation. */
async function shop({ hodisa, sleep }: Simulated) {
  const app = await hodisa({ source: 'shop', events: [OrderPlaced, Receipt] })
  app.service('receipts', { from: 'start' }).on(OrderPlaced, async ({ data }, ctx) => {
    await sleep(200)
    await ctx.commit((tx) => tx.publish(Receipt({ orderId: data.orderId })))
  })
  return app
}

const { time } = await simulate({
  app: shop,
  work: async ({ hodisa, sleep }) => {
    const app = await hodisa({ source: 'customers', events: [OrderPlaced] })
    for (let n = 0; n < 20; n++) {
      await app.publish(OrderPlaced({ orderId: `ord_${n % 5}` }))
      await sleep(500)
    }
  },
  seed: 1,
  runs: 20,
  faults: { crashes: 3 },
})

// #endregion

export { time }
