// #region given
import { given } from 'hodisa/testing'
import { OrderCancelled, OrderCreated, OrderSummary } from './projections-views.ts'

const created = OrderCreated({ orderId: 'ord_1', userId: 'usr_1', total: 10 })

await given([created, OrderCancelled({ orderId: 'ord_1' })])
  .view(OrderSummary)
  .then({ ord_1: { orderId: 'ord_1', userId: 'usr_1', total: 10, status: 'cancelled' } })
// #endregion
