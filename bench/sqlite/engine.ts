import type { Engine } from '../engine.ts'
import { inFolder } from '../measure.ts'
import { append, deliver, latency, rebuild } from './others.ts'

/** A file in a folder. */
export const SQLITE: Engine = {
  name: 'sqlite',
  fresh: inFolder,
  others: { append, deliver, latency, rebuild },
  aims: {},
}
