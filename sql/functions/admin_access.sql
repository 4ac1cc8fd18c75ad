-- What the functions of cargo_admin have in common.  Whoever may call them is
-- an administrator of the database: they ask for no token and no role.  Each
-- that changes something is one row of the audit log, done or refused.

create or replace function cargo_store.problem(detail text)
returns jsonb
language sql immutable
return pg_catalog.jsonb_build_object('detail', detail);

comment on function cargo_store.problem(text) is
    'The body of an answer of cargo_admin that refuses.';


create or replace function cargo_store.find_registry(
    name text,
    out status integer,
    out detail text,
    out registry cargo_store.registries)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    select * into registry from registries r where r.name = find_registry.name;

    if not found then
        status := 404;
        detail := format('registry `%s` does not exist', name);
        return;
    end if;

    status := 200;
end
$$;

comment on function cargo_store.find_registry(text) is
    '200; 404 no such registry.';


create or replace function cargo_store.open_for_admin(registry text)
returns cargo_store.access
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    access         cargo_store.access;
    found_registry record;
begin
    select * into found_registry from find_registry(registry);

    access.status := found_registry.status;
    access.body := found_registry.detail;
    access.settings := found_registry.registry;
    access.account := 'cargoctl:' || session_user;
    access.role := 'admin';

    return access;
end
$$;

comment on function cargo_store.open_for_admin(text) is
    'What open_for_write() makes of a caller, for cargoctl: an admin without '
    'an account.  200; 404 no such registry.';


create or replace function cargo_store.readers_changed(crate_id bigint)
returns void
language sql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    insert into changes (registry_id, crate, kind)
    select c.registry_id, lower(c.name), 'readers'
      from crates c
     where c.id = $1;
$$;

comment on function cargo_store.readers_changed(bigint) is
    'To be called by every function that changes who sees a crate, once.';
