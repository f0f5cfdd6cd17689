import { readFileSync } from 'node:fs'
import { InvalidArgumentError } from 'commander'
import type { LogPlace } from '../index.ts'
import { assertGoingOn } from './context.ts'
import { CommandError } from './failure.ts'
import type { Terminal } from './terminal.ts'

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `start`, `now`, a position, a date or time (local unless it has a zone), or how long ago: `15m`. */
export function place(text: string): LogPlace {
  if (text === 'start' || text === 'now') return text
  const found = positionOrTime(text)
  if (found === undefined) {
    throw new InvalidArgumentError(
      'It is start, now, a position, a time such as 2024-01-15T10:30, or 15m for 15 minutes ago.',
    )
  }
  return found
}

export function end(text: string): number | Date {
  const found = positionOrTime(text)
  if (found === undefined) {
    throw new InvalidArgumentError('It is a position, a time such as 2024-01-15T10:30, or 15m for 15 minutes ago.')
  }
  return found
}

function positionOrTime(text: string): number | Date | undefined {
  if (/^\d+$/.test(text)) return Number.isSafeInteger(Number(text)) ? Number(text) : undefined
  const [, amount, unit = ''] = /^(\d+(?:\.\d+)?)([smhd])$/.exec(text) ?? []
  const found = amount === undefined ? time(text) : new Date(Date.now() - Number(amount) * (UNITS[unit] ?? 0))
  return found === undefined || Number.isNaN(found.getTime()) ? undefined : found
}

function time(text: string): Date | undefined {
  const [, day, clock] = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d.*))?$/.exec(text) ?? []
  // A day alone is UTC to `Date`; here it is local, as a time without a zone is.
  return day === undefined ? undefined : new Date(`${day}T${clock ?? '00:00'}`)
}

export function integer(least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const number = Number(text)
    if (!/^\d+$/.test(text) || number < least || number > most) {
      throw new InvalidArgumentError(`It is an integer from ${least} to ${most}.`)
    }
    return number
  }
}

/** Several, with commas or by repeating the option. */
export function list(text: string, before: readonly string[] = []): string[] {
  return [...before, ...text.split(',').map((part) => part.trim())]
}

export type JsonObject = Readonly<Record<string, unknown>>

/** JSON as it stands, `@file`, or `-` for standard input. */
export async function jsonObject(argument: string, terminal: Terminal): Promise<JsonObject> {
  return parseObject(await jsonText(argument, terminal))
}

/** @throws {CommandError} `invalid-json` */
export function parseObject(text: string): JsonObject {
  const value = parse(text)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new CommandError(
      'invalid-json',
      `the data must be a JSON object, not ${value === null ? 'null' : describe(value)}`,
    )
  }
  return value as JsonObject
}

async function jsonText(argument: string, terminal: Terminal): Promise<string> {
  if (argument === '-') {
    const text = await terminal.readInput()
    assertGoingOn(terminal)
    return text
  }
  if (!argument.startsWith('@')) return argument
  try {
    return readFileSync(argument.slice(1), 'utf8')
  } catch (error) {
    throw new CommandError('invalid-json', `the data cannot be read: ${error instanceof Error ? error.message : error}`)
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch (error) {
    throw new CommandError('invalid-json', `the data is not JSON: ${error instanceof Error ? error.message : error}`)
  }
}

function describe(value: unknown): string {
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`
}
