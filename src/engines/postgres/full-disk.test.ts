import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chownSync, mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Noted } from '../../delivery/fixtures/events.ts'
import { all, failure, until } from '../../delivery/fixtures/until.ts'
import type { PostgresServer } from '../../testing/postgres/index.ts'
import { appOn, clientOf, describeOnOwnServer, ownServer } from './fixtures/own-server.ts'

describeOnOwnServer('a full disk', () => {
  test('is told with its own code, records nothing, and all goes on when there is room again', async ({ skip }) => {
    const server = await ownServer()
    const disk = smallDisk(server)
    skip(disk === undefined, 'no small disk can be mounted here')
    const admin = await clientOf(server.url)
    const app = await appOn(server.url)
    const handled = new Set<number>()
    app.service('effects', { from: 'start', retry: { min: 5, max: 50 } }).on(Noted, async ({ data }, ctx) => {
      await ctx.commit(async (tx) => void (await tx.sql`insert into effects values (${data.n}, ${'x'.repeat(900)})`))
      handled.add(data.n)
    })
    await app.publish(Noted({ key: 'first', n: 1 }))
    await admin.query(`create tablespace small location '${disk?.folder}'`)
    await admin.query('alter table hodisa.events set tablespace small')
    await admin.query('create table effects (n integer, text text) tablespace small')
    await admin.query('create table filler (text text) tablespace small')
    await app.start()
    await app.settled()

    const filling = admin.query("insert into filler select repeat('x', 1900) from generate_series(1, 10000)")
    expect(await failure(() => filling)).toMatchObject({ code: '53100' })
    // What the failed statement took stays taken until it is cleaned up.
    const metadata = { large: randomBytes(100_000).toString('hex') }
    expect(await failure(() => app.publish(Noted({ key: 'large', n: 2 }), { metadata }))).toMatchObject({
      code: 'store-full',
      message: expect.stringContaining('full'),
    })
    // There is room in the pages of the log, but not for what handlers write.
    let published = 2
    const publishing = async () => {
      for (; published < 200; published++) await app.publish(Noted({ key: `k${published}`, n: published }))
    }
    await publishing().catch((error: unknown) => expect(error).toMatchObject({ code: 'store-full' }))

    disk?.grow()
    await publishing()
    const events = await all(app.read({ types: Noted.type }))
    expect(events.map(({ data }) => (data as { n: number }).n).toSorted((one, other) => one - other)).toEqual(
      Array.from({ length: 199 }, (_, index) => index + 1),
    )
    await until(() => handled.size === 199)
    expect((await admin.query('select n from effects')).rows).toHaveLength(199)
    expect(await app.deadLetters.list()).toEqual([])
  })
})

interface SmallDisk {
  readonly folder: string
  grow(): void
}

/** A file system of its own; undefined where this user may not mount one. */
function smallDisk(server: PostgresServer): SmallDisk | undefined {
  if (process.getuid?.() !== 0) return undefined
  const folder = join(server.folder, 'disk')
  mkdirSync(folder)
  const mount = (options: string) => spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder]).status === 0
  if (!mount('size=4m')) return undefined
  onTestFinished(async () => {
    await server.down({ mode: 'immediate' })
    spawnSync('umount', ['-l', folder])
  })
  const { uid, gid } = statSync(join(server.folder, 'data'))
  chownSync(folder, uid, gid)
  return { folder, grow: () => expect(mount('remount,size=64m')).toBe(true) }
}
