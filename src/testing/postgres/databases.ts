import { randomBytes } from 'node:crypto'

/** Makes a database on a server; its URL. */
export async function createDatabase(server: string, name = newName('hodisa_')): Promise<string> {
  await execute(server, `create database ${quoted(name)}`)
  const url = new URL(server)
  url.pathname = `/${encodeURIComponent(name)}`
  return url.href
}

/** Also ends the connections to it. */
export async function dropDatabase(server: string, database: string): Promise<void> {
  const name = decodeURIComponent(new URL(database).pathname.slice(1))
  await execute(server, `drop database if exists ${quoted(name)} with (force)`)
}

/** A name that nothing else has. */
export function newName(prefix: string): string {
  return `${prefix}${randomBytes(8).toString('hex')}`
}

/** Runs statements on a connection of their own. */
export async function execute(url: string, sql: string): Promise<void> {
  // An optional peer of the package: whoever runs a server has it.
  const { Client } = (await import('pg')).default
  const client = new Client({ connectionString: url })
  client.on('error', () => undefined) // the query tells
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
