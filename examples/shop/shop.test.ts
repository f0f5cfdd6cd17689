import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { postgresPlace, withoutPostgres } from '../../src/testing/postgres/fixtures/place.ts'
import { receiptsFolder } from './store.ts'

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url))
const REAL_ORDERS = fileURLToPath(new URL('../../../shared/data/online-retail-2010-12.csv.gz', import.meta.url))

let folder = ''
const started: ChildProcess[] = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shop-test-'))
})
afterEach(async () => {
  for (const child of started.splice(0)) child.kill('SIGKILL') // its services end with it
  await rm(folder, { recursive: true, force: true, maxRetries: 10 })
})

interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

function start(...args: string[]): {
  child: ChildProcess
  outcome: Promise<Outcome>
  said: (text: RegExp) => Promise<void>
} {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  started.push(child)
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const outcome = new Promise<Outcome>((resolve) => child.on('close', (code) => resolve({ code, stdout, stderr })))
  const said = (text: RegExp) =>
    new Promise<void>((resolve) => {
      const look = () => text.test(stderr) && resolve()
      child.stderr.on('data', look)
      look()
    })
  return { child, outcome, said }
}

async function reportOf(...args: string[]) {
  const { code, stdout, stderr } = await start(...args, '--once', '--json').outcome
  expect(code, stderr).toBe(0)
  return { report: JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? ''), stderr }
}

/** A small shop, and what must come out of it, computed by other means than the shop's. */
function smallShop(invoices: number) {
  const rows = ['InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country']
  const revenue: Record<string, bigint> = {}
  const figures = { orders: 0, returns: 0, adjustments: 0, netUnits: 0 }
  for (let number = 1; number <= invoices; number++) {
    const kind = number % 7 === 0 ? 'returns' : number % 11 === 0 ? 'adjustments' : 'orders'
    figures[kind]++
    const country = number % 3 === 0 ? 'EIRE' : 'United Kingdom'
    for (let line = 1; line <= (number % 4) + 1; line++) {
      const quantity = kind === 'orders' ? line : -line
      const thousandths = kind === 'adjustments' ? 0 : number * 13 + line
      const price = `${Math.floor(thousandths / 1000)}.${String(thousandths % 1000).padStart(3, '0')}`
      const invoice = `${kind === 'returns' ? 'C' : ''}${1000 + number}`
      rows.push(`${invoice},SKU${line},"ITEM ${line}, £",${quantity},2010-12-01 08:26:00,${price},,${country}`)
      figures.netUnits += quantity
      if (kind === 'orders') revenue[country] = (revenue[country] ?? 0n) + BigInt(quantity) * BigInt(thousandths)
    }
  }
  const revenueByCountry = Object.fromEntries(
    Object.entries(revenue).map(([country, sum]) => [country, expect.stringMatching(decimal(sum))]),
  )
  return { rows, expected: { ...figures, receipts: figures.orders, revenueByCountry, lost: 0, duplicates: 0 } }
}

/** The amount with two decimals, or three where the third says something. */
function decimal(thousandths: bigint): RegExp {
  const text = String(thousandths).padStart(4, '0')
  return new RegExp(`^${text.slice(0, -3)}\\.${text.slice(-3).replace(/0$/, '0?')}$`)
}

describe('the shop', () => {
  it('handles every invoice once, and reports what it could not read', async () => {
    const { rows, expected } = smallShop(120)
    const orders = join(folder, 'orders.csv')
    await writeFile(orders, [...rows.slice(0, 10), 'not,an,order', ...rows.slice(10)].join('\n'))
    const { report, stderr } = await reportOf('--orders', orders, '--store', join(folder, 'shop.db'))
    expect(report).toEqual({ ...expected, kills: 0, seconds: expect.any(Number) })
    expect(Object.keys(report)).toEqual(
      'orders returns adjustments receipts netUnits revenueByCountry lost duplicates kills seconds'.split(' '),
    )
    expect(stderr).toContain('line 11 cannot be read')
    expect(stderr).toContain('120 invoices read, 1 lines could not be read')
    const receipts = await readdir(join(folder, 'shop-receipts'))
    expect(receipts.filter((file) => file.endsWith('.eml'))).toHaveLength(expected.orders)
  })

  it('comes to the same on a store that has them all already', async () => {
    const { rows, expected } = smallShop(40)
    const orders = join(folder, 'orders.csv.gz')
    await writeFile(orders, gzipSync(rows.join('\n')))
    const args = ['--orders', orders, '--store', join(folder, 'shop.db')]
    await reportOf(...args)
    expect((await reportOf(...args)).report).toMatchObject(expected)
  })

  it('comes to the same while processes of every service are killed', async () => {
    const { rows, expected } = smallShop(150)
    const orders = join(folder, 'orders.csv')
    await writeFile(orders, rows.join('\n'))
    const { report, stderr } = await reportOf('--orders', orders, '--chaos', '--seed', '7', '--rate', '20')
    expect(report).toMatchObject(expected)
    expect(report.kills).toBeGreaterThanOrEqual(10)
    for (const service of ['order', 'inventory', 'email', 'analytics', 'notification']) {
      expect(stderr).toMatch(new RegExp(`SIGKILL \\d+, to ${service} \\(--seed 7\\)`))
    }
  })

  it('catches up with what came in while a service was down', async () => {
    const { rows, expected } = smallShop(60)
    const orders = join(folder, 'orders.csv')
    await writeFile(orders, rows.join('\n'))
    const { report } = await reportOf('--orders', orders, '--down', 'email', '--down', 'notification')
    expect(report).toMatchObject(expected)
  })

  it.skipIf(withoutPostgres !== '')(
    `comes to the same on PostgreSQL, while processes are killed and a service comes late${withoutPostgres}`,
    async () => {
      const { rows, expected } = smallShop(150)
      const orders = join(folder, 'orders.csv')
      await writeFile(orders, rows.join('\n'))
      const { location, dispose } = await postgresPlace()
      onTestFinished(dispose)
      onTestFinished(() => rm(receiptsFolder(location), { recursive: true, force: true }))
      const calm = ['--orders', orders, '--store', location]
      const { report, stderr } = await reportOf(...calm, '--chaos', '--seed', '7', '--rate', '20', '--down', 'email')
      expect(report).toMatchObject(expected)
      expect(report.kills).toBeGreaterThanOrEqual(10)
      expect(stderr).toMatch(/SIGKILL \d+, to inventory/)
      expect((await reportOf(...calm)).report, 'on a store that has them all already').toMatchObject(expected)
    },
  )

  it.runIf(process.platform !== 'win32')('stops everything at Ctrl-C', async () => {
    const { child, outcome, said } = start('--store', join(folder, 'shop.db'))
    await said(/invoices [1-9]/)
    child.kill('SIGINT')
    expect(await outcome).toMatchObject({ code: 0, stdout: '' })
  })

  it.runIf(process.platform === 'linux')('leaves no process behind, even if it is killed itself', async () => {
    const store = join(folder, 'shop.db')
    const { child, said } = start('--store', store)
    await said(/invoices [1-9]/)
    expect(await processesOn(store)).toHaveLength(18)
    child.kill('SIGKILL')
    await expect.poll(() => processesOn(store), { timeout: 60_000 }).toEqual([])
  })

  it.runIf(process.platform === 'linux')(
    'leaves no process behind, even if it is killed while they start',
    async () => {
      const store = join(folder, 'shop.db')
      const { child } = start('--store', store)
      await expect
        .poll(async () => (await processesOn(store)).length, { timeout: 60_000, interval: 5 })
        .toBeGreaterThan(1)
      child.kill('SIGKILL')
      await expect.poll(() => processesOn(store), { timeout: 60_000 }).toEqual([])
    },
  )

  it('says what is wrong with how it is called', async () => {
    expect(await start('--down', 'order', '--once').outcome).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/--down takes one of/),
    })
    const missing = await start('--orders', join(folder, 'missing.csv'), '--once').outcome
    expect(missing).toMatchObject({ code: 1, stderr: expect.stringContaining('missing.csv') })
  })

  it.skipIf(!existsSync(REAL_ORDERS))(
    existsSync(REAL_ORDERS)
      ? 'handles a month of a real shop'
      : `handles a month of a real shop (skipped: no ${REAL_ORDERS})`,
    async () => {
      const { report } = await reportOf('--orders', REAL_ORDERS)
      expect(report).toMatchObject({
        orders: 1629,
        returns: 326,
        adjustments: 70,
        receipts: 1629,
        lost: 0,
        duplicates: 0,
      })
      expect(report.netUnits).toBe(342_228)
      expect(report.revenueByCountry['United Kingdom']).toBe('748268.98')
      expect(Object.keys(report.revenueByCountry)).toHaveLength(23)
    },
  )
})

/** Processes of the shop that work on this store: its services, found by their environment. */
async function processesOn(store: string): Promise<string[]> {
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const environments = await Promise.all(ids.map((id) => readFile(`/proc/${id}/environ`, 'utf8').catch(() => '')))
  return ids.filter((_, index) => environments[index]?.split('\0').includes(`SHOP_STORE=${store}`))
}
