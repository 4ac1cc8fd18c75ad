-- Who owns a crate: accounts and teams, as `cargo owner` names them.

create or replace function cargo_store.requested_principals(
    request jsonb,
    out refusal text,
    out principals text[])
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
                   'logins and teams: {"users":["login","team:name"]}';

    elsif jsonb_array_length(list) = 0 then
        refusal := 'the request names no login and no team';

    elsif jsonb_array_length(list) > 10 then
        refusal := 'too many invites for this request - maximum 10';

    else
        principals := array(select jsonb_array_elements_text(list));
    end if;
end
$$;

comment on function cargo_store.requested_principals(jsonb) is
    'The logins and teams in the body of a request that adds or removes '
    'owners; refusal (400) is null when all is well.';


create or replace function cargo_store.distinct_principals(principals text[])
returns text[]
language sql immutable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select coalesce(array_agg(p.name order by p.position), '{}')
      from (select distinct on (lower(e.name collate "C")) e.name, e.position
              from unnest($1) with ordinality e(name, position)
             order by lower(e.name collate "C"), e.position) p;
$$;

comment on function cargo_store.distinct_principals(text[]) is
    'Said twice, in whatever case, is said once.';


create or replace function cargo_store.sorted_owners(crate_id bigint)
returns jsonb
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select to_jsonb(array(select n
                            from unnest(owner_names($1)) n
                           order by n collate "C"));
$$;

comment on function cargo_store.sorted_owners(bigint) is
    'The owners of a crate as the audit log has them.';


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


create or replace function cargo_store.modify_refusal(
    access cargo_store.access,
    crate_id bigint)
returns text
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    if access.role = 'admin'
        or exists (select from owners o
                    where o.crate_id = modify_refusal.crate_id
                      and o.account_id = access.account_id)
    then
        return null;
    end if;

    return case when owns(crate_id, access.account_id)
                then 'team members don''t have permission to modify owners'
                else 'only owners have permission to modify owners' end;
end
$$;

comment on function cargo_store.modify_refusal(cargo_store.access, bigint) is
    'Why the caller may not change who owns the crate (403); null for who '
    'owns it himself, and for admins.';


create or replace function cargo_store.check_new_team(
    settings cargo_store.registries,
    crate_id bigint,
    principal text,
    out refusal text,
    out id integer,
    out message text)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    team teams;
    role member_role;
begin
    -- it is not deleted before it owns the crate
    select t.* into team
      from teams t
     where lower(t.name) = lower(substr(principal, 6) collate "C")
       for key share;

    select r.role into role
      from team_roles r
     where r.registry_id = settings.id
       and r.team_id = team.id;

    id := team.id;
    message := 'team team:' || team.name;

    if exists (select from team_owners o
                where o.crate_id = check_new_team.crate_id
                  and o.team_id = team.id)
    then
        refusal := format('`%s` is already an owner', principal);

    -- a team of other registries only is none here
    elsif role is null then
        refusal := format('could not find team with name `%s`',
                          substr(principal, 6));

    elsif role < 'publisher' then
        refusal := format('the team `%s` has the role %s in registry `%s`, an '
                          'owner needs the role publisher or a higher one; '
                          'ask an administrator of the registry to grant it '
                          'first', team.name, role, settings.name);
    end if;
end
$$;

comment on function cargo_store.check_new_team(cargo_store.registries, bigint,
                                               text) is
    'Which team is to be an owner, and what to say then; refusal (400) is '
    'null when that can be.';


create or replace function cargo_store.team_meant(
    registry_id bigint,
    name text)
returns text
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select format('; did you mean `team:%s`?', t.name)
      from teams t
           join team_roles r on r.team_id = t.id
     where r.registry_id = $1
       and lower(t.name) = lower($2 collate "C");
$$;

comment on function cargo_store.team_meant(bigint, text) is
    'The end of a sentence about an unknown login, when there is a team of '
    'this name in the registry; else null.';


create or replace function cargo_store.check_new_owner(
    settings cargo_store.registries,
    crate_id bigint,
    principal text,
    out refusal text,
    out id integer,
    out message text)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    account accounts;
    role    member_role;
begin
    account := (find_account(principal)).account;
    role := role_in(settings.id, account.id);

    id := account.id;
    message := 'user ' || account.login;

    if exists (select from owners o
                where o.crate_id = check_new_owner.crate_id
                  and o.account_id = account.id)
    then
        refusal := format('`%s` is already an owner', principal);

    -- an account of other registries only is nobody here
    elsif role is null then
        refusal := format('could not find user with login `%s`%s', principal,
                          team_meant(settings.id, principal));

    elsif account.disabled_at is not null then
        refusal := format('the account `%s` is disabled; ask an administrator '
                          'of the registry', account.login);

    elsif role < 'publisher' then
        refusal := format('`%s` has the role %s in registry `%s`, an owner '
                          'needs the role publisher or a higher one; ask an '
                          'administrator of the registry to grant it first',
                          account.login, role, settings.name);
    end if;
end
$$;

comment on function cargo_store.check_new_owner(cargo_store.registries,
                                                bigint, text) is
    'The same for an account.';


create or replace function cargo_store.check_new_owners(
    settings cargo_store.registries,
    crate_id bigint,
    principals text[],
    out refusal text,
    out accounts integer[],
    out teams integer[],
    out messages text[])
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    principal text;
    added     record;
begin
    accounts := '{}';
    teams := '{}';

    foreach principal in array distinct_principals(principals) loop
        if lower(principal) like 'team:%' then
            select * into added
              from check_new_team(settings, crate_id, principal);
            teams := array_append(teams, added.id);
        else
            select * into added
              from check_new_owner(settings, crate_id, principal);
            accounts := array_append(accounts, added.id);
        end if;

        refusal := added.refusal;
        messages := array_append(messages, added.message);

        exit when refusal is not null;
    end loop;
end
$$;

comment on function cargo_store.check_new_owners(cargo_store.registries,
                                                 bigint, text[]) is
    'Who are to be owners, and their names for a message; refusal (400) is '
    'null when they all can be.';


create or replace function cargo_store.attach_owners(
    access cargo_store.access,
    crate text,
    principals text[],
    out status integer,
    out body text,
    out before jsonb,
    out after jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    target record;
    added  record;
begin
    select * into target from lock_crate(access, crate);
    status := target.status;
    body := target.body;

    if status <> 200 then
        return;
    end if;

    select * into added
      from check_new_owners(access.settings, target.crate_id, principals);

    if added.refusal is not null then
        status := 400;
        body := added.refusal;
        return;
    end if;

    before := sorted_owners(target.crate_id);

    insert into owners (crate_id, account_id)
    select target.crate_id, id from unnest(added.accounts) id;

    insert into team_owners (crate_id, team_id)
    select target.crate_id, id from unnest(added.teams) id;

    perform owners_changed(target.crate_id);

    body := (select string_agg(format('%s has been added as an owner of crate '
                                      '%s', m, target.name), ',' order by n)
               from unnest(added.messages) with ordinality u(m, n));
    after := sorted_owners(target.crate_id);
end
$$;

comment on function cargo_store.attach_owners(cargo_store.access, text,
                                              text[]) is
    'Makes the accounts and teams owners, all or none.  before, after: for '
    'the audit log.  '
    '200 with a message; 400 unknown, disabled, an owner already, too low a '
    'role; 404 no such crate.';


create or replace function cargo_store.match_owners(
    crate_id bigint,
    principals text[],
    out refusal text,
    out accounts integer[],
    out teams integer[])
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    unknown text;
begin
    select coalesce(array_agg(o.account_id)
                        filter (where o.account_id is not null), '{}'),
           coalesce(array_agg(t.team_id)
                        filter (where t.team_id is not null), '{}'),
           (array_agg(p.name order by p.position)
                filter (where o.account_id is null
                          and t.team_id is null))[1]
      into accounts, teams, unknown
      from unnest(principals) with ordinality p(name, position)
           left join (select s.account_id, lower(a.login) as name
                        from owners s
                             join accounts a on a.id = s.account_id
                       where s.crate_id = match_owners.crate_id) o
                  on o.name = lower(p.name collate "C")
           left join (select s.team_id, 'team:' || lower(e.name) as name
                        from team_owners s
                             join teams e on e.id = s.team_id
                       where s.crate_id = match_owners.crate_id) t
                  on t.name = lower(p.name collate "C");

    if unknown is not null then
        refusal := format('Could not find owner with login `%s`', unknown);

    elsif accounts <> '{}'
        and not exists (select from owners o
                               join accounts a on a.id = o.account_id
                         where o.crate_id = match_owners.crate_id
                           and o.account_id <> all (match_owners.accounts)
                           and a.disabled_at is null)
    then
        refusal := 'cannot remove all individual owners of a crate. At least '
                   'one individual owner, whose account is not disabled, is '
                   'required: add another one first.';
    end if;
end
$$;

comment on function cargo_store.match_owners(bigint, text[]) is
    'Which owners are to go; refusal (400) is null when they all can.';


create or replace function cargo_store.detach_owners(
    access cargo_store.access,
    crate text,
    principals text[],
    out status integer,
    out body text,
    out before jsonb,
    out after jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    target record;
    gone   record;
begin
    select * into target from lock_crate(access, crate);
    status := target.status;
    body := target.body;

    if status <> 200 then
        return;
    end if;

    select * into gone from match_owners(target.crate_id, principals);

    if gone.refusal is not null then
        status := 400;
        body := gone.refusal;
        return;
    end if;

    before := sorted_owners(target.crate_id);

    delete from owners o
     where o.crate_id = target.crate_id
       and o.account_id = any (gone.accounts);

    delete from team_owners o
     where o.crate_id = target.crate_id
       and o.team_id = any (gone.teams);

    perform owners_changed(target.crate_id);

    body := 'owners successfully removed';
    after := sorted_owners(target.crate_id);
end
$$;

comment on function cargo_store.detach_owners(cargo_store.access, text,
                                              text[]) is
    'All or none, and never the last account that is not disabled.  before, '
    'after: for the audit log.  '
    '200 with a message; 400 not an owner, the last one; 404 no such crate.';
