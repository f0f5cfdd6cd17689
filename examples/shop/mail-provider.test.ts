import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { deliveredReferences, MailProvider } from './mail-provider.ts'
import { receiptFor } from './receipt.ts'

const mail = receiptFor({
  invoice: '536365',
  placedAt: '2010-12-01T08:26:00',
  customer: '17850',
  country: 'United Kingdom',
  lines: [{ sku: '85123A', description: 'CAFÉ SIGN £5', quantity: 3, price: 2_555 }],
})

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shop-mail-'))
})
afterEach(() => rm(folder, { recursive: true }))

const provider = () => MailProvider.open(folder, () => Math.random() * 10)

describe('the mail provider', () => {
  it('delivers a mail as one file', async () => {
    await (await provider()).send(mail, { idempotencyKey: 'k1' })
    const [file = ''] = (await readdir(folder)).filter((name) => name.endsWith('.eml'))
    const text = await readFile(join(folder, file), 'utf8')
    expect(text).toContain('To: customer-17850@example.com\r\n')
    expect(text).toContain('3 × CAFÉ SIGN £5  £7.665\r\n')
    expect(await deliveredReferences(folder)).toEqual(['536365'])
  })

  it('delivers once a key, whoever sends and however often at once', async () => {
    const providers = await Promise.all(Array.from({ length: 10 }, provider))
    const sent = await Promise.all(providers.map((each) => each.send(mail, { idempotencyKey: 'k1' })))
    expect(sent.filter(({ delivered }) => delivered)).toHaveLength(1)
    expect(await (await provider()).send(mail, { idempotencyKey: 'k1' })).toEqual({ delivered: false })
    expect(await deliveredReferences(folder)).toEqual(['536365'])
  })

  it('shows a second mail for the same order as what it is', async () => {
    const one = await provider()
    await one.send(mail, { idempotencyKey: 'k1' })
    await one.send(mail, { idempotencyKey: 'k2' })
    expect(await deliveredReferences(folder)).toEqual(['536365', '536365'])
  })

  it('leaves no drafts behind, and nothing half-written to count', async () => {
    await (await provider()).send(mail, { idempotencyKey: 'k1' })
    expect(await readdir(join(folder, 'unsent'))).toEqual([])
    expect(await deliveredReferences(join(folder, 'nowhere'))).toEqual([])
  })
})
