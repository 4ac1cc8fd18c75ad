begin;
\ir include/registry.sql
\ir include/admin.sql

select * from no_plan();

select pg_temp.publish('alice', 'Foo-Bar', vers)
  from unnest(array['1.0.0', '1.1.0']) vers;
select pg_temp.publish('bob', 'alpha', '0.1.0');
select pg_temp.must(cargo_admin.create_team('core', null));
update seen_changes set last = (select max(id) from cargo_store.changes);

create function pg_temp.document(login text) returns text
language sql
return pg_temp.web(format('index_document(''main'', pg_temp.token(%L), '
                          '''foo-bar'')', login));


select is(pg_temp.listed($$list_crates('main')$$, 'name'), '200 alpha Foo-Bar',
          'the crates, by name');
select is((select pg_temp.plain(body->1)
             from cargo_admin.list_crates('main')),
          '{"name": "Foo-Bar", "owners": ["alice"], "readers": [], '
          '"versions": 2, "restricted": false, "max_version": "1.1.0"}',
          'what is told of each');
select results_eq($$select * from cargo_admin.show_crate('main', 'foo_bar')$$,
                  $$select status, body->1
                      from cargo_admin.list_crates('main')$$,
                  'and of one, under any spelling');
select is(pg_temp.listed($$list_crates('vault')$$, 'name'), '200', 'none');
select is(pg_temp.listed(call, 'name'), '404 ' || refusal, refusal)
  from (values ($$list_crates('nowhere')$$,
                'registry `nowhere` does not exist'),
               ($$show_crate('nowhere', 'alpha')$$,
                'registry `nowhere` does not exist'),
               ($$show_crate('vault', 'alpha')$$,
                'crate `alpha` does not exist'),
               ($$show_crate('main', null)$$, 'crate `` does not exist'))
           v(call, refusal);


select matches(pg_temp.document('bob'), '^200 ', 'everybody sees it');
select is(pg_temp.admin($$restrict_crate('main', 'foo_bar', true)$$,
                        'restricted'), '200 true', 'restricted');
select matches(pg_temp.noted(),
               '^restrict_crate main Foo-Bar .*"restricted": false.* -> '
               '.*"restricted": true', 'is in the audit log');
select is(pg_temp.document('bob'), '404 crate `foo-bar` does not exist',
          'bob no longer sees it');
select matches(pg_temp.document(login), '^200 ', login || ' does')
  from unnest(array['alice', 'mia', 'ada']) login;

select is(pg_temp.admin(format('allow_reader(''main'', ''foo-bar'', %L)',
                               principal), 'readers'), '200 ' || readers,
          principal || ' may read it')
  from (values ('RITA', '["rita"]'), ('team:Core', '["rita", "team:core"]'),
               ('bob', '["bob", "rita", "team:core"]'),
               ('bob', '["bob", "rita", "team:core"]')) v(principal, readers);
select matches(pg_temp.document(login), '^200 ', login || ' sees it')
  from unnest(array['rita', 'bob']) login;
select is(pg_temp.admin(format('deny_reader(''main'', ''foo-bar'', %L)',
                               principal), 'readers'), '200 ' || readers,
          principal || ' may not')
  from (values ('Bob', '["rita", "team:core"]'), ('team:core', '["rita"]'))
           v(principal, readers);
select matches(pg_temp.noted(),
               '^deny_reader main Foo-Bar .*"team:core".* -> '
               '.*"readers": \["rita"\]', 'is in the audit log');
select is(pg_temp.document('bob'), '404 crate `foo-bar` does not exist',
          'nor does he see it');
select is(pg_temp.admin(format('deny_reader(''main'', ''foo-bar'', %L)',
                               principal)),
          format('404 `%s` is not a reader of crate `Foo-Bar`', principal),
          principal || ' was not a reader')
  from unnest(array['bob', 'team:core', 'alice']) principal;

select is(pg_temp.admin(format('%s_reader(%L, %L, %L)', verb, registry, crate,
                               principal)), '404 ' || refusal,
          verb || ': ' || refusal)
  from unnest(array['allow', 'deny']) verb,
       (values ('nowhere', 'foo', 'rita', 'registry `nowhere` does not exist'),
               ('main', 'foo', 'rita', 'crate `foo` does not exist'),
               ('main', 'foo', 'nobody', 'crate `foo` does not exist'),
               ('main', 'alpha', 'nobody', 'account `nobody` does not exist'),
               ('main', 'alpha', 'team:x', 'team `x` does not exist'),
               ('main', 'alpha', null, 'account `` does not exist'))
           v(registry, crate, principal, refusal);
select is(pg_temp.admin(format('restrict_crate(%L, %L, true)', registry,
                               crate)), '404 ' || refusal,
          'restrict: ' || refusal)
  from (values ('nowhere', 'foo', 'registry `nowhere` does not exist'),
               ('main', 'foo', 'crate `foo` does not exist'))
           v(registry, crate, refusal);

select is(pg_temp.admin($$restrict_crate('main', 'Foo-Bar', false)$$,
                        'readers'), '200 ["rita"]', 'readers are kept');
select matches(pg_temp.document('bob'), '^200 ', 'everybody sees it again');
select is(pg_temp.changes(),
          (select string_agg('readers/main/foo-bar', ' ')
             from generate_series(1, 8)), 'servers are told');


select is(pg_temp.admin($$yank('main', 'foo_bar', '1.1.0', true, 'broken')$$,
                        'yank_message'), '200 broken', 'yanked');
select is(pg_temp.noted(), 'yank main foo_bar 1.1.0 {"yanked": false} -> '
                           '{"yanked": true, "yank_message": "broken"}',
          'is in the audit log');
select matches(pg_temp.document('bob'), '1\.1\.0","yanked":true',
               'and in the index');
select is(pg_temp.admin($$yank('main', 'Foo-Bar', '1.1.0', true, null)$$,
                        'yank_message'), '200 broken', 'the message stays');
select is(pg_temp.admin($$yank('main', 'Foo-Bar', '1.1.0', false, null)$$,
                        'yanked'), '200 false', 'unyanked');
select is(pg_temp.noted(),
          'unyank main Foo-Bar 1.1.0 {"yanked": true, "yank_message": '
          '"broken"} -> {"yanked": false}', 'is in the audit log');
select is((pg_temp.admin($$yank('main', 'Foo-Bar', '1.1.0', false, 'x')$$)),
          '400 Cannot set yank message when unyanking', 'no message for that');
select is(pg_temp.admin(format('yank(%L, %L, %L, true, null)', registry, crate,
                               version)), '404 ' || refusal, refusal)
  from (values ('nowhere', 'alpha', '0.1.0',
                'registry `nowhere` does not exist'),
               ('main', 'beta', '0.1.0', 'crate `beta` does not exist'),
               ('main', 'alpha', '0.2.0',
                'crate `alpha` does not have a version `0.2.0`'))
           v(registry, crate, version, refusal);
select matches(pg_temp.admin($$yank('main', 'alpha', '0.1.0', null, null)$$),
               '^400 ', 'neither');


select * from finish();
rollback;
