import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { HodisaError } from '../../errors.ts'
import { lab } from './lab.ts'
import { makePlan } from './plan.ts'
import { figuresOf, summary } from './report.ts'

describe('the laboratory', () => {
  test('finds no broken promise in a short run, and leaves nothing behind', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hodisa-lab-test-'))
    vi.stubEnv('TMPDIR', folder)
    onTestFinished(() => {
      vi.unstubAllEnvs()
      rmSync(folder, { recursive: true, force: true })
    })
    const result = await lab({ seed: 3, minutes: 0.45 })
    expect(result.violations, summary(result, 'lab({ seed: 3, minutes: 0.45 })')).toEqual([])
    const figures = figuresOf(result)
    expect(figures).toMatchObject({ seed: 3, lost: 0, duplicateEffects: 0, orderViolations: 0 })
    expect(figures.kills).toBeGreaterThan(5)
    expect(figures.stalls).toBeGreaterThan(0)
    expect(figures.acknowledged).toBeGreaterThan(100)
    expect(result.history.effects.length).toBeGreaterThan(figures.acknowledged)
    expect(readdirSync(folder)).toEqual([])
  })

  test('makes the same plan of the same seed, and another of another', () => {
    expect(makePlan(7, 3)).toEqual(makePlan(7, 3))
    expect(makePlan(7, 3)).not.toEqual(makePlan(8, 3))
  })

  test('plans enough of every fault into three minutes', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const { steps, duration } = makePlan(seed, 3)
      const count = (what: string) => steps.filter((step) => step.do === what).length
      const stopped = steps.flatMap((step) => (step.do === 'stop' ? step.slots : []))
      expect(count('kill') + count('kill-publisher')).toBeGreaterThan(120)
      expect(stopped.length).toBeGreaterThanOrEqual(20)
      for (const fault of ['block', 'clock', 'outage', 'hold', 'full-disk'])
        expect(count(fault), fault).toBeGreaterThan(0)
      expect(steps.every(({ at }) => at < duration)).toBe(true)
    }
  })

  test('says what it cannot do', async () => {
    await expect(lab({ store: 'nats' as 'sqlite' })).rejects.toThrow(HodisaError)
    await expect(lab({ store: 'nats' as 'sqlite' })).rejects.toThrow(/no store nats/)
    await expect(lab({ minutes: 0 })).rejects.toThrow(/minutes/)
    await expect(lab({ worker: new URL('./random.ts', import.meta.url) })).rejects.toThrow(
      /must export events, services/,
    )
  })
})
