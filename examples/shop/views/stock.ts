import { defineProjection, type ViewWriter } from 'hodisa'
import { StockCorrected, StockDelivered, StockReserved, StockReturned } from '../events.ts'

export interface ProductStock {
  readonly onShelf: number
  /** As the invoices have it: what was ordered, less what came back or was written off. */
  readonly net: number
}

/** Every product of the warehouse, by its SKU. */
export const Stock = defineProjection<ProductStock>('stock', { version: 1 })
  .on([StockReserved, StockReturned], (view, { stream, data }) => move(view, skuOf(stream), -data.units, data.units))
  .on(StockCorrected, (view, { stream, data }) => move(view, skuOf(stream), data.units, data.units))
  .on(StockDelivered, (view, { stream, data }) => move(view, skuOf(stream), data.units, 0))

function move(view: ViewWriter<ProductStock>, sku: string, onShelf: number, net: number): void {
  view.upsert(sku, (stock = { onShelf: 0, net: 0 }) => ({ onShelf: stock.onShelf + onShelf, net: stock.net + net }))
}

/** The stream of a product is `product-<sku>`. */
export function skuOf(stream = ''): string {
  return stream.slice('product-'.length)
}
