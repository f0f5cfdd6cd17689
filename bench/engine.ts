import { join } from 'node:path'
import type { Backlog } from './backlog.ts'
import { type HodisaOptions, postgres, sqlite } from './hodisa.ts'
import type { Contender, Settings } from './measure.ts'

export const ENGINES = ['sqlite', 'postgres'] as const
export type EngineName = (typeof ENGINES)[number]

/** What is measured on, and who else is. */
export interface Engine {
  readonly name: EngineName
  /** Lends a fresh place for a store: a folder on disk, or the URL of an empty database. Removes it afterwards. */
  fresh<Result>(work: (place: string) => Promise<Result>): Promise<Result>
  /** Whoever is measured beside Hodisa, by bench. */
  readonly others: Readonly<Record<'append' | 'deliver' | 'rebuild', (settings: Settings) => readonly Contender[]>> & {
    latency(settings: Settings, load: Load): readonly Timings[]
    /** Puts a backlog where the hand-written projection finds it. */
    fill(place: string, backlog: Backlog): Promise<void>
  }
  /** What Hodisa wants to reach, by bench. */
  readonly aims: Readonly<Partial<Record<string, readonly Aim[]>>>
}

/** How many events are sent at which pace. */
export interface Load {
  readonly events: number
  readonly perSecond: number
}

/** Somebody whose single times, in ms, are measured. */
export interface Timings extends Omit<Contender, 'round'> {
  times(place: string): Promise<readonly number[]>
}

/** A bound for the value of a row, or for its p99; a ratio where another row is named. */
export interface Aim {
  readonly who: string
  readonly of?: 'p99'
  readonly to?: string
  readonly least?: number
  readonly most?: number
}

/** Hodisa's store in a place. */
export function storeAt(engine: EngineName, place: string): HodisaOptions<[]>['store'] {
  return engine === 'sqlite' ? sqlite(join(place, 'h.db')) : postgres(place)
}
