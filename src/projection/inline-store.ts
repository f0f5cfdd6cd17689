import type { AppendRequest, Receipt } from '../store/events.ts'
import type { Clock, Store, StoreTransaction } from '../store/port.ts'
import type { InlineProjections } from './inline.ts'

/** The same store, through which nothing is recorded without the inline projections of the app: whoever appends, and wherever. */
export function withInline(store: Store, inline: InlineProjections, clock: Clock): Store {
  async function insisted(request: AppendRequest): Promise<Receipt> {
    const since = clock.monotonic()
    for (;;) {
      try {
        return await store.append(await inline.attach(request))
      } catch (error) {
        if (!(await inline.refused(error, since))) throw error
      }
    }
  }

  /** What is refused here is not tried again: the work was the caller's. The next try knows better. */
  async function noticed<Result>(work: () => Promise<Result>): Promise<Result> {
    if (inline.isEmpty) return work()
    await inline.ready()
    try {
      return await work()
    } catch (error) {
      await inline.refused(error, clock.monotonic())
      throw error
    }
  }

  const attaching = (tx: StoreTransaction): StoreTransaction =>
    inline.isEmpty ? tx : { ...tx, append: (request) => tx.append(inline.attachNow(request)) }

  const own: Partial<Store> = {
    append: (request) => (inline.isEmpty ? store.append(request) : insisted(request)),
    transaction: (work) => noticed(() => store.transaction((tx) => work(attaching(tx)))),
    progress: (change, options) =>
      noticed(async () => {
        if (options === undefined) return store.progress(change)
        const { append, work } = options
        return store.progress(change, {
          ...options,
          ...(append !== undefined && { append: await inline.attach(append) }),
          ...(work !== undefined && { work: (tx) => work(attaching(tx)) }),
        })
      }),
    outbox: (connection) => {
      const outbox = store.outbox(connection)
      if (inline.isEmpty || store.capabilities.synchronousOutbox) return outbox // the engine refuses what it cannot do
      return {
        append: async (request) => {
          await inline.ready()
          return outbox.append(await inline.attach(request))
        },
      }
    },
  }
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(own, name) ?? Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
