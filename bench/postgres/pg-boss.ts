import { installPeers } from '../peers.ts'

const QUEUE = 'bench'

/** As much of pg-boss as is measured. */
interface Boss {
  on(event: 'error', listener: (error: Error) => void): unknown
  start(): Promise<unknown>
  stop(options: { graceful: boolean }): Promise<void>
  createQueue(name: string): Promise<void>
  send(name: string, data: object): Promise<unknown>
  insert(name: string, jobs: readonly { data: object }[]): Promise<unknown>
  fetch(name: string, options: { batchSize: number }): Promise<readonly { id: string }[]>
  complete(name: string, ids: readonly string[]): Promise<unknown>
  work(name: string, handler: () => Promise<void>): Promise<unknown>
}

interface Module {
  readonly PgBoss: new (options: { connectionString: string }) => Boss
}

/** pg-boss as it comes, with one queue. */
export class PgBoss {
  readonly #boss: Boss

  private constructor(boss: Boss) {
    this.#boss = boss
  }

  /** @throws where it cannot be installed */
  static async start(url: string): Promise<PgBoss> {
    installPeers()
    const peer = 'pg-boss' // not a literal type: the type check does without it
    const { PgBoss: Constructor }: Module = await import(peer)
    const boss = new Constructor({ connectionString: url })
    boss.on('error', () => undefined)
    await boss.start()
    await boss.createQueue(QUEUE)
    return new PgBoss(boss)
  }

  async send(data: object): Promise<void> {
    await this.#boss.send(QUEUE, data)
  }

  async insert(data: readonly object[]): Promise<void> {
    await this.#boss.insert(
      QUEUE,
      data.map((each) => ({ data: each })),
    )
  }

  /** Fetches and completes batch after batch, without the pauses its own workers make; resolves with how many there were. */
  async drain(batchSize: number): Promise<number> {
    for (let done = 0; ; ) {
      const fetched = await this.#boss.fetch(QUEUE, { batchSize })
      if (fetched.length === 0) return done
      await this.#boss.complete(
        QUEUE,
        fetched.map(({ id }) => id),
      )
      done += fetched.length
    }
  }

  /** Starts workers that find nothing, each with a queue of its own. */
  async idle(workers: number): Promise<void> {
    for (let worker = 0; worker < workers; worker++) {
      await this.#boss.createQueue(`idle_${worker}`)
      await this.#boss.work(`idle_${worker}`, async () => undefined)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#boss.stop({ graceful: false })
  }
}
