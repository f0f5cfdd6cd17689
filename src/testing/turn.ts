/**
 * Resolves when everything that can happen without time passing has happened. One turn of the event loop is enough for all that
 * promises set off, however long the chain: the queue of microtasks is emptied before the loop goes on.
 */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
