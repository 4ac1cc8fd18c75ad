create or replace function cargo_admin.export_versions(
    registry text,
    after_crate text,
    max_crates integer)
returns table (crate text, version text, checksum text, size bigint,
               line text)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    target record;
begin
    select * into target from find_registry(registry);

    if target.status <> 200 then
        raise exception '%', target.detail using errcode = 'no_data_found';
    end if;

    -- a crate without versions would be a page without an end to go on from
    return query
        select c.name, v.num, encode(v.checksum, 'hex'), v.size,
               v.index_head
               || case when v.yanked then 'true' else 'false' end
               || v.index_tail
          from (select p.id, p.name, p.canonical_name
                  from crates p
                 where p.registry_id = (target.registry).id
                   and p.canonical_name
                       > canonical_name(coalesce(after_crate, ''))
                   and p.default_version_id is not null
                 order by p.canonical_name
                 limit max_crates) c
               join versions v on v.crate_id = c.id
         order by c.canonical_name, v.id;
end
$$;

comment on function cargo_admin.export_versions(text, text, integer) is
    'All versions of the next crates by name, those of a crate as in its index '
    'document; null begins.  line: of that document, without the newline.  '
    'Raises no_data_found: no such registry.';
