import type { StoreFactory } from '../../store/port.ts'
import { Shared } from './shared.ts'
import { MemoryStore } from './store.ts'

/**
 * A log in the memory of this process: the reference of what a store does, for tests and for trying things out. Nothing of
 * it outlives the process. Every store opened from one value of `memory()` sees the same log, so that several apps of one
 * test can share it.
 */
export function memory(): StoreFactory {
  const shared = new Shared()
  return { engine: 'memory', open: async (host) => new MemoryStore(shared, host) }
}
