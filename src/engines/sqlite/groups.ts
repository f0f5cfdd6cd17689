import type { Statement } from 'better-sqlite3'
import { BUCKETS } from '../../event/bucket.ts'
import type {
  Cursor,
  CursorState,
  GroupProgress,
  GroupState,
  GroupUpdate,
  Lease,
  StartedMark,
} from '../../store/groups.ts'
import type { Groups } from '../../store/port.ts'
import { storedJson } from '../../store/stored-json.ts'
import type { GroupWriter } from './group-writer.ts'
import type { Reader } from './reader.ts'
import { tuples } from './statements.ts'
import type { Writer } from './writer.ts'

/** Up to so many buckets are looked up by their index; more are quicker read in one go. */
const FEW = 16

interface GroupRow {
  revision: number
  paused: string | null
  subscriptions: string
  members: string
  breakers: string
}

type LeaseRow = [
  bucket: number,
  owner: string | null,
  epoch: number,
  checkpoint: number,
  covered: string | null,
  needs: string | null,
  carefulUntil: number | null,
]

interface CursorRow {
  key: string
  bucket: number
  position: number
  state: CursorState
  attempts: number
  firstFailedAt: number
  nextAttemptAt: number
  error: string | null
  deadLetter: string | null
  finished: string | null
}

/** The state of services, as everybody sees it. */
export class SqliteGroups implements Groups {
  readonly #writer: Writer
  readonly #reader: Reader
  readonly #changes: GroupWriter
  readonly #list: Statement<[], string>
  readonly #revisions: Statement<[], [string, number]>
  readonly #group: Statement<[string], GroupRow>
  readonly #leases: Statement<[string], LeaseRow>
  readonly #counts: Statement<[string], [CursorState, number]>
  readonly #done: Statement<[string, string], [number, number]>
  readonly #started: Statement<[string, string], StartedMark>
  readonly #cursors: Statement<[string], CursorRow>
  readonly #cursorsOfFew: Statement<[string, string], CursorRow>

  constructor(writer: Writer, reader: Reader, changes: GroupWriter) {
    this.#writer = writer
    this.#reader = reader
    this.#changes = changes
    const { connection } = reader
    this.#list = connection.prepare<[], string>('select service from hodisa_groups order by service').pluck()
    this.#revisions = tuples(connection, 'select service, revision from hodisa_groups')
    this.#group = connection.prepare(
      'select revision, paused, subscriptions, members, breakers from hodisa_groups where service = ?',
    )
    this.#leases = tuples(
      connection,
      `select lease.bucket, lease.owner, lease.epoch, max(lease.checkpoint, coalesce(marked.mark, 0)), lease.covered, lease.needs,
           lease.careful_until
         from hodisa_leases as lease
         left join hodisa_marks as marked on marked.service = lease.service and marked.instance = lease.owner
         where lease.service = ? order by lease.bucket`,
    )
    this.#counts = tuples(connection, 'select state, count(*) from hodisa_cursors where service = ? group by state')
    this.#done = tuples(
      connection,
      `select done.bucket, done.position
         from hodisa_done as done
         join hodisa_leases as lease on lease.service = done.service and lease.bucket = done.bucket
         left join hodisa_marks as marked on marked.service = lease.service and marked.instance = lease.owner
         where done.service = ? and done.bucket in (select value from json_each(?))
           and done.position > max(lease.checkpoint, coalesce(marked.mark, 0))
         order by done.position`,
    )
    this.#started = connection.prepare(
      `select bucket, position, deaths from hodisa_started
       where service = ? and bucket in (select value from json_each(?)) order by position`,
    )
    const cursors = `select "key", bucket, position, state, attempts, first_failed_at as firstFailedAt,
        next_attempt_at as nextAttemptAt, error, dead_letter as deadLetter, finished
      from hodisa_cursors where service = ?`
    this.#cursors = connection.prepare(`${cursors} order by position`)
    this.#cursorsOfFew = connection.prepare(
      `${cursors} and bucket in (select value from json_each(?)) order by position`,
    )
  }

  list(): Promise<readonly string[]> {
    return this.#reader.read(() => this.#list.all())
  }

  read(service: string): Promise<GroupState> {
    return this.#reader.readTogether(() => {
      const group = this.#group.get(service)
      return {
        service,
        revision: group?.revision ?? 0,
        paused: group?.paused ?? null,
        subscriptions:
          group === undefined ? [] : storedJson(group.subscriptions, 'subscriptions', `service ${service}`),
        members: group === undefined ? [] : storedJson(group.members, 'members', `service ${service}`),
        breakers: group === undefined ? [] : storedJson(group.breakers, 'breakers', `service ${service}`),
        leases: group === undefined ? unowned() : this.#leases.all(service).map(toLease),
      }
    })
  }

  revisions(): Promise<ReadonlyMap<string, number>> {
    return this.#reader.read(() => new Map(this.#revisions.all()))
  }

  update(service: string, revision: number, change: GroupUpdate): Promise<boolean> {
    return this.#writer.submit(3, 0, (effects) => this.#changes.update(service, revision, change, effects))
  }

  forget(service: string, revision: number): Promise<boolean> {
    return this.#writer.submit(3, 0, (effects) => this.#changes.forget(service, revision, effects))
  }

  progress(service: string): Promise<GroupProgress> {
    return this.#reader.readTogether(() => {
      const leases = this.#leases.all(service)
      const checkpoints = leases.length === 0 ? new Array<number>(BUCKETS).fill(0) : leases.map((row) => row[3])
      return {
        checkpoints,
        cursors: { retrying: 0, parked: 0, waiting: 0, ...Object.fromEntries(this.#counts.all(service)) },
      }
    })
  }

  done(service: string, buckets: ReadonlySet<number>): Promise<readonly { bucket: number; position: number }[]> {
    return this.#reader.read(() =>
      this.#done.all(service, JSON.stringify([...buckets])).map(([bucket, position]) => ({ bucket, position })),
    )
  }

  started(service: string, buckets: ReadonlySet<number>): Promise<readonly StartedMark[]> {
    return this.#reader.read(() => this.#started.all(service, JSON.stringify([...buckets])))
  }

  cursors(service: string, buckets?: ReadonlySet<number>): Promise<readonly Cursor[]> {
    return this.#reader.read(() => {
      const few = buckets !== undefined && buckets.size <= FEW ? JSON.stringify([...buckets]) : undefined
      const rows = few === undefined ? this.#cursors.all(service) : this.#cursorsOfFew.all(service, few)
      const wanted = buckets === undefined ? rows : rows.filter(({ bucket }) => buckets.has(bucket))
      return wanted.map((row) => ({
        ...row,
        error: parsed(row.error, 'error', `the cursor of ${row.key}`),
        finished: parsed(row.finished, 'finished', `the cursor of ${row.key}`),
      }))
    })
  }
}

function parsed<Value>(text: string | null, column: string, row: string): Value | null {
  return text === null ? null : storedJson<Value>(text, column, row)
}

function unowned(): Lease[] {
  return Array.from({ length: BUCKETS }, (_, bucket) => toLease([bucket, null, 0, 0, null, null, null]))
}

function toLease([bucket, owner, epoch, checkpoint, covered, needs, carefulUntil]: LeaseRow): Lease {
  return {
    bucket,
    owner,
    epoch,
    checkpoint,
    covered: parsed(covered, 'covered', `the lease of bucket ${bucket}`),
    needs: parsed(needs, 'needs', `the lease of bucket ${bucket}`),
    carefulUntil,
  }
}
