-- Who calls.  Everything that decides on a credential is here: identify() says
-- what it is worth in a registry, open_for_read() and open_for_write() turn
-- that into the answers that cargo understands (401 where it reads, with the
-- hint to log in that it prints itself; 403 where it writes).

create or replace function cargo_store.roles_in(
    registry_id bigint,
    account_id integer)
returns setof cargo_store.member_role
language sql stable
begin atomic
    select m.role
      from cargo_store.members m
     where m.account_id = roles_in.account_id
       and m.registry_id = roles_in.registry_id
    union all
    select t.role
      from cargo_store.team_members b
           join cargo_store.team_roles t on t.team_id = b.team_id
     where b.account_id = roles_in.account_id
       and t.registry_id = roles_in.registry_id;
end;

comment on function cargo_store.roles_in(bigint, integer) is
    'The roles that the account has, by itself and by its teams.  Parsed when '
    'created, so that the planner can inline it.';


create or replace function cargo_store.role_in(
    registry_id bigint,
    account_id integer)
returns cargo_store.member_role
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    return (select max(r) from roles_in(registry_id, account_id) r);
end
$$;

comment on function cargo_store.role_in(bigint, integer) is
    'The highest of them; null: none.';


create or replace function cargo_store.identify_token(
    registry text,
    hash bytea)
returns cargo_store.access
language plpgsql stable
as $$
declare
    access cargo_store.access;
    token  record;
begin
    -- asked by every request: one statement for all that there is to know
    select r as settings, t.id, t.name, t.last_used_at, t.expires_at,
           t.revoked_at, t.endpoint_scopes, t.crate_scopes, t.account_id,
           a.login, a.disabled_at,
           (select max(o) from roles_in(r.id, t.account_id) o) as role
      into token
      from registries r
           left join tokens t
                  on t.hash = identify_token.hash
                 and (t.registry_id is null or t.registry_id = r.id)
           left join accounts a on a.id = t.account_id
     where r.name = registry;

    if not found then
        access.status := 404;
        access.body := no_registry(registry);
        return access;
    end if;

    access.settings := token.settings;
    access.status := 401;

    -- a token of somebody who has no business here must look like any other
    -- string of characters
    if token.role is null then
        access.body := 'this registry does not know the token; run `cargo '
                       'login` with a token of this registry';
        return access;
    end if;

    access.role := token.role;
    access.account_id := token.account_id;
    access.account := token.login;
    access.token_id := token.id;
    access.token_name := token.name;
    access.last_used_at := token.last_used_at;
    access.expires_at := token.expires_at;
    access.endpoint_scopes := token.endpoint_scopes;

    if token.crate_scopes is not null then
        access.crate_scopes := array(select canonical_name(p)
                                       from unnest(token.crate_scopes) p);
    end if;

    if token.revoked_at is not null then
        access.body := 'the token has been revoked; ask an administrator of '
                       'the registry for a new one and run `cargo login`';

    elsif token.expires_at <= now() then
        access.body := format('the token expired on %s; ask an administrator '
                              'of the registry for a new one and run `cargo '
                              'login`', utc_minute(token.expires_at));

    elsif token.disabled_at is not null then
        access.body := 'the account of the token is disabled; ask an '
                       'administrator of the registry';

    else
        access.status := 200;
    end if;

    return access;
end
$$;

comment on function cargo_store.identify_token(text, bytea) is
    'By the hash of a token.  200; 401 unknown here, revoked, expired, of a '
    'disabled account; 404 no such registry.';


create or replace function cargo_store.identify_login(
    access cargo_store.access,
    login text)
returns cargo_store.access
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    account accounts;
begin
    select * into account
      from accounts a
     where lower(a.login) = lower(identify_login.login collate "C");

    access.role := role_in((access.settings).id, account.id);
    access.status := 403;

    if access.role is null then
        access.body := format('the user `%s` has no role in registry `%s`; '
                              'ask an administrator of the registry',
                              login, (access.settings).name);
        return access;
    end if;

    access.account_id := account.id;
    access.account := account.login;

    if account.disabled_at is not null then
        access.body := format('the account `%s` is disabled; ask an '
                              'administrator of the registry', account.login);
    else
        access.status := 200;
    end if;

    return access;
end
$$;

comment on function cargo_store.identify_login(cargo_store.access, text) is
    'Somebody whom nginx has authenticated.  200; 403 no role here, disabled.';


create or replace function cargo_store.identify(
    registry text,
    caller cargo.caller)
returns cargo_store.access
language plpgsql stable
as $$
declare
    access cargo_store.access;
begin
    if caller.token is not null then
        return identify_token(registry, caller.token);
    end if;

    select r into access.settings from registries r where r.name = registry;

    if not found then
        access.status := 404;
        access.body := no_registry(registry);
        return access;
    end if;

    if caller.login is not null then
        return identify_login(access, caller.login);
    end if;

    access.status := 401;
    access.body := null;

    return access;
end
$$;

comment on function cargo_store.identify(text, cargo.caller) is
    'A token decides, without one the login.  200; 401 nobody (with a body '
    'if the token is not good); 403 a login without rights; 404 no such '
    'registry.';


create or replace function cargo_store.touch_token(access cargo_store.access)
returns void
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    if current_setting('transaction_read_only')::boolean then
        return;
    end if;

    begin
        -- a token shared by many jobs must not make them wait for each other
        update tokens
           set last_used_at = now()
         where id = (select t.id from tokens t
                      where t.id = access.token_id
                        for no key update skip locked);
    exception
        -- a full disk is no reason to refuse who reads
        when insufficient_resources then
            null;
    end;
end
$$;

comment on function cargo_store.touch_token(cargo_store.access) is
    'Notes the use of a token that needs_touch().';


create or replace function cargo_store.needs_touch(access cargo_store.access)
returns boolean
language sql stable
return access.token_id is not null
       and coalesce(access.last_used_at <= now() - interval '1 minute', true);

comment on function cargo_store.needs_touch(cargo_store.access) is
    'Is the use of a token to be noted?  It is at most once a minute.';


create or replace function cargo_store.scope_refusal(
    access cargo_store.access,
    needed text[],
    crate text default null)
returns text
language plpgsql immutable
as $$
begin
    if not access.endpoint_scopes && needed then
        return format('this token does not have the required permissions to '
                      'perform this action: it needs the scope `%s`',
                      array_to_string(needed, '` or `'));

    elsif crate is not null
        and not name_matches(canonical_name(crate), access.crate_scopes)
    then
        return format('this token does not have the required permissions to '
                      'perform this action: it is not for crate `%s`', crate);
    end if;

    return null;
end
$$;

comment on function cargo_store.scope_refusal(cargo_store.access, text[],
                                              text) is
    'Why the token is not enough (403): it has none of the needed scopes, or '
    'may not change the crate; null: it is, as is a login.';


create or replace function cargo_store.role_needed(
    role cargo_store.member_role)
returns text
language sql immutable
set search_path = pg_catalog, cargo_store, pg_temp
return case when role = 'admin' then 'the role admin'
            else format('the role %s or a higher one', role) end;

comment on function cargo_store.role_needed(cargo_store.member_role) is
    'A role as a sentence names it that asks for it.';


create or replace function cargo_store.open_for_read(
    registry text,
    caller cargo.caller)
returns cargo_store.access
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    access  cargo_store.access;
    nobody  cargo_store.access;
    refusal text;
begin
    -- most of all reads: nobody asks for what everybody is given
    if caller.token is null and caller.login is null then
        select r into nobody.settings
          from registries r
         where r.name = registry
           and not r.auth_required;

        if found then
            nobody.status := 200;
            return nobody;
        end if;
    end if;

    access := identify(registry, caller);

    if access.status = 404 then
        return access;
    end if;

    if access.status = 200 then
        refusal := scope_refusal(access, '{read}');

        if refusal is not null then
            access.status := 403;
            access.body := refusal;
        end if;
    end if;

    if access.status <> 200 and not (access.settings).auth_required then
        -- in a public registry who is not good is nobody
        nobody.settings := access.settings;
        nobody.status := 200;
        access := nobody;
    end if;

    if access.status = 401 then
        access.body := coalesce('token rejected: ' || access.body,
                                'a token is needed: run `cargo login` with a '
                                'token of this registry');
    end if;

    return access;
end
$$;

comment on function cargo_store.open_for_read(text, cargo.caller) is
    '200; of a private registry 401 no good token, 403 a token without the '
    'scope, a login without rights; 404 no such registry.';


create or replace function cargo_store.expiry(access cargo_store.access)
returns bigint
language sql stable
return case when access.status = 200 and isfinite(access.expires_at)
            then floor(extract(epoch from access.expires_at)) end;

comment on function cargo_store.expiry(cargo_store.access) is
    'Seconds since 1970 until which the token is good; null: it does not end, '
    'or there is none, or none that is good.  Stable, as extract() is for a '
    'timestamptz, or it would not be inlined.';


create or replace function cargo_store.open_for_write(
    registry text,
    caller cargo.caller,
    needed cargo_store.member_role,
    scopes text[],
    crate text default null)
returns cargo_store.access
language plpgsql volatile
as $$
declare
    access cargo_store.access := identify(registry, caller);
begin
    if access.status = 401 then
        access.status := 403;
        access.body := coalesce('authentication failed: ' || access.body,
                                'this action requires authentication; run '
                                '`cargo login` with a token of this registry');
    end if;

    if access.status <> 200 then
        return access;
    end if;

    if needs_touch(access) then
        perform touch_token(access);
    end if;

    access.body := scope_refusal(access, scopes, crate);

    if access.body is null and access.role < needed then
        access.body := format('this action needs %s in registry `%s`, the '
                              'account `%s` has the role %s; ask an '
                              'administrator of the registry',
                              role_needed(needed), registry, access.account,
                              access.role);
    end if;

    if access.body is not null then
        access.status := 403;
    end if;

    return access;
end
$$;

comment on function cargo_store.open_for_write(text, cargo.caller,
                                               cargo_store.member_role,
                                               text[], text) is
    'scopes: one of these is enough; null: any good token.  crate: which one '
    'is to be changed.  '
    '200; 403 no good token, wrong scope, too low a role; 404 no such '
    'registry.';


create or replace function cargo.authenticate(
    registry text,
    caller cargo.caller,
    action text,
    out status integer,
    out body text,
    out account text,
    out token_name text)
language plpgsql volatile security definer
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    access cargo_store.access;
begin
    if action is distinct from 'publish' then
        raise exception 'unknown action "%"', action
            using errcode = 'invalid_parameter_value';
    end if;

    access := open_for_write(registry, caller, 'publisher',
                             '{publish-new,publish-update}');

    status := access.status;
    body := access.body;
    account := access.account;
    token_name := access.token_name;

    if status <> 200 then
        perform audit(access, registry, caller, action, null, null, status,
                      body);
    end if;
end
$$;

comment on function cargo.authenticate(text, cargo.caller, text) is
    'May the caller publish here?  Asked before an upload is read; '
    'cargo.publish() decides again.  action: publish.  '
    '200 with an empty body; 403 no good token, wrong scope, too low a role; '
    '404 no such registry.';
