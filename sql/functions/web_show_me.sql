-- What the account of a token is told of itself.

create or replace function cargo_store.me_answer(
    access cargo_store.access,
    base_url text)
returns text
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select json_build_object(
               'user', private_user_object(a, $2, ($1).role = 'admin'),
               'owned_crates',
               (select coalesce(json_agg(json_build_object(
                                             'id', c.id,
                                             'name', c.name,
                                             'email_notifications', false)
                                         order by c.canonical_name),
                                '[]')
                  from owners o
                       join crates c on c.id = o.crate_id
                 where o.account_id = a.id
                   and c.registry_id = (($1).settings).id
                   and sees(c, $1)))
      from accounts a
     where a.id = ($1).account_id;
$$;

comment on function cargo_store.me_answer(cargo_store.access, text) is
    'GET me: the account, and what it owns here.';


create or replace function cargo_store.updates_answer(
    access cargo_store.access,
    base_url text,
    query jsonb,
    out status integer,
    out body text)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    page constant record := read_page(query);
    ids  bigint[];
begin
    if page.refusal is not null then
        status := 400;
        body := page.refusal;
        return;
    end if;

    ids := array(
        select v.id
          from follows f
               join crates c on c.id = f.crate_id
               join versions v on v.crate_id = c.id
         where f.account_id = access.account_id
           and c.registry_id = (access.settings).id
           and sees(c, access)
         order by v.created_at desc, v.id desc
        offset (page.page - 1) * page.per_page
         limit page.per_page + 1);

    status := 200;
    body := json_build_object(
                'versions', listed_versions(ids[1 : page.per_page], base_url),
                'meta', json_build_object(
                    'more', cardinality(ids) > page.per_page));
end
$$;

comment on function cargo_store.updates_answer(cargo_store.access, text,
                                               jsonb) is
    'GET me/updates: the versions of the crates that the account follows, the '
    'newest first.  query: per_page, page.  200; 400 a bad argument.';


create or replace function cargo_store.tokens_answer(
    access cargo_store.access,
    id text,
    out status integer,
    out body text)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    objects json[];
begin
    objects := array(
        select web_token_object(t)
          from tokens t
         where t.account_id = access.account_id
           and (t.registry_id is null
                or t.registry_id = (access.settings).id)
           and t.revoked_at is null
           and case when tokens_answer.id is null
                    then coalesce(t.expires_at > now(), true)
                    else t.id = read_id(tokens_answer.id) end
         order by t.id desc);

    if id is null then
        body := json_build_object('api_tokens', objects);
    else
        body := json_build_object('api_token', objects[1]);
    end if;

    status := 200;

    if id is not null and cardinality(objects) = 0 then
        status := 404;
        body := format('Not Found: you have no token with the id `%s`', id);
    end if;
end
$$;

comment on function cargo_store.tokens_answer(cargo_store.access, text) is
    'GET me/tokens: those of the account that are good here, the newest first; '
    'or one of them, be it expired.  200; 404 no such token.';


create or replace function cargo.show_me(
    registry text,
    caller cargo.caller,
    base_url text,
    part text,
    name text,
    query jsonb,
    out status integer,
    out body text,
    out account text,
    out token_name text)
language plpgsql volatile security definer
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    access cargo_store.access :=
        open_for_write(registry, caller, 'reader',
                       case part when 'tokens' then '{admin}'::text[]
                                 else '{read}' end);
begin
    status := access.status;
    body := access.body;
    account := access.account;
    token_name := access.token_name;

    if status <> 200 then
        return;
    end if;

    case part
        when 'me' then
            body := me_answer(access, base_url);

        when 'updates' then
            select a.status, a.body into status, body
              from updates_answer(access, base_url, query) a;

        when 'tokens' then
            select a.status, a.body into status, body
              from tokens_answer(access, name) a;

        when 'crate_owner_invitations' then
            -- whoever is made an owner is one at once
            body := '{"crate_owner_invitations":[],"users":[]}';

        else
            status := 404;
            body := 'Not Found';
    end case;
end
$$;

comment on function cargo.show_me(text, cargo.caller, text, text, text,
                                  jsonb) is
    'part: me, the account and what it owns here; updates (query: per_page, '
    'page); tokens (name: the id of one, or null for the list); '
    'crate_owner_invitations.  base_url: of the server, without a slash at its '
    'end.  '
    '200; 400 a bad argument; 403 no good token, one without the scope read '
    '(admin for tokens), a login without rights; 404 no such registry, part or '
    'token.';
