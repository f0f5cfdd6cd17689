import type { Statement } from 'better-sqlite3'
import type { DeadLetterQuery, DeadLetterState, DeadLetterUpdate, StoredDeadLetter } from '../../store/groups.ts'
import type { DeadLetters } from '../../store/port.ts'
import { storedJson } from '../../store/stored-json.ts'
import type { Connection } from './connection.ts'
import { letterValues, PUT_LETTER } from './progress.ts'
import type { Reader } from './reader.ts'
import type { Signals } from './signals.ts'
import type { Effects, Writer } from './writer.ts'

interface LetterRow extends Omit<StoredDeadLetter, 'error'> {
  error: string
}

const COLUMNS = `id, service, "key", bucket, position, event_id as eventId, type, state, attempts, error,
  first_failed_at as firstFailedAt, parked_at as parkedAt, edited`

/** Parked events, for operators. */
export class SqliteDeadLetters implements DeadLetters {
  readonly #writer: Writer
  readonly #reader: Reader
  readonly #signals: Signals
  readonly #find: Statement<[string], { service: string; key: string; state: DeadLetterState }>
  readonly #put: Statement<unknown[]>
  readonly #remove: Statement<[string]>
  readonly #setCursor: Statement<unknown[]>
  readonly #get: Statement<[string], LetterRow>
  readonly #list: Statement<[Record<string, unknown>], LetterRow>

  constructor(connection: Connection, writer: Writer, reader: Reader, signals: Signals) {
    this.#writer = writer
    this.#reader = reader
    this.#signals = signals
    this.#find = connection.prepare('select service, "key", state from hodisa_dead_letters where id = ?')
    this.#put = connection.prepare(PUT_LETTER)
    this.#remove = connection.prepare('delete from hodisa_dead_letters where id = ?')
    this.#setCursor = connection.prepare(
      `update hodisa_cursors set position = ?, state = ?, attempts = ?, first_failed_at = ?, next_attempt_at = ?, error = ?, dead_letter = ?
       where service = ? and "key" = ? and dead_letter = ?`,
    )
    this.#get = reader.connection.prepare(`select ${COLUMNS} from hodisa_dead_letters where id = ?`)
    this.#list = reader.connection.prepare(
      `select ${COLUMNS} from hodisa_dead_letters
       where id > @after and (@service is null or service = @service) and (@key is null or "key" = @key)
         and (@type is null or type = @type) and (@state is null or state = @state)
         and (@until is null or position <= @until)
       order by id limit @limit`,
    )
  }

  list({ service, key, type, state, until, after, limit }: DeadLetterQuery): Promise<readonly StoredDeadLetter[]> {
    return this.#reader.read(() =>
      this.#list
        .all({
          service: service ?? null,
          key: key ?? null,
          type: type ?? null,
          state: state ?? null,
          until: until ?? null,
          after: after ?? '',
          limit,
        })
        .map(toLetter),
    )
  }

  get(id: string): Promise<StoredDeadLetter | undefined> {
    return this.#reader.read(() => {
      const row = this.#get.get(id)
      return row === undefined ? undefined : toLetter(row)
    })
  }

  update(change: DeadLetterUpdate): Promise<boolean> {
    return this.#writer.submit(3, 0, (effects) => this.#update(change, effects))
  }

  #update({ id, expected, letter, cursor }: DeadLetterUpdate, effects: Effects): boolean {
    const found = this.#find.get(id)
    if (found === undefined || found.state !== expected) return false
    if (letter === null) this.#remove.run(id)
    else this.#put.run(...letterValues(letter))
    if (cursor !== null) {
      const { position, state, attempts, firstFailedAt, nextAttemptAt, error, deadLetter } = cursor
      const text = error === null ? null : JSON.stringify(error)
      this.#setCursor.run(
        ...[position, state, attempts, firstFailedAt, nextAttemptAt, text, deadLetter, found.service, found.key, id],
      )
    }
    effects.groups = this.#signals.raise()
    return true
  }
}

function toLetter(row: LetterRow): StoredDeadLetter {
  return { ...row, error: storedJson(row.error, 'error', `dead letter ${row.id}`) }
}
