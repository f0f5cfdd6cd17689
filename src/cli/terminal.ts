import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { setImmediate } from 'node:timers/promises'
import { styleText } from 'node:util'
import { CommandError } from './failure.ts'

export type Style = Parameters<typeof styleText>[0]

/** The world as a command sees it: data goes to `write`, everything said to a person to `note`. */
export interface Terminal {
  /** Columns of the screen that `write` goes to; undefined for a file or a pipe. */
  readonly width: number | undefined
  /** Whether somebody is there to answer. */
  readonly interactive: boolean
  /** Aborts at Ctrl-C, or when nobody reads what is written any more. */
  readonly ended: AbortSignal
  /** Whether it was Ctrl-C. */
  readonly interrupted: boolean
  /** Resolves when there is room for more. Writes nothing to a closed pipe. */
  write(text: string): Promise<void>
  /** Resolves when all is written that can be. @throws {CommandError} `output-failed` */
  flush(): Promise<void>
  note(text: string): void
  /** Colours what is written, where colours are wanted: on a screen, without NO_COLOR. */
  style(style: Style, text: string): string
  styleNote(style: Style, text: string): string
  ask(question: string): Promise<boolean>
  readInput(): Promise<string>
}

export function processTerminal(): Terminal {
  const { stdin, stdout, stderr } = process
  const ended = new AbortController()
  let interrupted = false
  // Once: a second Ctrl-C ends the process whatever it is doing.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      interrupted = true
      ended.abort()
    })
  }
  let failure: Error | undefined
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    ended.abort()
    // The reader has gone (`| head -1`): no fault of ours. Anything else, such as a full disk, is.
    if (error.code !== 'EPIPE') failure ??= error
  })
  stderr.on('error', () => undefined)
  return {
    width: stdout.isTTY ? stdout.columns : undefined,
    interactive: stdin.isTTY === true,
    ended: ended.signal,
    get interrupted() {
      return interrupted
    },
    async write(text) {
      if (!stdout.writable || stdout.write(text)) return
      await once(stdout, 'drain', { signal: ended.signal }).catch(() => undefined)
    },
    async flush() {
      await new Promise((resolve) => stdout.write('', resolve))
      await setImmediate() // the stream says what went wrong after it has called back
      if (failure !== undefined) throw new CommandError('output-failed', failure.message)
    },
    note: (text) => void stderr.write(text),
    style: (style, text) => styleText(style, text, { stream: stdout }),
    styleNote: (style, text) => styleText(style, text, { stream: stderr }),
    ask(question) {
      // Not in raw mode, so that Ctrl-C stays a signal.
      const lines = createInterface({ input: stdin, output: stderr, terminal: false })
      const { promise, resolve } = Promise.withResolvers<boolean>()
      lines.question(question, { signal: ended.signal }, (answer) => resolve(/^\s*y(es)?\s*$/i.test(answer)))
      lines.once('close', () => resolve(false))
      ended.signal.addEventListener('abort', () => resolve(false))
      return promise.finally(() => lines.close())
    },
    async readInput() {
      const abort = () => stdin.destroy()
      ended.signal.addEventListener('abort', abort)
      try {
        return await text(stdin)
      } catch (error) {
        if (ended.signal.aborted) return ''
        throw error
      } finally {
        ended.signal.removeEventListener('abort', abort)
      }
    },
  }
}
