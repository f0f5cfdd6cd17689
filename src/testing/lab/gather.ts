import type { App } from '../../app-types.ts'
import { keyOf } from '../../store/events.ts'
import type { Store } from '../../store/port.ts'
import type { Child } from './child.ts'
import type {
  Acknowledged,
  Effect,
  History,
  Logged,
  ProcessLife,
  Run,
  ServiceExpectation,
  Takeover,
} from './history.ts'
import { type Line, readLines } from './lines.ts'
import type { LabModule } from './module.ts'

/** What is read when a run is over. */
export interface Sources {
  readonly app: App
  readonly store: Store
  readonly module: LabModule
  readonly folder: string
  readonly lives: readonly Child[]
  readonly takeovers: readonly Takeover[]
  readonly unsettled: string | undefined
  readonly failures: readonly string[]
}

/** Puts together what all processes said, and what the store says in the end. */
export async function gather(sources: Sources): Promise<History> {
  const { app, store, module, folder, lives, takeovers, unsettled, failures } = sources
  const died = new Map(lives.map((life) => [life.name, life.died]))
  const acknowledged: Acknowledged[] = []
  const runs: Run[] = []
  const processes: ProcessLife[] = []
  for (const [name, lines] of readLines(folder)) {
    acknowledged.push(...lines.filter(([what]) => what === 'a').map(toAcknowledged))
    runs.push(...runsOf(name, lines, died.get(name) ?? Number.POSITIVE_INFINITY))
    const beats = lines.filter(([what]) => what === 'h').map(([, , begun]) => Number(begun))
    processes.push({ name, beats: beats.sort((a, b) => a - b) })
  }
  return {
    acknowledged,
    runs,
    processes,
    takeovers,
    failures,
    log: await logged(store),
    effects: await effectsOf(app),
    services: await expectations(sources),
    followUps: module.followUps ?? [],
    ...(unsettled !== undefined && { unsettled }),
  }
}

/** How often processes killed themselves at each named point. */
export function killsByPoint(folder: string): Map<string, number> {
  const counts = new Map<string, number>()
  for (const lines of readLines(folder).values()) {
    for (const [what, point] of lines) {
      if (what === 'k') counts.set(String(point), (counts.get(String(point)) ?? 0) + 1)
    }
  }
  return counts
}

function toAcknowledged([, number, ids, streams]: Line): Acknowledged {
  return { number, ids, streams } as Acknowledged
}

function runsOf(process: string, lines: readonly Line[], died: number): Run[] {
  const runs = new Map<unknown, Run>()
  for (const [what, run, ...rest] of lines) {
    const known = runs.get(run)
    if (what === 'b') {
      const [service, position, attempt, begin, checked, batch] = rest as [
        string,
        number,
        number,
        number,
        number,
        unknown,
      ]
      const more = batch === null ? {} : { batch: `${process}/${batch}` }
      runs.set(run, { service, process, position, attempt, begin, checked, end: died, outcome: 'open', ...more })
    } else if ((what === 'e' || what === 'f') && known !== undefined) {
      runs.set(run, { ...known, end: Number(rest[0]), outcome: what === 'e' ? 'done' : 'failed' })
    }
  }
  return [...runs.values()]
}

async function logged(store: Store): Promise<Logged[]> {
  const log: Logged[] = []
  for (let after = 0, end = false; !end; ) {
    const page = await store.readLog({ after, limit: 500 })
    for (const event of page.events) {
      const { position, id, type, stream, revision, causationId } = event
      log.push({
        position,
        id,
        type,
        key: keyOf(event),
        ...(stream !== null && { stream }),
        ...(revision !== null && { revision }),
        ...(causationId !== null && { causationId }),
      })
    }
    after = page.scanned
    end = page.end
  }
  return log
}

function effectsOf(app: App): Promise<Effect[]> {
  return app.transaction(async (tx) => [
    ...(await tx.sql<Effect>`select id as "order", service, position, at from lab_effects order by id`),
  ])
}

async function expectations({ app, module }: Sources): Promise<ServiceExpectation[]> {
  const services = await app.services.list()
  return services.map(({ service, state, subscriptions, parked, retrying, waiting }) => {
    const commits = module.commits?.includes(service) ?? false
    return { service, state, subscriptions, parked, retrying, waiting, commits }
  })
}
