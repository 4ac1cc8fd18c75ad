begin;
\ir include/registry.sql
\ir include/admin.sql

select * from no_plan();


create function pg_temp.answer(status integer, body jsonb) returns text
language sql
return concat_ws(' ', status, coalesce(body->>'detail',
                     (body - 'id' - 'created_at')::text));

create function pg_temp.made(login text, kind text default 'person',
                             registry text default null,
                             role text default null) returns text
language sql
as $$
    select pg_temp.answer(status, body)
      from cargo_admin.create_account(login, 'Name', 'n@example.org', kind,
                                      registry, role);
$$;

create function pg_temp.granted(login text, registry text, role text)
returns text
language sql
as $$
    select pg_temp.answer(status, body)
      from cargo_admin.grant_role(login, registry, role);
$$;

create function pg_temp.account(login text, roles jsonb default '{}',
                                kind text default 'person') returns text
language sql
return '200 ' || jsonb_build_object(
           'login', login, 'name', 'Name', 'email', 'n@example.org',
           'kind', kind, 'disabled_at', null, 'roles', roles,
           'teams', '[]'::jsonb)::text;


select is(pg_temp.made('carl'), pg_temp.account('carl'), 'an account');
select matches(pg_temp.noted(), '^create_account -> .*"login": "carl"',
               'is in the audit log');
select is(pg_temp.made('Robot-7', 'service', 'main', 'publisher'),
          pg_temp.account('Robot-7', '{"main": "publisher"}', 'service'),
          'a service with a role');
select is((select pg_temp.answer(status, body - 'roles' - 'kind' - 'teams')
             from cargo_admin.create_account('x', null, null, 'person', null,
                                             null)),
          '200 {"name": null, "email": null, "login": "x", '
          '"disabled_at": null}', 'neither name nor address');

select is(pg_temp.made(login), '409 account `' || login || '` exists already',
          'taken: ' || login)
  from unnest(array['carl', 'CARL', 'robot-7']) login;

select is(pg_temp.made(login),
          format('400 `%s` cannot be a login: use a letter or digit and up to '
                 '63 more of these and "_", ".", "@", "-"', login),
          'not a login: ' || coalesce(login, 'null'))
  from unnest(array['', '-a', '.a', 'a b', 'a/b', 'ü', E'a\n',
                    repeat('a', 65), null]) login;
select matches(pg_temp.made(login), '^200 ', 'a login: ' || login)
  from unnest(array['0', 'a.b@example.org', repeat('a', 64)]) login;

select is(pg_temp.made('dora', kind),
          format('400 `%s` is no kind of account: use person or service',
                 kind), 'not a kind: ' || coalesce(kind, 'null'))
  from unnest(array['robot', 'Person', '', null]) kind;
select is(pg_temp.made('dora', 'person', registry, role),
          '400 registry and role go together: give both or neither',
          'half a role')
  from (values ('main', null), (null, 'reader')) v(registry, role);
select is(pg_temp.made('dora', 'person', 'nowhere', 'reader'),
          '404 registry `nowhere` does not exist', 'unknown registry');
select is(pg_temp.made('dora', 'person', 'main', 'king'),
          '400 `king` is no role: use reader, publisher, maintainer, admin or '
          'none', 'no such role');
select is_empty($$select from cargo_store.accounts where login = 'dora'$$,
                'whatever is refused leaves no account');
select is(pg_temp.admin($$create_account('dora', null, null, 'person', 'main',
                                         'king')$$),
          '400 `king` is no role: use reader, publisher, maintainer, admin or '
          'none', 'but a row in the audit log');


select is(pg_temp.granted('carl', 'main', role),
          pg_temp.account('carl', jsonb_build_object('main', role)),
          'now a ' || role)
  from unnest(array['reader', 'admin', 'maintainer', 'publisher',
                    'publisher']) role;
select is(pg_temp.granted('CARL', 'vault', 'reader'),
          pg_temp.account('carl', '{"main": "publisher", "vault": "reader"}'),
          'in another registry, by another case');
select is(pg_temp.granted('carl', 'main', 'none'),
          pg_temp.account('carl', '{"vault": "reader"}'), 'no role any more');
select is(pg_temp.noted(),
          'grant_role main {"name": "carl", "role": "publisher"} -> '
          '{"name": "carl", "role": null}', 'with the role before');
select is(pg_temp.granted('carl', 'main', 'none'),
          pg_temp.account('carl', '{"vault": "reader"}'), 'nor before');

select is(pg_temp.granted('carl', 'main', role),
          format('400 `%s` is no role: use reader, publisher, maintainer, '
                 'admin or none', role), 'no role: ' || coalesce(role, 'null'))
  from unnest(array['Admin', '', null]) role;
select is(pg_temp.granted('nobody', 'main', 'reader'),
          '404 account `nobody` does not exist', 'unknown account');
select is(pg_temp.granted('carl', 'nowhere', 'reader'),
          '404 registry `nowhere` does not exist', 'unknown registry');


select results_eq(
    $$select status, (body->>'disabled_at')::timestamptz, body->>'login'
        from cargo_admin.disable_account('CARL', true)$$,
    $$values (200, now(), 'carl')$$, 'disabled');
update cargo_store.accounts set disabled_at = '2026-01-01 00:00:00Z'
 where login = 'carl';
select is((select (body->>'disabled_at')::timestamptz
             from cargo_admin.disable_account('carl', true)),
          '2026-01-01 00:00:00Z'::timestamptz, 'since then');
select is((select pg_temp.answer(status, body)
             from cargo_admin.disable_account('carl', false)),
          pg_temp.account('carl', '{"vault": "reader"}'), 'enabled');
select matches(pg_temp.noted(),
               '^enable_account .*"disabled_at": "2026-01-01.* -> .*'
               '"disabled_at": null', 'is in the audit log');
select is(pg_temp.admin($$disable_account('nobody', true)$$),
          '404 account `nobody` does not exist', 'unknown account');


select is((select count(*) from cargo_store.changes
            where kind = 'role' and created_at = now()
              and id > (select max(id) from cargo_store.changes
                         where kind = 'token')), 9::bigint,
          'every change of a role is in the log');
select is((select count(*) from cargo_store.changes where kind = 'account'),
          3::bigint, 'and of an account');

select is((select status || ' ' || string_agg(a->>'login', ' ' order by n)
             from cargo_admin.list_accounts(),
                  jsonb_array_elements(body) with ordinality e(a, n)
            group by status),
          '200 0 a.b@example.org ' || repeat('a', 64)
          || ' ada alice bob carl mia rita Robot-7 vera vito x',
          'the list, by login in any case');
select is((select pg_temp.answer(status, body->6)
             from cargo_admin.list_accounts()),
          pg_temp.account('carl', '{"vault": "reader"}'),
          'has what the others give');


-- crates that nobody who is let in owns by himself

select pg_temp.publish('alice', 'alone', '1.0.0'),
       pg_temp.publish('alice', 'shared', '1.0.0');
select pg_temp.must(cargo_admin.create_team('core', null)),
       pg_temp.must(cargo_admin.grant_role('team:core', 'main', 'publisher')),
       pg_temp.must(cargo_admin.add_owners('main', 'alone', '{team:core}')),
       pg_temp.must(cargo_admin.add_owners('main', 'shared', '{bob}'));
select is((select body->>'ownerless_crates'
             from cargo_admin.disable_account(login, true)), crates,
          login || ' leaves ' || crates)
  from (values ('alice', '["main/alone"]'), ('bob', '["main/shared"]'))
           v(login, crates);
select pg_temp.must(cargo_admin.disable_account(login, false))
  from unnest(array['alice', 'bob']) login;


select * from finish();
rollback;
