-- Who owns a crate, as `cargo owner` asks and says.

create or replace function cargo_store.find_crate(
    registry_id bigint,
    crate text,
    out status integer,
    out body text,
    out crate_id bigint,
    out name text)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    select c.id, c.name
      into crate_id, name
      from crates c
     where c.registry_id = find_crate.registry_id
       and c.canonical_name = canonical_name(crate);

    if found then
        status := 200;
        body := '';
    else
        status := 404;
        body := no_crate(crate);
    end if;
end
$$;

comment on function cargo_store.find_crate(bigint, text) is
    'The crate under any spelling.  200; 404 no such crate.';


create or replace function cargo_store.is_owner(
    crate_id bigint,
    account_id integer)
returns boolean
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select exists (select from owners o
                    where o.crate_id = $1
                      and o.account_id = $2);
$$;

comment on function cargo_store.is_owner(bigint, integer) is
    'Does the account own the crate?';


create or replace function cargo.list_owners(
    registry text,
    token bytea,
    crate text,
    base_url text,
    out status integer,
    out body text)
language plpgsql stable security definer
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    caller record;
    asker  record;
    target record;
    trusted boolean;
begin
    select * into caller from open_for_read(registry, token);

    status := caller.status;
    body := caller.body;

    if status <> 200 then
        return;
    end if;

    select * into target from find_crate(caller.registry_id, crate);

    status := target.status;
    body := target.body;

    if status <> 200 then
        return;
    end if;

    -- in a public registry a bad token is no worse than none
    select * into asker from token_access(caller.registry_id, token);

    trusted := asker.refusal is null
               and (asker.role >= 'maintainer'
                    or is_owner(target.crate_id, asker.account_id));

    select json_build_object(
               'users',
               coalesce(json_agg(
                            json_build_object(
                                'id', a.id,
                                'login', a.login,
                                'kind', 'user',
                                'url', base_url || '/api/v1/users/' || a.login,
                                'name', a.name,
                                'email', case when trusted then a.email end,
                                'avatar', null)
                            order by a.id),
                        '[]'))
      into body
      from owners o
           join accounts a on a.id = o.account_id
     where o.crate_id = target.crate_id;
end
$$;

comment on function cargo.list_owners(text, bytea, text, text) is
    'base_url: of the server, without a slash at its end.  Addresses of mail '
    'are for owners of the crate, maintainers and admins; null for others.  '
    '200 with {"users": [...]}, by id; 401 no good token for a private '
    'registry; 404 no such registry or crate.';


create or replace function cargo_store.requested_logins(
    request jsonb,
    out refusal text,
    out logins text[])
language plpgsql immutable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    list jsonb;
begin
    if jsonb_typeof(request) = 'object' then
        list := coalesce(request->'users', request->'owners');
    end if;

    if list is null or jsonb_typeof(list) <> 'array'
        or jsonb_path_exists(list, 'strict $[*] ? (@.type() <> "string")')
    then
        refusal := 'the request must be a JSON object with an array of '
                   'logins: {"users":["login"]}';

    elsif jsonb_array_length(list) = 0 then
        refusal := 'the request names no login';

    elsif jsonb_array_length(list) > 10 then
        refusal := 'too many invites for this request - maximum 10';

    else
        -- said twice is said once
        select array_agg(l.login order by l.position)
          into logins
          from (select distinct on (lower(e.login collate "C"))
                       e.login, e.position
                  from jsonb_array_elements_text(list)
                           with ordinality e(login, position)
                 order by lower(e.login collate "C"), e.position) l;
    end if;
end
$$;

comment on function cargo_store.requested_logins(jsonb) is
    'The logins in the body of a request that adds or removes owners; refusal '
    '(400) is null when all is well.';


create or replace function cargo_store.open_owners(
    registry text,
    token bytea,
    crate text,
    request jsonb,
    out status integer,
    out body text,
    out settings cargo_store.registries,
    out crate_id bigint,
    out name text,
    out logins text[])
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    caller record;
    target record;
begin
    select * into caller from open_for_write(registry, token, 'publisher');

    status := caller.status;
    body := caller.body;
    settings := caller.settings;

    if status <> 200 then
        return;
    end if;

    select * into target from find_crate(settings.id, crate);

    status := target.status;
    body := target.body;

    if status <> 200 then
        return;
    end if;

    -- who owns it stays so until the end of the transaction
    perform from crates c
      where c.id = target.crate_id
        for no key update;

    if caller.role < 'admin'
        and not is_owner(target.crate_id, caller.account_id)
    then
        status := 403;
        body := 'only owners have permission to modify owners';
        return;
    end if;

    select r.refusal, r.logins
      into body, logins
      from requested_logins(request) r;

    if body is not null then
        status := 400;
        return;
    end if;

    body := '';
    crate_id := target.crate_id;
    name := target.name;
end
$$;

comment on function cargo_store.open_owners(text, bytea, text, jsonb) is
    'The crate whose owners are to be changed, locked until the end of the '
    'transaction, and the logins.  '
    '200; 400 not a list of logins, more than 10; 403 no good token, too low '
    'a role, neither owner nor admin; 404 no such registry or crate.';


create or replace function cargo_store.owners_changed(crate_id bigint)
returns void
language sql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    insert into changes (registry_id, crate, kind)
    select c.registry_id, lower(c.name), 'owner'
      from crates c
     where c.id = $1;
$$;

comment on function cargo_store.owners_changed(bigint) is
    'To be called by every function that changes the owners of a crate, once.';


create or replace function cargo_store.check_new_owner(
    settings cargo_store.registries,
    crate_id bigint,
    login text,
    out refusal text,
    out account cargo_store.accounts)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    role member_role;
begin
    account := (find_account(login)).account;

    select m.role into role
      from members m
     where m.registry_id = settings.id
       and m.account_id = account.id;

    if is_owner(crate_id, account.id) then
        refusal := format('`%s` is already an owner', login);

    -- an account of other registries only is nobody here
    elsif role is null then
        refusal := format('could not find user with login `%s`', login);

    elsif account.disabled_at is not null then
        refusal := format('the account `%s` is disabled; ask an administrator '
                          'of the registry', login);

    elsif role < 'publisher' then
        refusal := format('`%s` has the role %s in registry `%s`, an owner '
                          'needs the role publisher or a higher one; ask an '
                          'administrator of the registry to grant it first',
                          login, role, settings.name);
    end if;
end
$$;

comment on function cargo_store.check_new_owner(cargo_store.registries,
                                                bigint, text) is
    'Who is to be an owner; refusal (400) is null when that can be.';


create or replace function cargo.add_owners(
    registry text,
    token bytea,
    crate text,
    request jsonb,
    out status integer,
    out body text)
language plpgsql volatile security definer
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    target   record;
    added    record;
    login    text;
    ids      integer[] := '{}';
    messages text[] := '{}';
begin
    select * into target from open_owners(registry, token, crate, request);

    if target.status <> 200 then
        status := target.status;
        body := target.body;
        return;
    end if;

    foreach login in array target.logins loop
        select * into added
          from check_new_owner(target.settings, target.crate_id, login);

        if added.refusal is not null then
            status := 400;
            body := added.refusal;
            return;
        end if;

        ids := array_append(ids, (added.account).id);
        messages := array_append(messages,
                                 format('user %s has been added as an owner '
                                        'of crate %s',
                                        (added.account).login, target.name));
    end loop;

    insert into owners (crate_id, account_id)
    select target.crate_id, id
      from unnest(ids) id;

    perform owners_changed(target.crate_id);

    status := 200;
    body := json_build_object('ok', true,
                              'msg', array_to_string(messages, ','));
end
$$;

comment on function cargo.add_owners(text, bytea, text, jsonb) is
    'Makes the accounts owners at once, all or none.  request: '
    '{"users": [login, ...]} or {"owners": ...}.  '
    '200 with a message; 400 not a list of logins, more than 10, unknown, '
    'disabled, an owner already, too low a role; 403 no good token, too low a '
    'role, neither owner nor admin; 404 no such registry or crate.';


create or replace function cargo.remove_owners(
    registry text,
    token bytea,
    crate text,
    request jsonb,
    out status integer,
    out body text)
language plpgsql volatile security definer
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    target  record;
    removed integer[];
    unknown text;
begin
    select * into target from open_owners(registry, token, crate, request);

    if target.status <> 200 then
        status := target.status;
        body := target.body;
        return;
    end if;

    status := 400;

    select array_agg(o.account_id),
           (array_agg(l.login order by l.position)
                filter (where o.account_id is null))[1]
      into removed, unknown
      from unnest(target.logins) with ordinality l(login, position)
           left join accounts a
                  on lower(a.login) = lower(l.login collate "C")
           left join owners o
                  on o.crate_id = target.crate_id
                 and o.account_id = a.id;

    if unknown is not null then
        body := format('Could not find owner with login `%s`', unknown);
        return;
    end if;

    if not exists (select from owners o
                          join accounts a on a.id = o.account_id
                    where o.crate_id = target.crate_id
                      and o.account_id <> all (removed)
                      and a.disabled_at is null)
    then
        body := 'cannot remove all individual owners of a crate. At least one '
                'individual owner, whose account is not disabled, is '
                'required: add another one first.';
        return;
    end if;

    delete from owners o
     where o.crate_id = target.crate_id
       and o.account_id = any (removed);

    perform owners_changed(target.crate_id);

    status := 200;
    body := '{"ok":true,"msg":"owners successfully removed"}';
end
$$;

comment on function cargo.remove_owners(text, bytea, text, jsonb) is
    'All or none, and never the last owner who is not disabled.  request: as '
    'in add_owners().  '
    '200; 400 not a list of logins, more than 10, not an owner, the last '
    'owner; 403 no good token, too low a role, neither owner nor admin; '
    '404 no such registry or crate.';
