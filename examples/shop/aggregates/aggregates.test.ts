import { given, rejected } from 'hodisa/testing'
import { describe, it } from 'vitest'
import {
  OrderConfirmed,
  OrderCreated,
  StockCorrected,
  StockDelivered,
  StockReserved,
  StockReturned,
} from '../events.ts'
import { Revenue } from '../views/revenue.ts'
import { Order } from './order.ts'
import { Product } from './product.ts'

const invoice = {
  invoice: '536365',
  placedAt: '2010-12-01T08:26:00',
  customer: null,
  country: 'EIRE',
  lines: [{ sku: '22423', description: '', quantity: 2, price: 12_750 }],
}
const two = { invoice: '536365', units: 2 }

describe('an order', () => {
  it('is placed once, and confirmed once', () => {
    given(Order, [])
      .when('place', invoice)
      .then([OrderCreated(invoice)])
    given(Order, [OrderCreated(invoice)])
      .when('place', invoice)
      .then(rejected('known', { status: 'placed' }))
    given(Order, [OrderCreated(invoice)])
      .when('confirm', two)
      .then([OrderConfirmed(two)])
    given(Order, [OrderCreated(invoice), OrderConfirmed(two)])
      .when('confirm', two)
      .then(rejected('not-placed', { status: 'confirmed' }))
  })
})

describe('a product', () => {
  it('is delivered when the shelf has too little, and not before', () => {
    given(Product, [])
      .when('reserve', two)
      .then([StockDelivered({ units: 1_000 }), StockReserved(two)])
    given(Product, [StockDelivered({ units: 2 })])
      .when('reserve', two)
      .then([StockReserved(two)])
    given(Product, [StockDelivered({ units: 2 })])
      .when('reserve', { ...two, units: 5_002 })
      .then([StockDelivered({ units: 5_000 }), StockReserved({ ...two, units: 5_002 })])
  })

  it('goes back to the shelf with a return, and leaves it where it is missing', () => {
    const back = { invoice: 'C536379', units: -2 }
    given(Product, [StockReturned(back)]).thenState({ onShelf: 2 })
    given(Product, [StockReturned(back), StockCorrected({ invoice: '536589', units: -2 })]).thenState({ onShelf: 0 })
  })
})

describe('revenue', () => {
  it('is the sum of the orders of a country', async () => {
    await given([OrderCreated(invoice), OrderCreated({ ...invoice, invoice: '536366' })])
      .view(Revenue)
      .then({ EIRE: { country: 'EIRE', orders: 2, thousandths: 51_000 } })
  })
})
