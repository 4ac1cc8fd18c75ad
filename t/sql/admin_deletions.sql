begin;
\ir include/registry.sql
\ir include/admin.sql

select * from no_plan();

select pg_temp.publish('alice', 'Foo', vers)
  from unnest(array['1.0.0', '1.1.0+a']) vers;
select pg_temp.publish('alice', 'bar', '1.0.0', jsonb_build_object(
           'deps', jsonb_build_array(pg_temp.dependency('Foo'))));
update seen_changes set last = (select max(id) from cargo_store.changes);


select is(pg_temp.admin($$delete_version('main', 'foo', '1.1.0+a', 'leaked')$$,
                        'reason'), '200 leaked', 'a version');
select matches(pg_temp.noted(),
               '^delete_version main foo 1\.1\.0\+a .*"checksum": "[0-9a-f]{64}'
               '.* -> .*"reason": "leaked"', 'is in the audit log');
select is(pg_temp.publish('alice', 'Foo', '1.1.0'),
          format('400 version `1.1.0+a` of crate `Foo` was deleted on %s; its '
                 'number cannot be used again until %s; ask an administrator '
                 'of the registry',
                 cargo_store.utc_minute(now()),
                 cargo_store.utc_minute(now() + interval '30 days')),
          'the number is in quarantine');

select is(pg_temp.admin(format('delete_version(%L, %L, %L, %L)', registry,
                               crate, version, reason)), refusal, refusal)
  from (values ('nowhere', 'foo', '1.0.0', 'x',
                '404 registry `nowhere` does not exist'),
               ('main', 'fooo', '1.0.0', 'x',
                '404 crate `fooo` does not exist'),
               ('main', 'foo', '1.1.0+a', 'x',
                '404 crate `foo` does not have a version `1.1.0+a`'),
               ('main', 'foo', '1.0.0', ' ', '400 a deletion needs a reason, '
                'which is kept: give it as `message`'))
           v(registry, crate, version, reason, refusal);


select is(pg_temp.admin(format('delete_crate(%L, %L, %L, false)', registry,
                               crate, reason)), refusal, refusal)
  from (values ('nowhere', 'foo', 'x',
                '404 registry `nowhere` does not exist'),
               ('main', 'fooo', 'x', '404 crate `fooo` does not exist'),
               ('main', 'foo', null, '400 a deletion needs a reason, which is '
                'kept: give it as `message`'),
               ('main', 'foo', 'x', '422 crate `Foo` cannot be deleted: others '
                'depend on it: `bar`; yank it, or delete these first'))
           v(registry, crate, reason, refusal);
select is(pg_temp.admin($$delete_crate('main', 'foo', 'not ours', true)$$,
                        'reason'), '200 not ours', 'by force');
select matches(pg_temp.noted(),
               '^delete_crate main foo .*"owners": \["alice"\].* -> '
               '.*"reason": "not ours"', 'is in the audit log');
select is(pg_temp.changes(), 'delete/main/foo delete/main/foo',
          'servers are told');


select is(pg_temp.listed($$list_deletions('main')$$, member), '200 ' || list,
          'the list: ' || member)
  from (values ('name', 'Foo Foo'), ('version', '1.1.0+a'),
               ('reason', 'leaked not ours'),
               ('deleted_by', 'cargoctl:postgres cargoctl:postgres'))
           v(member, list);
select is(pg_temp.listed($$list_deletions('vault')$$, 'name'), '200', 'none');
select is(pg_temp.listed($$list_deletions('nowhere')$$, 'name'),
          '404 registry `nowhere` does not exist', 'unknown registry');


select matches(pg_temp.publish('bob', 'FOO', '2.0.0'),
               '^400 the crate `Foo` was deleted', 'the name is in quarantine');
select is(pg_temp.admin($$lift_quarantine('main', 'foo', null)$$, 'name'),
          '200 Foo', 'no longer');
select matches(pg_temp.noted(),
               '^lift_quarantine main foo .*"reserved_until": "2.* -> '
               '.*"reserved_until": null', 'is in the audit log');
select is((select jsonb_agg(d->'reserved_until' <> 'null')::text
             from cargo_admin.list_deletions('main') l,
                  jsonb_array_elements(l.body) d), '[true, false]',
          'the list says which of them still is');
select is(pg_temp.publish('bob', 'FOO', '2.0.0'), pg_temp.published(),
          'it can be taken');
select matches(pg_temp.publish('bob', 'FOO', '1.1.0'),
               '^400 version `1\.1\.0\+a` of crate `Foo` was deleted',
               'the number not');
select is(pg_temp.admin($$lift_quarantine('main', 'foo', '1.1.0')$$,
                        'version'), '200 1.1.0+a', 'no longer');
select is(pg_temp.publish('bob', 'FOO', '1.1.0'), pg_temp.published(),
          'it can be taken too');
select is(pg_temp.admin(format('lift_quarantine(%L, %L, %L)', registry, crate,
                               version)), '404 ' || refusal, refusal)
  from (values ('nowhere', 'foo', null, 'registry `nowhere` does not exist'),
               ('main', 'foo', null,
                'crate `foo` is not in quarantine in registry `main`'),
               ('main', 'foo', '1.1.0', 'crate `foo` version `1.1.0` is not in '
                'quarantine in registry `main`'),
               ('vault', 'foo', '1.1.0', 'crate `foo` version `1.1.0` is not '
                'in quarantine in registry `vault`'))
           v(registry, crate, version, refusal);


select * from finish();
rollback;
