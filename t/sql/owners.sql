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

create function pg_temp.list(login text default null,
                             crate text default 'Foo-Bar',
                             registry text default 'main') returns text
language sql
as $$
    select pg_temp.web(format(
               'list_owners(%L, pg_temp.token(%L), %L, ''https://x'')',
               registry, login, crate));
$$;

-- who owns it, and how often that changed
create function pg_temp.state() returns text
language sql
as $$
    select (select string_agg(a.login, ' ' order by a.id)
              from cargo_store.owners o
                   join cargo_store.accounts a on a.id = o.account_id
                   join cargo_store.crates c on c.id = o.crate_id
             where c.name = 'Foo-Bar')
           || (select format(', %s', count(*))
                 from cargo_store.changes
                where kind = 'owner' and crate = 'foo-bar');
$$;

create function pg_temp.added(variadic logins text[]) returns text
language sql
as $$
    select format('200 {"ok" : true, "msg" : "%s"}',
                  string_agg(format('user %s has been added as an owner of '
                                    'crate Foo-Bar', l), ','))
      from unnest(logins) l;
$$;

select is(pg_temp.publish('alice', 'Foo-Bar', '1.0.0'), pg_temp.published(),
          'a crate');
select is(pg_temp.publish('vera', 'secret', '1.0.0', registry => 'vault'),
          pg_temp.published(), 'a private one');
update cargo_store.accounts set email = login || '@example.org';
update cargo_store.accounts set name = null where login = 'bob';


-- listing

select is(substr(pg_temp.list(), 5)::jsonb,
          format('{"users":[{"id":%s,"login":"alice","kind":"user",
                  "url":"https://x/api/v1/users/alice","name":"Alice",
                  "email":null,"avatar":null}]}', id)::jsonb, 'one owner')
  from cargo_store.accounts where login = 'alice';
select is(pg_temp.list(crate => crate), pg_temp.list(), crate)
  from unnest(array['foo-bar', 'FOO_BAR']) crate;
select is(substr(pg_temp.list(login), 5)::jsonb #>> '{users,0,email}', email,
          'mail for ' || coalesce(login, 'anybody'))
  from (values (null, null), ('nobody', null), ('bob', null), ('rita', null),
               ('vera', null), ('alice', 'alice@example.org'),
               ('mia', 'alice@example.org'),
               ('ada', 'alice@example.org')) v(login, email);
select is(pg_temp.list(crate => crate),
          format('404 crate `%s` does not exist', crate), 'unknown: ' || crate)
  from unnest(array['no-such', 'secret', '', '%', 'ü']) crate;
select is(pg_temp.list(registry => 'nowhere'),
          pg_temp.web($$index_config('nowhere', null)$$), 'unknown registry');
select is(pg_temp.list(login, crate, 'vault'),
          pg_temp.web(format('index_config(''vault'', pg_temp.token(%L))',
                             login)),
          format('private: %s, %s', coalesce(login, 'no token'), crate))
  from unnest(array[null, 'nobody', 'alice']) login,
       unnest(array['secret', 'no-such']) crate;
select matches(pg_temp.list('vito', 'secret', 'vault'),
               '^200 .*"login" : "vera"', 'private, with a token');


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
          '400 the request must be a JSON object with an array of logins: '
          '{"users":["login"]}', format('%s: %s', verb, request))
  from unnest(array['add', 'remove']) verb,
       unnest(array[null, 'null', '1', '"bob"', '{}', '{"users":"bob"}',
                    '{"users":{}}', '{"users":null}', '{"users":[1]}',
                    '{"users":["bob",null]}', '{"users":[["bob"]]}',
                    '{"user":["bob"]}', '{"owners":{"a":1}}']::jsonb[]) request;
select is(pg_temp.owners(verb, 'alice', '[]'),
          '400 the request names no login', verb || ': nobody')
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
select is((select array_agg(u->>'login' order by position)
             from jsonb_array_elements(
                      substr(pg_temp.list(), 5)::jsonb->'users')
                      with ordinality u(u, position)),
          array['alice', 'bob'], 'listed by id');
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
          '200 {"ok":true,"msg":"owners successfully removed"}',
          'an owner removes two');
select is(pg_temp.state(), 'alice bob, 3', 'two stay');
select is(pg_temp.owners('remove', 'alice', '["alice"]'),
          '200 {"ok":true,"msg":"owners successfully removed"}',
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
          '200 {"ok":true,"msg":"owners successfully removed"}',
          'an admin removes a disabled one');
select is(pg_temp.state(), 'bob, 6', 'every change is in the log');


select * from finish();
rollback;
