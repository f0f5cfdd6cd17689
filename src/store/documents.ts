/*
 * JSON documents beside the log: views, snapshots, outcomes of commands. Engines see text and sort keys, never what is inside: how
 * a value becomes a key stands above them (`sort-key.ts`), so that all engines find and order alike.
 */

/** A named set of documents. */
export interface Collection {
  /** Lower-case letters, digits, `.`, `-` and `_`; at most 200 characters. */
  readonly name: string
  /** Names of the indexes its documents can be found by. */
  readonly indexes: readonly string[]
}

/** Puts a document in place of what stands there, or removes it. */
export interface DocumentWrite {
  readonly collection: string
  readonly id: string
  /** JSON text, or what the codec made of it; null removes the document. */
  readonly data: string | null
  /** Sort key of each index; an index that is left out does not find the document. */
  readonly keys?: Readonly<Record<string, string>>
  /** Ms since 1970, from when on `expire` may remove it; absent: never. */
  readonly expiresAt?: number
}

export interface StoredDocument {
  readonly id: string
  readonly data: string
  /** As they were written. */
  readonly keys: Readonly<Record<string, string>>
}

/** Compares sort keys by their UTF-8 bytes. */
export type KeyCondition =
  | { readonly index: string; readonly is: 'eq' | 'gt' | 'gte' | 'lt' | 'lte' | 'prefix'; readonly key: string }
  | { readonly index: string; readonly is: 'in'; readonly keys: readonly string[] }

export interface DocumentQuery {
  /** All must hold; a document without a key for one of the indexes does not match. */
  readonly where?: readonly KeyCondition[]
  /** By the key of an index, then by id, both in this direction; by id alone when absent. Documents without that key are left out. */
  readonly orderBy?: { readonly index?: string; readonly descending?: boolean }
  /** Only what comes behind this place in the order asked for. `key` is that of the index ordered by. */
  readonly after?: { readonly key?: string; readonly id: string }
  readonly limit: number
}

/** Reading and writing documents inside an open transaction. Only this may be awaited there. */
export interface TransactionDocuments {
  /** Those that exist, by id; locked against other writers until the transaction ends, the missing ones too. */
  get(collection: string, ids: readonly string[]): Promise<ReadonlyMap<string, string>>
  /** Seen by later reads of this transaction. */
  write(writes: readonly DocumentWrite[]): Promise<void>
}

/** The documents of a store. A collection that was never defined: `collection-unknown`. */
export interface Documents {
  /** Makes the collection where it is missing, and indexes it lacks; documents there stay, new indexes find what is written from then on. */
  define(collection: Collection): Promise<void>
  /** Removes it with all its documents; nothing where there is none. */
  drop(name: string): Promise<void>
  list(): Promise<readonly Collection[]>
  /** Those that exist, by id. */
  get(collection: string, ids: readonly string[]): Promise<ReadonlyMap<string, string>>
  find(collection: string, query: DocumentQuery): Promise<readonly StoredDocument[]>
  count(collection: string, where?: readonly KeyCondition[]): Promise<number>
  /** All of them atomically. */
  write(writes: readonly DocumentWrite[]): Promise<void>
}
