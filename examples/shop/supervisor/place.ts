import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { isDatabase, receiptsFolder } from '../store.ts'

export interface Place {
  /** A path, or the URL of a database. */
  readonly place: string
  /** Removes what was made for this run only. */
  remove(): Promise<void>
}

/** What `--store` asks for. */
export async function placeFor(store: string | undefined): Promise<Place> {
  if (store === undefined) {
    const folder = await mkdtemp(join(tmpdir(), 'hodisa-shop-'))
    return { place: join(folder, 'shop.db'), remove: () => rm(folder, { recursive: true, force: true }) }
  }
  if (store === 'postgres') return ownServer()
  const place = isDatabase(store) ? store : resolve(store)
  if (!isDatabase(store)) await mkdir(dirname(place), { recursive: true })
  return { place, async remove() {} }
}

/** Of the PostgreSQL that is installed here. */
async function ownServer(): Promise<Place> {
  const { startPostgres } = await import('../../../src/testing/postgres/index.ts')
  const server = await startPostgres()
  const place = await server.createDatabase()
  return {
    place,
    async remove() {
      await server.stop()
      await rm(receiptsFolder(place), { recursive: true, force: true })
    },
  }
}
