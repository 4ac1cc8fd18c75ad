begin;
\ir include/registry.sql

select * from no_plan();


create function pg_temp.download(crate text, version text,
                                 registry text default 'main',
                                 login text default null) returns text
language sql
as $$
    select pg_temp.web(format('download(%L, pg_temp.token(%L), %L, %L)',
                              registry, login, crate, version));
$$;


select is(pg_temp.publish('alice', 'Foo-Bar', '1.0.0+b.1'),
          pg_temp.published(), 'a version');
select is(pg_temp.publish('vera', 'foo', '1.0.0', registry => 'vault'),
          pg_temp.published(), 'a private one');

select is(pg_temp.download(crate, '1.0.0+b.1'), '200', crate)
  from unnest(array['Foo-Bar', 'foo-bar', 'FOO_BAR']) crate;

select results_eq(
    $$select checksum, version_id, private, restricted, hidden
        from cargo.download('main', null, 'foo_bar', '1.0.0+b.1')$$,
    $$select encode(sha256('content'), 'hex'), v.id, false, false, false
        from cargo_store.versions v where v.num = '1.0.0+b.1'$$,
    'which file, and what to count');

select is(pg_temp.download('foo', '1.0.0+b.1'),
          '404 crate `foo` does not exist', 'unknown crate');
select is(pg_temp.download('foo-bar', version),
          format('404 crate `foo-bar` does not have a version `%s`', version),
          'unknown version ' || version)
  from unnest(array['1.0.0', '1.0.0+b.2', '1.0', '']) version;
select is(pg_temp.download('foo-bar', '1.0.0+b.1', registry => 'nowhere'),
          pg_temp.web($$index_config('nowhere', null)$$), 'unknown registry');

select is(pg_temp.web($$yank('main', pg_temp.token('alice'), 'Foo-Bar',
                             '1.0.0+b.1', true)$$), '200 {"ok":true}', 'yank');
select is(pg_temp.download('foo-bar', '1.0.0+b.1'), '200',
          'a yanked version is there for those who have it locked');

select is(pg_temp.download('foo', '1.0.0', registry => 'vault', login => login),
          '200', 'private: ' || login)
  from unnest(array['vera', 'vito']) login;
select is(pg_temp.download(crate, '1.0.0', registry => 'vault',
                           login => login),
          pg_temp.web(format('index_config(''vault'', pg_temp.token(%L))',
                             login)),
          format('private: %s, %s', coalesce(login, 'no token'), crate))
  from unnest(array[null, 'nobody', 'alice']) login,
       unnest(array['foo', 'no-such']) crate;
select ok((select private and hidden is null and version_id is null
             from cargo.download('vault', null, 'foo', '1.0.0')),
          'which says so');


-- counting

create function pg_temp.counts() returns setof text
language sql
as $$
    select concat_ws(' ', v.num, d.date - (now() at time zone 'UTC')::date,
                     d.downloads)
      from cargo_store.version_downloads d
           join cargo_store.versions v on v.id = d.version_id
     order by v.id, d.date;
$$;

create temporary table v as
    select (select id from cargo_store.versions where num = '1.0.0+b.1') as a,
           (select id from cargo_store.versions where num = '1.0.0') as b;

select is(pg_temp.web(format('count_downloads(array[%s, %s, %s], '
                             'array[3, 4, 5])', b, a, a)),
          '200 {"counted":2}', 'three counts of two versions')
  from v;
select results_eq('select pg_temp.counts()',
                  array['1.0.0+b.1 0 9', '1.0.0 0 3'], 'are added up');

update cargo_store.version_downloads set date = date - 1;
select is(pg_temp.web(format('count_downloads(array[%s], array[1])', a)),
          '200 {"counted":1}', 'the day after')
  from v;
select is(pg_temp.web(format('count_downloads(array[%s], array[1])', a)),
          '200 {"counted":1}', 'and again')
  from v;
select results_eq('select pg_temp.counts()',
                  array['1.0.0+b.1 -1 9', '1.0.0+b.1 0 2', '1.0.0 -1 3'],
                  'counts by the day');

set local timezone = 'Pacific/Kiritimati';
select is(pg_temp.web(format('count_downloads(array[%s], array[1])', a)),
          '200 {"counted":1}', 'whatever the time zone')
  from v;
set local timezone = 'Pacific/Pago_Pago';
select is(pg_temp.web(format('count_downloads(array[%s], array[1])', a)),
          '200 {"counted":1}', 'of the session')
  from v;
select is((select count(*) from pg_temp.counts()), 3::bigint,
          'the day is that of UTC');

select is(pg_temp.web(format('count_downloads(array[0, %s, null, %s], '
                             'array[1, 0, 1, -5])', a, b)),
          '200 {"counted":0}', 'no such version, no downloads')
  from v;
select is(pg_temp.web('count_downloads(''{}'', ''{}'')'),
          '200 {"counted":0}', 'nothing at all');
select is(pg_temp.web(format('count_downloads(array[%s, %s], array[1])', a, b)),
          '200 {"counted":1}', 'a count too few')
  from v;


select * from finish();
rollback;
