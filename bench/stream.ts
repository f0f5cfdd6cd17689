import { rate } from './measure.ts'
import type { Total } from './sample.ts'

/** The one stream that is folded. */
export const STREAM = 'order-one'
export const STREAM_LENGTH = 10_000

/** Events a second: reads and folds some times over, and checks the outcome. */
export function folding(times: number, fold: () => Promise<Total> | Total): Promise<number> {
  return rate(STREAM_LENGTH * times, async () => {
    for (let time = 0; time < times; time++) {
      const { orders } = await fold()
      if (orders !== STREAM_LENGTH) throw new Error(`${orders} events were folded instead of ${STREAM_LENGTH}`)
    }
  })
}
