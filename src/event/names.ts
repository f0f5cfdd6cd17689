import { HodisaError } from '../errors.ts'

const SEGMENT = '[a-z][a-zA-Z0-9]*'
const TYPE = new RegExp(`^${SEGMENT}(\\.${SEGMENT})*$`)
const CATEGORY = new RegExp(`^${SEGMENT}$`)
const SERVICE = /^[a-zA-Z0-9][a-zA-Z0-9._-]*$/
// Control characters and lone surrogates: no engine keeps all of them, so none of them gets in.
const UNSAFE = /\p{Cc}|\p{Cs}/u
const LONGEST = 255

function invalid(what: string, value: unknown, rule: string): HodisaError {
  const shown = typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : typeof value
  return new HodisaError('invalid-name', `${what} ${rule}, not ${shown}`, { what, value: shown })
}

function assertText(what: string, value: unknown): asserts value is string {
  if (typeof value !== 'string' || value === '') throw invalid(what, value, 'must be a text that is not empty')
  if (value.length > LONGEST) throw invalid(what, value, `must be at most ${LONGEST} characters long`)
  if (UNSAFE.test(value)) throw invalid(what, value, 'must be free of control characters and lone surrogates')
}

/** `order.created`: camelCase segments with dots between. */
export function assertType(type: unknown): asserts type is string {
  assertText('an event type', type)
  if (!TYPE.test(type)) throw invalid('an event type', type, 'must be camelCase segments with dots between')
}

export function assertCategory(category: unknown): asserts category is string {
  assertText('a category', category)
  if (!CATEGORY.test(category)) throw invalid('a category', category, 'must be one camelCase segment')
}

/** `category-id`, split at the first `-`. */
export function assertStream(stream: unknown): asserts stream is string {
  assertText('a stream', stream)
  const dash = stream.indexOf('-')
  if (dash < 1 || dash === stream.length - 1 || !CATEGORY.test(stream.slice(0, dash))) {
    throw invalid('a stream', stream, 'must be "category-id" with a camelCase category')
  }
}

export function assertKey(key: unknown): asserts key is string {
  assertText('a key', key)
}

export function assertId(id: unknown): asserts id is string {
  assertText('an event id', id)
}

export function assertMetadataId(what: string, id: unknown): asserts id is string {
  assertText(what, id)
}

export function assertService(name: unknown): asserts name is string {
  assertText('a service name', name)
  if (!SERVICE.test(name)) throw invalid('a service name', name, 'must be letters, digits, dots, dashes or underscores')
}

export function assertSource(source: unknown): asserts source is string {
  assertText('source', source)
}
