/*
 * What the server does by itself, so that an append, a tick or a mark is one round trip. Rules stand above the engines: these
 * functions check that what a plan assumed still holds, and write it.
 */

/** Codes of SQL errors that only these functions raise. */
export const LEASE_LOST = 'HO001'
export const ABANDONED = 'HO002'

/**
 * Plans are kept by a connection, and may have been made when the tables were empty: never one that reads a whole table. Nor is
 * one made again for every call.
 */
export const BY_INDEX =
  'set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off'

/** A lock of the store's own, apart from those of other stores in the database. */
export const LOCK_NAMESPACE = 0x486f6473

/** Beyond whatever a process may have seen of a counter that went back. */
const FAR = 1_000_000

export const FUNCTIONS = `
-- Of transaction-level advisory locks: one number for a text of this store.
create function hodisa.lock_key(kind text, name text) returns bigint language sql immutable as $$
  select hashtextextended('hodisa.' || kind || ' ' || name, 0)
$$;

-- Commits are on disk before they are acknowledged, whatever the role's own setting is. Null leaves it to the connection.
create function hodisa.assure_durable(durable boolean) returns void language plpgsql as $$
begin
  if durable then
    if current_setting('synchronous_commit') = 'off' then perform set_config('synchronous_commit', 'on', true); end if;
  elsif not durable and current_setting('synchronous_commit') <> 'off' then
    perform set_config('synchronous_commit', 'off', true);
  end if;
end $$;

-- The first of a transaction of the store's: what its program may keep waiting, and for how long. Returns what is_open takes.
create function hodisa.begin_work(durable boolean, idle integer, longest integer) returns text language plpgsql as $$
declare
  -- Assigned, not performed: that takes no plan.
  setting text := set_config('idle_in_transaction_session_timeout', idle::text, true);
begin
  setting := set_config('statement_timeout', longest::text, true);
  setting := set_config('lock_timeout', longest::text, true);
  if durable <> (current_setting('synchronous_commit') <> 'off') then perform hodisa.assure_durable(durable); end if;
  return pg_current_xact_id() || ' ' || pg_backend_pid();
end $$;

-- Whether a transaction is under way still.
create function hodisa.is_open(opened text) returns boolean language sql as $$
  select exists (select from pg_stat_activity a
    where a.pid = split_part(opened, ' ', 2)::integer and a.backend_xid = split_part(opened, ' ', 1)::xid8::xid)
$$;

create function hodisa.remember(of_attempt bigint) returns void language sql as $$
  insert into hodisa.outcomes (attempt) values (of_attempt)
$$;

-- Locks what an append is about to change, and waits for who holds it. Then tells how it stands: what a plan is made from.
--   request: { streams: [[stream, tenant]], ids: [[id, tenant]], documents: … }
create function hodisa.lock_for_append(request jsonb, patience integer) returns jsonb language plpgsql ${BY_INDEX} as $$
declare
  before text := current_setting('lock_timeout');
  result jsonb;
begin
  perform set_config('lock_timeout', patience::text, true);
  perform 1 from hodisa.streams s
    where (s.stream, s.tenant) in (select r->>0, r->>1 from jsonb_array_elements(request->'streams') r)
    order by s.stream, s.tenant for update;
  perform pg_advisory_xact_lock(k) from (
    select distinct hodisa.lock_key('stream', (r->>1) || ' ' || (r->>0)) as k from jsonb_array_elements(request->'streams') r
    where not exists (select from hodisa.streams s where s.stream = r->>0 and s.tenant = r->>1) order by k limit 1000) as missing;
  perform 1 from hodisa.streams s
    where (s.stream, s.tenant) in (select r->>0, r->>1 from jsonb_array_elements(request->'streams') r)
    order by s.stream, s.tenant for update;
  perform pg_advisory_xact_lock(k) from (
    select distinct hodisa.lock_key('id', (r->>1) || ' ' || (r->>0)) as k from jsonb_array_elements(request->'ids') r
    order by k limit 1000) as ids;
  select jsonb_build_object(
    'streams', (select coalesce(jsonb_agg(jsonb_build_array(s.stream, s.tenant, s.revision, s.timestamp)), '[]') from hodisa.streams s
      where (s.stream, s.tenant) in (select r->>0, r->>1 from jsonb_array_elements(request->'streams') r)),
    'ids', (select coalesce(jsonb_agg(jsonb_build_array(g.id, g.tenant, g.fingerprint, g.version, g.batch, g.ordinal, g.bucket,
        g.revision, g.type, g.stream)), '[]') from hodisa.given_ids g
      where (g.id, g.tenant) in (select r->>0, r->>1 from jsonb_array_elements(request->'ids') r)),
    'inlines', (select coalesce(max(version), 0) from hodisa.inline_projections),
    'transaction', pg_current_xact_id()::text,
    'store', (select id from hodisa.identity))
  into result;
  perform set_config('lock_timeout', before, true);
  return result;
end $$;

-- Writes a batch if everything its plan assumed holds, and nothing otherwise. Never waits for another transaction.
--   streams: [[stream, tenant, assumed revision, new revision, new timestamp]]; new = assumed for one that is only checked
--   ids: [[id, tenant, fingerprint, version, ordinal, bucket, revision, type, stream]]
--   events: [[id, type, version, kind, bucket, timestamp, stream, revision, source, correlation, causation, data, metadata,
--     key, tenant, subject, tags, encoding, expires]]
-- Returns the number of the batch, or what stood against it.
create function hodisa.append(streams jsonb, ids jsonb, events jsonb, count integer, inlines bigint, attempt bigint, durable boolean,
  clock bigint, out batch bigint, out refusal jsonb) language plpgsql ${BY_INDEX} as $$
declare
  failing jsonb;
  begins boolean := streams @? 'strict $[*] ? (@[2] == 0)';
  given boolean := jsonb_array_length(ids) > 0;
  newest bigint;
  given_up boolean;
begin
  -- Whoever holds it is finding out what became of this append.
  if attempt is not null and not pg_try_advisory_xact_lock(attempt) then
    raise exception 'this append was given up' using errcode = '${ABANDONED}';
  end if;
  select max(p.version), exists (select from hodisa.abandoned a where a.attempt = append.attempt) into newest, given_up
    from hodisa.inline_projections p;
  if given_up then raise exception 'this append was given up' using errcode = '${ABANDONED}'; end if;
  if inlines <> coalesce(newest, 0) then
    refusal := '{"inlines": true}';
    return;
  end if;
  if jsonb_array_length(streams) > 0 then
    -- Existing streams by their row, new ones by their name, so that nobody waits for a row that is not committed yet.
    -- One by one: the plan of a join would compare each with each.
    select jsonb_agg(jsonb_build_array(r->>0, r->>1)) into failing
    from jsonb_array_elements(streams) with ordinality v (r, n)
    left join lateral (select s.revision from hodisa.streams s
      where (r->>2)::bigint > 0 and s.stream = r->>0 and s.tenant = r->>1 for update skip locked) l on true
    where not case when (r->>2)::bigint = 0
      then n > 200 and (r->>3)::bigint > 0 or pg_try_advisory_xact_lock(hodisa.lock_key('stream', (r->>1) || ' ' || (r->>0)))
      else l.revision is not distinct from (r->>2)::bigint end;
    -- After the locks: a new one may have been committed while they were taken.
    if failing is null and begins then
      select jsonb_agg(jsonb_build_array(s.stream, s.tenant)) into failing
      from jsonb_array_elements(streams) r join hodisa.streams s on s.stream = r->>0 and s.tenant = r->>1
      where (r->>2)::bigint = 0;
    end if;
    if failing is not null then
      select jsonb_build_object('failing', failing, 'streams', coalesce(jsonb_agg(
          jsonb_build_array(s.stream, s.tenant, s.revision, s.timestamp)), '[]'))
        into refusal from jsonb_array_elements(failing) r join hodisa.streams s on s.stream = r->>0 and s.tenant = r->>1;
      return;
    end if;
  end if;
  if given then
    select jsonb_agg(v->>0) into failing from jsonb_array_elements(ids) with ordinality r (v, n)
      where n <= 200 and not pg_try_advisory_xact_lock(hodisa.lock_key('id', (v->>1) || ' ' || (v->>0)));
    if failing is not null or exists (
      select from jsonb_array_elements(ids) r join hodisa.given_ids g on g.id = r->>0 and g.tenant = r->>1) then
      select jsonb_build_object('failing', coalesce(failing, '[]'), 'ids', coalesce(jsonb_agg(jsonb_build_array(g.id, g.tenant,
          g.fingerprint, g.version, g.batch, g.ordinal, g.bucket, g.revision, g.type, g.stream)), '[]'))
        into refusal from jsonb_array_elements(ids) r join hodisa.given_ids g on g.id = r->>0 and g.tenant = r->>1;
      return;
    end if;
  end if;
  if count = 0 then return; end if;
  if durable and current_setting('synchronous_commit') = 'off' or not durable and current_setting('synchronous_commit') <> 'off' then
    perform hodisa.assure_durable(durable);
  end if;
  -- Of so many not all are locked, and an index would let them wait for another transaction.
  if attempt is not null and greatest(jsonb_array_length(streams), jsonb_array_length(ids)) > 200 then
    perform set_config('lock_timeout', '50', true);
  end if;
  batch := nextval('hodisa.batch_numbers');
  insert into hodisa.events (batch, ordinal, id, type, version, kind, bucket, timestamp, stream, revision, source, correlation_id,
      causation_id, data, metadata, key, tenant, subject, tags, encoding, expires_at)
    select append.batch, n - 1, v->>0, v->>1, (v->>2)::integer, (v->>3)::smallint, (v->>4)::smallint, (v->>5)::bigint, v->>6,
      (v->>7)::bigint, v->>8, v->>9, v->>10, v->>11, v->>12, v->>13, coalesce(v->>14, ''), v->>15, v->>16, v->>17, (v->>18)::bigint
    from jsonb_array_elements(events) with ordinality r (v, n);
  if jsonb_array_length(streams) > 0 then
    insert into hodisa.streams (stream, tenant, revision, timestamp)
      select r->>0, r->>1, (r->>3)::bigint, (r->>4)::bigint from jsonb_array_elements(streams) r where (r->>3)::bigint > (r->>2)::bigint
      on conflict on constraint streams_pkey do update set revision = excluded.revision, timestamp = excluded.timestamp;
  end if;
  if given then
    insert into hodisa.given_ids (id, tenant, fingerprint, version, batch, ordinal, bucket, revision, type, stream)
      select r->>0, r->>1, r->>2, (r->>3)::integer, append.batch, (r->>4)::integer, (r->>5)::smallint, (r->>6)::bigint, r->>7, r->>8
      from jsonb_array_elements(ids) r;
  end if;
  insert into hodisa.batches (xid, batch, events, recorded_at) values (pg_current_xact_id(), append.batch, count, clock);
end $$;

-- After a lost connection: the batch that an append wrote, or null when it did not, and then it never will. Waits for one that is
-- still under way.
create function hodisa.settle(attempt bigint, events jsonb) returns bigint language plpgsql ${BY_INDEX} as $$
declare
  found_batch bigint;
begin
  perform pg_advisory_xact_lock(attempt);
  -- All of it: an id that the caller gave may have been recorded by another append.
  select f.batch into found_batch from hodisa.events f
    where f.id = events->0->>0 and f.ordinal = 0
      and not exists (select from hodisa.events e where e.batch = f.batch and e.ordinal = jsonb_array_length(events))
      and not exists (select from jsonb_array_elements(events) with ordinality r (v, n) where not exists (
        select from hodisa.events e where e.batch = f.batch and e.ordinal = n - 1 and e.id = v->>0 and e.type = v->>1
          and e.stream is not distinct from v->>6 and e.revision is not distinct from (v->>7)::bigint and e.data = v->>11
          and e.tenant = coalesce(v->>14, '')))
    limit 1;
  if found_batch is null then insert into hodisa.abandoned (attempt) values (settle.attempt) on conflict do nothing; end if;
  return found_batch;
end $$;

-- Gives what was committed since the last tick its place in the log, and returns the last place given and the tick that gave it.
-- Must be a statement of its own, outside of a transaction: what it writes has to be seen by the next one that holds the lock. In
-- steps, because a plan for all of it at once takes longer to start than to run.
create function hodisa.tick(durable boolean, out head bigint, out tick bigint, out mark uuid) language plpgsql ${BY_INDEX} as $$
declare
  seen pg_snapshot;
  recorded bigint;
  numbers bigint[];
  counts integer[];
  times bigint[];
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'tick() needs the isolation level read committed';
  end if;
  perform pg_advisory_xact_lock(${LOCK_NAMESPACE}, 'hodisa.ticks'::regclass::oid::integer);
  select t.snapshot, t.position, t.recorded_at, t.id, t.mark into seen, head, recorded, tick, mark
    from hodisa.ticks t order by t.id desc limit 1;
  select array_agg(f.batch order by f.batch), array_agg(f.events order by f.batch), array_agg(f.recorded_at order by f.batch),
      pg_current_snapshot() into numbers, counts, times, seen
    from (
      select b.batch, b.events, b.recorded_at from hodisa.batches b where b.xid >= pg_snapshot_xmax(seen)
      union all
      select b.batch, b.events, b.recorded_at from hodisa.batches b where b.xid = any (array(select pg_snapshot_xip(seen)))) f;
  if numbers is null then return; end if;
  perform hodisa.assure_durable(durable);
  for i in 1 .. array_length(numbers, 1) loop
    recorded := greatest(recorded, times[i]);
    insert into hodisa.log (position, batch, events, recorded_at) values (head + 1, numbers[i], counts[i], recorded);
    head := head + counts[i];
  end loop;
  insert into hodisa.ticks as t (snapshot, position, recorded_at) values (seen, head, recorded) returning t.id, t.mark into tick, mark;
  perform pg_notify('hodisa', concat_ws(' ', 'head', head, tick, mark));
end $$;

-- 0 where the server does not tell.
create function hodisa.system_identifier() returns bigint language plpgsql as $$
begin
  return (select c.system_identifier from pg_control_system() c);
exception when insufficient_privilege then
  return 0;
end $$;

-- Must run on every new connection before it ticks. After a restore into another cluster, or out of an older state of this one,
-- transaction ids begin anew, so that only the absence from the log tells what is new.
create function hodisa.recognise_cluster() returns boolean language plpgsql as $$
declare
  last hodisa.ticks;
  before bigint;
  now_here bigint := hodisa.system_identifier();
begin
  perform pg_advisory_xact_lock(${LOCK_NAMESPACE}, 'hodisa.ticks'::regclass::oid::integer);
  select * into last from hodisa.ticks order by id desc limit 1;
  select system_identifier into before from hodisa.identity for update;
  if before = now_here and pg_snapshot_xmax(last.snapshot) <= pg_snapshot_xmax(pg_current_snapshot()) then return false; end if;
  delete from hodisa.batches b using hodisa.log l where l.batch = b.batch;
  with placed as (
    insert into hodisa.log (position, batch, events, recorded_at)
      select last.position + 1 + sum(b.events) over (order by b.batch) - b.events, b.batch, b.events,
        greatest(last.recorded_at, max(b.recorded_at) over (order by b.batch))
      from hodisa.batches b order by b.batch
      returning position + events - 1 as upto, recorded_at
  )
  insert into hodisa.ticks (snapshot, position, recorded_at)
    select pg_current_snapshot(), coalesce(max(upto), last.position), coalesce(max(recorded_at), last.recorded_at) from placed;
  delete from hodisa.batches b using hodisa.log l where l.batch = b.batch;
  update hodisa.identity set system_identifier = now_here;
  return true;
end $$;

-- Before anything else on a new connection: whether the server has the tick that this process has seen last. One that has lost
-- its last transactions has not. What the process knows of positions, leases and groups then is of no use, and must not be written:
-- its instances are gone, and no revision of a group or epoch of a lease of theirs is one that they could know.
create function hodisa.recognise_process(seen_tick bigint, seen_mark uuid, instances text[], out known boolean, out head bigint,
    out tick bigint, out mark uuid) language plpgsql as $$
begin
  -- One that is no longer kept was there.
  known := exists (select from hodisa.ticks t where t.id = seen_tick and t.mark = seen_mark)
    or seen_tick < (select min(t.id) from hodisa.ticks t);
  if known then return; end if;
  perform 1 from hodisa.groups g order by g.service for update;
  update hodisa.groups set revision = revision + ${FAR};
  perform 1 from hodisa.leases l where l.owner = any (instances) order by l.service, l.bucket for update;
  update hodisa.leases set epoch = epoch + ${FAR} where owner = any (instances);
  delete from hodisa.presence where id = any (instances);
  perform hodisa.raise_groups(null);
  select t.position, t.id, t.mark into head, tick, mark from hodisa.ticks t order by t.id desc limit 1;
end $$;

insert into hodisa.ticks (snapshot, position, recorded_at) values (pg_current_snapshot(), 0, 0);
insert into hodisa.identity (system_identifier) select hodisa.system_identifier();
`
