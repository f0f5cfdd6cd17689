import type { ViolationKind } from './history.ts'
import type { LabResult } from './lab.ts'

const MOST_SHOWN = 10
const LOST: readonly ViolationKind[] = ['lost', 'torn-append', 'unhandled', 'missing-effect', 'follow-up-missing']
const DUPLICATES: readonly ViolationKind[] = ['duplicate-effect', 'duplicate-event', 'follow-up-twice']
const ORDER: readonly ViolationKind[] = ['order', 'overlap', 'effect-order', 'stream-order', 'begun-without-lease']

export interface Figures {
  readonly seed: number
  readonly kills: number
  readonly stalls: number
  readonly restarts: number
  readonly terminated: number
  readonly acknowledged: number
  readonly lost: number
  readonly duplicateEffects: number
  readonly orderViolations: number
  readonly maxTakeoverSeconds: number
}

/** The figures a run comes down to. */
export function figuresOf({ seed, tally, history, violations }: LabResult): Figures {
  const count = (kinds: readonly ViolationKind[]) => violations.filter(({ kind }) => kinds.includes(kind)).length
  const seconds = history.takeovers.map((takeover) => takeover.seconds ?? Number.POSITIVE_INFINITY)
  return {
    seed,
    kills: tally.kills,
    stalls: tally.stalls,
    restarts: tally.restarts,
    terminated: tally.terminated,
    acknowledged: new Set(history.acknowledged.flatMap(({ ids }) => ids)).size,
    lost: count(LOST),
    duplicateEffects: count(DUPLICATES),
    orderViolations: count(ORDER),
    maxTakeoverSeconds: Math.round(Math.max(0, ...seconds) * 10) / 10,
  }
}

/** What a person reads. */
export function summary(result: LabResult, repeat: string): string {
  const { tally, killedAt, history, violations } = result
  const figures = figuresOf(result)
  const points = [...killedAt].sort(([one], [other]) => one.localeCompare(other)).map(([point, n]) => `${point} ${n}`)
  const again =
    history.runs.length - new Set(history.runs.map(({ service, position }) => `${service} ${position}`)).size
  const lines = [
    `seed ${figures.seed}`,
    `${tally.kills} kills, of them at named points: ${points.join(', ') || 'none'}`,
    `${tally.stalls} processes frozen past their lease, ${tally.blocks} event loops blocked, ${tally.clockSteps} clocks moved by an hour`,
    `${tally.outages} outages of the store, ${tally.holds} times it was locked, ${tally.fullDisks} full disks`,
    ...(tally.restarts + tally.terminated + tally.late > 0
      ? [
          `${tally.restarts} restarts of the server, ${tally.terminated} connections ended by it, ${tally.late} transactions left open for long`,
        ]
      : []),
    `${figures.acknowledged} events acknowledged, ${history.log.length} in the log, ${history.effects.length} effects committed`,
    `${history.runs.length} handler runs, ${again} of them again; ${history.takeovers.length} takeovers, the longest ${figures.maxTakeoverSeconds} s`,
    '',
    ...(violations.length === 0 ? ['no promise was broken'] : broken(result, repeat)),
  ]
  return `${lines.join('\n')}\n`
}

function broken({ violations, folder }: LabResult, repeat: string): string[] {
  const lines = [`${violations.length} violations:`]
  for (const [kind, some] of Map.groupBy(violations, (one) => one.kind)) {
    lines.push(`  ${kind}: ${some.length}`, ...some.slice(0, MOST_SHOWN).map(({ what }) => `    ${what}`))
  }
  lines.push('', `repeat this plan with: ${repeat}`)
  if (folder !== undefined) lines.push(`kept in ${folder}`)
  return lines
}
