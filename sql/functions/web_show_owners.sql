-- Who owns a crate.

create or replace function cargo_store.owner_objects(
    crate_id bigint,
    kind text,
    with_email boolean,
    base_url text)
returns json
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select coalesce(json_agg(o.object order by o.kind desc, o.id), '[]')
      from (select 'user' as kind, a.id,
                   json_build_object(
                       'id', a.id,
                       'login', a.login,
                       'kind', 'user',
                       'url', $4 || '/api/v1/users/' || a.login,
                       'name', a.name,
                       'email', case when $3 then a.email end,
                       'avatar', null) as object
              from owners o
                   join accounts a on a.id = o.account_id
             where o.crate_id = $1
            union all
            select 'team', t.id, team_object(t, $4)
              from team_owners o
                   join teams t on t.id = o.team_id
             where o.crate_id = $1) o
     where o.kind = coalesce($2, o.kind);
$$;

comment on function cargo_store.owner_objects(bigint, text, boolean, text) is
    'The owners of a crate, of one kind (user, team) or all: users by id, then '
    'teams.';


create or replace function cargo_store.owners_answer(
    access cargo_store.access,
    crate_id bigint,
    part text,
    base_url text)
returns text
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    with_email constant boolean :=
        coalesce(access.role >= 'maintainer', false)
        or owns(crate_id, access.account_id);
begin
    return case part
        when 'owner_user' then
            json_build_object('users', owner_objects(crate_id, 'user',
                                                     with_email, base_url))
        when 'owner_team' then
            json_build_object('teams', owner_objects(crate_id, 'team',
                                                     with_email, base_url))
        else
            json_build_object('users', owner_objects(crate_id, null,
                                                     with_email, base_url))
        end;
end
$$;

comment on function cargo_store.owners_answer(cargo_store.access, bigint, text,
                                              text) is
    'GET .../owners, .../owner_user, .../owner_team.  Addresses of mail are '
    'for owners of the crate, maintainers and admins; null for others.';
