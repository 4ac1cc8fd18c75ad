begin;
\ir include/registry.sql
\ir include/admin.sql

select * from no_plan();

create function pg_temp.imported(name text, vers text,
                                 changes jsonb default '{}',
                                 content text default 'content',
                                 yanked boolean default false,
                                 coming text[] default '{}',
                                 owner text default 'alice',
                                 registry text default 'main',
                                 published_at text
                                     default '2020-02-03 04:05:06Z')
returns text
language sql
as $$
    select pg_temp.admin(format(
               'import_version(%L, %L, %L, %L, sha256(%L), %s, %L, %L, %L, %L)',
               registry, pg_temp.release(name, vers, changes),
               format('{"vers":"%s","yanked":', vers), '}', content,
               length(content), published_at, yanked, owner, coming),
               'imported');
$$;

create function pg_temp.needs(name text, changes jsonb default '{}')
returns jsonb
language sql
return jsonb_build_object('deps', jsonb_build_array(
                              pg_temp.dependency(name, changes)));

create function pg_temp.document(crate text) returns text
language sql
return pg_temp.web(format('index_document(''main'', null, %L)', crate));


select is(pg_temp.imported('Foo', '1.0.0'), '200 true', 'a new crate');
select is(pg_temp.noted(),
          format('import_version main Foo 1.0.0 -> {"size": 7, "yanked": '
                 'false, "checksum": "%s"}',
                 encode(sha256('content'), 'hex')), 'is in the audit log');
select is(pg_temp.changes(), 'publish/main/foo', 'servers are told');
select results_eq(
    $$select v.num, v.created_at, a.login, c.created_at, c.num_versions,
             c.max_version, cargo_store.owner_names(c.id)
        from cargo_store.versions v
             join cargo_store.crates c on c.id = v.crate_id
             join cargo_store.accounts a on a.id = v.published_by$$,
    $$values ('1.0.0' collate "C", '2020-02-03 04:05:06Z'::timestamptz,
              'alice' collate "C", '2020-02-03 04:05:06Z'::timestamptz, 1,
              '1.0.0' collate "C", '{alice}'::text[])$$,
    'published then, by and for alice');

select is(pg_temp.imported('Foo', '1.1.0', content => 'other', yanked => true,
                           owner => 'BOB'), '200 true', 'a yanked version');
select is((select array_agg(principal)
             from cargo_store.crates c,
                  unnest(cargo_store.owner_names(c.id)) principal), '{alice}',
          'the crate has its owner already');
select is(pg_temp.document('foo'),
          E'200 {"vers":"1.0.0","yanked":false}\n'
          '{"vers":"1.1.0","yanked":true}' || E'\n', 'both are in the index');
select is((select max_version from cargo_store.crates), '1.0.0',
          'the crate knows what is yanked');
select is(pg_temp.changes(), 'publish/main/foo publish/main/foo',
          'each is one change');


update seen_changes set last = (select max(id) from cargo_store.changes);
select is(pg_temp.imported('Foo', '1.0.0'), '200 false', 'the same once more');
select is(pg_temp.noted(),
          replace('import_version main Foo 1.0.0 # -> #', '#',
                  format('{"size": 7, "yanked": false, "checksum": "%s"}',
                         encode(sha256('content'), 'hex'))), 'is noted');
select is(pg_temp.imported('Foo', '1.0.0', owner => 'bob'), '200 false',
          'whoever is to own it');
select is(pg_temp.changes(), null, 'changes nothing');
select is(pg_temp.imported('Foo', '1.0.0', yanked => true), '200 false',
          'yanked now');
select is(pg_temp.imported('Foo', '1.1.0', content => 'other'), '200 false',
          'or no longer');
select is(pg_temp.changes(), 'yank/main/foo unyank/main/foo',
          'is a change');
select is(pg_temp.document('foo'),
          E'200 {"vers":"1.0.0","yanked":true}\n'
          '{"vers":"1.1.0","yanked":false}' || E'\n', 'and in the index');

-- the line of the index is compared, and stays
create function pg_temp.differs(tail text) returns jsonb
language sql
as $$
    select body
      from cargo_admin.import_version(
               'main', pg_temp.release('Foo', '1.1.0', pg_temp.needs('gone')),
               '{"vers":"1.1.0","yanked":', tail, sha256('other'), 5, null,
               false, 'alice', null);
$$;

select is(pg_temp.differs(tail),
          jsonb_build_object('imported', false, 'differs', differs), tail)
  from (values ('}', false), (' }', false),
               (',"pubtime":"2020-01-01T00:00:00Z"}', false),
               (',"links":"z"}', true)) v(tail, differs);
select is(pg_temp.document('foo'),
          E'200 {"vers":"1.0.0","yanked":true}\n'
          '{"vers":"1.1.0","yanked":false}' || E'\n', 'none is written');


select is(pg_temp.imported('Foo', vers, content => content),
          '409 version `1.0.0` of crate `Foo` is there already, from another '
          'file', 'taken: ' || vers)
  from (values ('1.0.0', 'x'), ('1.0.0+build', 'content')) v(vers, content);


select is(pg_temp.imported('foo', '2.0.0'),
          '400 crate was previously named `Foo`', 'another spelling');
select matches(pg_temp.imported('baz', '1.0.0', '{"license": null}'),
               '^400 missing or empty metadata fields: license', 'metadata');
select is(pg_temp.imported('baz', '1.0.0', pg_temp.needs('gone')),
          '400 no known crate named `gone`', 'an unknown dependency');
select is((select body from cargo_admin.import_version(
               'main', pg_temp.release('baz', '1.0.0', pg_temp.needs('gone')),
               '{"yanked":', '}', sha256('x'), 1, now(), null, 'alice', null)),
          '{"detail": "no known crate named `gone`", "unknown_dependencies": '
          '["no known crate named `gone`"]}', 'is told apart');
select is(pg_temp.imported('baz', '1.0.0', pg_temp.needs('bar-2'),
                           coming => '{bar_2}'), '200 true',
          'one that is about to come');
select matches(pg_temp.imported('baz', '1.0.1',
                                pg_temp.needs('Foo', '{"version_req": "*"}')),
               '^400 wildcard', 'a wildcard');
select is(pg_temp.imported('bar-2', '1.0.0', owner => owner), refusal, refusal)
  from (values ('nobody', '404 account `nobody` does not exist'),
               (null, '404 account `` does not exist')) v(owner, refusal);
select is(pg_temp.imported('bar-2', '1.0.0', registry => 'nowhere'),
          '404 registry `nowhere` does not exist', 'unknown registry');


-- who is to own it, asked before and at every version

create function pg_temp.may(registry text, owner text) returns text
language sql
as $$
    select concat_ws(' ', status, body->>'detail')
      from cargo_admin.may_import(registry, owner);
$$;

select pg_temp.must(cargo_admin.disable_account('bob', true));
select pg_temp.must(cargo_admin.create_team('core', null));
create temporary table refused_owners (owner text, refusal text);
insert into refused_owners values
    ('bob', 'account `bob` is disabled: enable it, or import for '
     'another one'),
    ('team:core', '`team:core` is a team: import for an account, '
     'and make the team an owner then'),
    ('vera', 'account `vera` has no role in registry `main`, an '
     'owner needs the role publisher or a higher one: grant it, or '
     'import for another account'),
    ('rita', 'account `rita` has the role reader in registry '
     '`main`, an owner needs the role publisher or a higher one: '
     'grant it, or import for another account');

select is(pg_temp.imported('bar-2', '1.0.0', owner => owner), '400 ' || refusal,
          refusal)
  from refused_owners;
select is(pg_temp.may('main', owner), '400 ' || refusal, 'asked: ' || refusal)
  from refused_owners;
select is(pg_temp.may(registry, owner), expected, 'asked: ' || expected)
  from (values ('main', 'alice', '200'),
               ('nowhere', 'alice', '404 registry `nowhere` does not exist'),
               ('main', 'nobody', '404 account `nobody` does not exist'))
           v(registry, owner, expected);
select is_empty($$select from cargo_store.crates where name = 'bar-2'$$,
                'what is refused leaves no crate');


-- reserved names are not asked for
select is(pg_temp.imported('std', '1.0.0'), '200 true', 'a reserved name');
select is(pg_temp.imported('timeless', '1.0.0', published_at => null),
          '200 true', 'no date');
select is((select v.created_at from cargo_store.versions v
                  join cargo_store.crates c on c.id = v.crate_id
            where c.name = 'timeless'), now(), 'is now');

select pg_temp.must(cargo_admin.set_registry('main',
                                '{"allow_unknown_dependencies": true}'));
select is((select body from cargo_admin.import_version(
               'main', pg_temp.release('qux', '1.0.0', pg_temp.needs('foo')),
               '{"yanked":', '}', sha256('x'), 1, now(), null, 'alice', null)),
          '{"imported": true, "warnings": ["no known crate named `foo`; did '
          'you mean `Foo`?"]}', 'a warning');


-- what was deleted does not come back by itself
select pg_temp.must(cargo_admin.delete_version('main', 'Foo', '1.1.0', 'bad'));
select pg_temp.must(cargo_admin.delete_crate('main', 'qux', 'bad', false));
select matches(pg_temp.imported('Foo', '1.1.0', content => 'other'),
               '^409 version `1\.1\.0` of crate `Foo` was deleted', 'a version');
select matches(pg_temp.imported('qux', '1.0.0'),
               '^409 the crate `qux` was deleted', 'a crate');

select ok(pg_temp.imported('quux', '1.0.0') like '200%'
          and pg_temp.imported('quux', '1.1.0') like '200%', 'two versions');
select pg_temp.must(cargo_admin.delete_version('main', 'quux', '1.0.0',
                                               'bad')),
       pg_temp.must(cargo_admin.delete_crate('main', 'quux', 'bad', false)),
       pg_temp.must(cargo_admin.lift_quarantine('main', 'quux', null));
select matches(pg_temp.imported('quux', '1.0.0'),
               '^409 version `1\.0\.0` of crate `quux` was deleted',
               'a version of a crate whose name is free again');
select is((select count(*) from cargo_store.crates where name = 'quux'),
          0::bigint,
          'and no crate is left behind by that');


select * from finish();
rollback;
