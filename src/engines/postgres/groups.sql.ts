import { BUCKETS } from '../../event/bucket.ts'
import { LEASE_COLUMNS } from './lease-rows.ts'
import { PLANNED } from './progress.sql.ts'

/** Progress by the key of its rows, in the order its rows are locked in. */
const PROGRESS = [
  ['done', 'position'],
  ['started', 'position'],
  ['dead_letters', 'id'],
  ['cursors', 'key'],
] as const

/*
 * A change of a group is two calls, so that those who wait for it do not wait for long: its state is locked and read, and what becomes
 * of it is written. The row of the group is locked first: whoever holds it is the only one to change leases and marks. Only
 * the leases that change are locked, for effects wait for them. Locks go on in the order that progress takes them in.
 */
export const GROUP_FUNCTIONS = `
-- Locks a group that is at a revision, and tells those of its leases that have one of the buckets, one of the owners, or a checkpoint
-- above one. Null, and nothing is locked, where the group is not there.
create function hodisa.lock_group(of_service text, at_revision bigint, durable boolean, buckets smallint[], owners text[], above bigint)
  returns jsonb language plpgsql as $$
begin
  perform hodisa.assure_durable(durable);
  if at_revision = 0 then
    insert into hodisa.groups (service, revision) values (of_service, 0) on conflict do nothing;
    if not found then return null; end if;
    insert into hodisa.leases (service, bucket) select of_service, n from generate_series(0, ${BUCKETS - 1}) n;
  else
    perform 1 from hodisa.groups g where g.service = of_service and g.revision = at_revision for update;
    if not found then return null; end if;
  end if;
  return (select coalesce(jsonb_agg(jsonb_build_array(${LEASE_COLUMNS}) order by l.bucket), '[]')
    from hodisa.leases l left join hodisa.marks m on m.service = of_service and m.instance = l.owner
    where l.service = of_service and (l.bucket = any (buckets) or l.owner = any (owners) or l.checkpoint > above));
end $$;

-- Whoever has locked the group writes what becomes of it. Null leaves as it is.
--   leases: [[bucket, owner, epoch, checkpoint, covered, needs, careful until]]
create function hodisa.write_group(of_service text, leases jsonb, died text[], forgotten_after bigint, folded text[], pauses boolean,
  reason text, new_subscriptions text, new_members text, new_breakers text) returns void language plpgsql as $$
begin
  if leases is not null then
    -- In their order, and after the effects that are about to commit under them.
    perform 1 from hodisa.leases l
      where l.service = of_service and l.bucket = any (array(select (v->>0)::smallint from jsonb_array_elements(leases) v))
      order by l.bucket for update;
    update hodisa.leases l
      set owner = v->>1, epoch = (v->>2)::bigint, checkpoint = (v->>3)::bigint, covered = v->>4, needs = v->>5,
        careful_until = (v->>6)::bigint
      from jsonb_array_elements(leases) v where l.service = of_service and l.bucket = (v->>0)::smallint;
  end if;
  if died is not null then
    -- Of those that stay: what is above them is removed, and locked, after them.
    update hodisa.started s set deaths = s.deaths + 1, alone = false from (
        select o.position from hodisa.started o where o.service = of_service and o.instance = any (died) and o.alone
          and (forgotten_after is null or o.position <= forgotten_after)
        order by o.position for update) begun
      where s.service = of_service and s.position = begun.position;
  end if;
  if forgotten_after is not null then perform hodisa.forget_progress(of_service, forgotten_after); end if;
  if folded is not null then delete from hodisa.marks m where m.service = of_service and m.instance = any (folded); end if;
  update hodisa.groups g set revision = g.revision + 1, paused = case when pauses then reason else g.paused end,
      subscriptions = coalesce(new_subscriptions, g.subscriptions), members = coalesce(new_members, g.members),
      breakers = coalesce(new_breakers, g.breakers)
    where g.service = of_service;
  perform hodisa.raise_groups(of_service);
end $$;

-- Removes what a service has done, begun, parked and where its failing keys are, above a position.
create function hodisa.forget_progress(of_service text, after bigint) returns void ${PLANNED} as $$
begin${PROGRESS.map(
  ([table, key]) => `
  delete from hodisa.${table} t using (
      select o.${key} from hodisa.${table} o where o.service = of_service and o.position > after order by o.${key} for update) gone
    where t.service = of_service and t.${key} = gone.${key};`,
).join('')}
end $$;
`
