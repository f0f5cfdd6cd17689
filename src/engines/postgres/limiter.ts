/** Lets so many run at a time, first come, first served. */
export class Limiter {
  readonly #most: number
  readonly #waiting: (() => void)[] = []
  #running = 0
  #idle: (() => void)[] = []

  constructor(most: number) {
    this.#most = most
  }

  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#running >= this.#most) await new Promise<void>((resume) => this.#waiting.push(resume))
    else this.#running += 1
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      // A place is handed on without becoming free.
      if (next !== undefined) next()
      else {
        this.#running -= 1
        if (this.#running === 0) for (const idle of this.#idle.splice(0)) idle()
      }
    }
  }

  /** Resolves when nothing runs. */
  async idle(): Promise<void> {
    if (this.#running > 0) await new Promise<void>((resume) => this.#idle.push(resume))
  }
}
