-- Who calls.  Everything that decides on a token is here: token_access() says
-- what the token is worth in a registry, open_for_read() and open_for_write()
-- turn that into the answers that cargo understands (401 where it reads, with
-- the hint to log in that it prints itself; 403 where it writes).

create or replace function cargo_store.token_access(
    registry_id bigint,
    token bytea,
    out account_id integer,
    out role cargo_store.member_role,
    out token_id bigint,
    out last_used_at timestamptz,
    out refusal text)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    revoked_at  timestamptz;
    expires_at  timestamptz;
    disabled_at timestamptz;
begin
    select a.id, m.role, t.id, t.last_used_at,
           t.revoked_at, t.expires_at, a.disabled_at
      into account_id, role, token_id, last_used_at,
           revoked_at, expires_at, disabled_at
      from tokens t
           join accounts a on a.id = t.account_id
           join members m on m.account_id = t.account_id
     where t.hash = token_access.token
       and m.registry_id = token_access.registry_id
       and (t.registry_id is null
            or t.registry_id = token_access.registry_id);

    -- a token of somebody who has no business here must look like any other
    -- string of characters
    if not found then
        refusal := 'this registry does not know the token; run `cargo login` '
                   'with a token of this registry';

    elsif revoked_at is not null then
        refusal := 'the token has been revoked; ask an administrator of the '
                   'registry for a new one and run `cargo login`';

    elsif expires_at <= now() then
        refusal := format('the token expired on %s; ask an administrator of '
                          'the registry for a new one and run `cargo login`',
                          to_char(expires_at at time zone 'UTC',
                                  'YYYY-MM-DD HH24:MI "UTC"'));

    elsif disabled_at is not null then
        refusal := 'the account of the token is disabled; ask an '
                   'administrator of the registry';
    end if;
end
$$;

comment on function cargo_store.token_access(bigint, bytea) is
    'What a token is worth in a registry; refusal is null when it is good.';


create or replace function cargo_store.touch_token(
    token_id bigint,
    last_used_at timestamptz)
returns void
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    if last_used_at > now() - interval '1 minute'
        or current_setting('transaction_read_only')::boolean
    then
        return;
    end if;

    -- a token shared by many jobs must not make them wait for each other
    update tokens
       set last_used_at = now()
     where id = (select t.id from tokens t
                  where t.id = token_id
                    for no key update skip locked);
end
$$;

comment on function cargo_store.touch_token(bigint, timestamptz) is
    'Notes the use of a token, at most once a minute.';


create or replace function cargo_store.open_for_read(
    registry text,
    token bytea,
    out status integer,
    out body text,
    out registry_id bigint,
    out auth_required boolean,
    out token_id bigint,
    out last_used_at timestamptz)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    access record;
begin
    select r.id, r.auth_required
      into registry_id, auth_required
      from registries r
     where r.name = registry;

    if not found then
        status := 404;
        body := no_registry(registry);
        auth_required := false;
        return;
    end if;

    status := 200;
    body := '';

    if not auth_required then
        return;
    end if;

    if token is null then
        status := 401;
        body := 'a token is needed: run `cargo login` with a token of this '
                'registry';
        return;
    end if;

    select * into access from token_access(registry_id, token);

    if access.refusal is not null then
        status := 401;
        body := 'token rejected: ' || access.refusal;
        return;
    end if;

    token_id := access.token_id;
    last_used_at := access.last_used_at;
end
$$;

comment on function cargo_store.open_for_read(text, bytea) is
    '200; 401 no good token for a private registry; 404 no such registry.';


create or replace function cargo_store.open_for_write(
    registry text,
    token bytea,
    needed cargo_store.member_role,
    out status integer,
    out body text,
    out settings cargo_store.registries,
    out account_id integer,
    out role cargo_store.member_role)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    access record;
begin
    select * into settings from registries r where r.name = registry;

    if not found then
        status := 404;
        body := no_registry(registry);
        return;
    end if;

    status := 403;

    if token is null then
        body := 'this action requires authentication; run `cargo login` with '
                'a token of this registry';
        return;
    end if;

    select * into access from token_access(settings.id, token);

    if access.refusal is not null then
        body := 'authentication failed: ' || access.refusal;
        return;
    end if;

    perform touch_token(access.token_id, access.last_used_at);

    if access.role < needed then
        body := format('this action needs the role %s or a higher one in '
                       'registry `%s`, the account of the token has the role '
                       '%s; ask an administrator of the registry',
                       needed, registry, access.role);
        return;
    end if;

    status := 200;
    body := '';
    account_id := access.account_id;
    role := access.role;
end
$$;

comment on function cargo_store.open_for_write(text, bytea,
                                               cargo_store.member_role) is
    '200; 403 no good token or too low a role; 404 no such registry.';


create or replace function cargo.authenticate(
    registry text,
    token bytea,
    action text,
    out status integer,
    out body text)
language plpgsql volatile security definer
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    if action is distinct from 'publish' then
        raise exception 'unknown action "%"', action
            using errcode = 'invalid_parameter_value';
    end if;

    select a.status, a.body
      into status, body
      from open_for_write(registry, token, 'publisher') a;
end
$$;

comment on function cargo.authenticate(text, bytea, text) is
    'May this token publish here?  Asked before an upload is read; '
    'cargo.publish() decides again.  action: publish.  '
    '200 with an empty body; 403 no good token or too low a role; '
    '404 no such registry.';
