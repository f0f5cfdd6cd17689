import { linesOf } from './file.ts'
import { generatedInvoices } from './generator.ts'
import { invoicesOf, type OnProblem, type SourceInvoice, UnreadableFileError } from './invoices.ts'

export interface SourceOptions {
  /** A CSV file, plain or gzip; absent: invoices are made up. */
  readonly file?: string | undefined
  /** How many to make up; absent: without end. */
  readonly count?: number | undefined
}

/** Where invoices come from. @throws {UnreadableFileError} */
export async function* source(
  options: SourceOptions,
  onProblem: OnProblem,
): AsyncGenerator<SourceInvoice, void, undefined> {
  if (options.file !== undefined) {
    yield* readable(options.file, invoicesOf(linesOf(options.file), onProblem))
    return
  }
  let left = options.count ?? Number.POSITIVE_INFINITY
  for (const invoice of generatedInvoices()) {
    if (left-- <= 0) return
    yield { invoice }
  }
}

/** The same items; what goes wrong with them is an error that names the file. */
async function* readable<Item>(file: string, items: AsyncIterable<Item>): AsyncGenerator<Item, void, undefined> {
  try {
    yield* items
  } catch (error) {
    throw new UnreadableFileError(`${file} cannot be read: ${error instanceof Error ? error.message : error}`)
  }
}
