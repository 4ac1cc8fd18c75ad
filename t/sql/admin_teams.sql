begin;
\ir include/registry.sql
\ir include/admin.sql

select * from no_plan();


select is(pg_temp.admin($$create_team('core', 'The core team')$$, 'name'),
          '200 core', 'a team');
select is(pg_temp.noted(),
          'create_team -> {"name": "core", "roles": {}, "members": [], '
          '"description": "The core team"}', 'is in the audit log');
select is(pg_temp.admin($$create_team('Web.Team-2', null)$$, 'name'),
          '200 Web.Team-2', 'without a description');
select is(pg_temp.admin($$create_team('team:typed', null)$$, 'name'),
          '200 typed', 'as it is written elsewhere');
select is(pg_temp.admin($$add_team_member('Team:Typed', 'bob')$$, 'members'),
          '200 ["bob"]', 'its members too');
select is(pg_temp.admin($$remove_team_member('team:typed', 'bob')$$,
                        'members'), '200 []', 'and none');
select is(pg_temp.admin($$delete_team('team:typed')$$, 'name'), '200 typed',
          'and its end');
select is(pg_temp.admin($$delete_team('team:typed')$$),
          '404 team `typed` does not exist', 'once');
update seen_changes set last = (select max(id) from cargo_store.changes);
select is(pg_temp.admin(format('create_team(%L, null)', name)),
          '409 team `' || name || '` exists already', 'taken: ' || name)
  from unnest(array['core', 'CORE', 'web.team-2']) name;
select is(pg_temp.admin(format('create_team(%L, null)', name)),
          format('400 `%s` cannot be the name of a team: use a letter or digit '
                 'and up to 63 more of these and "_", ".", "-"', name),
          'not a name: ' || coalesce(name, 'null'))
  from unnest(array['', '-a', 'a b', 'a:b', 'a@b', 'ü', E'a\n',
                    repeat('a', 65), null]) name;


select is(pg_temp.admin(format('add_team_member(%L, %L)', team, login),
                        'members'), '200 ' || members,
          login || ' is in the team')
  from (values ('core', 'bob', '["bob"]'),
               ('CORE', 'ALICE', '["alice", "bob"]'),
               ('core', 'alice', '["alice", "bob"]')) v(team, login, members);
select is(pg_temp.noted(),
          format('add_team_member %s -> %s', team, team),
          'once more changes nothing')
  from (values ('{"name": "core", "roles": {}, "members": ["alice", "bob"], '
                '"description": "The core team"}')) v(team);
select is(pg_temp.admin(format('%s_team_member(%L, %L)', verb, team, login)),
          '404 ' || refusal, verb || ': ' || refusal)
  from unnest(array['add', 'remove']) verb,
       (values ('nobody', 'alice', 'team `nobody` does not exist'),
               (null, 'alice', 'team `` does not exist'),
               ('core', 'nobody', 'account `nobody` does not exist'))
           v(team, login, refusal);
select is(pg_temp.admin($$remove_team_member('core', 'Bob')$$, 'members'),
          '200 ["alice"]', 'no longer');
select is(pg_temp.admin($$remove_team_member('core', 'bob')$$),
          '404 `bob` is not a member of team `core`', 'nor a second time');
select is(pg_temp.changes(), 'team team team team', 'servers are told');


select is(pg_temp.admin(format('grant_role(%L, %L, %L)', principal, registry,
                               role), 'roles'), '200 ' || roles,
          principal || ' is ' || role)
  from (values ('team:core', 'vault', 'publisher', '{"vault": "publisher"}'),
               ('team:Core', 'vault', 'reader', '{"vault": "reader"}'),
               ('team:core', 'main', 'admin',
                '{"main": "admin", "vault": "reader"}'),
               ('team:core', 'main', 'none', '{"vault": "reader"}'))
           v(principal, registry, role, roles);
select is(pg_temp.noted(),
          'grant_role main {"name": "team:core", "role": "admin"} -> '
          '{"name": "team:core", "role": null}', 'with its role before');
select is(pg_temp.web($$index_config('vault', pg_temp.token('alice'))$$),
          '200', 'members have the role');
select matches(pg_temp.web($$index_config('vault', pg_temp.token('bob'))$$),
               '^401', 'nobody else');
select is(pg_temp.admin($$grant_role('team:nobody', 'main', 'reader')$$),
          '404 team `nobody` does not exist', 'unknown team');
select is(pg_temp.admin($$grant_role('core', 'main', 'reader')$$),
          '404 account `core` does not exist', 'a team is no account');
select is((select string_agg(a->>'login', ' ')
             from cargo_admin.list_accounts(), jsonb_array_elements(body) a
            where a->'teams' = '["core"]'), 'alice',
          'an account tells its teams');


select is(pg_temp.listed('list_teams()', 'name'), '200 core Web.Team-2',
          'the list, by name');
select is(pg_temp.listed('list_teams()', 'members'), '200 ["alice"] []',
          'with the members');

insert into cargo_store.crates (registry_id, name)
select id, 'Core-' || name from cargo_store.registries
 where name in ('main', 'vault');
insert into cargo_store.team_owners (crate_id, team_id)
select c.id, t.id from cargo_store.crates c, cargo_store.teams t
 where t.name = 'core';
select pg_temp.must(cargo_admin.reserve_name(null, 'core-*', 'core'));

select is(pg_temp.admin($$delete_team('core')$$),
          '409 team `core` cannot be deleted: it has reserved `core_*`; it '
          'owns `Core-main` in registry `main`, `Core-vault` in registry '
          '`vault`; give these to somebody else first', 'it is needed');

delete from cargo_store.team_owners;
select is(pg_temp.admin($$delete_team('core')$$),
          '409 team `core` cannot be deleted: it has reserved `core_*`; give '
          'these to somebody else first', 'still');
select pg_temp.must(cargo_admin.release_name(null, 'core-*'));

insert into cargo_store.team_readers (crate_id, team_id)
select c.id, t.id from cargo_store.crates c, cargo_store.teams t;
update seen_changes set last = (select max(id) from cargo_store.changes);
select is(pg_temp.admin($$delete_team('core')$$, 'members'), '200 ["alice"]',
          'not any more');
select is(pg_temp.noted(),
          'delete_team {"name": "core", "roles": {"vault": "reader"}, '
          '"members": ["alice"], "description": "The core team"} ->',
          'what it was is kept');
select is(pg_temp.changes(), 'team', 'servers are told');
select matches(pg_temp.web($$index_config('vault', pg_temp.token('alice'))$$),
               '^401', 'the role went with it');
select is(pg_temp.admin($$delete_team('core')$$),
          '404 team `core` does not exist', 'gone');


select * from finish();
rollback;
