import { parse } from 'csv-parse/sync'

/** A record of a CSV file, with the line it begins at, counted from 1. */
export interface CsvRecord {
  readonly line: number
  /** Missing where its quotes make no sense or it has another number of fields than the first record. */
  readonly fields: readonly string[] | undefined
}

/** A quoted field may hold line breaks, but not so many: a stray quote must not swallow the rest of the file. */
const MOST_LINES = 20

/**
 * Reads CSV record by record. Where quotes do not close, only the line they open in is given up; those that follow are read
 * for themselves. Empty lines are no records.
 */
export async function* csvRecords(lines: AsyncIterable<string>): AsyncGenerator<CsvRecord, void, undefined> {
  const held: string[] = []
  let line = 1
  let width: number | undefined

  function* recordsOf(last: boolean): Generator<CsvRecord, void, undefined> {
    while (held.length > 0) {
      const length = lengthOfFirst(held)
      if (length === undefined && !last && held.length < MOST_LINES) return
      const text = held.slice(0, length ?? 1).join('\n')
      const fields = length === undefined ? undefined : fieldsOf(text, width)
      width ??= fields?.length
      if (text !== '') yield { line, fields }
      const taken = fields === undefined ? 1 : (length ?? 1)
      held.splice(0, taken)
      line += taken
    }
  }

  for await (const text of lines) {
    held.push(text)
    yield* recordsOf(false)
  }
  yield* recordsOf(true)
}

/** How many of the lines make up the first record; undefined where its quotes are still open. */
function lengthOfFirst(lines: readonly string[]): number | undefined {
  let quotes = 0
  for (const [index, line] of lines.entries()) {
    if (line.includes('"')) quotes += line.split('"').length - 1
    if (quotes % 2 === 0) return index + 1
  }
  return undefined
}

function fieldsOf(text: string, width: number | undefined): readonly string[] | undefined {
  const fields = text.includes('"') ? parseQuoted(text) : text.split(',')
  return fields?.length === (width ?? fields?.length) ? fields : undefined
}

function parseQuoted(text: string): readonly string[] | undefined {
  try {
    return parse(text, { relax_column_count: true })[0]
  } catch {
    return undefined // csv-parse says why; where it stands is what helps
  }
}
