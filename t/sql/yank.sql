begin;
\ir include/registry.sql

select * from no_plan();


create function pg_temp.yank(login text, crate text, version text,
                             yanked boolean default true,
                             registry text default 'main') returns text
language sql
as $$
    select pg_temp.web(format('yank(%L, pg_temp.token(%L), %L, %L, %L)',
                              registry, login, crate, version, yanked));
$$;

-- what is yanked, and how often the index changed
create function pg_temp.state() returns text
language sql
as $$
    select (select string_agg(num, ' ' order by id)
              from cargo_store.versions where yanked)
           || ', ' || (select string_agg(kind, ' ' order by id)
                         from cargo_store.changes where crate = 'foo-bar');
$$;

create temporary table dates (modified timestamptz unique);

select is(pg_temp.publish('alice', 'Foo-Bar', vers), pg_temp.published(), vers)
  from unnest(array['1.0.0', '1.1.0+build.7']) vers;

insert into dates select index_modified from cargo_store.crates;


select is(pg_temp.yank('alice', 'Foo-Bar', '1.0.0', registry => 'nowhere'),
          pg_temp.web($$authenticate('nowhere', null, 'publish')$$),
          'unknown registry');
select is(pg_temp.yank(null, 'Foo-Bar', '1.0.0'),
          pg_temp.web($$authenticate('main', null, 'publish')$$), 'no token');
select is(pg_temp.yank('nobody', 'Foo-Bar', '1.0.0'),
          '403 authentication failed: ' || pg_temp.no_token(),
          'unknown token');
select matches(pg_temp.yank('rita', 'Foo-Bar', '1.0.0'),
               '^403 .* role publisher .* role reader', 'reader');
select is(pg_temp.yank('bob', 'Foo-Bar', '1.0.0'),
          '403 must already be an owner to yank or unyank', 'not an owner');

select is(pg_temp.yank('alice', 'no-such', '1.0.0'),
          '404 crate `no-such` does not exist', 'unknown crate');
select is(pg_temp.yank('bob', 'foo_bar', version),
          format('404 crate `foo_bar` does not have a version `%s`', version),
          'unknown version ' || version)
  from unnest(array['2.0.0', '1.1.0', '1.1.0+build.8', '1.0.0+', 'v1.0.0',
                    '']) version;
select is(pg_temp.yank('vera', 'Foo-Bar', '1.0.0', registry => 'vault'),
          '404 crate `Foo-Bar` does not exist', 'a crate of another registry');

select is(pg_temp.state(), null, 'nothing is yanked');

select is(pg_temp.yank('alice', 'Foo-Bar', '1.0.0'), '200 {"ok":true}',
          'an owner yanks');
select is(pg_temp.state(), '1.0.0, publish publish yank', 'that version');
insert into dates select index_modified from cargo_store.crates;

select is(pg_temp.yank('alice', 'Foo-Bar', '1.0.0'), '200 {"ok":true}',
          'once more');
select is(pg_temp.state(), '1.0.0, publish publish yank', 'changes nothing');
select ok((select max(d.modified) = min(c.index_modified)
             from dates d, cargo_store.crates c), 'nor the date');

select is(pg_temp.yank('mia', 'foo_bar', '1.1.0+build.7'), '200 {"ok":true}',
          'a maintainer, under another spelling, with build metadata');
insert into dates select index_modified from cargo_store.crates;
select is(pg_temp.state(), '1.0.0 1.1.0+build.7, publish publish yank yank',
          'yanks too');

select is(pg_temp.yank('ada', 'FOO-bar', '1.0.0', false), '200 {"ok":true}',
          'an admin unyanks');
insert into dates select index_modified from cargo_store.crates;
select is(pg_temp.state(), '1.1.0+build.7, publish publish yank yank unyank',
          'the other one stays yanked');
select is(pg_temp.yank('alice', 'foo-bar', '1.0.0', false), '200 {"ok":true}',
          'unyank what is not yanked');

select results_eq('select modified from dates order by ctid',
                  'select modified from dates order by modified',
                  'the date of the document rose with each change');
select is((select max(modified) - min(modified) from dates),
          interval '3 seconds', 'by a second each at least');


select * from finish();
rollback;
