/*
 * Random histories: publishing over few keys, handlers that fail, instances that come and go, pauses, resets of another service,
 * an operator who redrives. Every run prints its seed when it fails; HODISA_SEED repeats one, HODISA_RUNS makes more.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { type App, defineEvent, unchecked } from '../index.ts'
import { Random } from '../testing/random.ts'
import { type Bed, type EngineName, eachEngine } from './fixtures/bed.ts'
import { until } from './fixtures/until.ts'

const Worked = defineEvent('work.done', {
  schema: unchecked<{
    readonly key: string
    readonly number: number
    readonly fails: number
    readonly commits: boolean
  }>(),
  stream: ({ key }) => key,
})
const Counted = defineEvent('work.counted', { schema: unchecked<{ readonly key: string; readonly number: number }>() })

type TestApp = App<readonly [typeof Worked, typeof Counted]>

const RUNS = Number(process.env.HODISA_RUNS ?? 2)
const SEED = process.env.HODISA_SEED

eachEngine((bed, engine) => {
  const seeds = SEED === undefined ? Array.from({ length: RUNS }, () => Date.now() % 1_000_000_007) : [Number(SEED)]
  seeds.forEach((base, run) => {
    const seed = SEED === undefined ? base + run * 7919 : base
    test(`nothing is lost, repeated or out of order in a random history (seed ${seed})`, async () => {
      await new History(bed(), engine, seed).run()
    })
  })
})

class History {
  readonly #bed: Bed
  readonly #random: Random
  readonly #sql: boolean
  readonly #published = new Map<string, number>()
  readonly #finished = new Map<string, Set<number>>()
  readonly #running = new Map<string, number>()
  readonly #counts = new Map<string, number>()
  readonly #violations: string[] = []
  readonly #instances: TestApp[] = []
  #total = 0

  constructor(bed: Bed, engine: EngineName, seed: number) {
    this.#bed = bed
    this.#random = new Random(seed)
    this.#sql = engine !== 'memory'
  }

  async run(): Promise<void> {
    const operator: TestApp = await this.#bed.app({ events: [Worked, Counted] })
    if (this.#sql) await operator.transaction((tx) => tx.sql`create table effects (name text)`)
    await this.#join()
    for (let step = 0; step < 80; step++) await this.#step(operator)
    await operator.services.resume('work')
    await operator.services.resume('other')
    if (this.#instances.length === 0) await this.#join()
    await this.#settle(operator)
    expect(this.#violations).toEqual([])
    for (const [key, count] of this.#published) {
      expect([...(this.#finished.get(key) ?? [])].toSorted((a, b) => a - b)).toEqual(
        Array.from({ length: count }, (_, n) => n),
      )
    }
    expect([...this.#counts].filter(([name, count]) => !name.startsWith('failed') && count !== 1)).toEqual([])
    if (this.#sql) {
      const rows = await operator.transaction((tx) => tx.sql<{ name: string }>`select name from effects`)
      expect(rows.map(({ name }) => name).toSorted()).toEqual([...new Set(rows.map(({ name }) => name))].toSorted())
    }
    const counted = new Set<string>()
    for await (const event of operator.read({ types: 'work.counted' })) counted.add(JSON.stringify(event.data))
    expect(counted.size).toBe(this.#total)
  }

  async #settle(operator: TestApp): Promise<void> {
    await until(async () => {
      await this.#redrive(operator, 1)
      const settled = await operator.settled({ timeout: 200 }).then(
        () => true,
        () => false,
      )
      return settled && (await operator.deadLetters.list({ state: 'parked' })).length === 0
    }, 'the services are settled').catch(async (error) => {
      const services = JSON.stringify(await operator.services.list())
      const state = await operator.settled({ timeout: 0 }).catch(String)
      throw new Error(`${error.message}; ${state}; ${services}; ${JSON.stringify(this.#violations)}`)
    })
  }

  async #step(operator: TestApp): Promise<void> {
    const random = this.#random
    const choice = random.below(100)
    if (choice < 55) await this.#publish(operator)
    else if (choice < 63) await this.#join()
    else if (choice < 71) await this.#leave()
    else if (choice < 76) await operator.services.pause('work')
    else if (choice < 83) await operator.services.resume('work')
    else if (choice < 87) await operator.services.reset('other', { from: random.chance(0.5) ? 'start' : 'now' })
    else if (choice < 93) await this.#redrive(operator, 0.5)
    else await delay(random.below(30))
  }

  async #publish(operator: TestApp): Promise<void> {
    const random = this.#random
    const events = Array.from({ length: 1 + random.below(12) }, () => {
      const key = `k${random.below(7)}`
      const number = this.#published.get(key) ?? 0
      this.#published.set(key, number + 1)
      this.#total++
      const fails = random.chance(0.15) ? 1 + random.below(5) : 0
      return Worked({ key, number, fails, commits: random.chance(0.6) })
    })
    await operator.publish(events)
  }

  async #redrive(operator: TestApp, probability: number): Promise<void> {
    for (const { id } of await operator.deadLetters.list({ state: 'parked' })) {
      if (this.#random.chance(probability)) await operator.deadLetters.redrive(id).catch(() => undefined)
    }
  }

  async #join(): Promise<void> {
    if (this.#instances.length >= 4) return
    const random = this.#random
    const app: TestApp = await this.#bed.app({ events: [Worked, Counted] })
    const options = { concurrency: 1 + random.below(8), from: 'start', retry: { attempts: 3, min: 1, max: 4 } } as const
    const waits = random.below(3)
    app.service('work', { ...options, patience: 50 }).on(Worked, async ({ data }, ctx) => {
      const { key, number, fails, commits } = data
      const name = `${key}:${number}`
      this.#begins(key, number)
      try {
        if (waits > 0) await delay(waits)
        if (ctx.attempt <= fails && (this.#counts.get(`failed ${name}`) ?? 0) < fails) {
          this.#counts.set(`failed ${name}`, (this.#counts.get(`failed ${name}`) ?? 0) + 1)
          throw new Error(`fails ${fails} times`)
        }
        if (commits) {
          await ctx.commit(async (tx) => {
            if (this.#sql) await tx.sql`insert into effects (name) values (${name})`
            tx.publish(Counted({ key, number }))
          })
        } else ctx.publish(Counted({ key, number }))
        this.#ends(key, number)
      } finally {
        this.#running.delete(key)
      }
    })
    app.service('other', { ...options }).on('work.*', () => undefined)
    await app.start()
    this.#instances.push(app)
  }

  async #leave(): Promise<void> {
    const random = this.#random
    if (this.#instances.length === 0) return
    const [app] = this.#instances.splice(random.below(this.#instances.length), 1)
    const stopped = app?.stop()
    if (random.chance(0.5)) await stopped
    else stopped?.catch((error) => this.#violations.push(`stop failed: ${String(error)}`))
  }

  #begins(key: string, number: number): void {
    const running = this.#running.get(key)
    if (running !== undefined) this.#violations.push(`${key}:${number} began while ${running} ran`)
    this.#running.set(key, number)
    const finished = this.#finished.get(key) ?? new Set()
    for (let before = 0; before < number; before++) {
      if (!finished.has(before)) this.#violations.push(`${key}:${number} began before ${before} was done`)
    }
    if (finished.has(number)) this.#violations.push(`${key}:${number} began again`)
  }

  #ends(key: string, number: number): void {
    const finished = this.#finished.get(key) ?? new Set()
    this.#finished.set(key, finished.add(number))
    const name = `${key}:${number}`
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1)
  }
}
