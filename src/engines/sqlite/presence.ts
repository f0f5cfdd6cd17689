import type { Statement } from 'better-sqlite3'
import type { InstanceInfo, Presence } from '../../store/port.ts'
import type { Connection } from './connection.ts'
import type { Reader } from './reader.ts'
import { tuples } from './statements.ts'
import type { Writer } from './writer.ts'

/** Which processes are alive. */
export class SqlitePresence implements Presence {
  readonly #writer: Writer
  readonly #reader: Reader
  readonly #join: Statement<[InstanceInfo]>
  readonly #beat: Statement<[string]>
  readonly #beats: Statement<[], [string, number]>
  readonly #leave: Statement<[string]>
  readonly #leaveAt: Statement<[string, number]>
  readonly #list: Statement<[], InstanceInfo>

  constructor(connection: Connection, writer: Writer, reader: Reader) {
    this.#writer = writer
    this.#reader = reader
    this.#join = connection.prepare(
      `insert into hodisa_presence (id, source, host, machine, pid, started_at) values (@id, @source, @host, @machine, @pid, @startedAt)
       on conflict do update set source = excluded.source, host = excluded.host, machine = excluded.machine, pid = excluded.pid,
         started_at = excluded.started_at`,
    )
    this.#beat = connection.prepare('update hodisa_presence set beats = beats + 1 where id = ?')
    this.#beats = tuples(connection, 'select id, beats from hodisa_presence')
    this.#leave = connection.prepare('delete from hodisa_presence where id = ?')
    this.#leaveAt = connection.prepare('delete from hodisa_presence where id = ? and beats = ?')
    this.#list = reader.connection.prepare(
      'select id, source, host, machine, pid, started_at as startedAt from hodisa_presence order by started_at, id',
    )
  }

  join(instance: InstanceInfo): Promise<void> {
    return this.#writer.submit(0, 0, () => void this.#join.run({ ...instance }))
  }

  beat(id: string): Promise<{ readonly alive: boolean; readonly beats: ReadonlyMap<string, number> }> {
    return this.#writer.submit(0, 0, () => {
      const { changes } = this.#beat.run(id)
      return { alive: changes > 0, beats: new Map(this.#beats.all()) }
    })
  }

  leave(id: string, beat?: number): Promise<boolean> {
    return this.#writer.submit(0, 0, () => {
      const { changes } = beat === undefined ? this.#leave.run(id) : this.#leaveAt.run(id, beat)
      return changes > 0
    })
  }

  list(): Promise<readonly InstanceInfo[]> {
    return this.#reader.read(() => this.#list.all())
  }
}
