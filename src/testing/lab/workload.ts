/*
 * What the laboratory runs when it is given nothing else: a service that commits its effects, one whose effects lie outside, one
 * that publishes, and one that works in batches.
 */
import type { App } from '../../app-types.ts'
import { defineEvent, unchecked } from '../../event/definition.ts'
import type { NewEvent } from '../../event/types.ts'
import type { FollowUp } from './history.ts'
import { between } from './random.ts'

interface Task {
  readonly number: number
  readonly key: string
  /** Ms that handling takes. */
  readonly wait: number
  /** The first attempt fails. */
  readonly fails: boolean
}

const InStream = defineEvent('lab.sent', { schema: unchecked<Task>(), stream: ({ key }) => key })
const WithKey = defineEvent('lab.keyed', { schema: unchecked<Task>() })
const Followed = defineEvent('lab.followed', {
  schema: unchecked<{ number: number; key: string }>(),
  stream: ({ key }) => key,
})

export const events = [InStream, WithKey, Followed]
export const commits = ['ledger', 'digest']
export const followUps: readonly FollowUp[] = [{ of: 'lab.sent', type: 'lab.followed' }]

const KEYS = 40

/** Mostly one event of a stream; at times several streams in one append, or events with a key and no stream. */
export function workload(number: number, random: () => number): NewEvent | readonly NewEvent[] {
  const task = (): Task => ({
    number,
    key: `k${between(random, 1, KEYS)}`,
    wait: random() < 0.5 ? 0 : between(random, 1, 15),
    fails: random() < 0.01,
  })
  const kind = random()
  if (kind < 0.7) return InStream(task())
  if (kind < 0.85) {
    const keyed = task()
    return WithKey(keyed, { key: keyed.key })
  }
  return Array.from({ length: between(random, 2, 5) }, () => InStream(task()))
}

export function services(app: App): void {
  const options = { from: 'start', concurrency: 8, retry: { min: 50, max: '2s' } } as const
  app.service('ledger', options).on('lab.*', async (event, ctx) => {
    await work(event.data as Task, ctx.attempt)
    await ctx.commit()
  })
  app.service('mailer', options).on([InStream, WithKey], async (event, ctx) => {
    await work(event.data as Task, ctx.attempt)
  })
  app.service('relay', options).on(InStream, async (event, ctx) => {
    const { number, key, wait } = event.data as Task
    const followed = Followed({ number, key })
    await delay(wait)
    if (number % 2 === 0) ctx.publish(followed)
    else await ctx.commit((tx) => tx.publish(followed))
  })
  app.service('digest', options).onBatch([InStream, Followed], { size: 20, wait: 25 }, async (_, ctx) => {
    await ctx.commit()
  })
}

async function work({ wait, fails }: Partial<Task>, attempt: number): Promise<void> {
  await delay(wait)
  if (fails === true && attempt === 1) throw new Error('fails at its first attempt, as it was told to')
}

function delay(ms = 0): Promise<void> | undefined {
  return ms === 0 ? undefined : new Promise((resolve) => setTimeout(resolve, ms))
}
