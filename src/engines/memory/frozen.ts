/** A copy that shares nothing with `value` and that nobody can change, so that it may be handed out as it is. */
export function frozen<Value>(value: Value): Value {
  return copy(value)
}

/** What the store keeps is plain: objects, arrays and simple values. */
function copy<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return Object.freeze(value.map(copy)) as Value
  const made: Record<string, unknown> = {}
  for (const name of Object.keys(value)) made[name] = copy((value as Record<string, unknown>)[name])
  return Object.freeze(made) as Value
}
