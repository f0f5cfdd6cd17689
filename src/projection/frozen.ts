/** Freezes JSON at any depth. What is frozen already is not looked into: a changed document shares most of itself with the one before. */
export function frozen<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  Object.freeze(value)
  for (const member of Object.values(value)) frozen(member)
  return value
}
