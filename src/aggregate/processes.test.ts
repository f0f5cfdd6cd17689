import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { Bed } from '../delivery/fixtures/bed.ts'
import { Account } from './fixtures/account.ts'

const WORKER = fileURLToPath(new URL('./fixtures/racing-worker.ts', import.meta.url))

async function work(file: string, count: number): Promise<unknown> {
  const child = spawn(process.execPath, [WORKER, file, String(count)], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.on('data', (text) => {
    output += text
  })
  const code = await new Promise((resolve) => child.on('close', resolve))
  expect(code).toBe(0)
  return JSON.parse(output)
}

test('processes that race for one account lose nothing, and do twice what is asked twice once', {
  timeout: 60_000,
}, async () => {
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
