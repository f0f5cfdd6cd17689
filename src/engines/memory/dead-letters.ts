import type { DeadLetterQuery, StoredDeadLetter } from '../../store/groups.ts'
import { frozen } from './frozen.ts'

export class Letters {
  readonly #letters = new Map<string, StoredDeadLetter>()

  get(id: string): StoredDeadLetter | undefined {
    return this.#letters.get(id)
  }

  put(letter: StoredDeadLetter): void {
    this.#letters.set(letter.id, frozen(letter))
  }

  remove(id: string): void {
    this.#letters.delete(id)
  }

  removeAfter(service: string, position: number): void {
    for (const letter of this.#letters.values()) {
      if (letter.service === service && letter.position > position) this.#letters.delete(letter.id)
    }
  }

  list({ service, key, type, state, until, after, limit }: DeadLetterQuery): readonly StoredDeadLetter[] {
    return [...this.#letters.values()]
      .filter(
        (letter) =>
          (service === undefined || letter.service === service) &&
          (key === undefined || letter.key === key) &&
          (type === undefined || letter.type === type) &&
          (state === undefined || letter.state === state) &&
          (until === undefined || letter.position <= until) &&
          (after === undefined || letter.id > after),
      )
      .sort((a, b) => (a.id < b.id ? -1 : 1))
      .slice(0, limit)
  }
}
