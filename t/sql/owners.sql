begin;
\ir include/registry.sql

select * from no_plan();


create function pg_temp.owners(verb text, login text, logins jsonb,
                               crate text default 'Foo-Bar',
                               registry text default 'main') returns text
language sql
as $$
    select pg_temp.web(format('%s_owners(%L, pg_temp.token(%L), %L, %L)',
                              verb, registry, login, crate,
                              case jsonb_typeof(logins)
                                  when 'array'
                                  then jsonb_build_object('users', logins)
                                  else logins
                              end));
$$;

-- who owns it, and how often that changed
create function pg_temp.state() returns text
language sql
as $$
    select (select array_to_string(cargo_store.owner_names(c.id), ' ')
              from cargo_store.crates c
             where c.name = 'Foo-Bar')
           || (select format(', %s', count(*))
                 from cargo_store.changes
                where kind = 'owner' and crate = 'foo-bar');
$$;

create function pg_temp.added(variadic logins text[]) returns text
language sql
as $$
    select format('200 {"ok" : true, "msg" : "%s"}',
                  string_agg(format('%s %s has been added as an owner of '
                                    'crate Foo-Bar',
                                    case when l like 'team:%' then 'team'
                                         else 'user' end, l), ','))
      from unnest(logins) l;
$$;

select is(pg_temp.publish('alice', 'Foo-Bar', '1.0.0'), pg_temp.published(),
          'a crate');
select is(pg_temp.publish('vera', 'secret', '1.0.0', registry => 'vault'),
          pg_temp.published(), 'a private one');


-- who may

select is(pg_temp.owners(verb, login, '["bob"]', registry => registry),
          pg_temp.web(format('authenticate(%L, pg_temp.token(%L), ''publish'')',
                             registry, login)),
          format('%s: %s, %s', verb, coalesce(login, 'no token'), registry))
  from unnest(array['add', 'remove']) verb,
       (values (null, 'main'), ('nobody', 'main'), ('rita', 'main'),
               ('vera', 'main'), ('alice', 'nowhere'), ('alice', 'vault'))
           v(login, registry);
select is(pg_temp.owners(verb, login, '["bob"]'),
          '403 only owners have permission to modify owners',
          format('%s: %s is no owner', verb, login))
  from unnest(array['add', 'remove']) verb, unnest(array['bob', 'mia']) login;
select is(pg_temp.owners(verb, 'alice', '["bob"]', 'secret'),
          '404 crate `secret` does not exist', verb || ': other registry')
  from unnest(array['add', 'remove']) verb;


-- what may be asked

select is(pg_temp.owners(verb, 'alice', request),
          '400 the request must be a JSON object with an array of logins and '
          'teams: {"users":["login","team:name"]}',
          format('%s: %s', verb, request))
  from unnest(array['add', 'remove']) verb,
       unnest(array[null, 'null', '1', '"bob"', '{}', '{"users":"bob"}',
                    '{"users":{}}', '{"users":null}', '{"users":[1]}',
                    '{"users":["bob",null]}', '{"users":[["bob"]]}',
                    '{"user":["bob"]}', '{"owners":{"a":1}}']::jsonb[]) request;
select is(pg_temp.owners(verb, 'alice', '[]'),
          '400 the request names no login and no team', verb || ': nobody')
  from unnest(array['add', 'remove']) verb;
select is(pg_temp.owners(verb, 'alice',
                         (select jsonb_agg('u' || i)
                            from generate_series(1, 11) i)),
          '400 too many invites for this request - maximum 10',
          verb || ': eleven')
  from unnest(array['add', 'remove']) verb;

select is(pg_temp.owners('add', 'alice', jsonb_build_array('bob', login)),
          format('400 could not find user with login `%s`', login),
          'unknown: ' || left(login, 20))
  from unnest(array['nobody', '', ''';--', '%', 'github:org:team', 'vera',
                    repeat('x', 100000)]) login;
select is(pg_temp.owners('add', 'alice', '["bob", "Alice"]'),
          '400 `Alice` is already an owner', 'an owner already');
select matches(pg_temp.owners('add', 'alice', '["bob", "rita"]'),
               '^400 `rita` has the role reader .* role publisher',
               'a reader');
select pg_temp.must(cargo_admin.create_account('gone', null, null, 'person',
                                               'main', 'publisher')),
       pg_temp.must(cargo_admin.disable_account('gone', true));
select matches(pg_temp.owners('add', 'alice', '["bob", "gone"]'),
               '^400 the account `gone` is disabled', 'a disabled account');
select is(pg_temp.state(), 'alice, 0', 'all that changed nothing');


-- adding

select is(pg_temp.owners('add', 'alice', '{"owners":["BOB","bob"]}', 'foo_bar'),
          pg_temp.added('bob'), 'an owner adds');
select is(pg_temp.state(), 'alice bob, 1', 'one more');
select is(pg_temp.publish('bob', 'Foo-Bar', '1.1.0'), pg_temp.published(),
          'who may publish');
select is(pg_temp.owners('add', 'bob', '["mia", "ada"]'),
          pg_temp.added('mia', 'ada'), 'and add others, in this order');
select is(pg_temp.owners('add', 'bob', '["bob"]'),
          '400 `bob` is already an owner', 'but not himself');
select is(pg_temp.state(), 'alice bob mia ada, 2', 'four');


-- removing

select is(pg_temp.owners('remove', 'alice', jsonb_build_array('bob', login)),
          format('400 Could not find owner with login `%s`', login),
          'no owner: ' || login)
  from unnest(array['nobody', '', 'rita', 'vera', 'team:x']) login;
select matches(pg_temp.owners('remove', 'alice',
                              '["mia", "alice", "ada", "BOB"]'),
               '^400 cannot remove all individual owners of a crate\.',
               'not all of them');
select is(pg_temp.state(), 'alice bob mia ada, 2', 'nobody was removed');
select is(pg_temp.owners('remove', 'alice', '["ada", "Mia", "mia"]'),
          '200 {"ok" : true, "msg" : "owners successfully removed"}',
          'an owner removes two');
select is(pg_temp.state(), 'alice bob, 3', 'two stay');
select is(pg_temp.owners('remove', 'alice', '["alice"]'),
          '200 {"ok" : true, "msg" : "owners successfully removed"}',
          'and then herself');
select is(pg_temp.owners('add', 'alice', '["alice"]'),
          '403 only owners have permission to modify owners',
          'which is effective at once');
select matches(pg_temp.owners('remove', login, '["bob"]'),
               '^400 cannot remove all individual owners of a crate\.',
               'the last one stays: ' || login)
  from unnest(array['bob', 'ada']) login;
select is(pg_temp.owners('add', 'ada', '["alice"]'), pg_temp.added('alice'),
          'an admin adds');
select pg_temp.must(cargo_admin.disable_account('alice', true));
select matches(pg_temp.owners('remove', 'bob', '["bob"]'),
               '^400 cannot remove all', 'a disabled owner does not count');
select is(pg_temp.owners('remove', 'ada', '["alice"]'),
          '200 {"ok" : true, "msg" : "owners successfully removed"}',
          'an admin removes a disabled one');
select is(pg_temp.state(), 'bob, 6', 'every change is in the log');


-- teams

select pg_temp.must(cargo_admin.disable_account('alice', false));
select pg_temp.must(cargo_admin.create_team(name, null))
  from unnest(array['Platform', 'guests', 'elsewhere']) name;
select pg_temp.must(cargo_admin.create_account('carl', null, null, 'person',
                                               null, null)),
       pg_temp.must(cargo_admin.add_team_member('platform', 'mia')),
       pg_temp.must(cargo_admin.add_team_member('platform', 'carl')),
       pg_temp.must(cargo_admin.grant_role('team:platform', 'main',
                                           'publisher')),
       pg_temp.must(cargo_admin.create_token('carl', 'x', pg_temp.hash('carl'),
                                             null, null, null, null)),
       pg_temp.must(cargo_admin.grant_role('team:guests', 'main', 'reader')),
       pg_temp.must(cargo_admin.grant_role('team:elsewhere', 'vault',
                                           'admin'));

select is(pg_temp.owners('add', 'bob', jsonb_build_array(team)),
          format('400 could not find team with name `%s`', substr(team, 6)),
          'no team: ' || team)
  from unnest(array['team:nobody', 'team:', 'team:elsewhere', 'team:mia',
                    'team:team:platform', 'TEAM:%']) team;
select matches(pg_temp.owners('add', 'bob', '["team:guests"]'),
               '^400 the team `guests` has the role reader .* role publisher',
               'a team of readers');
select is(pg_temp.publish('carl', 'Foo-Bar', '2.0.0'),
          '403 this crate exists but you don''t seem to be an owner. To have '
          'this version published, ask one of its owners: bob',
          'a member does not publish yet');
select is(pg_temp.owners('add', 'bob',
                         '["team:platform", "ada", "TEAM:PLATFORM"]'),
          pg_temp.added('team:Platform', 'ada'), 'a team becomes an owner');
select is(pg_temp.owners('add', 'bob', '["team:PLATFORM"]'),
          '400 `team:PLATFORM` is already an owner', 'once');
select is(pg_temp.state(), 'bob ada team:Platform, 7', 'two and a team');

select is(pg_temp.publish('carl', 'Foo-Bar', '2.0.0'), pg_temp.published(),
          'a member publishes');
select is(pg_temp.web($$yank('main', pg_temp.token('carl'), 'foo-bar',
                             '2.0.0', true)$$), '200 {"ok":true}', 'yanks');
select is(pg_temp.owners(verb, login, '["alice"]'),
          '403 team members don''t have permission to modify owners',
          format('and does not %s owners: %s', verb, login))
  from unnest(array['add', 'remove']) verb,
       unnest(array['carl', 'mia']) login;
select matches(pg_temp.publish('alice', 'Foo-Bar', '2.1.0'),
               'owners: bob, ada, team:Platform$',
               'the sentence for others names the team');

select pg_temp.must(cargo_admin.remove_team_member('platform', 'carl')),
       pg_temp.must(cargo_admin.grant_role('carl', 'main', 'publisher'));
select is(pg_temp.owners('add', 'carl', '["carl"]'),
          '403 only owners have permission to modify owners',
          'a member no more');
select matches(pg_temp.publish('carl', 'Foo-Bar', '2.1.0'), '^403 this crate',
               'publishes no more');

select matches(pg_temp.owners('remove', 'bob', '["bob", "ada"]'),
               '^400 cannot remove all individual owners',
               'a team is no individual owner');
select is(pg_temp.owners('remove', 'bob', '["ada", "Team:platform"]'),
          '200 {"ok" : true, "msg" : "owners successfully removed"}',
          'a team goes');
select is(pg_temp.owners('remove', 'bob', '["team:platform"]'),
          '400 Could not find owner with login `team:platform`', 'once');
select is(pg_temp.state(), 'bob, 8', 'one is left');

select is(pg_temp.owners('add', 'bob', '["team:platform"]'),
          pg_temp.added('team:Platform'), 'back again');
select pg_temp.must(cargo_admin.disable_account('bob', true));
select is(pg_temp.owners('remove', 'ada', '["team:platform"]'),
          '200 {"ok" : true, "msg" : "owners successfully removed"}',
          'a team may go whoever stays');


-- scopes, and crates that one does not see

select pg_temp.must(cargo_admin.create_token(
           'ada', 'a test', pg_temp.hash('ada ' || scope), null, null,
           array[scope], '{foo_*}'))
  from unnest(array['yank', 'change-owners']) scope;
select is(pg_temp.owners(verb, token, '["alice"]', crate), answer,
          format('%s: %s, %s', verb, token, crate))
  from unnest(array['add', 'remove']) verb,
       (values ('ada yank', 'Foo-Bar',
                '403 this token does not have the required permissions to '
                'perform this action: it needs the scope `change-owners`'),
               ('ada change-owners', 'other',
                '403 this token does not have the required permissions to '
                'perform this action: it is not for crate `other`'),
               ('ada change-owners', 'FOO-none',
                '404 crate `FOO-none` does not exist'))
           v(token, crate, answer);
select is(pg_temp.owners('add', 'ada change-owners', '["mia"]'),
          pg_temp.added('mia'), 'within its scopes');

select pg_temp.must(cargo_admin.restrict_crate('main', 'foo-bar', true));
select is(pg_temp.owners(verb, 'alice', '["alice"]'),
          '404 crate `Foo-Bar` does not exist', verb || ': a hidden crate')
  from unnest(array['add', 'remove']) verb;


select * from finish();
rollback;
