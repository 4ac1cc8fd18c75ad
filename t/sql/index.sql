begin;
\ir include/registry.sql
\ir include/follows.sql

select * from no_plan();


create function pg_temp.document(crate text, registry text default 'main',
                                 login text default null) returns text
language sql
as $$
    select pg_temp.web(format('index_document(%L, pg_temp.token(%L), %L)',
                              registry, login, crate));
$$;


select is(pg_temp.publish('alice', 'Foo-Bar', vers), pg_temp.published(), vers)
  from unnest(array['1.0.0', '0.9.0', '1.1.0']) vers;
select is(pg_temp.publish('vera', 'foo-bar', '7.0.0', registry => 'vault'),
          pg_temp.published(), 'another registry');

select is(pg_temp.document('foo-bar'),
          E'200 {"vers":"1.0.0","yanked":false}\n'
          '{"vers":"0.9.0","yanked":false}\n'
          '{"vers":"1.1.0","yanked":false}\n',
          'the versions in the order of their publication, a line each');

select is(pg_temp.web($$yank('main', pg_temp.token('alice'), 'Foo-Bar',
                             '0.9.0', true)$$), '200 {"ok":true}', 'yank');
select is(pg_temp.document('foo-bar'),
          E'200 {"vers":"1.0.0","yanked":false}\n'
          '{"vers":"0.9.0","yanked":true}\n'
          '{"vers":"1.1.0","yanked":false}\n',
          'changes a word and no order');

select is(pg_temp.document(crate), '404 crate `' || crate || '` does not exist',
          'the name is that of the index path: ' || crate)
  from unnest(array['Foo-Bar', 'foo_bar', 'FOO-BAR', 'foo', '']) crate;
select is(pg_temp.document(null), '404 crate `` does not exist', 'no name');

select is(pg_temp.document('foo-bar', 'nowhere'),
          pg_temp.web($$index_config('nowhere', null)$$), 'unknown registry');
select is(pg_temp.document('foo-bar', 'main', 'nobody'),
          pg_temp.document('foo-bar'),
          'a public registry looks at no token');

select is(pg_temp.document('foo-bar', 'vault', login),
          E'200 {"vers":"7.0.0","yanked":false}\n', 'private: ' || login)
  from unnest(array['vera', 'vito']) login;
select is(pg_temp.document(crate, 'vault', login),
          pg_temp.web(format('index_config(''vault'', pg_temp.token(%L))',
                             login)),
          format('private: %s, %s', coalesce(login, 'no token'), crate))
  from unnest(array[null, 'nobody', 'alice']) login,
       unnest(array['foo-bar', 'no-such']) crate;

insert into cargo_store.crates (registry_id, name)
select id, 'empty' from cargo_store.registries where name = 'main';
select is(pg_temp.document('empty'), '404 crate `empty` does not exist',
          'a crate without versions');

select results_eq(
    $$select status, modified, private, restricted, hidden
        from cargo.index_document('main', null, 'foo-bar')
      union all
      select status, modified, private, restricted, hidden
        from cargo.index_document('main', null, 'empty')
      union all
      select status, modified, private, restricted, hidden
        from cargo.index_document('vault', null, 'foo-bar')
      union all
      select status, modified, private, restricted, hidden
        from cargo.index_document('nowhere', null, 'foo-bar')$$,
    $$select 200, extract(epoch from index_modified)::bigint, false, false,
             false
        from cargo_store.crates where name = 'Foo-Bar'
      union all
      values (404, null::bigint, false, false, false),
             (401, null, true, null, null), (404, null, null, null, null)$$,
    'what a server has to know to remember it');

select is((select sum(length(body))
             from cargo.index_document('main', null, 'foo-bar')),
          (select sum(length(index_head || index_tail)
                      + length(case when yanked then 'true' else 'false' end)
                      + 1)
             from cargo_store.versions v
                  join cargo_store.crates c on c.id = v.crate_id
            where c.name = 'Foo-Bar'),
          'every line is in the document, whole');


-- what is stored of them

create function pg_temp.stored_document(crate text) returns text
language sql
as $$
    select d.body
      from cargo_store.documents d
           join cargo_store.registries r on r.id = d.registry_id
     where r.name = 'main' and d.name = $1;
$$;

select is(pg_temp.stored_document('foo-bar'),
          substr(pg_temp.document('foo-bar'), 5),
          'a stored document is one row');
select is(pg_temp.stored_document(crate), null, 'not there: ' || crate)
  from unnest(array['Foo-Bar', 'foo_bar', 'foo', 'empty', '']) crate;
select is((select count(*)::integer from cargo_store.documents), 2,
          'one for each crate that has versions');
select is_empty('select pg_temp.differing_documents()',
                'what is stored is what the versions say');

update cargo_store.crates set restricted = true where name = 'Foo-Bar';
select is(pg_temp.stored_document('foo-bar'), null,
          'none of a crate that is restricted');
select is((select count(*)::integer from cargo_store.documents d
            where d.name = 'foo-bar'), 1, 'its document is not even stored');
select matches(pg_temp.document('foo-bar', 'main', 'alice'), '^200 .*1\.0\.0',
               'who sees it is given it all the same');
select is(pg_temp.web($$yank('main', pg_temp.token('alice'), 'Foo-Bar',
                             '1.0.0', true)$$), '200 {"ok":true}', 'a yank');
select is(pg_temp.stored_document('foo-bar'), null, 'does not bring it back');
update cargo_store.crates set restricted = false where name = 'Foo-Bar';
select is(pg_temp.stored_document('foo-bar'),
          substr(pg_temp.document('foo-bar'), 5), 'which this does');
select is(pg_temp.web($$yank('main', pg_temp.token('alice'), 'Foo-Bar',
                             '1.0.0', false)$$), '200 {"ok":true}', 'unyank');

select results_eq(
    $$select crate, status, left(body, 16), restricted, hidden
        from cargo.index_documents('main', null,
                                   array['foo-bar', 'no-such', 'empty',
                                         'foo_bar'])
       order by crate$$,
    $$values ('empty', 404, 'crate `empty` do', false, false),
             ('foo-bar', 200, '{"vers":"1.0.0",', false, false),
             ('foo_bar', 404, 'crate `foo_bar` ', false, false),
             ('no-such', 404, 'crate `no-such` ', false, false)$$,
    'several at once, each with its own answer');
select results_eq(
    $$select crate, status, private, hidden
        from cargo.index_documents('vault', null, array['foo-bar', 'x'])
       order by crate$$,
    $$values ('foo-bar', 401, true, null::boolean), ('x', 401, true, null)$$,
    'or all the same');

delete from cargo_store.documents;
select is(pg_temp.document('foo-bar'),
          E'200 {"vers":"1.0.0","yanked":false}\n'
          '{"vers":"0.9.0","yanked":true}\n'
          '{"vers":"1.1.0","yanked":false}\n',
          'what is not stored is put together');
select is(cargo_admin.store_documents(0, 1), min(id), 'and can be stored')
  from cargo_store.crates where lower(name) = 'foo-bar';
select is(cargo_admin.store_documents(min(id), 9), max(id), 'bit by bit')
  from cargo_store.crates where lower(name) = 'foo-bar';
select is(cargo_admin.store_documents(max(id), 9), null,
          'until there is none left')
  from cargo_store.crates where lower(name) = 'foo-bar';
select is((select count(*)::integer from cargo_store.documents), 2, 'all');
select is_empty('select pg_temp.differing_documents()',
                'as the versions say');


-- a date that two changes within a second share would leave cargo with the
-- older document

update cargo_store.crates set index_modified = '2100-01-01 00:00:00Z';
select is(pg_temp.publish('alice', 'Foo-Bar', '2.0.0'), pg_temp.published(),
          'a clock that went back');
select is((select modified from cargo.index_document('main', null, 'foo-bar')),
          extract(epoch from timestamptz '2100-01-01 00:00:01Z')::bigint,
          'does not take the date back');


-- a crate whose versions are many

insert into cargo_store.versions
      (crate_id, num, sort_key, checksum, size, index_head, index_tail,
       features, keywords, categories, authors, published_by, created_at)
select c.id, '3.0.' || i, '', sha256(''), 1, i::text, '', '{}', '{}', '{}',
       '{}', a.id, now()
  from cargo_store.crates c, cargo_store.accounts a,
       generate_series(1, 3000) i
 where c.name = 'Foo-Bar' and a.login = 'alice'
 order by i.i;

select cargo_store.store_document(c) from cargo_store.crates c;

select is((select array_length(string_to_array(body, E'\n'), 1)
             from cargo.index_document('main', null, 'foo-bar')), 3005,
          '3004 versions, 3004 lines');
select matches((select body
                  from cargo.index_document('main', null, 'foo-bar')),
               E'\n2999false\n3000false\n$', 'in order');

select ok(strpos(pg_temp.stored_document('foo-bar'), E'\n3000false\n') > 0,
          'stored whole');
select is(pg_temp.publish('alice', 'Foo-Bar', '2.9.0'), pg_temp.published(),
          'one more line');
select is(pg_temp.stored_document('foo-bar'),
          substr(pg_temp.document('foo-bar'), 5), 'is added to it');
select is_empty('select pg_temp.differing_documents()', 'in its place');

-- as if it had been stored when it was longer than is allowed now
update cargo_store.versions v set index_head = repeat(' ', 100) || index_head
  from cargo_store.crates c
 where c.id = v.crate_id and c.name = 'Foo-Bar';
update cargo_store.documents d
   set body = repeat(' ', 100000) || E'\n' || d.body
 where d.name = 'foo-bar';
select is(pg_temp.publish('alice', 'Foo-Bar', '3.0.0'), pg_temp.published(),
          'one that is very long');
select is(pg_temp.stored_document('foo-bar'), null, 'is not stored');
select is((select array_length(string_to_array(body, E'\n'), 1)
             from cargo.index_document('main', null, 'foo-bar')), 3007,
          'and is there');


select * from finish();
rollback;
