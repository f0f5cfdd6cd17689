import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { Bed } from '../delivery/fixtures/bed.ts'
import { until } from '../delivery/fixtures/until.ts'
import { Account } from './fixtures/account.ts'

// The machine may have other things to do.

const WORKER = fileURLToPath(new URL('./fixtures/racing-worker.ts', import.meta.url))

function start(file: string, count: number) {
  return spawn(process.execPath, [WORKER, file, String(count)], { stdio: ['ignore', 'pipe', 'inherit'] })
}

async function work(file: string, count: number): Promise<unknown> {
  const child = start(file, count)
  let output = ''
  child.stdout.on('data', (text) => {
    output += text
  })
  const code = await new Promise((resolve) => child.on('close', resolve))
  expect(code).toBe(0)
  return JSON.parse(output)
}

test('processes that race for one account lose nothing, and do twice what is asked twice once', async () => {
  const bed = new Bed('sqlite')
  const app = await bed.app()
  await app.execute(Account, 'b', 'open', { owner: 'ada' })
  const [one, other] = await Promise.all([work(bed.file ?? '', 100), work(bed.file ?? '', 100)])
  expect(one).toEqual(other)
  // And once more, by a process that was not there.
  expect(await work(bed.file ?? '', 100)).toEqual(one)
  expect(await app.load(Account, 'a')).toMatchObject({ state: { balance: 300 }, revision: 300 })
  expect(await app.load(Account, 'b')).toMatchObject({ state: { balance: 100 }, revision: 101 })
})

test('what a killed process had done is not done again by the next one', async () => {
  const bed = new Bed('sqlite')
  const app = await bed.app()
  for (const least of [20, 60, 100]) {
    const killed = start(bed.file ?? '', 100_000)
    const over = once(killed, 'exit')
    await until(async () => (await app.load(Account, 'b')).revision >= least)
    killed.kill('SIGKILL')
    await over
  }
  const { revision } = await app.load(Account, 'b')
  await work(bed.file ?? '', revision + 10)
  expect(await app.load(Account, 'b')).toMatchObject({ state: { balance: revision + 10 }, revision: revision + 10 })
})
