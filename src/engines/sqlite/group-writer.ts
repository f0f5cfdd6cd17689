import type { Statement } from 'better-sqlite3'
import { BUCKETS } from '../../event/bucket.ts'
import { type GroupUpdate, type Lease, type LeaseChange, rewound } from '../../store/groups.ts'
import { storedJson } from '../../store/stored-json.ts'
import type { Connection } from './connection.ts'
import type { Signals } from './signals.ts'
import type { Effects } from './writer.ts'

type LeaseRow = Omit<Lease, 'covered' | 'needs' | 'carefulUntil'> & { readonly covered: string | null }

/** Changes of the state of services, inside a transaction that somebody else began. */
export class GroupWriter {
  readonly #connection: Connection
  readonly #signals: Signals
  readonly #revision: Statement<[string], number>
  readonly #create: Statement<[string]>
  readonly #createLeases: Statement<[string]>
  readonly #raise: Statement<[string]>
  readonly #setPaused: Statement<[string | null, string]>
  readonly #setSubscriptions: Statement<[string, string]>
  readonly #setMembers: Statement<[string, string]>
  readonly #setBreakers: Statement<[string, string]>
  readonly #countDeath: Statement<[string, string]>
  readonly #foldMark: Statement<[string, string]>
  readonly #removeMark: Statement<[string, string]>
  readonly #leases: Statement<[string], LeaseRow>
  readonly #leaseSetters: Readonly<Record<keyof Omit<LeaseChange, 'bucket'>, Statement<[unknown, string, number]>>>

  constructor(connection: Connection, signals: Signals) {
    this.#connection = connection
    this.#signals = signals
    this.#revision = connection
      .prepare<[string], number>('select revision from hodisa_groups where service = ?')
      .pluck()
    this.#create = connection.prepare(
      `insert into hodisa_groups (service, revision, subscriptions, members) values (?, 0, '[]', '[]')`,
    )
    this.#createLeases = connection.prepare(
      `with recursive numbers (bucket) as (select 0 union all select bucket + 1 from numbers where bucket < ${BUCKETS - 1})
       insert into hodisa_leases (service, bucket) select ?, bucket from numbers`,
    )
    this.#raise = connection.prepare('update hodisa_groups set revision = revision + 1 where service = ?')
    this.#setPaused = connection.prepare('update hodisa_groups set paused = ? where service = ?')
    this.#setSubscriptions = connection.prepare('update hodisa_groups set subscriptions = ? where service = ?')
    this.#setMembers = connection.prepare('update hodisa_groups set members = ? where service = ?')
    this.#setBreakers = connection.prepare('update hodisa_groups set breakers = ? where service = ?')
    this.#countDeath = connection.prepare(
      'update hodisa_started set deaths = deaths + 1, alone = 0 where service = ? and instance = ? and alone = 1',
    )
    this.#foldMark = connection.prepare(
      `update hodisa_leases set checkpoint = max(checkpoint, marked.mark) from hodisa_marks as marked
       where hodisa_leases.service = ? and hodisa_leases.owner = ?
         and marked.service = hodisa_leases.service and marked.instance = hodisa_leases.owner`,
    )
    this.#removeMark = connection.prepare('delete from hodisa_marks where service = ? and instance = ?')
    this.#leases = connection.prepare(
      'select bucket, owner, epoch, checkpoint, covered from hodisa_leases where service = ?',
    )
    const setter = (column: string): Statement<[unknown, string, number]> =>
      connection.prepare(`update hodisa_leases set ${column} = ? where service = ? and bucket = ?`)
    this.#leaseSetters = {
      owner: setter('owner'),
      epoch: setter('epoch'),
      checkpoint: setter('checkpoint'),
      covered: setter('covered'),
      needs: setter('needs'),
      carefulUntil: setter('careful_until'),
    }
  }

  update(service: string, revision: number, change: GroupUpdate, effects: Effects): boolean {
    const current = this.#revision.get(service)
    if ((current ?? 0) !== revision) return false
    if (current === undefined) {
      this.#create.run(service)
      this.#createLeases.run(service)
    }
    const {
      paused,
      subscriptions,
      members,
      breakers,
      died = [],
      fold = [],
      rewind,
      leases = [],
      forgetProgressAfter,
    } = change
    if (paused !== undefined) this.#setPaused.run(paused, service)
    if (subscriptions !== undefined) this.#setSubscriptions.run(JSON.stringify(subscriptions), service)
    if (members !== undefined) this.#setMembers.run(JSON.stringify(members), service)
    if (breakers !== undefined) this.#setBreakers.run(JSON.stringify(breakers), service)
    for (const instance of died) this.#countDeath.run(service, instance)
    for (const instance of fold) {
      this.#foldMark.run(service, instance)
      this.#removeMark.run(service, instance)
    }
    if (rewind !== undefined) {
      for (const row of this.#leases.all(service)) {
        const covered: Lease['covered'] =
          row.covered === null ? null : storedJson(row.covered, 'covered', `the lease of bucket ${row.bucket}`)
        const lease = rewound({ ...row, covered, needs: null, carefulUntil: null }, rewind)
        if (lease !== undefined) {
          this.#setLease(service, { bucket: lease.bucket, checkpoint: lease.checkpoint, covered: lease.covered })
        }
      }
    }
    for (const lease of leases) this.#setLease(service, lease)
    if (forgetProgressAfter !== undefined) {
      for (const table of ['hodisa_done', 'hodisa_started', 'hodisa_cursors', 'hodisa_dead_letters']) {
        this.#connection
          .prepare(`delete from ${table} where service = ? and position > ?`)
          .run(service, forgetProgressAfter)
      }
    }
    this.#raise.run(service)
    effects.groups = this.#signals.raise()
    return true
  }

  forget(service: string, revision: number, effects: Effects): boolean {
    if ((this.#revision.get(service) ?? 0) !== revision) return false
    for (const table of ['groups', 'leases', 'marks', 'done', 'started', 'cursors', 'dead_letters']) {
      this.#connection.prepare(`delete from hodisa_${table} where service = ?`).run(service)
    }
    effects.groups = this.#signals.raise()
    return true
  }

  #setLease(service: string, { bucket, owner, epoch, checkpoint, covered, needs, carefulUntil }: LeaseChange): void {
    const set = this.#leaseSetters
    if (owner !== undefined) set.owner.run(owner, service, bucket)
    if (epoch !== undefined) set.epoch.run(epoch, service, bucket)
    if (checkpoint !== undefined) set.checkpoint.run(checkpoint, service, bucket)
    if (covered !== undefined) set.covered.run(covered === null ? null : JSON.stringify(covered), service, bucket)
    if (carefulUntil !== undefined) set.carefulUntil.run(carefulUntil, service, bucket)
    if (needs !== undefined) set.needs.run(needs === null ? null : JSON.stringify(needs), service, bucket)
  }
}
