create or replace function cargo_store.token_object(token cargo_store.tokens)
returns jsonb
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select to_jsonb($1) - 'hash' - 'account_id' - 'registry_id'
           || jsonb_build_object('login', a.login, 'registry', r.name)
      from accounts a
           left join registries r on r.id = ($1).registry_id
     where a.id = ($1).account_id;
$$;

comment on function cargo_store.token_object(cargo_store.tokens) is
    'A token as the functions of cargo_admin give it: never its hash.';


create or replace function cargo_store.scopes_refusal(
    endpoint_scopes text[],
    crate_scopes text[])
returns text
language plpgsql immutable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    known constant text[] := '{read,publish-new,publish-update,yank,'
                             'change-owners,admin}';
    wrong text;
begin
    if endpoint_scopes = '{}' or crate_scopes = '{}' then
        return 'a token without any scope is good for nothing: name one, or '
               'none for all';
    end if;

    select coalesce(s, 'null') into wrong
      from unnest(endpoint_scopes) s
     where coalesce(s <> all (known), true)
     limit 1;

    if found then
        return format('`%s` is no scope of a token: use %s', wrong,
                      array_to_string(known, ', '));
    end if;

    select coalesce(p, 'null') into wrong
      from unnest(crate_scopes) p
     where coalesce(p !~ '^([A-Za-z][A-Za-z0-9_-]{0,63}\*?|\*)$', true)
     limit 1;

    if found then
        return format('`%s` is no pattern for crates: use a name, the '
                      'beginning of names and "*", or "*" alone', wrong);
    end if;

    return null;
end
$$;

comment on function cargo_store.scopes_refusal(text[], text[]) is
    'What is wrong with the scopes that a token is to have; null: nothing.';


create or replace function cargo_store.check_token(
    account cargo_store.accounts,
    name text,
    hash bytea,
    registry cargo_store.registries,
    expires_at timestamptz,
    endpoint_scopes text[],
    crate_scopes text[])
returns text
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    if btrim(coalesce(name, '')) = '' then
        return 'a token needs a name that tells what it is for';

    -- names are shown on terminals
    elsif length(name) > 255 or name ~ '[\u0001-\u001f\u007f-\u009f]' then
        return 'the name of a token may have 255 characters and no control '
               'characters';

    elsif hash is null or length(hash) <> 32 then
        return 'the hash of a token is 32 bytes: SHA-256 of its text';

    elsif expires_at <= now() then
        return format('the token would have expired on %s already; give a '
                      'time to come', expires_at);

    elsif not exists (select from registries r
                       where r.id = coalesce(registry.id, r.id)
                         and role_in(r.id, account.id) is not null)
    then
        return format('account `%s` has no role in %s: grant one first',
                      account.login,
                      coalesce('registry `' || registry.name || '`',
                               'any registry'));
    end if;

    return scopes_refusal(endpoint_scopes, crate_scopes);
end
$$;

comment on function cargo_store.check_token(cargo_store.accounts, text, bytea,
                                            cargo_store.registries,
                                            timestamptz, text[], text[]) is
    'Why there cannot be such a token (400); null: there can.  registry: null '
    'for every one.';


create or replace function cargo_store.add_token(
    login text,
    name text,
    hash bytea,
    registry text,
    expires_at timestamptz,
    endpoint_scopes text[],
    crate_scopes text[],
    out status integer,
    out body jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    who    record;
    target record;
    detail text;
    token  tokens;
begin
    select * into who from find_account(login);
    select * into target from find_registry(registry);

    status := greatest(who.status, case when registry is null then 200
                                        else target.status end);
    detail := coalesce(who.detail, target.detail);

    if status = 200 then
        detail := check_token(who.account, name, hash, target.registry,
                              expires_at, endpoint_scopes, crate_scopes);
        status := case when detail is null then 200 else 400 end;
    end if;

    if status <> 200 then
        body := problem(detail);
        return;
    end if;

    insert into tokens as t
           (account_id, registry_id, name, hash, expires_at, endpoint_scopes,
            crate_scopes)
    values ((who.account).id, (target.registry).id, name, hash, expires_at,
            endpoint_scopes, crate_scopes)
        on conflict do nothing
    returning t.* into token;

    if not found then
        status := 409;
        body := problem('this token exists already');
        return;
    end if;

    -- a server may remember that it was unknown
    insert into changes (registry_id, kind)
    values (token.registry_id, 'token');

    body := token_object(token);
end
$$;

comment on function cargo_store.add_token(text, text, bytea, text, timestamptz,
                                          text[], text[]) is
    'cargo_admin.create_token() without its row in the audit log.';


create or replace function cargo_admin.create_token(
    login text,
    name text,
    hash bytea,
    registry text,
    expires_at timestamptz,
    endpoint_scopes text[],
    crate_scopes text[],
    out status integer,
    out body jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    select a.status, a.body
      into status, body
      from add_token(login, name, hash, registry, expires_at, endpoint_scopes,
                     crate_scopes) a;

    perform audit_admin(registry, 'create_token', null, null, status, body,
                        null, case when status = 200 then body end);
end
$$;

comment on function cargo_admin.create_token(text, text, bytea, text,
                                             timestamptz, text[], text[]) is
    'hash: SHA-256 of the token''s text.  registry: null for every one that '
    'the account has a role in.  expires_at: null for never.  '
    'endpoint_scopes, crate_scopes: null for all.  '
    '200 with the token; 400 bad name, hash, time or scopes, no role to use '
    'it with; 404 no such account or registry; 409 hash taken.';


create or replace function cargo_admin.list_tokens(
    login text,
    out status integer,
    out body jsonb)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    found_account record;
begin
    select * into found_account from find_account(login);

    if login is not null and found_account.status <> 200 then
        status := found_account.status;
        body := problem(found_account.detail);
        return;
    end if;

    status := 200;

    select coalesce(jsonb_agg(token_object(t) order by t.id), '[]')
      into body
      from tokens t
     where login is null
        or t.account_id = (found_account.account).id;
end
$$;

comment on function cargo_admin.list_tokens(text) is
    'login: null for the tokens of all accounts.  '
    '200 with an array of tokens, oldest first; 404 no such account.';


create or replace function cargo_admin.revoke_token(
    id bigint,
    out status integer,
    out body jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    token  tokens;
    before jsonb;
begin
    select * into token
      from tokens t
     where t.id = revoke_token.id
       for no key update;

    if found then
        before := token_object(token);

        update tokens t
           set revoked_at = coalesce(t.revoked_at, now())
         where t.id = token.id
        returning t.* into token;

        insert into changes (registry_id, kind)
        values (token.registry_id, 'token');

        status := 200;
        body := token_object(token);
    else
        status := 404;
        body := problem(format('token %s does not exist', id));
    end if;

    perform audit_admin((select r.name from registries r
                          where r.id = token.registry_id),
                        'revoke_token', null, null, status, body, before,
                        case when status = 200 then body end);
end
$$;

comment on function cargo_admin.revoke_token(bigint) is
    'For good; once more changes nothing.  '
    '200 with the token; 404 no such token.';
