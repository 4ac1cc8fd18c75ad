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
language sql immutable parallel safe
return pg_catalog.format('registry `%s` does not exist; look at the index URL '
                         'in the configuration of cargo', registry);

comment on function cargo_store.no_registry(text) is
    'The sentence for 404, unknown registry.';


create or replace function cargo_store.no_crate(crate text)
returns text
language sql immutable parallel safe
return pg_catalog.format('crate `%s` does not exist', crate);

comment on function cargo_store.no_crate(text) is
    'The sentence for 404, unknown crate.';


create or replace function cargo_store.find_version(
    registry_id bigint,
    crate text,
    version text,
    out status integer,
    out body text,
    out crate_id bigint,
    out version_id bigint,
    out checksum text)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    -- the unique index holds numbers without build metadata
    select c.id, v.id, encode(v.checksum, 'hex')
      into crate_id, version_id, checksum
      from crates c
           left join versions v
                  on v.crate_id = c.id
                 and v.num_without_build
                     = split_part(find_version.version, '+', 1)
                 and v.num = find_version.version
     where c.registry_id = find_version.registry_id
       and c.canonical_name = canonical_name(crate);

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

comment on function cargo_store.find_version(bigint, text, text) is
    'The crate under any spelling, the version by its exact text.  '
    '200; 404 no such crate or version.';


create or replace function cargo_store.open_version(
    registry text,
    token bytea,
    crate text,
    version text,
    out status integer,
    out body text,
    out version_id bigint,
    out checksum text,
    out auth_required boolean)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    registry_id bigint;
begin
    select a.status, a.body, a.registry_id, a.auth_required
      into status, body, registry_id, auth_required
      from open_for_read(registry, token) a;

    if status = 200 then
        select v.status, v.body, v.version_id, v.checksum
          into status, body, version_id, checksum
          from find_version(registry_id, crate, version) v;
    end if;
end
$$;

comment on function cargo_store.open_version(text, bytea, text, text) is
    'find_version() for somebody who wants to read.  '
    '200; 401 no good token for a private registry; '
    '404 no such registry, crate or version.';


create or replace function cargo_store.index_changed(
    crate_id bigint,
    kind text)
returns void
language sql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    -- the clock, not now(): the transaction may have waited for another one
    with crate as (
        update crates c
           set index_modified
                   = greatest(date_trunc('second', clock_timestamp()),
                              index_modified + interval '1 second'),
               updated_at = now(),
               (num_versions, default_version_id, max_version,
                max_stable_version, newest_version, name_variants,
                search_head, search_readme)
                   = (select * from crate_summary(c.id))
         where id = $1
        returning id, registry_id, lower(name) as name),
    counter as (
        insert into crate_downloads (crate_id, registry_id)
        select id, registry_id
          from crate
            on conflict do nothing)
    insert into changes (registry_id, crate, kind)
    select registry_id, name, $2
      from crate;
$$;

comment on function cargo_store.index_changed(bigint, text) is
    'To be called by every function that changes an index document, once, '
    'after the change; brings what the row of the crate says of its versions '
    'up to date.';
