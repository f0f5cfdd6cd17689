/** One step of the schema. Steps that were released never change; a new need is a new step. */
export interface Migration {
  readonly version: number
  readonly sql: string
}

/** Marks the file as a Hodisa store for tools such as file(1): "Hods". */
export const APPLICATION_ID = 0x486f6473

/**
 * The version stands in a table of its own rather than in `user_version`: the file also holds the user's tables, and their
 * migration tool may count there.
 */
export const VERSION_TABLE = `
create table if not exists hodisa_schema (
  version integer primary key,
  applied_at integer not null
)`

export const MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    sql: `
create table hodisa_events (
  position integer primary key autoincrement,
  id text not null,
  type text not null,
  version integer not null,
  -- 0 domain, 1 system, 2 integration
  kind integer not null,
  timestamp integer not null,
  recorded_at integer not null,
  bucket integer not null,
  stream text,
  revision integer,
  -- position of the stream's event before this one
  previous integer,
  "key" text,
  source text not null,
  -- null where it is the event's own id
  correlation_id text,
  causation_id text,
  data text not null,
  metadata text,
  tenant text not null default '',
  subject text,
  tags text,
  encoding text,
  expires_at integer
);
create index hodisa_events_by_id on hodisa_events (id);
create index hodisa_events_by_key on hodisa_events ("key") where "key" is not null;
create index hodisa_events_by_correlation on hodisa_events (correlation_id) where correlation_id is not null;
create index hodisa_events_by_causation on hodisa_events (causation_id) where causation_id is not null;
create index hodisa_events_by_expiry on hodisa_events (expires_at) where expires_at is not null;

create table hodisa_streams (
  stream text not null,
  tenant text not null,
  revision integer not null,
  timestamp integer not null,
  position integer not null,
  primary key (stream, tenant)
) without rowid;

-- Where every 64th event of a stream stands.
create table hodisa_stream_marks (
  stream text not null,
  tenant text not null,
  revision integer not null,
  position integer not null,
  primary key (stream, tenant, revision)
) without rowid;

-- Expired events of streams, so that those before them are still found.
create table hodisa_stream_gaps (
  position integer primary key,
  previous integer
);

create table hodisa_given_ids (
  tenant text not null,
  id text not null,
  fingerprint text not null,
  version integer not null,
  position integer not null,
  stream text,
  revision integer,
  type text not null,
  bucket integer not null,
  primary key (tenant, id)
) without rowid;

create table hodisa_groups (
  service text primary key,
  revision integer not null,
  paused text,
  subscriptions text not null,
  members text not null,
  breakers text not null default '[]'
) without rowid;

create table hodisa_leases (
  service text not null,
  bucket integer not null,
  owner text,
  epoch integer not null default 0,
  checkpoint integer not null default 0,
  covered text,
  needs text,
  careful_until integer,
  primary key (service, bucket)
) without rowid;

create table hodisa_marks (
  service text not null,
  instance text not null,
  mark integer not null,
  primary key (service, instance)
) without rowid;

create table hodisa_done (
  service text not null,
  position integer not null,
  bucket integer not null,
  primary key (service, position)
) without rowid;

-- What was begun with care, after a process died.
create table hodisa_started (
  service text not null,
  position integer not null,
  bucket integer not null,
  instance text not null,
  alone integer not null,
  deaths integer not null default 0,
  primary key (service, position)
) without rowid;

create table hodisa_cursors (
  service text not null,
  "key" text not null,
  bucket integer not null,
  position integer not null,
  state text not null,
  attempts integer not null,
  first_failed_at integer not null,
  next_attempt_at integer not null,
  error text,
  dead_letter text,
  finished text,
  primary key (service, "key")
) without rowid;

create index hodisa_cursors_by_bucket on hodisa_cursors (service, bucket);

create table hodisa_dead_letters (
  id text primary key,
  service text not null,
  "key" text not null,
  bucket integer not null,
  position integer not null,
  event_id text not null,
  type text not null,
  state text not null,
  attempts integer not null,
  error text not null,
  first_failed_at integer not null,
  parked_at integer not null,
  edited text
) without rowid;
create index hodisa_dead_letters_by_service on hodisa_dead_letters (service, state);

create table hodisa_presence (
  id text primary key,
  source text not null,
  host text not null,
  machine text not null,
  pid integer not null,
  started_at integer not null,
  beats integer not null default 0
) without rowid;

-- Counts changes that other processes must notice and that the log does not show.
create table hodisa_signals (
  name text primary key,
  value integer not null
) without rowid;
insert into hodisa_signals (name, value) values ('groups', 0);
`,
  },
  {
    version: 2,
    sql: `
-- The documents of each stand in hodisa_documents_<number>, the key of the n-th index in its column key_<n>. Numbers are never
-- given again.
create table hodisa_collections (
  number integer primary key autoincrement,
  name text not null unique,
  indexes text not null
);

-- What every writer of these types must write too.
create table hodisa_inlines (
  name text primary key,
  types text not null
) without rowid;
`,
  },
]
