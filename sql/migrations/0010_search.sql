-- What crates are found by goes into a table of its own, written only when it
-- changes: a publish updates the row of its crate, and every index of that
-- table with it.  0011 fills it, functions/zv_search.sql ends the move.

create table cargo_store.crate_search (
    crate_id       bigint not null,
    registry_id    bigint not null,
    canonical_name text collate "C" not null,
    restricted     boolean not null,
    popularity     smallint not null,
    name_variants  text[] collate "C" not null,
    search_head    tsvector not null,
    search_readme  tsvector not null
);

comment on table cargo_store.crate_search is
    'a row for every crate with a default version, by which it is described.  '
    'Kept up to date by the trigger of functions/crate_search.sql; registry, '
    'name and restricted are those of crates, so that who searches needs not '
    'look there';
comment on column cargo_store.crate_search.popularity is
    'the logarithm of crate_downloads.downloads: changes seldom enough to be '
    'in this table, and tells which crates are worth a closer look';
comment on column cargo_store.crate_search.name_variants is
    'the canonical name, and what remains of it without one letter: two names '
    'that are one mistake apart have one in common';
comment on column cargo_store.crate_search.search_head is
    'words of the name (A), the keywords (B) and the description (C)';

comment on column cargo_store.crates.popularity is
    'no longer used, as name_variants, search_head and search_readme: see '
    'crate_search';

-- requests begin with registries, the count of downloads with versions
lock table cargo_store.registries, cargo_store.versions, cargo_store.crates
    in access exclusive mode;

-- It would be looked up, and its index written, at every publish.  Whoever
-- deletes a version sets another one before the transaction ends.
alter table cargo_store.crates
    drop constraint crates_default_version_id_fkey;

drop index cargo_store.crates_default_version_id_idx;


-- The functions that are there write to crates and do not know the table: what
-- they change from now on is noted, until those come that do.

create table cargo_store.crate_search_due (
    crate_id bigint not null
);

create function cargo_store.note_search_due()
returns trigger
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    insert into crate_search_due (crate_id) values (new.id);
    return null;
end
$$;

-- A crate gets its default version after its row, and loses it before.
create trigger crates_search_due
    after update on cargo_store.crates
    for each row
    when ((old.default_version_id is null) <> (new.default_version_id is null)
          or (old.restricted, old.popularity)
             <> (new.restricted, new.popularity)
          or (old.name_variants, old.search_head, old.search_readme)
             is distinct from (new.name_variants, new.search_head,
                               new.search_readme))
    execute function cargo_store.note_search_due();


create function cargo_store.copy_search_due()
returns void
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    ids bigint[];
begin
    with due as (
        delete from crate_search_due d returning d.crate_id)
    select array_agg(distinct d.crate_id) into ids from due d;

    delete from crate_search s where s.crate_id = any (ids);

    insert into crate_search
           (crate_id, registry_id, canonical_name, restricted, popularity,
            name_variants, search_head, search_readme)
    select c.id, c.registry_id, c.canonical_name, c.restricted, c.popularity,
           c.name_variants, c.search_head, c.search_readme
      from crates c
     where c.id = any (ids)
       and c.default_version_id is not null;
end
$$;

comment on function cargo_store.copy_search_due() is
    'Copies what was changed since it was copied last.  What is changed '
    'meanwhile is left for the next time: whoever wants to have it all locks '
    'crates before.';
