import { LEASE_LOST } from './functions.sql.ts'

/*
 * A write of progress is one round trip. Locks are taken in one order by everybody, so that nobody waits in a circle: the group,
 * its leases by bucket, done rows, begun events, marks, dead letters, cursors, signals; rows of a kind in the order of their key.
 */

/**
 * A change is: { service, instance, durable, revision, mark, low, once, fences: { buckets, epochs }, done: { buckets, positions },
 * started: [[position, bucket, alone]], survived: positions, letters: [row], noLetters: [id], cursors: [row], noCursors: [key] }.
 * Only service and instance must be there. What may be many, and is numbers, is the text of an array, which is read much quicker.
 */
/** Planned once, and by index, whatever the server believes of tables that fill and empty within a second. */
const PLANNED = `language plpgsql
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = off`

export const PROGRESS_FUNCTIONS = `
-- Tells every process that groups or dead letters have changed.
create function hodisa.raise_groups() returns void language plpgsql as $$
begin
  update hodisa.signals set value = value + 1 where name = 'groups';
  perform pg_notify('hodisa', 'groups');
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
  if change ? 'revision' and (change->>'revision')::bigint
      <> coalesce((select g.revision from hodisa.groups g where g.service = of_service), 0) then
    perform hodisa.lease_lost(format('service %s is no longer at revision %s', of_service, change->>'revision'),
      jsonb_build_object('service', of_service, 'group', true));
  end if;
  if fenced is not null and epochs is distinct from (select array_agg(l.epoch order by l.bucket) from hodisa.leases l
      where l.service = of_service and l.bucket = any (fenced) and l.owner = of_instance) then
    select f.bucket, f.epoch into lost from unnest(fenced, epochs) f (bucket, epoch)
      where not exists (select from hodisa.leases l
        where l.service = of_service and l.bucket = f.bucket and l.owner = of_instance and l.epoch = f.epoch)
      limit 1;
    perform hodisa.lease_lost(format('instance %s of %s no longer owns bucket %s', of_instance, of_service, lost.bucket),
      jsonb_build_object('service', of_service, 'instance', of_instance, 'bucket', lost.bucket, 'epoch', lost.epoch));
  end if;
  if change ? 'once' and positions is not null then
    select d.bucket, d.position into lost from hodisa.done d
      where d.service = of_service and d.position = any (positions)
      order by array_position(positions, d.position) limit 1;
    if found then perform hodisa.finished_already(of_service, lost.bucket, lost.position); end if;
  end if;
end $$;

create function hodisa.finished_already(of_service text, bucket integer, pos bigint) returns void language plpgsql as $$
begin
  perform hodisa.lease_lost(format('service %s has finished position %s already', of_service, pos),
    jsonb_build_object('service', of_service, 'bucket', bucket, 'position', pos));
end $$;

-- rows: [[id, service, key, bucket, position, event, type, state, attempts, error, first failed, parked, edited]]
create function hodisa.put_dead_letters(letters jsonb) returns void language sql as $$
  insert into hodisa.dead_letters (id, service, key, bucket, position, event_id, type, state, attempts, error, first_failed_at,
      parked_at, edited)
    select v->>0, v->>1, v->>2, (v->>3)::smallint, (v->>4)::bigint, v->>5, v->>6, v->>7, (v->>8)::integer, v->>9, (v->>10)::bigint,
      (v->>11)::bigint, v->>12
    from jsonb_array_elements(letters) v order by (v->>0) collate "C"
    on conflict (id) do update set service = excluded.service, key = excluded.key, bucket = excluded.bucket,
      position = excluded.position, event_id = excluded.event_id, type = excluded.type, state = excluded.state,
      attempts = excluded.attempts, error = excluded.error, first_failed_at = excluded.first_failed_at,
      parked_at = excluded.parked_at, edited = excluded.edited
$$;

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
    perform 1 from hodisa.leases l where l.service = of_service and l.bucket = any (fenced) order by l.bucket for share;
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
  if change ? 'started' then
    insert into hodisa.started (service, position, bucket, instance, alone)
      select of_service, (v->>0)::bigint, (v->>1)::smallint, of_instance, (v->>2)::boolean
      from jsonb_array_elements(change->'started') v order by (v->>0)::bigint
      on conflict on constraint started_pkey do update set instance = excluded.instance, alone = excluded.alone;
  end if;
  if (positions is not null or change ? 'survived' or wanted_mark is not null)
    and exists (select from hodisa.started s where s.service = of_service) then
    delete from hodisa.started s using (
      select o.position from hodisa.started o
      where o.service = of_service and (o.position = any ((change->>'survived')::bigint[])
        or o.position = any (positions) and not o.position = any (coalesce(
          (select array_agg((v->>0)::bigint) from jsonb_array_elements(change->'started') v), '{}'))
        or o.position <= wanted_mark and o.bucket in (
          select l.bucket from hodisa.leases l where l.service = of_service and l.owner = of_instance))
      order by o.position for update) gone
      where s.service = of_service and s.position = gone.position;
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
  if change ? 'letters' and change ? 'noLetters' then
    perform 1 from hodisa.dead_letters d
      where d.id in (select v->>0 from jsonb_array_elements(change->'letters') v)
        or d.service = of_service and d.id in (select jsonb_array_elements_text(change->'noLetters'))
      order by d.id for update;
  end if;
  if change ? 'letters' then perform hodisa.put_dead_letters(change->'letters'); end if;
  if change ? 'noLetters' then
    delete from hodisa.dead_letters d using (
      select o.id from hodisa.dead_letters o
      where o.service = of_service and o.id in (select jsonb_array_elements_text(change->'noLetters'))
      order by o.id for update) gone
      where d.id = gone.id;
  end if;
  if change ? 'cursors' and change ? 'noCursors' then
    perform 1 from hodisa.cursors c
      where c.service = of_service and (c.key in (select v->>0 from jsonb_array_elements(change->'cursors') v)
        or c.key in (select jsonb_array_elements_text(change->'noCursors')))
      order by c.key for update;
  end if;
  if change ? 'cursors' then
    insert into hodisa.cursors (service, key, bucket, position, state, attempts, first_failed_at, next_attempt_at, error,
        dead_letter, finished)
      select of_service, v->>0, (v->>1)::smallint, (v->>2)::bigint, v->>3, (v->>4)::integer, (v->>5)::bigint, (v->>6)::bigint, v->>7,
        v->>8, v->>9
      from jsonb_array_elements(change->'cursors') v order by (v->>0) collate "C"
      on conflict on constraint cursors_pkey do update set bucket = excluded.bucket, position = excluded.position,
        state = excluded.state, attempts = excluded.attempts, first_failed_at = excluded.first_failed_at,
        next_attempt_at = excluded.next_attempt_at, error = excluded.error, dead_letter = excluded.dead_letter,
        finished = excluded.finished;
  end if;
  if change ? 'noCursors' then
    delete from hodisa.cursors c using (
      select o.key from hodisa.cursors o
      where o.service = of_service and o.key in (select jsonb_array_elements_text(change->'noCursors'))
      order by o.key for update) gone
      where c.service = of_service and c.key = gone.key;
  end if;
  if change ? 'letters' or change ? 'noLetters' then
    perform hodisa.raise_groups();
    return true;
  end if;
  return false;
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
  if change ? 'letter' then perform hodisa.put_dead_letters(jsonb_build_array(change->'letter'));
  else delete from hodisa.dead_letters d where d.id = change->>'id'; end if;
  if next is not null then
    update hodisa.cursors c set position = (next->>0)::bigint, state = next->>1, attempts = (next->>2)::integer,
        first_failed_at = (next->>3)::bigint, next_attempt_at = (next->>4)::bigint, error = next->>5, dead_letter = next->>6
      where c.service = letter.service and c.key = letter.key and c.dead_letter = change->>'id';
  end if;
  perform hodisa.raise_groups();
  return true;
end $$;
`
