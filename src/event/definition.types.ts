/* What the compiler promises of definitions. Checked by `npm run typecheck`; nothing here runs. */
import { type } from 'arktype'
import * as v from 'valibot'
import { z } from 'zod'
import {
  type AnyEventDefinition,
  type DataOf,
  defineEvent,
  type InputOf,
  type PlainData,
  unchecked,
} from './definition.ts'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function holds<_Claim extends true>(): void {}

const WithZod = defineEvent('order.created', {
  schema: z.object({ orderId: z.string(), note: z.string().default('') }),
  stream: (data) => data.orderId,
})
const WithValibot = defineEvent('order.created', {
  schema: v.object({ orderId: v.string(), note: v.optional(v.string(), '') }),
})
const WithArkType = defineEvent('order.created', { schema: type({ orderId: 'string' }) })
const Unchecked = defineEvent('order.created', { schema: unchecked<{ total: number }>() })
const Plain = defineEvent('order.created')

export function definitionTypes(): void {
  // The input is what a publisher gives, the output what handlers get.
  holds<Equal<InputOf<typeof WithZod>, { orderId: string; note?: string | undefined }>>()
  holds<Equal<DataOf<typeof WithZod>, { orderId: string; note: string }>>()
  holds<Equal<InputOf<typeof WithValibot>, { orderId: string; note?: string | undefined }>>()
  holds<Equal<DataOf<typeof WithValibot>, { orderId: string; note: string }>>()
  holds<Equal<DataOf<typeof WithArkType>, { orderId: string }>>()
  holds<Equal<InputOf<typeof Unchecked>, { total: number }>>()
  holds<Equal<DataOf<typeof Plain>, PlainData>>()

  // The type stays a literal.
  holds<Equal<typeof WithZod.type, 'order.created'>>()
  holds<Equal<ReturnType<typeof WithZod>['type'], 'order.created'>>()

  WithZod({ orderId: 'o1' })
  // @ts-expect-error a member is missing
  WithZod({ note: 'x' })
  // @ts-expect-error a member has the wrong type
  Unchecked({ total: '1' })
  // @ts-expect-error the stream is made from what the schema gives
  defineEvent('order.created', { schema: unchecked<{ total: number }>(), stream: (data) => data.orderId })
  // @ts-expect-error not a kind
  defineEvent('order.created', { kind: 'command' })

  // Definitions of any data go into one list.
  const list: readonly AnyEventDefinition[] = [WithZod, WithValibot, WithArkType, Unchecked, Plain]
  void list
}
