/** One at a time for each stream, in the order they came. Nothing is kept of a stream that nobody waits for. */
export class StreamTurns {
  readonly #last = new Map<string, Promise<void>>()

  /** Waits until all of these streams are this caller's; the function it returns lets them go. */
  async take(streams: readonly string[]): Promise<() => void> {
    const releases: (() => void)[] = []
    // In one order for all, so that no two callers wait for one another.
    for (const stream of [...streams].sort()) {
      const { before, release } = this.#enter(stream)
      releases.push(release)
      if (before !== undefined) await before
    }
    return () => {
      for (const release of releases) release()
    }
  }

  #enter(stream: string): { readonly before: Promise<void> | undefined; readonly release: () => void } {
    const before = this.#last.get(stream)
    const own = Promise.withResolvers<void>()
    this.#last.set(stream, own.promise)
    const release = () => {
      if (this.#last.get(stream) === own.promise) this.#last.delete(stream)
      own.resolve()
    }
    return { before, release }
  }
}
