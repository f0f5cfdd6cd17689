import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { EngineName } from './engine.ts'
import { installPeers } from './peers.ts'

/** What Emmett is measured at. */
export type EmmettTask =
  | { readonly what: 'append'; readonly callers: number; readonly ms: number }
  | { readonly what: 'deliver'; readonly events: number }
  | { readonly what: 'latency'; readonly events: number; readonly perSecond: number }
  | { readonly what: 'rebuild'; readonly events: number; readonly times: number }

/** Ms. */
const LONGEST = 60_000

/**
 * Runs a task in a process of its own, because an error that Emmett does not handle ends the process, and because it writes to
 * the console. Rejects where Emmett cannot be installed or built, or does not survive the task.
 */
export async function emmett(engine: EngineName, place: string, task: EmmettTask): Promise<readonly number[]> {
  installPeers()
  const location = engine === 'sqlite' ? join(place, 'emmett.db') : place
  const child = fork(join(import.meta.dirname, 'emmett-process.ts'), [engine, location, JSON.stringify(task)], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  let [result, complaint]: [readonly number[] | undefined, string] = [undefined, '']
  child.on('message', (message) => (result = message as readonly number[]))
  child.stderr?.on('data', (text) => (complaint += text))
  const deadline = setTimeout(() => child.kill('SIGKILL'), LONGEST)
  await once(child, 'close')
  clearTimeout(deadline)
  if (result === undefined) throw new Error(/SQLITE_\w+|^\w*Error: .*$/m.exec(complaint)?.[0] ?? 'it did not finish')
  return result
}
