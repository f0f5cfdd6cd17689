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
import { dropped, splitInto } from './upcasting.ts'

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

const Person = z.object({ first: z.string(), status: z.enum(['new', 'known']).default('new') })
type PersonData = { first: string; status: 'new' | 'known' }

export function upcastTypes(): void {
  // Each step gives what the next one takes, the last what the schema gives out.
  const Chained = defineEvent('person.met', {
    version: 3,
    schema: Person,
    stream: (data) => data.first,
    upcast: {
      1: (v1: { name: string }) => ({ full: v1.name }),
      2: ({ full }: { full: string }): PersonData => ({ first: full, status: 'new' }),
    },
  })
  holds<Equal<DataOf<typeof Chained>, PersonData>>()
  defineEvent('person.met', {
    version: 2,
    schema: Person,
    // @ts-expect-error the last step gives what the schema takes, where it must give what the schema gives out
    upcast: { 1: (v1: { name: string }) => ({ first: v1.name }) },
  })
  defineEvent('person.met', {
    version: 3,
    schema: Person,
    // @ts-expect-error the second step takes something else than the first one gives
    upcast: { 1: (v1: { name: string }) => ({ whole: v1.name }), 2: (v2: { full: string }) => met(v2.full) },
  })
  defineEvent('person.met', {
    version: 3,
    schema: Person,
    // @ts-expect-error the second step is missing
    upcast: { 1: (v1: { name: string }) => met(v1.name) },
  })
  // @ts-expect-error all steps are missing
  defineEvent('person.met', { version: 2, schema: Person })
  defineEvent('person.met', {
    version: 2,
    schema: Person,
    // @ts-expect-error there is no step from the current version
    upcast: { 1: (v1: { name: string }) => met(v1.name), 2: (v2: PersonData) => v2 },
  })
  defineEvent('person.met', {
    version: 2,
    schema: Person,
    // @ts-expect-error a step is synchronous
    upcast: { 1: async (v1: { name: string }) => met(v1.name) },
  })
  defineEvent('person.met', {
    version: 3,
    schema: Person,
    // @ts-expect-error what a step takes is said by itself
    upcast: { 1: (v1: { name: string }) => ({ full: v1.name }), 2: (v2) => met(v2.full) },
  })

  // A version that is known only at run time is checked there.
  defineEvent('person.met', { version: Number('2'), schema: Person, upcast: { 1: (v1: { name: string }) => v1.name } })

  // Steps may drop an event, or split it; what is left of it goes on to the next step.
  defineEvent('person.met', {
    version: 3,
    schema: Person,
    upcast: {
      1: (v1: { name?: string }) =>
        v1.name === undefined ? dropped : splitInto({ full: v1.name }, Unchecked({ total: 1 })),
      2: (v2: { full: string }) => (v2.full === '' ? splitInto(dropped, Unchecked({ total: 1 })) : met(v2.full)),
    },
  })
  defineEvent('person.met', { version: 2, schema: Person, upcast: { 1: () => dropped } })
  defineEvent('person.met', {
    version: 2,
    schema: Person,
    upcast: { 1: () => splitInto(dropped, Unchecked({ total: 1 })) },
  })
  defineEvent('person.met', {
    version: 2,
    schema: Person,
    // @ts-expect-error what is left of a split event is not what the schema gives out
    upcast: { 1: (v1: { name: string }) => splitInto({ full: v1.name }, Unchecked({ total: 1 })) },
  })
  // @ts-expect-error nothing is split off
  splitInto({ first: 'x' })
}

function met(first: string): PersonData {
  return { first, status: 'known' }
}
