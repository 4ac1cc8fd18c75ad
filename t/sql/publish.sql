begin;
\ir include/registry.sql

select * from no_plan();


create function pg_temp.change(kind text) returns bigint
language sql
as $$ select count(*) from cargo_store.changes c where c.kind = change.kind; $$;


-- who may

select is(pg_temp.publish('alice', 'foo', '1.0.0', registry => 'nowhere'),
          pg_temp.web($$authenticate('nowhere', null, 'publish')$$),
          'unknown registry');
select is(pg_temp.publish(null, 'foo', '1.0.0'),
          pg_temp.web($$authenticate('main', null, 'publish')$$), 'no token');
select is(pg_temp.publish('nobody', 'foo', '1.0.0'),
          '403 authentication failed: ' || pg_temp.no_token(),
          'unknown token');
select matches(pg_temp.publish('rita', 'foo', '1.0.0'),
               '^403 .* role publisher .* role reader', 'reader');
select is_empty('select from cargo_store.crates', 'nothing came of it');


-- a new crate, all of whose fields are kept

select is(pg_temp.publish('alice', 'Foo-Bar', '1.0.0-rc.1+b.2', '{
              "features": {"default": ["std"], "std": []},
              "links": "z", "rust_version": "1.70", "edition": "2021",
              "description": "Ein \"Crate\" – ü", "homepage": "https://h",
              "documentation": "https://d", "repository": "https://r",
              "license": "MIT OR Apache-2.0", "license_file": "LICENSE",
              "readme": "# Foo\n", "readme_file": "README.md",
              "keywords": ["a", "b"], "categories": ["c"],
              "authors": ["A <a@example.org>", "B"], "sort_key": "1.0.0~rc",
              "has_lib": true, "bin_names": ["foo", "bar"]
          }'), pg_temp.published(), 'a new crate');

select results_eq(
    $$select c.name || ' ' || canonical_name || ' ' || r.name,
             clock_timestamp() - index_modified < interval '5 seconds'
        from cargo_store.crates c
             join cargo_store.registries r on r.id = c.registry_id$$,
    $$values ('Foo-Bar foo_bar main' collate "C", true)$$,
    'the crate');

select results_eq(
    $$select to_jsonb(v) - 'id' - 'crate_id' - 'published_by' - 'created_at'
             - 'updated_at' from cargo_store.versions v$$,
    array[jsonb_build_object('checksum', sha256('content')) || '{
        "num": "1.0.0-rc.1+b.2", "num_without_build": "1.0.0-rc.1",
        "sort_key": "1.0.0~rc", "size": 7, "yanked": false,
        "yank_message": null,
        "index_head": "{\"vers\":\"1.0.0-rc.1+b.2\",\"yanked\":",
        "index_tail": "}",
        "features": {"default": ["std"], "std": []},
        "links": "z", "rust_version": "1.70", "edition": "2021",
        "description": "Ein \"Crate\" – ü", "homepage": "https://h",
        "documentation": "https://d", "repository": "https://r",
        "license": "MIT OR Apache-2.0", "license_file": "LICENSE",
        "readme": "# Foo\n", "readme_file": "README.md",
        "keywords": ["a", "b"], "categories": ["c"],
        "authors": ["A <a@example.org>", "B"],
        "has_lib": true, "bin_names": ["foo", "bar"]
    }'], 'its version');

select results_eq(
    $$select v.created_at, v.updated_at, a.login
        from cargo_store.versions v
             join cargo_store.accounts a on a.id = v.published_by$$,
    $$values ('2026-11-21 12:00:00Z'::timestamptz,
              '2026-11-21 12:00:00Z'::timestamptz, 'alice' collate "C")$$,
    'when and by whom');

select results_eq(
    $$select a.login from cargo_store.owners o
             join cargo_store.accounts a on a.id = o.account_id$$,
    $$values ('alice' collate "C")$$, 'who published it first owns it');

select results_eq(
    $$select concat_ws(' ', g.crate, g.kind, r.name, g.xid)
             collate "default"
        from cargo_store.changes g
             join cargo_store.registries r on r.id = g.registry_id
       where g.crate is not null$$,
    array['foo-bar publish main ' || pg_current_xact_id()],
    'the change is in the log, under the name in the index');


-- the same again

select is(pg_temp.publish('alice', 'Foo-Bar', '1.0.0-rc.1+b.2'),
          pg_temp.published(), 'the same upload again is answered as before');
select is(pg_temp.publish('alice', 'Foo-Bar', '1.0.0-rc.1+b.2',
                          content => 'other'),
          '400 crate version `1.0.0-rc.1` is already uploaded',
          'another content is not');
select is(pg_temp.publish('alice', 'Foo-Bar', '1.0.0-rc.1'),
          '400 crate version `1.0.0-rc.1` is already uploaded',
          'nor another build of the version');
select is(pg_temp.publish('ada', 'Foo-Bar', '1.0.0-rc.1+b.2'),
          '400 crate version `1.0.0-rc.1` is already uploaded',
          'nor another account');
select is(pg_temp.web($$yank('main', pg_temp.token('alice'), 'Foo-Bar',
                             '1.0.0-rc.1+b.2', true)$$),
          '200 {"ok":true}', 'yanked');
select is(pg_temp.publish('alice', 'Foo-Bar', '1.0.0-rc.1'),
          '400 crate version `1.0.0-rc.1` is already uploaded',
          'a yanked version is taken');
select is(pg_temp.publish('alice', 'Foo-Bar', '1.0.0-rc.1+b.2'),
          pg_temp.published(), 'the same upload again is fine still');
select results_eq('select count(*), bool_and(yanked) from cargo_store.versions',
                  'values (1::bigint, true)', 'and stays yanked');
select is(pg_temp.change('publish'), 1::bigint,
          'none of this changed the index');

select is(pg_temp.publish('alice', 'Foo-Bar', '1.0.0'), pg_temp.published(),
          'the next version');
select is(pg_temp.change('publish'), 2::bigint, 'does');


-- somebody else's crate

select is(pg_temp.publish('bob', 'foo_bar', '1.0.0'),
          '403 this crate exists but you don''t seem to be an owner. To have '
          'this version published, ask one of its owners: alice',
          'no owner, whatever the spelling');
select matches(pg_temp.publish('mia', 'Foo-Bar', '2.0.0'),
               '^403 this crate exists', 'a maintainer is none either');
select is(pg_temp.publish('ada', 'Foo-Bar', '2.0.0'), pg_temp.published(),
          'an admin publishes anything');
select is((select count(*) from cargo_store.owners), 1::bigint,
          'and does not become an owner');

select is(pg_temp.publish('alice', name, '3.0.0'),
          '400 crate was previously named `Foo-Bar`', 'not as ' || name)
  from unnest(array['foo_bar', 'foo-bar', 'Foo_Bar']) name;
select is(pg_temp.publish('ada', 'foo_bar', '3.0.0'),
          '400 crate was previously named `Foo-Bar`', 'an admin neither');

insert into cargo_store.owners (crate_id, account_id, created_at)
select c.id, a.id, now() + interval '1 day'
  from cargo_store.crates c, cargo_store.accounts a
 where c.name = 'Foo-Bar' and a.login = 'mia';

select matches(pg_temp.publish('bob', 'Foo-Bar', '3.0.0'),
               'owners: alice, mia$', 'the sentence names the owners');
select pg_temp.must(cargo_admin.disable_account('alice', true));
select matches(pg_temp.publish('bob', 'Foo-Bar', '3.0.0'),
               'owners: mia$', 'who can be asked');
select pg_temp.must(cargo_admin.disable_account('mia', true));
select matches(pg_temp.publish('bob', 'Foo-Bar', '3.0.0'),
               'published, ask an administrator of registry `main`$',
               'or an administrator');
select pg_temp.must(cargo_admin.disable_account('alice', false));
select pg_temp.must(cargo_admin.grant_role('alice', 'main', 'reader'));
select matches(pg_temp.publish('alice', 'Foo-Bar', '3.0.0'),
               '^403 .* role publisher .* role reader',
               'an owner who may only read');
select pg_temp.must(cargo_admin.grant_role('alice', 'main', 'publisher'));

select is(pg_temp.publish('vera', 'foo_bar', '1.0.0', registry => 'vault'),
          pg_temp.published(), 'another registry, another crate');


-- names

select is(pg_temp.publish('alice', name, '1.0.0'),
          '400 cannot upload a crate with a reserved name; ask an '
          'administrator of the registry', name)
  from unnest(array['std', 'STD', 'core', 'compiler-builtins',
                    'Compiler_Builtins', 'proc-macro', 'com1', 'LPT9',
                    'nul']) name;
select is((select count(*) from cargo_store.reserved_names), 60::bigint,
          'all of crates.io''s reserved names');
select is(pg_temp.publish('alice', 'new', '1.0.0'), pg_temp.published(),
          'new is an ordinary name');

insert into cargo_store.reserved_names (registry_id, canonical_name)
select id, 'secret_plan' from cargo_store.registries where name = 'vault';
select is(pg_temp.publish('vera', 'Secret-Plan', '1.0.0',
                          registry => 'vault'),
          '400 cannot upload a crate with a reserved name; ask an '
          'administrator of the registry',
          'reserved in one registry');
select is(pg_temp.publish('alice', 'Secret-Plan', '1.0.0'),
          pg_temp.published(), 'and not in another');
insert into cargo_store.reserved_names (canonical_name) values ('new');
select is(pg_temp.publish('alice', 'new', '1.1.0'), pg_temp.published(),
          'a name reserved later stays with its crate');

select throws_ok(
    $$select pg_temp.publish('alice', '1st', '1.0.0')$$, '23514', null,
    'a name that the server should have refused');
select throws_ok(
    $$select cargo.publish('main', pg_temp.token('alice'),
                           pg_temp.release('lines', '1.0.0'), E'a\nb', 'c',
                           sha256('x'), 1, now())$$, '23514', null,
    'an index line that is two');
select is_empty($$select from cargo_store.crates where name = 'lines'$$,
                'and nothing of it stays');


-- what has to be there

select is(pg_temp.publish('alice', 'bare', '1.0.0', changes),
          '400 missing or empty metadata fields: ' || fields
          || '. Please see https://doc.rust-lang.org/cargo/reference/'
             'manifest.html for more information on configuring these fields',
          'without ' || changes::text)
  from (values ('{"description": null}'::jsonb, 'description'),
               ('{"description": ""}', 'description'),
               ('{"description": " "}', 'description'),
               ('{"license": null}', 'license'),
               ('{"license": "", "license_file": ""}', 'license'),
               ('{"description": "", "license": null}',
                'description, license')) v(changes, fields);
select is(pg_temp.publish('alice', 'bare', '1.0.0',
                          '{"license": null, "license_file": "COPYING"}'),
          pg_temp.published(), 'a license file is a license');

select pg_temp.must(cargo_admin.set_registry('main',
           '{"require_description": false}'));
select is(pg_temp.publish('alice', 'bare', '2.0.0', '{"description": null}'),
          pg_temp.published(), 'a description that is not required');
select matches(pg_temp.publish('alice', 'bare', '2.0.0', '{"license": null}'),
               '^400 .* fields: license\.', 'the license still is');
select pg_temp.must(cargo_admin.set_registry('main',
           '{"require_license": false, "require_description": true}'));
select is(pg_temp.publish('alice', 'bare', '3.0.0', '{"license": null}'),
          pg_temp.published(), 'a license that is not required');


-- limits

create function pg_temp.many(n integer) returns jsonb
language sql
as $$
    select coalesce(jsonb_agg('x' || i), '[]') from generate_series(1, n) i;
$$;

create function pg_temp.sized(field text, n integer) returns text
language sql
as $$
    select pg_temp.publish('alice', 'sized', field || n, jsonb_build_object(
               field,
               case field
               when 'description' then to_jsonb(repeat('ü', n))
               when 'deps' then
                   coalesce((select jsonb_agg(pg_temp.dependency('sized'))
                               from generate_series(1, n)), '[]')
               when 'features' then
                   (select coalesce(jsonb_object_agg('f' || i, '[]'::jsonb),
                                    '{}')
                      from generate_series(1, n) i)
               else pg_temp.many(n) end));
$$;

select is(pg_temp.sized(field, n), pg_temp.published(),
          format('%s %s', n, field))
  from (values ('description', 1000), ('keywords', 5), ('categories', 5),
               ('deps', 500), ('features', 300)) v(field, n);

select is(pg_temp.sized(field, n + 1), '400 ' || refusal,
          format('%s %s', n + 1, field))
  from (values
    ('description', 1000, 'The `description` is too long. A maximum of 1000 '
                          'characters are currently allowed.'),
    ('keywords', 5, 'expected at most 5 keywords per crate'),
    ('categories', 5, 'expected at most 5 categories per crate'),
    ('deps', 500, 'this registry allows at most 500 dependencies, the crate '
                  'has 501'),
    ('features', 300, 'this registry allows at most 300 features, the crate '
                      'has 301')) v(field, n, refusal);

select pg_temp.must(cargo_admin.set_registry('main', '{
    "description_max": 7, "max_keywords": 0, "max_categories": 1,
    "max_dependencies": 2, "max_features": 0}'));

select is(pg_temp.sized(field, n), pg_temp.published(),
          format('%s %s, the registry''s own limit', n, field))
  from (values ('description', 7), ('keywords', 0), ('categories', 1),
               ('deps', 2), ('features', 0)) v(field, n);
select matches(pg_temp.sized(field, n + 1), '^400 .*(a maximum|at most)',
               format('%s %s', n + 1, field))
  from (values ('keywords', 0), ('categories', 1), ('deps', 2),
               ('features', 0)) v(field, n);
select matches(pg_temp.sized('description', 8), '^400 .*A maximum of 7 ',
               'description 8');


-- dependencies

create function pg_temp.depend(variadic deps jsonb[]) returns text
language sql
as $$
    select pg_temp.publish('vera', 'dependent',
               '1.0.' || (select count(*) from cargo_store.versions),
               jsonb_build_object('deps', to_jsonb(deps)),
               registry => 'vault');
$$;

select is(pg_temp.depend(pg_temp.dependency('foo_bar')), pg_temp.published(),
          'a crate that exists');
select is(pg_temp.depend(pg_temp.dependency('no-such')),
          '400 no known crate named `no-such`', 'one that does not');
select is(pg_temp.depend(pg_temp.dependency('Foo-Bar')),
          '400 no known crate named `Foo-Bar`; did you mean `foo_bar`?',
          'one that exists under another spelling');
select is(pg_temp.depend(pg_temp.dependency('bare')),
          '400 no known crate named `bare`',
          'one that exists in another registry');
select is(pg_temp.depend(pg_temp.dependency('no-such', '{"kind": "dev"}')),
          '400 no known crate named `no-such`', 'for tests only');
select is(pg_temp.depend(pg_temp.dependency('no-such', '{"registry":
              "https://github.com/rust-lang/crates.io-index"}')),
          pg_temp.published(), 'one of another registry');
select is(pg_temp.publish('vera', 'selfish', '1.0.0', jsonb_build_object(
              'deps', jsonb_build_array(
                  pg_temp.dependency('selfish', '{"kind": "dev"}'))),
              registry => 'vault'), pg_temp.published(), 'the crate itself');
select is(pg_temp.depend(pg_temp.dependency('foo_bar'),
                         pg_temp.dependency('zz'), pg_temp.dependency('yy')),
          '400 no known crate named `yy`', 'one unknown of several is named');
select is(pg_temp.depend(pg_temp.dependency('foo_bar',
                                            '{"version_req": "*"}')),
          '400 wildcard (`*`) dependency constraints are not allowed in this '
          'registry. Crate with this problem: `foo_bar`', 'a wildcard');
select is(pg_temp.depend(pg_temp.dependency('foo_bar',
                                            '{"version_req": "1.*"}')),
          pg_temp.published(), 'a requirement with a wildcard in it');

select pg_temp.must(cargo_admin.set_registry('vault', '{
    "allow_wildcard_dependencies": true}'));
select is(pg_temp.depend(pg_temp.dependency('foo_bar',
                                            '{"version_req": "*"}')),
          pg_temp.published(), 'a wildcard where it is allowed');
select pg_temp.must(cargo_admin.set_registry('vault', '{
    "allow_unknown_dependencies": true}'));
select is(pg_temp.depend(pg_temp.dependency('no-such'),
                         pg_temp.dependency('foo-bar'),
                         pg_temp.dependency('no-such', '{"kind": "dev"}')),
          '200 {"warnings":{"invalid_categories":[],"invalid_badges":[],'
          '"other":["no known crate named `foo-bar`; did you mean `foo_bar`?",'
          '"no known crate named `no-such`"]}}',
          'unknown crates where they are allowed are warned of, each once');

select is(pg_temp.publish('vera', 'full', '1.0.0', jsonb_build_object(
    'deps', jsonb_build_array(
        pg_temp.dependency('foo_bar'),
        pg_temp.dependency('tool', '{
            "explicit_name_in_toml": "t", "version_req": ">=1, <2",
            "features": ["a", "b"], "optional": true,
            "default_features": false, "target": "cfg(unix)",
            "kind": "build", "registry": "sparse+https://r/index/",
            "artifact": ["bin:x"], "bindep_target": "target", "lib": true}'))),
    registry => 'vault'), pg_temp.published(), 'dependencies of all sorts');

select results_eq(
    $$select to_jsonb(d) - 'version_id' from cargo_store.dependencies d
             join cargo_store.versions v on v.id = d.version_id
             join cargo_store.crates c on c.id = v.crate_id
       where c.name = 'full' order by d.position$$,
    array['{"position": 1, "name": "foo_bar", "alias": null, "req": "^1",
            "kind": "normal", "target": null, "registry": null,
            "optional": false, "default_features": true, "features": [],
            "artifact": null, "bindep_target": null, "lib": false}',
          '{"position": 2, "name": "tool", "alias": "t", "req": ">=1, <2",
            "kind": "build", "target": "cfg(unix)",
            "registry": "sparse+https://r/index/", "optional": true,
            "default_features": false, "features": ["a", "b"],
            "artifact": ["bin:x"], "bindep_target": "target", "lib": true}'
    ]::jsonb[], 'are kept in order');


-- crates that one does not see

select is(pg_temp.publish('vera', name, '1.0.0', registry => 'vault'),
          pg_temp.published(), name)
  from unnest(array['hidden-one', 'hidden-two']) name;
select pg_temp.must(cargo_admin.restrict_crate('vault', name, true))
  from unnest(array['hidden-one', 'hidden-two']) name;
select pg_temp.must(cargo_admin.grant_role('bob', 'vault', 'publisher')),
       pg_temp.must(cargo_admin.set_registry('vault', '{
           "allow_unknown_dependencies": false}'));

select is(pg_temp.publish('bob', name, '2.0.0', registry => 'vault'),
          format('403 the name `%s` is taken', name), 'taken: ' || name)
  from unnest(array['hidden-one', 'hidden_one', 'HIDDEN_ONE']) name;
select is(pg_temp.publish('bob', 'curious', '1.0.0', jsonb_build_object(
              'deps', jsonb_build_array(pg_temp.dependency(name))),
              registry => 'vault'),
          format('400 no known crate named `%s`', name), 'unknown: ' || name)
  from unnest(array['hidden-one', 'hidden_one']) name;
select pg_temp.must(cargo_admin.allow_reader('vault', 'hidden_one', 'bob'));
select is(pg_temp.publish('bob', 'curious', '1.0.0', jsonb_build_object(
              'deps', jsonb_build_array(pg_temp.dependency('hidden-one'))),
              registry => 'vault'), pg_temp.published(),
          'who sees it may depend on it');
select matches(pg_temp.publish('bob', 'hidden-one', '2.0.0',
                               registry => 'vault'),
               '^403 this crate exists .* owners: vera$',
               'and learns whom to ask');
select is(pg_temp.publish('vera', 'hidden-one', '2.0.0', registry => 'vault'),
          pg_temp.published(), 'its owner publishes');


-- scopes

create function pg_temp.scoped(login text, scopes text[], crates text[])
returns text
language plpgsql
as $$
declare
    token constant text := concat_ws(' ', login, scopes, crates);
begin
    if not exists (select from cargo_store.tokens t
                    where t.hash = pg_temp.hash(token))
    then
        perform pg_temp.must(cargo_admin.create_token(login, token,
            pg_temp.hash(token), null, null, scopes, crates));
    end if;

    return token;
end
$$;

create function pg_temp.lacks(scope text) returns text
language sql immutable
return '403 this token does not have the required permissions to perform this '
       'action: it needs the scope `' || scope || '`';

select pg_temp.must(cargo_admin.set_registry('main', '{
    "description_max": 1000, "max_dependencies": 10}'));

select is(pg_temp.publish(pg_temp.scoped('bob', '{publish-update}', null),
                          'scoped', '1.0.0'), pg_temp.lacks('publish-new'),
          'a new crate takes publish-new');
select is_empty($$select from cargo_store.crates where name = 'scoped'$$,
                'and is not there without');
select is(pg_temp.publish(pg_temp.scoped('bob', '{publish-new}', null),
                          'scoped', '1.0.0'), pg_temp.published(),
          'with it, it is');
select is(pg_temp.publish(pg_temp.scoped('bob', '{publish-new}', null),
                          'scoped', '1.0.0'), pg_temp.published(),
          'the same upload again, as if the answer had been lost');
select is(pg_temp.publish(pg_temp.scoped('bob', '{publish-new}', null),
                          'scoped', vers, content => content),
          pg_temp.lacks('publish-update'),
          format('%s %s takes publish-update', vers, content))
  from (values ('1.1.0', 'content'), ('1.0.0', 'other')) v(vers, content);
select is(pg_temp.publish(pg_temp.scoped('bob', '{publish-update}', null),
                          'scoped', '1.1.0'), pg_temp.published(), 'with it');
select matches(pg_temp.publish(pg_temp.scoped('bob', '{yank}', null),
                               'scoped', '1.2.0'),
               '^403 .* needs the scope `publish-new` or `publish-update`$',
               'neither of them');
select is(pg_temp.publish(pg_temp.scoped('bob', null, '{scoped,acme-*}'),
                          name, vers), answer, format('%s %s', name, vers))
  from (values ('scoped', '1.3.0', pg_temp.published()),
               ('acme_one', '1.0.0', pg_temp.published()),
               ('ACME-two', '1.0.0', pg_temp.published()),
               ('acme', '1.0.0', null), ('scoped2', '1.0.0', null))
           v(name, vers, published),
       lateral (select coalesce(published,
                    '403 this token does not have the required permissions '
                    'to perform this action: it is not for crate `' || name
                    || '`')) a(answer);


-- who may create crates

select pg_temp.must(cargo_admin.set_registry('main', '{
    "new_crates": "maintainer"}'));
select is(pg_temp.publish('bob', 'newest', '1.0.0'),
          '403 crate `newest` does not exist, and a new one needs the role '
          'maintainer or a higher one in registry `main`, the account `bob` '
          'has the role publisher; ask an administrator of the registry',
          'not everybody who publishes');
select is(pg_temp.publish('bob', 'scoped', '1.4.0'), pg_temp.published(),
          'a new version of a crate is another thing');
select is(pg_temp.publish('ada', 'newest', '1.0.0'), pg_temp.published(),
          'an admin may');
select is(pg_temp.web(format($$publish('main', pg_temp.login('ADA'), %L, '{',
                               '}', sha256('x'), 1, now())$$,
                             pg_temp.release('newest', '1.1.0'))),
          pg_temp.published(), 'so does a login without a token');
select pg_temp.must(cargo_admin.set_registry('main', '{
    "new_crates": "publisher"}'));


-- several rules broken at once: the first in order is told

select matches(
    pg_temp.publish('alice', 'std', '1.0.0', jsonb_build_object(
        'description', '', 'deps',
        jsonb_build_array(pg_temp.dependency('no-such')))),
    '^400 missing or empty', 'metadata before dependencies');
select matches(
    pg_temp.publish('alice', 'std', '1.0.0', jsonb_build_object(
        'description', 'x', 'deps',
        jsonb_build_array(pg_temp.dependency('no-such')))),
    '^400 no known crate', 'dependencies before the name');
select matches(pg_temp.publish('bob', 'foo-bar', '1.0.0',
                               '{"description": "x"}'),
               '^403 ', 'owners before spelling');
select matches(pg_temp.publish('alice', 'foo-bar', '1.0.0',
                               '{"description": "x"}'),
               '^400 crate was previously', 'spelling before the version');


select * from finish();
rollback;
