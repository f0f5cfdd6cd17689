import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Engine } from './engine.ts'

/** What somebody reached, and how. */
export interface Row {
  readonly who: string
  /** In the unit of the bench; null where it could not be measured, and then the note says why. */
  readonly value: number | null
  /** When a write counts as done. */
  readonly durability?: string
  readonly note?: string
  /** The row that this one is compared with; `raw` by default. */
  readonly against?: string
  /** Milliseconds that 99 of 100 stay below, where the value is the median. */
  readonly p99?: number
}

/** The result of one bench. */
export interface Report {
  readonly bench: string
  readonly unit: string
  readonly rows: readonly Row[]
}

export interface Settings {
  readonly engine: Engine
  /** Fewer events and rounds: to see that all works, not to compare. */
  readonly quick: boolean
  /** Leaves out all rows but those whose name begins so; empty for all of them. */
  readonly only: readonly string[]
}

/** Somebody to be measured: each round, in a place of its own, returns the value reached in it. */
export interface Contender extends Omit<Row, 'value'> {
  round(place: string): Promise<number>
}

// Not the system's temporary folder, which may lie in memory, where fsync costs nothing.
const SCRATCH = join(import.meta.dirname, '..', 'node_modules', '.cache', 'hodisa-bench')

/** Runs `work` with a fresh folder on disk. */
export async function inFolder<Result>(work: (folder: string) => Promise<Result>): Promise<Result> {
  mkdirSync(SCRATCH, { recursive: true })
  const folder = mkdtempSync(join(SCRATCH, 'run-'))
  try {
    return await work(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/**
 * All contenders, one after the other, round by round, each time in a fresh place, so that whatever else the machine does meets
 * all of them. The first round warms up and does not count; of the others the median does.
 */
export async function compete(settings: Settings, contenders: readonly Contender[], rounds: number): Promise<Row[]> {
  const { engine } = settings
  const wanted = chosen(settings, contenders)
  const values = new Map<Contender, number[]>(wanted.map((contender) => [contender, []]))
  const failures = new Map<Contender, string>()
  for (let round = 0; round <= rounds; round++) {
    for (const [contender, reached] of values) {
      if (failures.has(contender)) continue
      try {
        const value = await engine.fresh((place) => contender.round(place))
        if (round > 0) reached.push(value)
      } catch (error) {
        failures.set(contender, `failed: ${firstLine(error)}`)
      }
    }
  }
  return [...values].map(([contender, reached]): Row => {
    const { round: _, ...row } = contender
    const failure = failures.get(contender)
    return failure === undefined ? { ...row, value: percentile(reached, 0.5) } : { ...row, value: null, note: failure }
  })
}

/** The rows that are asked for. */
export function chosen<Of extends { readonly who: string }>({ only }: Settings, rows: readonly Of[]): readonly Of[] {
  return only.length === 0 ? rows : rows.filter(({ who }) => only.some((start) => who.startsWith(start)))
}

/** Events a second. */
export async function rate(events: number, work: () => Promise<void> | void): Promise<number> {
  const start = performance.now()
  await work()
  return events / ((performance.now() - start) / 1_000)
}

/** As many callers at once, each with its next call as soon as its last one is over. */
export async function concurrently(
  callers: number,
  calls: number,
  call: (index: number) => Promise<unknown>,
): Promise<void> {
  let next = 0
  const loop = async () => {
    while (next < calls) await call(next++)
  }
  await Promise.all(Array.from({ length: callers }, loop))
}

/** Calls at an even pace; those that are late are made up for. */
export async function paced(perSecond: number, calls: number, call: (index: number) => void): Promise<void> {
  const start = performance.now()
  let index = 0
  while (index < calls) {
    const due = Math.min(calls, Math.floor(((performance.now() - start) / 1_000) * perSecond) + 1)
    while (index < due) call(index++)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

/** Milliseconds. Monotonic, and the same in every process of the machine. */
export function now(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other)
  const last = sorted.length - 1
  if (share !== 0.5) return sorted[Math.min(last, Math.floor(sorted.length * share))] ?? 0
  return ((sorted[Math.floor(last / 2)] ?? 0) + (sorted[Math.ceil(last / 2)] ?? 0)) / 2
}

/** The figure of those who give one. */
export function single(figures: readonly number[]): number {
  return figures[0] ?? Number.NaN
}

export function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.split('\n', 1).join().slice(0, 120)
}
