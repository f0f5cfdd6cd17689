import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Noted } from '../../delivery/fixtures/events.ts'
import { failure } from '../../delivery/fixtures/until.ts'
import type { Tls } from '../../testing/postgres/index.ts'
import { appOn, clientOf, describeOnOwnServer, ownServer } from './fixtures/own-server.ts'
import type { PostgresOptions } from './index.ts'

const withoutOpenssl = spawnSync('openssl', ['version']).status !== 0

describeOnOwnServer('encrypted connections', () => {
  test.skipIf(withoutOpenssl)('the certificate of the server is checked, as URL and options say', async () => {
    const { tls, file } = certificate()
    const server = await ownServer({ tls })
    const refused = { code: 'store-unavailable', message: expect.stringMatching(/self.signed certificate/) }
    expect(await failure(() => appOn(server.url, { tls: true }))).toMatchObject(refused)
    expect(await failure(() => appOn(withParameters(server.url, { sslmode: 'verify-full' })))).toMatchObject(refused)

    const ways: [url: string, options: PostgresOptions][] = [
      [server.url, { tls: { ca: tls.cert } }],
      [server.url, { tls: { rejectUnauthorized: false } }],
      [withParameters(server.url, { sslmode: 'verify-full', sslrootcert: file }), {}],
      [withParameters(server.url, { sslmode: 'no-verify' }), {}],
    ]
    for (const [index, [url, options]] of ways.entries()) {
      const schema = `way_${index}`
      const app = await appOn(withParameters(url, { application_name: schema }), { ...options, schema })
      await app.publish(Noted({ key: 'a', n: 1 }))
      expect(await encryption(server.url, schema), schema).toEqual([true])
    }
    const plain = await appOn(withParameters(server.url, { application_name: 'plain' }))
    await plain.publish(Noted({ key: 'a', n: 1 }))
    expect(await encryption(server.url, 'plain')).toEqual([false])
  })

  test('a server that has none is not talked to in the clear', async () => {
    const { url } = await ownServer()
    expect(await failure(() => appOn(url, { tls: true }))).toMatchObject({
      code: 'store-unavailable',
      message: expect.stringContaining('SSL'),
    })
  })
})

/** Signed by itself, for the loopback. */
function certificate(): { readonly tls: Tls; readonly file: string } {
  const folder = mkdtempSync(join(tmpdir(), 'hodisa-tls-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const [key, file, config] = [join(folder, 'key'), join(folder, 'cert'), join(folder, 'config')]
  writeFileSync(
    config,
    `[req]\ndistinguished_name = name\nx509_extensions = more\nprompt = no\n[name]\nCN = localhost\n[more]\nsubjectAltName = IP:127.0.0.1, DNS:localhost\n`,
  )
  const options = ['-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', key, '-out', file, '-config', config]
  execFileSync('openssl', ['req', '-x509', ...options], { stdio: 'ignore' })
  return { tls: { key: readFileSync(key, 'utf8'), cert: readFileSync(file, 'utf8') }, file }
}

function withParameters(url: string, parameters: Readonly<Record<string, string>>): string {
  const changed = new URL(url)
  for (const [name, value] of Object.entries(parameters)) changed.searchParams.set(name, value)
  return changed.href
}

/** Whether the connections of this name are encrypted. */
async function encryption(url: string, name: string): Promise<boolean[]> {
  const client = await clientOf(url)
  const { rows } = await client.query<{ ssl: boolean }>(
    'select distinct ssl from pg_stat_ssl join pg_stat_activity using (pid) where application_name = $1',
    [name],
  )
  return rows.map(({ ssl }) => ssl)
}
