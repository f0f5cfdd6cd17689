import type { StoreDescription, StoreHost, StoreWarning } from '../../store/port.ts'
import type { Database } from './database.ts'

/** What this process has noticed of its server. */
export interface Noticed {
  readonly listening: boolean | undefined
  readonly behind: { readonly seen: number; readonly head: number } | undefined
}

/** What people can rely on here. */
export async function describeServer(
  database: Database,
  durability: StoreHost['durability'],
  { listening, behind }: Noticed,
): Promise<StoreDescription> {
  const [row] = await database.query<[string, string]>(
    "select current_setting('fsync'), current_setting('full_page_writes')",
  )
  const warnings: StoreWarning[] = []
  if (row !== undefined && (row[0] !== 'on' || row[1] !== 'on')) {
    warnings.push({
      code: 'server-not-durable',
      message: `the server runs with fsync ${row[0]} and full_page_writes ${row[1]}: a power cut can take or damage what was acknowledged`,
      fix: 'Set both to on.',
    })
  }
  if (listening === false) {
    warnings.push({
      code: 'notifications-missing',
      message:
        'notifications do not arrive on this connection, as behind a pooler in transaction mode: changes are found by looking every 20 to 250 ms',
      fix: 'Connect to the server itself, or to a pool in session mode, where latency matters.',
    })
  }
  if (behind !== undefined) {
    warnings.push({
      code: 'store-behind',
      message: `the log went back from position ${behind.seen} to ${behind.head} while this process ran: the server has lost what it acknowledged, and gives those positions to other events`,
      fix: 'Compare with what other systems know, and publish what is missing again; use synchronous replication.',
    })
  }
  return { location: database.patience.where, durability, warnings }
}
