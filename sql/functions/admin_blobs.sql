-- Which files the versions refer to, for the sweep of what nobody refers to
-- and for the check that all others are there.

create or replace function cargo_admin.referenced_blobs(checksums text[])
returns setof text
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select w.checksum
      from unnest(checksums) w(checksum)
     where w.checksum ~ '^[0-9a-f]{64}$'
       and exists (select from versions v
                    where v.checksum
                          = case when w.checksum ~ '^[0-9a-f]{64}$'
                                 then decode(w.checksum, 'hex') end);
$$;

comment on function cargo_admin.referenced_blobs(text[]) is
    'Those of the checksums (64 lower case hex digits) that a version has.';


create or replace function cargo_admin.version_blobs(
    after_version bigint,
    max_rows integer)
returns table (version_id bigint, registry text, crate text, version text,
               checksum text, size bigint)
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select v.id, r.name, c.name, v.num, encode(v.checksum, 'hex'), v.size
      from versions v
           join crates c on c.id = v.crate_id
           join registries r on r.id = c.registry_id
     where v.id > after_version
     order by v.id
     limit max_rows;
$$;

comment on function cargo_admin.version_blobs(bigint, integer) is
    'The files that must be there, a page at a time by version_id; 0 begins.';
