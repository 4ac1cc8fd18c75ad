create or replace function cargo_store.open_owners(
    registry text,
    caller cargo.caller,
    crate text,
    request jsonb,
    out access cargo_store.access,
    out principals text[])
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    asked  record;
    target record;
begin
    access := open_for_write(registry, caller, 'publisher', '{change-owners}',
                             crate);

    if access.status <> 200 then
        return;
    end if;

    -- who may not change them hears that first
    select * into target from lock_crate(access, crate);
    access.status := target.status;
    access.body := target.body;

    if access.status = 200 then
        access.body := modify_refusal(access, target.crate_id);
        access.status := case when access.body is null then 200 else 403 end;
    end if;

    if access.status <> 200 then
        return;
    end if;

    select * into asked from requested_principals(request);
    principals := asked.principals;

    if asked.refusal is not null then
        access.status := 400;
        access.body := asked.refusal;
    end if;
end
$$;

comment on function cargo_store.open_owners(text, cargo.caller, text,
                                            jsonb) is
    'Who asks for other owners, and for whom.  '
    '200; 400 not a list of logins and teams, more than 10; 403 no good '
    'token, wrong scope, too low a role, neither owner nor admin; 404 no such '
    'registry or crate.';


create or replace function cargo_store.change_owners(
    access cargo_store.access,
    crate text,
    principals text[],
    action text,
    out status integer,
    out body text,
    out before jsonb,
    out after jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    if action = 'add_owners' then
        select a.status, a.body, a.before, a.after
          into status, body, before, after
          from attach_owners(access, crate, principals) a;
    else
        select d.status, d.body, d.before, d.after
          into status, body, before, after
          from detach_owners(access, crate, principals) d;
    end if;
end
$$;

comment on function cargo_store.change_owners(cargo_store.access, text, text[],
                                              text) is
    'action: `add_owners` or `remove_owners`, as in the audit log.  '
    '200 with a message; 400, 404 as in attach_owners(), detach_owners().';


create or replace function cargo_store.answer_owners(
    registry text,
    caller cargo.caller,
    crate text,
    request jsonb,
    action text,
    out status integer,
    out body text,
    out account text,
    out token_name text)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    opened record;
    access cargo_store.access;
    before jsonb;
    after  jsonb;
begin
    select * into opened from open_owners(registry, caller, crate, request);
    access := opened.access;
    status := access.status;
    body := access.body;
    account := access.account;
    token_name := access.token_name;

    if status = 200 then
        select c.status, c.body, c.before, c.after
          into status, body, before, after
          from change_owners(access, crate, opened.principals, action) c;
    end if;

    if status = 200 then
        body := json_build_object('ok', true, 'msg', body);
    end if;

    perform audit(access, registry, caller, action, crate, null, status,
                  body, before, after);
end
$$;

comment on function cargo_store.answer_owners(text, cargo.caller, text, jsonb,
                                              text) is
    'action: as in change_owners().  '
    '200 with what cargo prints; 400, 403, 404 as in open_owners() and '
    'change_owners().';


create or replace function cargo.add_owners(
    registry text,
    caller cargo.caller,
    crate text,
    request jsonb,
    out status integer,
    out body text,
    out account text,
    out token_name text)
language plpgsql volatile security definer
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    select a.status, a.body, a.account, a.token_name
      into status, body, account, token_name
      from answer_owners(registry, caller, crate, request, 'add_owners') a;
end
$$;

comment on function cargo.add_owners(text, cargo.caller, text, jsonb) is
    'Makes the accounts and teams owners at once, all or none.  request: '
    '{"users": [login or team:NAME, ...]} or {"owners": ...}.  '
    '200 with a message; 400 no such list, more than 10, unknown, disabled, '
    'an owner already, too low a role; 403 no good token, wrong scope, too '
    'low a role, neither owner nor admin; 404 no such registry or crate.';


create or replace function cargo.remove_owners(
    registry text,
    caller cargo.caller,
    crate text,
    request jsonb,
    out status integer,
    out body text,
    out account text,
    out token_name text)
language plpgsql volatile security definer
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    select a.status, a.body, a.account, a.token_name
      into status, body, account, token_name
      from answer_owners(registry, caller, crate, request, 'remove_owners') a;
end
$$;

comment on function cargo.remove_owners(text, cargo.caller, text, jsonb) is
    'All or none, and never the last account that is not disabled.  request: '
    'as in add_owners().  '
    '200; 400 no such list, more than 10, not an owner, the last one; 403 no '
    'good token, wrong scope, too low a role, neither owner nor admin; 404 no '
    'such registry or crate.';
