/** One step of the schema. Steps that were released never change; a new need is a new step. */
export interface Migration {
  readonly version: number
  /** Programs of releases that know only earlier steps may no longer write: they are refused. */
  readonly breaking: boolean
  /** Written for the schema `hodisa`; the name is replaced where another was chosen. */
  readonly sql: string
}

/** Its rows are the steps that were applied. */
export const VERSION_TABLE = `
create table if not exists hodisa.schema_versions (
  version integer primary key,
  breaking boolean not null,
  applied_at timestamptz not null default now()
)`

export const TABLES = `
create table hodisa.identity (
  -- tells this store from others: the outbox of a connection to another database would write where nobody reads
  id uuid not null default gen_random_uuid(),
  -- of the cluster whose transaction ids stand in batches and ticks
  system_identifier bigint not null
);

create sequence hodisa.batch_numbers as bigint cache 1;

-- Written freely, by any number of transactions at a time. What one append wrote is a batch.
create table hodisa.events (
  batch bigint not null,
  ordinal integer not null,
  version integer not null,
  -- 0 domain, 1 system, 2 integration
  kind smallint not null,
  bucket smallint not null,
  timestamp bigint not null,
  revision bigint,
  expires_at bigint,
  id text collate "C" not null,
  type text collate "C" not null,
  stream text collate "C",
  key text collate "C",
  source text collate "C" not null,
  -- null where it is the event's own id
  correlation_id text collate "C",
  causation_id text collate "C",
  data text collate "C" not null,
  metadata text collate "C",
  tenant text collate "C" not null default '',
  subject text collate "C",
  tags text collate "C",
  encoding text collate "C",
  primary key (batch, ordinal)
);
create index events_by_id on hodisa.events (id);
create unique index events_by_stream on hodisa.events (stream, revision, tenant) where stream is not null;
create index events_by_key on hodisa.events (key) where key is not null;
create index events_by_correlation on hodisa.events (correlation_id) where correlation_id is not null;
create index events_by_causation on hodisa.events (causation_id) where causation_id is not null;
create index events_by_expiry on hodisa.events (expires_at) where expires_at is not null;

-- Which transaction wrote which batch: what a tick did not see is found by it. Only ever inserted into, like log and ticks, so
-- that a transaction which stays open for long, and keeps PostgreSQL from cleaning up, makes no reader slower.
create table hodisa.batches (
  xid xid8 not null,
  batch bigint not null,
  events integer not null,
  -- by the writer's clock
  recorded_at bigint not null,
  primary key (xid, batch)
);

-- The order readers see: the events of a batch stand at position, position + 1, ...
create table hodisa.log (
  position bigint primary key,
  batch bigint not null,
  events integer not null,
  -- never falls
  recorded_at bigint not null
);
create unique index log_by_batch on hodisa.log (batch);

-- The newest tells what the log holds: everything its snapshot could see.
create table hodisa.ticks (
  id bigint generated always as identity primary key,
  snapshot pg_snapshot not null,
  -- the last one given
  position bigint not null,
  recorded_at bigint not null,
  -- no other tick ever has it, also where a server that lost its last transactions gives a number again
  mark uuid not null default gen_random_uuid()
);

create table hodisa.streams (
  stream text collate "C" not null,
  tenant text collate "C" not null,
  revision bigint not null,
  timestamp bigint not null,
  primary key (stream, tenant)
) with (fillfactor = 80);

create table hodisa.given_ids (
  id text collate "C" not null,
  tenant text collate "C" not null,
  fingerprint text collate "C" not null,
  version integer not null,
  batch bigint not null,
  ordinal integer not null,
  bucket smallint not null,
  revision bigint,
  type text collate "C" not null,
  stream text collate "C",
  primary key (id, tenant)
);

-- What tells of a transaction whose answer was lost that it was committed. Its id does not: a server that crashed gives it again.
create table hodisa.outcomes (
  attempt bigint primary key,
  at timestamptz not null default now()
);

-- Appends whose connection was lost, and which the writer has found to be not recorded: should they arrive late, they are refused.
create table hodisa.abandoned (
  attempt bigint primary key,
  at timestamptz not null default now()
);

-- Types that may only be written together with a projection. Rows are never deleted: the highest version tells whether a writer's
-- knowledge is fresh.
create sequence hodisa.inline_versions as bigint;
create table hodisa.inline_projections (
  name text collate "C" primary key,
  types text not null,
  version bigint not null default nextval('hodisa.inline_versions')
);

create table hodisa.groups (
  service text collate "C" primary key,
  revision bigint not null,
  paused text,
  subscriptions text not null default '[]',
  members text not null default '[]',
  breakers text not null default '[]'
);

create table hodisa.leases (
  service text collate "C" not null,
  bucket smallint not null,
  owner text collate "C",
  epoch bigint not null default 0,
  checkpoint bigint not null default 0,
  covered text,
  needs text,
  careful_until bigint,
  primary key (service, bucket)
) with (fillfactor = 50);

create table hodisa.marks (
  service text collate "C" not null,
  instance text collate "C" not null,
  mark bigint not null,
  primary key (service, instance)
) with (fillfactor = 10);

create table hodisa.done (
  service text collate "C" not null,
  position bigint not null,
  bucket smallint not null,
  primary key (service, position)
);

-- What was begun with care, after a process died.
create table hodisa.started (
  service text collate "C" not null,
  position bigint not null,
  bucket smallint not null,
  instance text collate "C" not null,
  alone boolean not null,
  deaths integer not null default 0,
  primary key (service, position)
);

create table hodisa.cursors (
  service text collate "C" not null,
  key text collate "C" not null,
  bucket smallint not null,
  position bigint not null,
  state text not null,
  attempts integer not null,
  first_failed_at bigint not null,
  next_attempt_at bigint not null,
  error text,
  dead_letter text collate "C",
  finished text,
  primary key (service, key)
);
create index cursors_by_bucket on hodisa.cursors (service, bucket);

create table hodisa.dead_letters (
  id text collate "C" primary key,
  service text collate "C" not null,
  key text collate "C" not null,
  bucket smallint not null,
  position bigint not null,
  event_id text collate "C" not null,
  type text collate "C" not null,
  state text not null,
  attempts integer not null,
  error text not null,
  first_failed_at bigint not null,
  parked_at bigint not null,
  edited text collate "C"
);
create index dead_letters_by_service on hodisa.dead_letters (service, state);

create table hodisa.presence (
  id text collate "C" primary key,
  source text not null,
  host text not null,
  machine text not null,
  pid integer not null,
  started_at bigint not null,
  beats bigint not null default 0
) with (fillfactor = 10);

-- Counts changes that other processes must notice and that the log does not show.
create table hodisa.signals (
  name text primary key,
  value bigint not null
) with (fillfactor = 10);
insert into hodisa.signals (name, value) values ('groups', 0);

create table hodisa.collections (
  name text collate "C" primary key,
  -- of its table: documents_<number>
  number integer generated always as identity,
  indexes text not null
);
`
