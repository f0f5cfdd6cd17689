import type { DeadLetterQuery, DeadLetterState, DeadLetterUpdate, StoredDeadLetter } from '../../store/groups.ts'
import type { DeadLetters } from '../../store/port.ts'
import { storedJson } from '../../store/stored-json.ts'
import type { Database } from './database.ts'
import { letterRow, text } from './progress-change.ts'

type LetterRow = [
  id: string,
  service: string,
  key: string,
  bucket: number,
  position: number,
  eventId: string,
  type: string,
  state: DeadLetterState,
  attempts: number,
  error: string,
  firstFailedAt: number,
  parkedAt: number,
  edited: string | null,
]

const LETTERS = `select id, service, key, bucket, position, event_id, type, state, attempts, error, first_failed_at, parked_at, edited
  from hodisa.dead_letters`
const LIST = `${LETTERS}
  where id > $1 and ($2::text is null or service = $2) and ($3::text is null or key = $3) and ($4::text is null or type = $4)
    and ($5::text is null or state = $5) and ($6::bigint is null or position <= $6)
  order by id limit $7`
const CHANGE = 'select hodisa.change_dead_letter($1::jsonb)'

/** Parked events, for operators. */
export class PostgresDeadLetters implements DeadLetters {
  readonly #database: Database
  readonly #durable: boolean

  constructor(database: Database, durable: boolean) {
    this.#database = database
    this.#durable = durable
  }

  async list(query: DeadLetterQuery): Promise<readonly StoredDeadLetter[]> {
    const { service, key, type, state, until, after, limit } = query
    const filter = [service, key, type, state, until].map((value) => value ?? null)
    const rows = await this.#database.query<LetterRow>(LIST, [after ?? '', ...filter, limit])
    return rows.map(toLetter)
  }

  async get(id: string): Promise<StoredDeadLetter | undefined> {
    const [row] = await this.#database.query<LetterRow>(`${LETTERS} where id = $1`, [id])
    return row === undefined ? undefined : toLetter(row)
  }

  /** When the connection is lost nobody knows whether it took effect: rejects, and whoever asked looks again. */
  async update({ id, expected, letter, cursor }: DeadLetterUpdate): Promise<boolean> {
    const change = JSON.stringify({
      ...{ id, expected, durable: this.#durable },
      ...(letter !== null && { letter: letterRow(letter) }),
      ...(cursor !== null && {
        cursor: [
          ...[cursor.position, cursor.state, cursor.attempts, cursor.firstFailedAt, cursor.nextAttemptAt],
          ...[text(cursor.error), cursor.deadLetter],
        ],
      }),
    })
    const [row] = await this.#database.once<[boolean]>(CHANGE, [change])
    return row?.[0] === true
  }
}

function toLetter(row: LetterRow): StoredDeadLetter {
  const [id, service, key, bucket, position, eventId, type, state, attempts, error, firstFailedAt, parkedAt, edited] =
    row
  return {
    ...{ id, service, key, bucket, position, eventId, type, state, attempts },
    error: storedJson(error, 'error', `dead letter ${id}`),
    ...{ firstFailedAt, parkedAt, edited },
  }
}
