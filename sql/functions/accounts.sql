-- Accounts and teams side by side: whoever may own, read or have a role is
-- written as `login` or `team:NAME`.  A login has no colon in it.

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


create or replace function cargo_store.team_name(name text)
returns text
language sql immutable
set search_path = pg_catalog, cargo_store, pg_temp
return case when lower(name) like 'team:%' then substr(name, 6)
            else name end;

comment on function cargo_store.team_name(text) is
    'Where only a team can be meant, `team:NAME` is as good as `NAME`.';


create or replace function cargo_store.find_team(
    name text,
    out status integer,
    out detail text,
    out team cargo_store.teams)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    wanted constant text := team_name(name);
begin
    select * into team
      from teams t
     where lower(t.name) = lower(wanted collate "C");

    if not found then
        status := 404;
        detail := format('team `%s` does not exist', wanted);
        return;
    end if;

    status := 200;
end
$$;

comment on function cargo_store.find_team(text) is
    'By name, in any case, or as team:NAME.  200; 404 no such team.';


create or replace function cargo_store.principal_name(
    account_id integer,
    team_id integer)
returns text
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select case when $2 is null
                then (select a.login from accounts a where a.id = $1)
                else (select 'team:' || t.name from teams t where t.id = $2)
           end;
$$;

comment on function cargo_store.principal_name(integer, integer) is
    'What find_principal() reads, in the spelling that is stored; one of the '
    'arguments is null.';


create or replace function cargo_store.find_principal(
    principal text,
    out status integer,
    out detail text,
    out account_id integer,
    out team_id integer)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    found_one record;
begin
    if lower(principal) like 'team:%' then
        select * into found_one from find_team(principal);
        team_id := (found_one.team).id;
    else
        select * into found_one from find_account(principal);
        account_id := (found_one.account).id;
    end if;

    status := found_one.status;
    detail := found_one.detail;
end
$$;

comment on function cargo_store.find_principal(text) is
    '`login` or `team:NAME`, in any case.  200 with one of the two ids; '
    '404 no such account or team.';


create or replace function cargo_store.owner_names(crate_id bigint)
returns text[]
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select array(select principal_name(o.account_id, null)
                   from owners o
                  where o.crate_id = $1
                  order by o.created_at, o.account_id)
           || array(select principal_name(null, o.team_id)
                      from team_owners o
                     where o.crate_id = $1
                     order by o.created_at, o.team_id);
$$;

comment on function cargo_store.owner_names(bigint) is
    'The owners of a crate: accounts, then teams, the oldest first.';


create or replace function cargo_store.reader_names(crate_id bigint)
returns text[]
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select array(select n.name
                   from (select principal_name(r.account_id, null)
                           from crate_readers r
                          where r.crate_id = $1) n(name)
                  order by n.name)
           || array(select n.name
                      from (select principal_name(null, r.team_id)
                              from team_readers r
                             where r.crate_id = $1) n(name)
                     order by n.name);
$$;

comment on function cargo_store.reader_names(bigint) is
    'Who sees a crate when it is restricted: accounts, then teams, by name.';
