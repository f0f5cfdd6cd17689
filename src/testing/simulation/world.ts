import { Agenda } from '../agenda.ts'
import { Random } from '../random.ts'
import { turn } from '../turn.ts'

/** How many things may happen at one moment. */
const LONGEST_STANDSTILL = 100_000

/** One thing that happened: when (virtual ms), to which process, what. */
export type TraceLine = readonly [time: number, process: string, what: string]

/** Virtual time, chance, and what happened. What is due at the same moment happens in an order drawn from the seed. */
export class World {
  readonly seed: number
  readonly random: Random
  readonly trace: TraceLine[] = []
  readonly #agenda = new Agenda()
  #time = 0
  #failure: { readonly error: unknown } | undefined
  #ids = 0

  constructor(seed: number) {
    this.seed = seed
    this.random = new Random(seed)
  }

  /** Virtual ms since the start. */
  get time(): number {
    return this.#time
  }

  after(ms: number, run: () => void): () => void {
    return this.#agenda.add(this.#time + Math.max(0, ms), this.random.next(), run)
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve))
  }

  say(process: string, what: string): void {
    this.trace.push([this.#time, process, what])
  }

  /** A number no one else gets. */
  unique(): number {
    return this.#ids++
  }

  /** Ends the run. The first failure counts. */
  fail(error: unknown): void {
    this.#failure ??= { error }
  }

  /** Lets time pass until the work settles. Rejects at the virtual deadline, or when something failed. */
  async run<Result>(work: Promise<Result>, deadline: number): Promise<Result> {
    let outcome: { readonly result: Result } | undefined
    work.then(
      (result) => {
        outcome = { result }
      },
      (error) => this.fail(error),
    )
    let still = 0
    for (;;) {
      await turn()
      if (this.#failure !== undefined) throw this.#failure.error
      if (outcome !== undefined) return outcome.result
      const next = this.#agenda.next
      if (next === undefined || next > deadline) {
        throw new Error(next === undefined ? 'nothing is left to happen' : `not over after ${deadline} virtual ms`)
      }
      still = next > this.#time ? 0 : still + 1
      if (still > LONGEST_STANDSTILL) throw new Error(`time stands still at ${this.#time} ms: something never waits`)
      this.#time = Math.max(this.#time, next)
      this.#agenda.take()?.()
    }
  }
}
