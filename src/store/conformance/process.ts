import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { extname } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Answer, Command } from './fixtures/worker.ts'
import { until } from './suite.ts'

// A source runs sources, what was built runs what was built.
const WORKER = fileURLToPath(new URL(`./fixtures/worker${extname(import.meta.url)}`, import.meta.url))

/** How another process opens the same store. */
export interface StoreModule {
  /** Absolute path of a module that exports a factory of stores by location. */
  readonly path: string
  readonly factory: string
  readonly location: string
}

/** Another process that has the store open. */
export interface Remote {
  /** The first answer to a command; rejects with its error. */
  ask(command: Command): Promise<unknown>
  /** Gives a command, and collects all its answers. */
  tell(command: Command): readonly unknown[]
  /** Ends it as a power switch would. */
  kill(): Promise<void>
  /** Closes the store, then ends. */
  stop(): Promise<void>
}

/** Starts a process and waits until it has the store open. */
export async function startRemote({ path, factory, location }: StoreModule): Promise<Remote> {
  const child = spawn(process.execPath, [WORKER, path, factory, location], { stdio: ['pipe', 'pipe', 'pipe'] })
  const answers = new Map<number, Answer[]>([[0, []]])
  let complaints = ''
  child.stderr.on('data', (text) => {
    complaints += text
  })
  createInterface({ input: child.stdout }).on('line', (line) => {
    const answer: Answer = JSON.parse(line)
    answers.get(answer.id)?.push(answer)
  })
  const exited = once(child, 'exit')

  const answersTo = (id: number) => answers.get(id) ?? []
  const first = async (id: number): Promise<unknown> => {
    const answer = await until(
      `the other process answers ${complaints}`,
      () => {
        if (child.exitCode !== null) throw new Error(`the other process ended: ${complaints}`)
        return answersTo(id)[0]
      },
      30_000,
    )
    if ('error' in answer) throw Object.assign(new Error(answer.error.message), { code: answer.error.code })
    return answer.value
  }
  const give = (command: Command) => {
    const id = answers.size
    answers.set(id, [])
    child.stdin.write(`${JSON.stringify({ id, command })}\n`)
    return id
  }
  const remote: Remote = {
    ask: (command) => first(give(command)),
    tell: (command) => answersTo(give(command)),
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      await remote.ask({ do: 'close' })
      child.stdin.end()
      await exited
    },
  }
  await first(0)
  return remote
}
