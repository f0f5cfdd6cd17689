import { HodisaError } from '../../errors.ts'
import type { TransactionDocuments } from '../../store/documents.ts'
import type { AppendRequest, InlineTransaction, Receipt } from '../../store/events.ts'
import { assertInline } from '../../store/inline.ts'
import { assertSize } from '../../store/plan-append.ts'
import type { Capabilities, StoreTransaction } from '../../store/port.ts'
import { StagedDocuments } from './documents.ts'
import { StagedAppends } from './log.ts'
import { missing } from './missing.ts'
import type { Shared } from './shared.ts'

/** What one turn writes: nothing of it stands before `commit`. */
export class Transaction {
  readonly documents: StagedDocuments
  readonly #shared: Shared
  readonly #limits: Capabilities
  readonly #now: number
  readonly #appends = new StagedAppends()

  constructor(shared: Shared, limits: Capabilities, now: number) {
    this.#shared = shared
    this.#limits = limits
    this.#now = now
    this.documents = new StagedDocuments(shared.documents)
  }

  /** Runs the user's work, and tells what it wants to append. */
  async run<Result>(work: (tx: StoreTransaction) => Promise<Result>) {
    const appends: AppendRequest[] = []
    const result = await this.#within((face, assertOpen) =>
      work({
        ...face,
        append(request) {
          assertOpen()
          appends.push(request)
        },
      }),
    )
    return { result, appends }
  }

  /** Each request sees what those before it write. */
  async record(requests: readonly AppendRequest[]): Promise<void> {
    const { log, inlines } = this.#shared
    for (const request of requests) {
      const plan = log.plan(request, this.#appends, (collection, id) => this.documents.has(collection, id))
      const { fresh } = plan
      if (fresh.length > 0 || request.events.length === 0) {
        assertSize(request, this.#limits)
        assertInline(fresh, request, [...inlines.values()])
        this.documents.write(request.documents ?? [])
      }
      const { inline } = request
      if (inline !== undefined && fresh.length > 0) await this.#within((face) => inline.run(fresh, face))
      log.stage(plan, this.#appends, this.#now)
    }
  }

  /** The receipt is of all appends. */
  commit(): Receipt {
    const { log } = this.#shared
    this.documents.commit()
    const before = log.head
    const receipt = log.commit(this.#appends)
    if (log.head > before) this.#shared.tell({ head: log.head })
    return receipt
  }

  async #within<Result>(work: (face: InlineTransaction, assertOpen: () => void) => Promise<Result>): Promise<Result> {
    let over = false
    const assertOpen = () => {
      if (over) throw new HodisaError('context-dead', 'this transaction is over', {})
    }
    const documents: TransactionDocuments = {
      get: async (collection, ids) => {
        assertOpen()
        return this.documents.get(collection, ids)
      },
      write: async (writes) => {
        assertOpen()
        this.documents.write(writes)
      },
    }
    const face = { documents, sql: () => Promise.reject(missing('sql', 'the memory engine has no SQL')) }
    try {
      return await this.#shared.turn.within(async () => work(face, assertOpen))
    } finally {
      over = true
    }
  }
}
