create or replace function cargo_store.team_object(team cargo_store.teams)
returns jsonb
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select to_jsonb($1)
           || jsonb_build_object(
                  'members', array(select a.login
                                     from team_members m
                                          join accounts a
                                            on a.id = m.account_id
                                    where m.team_id = ($1).id
                                    order by lower(a.login)),
                  'roles', coalesce((select jsonb_object_agg(r.name, t.role)
                                       from team_roles t
                                            join registries r
                                              on r.id = t.registry_id
                                      where t.team_id = ($1).id), '{}'));
$$;

comment on function cargo_store.team_object(cargo_store.teams) is
    'A team as the functions of cargo_admin give it: its columns, "members", '
    'an array of logins, and "roles", an object of registry and role.';


create or replace function cargo_admin.create_team(
    name text,
    description text,
    out status integer,
    out body jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    named constant text := team_name(name);
    team  teams;
begin
    if named is null or named !~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$' then
        status := 400;
        body := problem(format('`%s` cannot be the name of a team: use a '
                               'letter or digit and up to 63 more of these '
                               'and "_", ".", "-"', named));
    else
        insert into teams as t (name, description)
        values (named, description)
            on conflict do nothing
        returning t.* into team;

        if found then
            status := 200;
            body := team_object(team);
        else
            status := 409;
            body := problem(format('team `%s` exists already', named));
        end if;
    end if;

    perform audit_admin(null, 'create_team', null, null, status, body, null,
                        case when status = 200 then body end);
end
$$;

comment on function cargo_admin.create_team(text, text) is
    'name: also as team:NAME.  200 with the team; 400 bad name; 409 name '
    'taken.';


create or replace function cargo_store.team_in_use(team_id integer)
returns text
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select string_agg(u.what, '; ' order by u.what)
      from (select 'it owns '
                   || string_agg(format('`%s` in registry `%s`', c.name,
                                        r.name), ', ' order by r.name, c.name)
                          as what
              from team_owners o
                   join crates c on c.id = o.crate_id
                   join registries r on r.id = c.registry_id
             where o.team_id = $1
            union all
            select 'it has reserved '
                   || string_agg(format('`%s`', n.canonical_name
                                                || case when n.prefix then '*'
                                                        else '' end),
                                 ', ' order by n.canonical_name, n.prefix)
              from reserved_names n
             where n.team_id = $1) u;
$$;

comment on function cargo_store.team_in_use(integer) is
    'What would be nobody''s without the team; null: nothing.';


create or replace function cargo_admin.delete_team(
    name text,
    out status integer,
    out body jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    target record;
    used   text;
    before jsonb;
begin
    select * into target from find_team(name);

    status := target.status;
    body := problem(target.detail);

    if status = 200 then
        -- nobody gives it a crate or a name meanwhile
        perform from teams t where t.id = (target.team).id for update;

        used := team_in_use((target.team).id);
        status := case when used is null then 200 else 409 end;
        body := problem(format('team `%s` cannot be deleted: %s; give these '
                               'to somebody else first', (target.team).name,
                               used));
    end if;

    if status = 200 then
        before := team_object(target.team);
        body := before;

        delete from teams t where t.id = (target.team).id;
        insert into changes (kind) values ('team');
    end if;

    perform audit_admin(null, 'delete_team', null, null, status, body, before);
end
$$;

comment on function cargo_admin.delete_team(text) is
    'Its members lose what they may do by it.  '
    '200 with the team as it was; 404 no such team; 409 it owns crates or has '
    'names reserved.';


create or replace function cargo_admin.list_teams(
    out status integer,
    out body jsonb)
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select 200,
           coalesce(jsonb_agg(team_object(t) order by lower(t.name)), '[]')
      from teams t;
$$;

comment on function cargo_admin.list_teams() is
    '200 with an array of teams, by name.';


create or replace function cargo_store.change_member(
    team text,
    login text,
    member boolean,
    out status integer,
    out body jsonb,
    out before jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    in_team record;
    who     record;
begin
    select * into in_team from find_team(team);
    select * into who from find_account(login);

    status := greatest(in_team.status, who.status);
    body := problem(coalesce(in_team.detail, who.detail));

    if status <> 200 then
        return;
    end if;

    before := team_object(in_team.team);

    if member then
        insert into team_members (team_id, account_id)
        values ((in_team.team).id, (who.account).id)
            on conflict do nothing;
    else
        delete from team_members m
         where m.team_id = (in_team.team).id
           and m.account_id = (who.account).id;

        if not found then
            status := 404;
            body := problem(format('`%s` is not a member of team `%s`',
                                   (who.account).login, (in_team.team).name));
            before := null;
            return;
        end if;
    end if;

    insert into changes (kind) values ('team');

    body := team_object(in_team.team);
end
$$;

comment on function cargo_store.change_member(text, text, boolean) is
    'before: the team as it was, null when refused.  '
    '200 with the team; 404 no such team or account, nor a member.';


create or replace function cargo_admin.add_team_member(
    team text,
    login text,
    out status integer,
    out body jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    before jsonb;
begin
    select c.status, c.body, c.before
      into status, body, before
      from change_member(team, login, true) c;

    perform audit_admin(null, 'add_team_member', null, null, status, body,
                        before, case when status = 200 then body end);
end
$$;

comment on function cargo_admin.add_team_member(text, text) is
    'Who is one already stays one.  '
    '200 with the team; 404 no such team or account.';


create or replace function cargo_admin.remove_team_member(
    team text,
    login text,
    out status integer,
    out body jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    before jsonb;
begin
    select c.status, c.body, c.before
      into status, body, before
      from change_member(team, login, false) c;

    perform audit_admin(null, 'remove_team_member', null, null, status, body,
                        before, case when status = 200 then body end);
end
$$;

comment on function cargo_admin.remove_team_member(text, text) is
    '200 with the team; 404 no such team or account, not a member.';
