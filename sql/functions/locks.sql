create or replace function cargo_store.lock_crate(
    access cargo_store.access,
    crate text,
    deleting boolean default false,
    out status integer,
    out body text,
    out crate_id bigint,
    out name text)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    if deleting then
        select c.id into crate_id
          from crates c
         where c.registry_id = (access.settings).id
           and c.canonical_name = canonical_name(crate)
           for update;
    else
        select c.id into crate_id
          from crates c
         where c.registry_id = (access.settings).id
           and c.canonical_name = canonical_name(crate)
           for no key update;
    end if;

    -- a statement of its own: it sees what was changed while this one waited
    select f.status, f.body, f.crate_id, f.name
      into status, body, crate_id, name
      from find_crate(access, case when crate_id is not null then crate end) f;

    if status <> 200 then
        body := no_crate(crate);
    end if;
end
$$;

comment on function cargo_store.lock_crate(cargo_store.access, text,
                                           boolean) is
    'The crate under any spelling, locked until the end of the transaction: '
    'nobody else publishes to it, yanks in it or changes its owners, nor, '
    'when it is to be deleted, depends on it or follows it.  '
    '200; 404 none that the caller sees.';
