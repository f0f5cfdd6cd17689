import { format } from 'node:util'
import type { Logger } from './store/port.ts'

/** Warnings and errors to stderr, a line each; the rest is dropped. */
export const consoleLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: (message, fields) => write('warn', message, fields),
  error: (message, fields) => write('error', message, fields),
}

function write(level: string, message: string, fields: Record<string, unknown> = {}): void {
  const more = Object.keys(fields).length === 0 ? '' : ` ${format('%j', fields)}`
  process.stderr.write(`hodisa ${level}: ${message}${more}\n`)
}
