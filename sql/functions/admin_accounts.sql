create or replace function cargo_store.account_object(
    account cargo_store.accounts)
returns jsonb
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select to_jsonb($1)
           || jsonb_build_object(
                  'roles', coalesce(jsonb_object_agg(r.name, m.role)
                                        filter (where r.name is not null),
                                    '{}'))
      from members m
           join registries r on r.id = m.registry_id
     where m.account_id = ($1).id;
$$;

comment on function cargo_store.account_object(cargo_store.accounts) is
    'An account as the functions of cargo_admin give it: its columns and '
    '"roles", an object of registry and role.';


create or replace function cargo_store.find_account(
    login text,
    out status integer,
    out detail text,
    out account cargo_store.accounts)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    select * into account
      from accounts a
     where lower(a.login) = lower(find_account.login collate "C");

    if not found then
        status := 404;
        detail := format('account `%s` does not exist', login);
        return;
    end if;

    status := 200;
end
$$;

comment on function cargo_store.find_account(text) is
    'By login, in any case.  200; 404 no such account.';


create or replace function cargo_admin.create_account(
    login text,
    name text,
    email text,
    kind text,
    registry text,
    role text,
    out status integer,
    out body jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    detail  text;
    account accounts;
begin
    status := 400;

    if login is null or login !~ '^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$' then
        detail := format('`%s` cannot be a login: use a letter or digit and '
                         'up to 63 more of these and "_", ".", "@", "-"',
                         login);

    elsif kind is null or kind not in ('person', 'service') then
        detail := format('`%s` is no kind of account: use person or service',
                         kind);

    elsif (registry is null) <> (role is null) then
        detail := 'registry and role go together: give both or neither';
    end if;

    if detail is not null then
        body := jsonb_build_object('detail', detail);
        return;
    end if;

    -- the role may be refused: then there must be no account either
    begin
        insert into accounts as a (login, name, email, kind)
        values (login, name, email, kind)
            on conflict do nothing
        returning a.* into account;

        if not found then
            status := 409;
            body := jsonb_build_object(
                        'detail', format('account `%s` exists already', login));
            return;
        end if;

        if role is null then
            status := 200;
            body := cargo_store.account_object(account);
            return;
        end if;

        select g.status, g.body
          into status, body
          from cargo_admin.grant_role(login, registry, role) g;

        if status <> 200 then
            raise exception using errcode = 'triggered_action_exception';
        end if;
    exception
        when triggered_action_exception then
            null;
    end;
end
$$;

comment on function cargo_admin.create_account(text, text, text, text, text,
                                               text) is
    'kind: person or service.  registry and role: a first role, or null.  '
    '200 with the account; 400 bad login, kind or role; '
    '404 no such registry; 409 login taken.';


create or replace function cargo_admin.grant_role(
    login text,
    registry text,
    role text,
    out status integer,
    out body jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    found_account record;
    granted_in    bigint;
begin
    select * into found_account from find_account(login);

    if found_account.status <> 200 then
        status := found_account.status;
        body := jsonb_build_object('detail', found_account.detail);
        return;
    end if;

    select r.id into granted_in from registries r where r.name = registry;

    if not found then
        status := 404;
        body := jsonb_build_object(
                    'detail', format('registry `%s` does not exist',
                                     registry));
        return;
    end if;

    if role = 'none' then
        delete from members m
         where m.account_id = (found_account.account).id
           and m.registry_id = granted_in;

    elsif role = any (enum_range(null::member_role)::text[]) then
        insert into members as m (registry_id, account_id, role)
        values (granted_in, (found_account.account).id, role::member_role)
            on conflict on constraint members_pkey do update
           set role = excluded.role;

    else
        status := 400;
        body := jsonb_build_object(
                    'detail', format('`%s` is no role: use %s or none', role,
                                     array_to_string(
                                         enum_range(null::member_role), ', ')));
        return;
    end if;

    insert into changes (registry_id, kind)
    values (granted_in, 'role');

    status := 200;
    body := account_object(found_account.account);
end
$$;

comment on function cargo_admin.grant_role(text, text, text) is
    'The one role that the account has in the registry from now on; none '
    'takes it away.  '
    '200 with the account; 400 no such role; 404 no such account or registry.';


create or replace function cargo_admin.disable_account(
    login text,
    disabled boolean,
    out status integer,
    out body jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    found_account record;
    account       accounts;
begin
    select * into found_account from find_account(login);

    if found_account.status <> 200 then
        status := found_account.status;
        body := jsonb_build_object('detail', found_account.detail);
        return;
    end if;

    update accounts a
       set disabled_at = case when disabled
                              then coalesce(a.disabled_at, now()) end
     where a.id = (found_account.account).id
    returning a.* into account;

    insert into changes (kind)
    values ('account');

    status := 200;
    body := account_object(account);
end
$$;

comment on function cargo_admin.disable_account(text, boolean) is
    'No token of a disabled account works; false lets them work again.  '
    '200 with the account; 404 no such account.';


create or replace function cargo_admin.list_accounts(
    out status integer,
    out body jsonb)
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select 200,
           coalesce(jsonb_agg(account_object(a) order by lower(a.login)), '[]')
      from accounts a;
$$;

comment on function cargo_admin.list_accounts() is
    '200 with an array of accounts, by login.';
