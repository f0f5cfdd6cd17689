import { systemClock } from './clock.ts'
import { HodisaError } from './errors.ts'
import { consoleLogger } from './logger.ts'
import type { Logger, StoreFactory } from './store/port.ts'
import { type CopyProgress, type CopyResult, copyAll } from './store/transfer-copy.ts'

export type { CopyProgress, CopyResult }

export interface CopyOptions {
  readonly from: StoreFactory
  /** Empty, or the target of a copy of the same store that was cut short. */
  readonly to: StoreFactory
  /** Copies although processes run services on the source. What they write meanwhile makes the copy fail in the end. */
  readonly force?: boolean
  /** Ends the copy between two pages; another one goes on from there. */
  readonly signal?: AbortSignal
  readonly logger?: Logger
  readonly onProgress?: (progress: CopyProgress) => void
}

/**
 * Copies all of a store into another, of whatever engine: events with the positions and times they have, streams, given ids,
 * services with their progress, dead letters and documents. Then everything is read on both sides and compared. Services go on
 * where they were. Only tokens of receipts do not hold where the engine is another one.
 *
 * @throws {HodisaError} `copy-refused` where the source is in use or the target is not empty, `copy-differs` where the two are not
 * the same in the end, `capability-missing` for an engine that is not copied, and `store-*`
 */
export async function copyStore(options: CopyOptions): Promise<CopyResult> {
  const { from, to, force = false, signal, logger = consoleLogger, onProgress = () => undefined } = options
  if (from === to) throw new HodisaError('copy-refused', 'both are the same store')
  const host = { clock: systemClock, logger, durability: 'fsync' } as const
  const source = await from.open(host)
  try {
    const target = await to.open(host)
    try {
      return await copyAll({ source, target, clock: systemClock, force, signal, onProgress })
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
}
