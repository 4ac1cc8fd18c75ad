begin;
\ir include/registry.sql

select * from no_plan();


create function pg_temp.delete(login text, crate text,
                               message text default 'a mistake',
                               registry text default 'main') returns text
language sql
as $$
    select pg_temp.web(format('delete_crate(%L, pg_temp.token(%L), %L, %L)',
                              registry, login, crate,
                              jsonb_build_object('message', message)));
$$;

create function pg_temp.delete_version(login text, crate text, version text,
                                       message text default 'a mistake',
                                       registry text default 'main')
returns text
language sql
as $$
    select pg_temp.web(format('delete_version(%L, pg_temp.token(%L), %L, %L,'
                              ' %L)', registry, login, crate, version,
                              jsonb_build_object('message', message)));
$$;

create function pg_temp.need(role text, who text) returns text
language sql immutable
return format('403 this action needs the role admin in registry `main`, the '
              'account `%s` has the role %s; ask an administrator of the '
              'registry', who, role);

create function pg_temp.minute(days integer) returns text
language sql
as $$ select cargo_store.utc_minute(now() + make_interval(days => days)); $$;

-- how many rows of it there are in every table that has a crate or a version
create function pg_temp.left_of(crate_ids bigint[], version_ids bigint[])
returns text
language plpgsql
as $$
declare
    found text := '';
    ref   record;
    n     bigint;
begin
    for ref in
        select c.conrelid::regclass as tab, a.attname as col,
               c.confrelid = 'cargo_store.crates'::regclass as of_crate
          from pg_constraint c
               join pg_attribute a on a.attrelid = c.conrelid
                                  and a.attnum = c.conkey[1]
         where c.contype = 'f'
           and c.confrelid in ('cargo_store.crates'::regclass,
                               'cargo_store.versions'::regclass)
         order by c.conrelid::regclass::text, a.attname
    loop
        execute format('select count(*) from %s where %I = any ($1)', ref.tab,
                       ref.col)
           into n
          using case when ref.of_crate then crate_ids else version_ids end;

        if n > 0 then
            found := found || format(' %s.%s', ref.tab, ref.col);
        end if;
    end loop;

    return found;
end
$$;


select is(pg_temp.publish('alice', 'Foo-Bar', vers, '{
              "keywords": ["k1", "k2"], "categories": ["c"]}'),
          pg_temp.published(), vers)
  from unnest(array['1.0.0', '1.1.0', '2.0.0+build.1']) vers;
select is(pg_temp.publish('alice', 'base', '1.0.0', '{"keywords": ["k1"]}'),
          pg_temp.published(), 'base');
select is(pg_temp.publish('bob', 'user', '1.0.0', jsonb_build_object(
              'deps', jsonb_build_array(pg_temp.dependency('base')))),
          pg_temp.published(), 'user');

select pg_temp.must(cargo_admin.create_team('platform', null)),
       pg_temp.must(cargo_admin.grant_role('team:platform', 'main',
                                           'publisher'));
select pg_temp.must(cargo_admin.add_owners('main', 'foo-bar',
                                           '{bob,team:platform}')),
       pg_temp.must(cargo_admin.allow_reader('main', 'foo-bar', 'rita')),
       pg_temp.must(cargo_admin.allow_reader('main', 'foo-bar',
                                             'team:platform'));
select is(pg_temp.web($$follow_crate('main', pg_temp.token('rita'), 'foo-bar',
                                     true)$$), '200 {"ok":true}', 'followed');
select pg_temp.must(cargo.count_downloads(array_agg(id), array_agg(id * 10)))
  from cargo_store.versions;

create temporary table crates as select * from cargo_store.crates;
create temporary table versions as select * from cargo_store.versions;


-- who may

select is(pg_temp.delete(login, 'Foo-Bar'), answer, 'crate: ' || login)
  from (values ('alice', pg_temp.need('publisher', 'alice')),
               ('mia', pg_temp.need('maintainer', 'mia')),
               ('rita', pg_temp.need('reader', 'rita')),
               ('nobody', '403 authentication failed: ' || pg_temp.no_token()),
               ('vera', '403 authentication failed: ' || pg_temp.no_token()))
           v(login, answer);
select is(pg_temp.delete_version(login, 'Foo-Bar', '1.0.0'), answer,
          'version: ' || login)
  from (values ('alice', pg_temp.need('publisher', 'alice')),
               ('mia', pg_temp.need('maintainer', 'mia')),
               ('nobody', '403 authentication failed: ' || pg_temp.no_token()))
           v(login, answer);

select pg_temp.must(cargo_admin.create_token(
           'ada', 'a test', pg_temp.hash(token), null, null, scopes, crates))
  from (values ('ada writes', '{publish-new,publish-update,yank,read,'
                              'change-owners}'::text[], null::text[]),
               ('ada acme', '{admin}', '{acme-*}'),
               ('ada foo', '{admin}', '{foo_*}')) v(token, scopes, crates);
select is(pg_temp.delete('ada writes', 'Foo-Bar'),
          '403 this token does not have the required permissions to perform '
          'this action: it needs the scope `admin`', 'a token without admin');
select is(pg_temp.delete_version('ada acme', 'Foo-Bar', '1.0.0'),
          '403 this token does not have the required permissions to perform '
          'this action: it is not for crate `Foo-Bar`',
          'a token for other crates');

select is(pg_temp.delete('ada', crate),
          format('404 crate `%s` does not exist', crate), 'no crate: ' || crate)
  from unnest(array['foo', '', 'secret', '%']) crate;
select is(pg_temp.delete_version('ada', 'foo-bar', version),
          format('404 crate `foo-bar` does not have a version `%s`', version),
          'no version: ' || version)
  from unnest(array['3.0.0', '2.0.0', '']) version;
select is(answer, '400 a deletion needs a reason, which is kept: give it as '
                  '`message`', 'no reason')
  from (values (pg_temp.delete('ada', 'foo-bar', null)),
               (pg_temp.delete('ada', 'foo-bar', ' ')),
               (pg_temp.delete_version('ada', 'foo-bar', '1.0.0', '')),
               (pg_temp.web($$delete_crate('main', pg_temp.token('ada'),
                                           'foo-bar', null)$$)),
               (pg_temp.web($$delete_version('main', pg_temp.token('ada'),
                                             'foo-bar', '1.0.0', '[]')$$)))
       v(answer);
select matches(pg_temp.delete('ada', 'foo-bar', repeat('x', 1001)),
               '^400 .*1000 characters', 'too much of a reason');
select matches(pg_temp.delete('ada', 'base'),
               '^422 crate `base` cannot be deleted: others depend on it: '
               '`user`;', 'somebody depends on it');
select results_eq('table cargo_store.versions', 'table versions',
                  'nothing is deleted');
select is_empty('table cargo_store.deletions', 'nor noted');


-- a version

select is(pg_temp.delete_version('ada foo', 'FOO_bar', '2.0.0+build.1',
                                 'leaked a key'), '204', 'the newest version');
select is(pg_temp.left_of('{}', array[v.id]), '', 'leaves nothing')
  from versions v where v.num = '2.0.0+build.1';
select results_eq(
    $$select num_versions, max_version, newest_version,
             default_version_id = (select id from versions
                                    where num = '1.1.0')
        from cargo_store.crates where name = 'Foo-Bar'$$,
    $$values (2, '1.1.0' collate "C", '1.1.0' collate "C", true)$$,
    'the crate is described by another one');
select is(cargo.index_document('main', null, 'foo-bar')::text
              ~ '2\.0\.0', false, 'the index has it no longer');
select results_eq(
    $$select d.downloads, d.recent from cargo_store.crate_downloads d
             join crates c on c.id = d.crate_id where c.name = 'Foo-Bar'$$,
    $$select sum(id * 10)::bigint, sum(id * 10)::bigint from versions
       where num in ('1.0.0', '1.1.0') and crate_id
             = (select id from crates where name = 'Foo-Bar')$$,
    'its downloads are subtracted');
select results_eq(
    $$select name, crates from cargo_store.tags order by name$$,
    $$values ('c' collate "C", 1::bigint), ('k1', 2), ('k2', 1)$$,
    'the other one''s keywords count');
select results_eq(
    $$select name, version, deleted_by, reason,
             reserved_until = now() + interval '30 days'
        from cargo_store.deletions$$,
    $$values ('Foo-Bar' collate "C", '2.0.0+build.1' collate "C",
              'ada' collate "C", 'leaked a key', true)$$, 'it is noted');
select is((select string_agg(concat_ws(' ', crate, kind), ',')
             from (select * from cargo_store.changes order by id desc
                    limit 1) c), 'foo-bar delete', 'and a change of the index');

select is(pg_temp.publish('alice', 'Foo-Bar', vers),
          format('400 version `2.0.0+build.1` of crate `Foo-Bar` was deleted '
                 'on %s; its number cannot be used again until %s; ask an '
                 'administrator of the registry',
                 pg_temp.minute(0), pg_temp.minute(30)), 'not again: ' || vers)
  from unnest(array['2.0.0+build.1', '2.0.0', '2.0.0+b']) vers;
select is(pg_temp.publish('ada', 'Foo-Bar', '2.0.1'), pg_temp.published(),
          'another number is free');
select pg_temp.must(cargo_admin.lift_quarantine('main', 'foo-bar', '2.0.0'));
select is(pg_temp.publish('alice', 'Foo-Bar', '2.0.0'), pg_temp.published(),
          'and this one when the quarantine is lifted');

select is(pg_temp.delete_version('ada', 'Foo-Bar', num), '204', num)
  from unnest(array['1.0.0', '1.1.0', '2.0.1', '2.0.0']) num;
select results_eq(
    $$select num_versions, default_version_id, max_version
        from cargo_store.crates where name = 'Foo-Bar'$$,
    $$values (0, null::bigint, null collate "C")$$,
    'a crate without versions stays');
select is((select status from cargo.index_document('main', null, 'foo-bar')),
          404, 'and is not shown');
select is((select string_agg(name || ' ' || crates, ', ' order by name)
             from cargo_store.tags), 'c 0, k1 1, k2 0', 'tags count down');
select is((select downloads || ' ' || recent
             from cargo_store.crate_downloads d
                  join crates c on c.id = d.crate_id
            where c.name = 'Foo-Bar'), '0 0', 'no downloads either');
select matches(pg_temp.publish('bob', 'foo_bar', '3.0.0'),
               '^400 crate was previously named', 'its name is taken');
select is(pg_temp.publish('bob', 'Foo-Bar', '3.0.0', '{
              "keywords": ["k2"]}'), pg_temp.published(),
          'an owner goes on with it');


-- a crate

select pg_temp.must(cargo.count_downloads(array_agg(id), array_agg(7)))
  from cargo_store.versions;
select is(pg_temp.delete('ada foo', 'foo_BAR', 'wrong name'), '204',
          'a crate, in any spelling');
select is(pg_temp.left_of(array_agg(id), (select array_agg(v.id)
                                            from cargo_store.versions v
                                           where v.crate_id = any
                                                 (array_agg(c.id)))), '',
          'leaves nothing')
  from crates c where name = 'Foo-Bar';
select is_empty($$select from cargo_store.crates where name = 'Foo-Bar'$$,
                'not even its name');
select is((select string_agg(name || ' ' || crates, ', ' order by name)
             from cargo_store.tags), 'c 0, k1 1, k2 0', 'tags count down');
select is((select string_agg(concat_ws(' ', crate, kind), ',')
             from (select * from cargo_store.changes order by id desc
                    limit 1) c), 'foo-bar delete', 'a change of the index');
select is((select status from cargo.index_document('main', null, 'foo-bar')),
          404, 'which has it no longer');

select is(pg_temp.publish(login, name, '9.0.0'),
          format('400 the crate `Foo-Bar` was deleted on %s; its name cannot '
                 'be used again until %s; ask an administrator of the '
                 'registry', pg_temp.minute(0),
                 pg_temp.minute(30)), format('not again: %s, %s', login, name))
  from unnest(array['alice', 'ada']) login,
       unnest(array['Foo-Bar', 'foo_bar']) name;
select is(pg_temp.publish('vera', 'foo-bar', '1.0.0', registry => 'vault'),
          pg_temp.published(), 'another registry, another crate');
select pg_temp.must(cargo_admin.lift_quarantine('main', 'foo-bar', null));
select is(pg_temp.publish('bob', 'foo_bar', '2.0.1'),
          format('400 version `2.0.1` of crate `Foo-Bar` was deleted on %s; '
                 'its number cannot be used again until %s; ask an '
                 'administrator of the registry',
                 pg_temp.minute(0), pg_temp.minute(30)),
          'numbers deleted before stay deleted');
select is_empty($$select from cargo_store.crates
                   where canonical_name = 'foo_bar'
                     and registry_id = (select id from cargo_store.registries
                                         where name = 'main')$$,
                'a refusal makes no crate');
select is(pg_temp.publish('bob', 'foo_bar', '1.2.0'), pg_temp.published(),
          'the name is free for anybody');


-- quarantine

select pg_temp.must(cargo_admin.set_registry('main',
                                             '{"quarantine_days": 0}'));
select is(pg_temp.delete('ada', 'foo_bar'), '204', 'no quarantine');
select is(pg_temp.publish('alice', 'FOO-bar', '1.2.0'), pg_temp.published(),
          'the name is free at once');
select pg_temp.must(cargo_admin.set_registry('main',
    '{"quarantine_days": 999999}'));
select is(pg_temp.delete('ada', 'foo_bar'), '204', 'for good');
select matches(pg_temp.publish('alice', 'FOO-bar', '1.2.0'),
               '^400 .* until [0-9]{4}-', 'is for long');


-- dependents

select is(pg_temp.publish('bob', 'user' || n, '1.0.0', jsonb_build_object(
              'deps', jsonb_build_array(pg_temp.dependency(
                  'base', '{"kind": "dev", "explicit_name_in_toml": "b"}')))),
          pg_temp.published(), 'user' || n)
  from generate_series(1, 5) n;
select is(pg_temp.publish('alice', 'base', '1.1.0', jsonb_build_object(
              'deps', jsonb_build_array(pg_temp.dependency('base')))),
          pg_temp.published(), 'base depends on itself');
select is(pg_temp.delete('ada', 'BASE'),
          '422 crate `base` cannot be deleted: others depend on it: `user`, '
          '`user1`, `user2`, `user3`, `user4` and 1 more; yank it, or delete '
          'these first', 'five are named');
select is(pg_temp.delete('ada', 'user' || n), '204', 'user' || n)
  from unnest(array['', '1', '2', '3', '4']) n;
select is(pg_temp.publish('bob', 'user5', '1.1.0'), pg_temp.published(),
          'the last one needs it no more');
select matches(pg_temp.delete('ada', 'base'), '^422 .*: `user5`;',
               'an old version of it still does');
select is(pg_temp.delete_version('ada', 'user5', '1.0.0'), '204',
          'which goes');
select is(pg_temp.delete('ada', 'base'), '204',
          'a crate that only itself depends on');


-- a crate that was hidden stays so when it is gone
select is(pg_temp.publish('alice', 'sec-ret', '1.0.0'), pg_temp.published(),
          'a crate');
select pg_temp.must(cargo_admin.restrict_crate('main', 'sec-ret', true));
select is(pg_temp.publish('bob', 'sec_ret', '1.0.0'),
          '403 the name `sec_ret` is taken', 'hidden');
select is(pg_temp.delete('ada', 'sec-ret'), '204', 'deleted');
select is(pg_temp.publish(login, 'sec_ret', '1.0.0'),
          '400 the name `sec_ret` is taken', 'and no more is told: ' || login)
  from unnest(array['alice', 'bob']) login;
select matches(pg_temp.publish('ada', 'sec_ret', '1.0.0'),
               '^400 the crate `sec-ret` was deleted on ', 'but to an admin');


select * from finish();
rollback;
