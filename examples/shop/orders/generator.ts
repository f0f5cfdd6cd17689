import type { Invoice } from '../events.ts'
import { pick, seededRandom } from '../random.ts'

/** Price of one in thousandths of a pound. */
const CATALOGUE = [
  ['22423', 'REGENCY CAKESTAND 3 TIER', 12_750],
  ['85123A', 'WHITE HANGING HEART T-LIGHT HOLDER', 2_550],
  ['47566', 'PARTY BUNTING', 4_950],
  ['84879', 'ASSORTED COLOUR BIRD ORNAMENT', 1_690],
  ['22086', "PAPER CHAIN KIT 50'S CHRISTMAS", 2_950],
  ['20725', 'LUNCH BAG, RED RETROSPOT', 1_650],
  ['22197', 'POPCORN HOLDER, SMALL', 850],
  ['23298', 'SPOTTY BUNTING £5 AND UNDER', 4_950],
  ['16045', 'POPART WOODEN PENCILS', 55],
  ['21208', 'PASTEL COLOUR HONEYCOMB FAN', 395],
] as const
const COUNTRIES = [
  ...Array(12).fill('United Kingdom'),
  'Germany',
  'France',
  'EIRE',
  'Spain',
  'Norway',
  'Japan',
] as string[]
const OPENING = Date.UTC(2010, 11, 1, 8, 26)

/** Invoices of a shop that does not exist: the same for the same seed, whenever and as often as one asks. */
export function* generatedInvoices(seed = 1): Generator<Invoice, void, undefined> {
  const random = seededRandom(seed)
  const upTo = (most: number) => 1 + Math.floor(random() * most)
  for (let number = 1; ; number++) {
    const kind = random()
    const returned = kind < 0.16
    const adjusted = !returned && kind < 0.2
    const lines = Array.from({ length: adjusted ? 1 : upTo(returned ? 3 : 12) }, () => {
      const [sku, description, price] = pick(random, CATALOGUE)
      const quantity = upTo(24)
      return { sku, description, quantity: returned || adjusted ? -quantity : quantity, price: adjusted ? 0 : price }
    })
    yield {
      invoice: `${returned ? 'C' : ''}${900_000 + number}`,
      placedAt: new Date(OPENING + number * 60_000).toISOString().slice(0, 19),
      customer: random() < 0.6 ? String(12_000 + upTo(6_000)) : null,
      country: pick(random, COUNTRIES),
      lines,
    }
  }
}
