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


create or replace function cargo_admin.create_token(
    login text,
    name text,
    hash bytea,
    registry text,
    expires_at timestamptz,
    out status integer,
    out body jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    detail        text;
    found_account record;
    bound_to      bigint;
    token         tokens;
begin
    select * into found_account from find_account(login);

    if registry is not null then
        select r.id into bound_to from registries r where r.name = registry;
    end if;

    if found_account.status <> 200 then
        status := found_account.status;
        detail := found_account.detail;

    elsif registry is not null and bound_to is null then
        status := 404;
        detail := format('registry `%s` does not exist', registry);

    elsif btrim(coalesce(name, '')) = '' then
        status := 400;
        detail := 'a token needs a name that tells what it is for';

    elsif hash is null or length(hash) <> 32 then
        status := 400;
        detail := 'the hash of a token is 32 bytes: SHA-256 of its text';

    elsif expires_at <= now() then
        status := 400;
        detail := format('the token would have expired on %s already; give a '
                         'time to come', expires_at);

    elsif not exists (select from members m
                       where m.account_id = (found_account.account).id
                         and m.registry_id = coalesce(bound_to, m.registry_id))
    then
        status := 400;
        detail := format('account `%s` has no role in %s: grant one first',
                         login, coalesce('registry `' || registry || '`',
                                         'any registry'));
    end if;

    if detail is not null then
        body := jsonb_build_object('detail', detail);
        return;
    end if;

    insert into tokens as t (account_id, registry_id, name, hash, expires_at)
    values ((found_account.account).id, bound_to, name, hash, expires_at)
        on conflict do nothing
    returning t.* into token;

    if not found then
        status := 409;
        body := jsonb_build_object('detail', 'this token exists already');
        return;
    end if;

    -- a server may remember that it was unknown
    insert into changes (registry_id, kind)
    values (bound_to, 'token');

    status := 200;
    body := token_object(token);
end
$$;

comment on function cargo_admin.create_token(text, text, bytea, text,
                                             timestamptz) is
    'hash: SHA-256 of the token''s text.  registry: null for every one that '
    'the account has a role in.  expires_at: null for never.  '
    '200 with the token; 400 bad name, hash or time, no role to use it with; '
    '404 no such account or registry; 409 hash taken.';


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
        body := jsonb_build_object('detail', found_account.detail);
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
    token tokens;
begin
    update tokens t
       set revoked_at = coalesce(t.revoked_at, now())
     where t.id = revoke_token.id
    returning t.* into token;

    if not found then
        status := 404;
        body := jsonb_build_object(
                    'detail', format('token %s does not exist', id));
        return;
    end if;

    insert into changes (registry_id, kind)
    values (token.registry_id, 'token');

    status := 200;
    body := token_object(token);
end
$$;

comment on function cargo_admin.revoke_token(bigint) is
    'For good; once more changes nothing.  '
    '200 with the token; 404 no such token.';
