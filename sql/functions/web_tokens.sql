-- Tokens that their owners make and revoke themselves.

create or replace function cargo_store.read_strings(
    list jsonb,
    name text,
    out refusal text,
    out strings text[])
language plpgsql immutable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    if list is null or jsonb_typeof(list) = 'null' then
        return;
    end if;

    if jsonb_typeof(list) <> 'array'
        or jsonb_path_exists(list, 'strict $[*] ? (@.type() <> "string")')
    then
        refusal := format('`%s` must be an array of strings, or null', name);

    elsif jsonb_array_length(list) > 100 then
        refusal := format('`%s` has more than 100 entries', name);

    else
        strings := array(select jsonb_array_elements_text(list));
    end if;
end
$$;

comment on function cargo_store.read_strings(jsonb, text) is
    'A member that is an array of strings; null when it is absent or null.  '
    'refusal (400) is null when all is well.';


create or replace function cargo_store.read_time(
    value jsonb,
    name text,
    out refusal text,
    out moment timestamptz)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    rfc3339 constant text := '^[0-9]{4}-[0-9]{2}-[0-9]{2}T'
                             '[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?'
                             '(Z|[+-][0-9]{2}:[0-9]{2})$';
begin
    if value is null or jsonb_typeof(value) = 'null' then
        return;
    end if;

    if jsonb_typeof(value) = 'string' and value#>>'{}' ~ rfc3339 then
        moment := value#>>'{}';
        return;
    end if;

    refusal := format('`%s` must be a time such as 2027-01-31T12:00:00Z, or '
                      'null', name);

exception
    when data_exception then
        refusal := format('`%s` is not a time that there is', name);
end
$$;

comment on function cargo_store.read_time(jsonb, text) is
    'A member that is a time of RFC 3339; null when it is absent or null.  '
    'refusal (400) is null when all is well.';


create or replace function cargo_store.token_request_refusal(request jsonb)
returns text
language plpgsql immutable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    token   jsonb := request->'api_token';
    unknown text;
begin
    if jsonb_typeof(token) is distinct from 'object' then
        return 'the request must be a JSON object: {"api_token":{"name":'
               '"what it is for"}}';
    end if;

    select k into unknown
      from jsonb_object_keys(token) k
     where k not in ('name', 'endpoint_scopes', 'crate_scopes', 'expired_at')
     limit 1;

    if found then
        return format('there is no `%s` of a token, only `name`, '
                      '`endpoint_scopes`, `crate_scopes` and `expired_at`',
                      left(unknown, 100));

    elsif jsonb_typeof(token->'name') is distinct from 'string'
        or btrim(token->>'name') = ''
    then
        return 'a token needs a `name` that tells what it is for';

    elsif length(token->>'name') > 255 then
        return '`name` is too long: it may have 255 characters';

    -- names are shown on terminals
    elsif token->>'name' ~ '[\u0001-\u001f\u007f-\u009f]' then
        return '`name` may have no control characters';
    end if;

    return null;
end
$$;

comment on function cargo_store.token_request_refusal(jsonb) is
    'What is wrong with a request for a token, as far as its form and its '
    'name go (400); null: nothing.';


create or replace function cargo_store.exceeds(
    access cargo_store.access,
    wanted cargo_store.tokens)
returns text
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    maker tokens;
begin
    -- null: the caller is a login, which may all
    select * into maker from tokens t where t.id = access.token_id;

    if maker.endpoint_scopes is not null
        and not coalesce(wanted.endpoint_scopes <@ maker.endpoint_scopes,
                         false)
    then
        return format('the new token may have no other scope than the token '
                      'that makes it: choose `endpoint_scopes` from `%s`',
                      array_to_string(maker.endpoint_scopes, '`, `'));

    -- a pattern within another one matches it as a name does
    elsif exists (select from unnest(coalesce(wanted.crate_scopes, '{*}')) p
                   where not name_matches(canonical_name(p),
                                          access.crate_scopes))
    then
        return format('the new token may be for no other crates than the '
                      'token that makes it: choose `crate_scopes` within `%s`',
                      array_to_string(maker.crate_scopes, '`, `'));

    elsif coalesce(wanted.expires_at, 'infinity') > maker.expires_at then
        return format('the new token may not live longer than the token that '
                      'makes it: choose an `expired_at` until %s',
                      rfc3339(maker.expires_at));
    end if;

    return null;
end
$$;

comment on function cargo_store.exceeds(cargo_store.access,
                                        cargo_store.tokens) is
    'Why the caller may not make such a token (403): it could do more than '
    'the token that makes it; null: it could not.';


create or replace function cargo_store.read_token(
    access cargo_store.access,
    request jsonb,
    out status integer,
    out body text,
    out token cargo_store.tokens)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    asked  constant jsonb := request->'api_token';
    scopes record;
    crates record;
    expiry record;
begin
    status := 400;
    body := token_request_refusal(request);

    if body is not null then
        return;
    end if;

    select * into scopes
      from read_strings(asked->'endpoint_scopes', 'endpoint_scopes');
    select * into crates
      from read_strings(asked->'crate_scopes', 'crate_scopes');
    select * into expiry from read_time(asked->'expired_at', 'expired_at');

    -- no pattern is every crate, as at crates.io
    crates.strings := nullif(crates.strings, '{}');

    body := coalesce(scopes.refusal, crates.refusal, expiry.refusal,
                     scopes_refusal(scopes.strings, crates.strings));

    if body is null and expiry.moment <= now() then
        body := '`expired_at` must be a time to come';
    end if;

    if body is not null then
        return;
    end if;

    -- of this registry and no other, whoever asks
    token.registry_id := (access.settings).id;
    token.account_id := access.account_id;
    token.name := btrim(asked->>'name');
    token.endpoint_scopes := scopes.strings;
    token.crate_scopes := crates.strings;
    token.expires_at := expiry.moment;

    body := exceeds(access, token);
    status := case when body is null then 200 else 403 end;
end
$$;

comment on function cargo_store.read_token(cargo_store.access, jsonb) is
    'The token that is asked for.  200; 400 a bad request, name, scope, '
    'pattern or time; 403 it could do more than the one that makes it.';


create or replace function cargo_store.token_facts(token cargo_store.tokens)
returns jsonb
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select jsonb_strip_nulls(jsonb_build_object(
               'id', ($1).id,
               'name', ($1).name,
               'endpoint_scopes', ($1).endpoint_scopes,
               'crate_scopes', ($1).crate_scopes,
               'expires_at', ($1).expires_at,
               'revoked_at', ($1).revoked_at));
$$;

comment on function cargo_store.token_facts(cargo_store.tokens) is
    'What the audit log has of a token.';


create or replace function cargo_store.store_token(
    access cargo_store.access,
    hash bytea,
    request jsonb,
    out status integer,
    out body text,
    out after jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    wanted record;
    token  tokens;
begin
    select * into wanted from read_token(access, request);
    status := wanted.status;
    body := wanted.body;

    if status <> 200 then
        return;
    end if;

    -- two at once count after each other
    perform from accounts a
      where a.id = access.account_id
        for no key update;

    if (select count(*) from tokens t
         where t.account_id = access.account_id
           and t.revoked_at is null
           and coalesce(t.expires_at > now(), true)) >= 500
    then
        status := 400;
        body := 'maximum tokens per user is: 500; revoke one that is no '
                'longer needed';
        return;
    end if;

    token := wanted.token;

    insert into tokens as t
           (account_id, registry_id, name, hash, expires_at, endpoint_scopes,
            crate_scopes)
    values (token.account_id, token.registry_id, token.name, hash,
            token.expires_at, token.endpoint_scopes, token.crate_scopes)
    returning t.* into token;

    -- a server may remember that it was unknown
    insert into changes (registry_id, kind)
    values (token.registry_id, 'token');

    body := json_build_object('api_token', web_token_object(token));
    after := token_facts(token);
end
$$;

comment on function cargo_store.store_token(cargo_store.access, bytea,
                                            jsonb) is
    'after: for the audit log.  200 with the token; 400 as read_token(), or '
    'too many tokens; 403 as read_token().';


create or replace function cargo_store.own_token(
    access cargo_store.access,
    id text)
returns bigint
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    bound boolean;
begin
    if id is null or id !~ '^[0-9]{1,18}$' then
        return null;
    end if;

    -- a token of one registry does not reach into others
    select t.registry_id is not null into bound
      from tokens t
     where t.id = access.token_id;

    return (select t.id
              from tokens t
             where t.id = own_token.id::bigint
               and t.account_id = access.account_id
               and (t.registry_id = (access.settings).id
                    or (t.registry_id is null and bound is not true)));
end
$$;

comment on function cargo_store.own_token(cargo_store.access, text) is
    'The token of the caller''s account with this id, if it works in this '
    'registry; null: none that the caller may see or revoke.';


create or replace function cargo_store.revoke_own(
    access cargo_store.access,
    id text,
    out status integer,
    out body text,
    out before jsonb,
    out after jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    token tokens;
begin
    if id is null and access.token_id is null then
        status := 400;
        body := 'the request came without a token, so there is none to revoke';
        return;
    end if;

    select * into token
      from tokens t
     where t.id = case when revoke_own.id is null then access.token_id
                       else own_token(access, revoke_own.id) end
       for no key update;

    if token.id is null then
        status := 404;
        body := format('token `%s` does not exist', left(id, 100));
        return;
    end if;

    before := token_facts(token);

    update tokens t
       set revoked_at = coalesce(t.revoked_at, now())
     where t.id = token.id
    returning t.* into token;

    insert into changes (registry_id, kind)
    values (token.registry_id, 'token');

    status := 200;
    after := token_facts(token);
end
$$;

comment on function cargo_store.revoke_own(cargo_store.access, text) is
    'id: null for the token of the request.  before, after: for the audit '
    'log.  200; 400 no token in the request; 404 no such token of the '
    'caller''s account.';


create or replace function cargo.create_token(
    registry text,
    caller cargo.caller,
    hash bytea,
    request jsonb,
    out status integer,
    out body text,
    out account text,
    out token_name text)
language plpgsql volatile security definer
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    access cargo_store.access;
    after  jsonb;
begin
    access := open_for_write(registry, caller, null, '{admin}');
    status := access.status;
    body := access.body;
    account := access.account;
    token_name := access.token_name;

    if status = 200 then
        select s.status, s.body, s.after
          into status, body, after
          from store_token(access, hash, request) s;
    end if;

    perform audit(access, registry, caller, 'create_token', null, null,
                  status, body, null, after);
end
$$;

comment on function cargo.create_token(text, cargo.caller, bytea, jsonb) is
    'A token of the caller''s account for this registry.  hash: SHA-256 of '
    'its text.  request: {"api_token": {"name": text, "endpoint_scopes": '
    '[text], "crate_scopes": [text], "expired_at": text}}, all but the name '
    'may be absent.  '
    '200 with the token, without its text; 400 a bad request, name, scope, '
    'pattern or time, too many tokens; 403 no good token, wrong scope, more '
    'than the token that asks may do itself; 404 no such registry.';


create or replace function cargo.revoke_token(
    registry text,
    caller cargo.caller,
    id text,
    out status integer,
    out body text,
    out account text,
    out token_name text)
language plpgsql volatile security definer
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    access cargo_store.access;
    before jsonb;
    after  jsonb;
begin
    access := open_for_write(registry, caller, null,
                             case when id is not null then '{admin}'::text[]
                             end);
    status := access.status;
    body := access.body;
    account := access.account;
    token_name := access.token_name;

    if status = 200 then
        select r.status, r.body, r.before, r.after
          into status, body, before, after
          from revoke_own(access, id) r;
    end if;

    if status = 200 and id is null then
        status := 204;
    elsif status = 200 then
        body := '{}';
    end if;

    perform audit(access, registry, caller,
                  case when id is null then 'revoke_current_token'
                       else 'revoke_token' end,
                  null, null, status, body, before, after);
end
$$;

comment on function cargo.revoke_token(text, cargo.caller, text) is
    'For good; once more changes nothing.  id: null for the token of the '
    'request itself, which needs no scope for it.  '
    '200, or 204 for the token of the request; 400 no token in the request; '
    '403 no good token, wrong scope; 404 no such registry, no such token of '
    'the caller''s account.';
