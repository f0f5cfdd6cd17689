interface Item {
  readonly at: number
  readonly tie: number
  run: (() => void) | undefined
}

/** What is to happen when, in virtual time: earliest first, then by `tie`. */
export class Agenda {
  /** A binary heap. */
  readonly #items: Item[] = []

  /** @returns a function that takes it off again */
  add(at: number, tie: number, run: () => void): () => void {
    const item: Item = { at, tie, run }
    this.#items.push(item)
    this.#rise(this.#items.length - 1)
    return () => {
      item.run = undefined
    }
  }

  /** When the next thing is due. */
  get next(): number | undefined {
    while (this.#items[0] !== undefined && this.#items[0].run === undefined) this.#removeFirst()
    return this.#items[0]?.at
  }

  /** Takes the next thing off. */
  take(): (() => void) | undefined {
    return this.next === undefined ? undefined : this.#removeFirst()?.run
  }

  #removeFirst(): Item | undefined {
    const [first] = this.#items
    const last = this.#items.pop()
    if (first !== last && last !== undefined) {
      this.#items[0] = last
      this.#sink()
    }
    return first
  }

  #rise(start: number): void {
    let index = start
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!this.#before(index, parent)) return
      this.#swap(index, parent)
      index = parent
    }
  }

  #sink(): void {
    let index = 0
    for (;;) {
      const left = 2 * index + 1
      const right = left + 1
      const child = right < this.#items.length && this.#before(right, left) ? right : left
      if (child >= this.#items.length || !this.#before(child, index)) return
      this.#swap(index, child)
      index = child
    }
  }

  #before(index: number, other: number): boolean {
    const [one, two] = [this.#items[index], this.#items[other]]
    if (one === undefined || two === undefined) return false
    return one.at < two.at || (one.at === two.at && one.tie < two.tie)
  }

  #swap(index: number, other: number): void {
    const [one, two] = [this.#items[index], this.#items[other]]
    if (one === undefined || two === undefined) return
    this.#items[index] = two
    this.#items[other] = one
  }
}
