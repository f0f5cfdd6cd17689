/**
 * Every error this framework raises on purpose: its stable code and what to do about it. `docs/errors.md` lists the same
 * codes, and a test keeps the two equal.
 */
export const ERRORS = {
  // definitions
  'invalid-definition': 'Correct the definition: the message names the option and the rule it breaks.',
  'duplicate-definition': 'Define each event type once and pass each definition once in `events`.',
  'handler-conflict': 'Keep one handler for each pattern of a service, or make one of the patterns more specific.',
  'service-conflict': 'Give every service of an app its own name.',
  'invalid-option': 'Correct the option: the message names it and the values it takes.',
  // publishing
  'unknown-type': 'Add the definition to `events` of hodisa(), or correct the name.',
  'invalid-data': 'Correct the data: `details.issues` lists every problem with its path.',
  'unserialisable-data': 'Publish plain JSON values: the message gives the path and what stands there.',
  'async-schema': 'Use a synchronous schema here, or publish with app.publish, which awaits the schema.',
  'invalid-name': 'Correct the name: the message says which rule it breaks.',
  'stream-and-key': 'Give `stream` or `key`, not both: an event of a stream keeps the order of its stream.',
  'revision-conflict': 'Somebody wrote first: load the stream again and decide on its current state.',
  'id-reused': 'Use a new id: this one was recorded with other content.',
  'partial-duplicate': 'Publish the new events alone, or the whole first batch unchanged.',
  'event-too-large': 'Keep events small: put large content elsewhere and publish a reference to it.',
  'append-too-large': 'Split the batch: the message says the limit.',
  'upcast-failed': 'Correct the upcaster: it must accept every event of its version that was ever recorded.',
  // store
  'store-not-a-database': 'Give the path of a Hodisa store or of a file that does not exist yet.',
  'store-unavailable':
    'Check that the store is there and can be reached: the folder and its rights, or the address of the server.',
  'store-denied':
    'Check user and password, and grant the user the rights that the message names: see docs/postgres.md.',
  'store-behind':
    'The store has lost events it acknowledged, as after a failover or an old backup: `hodisa services reset` begins again from where it is.',
  'driver-missing': 'Install the package the message names beside hodisa.',
  'store-read-only':
    'Give this process the right to write the store: a file and its folder, or a server that is no standby.',
  'store-full': 'Free space on the disk. Nothing was recorded; publish again.',
  'store-busy': 'Another writer held the store too long: look for a long write transaction.',
  'store-corrupt': 'Restore the store from a backup, or run the integrity check of its database.',
  'store-too-new': 'This store was written by a newer release: upgrade hodisa in this process.',
  'store-too-old': 'Upgrade the database library: this version has known faults that lose data.',
  'collection-unknown': 'Define the collection before you read or write its documents.',
  'document-exists': 'The document stands already: read it, or use another id.',
  'inline-missing':
    'Give this writer the inline projection the message names (app.project), so that no view misses an event.',
  'copy-refused': 'Stop what uses the source, and copy into a place where nothing is yet.',
  'copy-differs':
    'Stop what writes to the source, and copy again: it goes on. If it differs still, take a new target, and report it.',
  'capability-missing': 'Choose an engine that has the capability, or do without it.',
  'transaction-failed': 'Catch errors of statements outside of the transaction, and run it again as a whole.',
  'outbox-no-transaction': 'Begin a transaction on the connection before you publish through its outbox.',
  'outbox-other-store': 'Use a connection to the same database as the app.',
  'outbox-not-durable': 'Set `pragma synchronous = full` on the connection, or open the app with durability "os".',
  // aggregates
  'invalid-decision': 'Correct the command: it may return events of its aggregate, reject(…), or nothing.',
  'evolve-failed': 'Correct `evolve`: it must take every event that was ever recorded, and return a new state.',
  'aggregate-too-old':
    'Newer code recorded this event: deploy that code here, or keep the definition in `events` of the aggregate.',
  'nested-execution': 'Do not execute inside a command: decide on several aggregates with app.decide.',
  // projections
  'view-blocked': 'Correct the projection and start it again: `hodisa projections list` shows the event and the error.',
  'view-building': 'Wait until the view has caught up: `hodisa projections list` shows how far it is.',
  'index-missing': 'Declare the field the message names in `indexes` of the projection, and raise its version.',
  'projection-conflict': 'Register each projection of an app once, and in one version.',
  'projection-changed': 'Raise `version` of the projection, or build it anew with `hodisa projections rebuild`.',
  'projection-not-built':
    'Build it first: `hodisa projections rebuild`. The program can go on with the version before meanwhile.',
  'projection-superseded': 'A higher version of this projection is in place: run its code, or raise `version`.',
  'projection-too-old': 'Newer code recorded this event: deploy that code here.',
  'projection-unknown': 'Check the name: `hodisa projections list` shows the projections of the store.',
  'rebuild-failed': 'Correct the projection, and run the rebuild again: it goes on where it stood.',
  'rebuild-taken-over': 'Nothing to do: another run goes on with this rebuild.',
  // delivery
  'lease-lost': 'Nothing to do: another instance has taken over this share and handles the event.',
  'context-dead': 'Finish within `timeout`, or raise it: this attempt is over and may not write any more.',
  'already-committed': 'Call ctx.commit once per attempt, and publish inside it.',
  'commit-awaited-io': 'Await only `tx` inside the transaction; do the slow part before it.',
  'handler-timeout': 'Make the handler quicker, or raise the `timeout` of the service.',
  'process-killed':
    'Find what ends the process while this event is handled: an abort, an exit, or memory that runs out.',
  'handler-stuck': 'A handler ignored its `signal`: find what it waits for.',
  'service-running': 'Stop every instance of the service first.',
  'service-unknown': 'Check the name: `hodisa services list` shows the services of the store.',
  'dead-letter-unknown': 'Check the id: `hodisa dead list` shows the dead letters of the store.',
  timeout: 'Wait longer, or look at what the message names as unfinished.',
  // lifecycle
  'app-started': 'Define services and handlers before app.start().',
  'app-stopped': 'This app was stopped: create a new one.',
} as const

export type ErrorCode = keyof typeof ERRORS

/**
 * What the framework throws. `code` is stable and made for programs; `message` says what and where; `fix` says what to do;
 * `details` holds the values the message was made from, as plain JSON.
 */
export class HodisaError extends Error {
  override readonly name = 'HodisaError'
  readonly code: ErrorCode
  readonly fix: string
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, message: string, details: Record<string, unknown> = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.fix = ERRORS[code]
    this.details = details
  }
}

/** Whether `error` is a {@link HodisaError}, of the given code where one is given. */
export function isHodisaError(error: unknown, code?: ErrorCode): error is HodisaError {
  return error instanceof HodisaError && (code === undefined || error.code === code)
}
