import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { hodisa, postgres } from '../hodisa.ts'
import { type Contender, compete, type Report, type Settings } from '../measure.ts'
import { OrderCreated, order } from '../sample.ts'
import { PgBoss } from './pg-boss.ts'
import { query } from './server.ts'

const SERVICES = 5

/** Statements a second that a process sends whose services have nothing to do. */
export async function idle(settings: Settings): Promise<Report> {
  const { quick } = settings
  const [settle, seconds] = quick ? [2_000, 4] : [10_000, 20]
  const contenders: Contender[] = [
    {
      who: 'hodisa',
      note: `${SERVICES} services; what its pool sends`,
      round: async (url) => {
        let sent = 0
        const pool = new pg.Pool({ connectionString: url, max: 10 })
        pool.on('error', () => undefined)
        pool.on('connect', (client) => {
          client.query = new Proxy(client.query, {
            apply: (query, self, args) => {
              sent++
              return Reflect.apply(query, self, args)
            },
          })
        })
        try {
          await using app = await hodisa({ source: 'bench', store: postgres(pool), events: [OrderCreated] })
          for (let index = 0; index < SERVICES; index++) app.service(`idle_${index}`).on(OrderCreated, () => undefined)
          await app.start()
          await app.publish(Array.from({ length: 100 }, (_, index) => OrderCreated(order(index))))
          await app.settled({ timeout: '10s' })
          await delay(settle)
          sent = 0
          await delay(seconds * 1_000)
          return sent / seconds
        } finally {
          await pool.end()
        }
      },
    },
    {
      who: 'hodisa commits',
      note: 'the same in transactions, as the server counts them',
      round: async (url) => {
        await using app = await hodisa({ source: 'bench', store: postgres(url), events: [OrderCreated] })
        for (let index = 0; index < SERVICES; index++) app.service(`idle_${index}`).on(OrderCreated, () => undefined)
        await app.start()
        await delay(settle)
        return await transactions(url, seconds)
      },
    },
    {
      who: 'pg-boss commits',
      note: `${SERVICES} workers, each with a queue of its own; transactions, as the server counts them`,
      round: async (url) => {
        await using boss = await PgBoss.start(url)
        await boss.idle(SERVICES)
        await delay(settle)
        return await transactions(url, seconds)
      },
    },
  ]
  return { bench: 'idle', unit: 'statements/s', rows: await compete(settings, contenders, 1) }
}

/** Committed in the database a second, for so long. */
async function transactions(url: string, seconds: number): Promise<number> {
  const before = await committed(url)
  await delay(seconds * 1_000)
  return ((await committed(url)) - before) / seconds
}

async function committed(url: string): Promise<number> {
  // Seen from another database, so that looking does not count.
  const server = new URL(url)
  const name = decodeURIComponent(server.pathname.slice(1))
  server.pathname = '/postgres'
  const [row] = await query(server.href, `select xact_commit from pg_stat_database where datname = '${name}'`)
  return Number(row?.xact_commit)
}
