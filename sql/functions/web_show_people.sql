-- Users and teams.  Of another registry one must not even know who is there:
-- those are shown who have a role in this one, or own a crate that the caller
-- sees.

create or replace function cargo_store.user_answer(
    access cargo_store.access,
    login text,
    base_url text,
    out status integer,
    out body text)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    select 200, json_build_object('user', user_object(a, base_url))
      into status, body
      from accounts a
     where lower(a.login) = lower(user_answer.login collate "C")
       and is_known(access, a.id);

    if not found then
        status := 404;
        body := format('Not Found: there is no user `%s`', login);
    end if;
end
$$;

comment on function cargo_store.user_answer(cargo_store.access, text,
                                            text) is
    'GET of a user.  200; 404 nobody.';


create or replace function cargo_store.is_known(
    access cargo_store.access,
    account_id integer)
returns boolean
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select role_in((($1).settings).id, $2) is not null
           or exists (select from owners o
                             join crates c on c.id = o.crate_id
                       where o.account_id = $2
                         and c.registry_id = (($1).settings).id
                         and sees(c, $1));
$$;

comment on function cargo_store.is_known(cargo_store.access, integer) is
    'May the caller know of the account?';


create or replace function cargo_store.stats_answer(
    access cargo_store.access,
    id text,
    out status integer,
    out body text)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    if not exists (select from accounts a
                    where a.id = read_id(stats_answer.id)
                      and is_known(access, a.id))
    then
        status := 404;
        body := format('Not Found: there is no user with the id `%s`', id);
        return;
    end if;

    select 200, json_build_object('total_downloads',
                                  coalesce(sum(d.downloads), 0))
      into status, body
      from owners o
           join crates c on c.id = o.crate_id
           join crate_downloads d on d.crate_id = c.id
     where o.account_id = read_id(stats_answer.id)
       and c.registry_id = (access.settings).id
       and sees(c, access);
end
$$;

comment on function cargo_store.stats_answer(cargo_store.access, text) is
    'GET of the stats of a user: how often the crates that are the user''s own '
    'were downloaded.  200; 404 nobody.';


create or replace function cargo_store.team_answer(
    access cargo_store.access,
    name text,
    base_url text,
    out status integer,
    out body text)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    select 200, json_build_object('team', team_object(t, base_url))
      into status, body
      from teams t
     where lower(t.name) = regexp_replace(lower(team_answer.name collate "C"),
                                          '^team:', '')
       and (exists (select from team_roles r
                     where r.team_id = t.id
                       and r.registry_id = (access.settings).id)
            or exists (select from team_owners o
                              join crates c on c.id = o.crate_id
                        where o.team_id = t.id
                          and c.registry_id = (access.settings).id
                          and sees(c, access)));

    if not found then
        status := 404;
        body := format('Not Found: there is no team `%s`', name);
    end if;
end
$$;

comment on function cargo_store.team_answer(cargo_store.access, text,
                                            text) is
    'GET of a team, "team:NAME" or NAME.  200; 404 none.';


create or replace function cargo_store.people_part(
    access cargo_store.access,
    part text,
    name text,
    base_url text,
    out status integer,
    out body text)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    if part = 'users' then
        select a.status, a.body into status, body
          from user_answer(access, name, base_url) a;

    elsif part = 'stats' then
        select a.status, a.body into status, body
          from stats_answer(access, name) a;

    else
        select a.status, a.body into status, body
          from team_answer(access, name, base_url) a;
    end if;
end
$$;

comment on function cargo_store.people_part(cargo_store.access, text, text,
                                            text) is
    'show_registry() of users, stats and teams.  200; 404 nobody.';
