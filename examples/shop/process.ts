import { type App, stopOnSignals } from 'hodisa'

/** Runs the services of an app until Ctrl-C, SIGTERM, or the end of the supervisor; running handlers may finish. */
export async function serve(app: Pick<App, 'start' | 'stop'>): Promise<void> {
  const started = app.start()
  stopOnSignals(app)
  endWithSupervisor(() => app.stop())
  await started
  await tell('ready')
}

/** Aborts when this process is to end: for one that serves nothing, and looks up between two pieces of its work. */
export function stopSignal(): AbortSignal {
  const controller = new AbortController()
  stopOnSignals({ stop: async () => controller.abort() })
  endWithSupervisor(() => controller.abort())
  return controller.signal
}

/** Tells the supervisor, if there is one. */
export async function tell(message: 'ready' | 'finished'): Promise<void> {
  // A supervisor that has gone meanwhile is not worth an error.
  if (process.connected) await new Promise((resolve) => process.send?.(message, resolve))
}

const LONGEST_STOP = 15_000

/** Nothing may be left behind when the supervisor was killed, and nobody is there to look after this process. */
function endWithSupervisor(stop: () => void): void {
  if (process.send === undefined) return // started by hand
  const end = () => {
    stop()
    setTimeout(() => process.exit(1), LONGEST_STOP).unref()
  }
  process.once('disconnect', end)
  process.channel?.unref() // waiting for its end is no reason to stay
  if (!process.connected) end() // it was killed while this process was starting
}
