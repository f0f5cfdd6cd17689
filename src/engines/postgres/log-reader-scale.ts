/**
 * Gives a statement another name whenever the log has grown fourfold. A server keeps the plan of a prepared statement until
 * somebody analyzes its tables: one that was made while they were tiny reads all of them, which took 25 s a page when they had
 * grown since.
 */
export class Scale {
  #step = 0
  #suffix = ''
  #top = 0

  /** There is an event at this position. */
  saw(position: number): void {
    if (position <= this.#top) return
    const step = Math.floor(Math.log2(position + 1) / 2)
    this.#top = 4 ** (step + 1) - 2
    if (step === this.#step) return
    this.#step = step
    this.#suffix = `\n-- 4^${step}`
  }

  of(sql: string): string {
    return sql + this.#suffix
  }
}
