import { defineAggregate } from 'hodisa'
import { type Move, StockCorrected, StockDelivered, StockReserved, StockReturned } from '../events.ts'

/** So many units come with a delivery, at least. */
const LOT = 1_000

interface Shelf {
  readonly onShelf: number
}
const initial: Shelf = { onShelf: 0 }

/** A product in the warehouse, by its SKU. Nothing leaves the shelf that is not on it: what is missing is delivered before. */
export const Product = defineAggregate('product', {
  events: [StockReserved, StockReturned, StockCorrected, StockDelivered],
  initial,
  evolve: {
    'stock.reserved': ({ onShelf }, { data }) => ({ onShelf: onShelf - data.units }),
    'stock.returned': ({ onShelf }, { data }) => ({ onShelf: onShelf - data.units }),
    'stock.corrected': ({ onShelf }, { data }) => ({ onShelf: onShelf + data.units }),
    'stock.delivered': ({ onShelf }, { data }) => ({ onShelf: onShelf + data.units }),
  },
  commands: {
    reserve: (shelf, move: Move) => [...deliveryFor(shelf, move.units), StockReserved(move)],
    takeBack: (shelf, move: Move) => [...deliveryFor(shelf, move.units), StockReturned(move)],
    correct: (shelf, move: Move) => [...deliveryFor(shelf, -move.units), StockCorrected(move)],
  },
  cache: 10_000, // so that the whole catalogue stays at hand
})

function deliveryFor({ onShelf }: Shelf, taken: number) {
  const missing = taken - onShelf
  return missing > 0 ? [StockDelivered({ units: Math.max(LOT, missing) })] : []
}
