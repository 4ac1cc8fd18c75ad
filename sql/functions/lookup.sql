-- Names and what they stand for, in the words every function uses.

create or replace function cargo_store.canonical_name(name text)
returns text
language sql immutable strict parallel safe
return pg_catalog.replace(pg_catalog.lower(name collate "C"), '-', '_');

comment on function cargo_store.canonical_name(text) is
    'Two names of crates collide when this is equal: the expression of '
    'crates.canonical_name.  Parsed when created, so that the planner can '
    'inline it, which a function with settings of its own it cannot.';


create or replace function cargo_store.no_registry(registry text)
returns text
language sql stable parallel safe
return pg_catalog.format('registry `%s` does not exist; look at the index URL '
                         'in the configuration of cargo', registry);

comment on function cargo_store.no_registry(text) is
    'The sentence for 404, unknown registry.';


create or replace function cargo_store.no_crate(crate text)
returns text
language sql stable parallel safe
return pg_catalog.format('crate `%s` does not exist', crate);

comment on function cargo_store.no_crate(text) is
    'The sentence for 404, unknown crate.';


create or replace function cargo_store.find_crate(
    access cargo_store.access,
    crate text,
    out status integer,
    out body text,
    out crate_id bigint,
    out name text)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    select c.id, c.name
      into crate_id, name
      from crates c
     where c.registry_id = (access.settings).id
       and c.canonical_name = canonical_name(crate)
       and sees(c, access);

    if found then
        status := 200;
        body := '';
    else
        status := 404;
        body := no_crate(crate);
    end if;
end
$$;

comment on function cargo_store.find_crate(cargo_store.access, text) is
    'The crate under any spelling.  200; 404 none that the caller sees.';


create or replace function cargo_store.find_version(
    access cargo_store.access,
    crate text,
    version text,
    out status integer,
    out body text,
    out crate_id bigint,
    out version_id bigint,
    out checksum text,
    out restricted boolean)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    -- the unique index holds numbers without build metadata
    select c.id, v.id, encode(v.checksum, 'hex'), c.restricted
      into crate_id, version_id, checksum, restricted
      from crates c
           left join versions v
                  on v.crate_id = c.id
                 and v.num_without_build
                     = split_part(find_version.version, '+', 1)
                 and v.num = find_version.version
     where c.registry_id = (access.settings).id
       and c.canonical_name = canonical_name(crate)
       and sees(c, access);

    if crate_id is null then
        status := 404;
        body := no_crate(crate);

    elsif version_id is null then
        status := 404;
        body := format('crate `%s` does not have a version `%s`',
                       crate, version);

    else
        status := 200;
        body := '';
    end if;
end
$$;

comment on function cargo_store.find_version(cargo_store.access, text,
                                             text) is
    'The crate under any spelling, the version by its exact text.  '
    '200; 404 no such crate, or none that the caller sees, or no such '
    'version.';


create or replace function cargo_store.index_changed(
    crate_id bigint,
    kind text,
    new_version text default null,
    new_line text default null)
returns void
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    changed record;
begin
    -- the clock, not now(): the transaction may have waited for another one
    update crates c
       set index_modified = greatest(date_trunc('second', clock_timestamp()),
                                     c.index_modified + interval '1 second'),
           updated_at = now(),
           (num_versions, default_version_id, max_version, max_stable_version,
            newest_version)
               = (select case when few.numbers is null then s.num_versions
                              else c.num_versions + 1 end,
                         s.default_version_id, s.max_version,
                         s.max_stable_version, s.newest_version
                    -- not many are looked at sooner than a few are found
                    from (select case when new_version is not null
                                           and c.num_versions >= 16
                                      then versions_that_count(c, new_version)
                                      end as numbers) few
                         cross join lateral
                             versions_summary(c.id, few.numbers) s)
     where c.id = index_changed.crate_id
    returning c.registry_id, lower(c.name) as name, c.index_modified,
              c.num_versions
      into changed;

    -- with more than one it has had a row since its first
    if changed.num_versions = 1 then
        insert into crate_downloads (crate_id, registry_id)
        values (index_changed.crate_id, changed.registry_id)
            on conflict do nothing;
    end if;

    -- of a crate with other versions no document is stored when it is too long
    -- or restricted, or cargoctl migrate has not come to it yet
    if new_line is null or changed.num_versions = 1 then
        perform store_document(c)
           from crates c
          where c.id = index_changed.crate_id;

    elsif not append_to_document(changed.registry_id, changed.name,
                                 changed.index_modified, new_line)
    then
        delete from documents d where d.crate_id = index_changed.crate_id;
    end if;

    insert into changes (registry_id, crate, kind)
    values (changed.registry_id, changed.name, index_changed.kind);
end
$$;

comment on function cargo_store.index_changed(bigint, text, text, text) is
    'To be called by every function that changes an index document, once, '
    'after the change; brings what the row of the crate says of its versions '
    'up to date.  new_version, new_line: when all that was done is to add this '
    'version, and its line at the end.';


create or replace function cargo_store.index_begun(
    crate_id bigint,
    line text)
returns void
language plpgsql volatile
as $$
declare
    crate cargo_store.crates;
begin
    select * into crate from crates c where c.id = index_begun.crate_id;

    perform store_search(crate);

    if exists (select from mentions_of(crate.default_version_id)) then
        perform store_mentions(crate, crate.restricted);
    end if;

    insert into crate_downloads (crate_id, registry_id)
    values (crate.id, crate.registry_id);

    insert into documents (registry_id, name, crate_id, modified, body)
    select crate.registry_id, lower(crate.name), crate.id,
           extract(epoch from crate.index_modified), line
     where is_stored(octet_length(line));

    insert into changes (registry_id, crate, kind)
    values (crate.registry_id, lower(crate.name), 'publish');
end
$$;

comment on function cargo_store.index_begun(bigint, text) is
    'The same for a crate that was created with its first and only version, '
    'for which the row is right already.';
