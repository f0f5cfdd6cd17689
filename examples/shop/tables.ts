import type { App, Transaction } from 'hodisa'

/** The shop's own tables, beside the log. Every service may call this, at the same time and as often as it likes. */
export async function prepareTables(app: Pick<App, 'transaction'>): Promise<void> {
  // Two that make a table at the same instant: in PostgreSQL one of them fails, and then finds it made.
  await makeTables(app).catch(() => makeTables(app))
}

/** In words that every engine understands. */
async function makeTables(app: Pick<App, 'transaction'>): Promise<void> {
  await app.transaction(async (tx) => {
    await tx.sql`create table if not exists notice (invoice text not null, message text not null)`
    // Nothing is unique here on purpose: an effect that happened twice must be seen twice.
    await tx.sql`create table if not exists effect (service text not null, event_id text not null)`
  })
}

/** Leaves a trace of what a handler did, in the transaction it did it in. */
export async function recordEffect(tx: Transaction, service: string, event: { readonly id: string }): Promise<void> {
  await tx.sql`insert into effect (service, event_id) values (${service}, ${event.id})`
}
