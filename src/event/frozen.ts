/**
 * Freezes plain objects and arrays, Maps and Sets, at any depth. What is frozen already is not looked into: a state shares most of
 * itself with the one before it, so that this costs what `evolve` has copied, and no more.
 */
export function deepFreeze<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  if (value instanceof Map || value instanceof Set) return frozenCollection(value)
  if (!Array.isArray(value)) {
    const prototype = Object.getPrototypeOf(value)
    if (prototype !== Object.prototype && prototype !== null) return value // a Date, say: freezing would not keep it
  }
  Object.freeze(value)
  for (const member of Object.values(value)) deepFreeze(member)
  return value
}

/** `Object.freeze` does not keep what these hold; a copy, by `new Map(state.items)`, can be changed. */
function frozenCollection<Value extends Map<unknown, unknown> | Set<unknown>>(value: Value): Value {
  for (const method of ['set', 'add', 'delete', 'clear']) {
    if (method in value) Object.defineProperty(value, method, { value: refuse })
  }
  Object.freeze(value)
  for (const [key, member] of value.entries()) {
    deepFreeze(key)
    deepFreeze(member)
  }
  return value
}

function refuse(): never {
  throw new TypeError('this is frozen: change a copy, such as new Map(state.items)')
}
