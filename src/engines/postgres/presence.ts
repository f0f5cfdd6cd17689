import type { InstanceInfo, Presence } from '../../store/port.ts'
import type { Session } from './database.ts'
import type { History } from './history.ts'

const JOIN = `insert into hodisa.presence (id, source, host, machine, pid, started_at) values ($1, $2, $3, $4, $5, $6)
  on conflict (id) do update set source = excluded.source, host = excluded.host, machine = excluded.machine, pid = excluded.pid,
    started_at = excluded.started_at`
const BEAT = `with own as (update hodisa.presence set beats = beats + 1 where id = $1 returning id, beats)
  select id, beats, true from own union all select id, beats, false from hodisa.presence where id <> $1`
const LEAVE = 'delete from hodisa.presence where id = $1 and ($2::bigint is null or beats = $2) returning id'
const LIST = 'select id, source, host, machine, pid, started_at from hodisa.presence order by started_at, id'

/** Which processes are alive. */
export class PostgresPresence implements Presence {
  readonly #connection: Pick<Session, 'query'>
  readonly #own: History['instances']

  /** The connection should do nothing else: who is late for a beat is taken for dead. */
  constructor(connection: Pick<Session, 'query'>, own: History['instances']) {
    this.#connection = connection
    this.#own = own
  }

  async join({ id, source, host, machine, pid, startedAt }: InstanceInfo): Promise<void> {
    this.#own.add(id)
    await this.#connection.query(JOIN, [id, source, host, machine, pid, startedAt])
  }

  async beat(id: string): Promise<{ readonly alive: boolean; readonly beats: ReadonlyMap<string, number> }> {
    const rows = await this.#connection.query<[string, number, boolean]>(BEAT, [id])
    return {
      alive: rows.some(([, , own]) => own),
      beats: new Map(rows.map(([instance, beats]) => [instance, beats])),
    }
  }

  async leave(id: string, beat?: number): Promise<boolean> {
    if (beat === undefined) this.#own.delete(id)
    return (await this.#connection.query(LEAVE, [id, beat ?? null])).length > 0
  }

  async list(): Promise<readonly InstanceInfo[]> {
    const rows = await this.#connection.query<[string, string, string, string, number, number]>(LIST)
    return rows.map(([id, source, host, machine, pid, startedAt]) => ({ id, source, host, machine, pid, startedAt }))
  }
}
