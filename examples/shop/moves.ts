import type { Invoice, Move } from './events.ts'

/** Units of one product. */
export interface ProductMove extends Move {
  readonly sku: string
}

/** What an invoice takes of each product: it may stand on several lines. */
export function movesOf({ invoice, lines }: Invoice): readonly ProductMove[] {
  const units = new Map<string, number>()
  for (const { sku, quantity } of lines) units.set(sku, (units.get(sku) ?? 0) + quantity)
  return [...units].map(([sku, units]) => ({ sku, invoice, units }))
}

/** What a command decides for each product, on the shelf it has: both are in the same order. */
export function forEach<Shelf, Decision>(
  moves: readonly ProductMove[],
  shelves: readonly Shelf[],
  command: (shelf: Shelf, move: Move) => Decision,
): Decision[] {
  return shelves.flatMap((shelf, index) => {
    const move = moves[index]
    return move === undefined ? [] : [command(shelf, { invoice: move.invoice, units: move.units })]
  })
}
