create or replace function cargo_store.account_object(
    account cargo_store.accounts)
returns jsonb
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select to_jsonb($1)
           || jsonb_build_object(
                  'roles', coalesce((select jsonb_object_agg(r.name, m.role)
                                       from members m
                                            join registries r
                                              on r.id = m.registry_id
                                      where m.account_id = ($1).id), '{}'),
                  'teams', array(select t.name
                                   from team_members m
                                        join teams t on t.id = m.team_id
                                  where m.account_id = ($1).id
                                  order by lower(t.name)));
$$;

comment on function cargo_store.account_object(cargo_store.accounts) is
    'An account as the functions of cargo_admin give it: its columns, "roles", '
    'an object of registry and role, and "teams", an array of names.';


create or replace function cargo_store.replace_role(
    registry_id bigint,
    account_id integer,
    team_id integer,
    role cargo_store.member_role,
    out former cargo_store.member_role)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    if team_id is null then
        delete from members m
         where m.account_id = replace_role.account_id
           and m.registry_id = replace_role.registry_id
        returning m.role into former;

        insert into members (registry_id, account_id, role)
        select registry_id, account_id, role
         where role is not null
            on conflict on constraint members_pkey do update
           set role = excluded.role;
    else
        delete from team_roles t
         where t.team_id = replace_role.team_id
           and t.registry_id = replace_role.registry_id
        returning t.role into former;

        insert into team_roles (registry_id, team_id, role)
        select registry_id, team_id, role
         where role is not null
            on conflict on constraint team_roles_pkey do update
           set role = excluded.role;
    end if;

    insert into changes (registry_id, kind)
    values (registry_id, 'role');
end
$$;

comment on function cargo_store.replace_role(bigint, integer, integer,
                                             cargo_store.member_role) is
    'Of an account or of a team, the other id is null.  role: null takes it '
    'away.';


create or replace function cargo_store.grant_role(
    principal text,
    registry text,
    role text,
    out status integer,
    out body jsonb,
    out before jsonb,
    out after jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    who    record;
    target record;
    former member_role;
begin
    select * into who from find_principal(principal);
    select * into target from find_registry(registry);

    status := greatest(who.status, target.status);
    body := problem(coalesce(who.detail, target.detail));

    if status <> 200 then
        return;
    end if;

    if role is null
        or role <> all (enum_range(null::member_role)::text[] || 'none'::text)
    then
        status := 400;
        body := problem(format('`%s` is no role: use %s or none', role,
                               array_to_string(enum_range(null::member_role),
                                               ', ')));
        return;
    end if;

    former := replace_role((target.registry).id, who.account_id, who.team_id,
                           nullif(role, 'none')::member_role);

    before := jsonb_build_object(
                  'name', principal_name(who.account_id, who.team_id),
                  'role', former);
    after := before || jsonb_build_object('role', nullif(role, 'none'));

    if who.team_id is null then
        select account_object(a) into body
          from accounts a where a.id = who.account_id;
    else
        select team_object(t) into body from teams t where t.id = who.team_id;
    end if;
end
$$;

comment on function cargo_store.grant_role(text, text, text) is
    'What cargo_admin.grant_role() does, and for its row in the audit log the '
    'principal and the role before and after.';


create or replace function cargo_admin.grant_role(
    principal text,
    registry text,
    role text,
    out status integer,
    out body jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    granted record;
begin
    select * into granted
      from cargo_store.grant_role(principal, registry, role);

    status := granted.status;
    body := granted.body;

    perform audit_admin(registry, 'grant_role', null, null, status, body,
                        granted.before, granted.after);
end
$$;

comment on function cargo_admin.grant_role(text, text, text) is
    'principal: `login` or `team:NAME`.  The one role that it has in the '
    'registry from now on; none takes it away.  '
    '200 with the account or the team; 400 no such role; 404 no such account, '
    'team or registry.';


create or replace function cargo_store.insert_account(
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
    account accounts;
begin
    insert into accounts as a (login, name, email, kind)
    values (login, name, email, kind)
        on conflict do nothing
    returning a.* into account;

    if not found then
        status := 409;
        body := problem(format('account `%s` exists already', login));
        return;
    end if;

    status := 200;
    body := account_object(account);

    if role is null then
        return;
    end if;

    select g.status, g.body
      into status, body
      from cargo_store.grant_role(login, registry, role) g;

    -- the role may be refused: then there must be no account either
    if status <> 200 then
        raise exception using errcode = 'triggered_action_exception';
    end if;
exception
    when triggered_action_exception then
        null;
end
$$;

comment on function cargo_store.insert_account(text, text, text, text, text,
                                               text) is
    'cargo_admin.create_account() without its checks.';


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
    detail text;
begin
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
        status := 400;
        body := problem(detail);
    else
        select i.status, i.body
          into status, body
          from insert_account(login, name, email, kind, registry, role) i;
    end if;

    perform audit_admin(registry, 'create_account', null, null, status, body,
                        null, case when status = 200 then body end);
end
$$;

comment on function cargo_admin.create_account(text, text, text, text, text,
                                               text) is
    'kind: person or service.  registry and role: a first role, or null.  '
    '200 with the account; 400 bad login, kind or role; '
    '404 no such registry; 409 login taken.';


create or replace function cargo_store.ownerless_crates(account_id integer)
returns text[]
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select array(select r.name || '/' || c.name
                   from owners o
                        join crates c on c.id = o.crate_id
                        join registries r on r.id = c.registry_id
                  where o.account_id = $1
                    and not exists (select from owners p
                                           join accounts a
                                             on a.id = p.account_id
                                     where p.crate_id = c.id
                                       and a.disabled_at is null)
                  order by r.name, c.canonical_name);
$$;

comment on function cargo_store.ownerless_crates(integer) is
    'Crates of the account of which no individual owner is enabled, as '
    'REGISTRY/CRATE.';


create or replace function cargo_admin.disable_account(
    login text,
    disabled boolean,
    out status integer,
    out body jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    target  record;
    account accounts;
    before  jsonb;
begin
    select * into target from find_account(login);

    status := target.status;
    body := problem(target.detail);

    if status = 200 then
        before := account_object(target.account);

        update accounts a
           set disabled_at = case when disabled
                                  then coalesce(a.disabled_at, now()) end
         where a.id = (target.account).id
        returning a.* into account;

        insert into changes (kind) values ('account');

        body := account_object(account);
    end if;

    perform audit_admin(null, case when disabled then 'disable_account'
                                   else 'enable_account' end,
                        null, null, status, body, before,
                        case when status = 200 then body end);

    if status = 200 and disabled then
        body := body || jsonb_build_object('ownerless_crates',
                                           ownerless_crates(account.id));
    end if;
end
$$;

comment on function cargo_admin.disable_account(text, boolean) is
    'No token of a disabled account works; false lets them work again.  '
    '200 with the account, and when it is disabled with ownerless_crates, an '
    'array of REGISTRY/CRATE; 404 no such account.';


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
