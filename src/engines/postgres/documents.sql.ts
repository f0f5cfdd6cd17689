/*
 * What a transaction does with documents, each in one round trip. Locks are taken in one order by everybody, so that nobody waits
 * in a circle: first those of ids, in the order of their numbers, then rows in the order of their ids. A row alone would do for a
 * document that stands, but who waits for a row that is then removed would have to lock its id last.
 */

/** So many ids are locked whether or not there are documents. More would fill the server's table of locks. */
const MOST_IDS = 50
/** Of many ids, those without a document are locked one by one up to here. */
const MOST_MISSING = 200

export const DOCUMENT_FUNCTIONS = `
-- Holds the table of a collection until the transaction ends, so that what is known of it stays true. False where it is not as the
-- caller knows it.
create function hodisa.hold_documents(collection text, number integer, width integer) returns boolean language plpgsql as $$
begin
  begin
    execute format('lock table hodisa.documents_%s in row exclusive mode', number);
  exception when undefined_table then return false;
  end;
  return exists (select from hodisa.collections c
    where c.name = hold_documents.collection and c.number = hold_documents.number and json_array_length(c.indexes::json) = width);
end $$;

-- Locks ids, and returns them: whoever makes or removes one of them waits. Of many, it is those that no document has, and of very
-- many, everybody who makes documents in the collection waits.
create function hodisa.lock_ids(number integer, ids text[]) returns text[] language plpgsql as $$
declare
  missing text[];
begin
  execute format('select coalesce(array_agg(i), ''{}'') from unnest($1) i
    where not exists (select from hodisa.documents_%s d where d.id = i)', number) into missing using ids;
  if cardinality(ids) > ${MOST_IDS} then ids := missing; end if;
  if cardinality(missing) > ${MOST_MISSING} then
    perform pg_advisory_xact_lock(hodisa.lock_key('documents', number::text));
  else
    if cardinality(missing) > 0 then perform pg_advisory_xact_lock_shared(hodisa.lock_key('documents', number::text)); end if;
    perform pg_advisory_xact_lock(k) from (
      select distinct hodisa.lock_key('document', number || ' ' || i) as k from unnest(ids) i order by k) as keys;
  end if;
  return ids;
end $$;

-- The documents with these ids, which are all locked from then on, also those that are missing. A row of nulls: see hold_documents.
create function hodisa.lock_documents(collection text, number integer, width integer, ids jsonb)
    returns table (id text, data text) language plpgsql as $$
declare
  wanted text[] := array(select jsonb_array_elements_text(ids));
  locked text[];
  vanished text[];
  found text[];
  texts text[];
begin
  if not hodisa.hold_documents(collection, number, width) then
    return query select null::text, null::text;
    return;
  end if;
  locked := hodisa.lock_ids(number, wanted);
  loop
    execute format('select coalesce(array_agg(l.id), ''{}''), coalesce(array_agg(l.data), ''{}'') from (
      select d.id, d.data from hodisa.documents_%s d where d.id = any ($1) order by d.id for update) l', number)
      into found, texts using wanted;
    exit when cardinality(wanted) in (cardinality(found), cardinality(locked));
    -- Of many, what was removed between the two is locked in neither way, and it is too late to wait for it.
    vanished := array(select unnest(wanted) except select unnest(found) except select unnest(locked));
    exit when cardinality(vanished) = 0;
    if not pg_try_advisory_xact_lock_shared(hodisa.lock_key('documents', number::text)) or exists (
      select from unnest(vanished) i where not pg_try_advisory_xact_lock(hodisa.lock_key('document', number || ' ' || i))) then
      raise exception 'documents were removed while they were locked' using errcode = 'serialization_failure';
    end if;
    locked := locked || vanished;
  end loop;
  return query select f, t from unnest(found, texts) v (f, t);
end $$;

-- Writes documents; false, and nothing is written, where the table is not as the caller knows it.
--   documents: [[id, data, expires, key, …]], each id once; removed: [id]; unlocked: those ids of both that this transaction has not
--   locked before
create function hodisa.write_documents(collection text, number integer, width integer, documents jsonb, removed jsonb, unlocked jsonb)
    returns boolean language plpgsql as $$
declare
  columns text := 'data, expires_at';
  picked text := 'v->>1, (v->>2)::bigint';
  changes text := 'data = excluded.data, expires_at = excluded.expires_at';
begin
  if not hodisa.hold_documents(collection, number, width) then return false; end if;
  perform hodisa.lock_ids(number, array(select jsonb_array_elements_text(unlocked)));
  if removed <> '[]' then
    execute format('select count(*) from (select from hodisa.documents_%s d
      where d.id = any (array(select v->>0 from jsonb_array_elements($1) v union all select jsonb_array_elements_text($2)))
      order by d.id for update) l', number) using documents, removed;
    execute format('delete from hodisa.documents_%s d where d.id = any (array(select jsonb_array_elements_text($1)))', number)
      using removed;
  end if;
  if documents <> '[]' then
    for k in 1 .. width loop
      columns := columns || format(', k%s', k);
      picked := picked || format(', v->>%s', k + 2);
      changes := changes || format(', k%1$s = excluded.k%1$s', k);
    end loop;
    execute format('insert into hodisa.documents_%s (id, %s) select v->>0, %s from jsonb_array_elements($1) v
      order by (v->>0) collate "C" on conflict (id) do update set %s', number, columns, picked, changes) using documents;
  end if;
  return true;
end $$;
`
