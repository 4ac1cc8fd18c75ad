-- What the default versions of the crates name.

create or replace function cargo_store.mentions_of(version_id bigint)
returns table (kind text, name text)
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    -- an index takes no longer names, nor does anybody look for them
    select 'keyword', left(lower(k), 200)
      from versions v, unnest(v.keywords) k
     where v.id = $1
    union
    select 'category', left(lower(c), 200)
      from versions v, unnest(v.categories) c
     where v.id = $1
    union
    select 'dependency', canonical_name(d.name)
      from dependencies d
     where d.version_id = $1
       and d.registry is null;
$$;

comment on function cargo_store.mentions_of(bigint) is
    'The rows of crate_mentions for a crate with this default version.';


create or replace function cargo_store.note_mentions()
returns trigger
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    -- tags in the order of their names, so that two who publish wait for each
    -- other instead of running into a deadlock
    with changed as materialized (
        select n.id, n.registry_id, n.default_version_id
          from new_rows n
               join old_rows o on o.id = n.id
         where n.default_version_id is distinct from o.default_version_id),
    wanted as materialized (
        select c.id as crate_id, c.registry_id, m.kind, m.name
          from changed c
               cross join lateral mentions_of(c.default_version_id) m),
    gone as (
        delete from crate_mentions m
         using changed c
         where m.crate_id = c.id
           and not exists (select from wanted w
                            where w.crate_id = m.crate_id
                              and w.kind = m.kind
                              and w.name = m.name)
        returning m.registry_id, m.kind, m.name),
    come as (
        insert into crate_mentions as m (crate_id, registry_id, kind, name)
        select w.crate_id, w.registry_id, w.kind, w.name
          from wanted w
            on conflict do nothing
        returning m.registry_id, m.kind, m.name)
    insert into tags as t (registry_id, kind, name, crates)
    select n.registry_id, n.kind, n.name, sum(n.crates)
      from (select registry_id, kind, name, -1 as crates from gone
            union all
            select registry_id, kind, name, 1 from come) n
     where n.kind <> 'dependency'
     group by n.registry_id, n.kind, n.name
     order by n.registry_id, n.kind, n.name
        on conflict (registry_id, kind, name) do update
       set crates = t.crates + excluded.crates;

    return null;
end
$$;

comment on function cargo_store.note_mentions() is
    'Keeps crate_mentions and the numbers of tags.';


-- once a statement: whoever refreshes all crates counts each tag once
create or replace trigger crates_mentions
    after update on cargo_store.crates
    referencing old table as old_rows new table as new_rows
    for each statement
    execute function cargo_store.note_mentions();
