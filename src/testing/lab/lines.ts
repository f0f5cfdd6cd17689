import { closeSync, existsSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/**
 * What a process says happened, a JSON array a line:
 *
 * - `['b', run, service, position, attempt, begin, checked, batch]` a handler begins
 * - `['e', run, time]` it ended · `['f', run, time, error]` it failed
 * - `['h', instance, begun]` the store confirmed a heartbeat
 * - `['a', number, ids, streams, duplicate]` a publication was acknowledged · `['x', number, error]` it failed
 * - `['k', point, time]` the process kills itself · `['l', level, message, time]` what the framework said
 */
export type Line = readonly [string, ...unknown[]]

/** The file a process writes its lines to. What was written stays when the process is killed. */
export class Lines {
  readonly #file: number

  constructor(path: string) {
    this.#file = openSync(path, 'a')
  }

  write(line: Line): void {
    writeSync(this.#file, `${JSON.stringify(line)}\n`)
  }

  close(): void {
    closeSync(this.#file)
  }
}

export function linesFile(folder: string, process: string): string {
  return join(folder, `${process}.lines`)
}

/** The lines of every process of a run; a last line that was cut by a kill is left out. */
export function readLines(folder: string): Map<string, Line[]> {
  const names = readdirSync(folder).filter((name) => name.endsWith('.lines'))
  return new Map(names.map((name) => [name.slice(0, -'.lines'.length), linesOf(join(folder, name))]))
}

export function linesOf(path: string): Line[] {
  if (!existsSync(path)) return []
  const [last = '', ...whole] = readFileSync(path, 'utf8').split('\n').reverse()
  const lines = whole.reverse().map((text) => JSON.parse(text) as Line)
  return last === '' ? lines : lines.concat(parsed(last))
}

function parsed(text: string): Line[] {
  try {
    return [JSON.parse(text)]
  } catch {
    return []
  }
}
