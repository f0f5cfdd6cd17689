import type { Registry } from '../event/registry.ts'
import type { Decoder } from '../log/decode.ts'
import type { Preparer } from '../log/prepare.ts'
import type { Clock, Logger, Store } from '../store/port.ts'
import type { OneLane } from './one-lane.ts'
import type { ResolvedOptions } from './options.ts'
import type { Routes } from './routes.ts'
import type { SystemLog } from './system-log.ts'

/** What all parts that run one service work with. */
export interface ServiceCore {
  readonly service: string
  readonly options: ResolvedOptions
  readonly routes: Routes
  readonly store: Store
  readonly registry: Registry
  readonly decoder: Decoder
  readonly preparer: Preparer
  readonly clock: Clock
  readonly logger: Logger
  readonly system: SystemLog
  /** From 0 to below 1, for jitter. */
  readonly random: () => number
  /** Set where log order is kept over all keys. */
  readonly oneLane?: OneLane
  /** Id of this process among the instances; another one after it was taken for dead. */
  instance(): string
}
