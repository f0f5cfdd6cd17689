import { LEASE_LOST } from './functions.sql.ts'

/*
 * A write of progress is one round trip. Locks are taken in one order by everybody, so that nobody waits in a circle: the group,
 * its leases by bucket, done rows, begun events, marks, dead letters, cursors, signals; rows of a kind in the order of their key.
 */

/**
 * A change is: { service, instance, durable, revision, mark, low, once, seen: [tick, mark], fences: { buckets, epochs }, done: { buckets, positions },
 * started: [[position, bucket, alone]], survived: positions, letters: [[id, …]], cursors: [[key, …]] }. Only service and instance
 * must be there. A letter or a cursor that is nothing but its name is removed. What may be many, and is numbers, is the text of an
 * array, which is read much quicker.
 */
/** Planned once, and by index, whatever the server believes of tables that fill and empty within a second. */
export const PLANNED = `language plpgsql
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = off set jit = off`

export const PROGRESS_FUNCTIONS = `
-- Tells every process that the group or dead letters of a service have changed; of any where it is null.
create function hodisa.raise_groups(of_service text) returns void language plpgsql as $$
begin
  update hodisa.signals set value = value + 1 where name = 'groups';
  perform pg_notify('hodisa', concat_ws(' ', 'groups', of_service));
end $$;

create function hodisa.lease_lost(what text, details jsonb) returns void language plpgsql as $$
begin
  raise exception using errcode = '${LEASE_LOST}', message = what, detail = details::text;
end $$;

-- Whether progress may be written: raises where not. Holds for what was committed before.
create function hodisa.check_progress(change jsonb) returns void ${PLANNED} as $$
declare
  of_service text := change->>'service';
  of_instance text := change->>'instance';
  fenced smallint[] := (change#>>'{fences,buckets}')::smallint[];
  epochs bigint[] := (change#>>'{fences,epochs}')::bigint[];
  positions bigint[] := (change#>>'{done,positions}')::bigint[];
  lost record;
begin
  -- Sent where a pooler may have kept it until another server answers.
  if change ? 'seen' and (change#>>'{seen,0}')::bigint >= (select t.id from hodisa.ticks t order by t.id limit 1)
      and not exists (select from hodisa.ticks t
        where t.id = (change#>>'{seen,0}')::bigint and t.mark = (change#>>'{seen,1}')::uuid) then
    perform hodisa.lease_lost(format('the store has lost what service %s was at', of_service),
      jsonb_build_object('service', of_service, 'group', true));
  end if;
  if change ? 'revision' and (change->>'revision')::bigint
      <> coalesce((select g.revision from hodisa.groups g where g.service = of_service), 0) then
    perform hodisa.lease_lost(format('service %s is no longer at revision %s', of_service, change->>'revision'),
      jsonb_build_object('service', of_service, 'group', true));
  end if;
  -- One by one, because a plan for \`= any\` may read all that the service has.
  if fenced is not null and epochs is distinct from (select array_agg(l.epoch order by f.n)
      from unnest(fenced) with ordinality f (bucket, n), lateral (select l.epoch from hodisa.leases l
        where l.service = of_service and l.bucket = f.bucket and l.owner = of_instance limit 1) l) then
    select f.bucket, f.epoch into lost from unnest(fenced, epochs) f (bucket, epoch)
      where not exists (select from hodisa.leases l
        where l.service = of_service and l.bucket = f.bucket and l.owner = of_instance and l.epoch = f.epoch)
      limit 1;
    perform hodisa.lease_lost(format('instance %s of %s no longer owns bucket %s', of_instance, of_service, lost.bucket),
      jsonb_build_object('service', of_service, 'instance', of_instance, 'bucket', lost.bucket, 'epoch', lost.epoch));
  end if;
  if change ? 'once' and positions is not null then
    select d.bucket, d.position into lost from unnest(positions) with ordinality p (position, n), lateral (
        select d.bucket, d.position from hodisa.done d where d.service = of_service and d.position = p.position limit 1) d
      order by p.n limit 1;
    if found then perform hodisa.finished_already(of_service, lost.bucket, lost.position); end if;
  end if;
end $$;

create function hodisa.finished_already(of_service text, bucket integer, pos bigint) returns void language plpgsql as $$
begin
  perform hodisa.lease_lost(format('service %s has finished position %s already', of_service, pos),
    jsonb_build_object('service', of_service, 'bucket', bucket, 'position', pos));
end $$;

-- letter: [id, service, key, bucket, position, event, type, state, attempts, error, first failed, parked, edited]
create function hodisa.put_letter(letter jsonb) returns void language sql as $$
  insert into hodisa.dead_letters (id, service, key, bucket, position, event_id, type, state, attempts, error, first_failed_at,
      parked_at, edited)
    values (letter->>0, letter->>1, letter->>2, (letter->>3)::smallint, (letter->>4)::bigint, letter->>5, letter->>6, letter->>7,
      (letter->>8)::integer, letter->>9, (letter->>10)::bigint, (letter->>11)::bigint, letter->>12)
    on conflict (id) do update set service = excluded.service, key = excluded.key, bucket = excluded.bucket,
      position = excluded.position, event_id = excluded.event_id, type = excluded.type, state = excluded.state,
      attempts = excluded.attempts, error = excluded.error, first_failed_at = excluded.first_failed_at,
      parked_at = excluded.parked_at, edited = excluded.edited
$$;

create function hodisa.change_letters(of_service text, letters jsonb) returns void language plpgsql as $$
declare letter jsonb;
begin
  for letter in select v from jsonb_array_elements(letters) v order by (v->>0) collate "C" loop
    if jsonb_array_length(letter) > 1 then perform hodisa.put_letter(letter);
    else delete from hodisa.dead_letters d where d.service = of_service and d.id = letter->>0; end if;
  end loop;
end $$;

create function hodisa.change_cursors(of_service text, cursors jsonb) returns void language plpgsql as $$
declare c jsonb;
begin
  for c in select v from jsonb_array_elements(cursors) v order by (v->>0) collate "C" loop
    if jsonb_array_length(c) = 1 then
      delete from hodisa.cursors o where o.service = of_service and o.key = c->>0;
      continue;
    end if;
    insert into hodisa.cursors (service, key, bucket, position, state, attempts, first_failed_at, next_attempt_at, error, dead_letter,
        finished)
      values (of_service, c->>0, (c->>1)::smallint, (c->>2)::bigint, c->>3, (c->>4)::integer, (c->>5)::bigint, (c->>6)::bigint, c->>7,
        c->>8, c->>9)
      on conflict on constraint cursors_pkey do update set bucket = excluded.bucket, position = excluded.position,
        state = excluded.state, attempts = excluded.attempts, first_failed_at = excluded.first_failed_at,
        next_attempt_at = excluded.next_attempt_at, error = excluded.error, dead_letter = excluded.dead_letter,
        finished = excluded.finished;
  end loop;
end $$;

-- What was done or survived, or is passed by the mark, is taken off; what begins is put.
create function hodisa.change_started(of_service text, of_instance text, change jsonb, done bigint[], mark bigint) returns void
  language plpgsql as $$
declare
  survived bigint[] := (change->>'survived')::bigint[];
  suspect record;
begin
  for suspect in
    with begun as materialized (
      select (v->>0)::bigint as position, (v->>1)::smallint as bucket, (v->>2)::boolean as alone
      from jsonb_array_elements(change->'started') v
    ), owned as materialized (
      select l.bucket from hodisa.leases l where mark is not null and l.service = of_service and l.owner = of_instance)
    select b.position, b.bucket, b.alone,
        b.position = any (survived) or b.position <= mark and b.bucket in (select o.bucket from owned o) as over
      from begun b
    union all
    -- By their key where no mark passes any: of those that came and went there may be many, which no reader is rid of yet.
    select s.position, s.bucket, s.alone, true from hodisa.started s
      where s.service = of_service and s.position = any (done || survived) and not s.position in (select b.position from begun b)
    union all
    select s.position, s.bucket, s.alone, true from hodisa.started s
      where mark is not null and s.service = of_service and s.position <= mark and s.bucket in (select o.bucket from owned o)
        and s.position <> all (coalesce(done || survived, '{}')) and not s.position in (select b.position from begun b)
    order by position
  loop
    if suspect.over then
      delete from hodisa.started s where s.service = of_service and s.position = suspect.position;
    else
      insert into hodisa.started (service, position, bucket, instance, alone)
        values (of_service, suspect.position, suspect.bucket, of_instance, suspect.alone)
        on conflict on constraint started_pkey do update set instance = excluded.instance, alone = excluded.alone;
    end if;
  end loop;
end $$;

-- Writes progress if it may be written, which then holds until the transaction ends: whoever takes a lease over changes its row,
-- and the row of its group, and so waits. Tells whether others have to hear of it.
create function hodisa.progress(change jsonb) returns boolean ${PLANNED} as $$
declare
  of_service text := change->>'service';
  of_instance text := change->>'instance';
  fenced smallint[] := (change#>>'{fences,buckets}')::smallint[];
  buckets smallint[] := (change#>>'{done,buckets}')::smallint[];
  positions bigint[] := (change#>>'{done,positions}')::bigint[];
  wanted_mark bigint := (change->>'mark')::bigint;
  low bigint;
  written integer;
begin
  perform hodisa.assure_durable((change->>'durable')::boolean);
  if change ? 'revision' then
    -- No lease changes without its group.
    perform 1 from hodisa.groups g where g.service = of_service for share;
  elsif fenced is not null then
    perform 1 from (select b from unnest(fenced) b order by b) f, lateral (
      select from hodisa.leases l where l.service = of_service and l.bucket = f.b for share) l;
  end if;
  -- A statement after the locks, and so a look at what the ones who held them have left.
  perform hodisa.check_progress(change);
  if positions is not null then
    insert into hodisa.done (service, position, bucket)
      select of_service, w.position, w.bucket from unnest(positions, buckets) w (position, bucket) order by w.position
      on conflict on constraint done_pkey do nothing;
    get diagnostics written = row_count;
    -- Of somebody who was about to commit when it was looked for.
    if written < cardinality(positions) and change ? 'once'
      and written < (select count(distinct p) from unnest(positions) p) then
      perform hodisa.check_progress(change);
      perform hodisa.finished_already(of_service, buckets[1], positions[1]);
    end if;
  end if;
  if change ? 'started' or wanted_mark is not null and exists (select from hodisa.started s where s.service = of_service)
      or exists (select from hodisa.started s where s.service = of_service
        and s.position = any (positions || (change->>'survived')::bigint[])) then
    perform hodisa.change_started(of_service, of_instance, change, positions, wanted_mark);
  end if;
  if wanted_mark is not null then
    -- Below the mark before stands nothing but what was finished late, which the writer knows of.
    low := (select least(m.mark, (change->>'low')::bigint - 1) from hodisa.marks m
      where m.service = of_service and m.instance = of_instance and change ? 'low');
    insert into hodisa.marks (service, instance, mark) values (of_service, of_instance, wanted_mark)
      on conflict on constraint marks_pkey do update set mark = greatest(marks.mark, excluded.mark);
    if exists (select from hodisa.done d
      where d.service = of_service and d.position > coalesce(low, -1) and d.position <= wanted_mark) then
      delete from hodisa.done d
        where d.service = of_service and d.position > coalesce(low, -1) and d.position <= wanted_mark
          and d.bucket in (select l.bucket from hodisa.leases l where l.service = of_service and l.owner = of_instance);
    end if;
  end if;
  if change ? 'letters' then perform hodisa.change_letters(of_service, change->'letters'); end if;
  if change ? 'cursors' then perform hodisa.change_cursors(of_service, change->'cursors'); end if;
  if change ? 'letters' then perform hodisa.raise_groups(of_service); end if;
  return change ? 'letters';
end $$;

-- The same as check_progress and progress for what is most frequent by far, one event and its effect, where every statement counts,
-- and so does every setting of a function. What they look for has one row, whose key is given.
create function hodisa.check_effect(of_service text, of_instance text, in_bucket integer, at_epoch bigint, at_position bigint)
  returns void language plpgsql set enable_seqscan = off as $$
begin
  perform from hodisa.leases l
    where l.service = of_service and l.bucket = in_bucket and l.owner = of_instance and l.epoch = at_epoch
      and not exists (select from hodisa.done d where d.service = of_service and d.position = at_position);
  if not found then perform hodisa.refuse_effect(of_service, of_instance, in_bucket, at_epoch, at_position); end if;
end $$;

create function hodisa.finish_effect(of_service text, of_instance text, in_bucket integer, at_epoch bigint, at_position bigint,
  durable boolean) returns void language plpgsql set enable_seqscan = off as $$
declare
  careful boolean;
begin
  -- The effect itself may have changed it.
  if durable <> (current_setting('synchronous_commit') <> 'off') then perform hodisa.assure_durable(durable); end if;
  select exists (select from hodisa.started s where s.service = of_service and s.position = at_position) into careful
    from hodisa.leases l
    where l.service = of_service and l.bucket = in_bucket and l.owner = of_instance and l.epoch = at_epoch for share;
  if not found then perform hodisa.refuse_effect(of_service, of_instance, in_bucket, at_epoch, at_position); end if;
  insert into hodisa.done (service, position, bucket) values (of_service, at_position, in_bucket)
    on conflict on constraint done_pkey do nothing;
  if not found then perform hodisa.finished_already(of_service, in_bucket, at_position); end if;
  if careful then delete from hodisa.started s where s.service = of_service and s.position = at_position; end if;
end $$;

create function hodisa.refuse_effect(of_service text, of_instance text, in_bucket integer, at_epoch bigint, at_position bigint)
  returns void language plpgsql as $$
begin
  if exists (select from hodisa.leases l
      where l.service = of_service and l.bucket = in_bucket and l.owner = of_instance and l.epoch = at_epoch) then
    perform hodisa.finished_already(of_service, in_bucket, at_position);
  end if;
  perform hodisa.lease_lost(format('instance %s of %s no longer owns bucket %s', of_instance, of_service, in_bucket),
    jsonb_build_object('service', of_service, 'instance', of_instance, 'bucket', in_bucket, 'epoch', at_epoch));
end $$;

-- What an operator does to a dead letter. False where it is not in the expected state any more.
--   change: { id, expected, durable, letter: row, cursor: [position, state, attempts, first failed, next attempt, error, letter] }
create function hodisa.change_dead_letter(change jsonb) returns boolean language plpgsql as $$
declare
  letter record;
  next jsonb := change->'cursor';
begin
  perform hodisa.assure_durable((change->>'durable')::boolean);
  select d.service, d.key into letter from hodisa.dead_letters d
    where d.id = change->>'id' and d.state = change->>'expected' for update;
  if not found then return false; end if;
  if change ? 'letter' then perform hodisa.put_letter(change->'letter');
  else delete from hodisa.dead_letters d where d.id = change->>'id'; end if;
  if next is not null then
    update hodisa.cursors c set position = (next->>0)::bigint, state = next->>1, attempts = (next->>2)::integer,
        first_failed_at = (next->>3)::bigint, next_attempt_at = (next->>4)::bigint, error = next->>5, dead_letter = next->>6
      where c.service = letter.service and c.key = letter.key and c.dead_letter = change->>'id';
  end if;
  perform hodisa.raise_groups(letter.service);
  return true;
end $$;
`
