import type { App } from 'hodisa'

/** The SQLite file that all services of the shop share. */
export function storePath(): string {
  return process.env.SHOP_STORE ?? '.shop/shop.db'
}

/** Aborts at SIGTERM, at Ctrl-C, and when the supervisor that started this process is gone. */
export function stopSignal(): AbortSignal {
  const controller = new AbortController()
  const stop = () => controller.abort()
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  process.once('disconnect', stop)
  if (process.send !== undefined && !process.connected) stop()
  return controller.signal
}

/** Tells the supervisor, if there is one. */
export function tell(message: 'ready' | 'finished'): void {
  if (process.connected) process.send?.(message)
}

/** Runs the services of an app until this process is asked to stop; running handlers may finish. */
export async function serve(app: Pick<App, 'start' | 'stop'>): Promise<void> {
  const signal = stopSignal()
  await app.start()
  tell('ready')
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
  await app.stop()
  leave()
}

/** Lets go of the supervisor's channel, which would keep this process alive. */
export function leave(): void {
  if (process.connected) process.disconnect()
}
