import type { Duration } from './event/duration.ts'

/**
 * Stops an app when the process is asked to end (SIGTERM, SIGINT): running handlers finish, shares are handed over, the store is
 * closed. The process then ends by itself, if nothing else keeps it; a second signal ends it at once. Returns a function that
 * takes the listeners off again.
 */
export function stopOnSignals(
  app: { stop(options?: { readonly timeout?: Duration }): Promise<void> },
  options: { readonly timeout?: Duration; readonly onError?: (error: unknown) => void } = {},
): () => void {
  const { onError, ...stop } = options
  const off = () => {
    process.off('SIGTERM', listener)
    process.off('SIGINT', listener)
  }
  const listener = () => {
    off() // the next signal finds Node's own default
    app.stop(stop).catch((error) => {
      if (onError === undefined) throw error
      onError(error)
    })
  }
  process.on('SIGTERM', listener)
  process.on('SIGINT', listener)
  return off
}
