import type { Engine } from '../engine.ts'
import { inFolder } from '../measure.ts'
import { AIMS } from './aims.ts'
import { append, deliver, latency, rebuild } from './others.ts'
import { fill } from './project.ts'

/** A file in a folder. */
export const SQLITE: Engine = {
  name: 'sqlite',
  fresh: inFolder,
  others: { append, deliver, latency, rebuild, fill },
  aims: AIMS,
}
