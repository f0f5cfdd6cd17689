import { type ErrorCode, HodisaError } from '../../errors.ts'
import { ABANDONED, LEASE_LOST } from './functions.sql.ts'

/** By SQLSTATE, the longest that fits. */
const STATES: Readonly<Record<string, readonly [code: ErrorCode, text: string]>> = {
  [LEASE_LOST]: ['lease-lost', 'the share was taken over'],
  [ABANDONED]: ['store-unavailable', 'the append was given up'],
  '28': ['store-denied', 'the server refused the user or the password'],
  '3D000': ['store-unavailable', 'there is no such database'],
  '42501': ['store-denied', 'the user lacks a right'],
  '53100': ['store-full', 'the disk of the server is full'],
  '53200': ['store-unavailable', 'the server is out of memory'],
  '53300': ['store-unavailable', 'the server has no free connection'],
  '55P03': ['store-busy', 'another transaction holds what this one needs'],
  '40P01': ['store-busy', 'two transactions waited for each other'],
  '40001': ['store-busy', 'another transaction changed the same rows'],
  '57014': ['store-busy', 'the statement took too long'],
  '25P03': [
    'commit-awaited-io',
    'the transaction stood still for longer than 2 s, and the server ended it, so that what it had locked holds nobody up',
  ],
  '25006': ['store-read-only', 'the server takes no writes; it may be a standby'],
  XX001: ['store-corrupt', 'the server reports damaged data'],
  XX002: ['store-corrupt', 'the server reports a damaged index'],
}

/** The server, or the way to it, is gone: the connection is of no use any more, and another attempt may succeed. */
const LOST_STATES = ['08', '57P01', '57P02', '57P03', '57P05', '25P03', '53300']
const LOST_CODES = [
  'ECONNRESET',
  'ECONNREFUSED',
  'EPIPE',
  'ETIMEDOUT',
  'EAI_AGAIN',
  'ENETUNREACH',
  'EHOSTUNREACH',
  'ENOENT',
]
const LOST_TEXTS =
  /connection terminated|connection error and is not queryable|timeout exceeded when trying to connect|query read timeout|client was closed|server closed the connection|server conn crashed|client has already been connected/i

export function stateOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}

/** Whether the connection, not the statement, is at fault. */
export function isLost(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const state = stateOf(error)
  return (
    LOST_STATES.some((prefix) => state.startsWith(prefix)) ||
    LOST_CODES.includes(state) ||
    LOST_TEXTS.test(error.message)
  )
}

/** Nothing is wrong with the connection or its transaction, but others were in the way: the same again may succeed. */
export function isCollision(error: unknown): boolean {
  return ['40P01', '40001'].includes(stateOf(error))
}

/** The typed error for what the server or the driver said; what is the user's own, such as a violated constraint, as it came. */
export function mapError(error: unknown, where: string): unknown {
  if (error instanceof HodisaError || !(error instanceof Error)) return error
  const state = stateOf(error)
  if (state === LEASE_LOST) return leaseLost(error)
  const found = STATES[state] ?? STATES[state.slice(0, 2)]
  if (found !== undefined) {
    const [code, text] = found
    return new HodisaError(code, `store ${where}: ${text} (${error.message})`, { store: where, sqlState: state }, error)
  }
  if (isLost(error) || state === 'ENOTFOUND') {
    const text = `store ${where}: the server cannot be reached (${error.message})`
    return new HodisaError('store-unavailable', text, { store: where, cause: state }, error)
  }
  return error
}

/** Of a statement of the store's own: without its schema it is no store any more. */
export function storeGone(error: unknown, where: string): unknown {
  if (stateOf(error) !== '3F000' || !(error instanceof Error)) return error
  const text = `store ${where}: it was removed while this process ran (${error.message})`
  return new HodisaError('store-unavailable', text, { store: where, sqlState: '3F000' }, error)
}

/** Whatever kept a connection from being made, as a typed error. */
export function connectFailed(error: unknown, where: string): unknown {
  const mapped = mapError(error, where)
  if (mapped instanceof HodisaError || !(error instanceof Error)) return mapped
  // Of the driver, which has no code of its own for a password that is missing or that does not fit.
  const denied = /^SASL|password/i.test(error.message)
  const [code, text] = denied
    ? (['store-denied', 'the server asks for a password'] as const)
    : (['store-unavailable', 'no connection could be made'] as const)
  return new HodisaError(
    code,
    `store ${where}: ${text} (${error.message})`,
    { store: where, cause: stateOf(error) },
    error,
  )
}

function leaseLost(error: Error): HodisaError {
  const detail = 'detail' in error && typeof error.detail === 'string' ? error.detail : '{}'
  return new HodisaError('lease-lost', error.message, JSON.parse(detail) as Record<string, unknown>)
}

export function closed(where: string): HodisaError {
  return new HodisaError('store-unavailable', `store ${where} is closed`, { store: where, closed: true })
}
