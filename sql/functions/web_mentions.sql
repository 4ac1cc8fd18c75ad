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


create or replace function cargo_store.note_mentions()
returns trigger
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    ids bigint[];
begin
    -- most versions mention what the one before them did
    ids := array(
        select n.id
          from new_rows n
               join old_rows o on o.id = n.id
         where n.restricted <> o.restricted
            or (n.default_version_id is distinct from o.default_version_id
                and array(select m.kind || ' ' || m.name
                            from mentions_of(n.default_version_id) m
                           order by 1)
                    <> array(select m.kind || ' ' || m.name
                               from crate_mentions m
                              where m.crate_id = n.id
                              order by 1)));

    if ids = '{}' then
        return null;
    end if;

    -- tags in the order of their names, so that two who publish wait for each
    -- other instead of running into a deadlock
    with changed as materialized (
        select n.id, n.registry_id, n.default_version_id,
               case when o.restricted then 0 else -1 end as before,
               case when n.restricted then 0 else 1 end as after
          from new_rows n
               join old_rows o on o.id = n.id
         where n.id = any (ids)),
    wanted as materialized (
        select c.id as crate_id, c.registry_id, m.kind, m.name, c.after
          from changed c
               cross join lateral mentions_of(c.default_version_id) m),
    stored as materialized (
        select m.crate_id, m.registry_id, m.kind, m.name, c.before
          from changed c
               join crate_mentions m on m.crate_id = c.id),
    gone as (
        delete from crate_mentions m
         using stored s
         where m.crate_id = s.crate_id
           and m.kind = s.kind
           and m.name = s.name
           and not exists (select from wanted w
                            where w.crate_id = m.crate_id
                              and w.kind = m.kind
                              and w.name = m.name)),
    come as (
        insert into crate_mentions (crate_id, registry_id, kind, name)
        select w.crate_id, w.registry_id, w.kind, w.name
          from wanted w
            on conflict do nothing)
    insert into tags as t (registry_id, kind, name, crates)
    select n.registry_id, n.kind, n.name, sum(n.crates)
      from (select registry_id, kind, name, before as crates from stored
            union all
            select registry_id, kind, name, after from wanted) n
     where n.kind <> 'dependency'
     group by n.registry_id, n.kind, n.name
    having sum(n.crates) <> 0
        or not exists (select from tags t
                        where t.registry_id = n.registry_id
                          and t.kind = n.kind
                          and t.name = n.name)
     order by n.registry_id, n.kind, n.name
        on conflict (registry_id, kind, name) do update
       set crates = t.crates + excluded.crates;

    return null;
end
$$;

comment on function cargo_store.note_mentions() is
    'Keeps crate_mentions and the numbers of tags; a restricted crate is in '
    'the first, but not counted.';


-- once a statement: whoever refreshes all crates counts each tag once
create or replace trigger crates_mentions
    after update on cargo_store.crates
    referencing old table as old_rows new table as new_rows
    for each statement
    execute function cargo_store.note_mentions();
