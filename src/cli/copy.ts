import { type CopyProgress, type CopyResult, copyStore } from '../index.ts'
import { type Context, print } from './context.ts'
import { CommandError } from './failure.ts'
import { count, elapsed, printable } from './format.ts'
import { loggerOf, storeOf } from './open.ts'
import type { Terminal } from './terminal.ts'

export interface CopyArguments {
  readonly from: string
  readonly to: string
  readonly force?: boolean
}

/** Copies a store, and tells on standard error how far it is. @throws {CommandError} `interrupted` */
export async function copy(context: Context, { from, to, force = false }: CopyArguments): Promise<void> {
  const { terminal } = context
  const started = performance.now()
  const meter = new Meter(terminal)
  const result = await copyStore({
    from: storeOf({ store: from }),
    to: storeOf({ store: to, create: true }),
    force,
    signal: terminal.ended,
    logger: loggerOf(terminal),
    onProgress: (progress) => {
      if (!context.json) meter.show(progress)
    },
  }).catch((error: unknown) => {
    if (!terminal.ended.aborted) throw error
    throw new CommandError('interrupted', 'the copy is not finished: the same command goes on with it')
  })
  const ms = Math.round(performance.now() - started)
  await print(context, { ...result, ms }, () => printable(summary(result, ms)).concat('\n'))
}

function summary(result: CopyResult, ms: number): string {
  const parts = [
    count(result.events, 'event'),
    count(result.streams, 'stream'),
    count(result.services, 'service'),
    count(result.documents, 'document'),
    count(result.deadLetters, 'dead letter'),
  ]
  const how = result.resumed ? 'finished the copy of' : 'copied'
  return `${how} ${parts.join(', ')} in ${elapsed(ms).slice(1)}; both sides were read and are the same (${result.hash.slice(0, 16)})`
}

const WORDS: Readonly<Record<CopyProgress['phase'], string>> = {
  events: 'events',
  streams: 'streams',
  ids: 'given ids',
  services: 'services',
  documents: 'documents',
  verify: 'comparing',
}
/** Ms between two lines. */
const PAUSE = 2_000

/** A line now and then: how far, how fast, and how long it will take. */
class Meter {
  readonly #terminal: Terminal
  #phase: CopyProgress['phase'] | undefined
  #since = 0
  #first = 0
  #shown = 0

  constructor(terminal: Terminal) {
    this.#terminal = terminal
  }

  show({ phase, done, total }: CopyProgress): void {
    const now = performance.now()
    if (phase !== this.#phase) {
      this.#phase = phase
      this.#since = now
      this.#first = done
    }
    if (now - this.#shown < PAUSE && done !== total) return
    this.#shown = now
    const perSecond = ((done - this.#first) * 1_000) / Math.max(1, now - this.#since)
    const left = total === undefined || perSecond === 0 ? undefined : ((total - done) * 1_000) / perSecond
    const parts = [
      `${WORDS[phase]} ${done.toLocaleString('en')}${total === undefined ? '' : ` of ${total.toLocaleString('en')}`}`,
      ...(perSecond > 0 ? [`${Math.round(perSecond).toLocaleString('en')}/s`] : []),
      ...(left !== undefined && left > 0 ? [`${elapsed(Math.round(left)).slice(1)} left`] : []),
    ]
    this.#terminal.note(`${parts.join(', ')}\n`)
  }
}
