create or replace function cargo_store.open_for_principals(
    registry text,
    principals text[])
returns cargo_store.access
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    access cargo_store.access := open_for_admin(registry);
begin
    if access.status = 200 and coalesce(principals, '{}') = '{}' then
        access.status := 400;
        access.body := 'name at least one account or team';
    end if;

    return access;
end
$$;

comment on function cargo_store.open_for_principals(text, text[]) is
    '200; 400 nobody named; 404 no such registry.';


create or replace function cargo_store.administer_owners(
    registry text,
    crate text,
    principals text[],
    action text,
    out status integer,
    out body jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    access  cargo_store.access := open_for_principals(registry, principals);
    changed record;
    before  jsonb;
    after   jsonb;
begin
    status := access.status;
    body := problem(access.body);

    if status = 200 then
        select * into changed
          from change_owners(access, crate, principals, action);

        status := changed.status;
        body := problem(changed.body);
        before := changed.before;
        after := changed.after;
    end if;

    if status = 200 then
        body := (cargo_admin.show_crate(registry, crate)).body;
    end if;

    perform audit_admin(registry, action, crate, null, status, body, before,
                        after);
end
$$;

comment on function cargo_store.administer_owners(text, text, text[], text) is
    'action: as in change_owners().  '
    '200 with the crate; 400, 404 as in open_for_principals() and '
    'change_owners().';


create or replace function cargo_admin.add_owners(
    registry text,
    crate text,
    principals text[],
    out status integer,
    out body jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    select a.status, a.body
      into status, body
      from administer_owners(registry, crate, principals, 'add_owners') a;
end
$$;

comment on function cargo_admin.add_owners(text, text, text[]) is
    'principals: `login` or `team:NAME` each, all or none.  '
    '200 with the crate; 400 nobody named, unknown, disabled, an owner '
    'already, too low a role; 404 no such registry or crate.';


create or replace function cargo_admin.remove_owners(
    registry text,
    crate text,
    principals text[],
    out status integer,
    out body jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    select a.status, a.body
      into status, body
      from administer_owners(registry, crate, principals, 'remove_owners') a;
end
$$;

comment on function cargo_admin.remove_owners(text, text, text[]) is
    'All or none, and never the last account that is not disabled.  '
    '200 with the crate; 400 nobody named, not an owner, the last one; '
    '404 no such registry or crate.';
