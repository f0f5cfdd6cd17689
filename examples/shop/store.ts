import { join, resolve } from 'node:path'
import type { StoreFactory } from 'hodisa'
import { postgres } from 'hodisa/postgres'
import { sqlite } from 'hodisa/sqlite'

/** At most, for each of nineteen processes that share a server which takes a hundred. */
const CONNECTIONS = 5

/** Where all services of the shop keep their log: a file, or a database such as `postgres://localhost/shop#schema`. */
export function storePlace(): string {
  return process.env.SHOP_STORE ?? '.shop/shop.db'
}

export function isDatabase(place: string): boolean {
  return /^postgres(ql)?:/.test(place)
}

/** The store of a place. That it is one engine or the other is seen here, and nowhere in the services. */
export function storeAt(place: string): StoreFactory {
  if (!isDatabase(place)) return sqlite(place)
  const { url, schema } = databaseOf(place)
  return postgres(url, { connections: CONNECTIONS, ...(schema !== undefined && { schema }) })
}

/** The URL without the schema that may stand behind `#`. */
export function databaseOf(place: string): { readonly url: string; readonly schema: string | undefined } {
  const [url = '', schema] = place.split('#', 2)
  return { url, schema }
}

/** As it may be shown: without a password. */
export function shownPlace(place: string): string {
  if (!isDatabase(place)) return place
  const url = new URL(place)
  if (url.password !== '') url.password = '***'
  return url.href
}

/** Where the mail provider of the shop with this store delivers to. */
export function receiptsFolder(place: string): string {
  if (!isDatabase(place)) return `${place.replace(/\.db$/, '')}-receipts`
  const { hostname, port, pathname, hash } = new URL(place)
  const name = [hostname, port, pathname, hash].map((part) => part.replaceAll(/[^\w.-]/g, '')).filter((part) => part)
  return join(resolve('.shop'), `${name.join('-')}-receipts`)
}
