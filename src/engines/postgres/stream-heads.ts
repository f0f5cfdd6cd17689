import type { StreamHead } from '../../store/plan-append.ts'

/** The end of a stream as it was seen, and when: monotonic ms of a moment at or before which it was so. */
export interface SeenHead extends StreamHead {
  readonly seenAt: number
}

const MOST = 50_000

/** What this process knows of the ends of streams. The server checks it with every append, so that it may be out of date. */
export class StreamHeads {
  readonly #heads = new Map<string, SeenHead>()

  get(name: string): SeenHead | undefined {
    return this.#heads.get(name)
  }

  set(name: string, head: SeenHead): void {
    this.#heads.delete(name)
    this.#heads.set(name, head)
    if (this.#heads.size <= MOST) return
    for (const oldest of this.#heads.keys()) {
      this.#heads.delete(oldest)
      if (this.#heads.size <= MOST * 0.9) return
    }
  }

  /** A guess is as good as nothing where something is known. */
  guess(name: string, head: StreamHead): void {
    const known = this.#heads.get(name)
    if (known === undefined || known.revision < head.revision) {
      this.set(name, { ...head, seenAt: Number.NEGATIVE_INFINITY })
    }
  }

  forget(name: string): void {
    this.#heads.delete(name)
  }

  clear(): void {
    this.#heads.clear()
  }
}

/** A stream is another one for each tenant. */
export function streamName(stream: string, tenant: string): string {
  return `${tenant} ${stream}`
}
