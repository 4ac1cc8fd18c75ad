-- What the default versions of the crates name.

create or replace function cargo_store.mentions_of(version_id bigint)
returns table (kind text, name text)
language sql stable
begin atomic
    -- an index takes no longer names, nor does anybody look for them
    select 'keyword', pg_catalog.left(pg_catalog.lower(k), 200)
      from cargo_store.versions v, pg_catalog.unnest(v.keywords) k
     where v.id = version_id
    union
    select 'category', pg_catalog.left(pg_catalog.lower(c), 200)
      from cargo_store.versions v, pg_catalog.unnest(v.categories) c
     where v.id = version_id
    union
    select 'dependency', cargo_store.canonical_name(d.name)
      from cargo_store.dependencies d
     where d.version_id = mentions_of.version_id
       and d.registry is null;
end;

comment on function cargo_store.mentions_of(bigint) is
    'The rows of crate_mentions for a crate with this default version.  Parsed '
    'when created, so that the planner can inline it.';


create or replace function cargo_store.store_mentions(
    crate cargo_store.crates,
    was_restricted boolean)
returns void
language plpgsql volatile
as $$
begin
    -- tags in the order of their names, so that two who publish wait for each
    -- other instead of running into a deadlock
    with wanted as materialized (
        select m.kind, m.name
          from mentions_of(crate.default_version_id) m),
    stored as materialized (
        select m.kind, m.name
          from crate_mentions m
         where m.crate_id = crate.id),
    gone as (
        delete from crate_mentions m
         where m.crate_id = crate.id
           and not exists (select from wanted w
                            where w.kind = m.kind
                              and w.name = m.name)),
    come as (
        insert into crate_mentions (crate_id, registry_id, kind, name)
        select crate.id, crate.registry_id, w.kind, w.name
          from wanted w
            on conflict do nothing)
    insert into tags as t (registry_id, kind, name, crates)
    select crate.registry_id, n.kind, n.name, sum(n.crates)
      from (select kind, name,
                   case when was_restricted then 0 else -1 end as crates
              from stored
            union all
            select kind, name, case when crate.restricted then 0 else 1 end
              from wanted) n
     where n.kind <> 'dependency'
     group by n.kind, n.name
    having sum(n.crates) <> 0
        or not exists (select from tags t
                        where t.registry_id = crate.registry_id
                          and t.kind = n.kind
                          and t.name = n.name)
     order by n.kind, n.name
        on conflict (registry_id, kind, name) do update
       set crates = t.crates + excluded.crates;
end
$$;

comment on function cargo_store.store_mentions(cargo_store.crates, boolean) is
    'Brings crate_mentions and the numbers of tags up to date; a restricted '
    'crate is in the first, but not counted, nor was it when it was '
    'restricted before.';
