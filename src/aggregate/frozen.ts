/**
 * Freezes plain objects and arrays, at any depth. What is frozen already is not looked into: a state shares most of itself with the
 * one before it, so that this costs what `evolve` has copied, and no more.
 */
export function deepFreeze<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  if (!Array.isArray(value)) {
    const prototype = Object.getPrototypeOf(value)
    if (prototype !== Object.prototype && prototype !== null) return value // a Map, a Date: freezing would not keep it
  }
  Object.freeze(value)
  for (const member of Object.values(value)) deepFreeze(member)
  return value
}
