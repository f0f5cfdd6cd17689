import { HodisaError } from '../errors.ts'
import { derivedId } from '../event/id.ts'
import { fingerprint, toJson } from '../event/json.ts'
import type { Codec, CodecSubject } from '../log/codec.ts'
import type { DocumentWrite } from '../store/documents.ts'
import type { AppendCondition, Receipt, StoredEvent } from '../store/events.ts'
import type { Clock, Store } from '../store/port.ts'
import { type Standing, timelineOf } from './bound.ts'
import type { Collections } from './collections.ts'
import { Rejection } from './rejection.ts'
import { seal, unseal } from './sealed.ts'

const COLLECTION = 'hodisa.outcomes'
/** How long it is known that a command came to nothing. Ms. */
const KEPT = 7 * 24 * 3_600_000
/** How many events are looked for at once, at first. */
const FEW = 4

/** A command that was given an id: whatever came of it first is its outcome. */
export interface Claim {
  readonly streams: readonly string[]
  /** Of the document that stands for an outcome of no events. */
  readonly document: string
  /** Over the input: the same id with other input is another command. */
  readonly fingerprint: string
  /** Id of its n-th event, from 0. */
  eventId(ordinal: number): string
}

/** What came of it before. */
export type FirstOutcome =
  | { readonly stored: readonly StoredEvent[]; readonly receipt: Receipt }
  | { readonly stored: readonly []; readonly revisions: readonly number[]; readonly rejection: Rejection | undefined }

interface Kept {
  readonly fingerprint: string
  readonly expiresAt: number
  /** Of each stream, where it was decided. */
  readonly revisions: readonly number[]
  readonly encoding: string | null
  /** JSON text of the rejection, or of null for a command that had nothing to do. */
  readonly rejection: string
}

/** Knows commands by their ids: from the events they recorded, for ever, or from a document, for a while. */
export class Outcomes {
  readonly #store: Store
  readonly #collections: Collections
  readonly #codec: Codec | undefined
  readonly #clock: Clock

  constructor(store: Store, collections: Collections, codec: Codec | undefined, clock: Clock) {
    this.#store = store
    this.#collections = collections
    this.#codec = codec
    this.#clock = clock
  }

  claim(streams: readonly string[], command: string, id: string, input: unknown): Claim {
    const scope = [...streams, command, id]
    return {
      streams,
      document: derivedId('out', ...scope),
      fingerprint: fingerprint({ scope, input: toInput(command, input) }),
      eventId: (ordinal) => derivedId('evt', 'command', ...scope, ordinal),
    }
  }

  /** @throws {HodisaError} `id-reused` where it was given with other input */
  async find(claim: Claim): Promise<FirstOutcome | undefined> {
    await this.#collections.ready(COLLECTION)
    const [[first], documents] = await Promise.all([
      this.#store.byIds([claim.eventId(0)]),
      this.#store.documents.get(COLLECTION, [claim.document]),
    ])
    if (first !== undefined) return this.#recorded(claim, first)
    const text = documents.get(claim.document)
    return text === undefined ? undefined : this.#kept(claim, text)
  }

  /** Must hold where events are recorded: that the command did not come to nothing before. */
  condition(claim: Claim): AppendCondition {
    return { kind: 'noDocument', collection: COLLECTION, id: claim.document }
  }

  /** Keeps that a command came to nothing, if nobody has decided otherwise. */
  async keep(claim: Claim, standings: readonly Standing[], rejection: Rejection | undefined): Promise<Receipt> {
    const conditions = claim.streams.map((stream, index): AppendCondition => {
      return { kind: 'expectedRevision', stream, expected: standings[index]?.revision ?? 0 }
    })
    return this.#store.append({
      events: [],
      conditions: [...conditions, this.condition(claim)],
      timeline: timelineOf(standings),
      onReuse: 'refuse',
      documents: [await this.#document(claim, standings, rejection)],
    })
  }

  async #document(
    claim: Claim,
    standings: readonly Standing[],
    rejection: Rejection | undefined,
  ): Promise<DocumentWrite> {
    const reason = rejection === undefined ? null : { code: rejection.code, details: rejection.details }
    const { encoding, data } = await seal(this.#codec, toJson(reason, 'rejection'), subjectOf(claim))
    const expiresAt = this.#clock.now() + KEPT
    const revisions = standings.map(({ revision }) => revision)
    const kept: Kept = { fingerprint: claim.fingerprint, expiresAt, revisions, encoding, rejection: data }
    return { collection: COLLECTION, id: claim.document, data: JSON.stringify(kept), expiresAt }
  }

  async #kept(claim: Claim, text: string): Promise<FirstOutcome | undefined> {
    const kept = this.#parse<Kept>(claim, text)
    if (kept.expiresAt <= this.#clock.now()) {
      await this.#store.documents.write([{ collection: COLLECTION, id: claim.document, data: null }])
      return undefined
    }
    if (kept.fingerprint !== claim.fingerprint) throw reused(claim)
    const { encoding, rejection, revisions } = kept
    const plain = await unseal(this.#codec, { encoding, data: rejection }, subjectOf(claim))
    const reason = this.#parse<unknown>(claim, plain)
    return {
      stored: [],
      revisions,
      rejection: isReason(reason) ? new Rejection(reason.code, reason.details) : undefined,
    }
  }

  #parse<Value>({ document }: Claim, text: string): Value {
    try {
      return JSON.parse(text)
    } catch (error) {
      const message = `document ${document} of ${COLLECTION} holds text that is not JSON`
      throw new HodisaError('store-corrupt', message, { collection: COLLECTION, id: document }, error)
    }
  }

  async #recorded(claim: Claim, first: StoredEvent): Promise<FirstOutcome> {
    const stored = [first]
    // They were recorded together, so that the first that is missing ends them.
    for (let size = FEW; ; size *= 2) {
      const ids = Array.from({ length: size }, (_, index) => claim.eventId(stored.length + index))
      const found = new Map((await this.#store.byIds(ids)).map((event) => [event.id, event]))
      for (const id of ids) {
        const event = found.get(id)
        if (event !== undefined) stored.push(event)
      }
      if (found.size < size) break
    }
    // Nothing is written, for all of them are known; the store compares the fingerprints, and gives the first receipt.
    const events = stored.map(({ position: _, revision: __, recordedAt: ___, ...event }) => {
      return { ...event, fingerprint: claim.fingerprint }
    })
    return { stored, receipt: await this.#store.append({ events, conditions: [], onReuse: 'refuse' }) }
  }
}

function toInput(command: string, input: unknown): unknown {
  if (input === undefined) return null
  try {
    return JSON.parse(toJson(input, 'input'))
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new HodisaError('unserialisable-data', `${command} with an id: ${why}`, { command, why }, error)
  }
}

function subjectOf({ streams }: Claim): CodecSubject {
  return { type: 'hodisa.outcome', stream: streams[0] ?? null, tenant: null, subject: null }
}

function reused({ streams }: Claim): HodisaError {
  const text = streams.join(' and ')
  return new HodisaError('id-reused', `a command on ${text} had this id before, with other input`, { streams })
}

function isReason(value: unknown): value is { readonly code: string; readonly details: unknown } {
  return typeof value === 'object' && value !== null && 'code' in value && typeof value.code === 'string'
}
