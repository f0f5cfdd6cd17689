/*
 * Every run prints its seed when it fails; HODISA_SIMULATION_SEED repeats one, HODISA_SIMULATIONS makes more.
 */
import { expect, test } from 'vitest'
import { defineEvent, unchecked } from '../index.ts'
import { simulatedWork } from './fixtures/simulated-work.ts'
import { SimulationFailed, type SimulationOptions, simulate } from './simulate.ts'

const RUNS = Number(process.env.HODISA_SIMULATIONS ?? 100)
const SEED = process.env.HODISA_SIMULATION_SEED

test('nothing is lost, repeated or out of order, however calls, crashes and answers fall together', async () => {
  const first = SEED === undefined ? 1 : Number(SEED)
  for (let seed = first; seed < first + (SEED === undefined ? RUNS : 1); seed++) await simulate(simulatedWork(seed))
}, 300_000)

/** Each of these showed a fault once. */
test.each([1, 3, 4, 19, 50, 69, 80, 107, 160, 246])(
  'seed %i',
  async (seed) => {
    await simulate(simulatedWork(seed))
  },
  60_000,
)

test('the same seed makes the same run', async () => {
  const [one, other] = [await simulate(simulatedWork(7)), await simulate(simulatedWork(7))]
  expect(one.trace.length).toBeGreaterThan(100)
  expect(other.trace).toEqual(one.trace)
})

const Noted = defineEvent('test.noted', { schema: unchecked<{ readonly n: number }>() })

/** A service of twenty events of one key, handled by what is given. */
function twenty(handler: (n: number, sleep: (ms: number) => Promise<void>) => Promise<void> | void): SimulationOptions {
  return {
    seed: 1,
    duration: '10s',
    patience: '1m',
    async app(simulated) {
      const app = await simulated.hodisa({ source: 'test', events: [Noted] })
      app
        .service('s', { from: 'start', retry: { attempts: 2, min: 10, max: 50 }, patience: '10s' })
        .on(Noted, ({ data }) => handler(data.n, simulated.sleep))
      return app
    },
    async work(simulated) {
      const app = await simulated.hodisa({ source: 'test', events: [Noted] })
      for (let n = 0; n < 20; n++) {
        await app.publish(Noted({ n }, { key: 'one' }))
        await simulated.sleep(100)
      }
    },
  }
}

test('a sound app passes, in virtual time only', async () => {
  const begun = performance.now()
  const { time, runs } = await simulate({ ...twenty((_, sleep) => sleep(2_000)), runs: 3 })
  expect(runs).toBe(3)
  expect(time).toBeGreaterThan(120_000)
  expect(performance.now() - begun).toBeLessThan(time)
})

test('a handler that never ends is told, with the seed', async () => {
  const never = twenty((n) => (n === 7 ? new Promise(() => undefined) : undefined))
  const failed = await simulate({ ...never, faults: 'none', instances: 1 }).catch((error) => error)
  expect(failed).toBeInstanceOf(SimulationFailed)
  expect(failed.seed).toBe(1)
  expect(failed.message).toContain('not settled')
})

test('an error of work or check fails the run', async () => {
  const check = () => Promise.reject(new Error('not what was hoped for'))
  await expect(simulate({ ...twenty(() => undefined), check })).rejects.toThrow(/seed 1: not what was hoped for/)
})
