begin;
\ir include/registry.sql

select * from no_plan();

select pg_temp.publish('alice', name, vers, content => name || vers)
  from (values ('zeta', '1.0.0'), ('Foo-Bar', '2.0.0'), ('zeta', '0.9.0'),
               ('alpha', '1.0.0+x'), ('empty', '1.0.0')) v(name, vers);
select pg_temp.publish('vera', 'hidden', '1.0.0', registry => 'vault');
select pg_temp.web($$yank('main', pg_temp.token('alice'), 'zeta', '1.0.0',
                          true)$$);
select pg_temp.must(cargo_admin.delete_version('main', 'empty', '1.0.0', 'x'));

create function pg_temp.exported(after_crate text, max_crates integer,
                                 registry text default 'main') returns text
language sql
as $$
    select string_agg(concat_ws(' ', e.crate, e.version, e.size, e.line), E'\n'
                      order by e.position)
      from cargo_admin.export_versions(registry, after_crate, max_crates)
               with ordinality
               e(crate, version, checksum, size, line, position);
$$;


select is(pg_temp.exported(null, 100),
          E'alpha 1.0.0+x 12 {"vers":"1.0.0+x","yanked":false}\n'
          'Foo-Bar 2.0.0 12 {"vers":"2.0.0","yanked":false}\n'
          'zeta 1.0.0 9 {"vers":"1.0.0","yanked":true}\n'
          'zeta 0.9.0 9 {"vers":"0.9.0","yanked":false}', 'everything');
select is((select string_agg(line || E'\n', '' order by position)
             from cargo_admin.export_versions('main', 'foo_bar', 1)
                      with ordinality e(c, v, k, s, line, position)),
          (select body from cargo.index_document('main', null, 'zeta')),
          'the lines are the index document');
select is((select string_agg(checksum, ' ')
             from cargo_admin.export_versions('main', null, 1)),
          encode(sha256('alpha1.0.0+x'), 'hex'), 'the checksum in hex');

select is(pg_temp.exported(null, 2), pg_temp.exported('', 2), 'the beginning');
select matches(pg_temp.exported('', 2), '^alpha .*\nFoo-Bar [^\n]*$',
               'the first two');
select matches(pg_temp.exported('Foo-Bar', 2), '^zeta 1.*\nzeta 0[^\n]*$',
               'the next, one has no version');
select is(pg_temp.exported('zeta', 2), null, 'the end');
select matches(pg_temp.exported(null, 9, 'vault'), '^hidden [^\n]*$',
               'of another registry');
select throws_ok($$select cargo_admin.export_versions('nowhere', null, 1)$$,
                 'P0002', 'registry `nowhere` does not exist',
                 'unknown registry');


select * from finish();
rollback;
