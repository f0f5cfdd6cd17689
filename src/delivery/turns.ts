/** Lets work run together, or alone. Who waits to run alone lets nothing new begin. */
export class Turns {
  #together = 0
  #wantAlone = 0
  #alone = false
  #waiting: (() => void)[] = []

  /** Whether new work must wait. */
  get isTaken(): boolean {
    return this.#wantAlone > 0
  }

  /** Work that begins now, and did not have to wait. The function it returns ends it; calling it again changes nothing. */
  enter(): () => void {
    let left = false
    this.#together++
    return () => {
      if (left) return
      left = true
      this.#together--
      this.#changed()
    }
  }

  async together<Result>(work: () => Result | Promise<Result>): Promise<Result> {
    while (this.#wantAlone > 0) await this.#change()
    const leave = this.enter()
    try {
      return await work()
    } finally {
      leave()
    }
  }

  async alone<Result>(work: () => Result | Promise<Result>): Promise<Result> {
    this.#wantAlone++
    try {
      while (this.#alone || this.#together > 0) await this.#change()
      this.#alone = true
      return await work()
    } finally {
      this.#alone = false
      this.#wantAlone--
      this.#changed()
    }
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #changed(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}
