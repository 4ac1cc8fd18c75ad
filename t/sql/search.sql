begin;
\ir include/registry.sql
\ir include/follows.sql

select * from no_plan();


create function pg_temp.search(query jsonb, registry text default 'main',
                               login text default null) returns text
language sql
as $$
    select pg_temp.web(format('search_crates(%L, pg_temp.token(%L), %L)',
                              registry, login, query));
$$;

create function pg_temp.answer(query jsonb, registry text default 'main',
                               login text default null) returns jsonb
language sql
as $$
    select substr(pg_temp.search(query, registry, login), 5)::jsonb;
$$;

-- the names that are found, in order
create function pg_temp.names(query jsonb, registry text default 'main',
                              login text default null) returns text
language sql
as $$
    select coalesce(string_agg(c->>'name', ' ' order by position), '')
      from jsonb_array_elements(pg_temp.answer(query, registry, login)
                                ->'crates') with ordinality e(c, position);
$$;

create function pg_temp.found(q text) returns text
language sql
as $$
    select pg_temp.names(jsonb_build_object('q', q));
$$;

create function pg_temp.count(version text, n bigint) returns void
language sql
as $$
    select pg_temp.web(format('count_downloads(array[%s], array[%s])', v.id, n))
      from cargo_store.versions v
           join cargo_store.crates c on c.id = v.crate_id
     where c.name || ' ' || v.num = version;
$$;


select is(pg_temp.answer('{}'),
          '{"crates": [], "meta": {"total": 0, "next_page": null,
            "prev_page": null}}', 'an empty registry');


-- the object

select is(pg_temp.publish('alice', 'Foo-Bar', vers, changes),
          pg_temp.published(), vers)
  from (values ('1.0.0', '{"description": "Old words"}'),
               ('1.2.0', '{"description": "Parses\nwaffles",
                           "homepage": "https://h", "repository": "https://r",
                           "documentation": "https://d",
                           "keywords": ["breakfast", "web-syrup"],
                           "readme": "A gargantuan spoon"}'::jsonb),
               ('2.0.0-rc.1', '{}'), ('1.1.0', '{}')) v(vers, changes);
select is(pg_temp.publish('vera', 'foo-secret', '1.0.0', registry => 'vault'),
          pg_temp.published(), 'a private one');
insert into cargo_store.crates (registry_id, name)
select id, 'foo-empty' from cargo_store.registries where name = 'main';

select is(pg_temp.answer('{"q": "foo_bar"}') #- '{crates,0,created_at}'
              #- '{crates,0,updated_at}',
          '{"crates": [{"id": "Foo-Bar", "name": "Foo-Bar", "versions": null,
            "keywords": ["breakfast", "web-syrup"], "categories": null,
            "badges": [], "downloads": 0, "recent_downloads": 0,
            "default_version": "1.2.0", "num_versions": 4, "yanked": false,
            "max_version": "2.0.0-rc.1", "newest_version": "1.1.0",
            "max_stable_version": "1.2.0", "description": "Parses\nwaffles",
            "homepage": "https://h", "documentation": "https://d",
            "repository": "https://r", "links": {
                "version_downloads": "/api/v1/crates/Foo-Bar/downloads",
                "versions": "/api/v1/crates/Foo-Bar/versions",
                "owners": "/api/v1/crates/Foo-Bar/owners",
                "owner_team": "/api/v1/crates/Foo-Bar/owner_team",
                "owner_user": "/api/v1/crates/Foo-Bar/owner_user",
                "reverse_dependencies":
                    "/api/v1/crates/Foo-Bar/reverse_dependencies"},
            "exact_match": true, "trustpub_only": false}],
            "meta": {"total": 1, "next_page": null, "prev_page": null}}',
          'all that there is to say');
select matches(pg_temp.search('{"q": "foo-bar"}'),
               format('"%s" : "\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"', field),
               field)
  from unnest(array['created_at', 'updated_at']) field;
select is(pg_temp.names('{}'), 'Foo-Bar',
          'no crate without versions, none of another registry');

create function pg_temp.versions(yanked text) returns text
language sql
as $$
    with y as (
        select pg_temp.web(format('yank(''main'', pg_temp.token(''alice''), '
                                  '''foo-bar'', %L, %L)', vers, vers = any
                                  (string_to_array($1, ' '))))
          from unnest(array['1.0.0', '1.1.0', '1.2.0', '2.0.0-rc.1']) vers)
    select string_agg(y.web, '') from y;

    select concat_ws(' ', c->>'default_version', c->>'max_version',
                     coalesce(c->>'max_stable_version', '-'),
                     c->>'newest_version', c->>'yanked', c->>'num_versions')
      from jsonb_array_elements(pg_temp.answer('{}')->'crates') c;
$$;

select is(pg_temp.versions(yanked), expected, 'yanked: ' || yanked)
  from (values ('', '1.2.0 2.0.0-rc.1 1.2.0 1.1.0 false 4'),
               ('1.2.0', '1.1.0 2.0.0-rc.1 1.1.0 1.1.0 false 4'),
               ('1.1.0 2.0.0-rc.1', '1.2.0 1.2.0 1.2.0 1.2.0 false 4'),
               ('1.0.0 1.1.0 1.2.0',
                '2.0.0-rc.1 2.0.0-rc.1 - 2.0.0-rc.1 false 4'),
               ('1.0.0 1.1.0 1.2.0 2.0.0-rc.1',
                '2.0.0-rc.1 0.0.0 - 0.0.0 true 4')) v(yanked, expected);
select is(pg_temp.versions(''), '1.2.0 2.0.0-rc.1 1.2.0 1.1.0 false 4',
          'and back');


-- finding

select is(pg_temp.found(q), 'Foo-Bar', 'found by ' || q)
  from unnest(array[
           'foo-bar', 'FOO_BAR', ' Foo bar ', 'foo', 'f', 'oo-b', 'O_b', 'bar',
           -- one letter wrong, missing, too many, two exchanged
           'foo-baz', 'fop_bar', 'fo-bar', 'foobar', 'foo-barr', 'xfoo-bar',
           'foo--bar', 'ofo-bar', 'foo-bra',
           'breakfast', 'Syrup', 'web-syrup', 'web_syrup', 'waffles', 'waffle',
           'parse waffles', 'foo waffles breakfast', 'the waffles',
           'gargantuan', 'waffles, "parsed"!']) q;
select is(pg_temp.found(q), '', 'nothing is found by ' || left(q, 20))
  from unnest(array['old words', 'quux', 'foo quux', 'fxo-bxr', 'secret',
                    'empty', '%', '_', '-', '\', '%_\', '''', '"', '''; --',
                    '&|!():*<->', '.', 'f%r', 'fo%', 'fo\', 'é', '日本',
                    '😀', 'the', repeat('x', 10000), repeat('x y ', 2500),
                    repeat('%', 10000), repeat('é', 10000),
                    repeat('foo_bar', 1000)]) q;
select is(pg_temp.names(jsonb_build_object('q', q)), pg_temp.names('{}'::jsonb),
          'no question')
  from unnest(array['', ' ', E' \t\n', null]) q;

select is(pg_temp.answer(jsonb_build_object('q', q))
              #>> '{crates,0,exact_match}', exact, 'exact: ' || q)
  from (values ('foo_bar', 'true'), ('FOO-BAR', 'true'), ('foo', 'false'),
               ('waffles', 'false'), (' ', 'false')) v(q, exact);


-- in order

select is(pg_temp.publish('alice', name, '1.0.0', changes),
          pg_temp.published(), name)
  from (values
       ('json', '{"description": "Exactly"}'::jsonb),
       ('json-tools', '{"description": "Prefix"}'),
       ('jsonic', '{"description": "Prefix, popular"}'),
       ('serde_json', '{"description": "Inside"}'),
       ('ljson', '{"description": "Inside, popular"}'),
       ('keyed', '{"keywords": ["json"]}'),
       ('described', '{"description": "Reads JSON"}'),
       ('explained', '{"readme": "Not about XML but JSON, JSON, JSON"}'))
       v(name, changes);
select pg_temp.count('jsonic 1.0.0', 10), pg_temp.count('ljson 1.0.0', 20),
       pg_temp.count('described 1.0.0', 30),
       pg_temp.count('explained 1.0.0', 1000);

select is(pg_temp.found('json'),
          'json jsonic json-tools ljson keyed serde_json described explained',
          'the name, its beginning, a piece of it, description, readme');
select is(pg_temp.found('jsno'), 'json', 'a mistake');
select is(pg_temp.names(jsonb_build_object('q', 'json', 'sort', sort)),
          expected, 'sorted: ' || sort)
  from (values
       ('relevance', pg_temp.found('json')),
       ('downloads', 'explained described ljson jsonic json json-tools keyed '
                     'serde_json'),
       ('recent-downloads', 'explained described ljson jsonic json json-tools '
                            'keyed serde_json'),
       ('alphabetical', 'described explained json json-tools jsonic keyed '
                        'ljson serde_json'),
       ('alpha', 'described explained json json-tools jsonic keyed ljson '
                 'serde_json')) v(sort, expected);

update cargo_store.crates
   set created_at = now() - id * interval '1 hour',
       updated_at = now() + id * interval '1 hour';
select is(pg_temp.names(jsonb_build_object('sort', sort) || q),
          expected, format('sorted: %s %s', sort, q))
  from (values
       ('new', '{"q": "json"}'::jsonb, 'json json-tools jsonic serde_json '
                                       'ljson keyed described explained'),
       ('recent-updates', '{"q": "json"}', 'explained described keyed ljson '
                                           'serde_json jsonic json-tools json'),
       ('new', '{}', 'Foo-Bar json json-tools jsonic serde_json ljson keyed '
                     'described explained'),
       ('recent-updates', '{}', 'explained described keyed ljson serde_json '
                                'jsonic json-tools json Foo-Bar'),
       ('downloads', '{}', 'explained described ljson jsonic keyed serde_json '
                           'json-tools json Foo-Bar'),
       ('recent-downloads', '{}', 'explained described ljson jsonic keyed '
                                  'serde_json json-tools json Foo-Bar'),
       ('alphabetical', '{}', 'described explained Foo-Bar json json-tools '
                              'jsonic keyed ljson serde_json'),
       ('relevance', '{}', pg_temp.names('{}'::jsonb)),
       ('; drop', '{}', pg_temp.names('{}'::jsonb))) v(sort, q, expected);


-- pages

select is(pg_temp.names('{"q": "json", "per_page": "3", "page": "2"}'),
          'ljson keyed serde_json', 'the second page');
select is(pg_temp.answer(query)->'meta', meta, format('pages of %s', query))
  from (values
       ('{"q": "json", "per_page": "3", "page": "1"}'::jsonb,
        '{"total": 8, "prev_page": null,
          "next_page": "?page=2&q=json&per_page=3"}'::jsonb),
       ('{"q": "json", "per_page": "3", "page": "2", "sort": "new",
          "other": "x"}',
        '{"total": 8, "prev_page": "?page=1&q=json&per_page=3&sort=new",
          "next_page": "?page=3&q=json&per_page=3&sort=new"}'),
       ('{"q": "json", "per_page": "8"}',
        '{"total": 8, "prev_page": null, "next_page": null}'),
       ('{"per_page": "0005", "page": "02"}',
        '{"total": 9, "prev_page": "?page=1&per_page=0005",
          "next_page": null}'),
       ('{"page": "10000", "per_page": "100", "q": "é & json"}',
        '{"total": 0, "prev_page":
          "?page=9999&q=%C3%A9%20%26%20json&per_page=100",
          "next_page": null}')) v(query, meta);
select is(pg_temp.names('{"page": "10000", "per_page": "100"}'), '',
          'behind the end');

select is(pg_temp.search(jsonb_build_object('per_page', n)),
          '400 `per_page` must be a whole number from 1 to 100',
          'per_page: ' || n)
  from unnest(array['', '0', '000', '-1', '+1', '1.5', '1e1', ' 1', 'x', '١',
                    '1''', repeat('-', 10000)]) n;
select is(pg_temp.search(jsonb_build_object('per_page', n)),
          '400 cannot request more than 100 items',
          'per_page: ' || left(n, 20))
  from unnest(array['101', '0101', '4294967297', repeat('9', 10000)]) n;
select is(pg_temp.search(jsonb_build_object('page', n)),
          '400 `page` must be a whole number from 1 to 10000',
          'page: ' || left(n, 20))
  from unnest(array['', '0', '-1', '10001', '4294967297', 'x', '1 ', '1e3',
                    repeat('9', 10000)]) n;
select is(pg_temp.search(query), pg_temp.search('{}'),
          format('asked with %s', query))
  from unnest(array['null', '[]', '[1]', '1', '"q"', '{"foo": {"bar": []}}',
                    '{"q": null, "page": null}', '{"page": 1}']::jsonb[]) query;
select is(pg_temp.search(null), pg_temp.search('{}'), 'asked with nothing');


-- page by page behind the last crate, as the answer says

create function pg_temp.walk(query jsonb) returns text
language plpgsql
as $$
declare
    answer jsonb;
    result text := '';
begin
    loop
        answer := pg_temp.answer(query);
        result := concat_ws(' ', result, (
                      select string_agg(c->>'name', ' ' order by position)
                        from jsonb_array_elements(answer->'crates')
                             with ordinality e(c, position)));
        exit when answer #>> '{meta,next_page}' is null;
        query := query || jsonb_build_object(
                     'seek', substring(answer #>> '{meta,next_page}'
                                       from '^\?seek=([0-9]+)&'));
        result := result || ' |';
    end loop;

    return result;
end
$$;

select is(regexp_replace(pg_temp.walk(jsonb_build_object('per_page', n)
                                      || query), ' \|', '', 'g'),
          ' ' || pg_temp.names(query), format('by %s: %s', n, query))
  from unnest(array['2', '9', '10']) n,
       unnest(array['{}', '{"sort": "downloads"}', '{"sort": "new"}',
                    '{"sort": "recent-downloads"}',
                    '{"sort": "recent-updates"}', '{"q": "json"}',
                    '{"q": "json", "sort": "downloads"}',
                    '{"letter": "j", "sort": "new"}']::jsonb[]) query;
select is(pg_temp.walk('{"per_page": "4"}'),
          ' described explained Foo-Bar json | json-tools jsonic keyed ljson | '
          'serde_json', 'nine crates, four on a page');
select is(pg_temp.answer('{"per_page": "4", "q": "a&b", "ids[]": ["json"],
                           "keyword": "k", "category": "c", "letter": "j",
                           "all_keywords": "a b", "user_id": "1",
                           "team_id": "1", "include_yanked": "no",
                           "page": "2", "x": "y", "sort": "new"}')
              #>> '{meta,prev_page}',
          '?page=1&q=a%26b&category=c&keyword=k&all_keywords=a%20b&letter=j'
          '&user_id=1&team_id=1&ids[]=json&include_yanked=no&per_page=4'
          '&sort=new', 'all arguments go on');
select is(pg_temp.answer('{"per_page": "1", "ids[]": ["json", "JSONIC"]}')
              #>> '{meta,next_page}',
          format('?seek=%s&ids[]=json&ids[]=JSONIC&per_page=1', id),
          'lists too')
  from cargo_store.crates where name = 'json';
select is(pg_temp.search(query), expected, query::text)
  from (values ('{"seek": "1", "page": "1"}'::jsonb,
                '400 providing both ?page= and ?seek= is unsupported'),
               ('{"seek": "1", "page": "1", "q": "json"}',
                '400 providing both ?page= and ?seek= is unsupported'),
               ('{"seek": ""}', '400 invalid seek parameter'),
               ('{"seek": "x"}', '400 invalid seek parameter'),
               ('{"seek": "-1"}', '400 invalid seek parameter'),
               ('{"seek": "99999999999999999999999"}',
                '400 invalid seek parameter'),
               ('{"seek": "999999999999999999"}',
                '400 invalid seek parameter'),
               (jsonb_build_object('seek',
                    (select id::text from cargo_store.crates
                      where name = 'foo-secret')),
                '400 invalid seek parameter')) v(query, expected);


-- filters

select is(pg_temp.publish('bob', name, '1.0.0', changes), pg_temp.published(),
          name)
  from (values
       ('tea-pot', '{"keywords": ["Tea", "pot"],
                     "categories": ["kitchen::hot"]}'::jsonb),
       ('tea-cup', '{"keywords": ["tea", "cup", "pot"],
                     "categories": ["kitchen", "kitchen::hot"]}'),
       ('Mug', '{"keywords": ["cup"], "categories": ["kitchens"]}'))
       v(name, changes);
select is(pg_temp.web($$yank('main', pg_temp.token('bob'), 'mug', '1.0.0',
                             true)$$), '200 {"ok":true}', 'yank');
insert into cargo_store.teams (name) values ('cooks');
insert into cargo_store.team_owners (crate_id, team_id)
select c.id, t.id from cargo_store.crates c, cargo_store.teams t
 where c.name = 'Mug';
insert into cargo_store.follows (crate_id, account_id)
select c.id, a.id
  from cargo_store.crates c, cargo_store.accounts a
 where (c.name, a.login) in (('Mug', 'rita'), ('json', 'rita'),
                             ('foo-secret', 'vito'));

create function pg_temp.filtered(query jsonb, login text default 'rita')
returns text
language sql
as $$
    select coalesce(nullif(pg_temp.names(q, login => login), ''), '-')
           || (select case when a #>> '{meta,total}'
                                = jsonb_array_length(a->'crates')::text
                           then '' else ' of ' || (a #>> '{meta,total}') end
                 from pg_temp.answer(q, login => login) a)
      from (select replace(replace(query::text, '@bob', b.id::text),
                           '@cooks', t.id::text)::jsonb as q
              from cargo_store.accounts b, cargo_store.teams t
             where b.login = 'bob') q;
$$;

select is(pg_temp.filtered(query), expected, format('only %s', query))
  from (values
       ('{"keyword": "tea"}'::jsonb, 'tea-cup tea-pot'),
       ('{"keyword": "TEA"}', 'tea-cup tea-pot'),
       ('{"keyword": ""}', '-'), ('{"keyword": "te"}', '-'),
       ('{"keyword": "tea", "sort": "new"}', 'tea-cup tea-pot'),
       ('{"keyword": "tea", "per_page": "1", "page": "2"}', 'tea-pot of 2'),
       ('{"all_keywords": "pot tea"}', 'tea-cup tea-pot'),
       ('{"all_keywords": " pot cup\tcup "}', 'tea-cup'),
       ('{"all_keywords": "pot mug"}', '-'),
       ('{"category": "kitchen"}', 'tea-cup tea-pot'),
       ('{"category": "Kitchen::Hot"}', 'tea-cup tea-pot'),
       ('{"category": "kitchens"}', 'Mug'), ('{"category": "kitche"}', '-'),
       ('{"category": ""}', '-'), ('{"category": "%"}', '-'),
       ('{"letter": "T"}', 'tea-cup tea-pot'), ('{"letter": "mu"}', 'Mug'),
       ('{"letter": "é"}', '-'), ('{"letter": "-"}', '-'),
       ('{"letter": "%"}', '-'), ('{"letter": "~"}', '-'),
       ('{"user_id": "@bob"}', 'Mug tea-cup tea-pot'),
       ('{"user_id": "00@bob"}', 'Mug tea-cup tea-pot'),
       ('{"user_id": "0"}', '-'), ('{"user_id": "99999999999"}', '-'),
       ('{"team_id": "@cooks"}', 'Mug'), ('{"team_id": "0"}', '-'),
       ('{"following": ""}', 'json Mug'), ('{"following": "1"}', 'json Mug'),
       ('{"ids[]": ["MUG", "tea_pot", "tea_pot", "", "no", "foo-secret"]}',
        'Mug tea-pot'), ('{"ids[]": []}', '-'),
       ('{"include_yanked": "no", "user_id": "@bob"}', 'tea-cup tea-pot'),
       ('{"include_yanked": "yes", "user_id": "@bob"}', 'Mug tea-cup tea-pot'),
       ('{"include_yanked": "", "user_id": "@bob"}', 'Mug tea-cup tea-pot'),
       ('{"include_yanked": "no", "ids[]": ["mug"]}', '-'),
       ('{"include_yanked": "no", "q": "mug"}', '-'),
       ('{"include_yanked": "no", "letter": "m"}', '-'),
       -- which of them counts
       ('{"all_keywords": "pot", "keyword": "cup"}', 'tea-cup tea-pot'),
       ('{"keyword": "cup", "letter": "t"}', 'Mug tea-cup'),
       ('{"letter": "m", "user_id": "x"}', 'Mug'),
       ('{"user_id": "0", "team_id": "@cooks"}', '-'),
       ('{"team_id": "@cooks", "following": "1"}', 'Mug'),
       ('{"following": "1", "ids[]": ["tea-pot"]}', 'json Mug'),
       ('{"category": "kitchen", "keyword": "cup"}', 'tea-cup'),
       ('{"category": "kitchen", "keyword": "cup", "q": "tea"}', 'tea-cup'),
       -- with words
       ('{"q": "tea", "keyword": "pot", "sort": "alphabetical"}',
        'tea-cup tea-pot'),
       ('{"q": "tea-cup", "keyword": "pot"}', 'tea-cup'),
       ('{"q": "tea-cup", "keyword": "nothing"}', '-'),
       ('{"q": "json", "keyword": "json"}', 'keyed'),
       ('{"q": "json", "following": "1"}', 'json'),
       ('{"q": "json", "letter": "j", "per_page": "2"}', 'json jsonic of 3'))
       v(query, expected);

select is(pg_temp.search(query, login => 'rita'), expected, query::text)
  from (values ('{"letter": ""}'::jsonb,
                '400 `letter` must be the first letter of a name'),
               ('{"user_id": "-1"}', '400 `user_id` must be a whole number'),
               ('{"user_id": ""}', '400 `user_id` must be a whole number'),
               ('{"user_id": "1.5"}', '400 `user_id` must be a whole number'),
               ('{"user_id": "1e3"}', '400 `user_id` must be a whole number'),
               ('{"user_id": "9999999999999999999999"}',
                '400 `user_id` must be a whole number'),
               ('{"team_id": "team:cooks"}',
                '400 `team_id` must be a whole number'),
               ('{"q": "json", "team_id": "x"}',
                '400 `team_id` must be a whole number'),
               ('{"category": "kitchen", "team_id": "x"}',
                '400 `team_id` must be a whole number'))
           v(query, expected);
select matches(pg_temp.search('{"following": "1"}', registry, login), expected,
               format('following: %s, %s', registry, login))
  from (values ('main', null, '^403 this action requires authentication'),
               ('main', 'nobody', '^403 authentication failed'),
               ('vault', null, '^403 this action requires authentication'),
               ('vault', 'rita', '^403 authentication failed'),
               ('vault', 'vito', '^200 .*"foo-secret"'),
               ('nowhere', 'rita', '^404 ')) v(registry, login, expected);
select matches(pg_temp.search(jsonb_build_object(name, value), login => 'rita'),
               '^(200|400) ', format('%s: %s', name, left(value::text, 20)))
  from unnest(array['category', 'keyword', 'all_keywords', 'letter', 'user_id',
                    'team_id', 'following', 'ids[]', 'include_yanked', 'seek',
                    'page', 'per_page', 'sort', 'q']) name,
       unnest(array['""', '"-1"', '"99999999999999999999"', '"1e9"', '"é"',
                    '"'';--"', '"%_\\"', '[]', '{}', 'null', '[[1], null, {}]',
                    'true', '1', to_jsonb(repeat('9', 10000)),
                    to_jsonb(repeat('é ', 5000))]::jsonb[]) value;


-- who may read

select is(pg_temp.search(query, 'nowhere'),
          pg_temp.web($$index_config('nowhere', null)$$), 'unknown registry')
  from unnest(array['{}', '{"per_page": "0"}']::jsonb[]) query;
select is(pg_temp.search(query, 'vault', login),
          pg_temp.web(format('index_config(''vault'', pg_temp.token(%L))',
                             login)),
          format('private: %s, %s', coalesce(login, 'no token'), query))
  from unnest(array[null, 'nobody', 'alice']) login,
       unnest(array['{}', '{"q": "foo"}', '{"page": "0"}']::jsonb[]) query;
select is(pg_temp.names(query, 'vault', 'vito'), 'foo-secret',
          'private, with a token')
  from unnest(array['{}', '{"q": "foo"}']::jsonb[]) query;


-- downloads of crates

select pg_temp.count('Foo-Bar 1.0.0', 5), pg_temp.count('Foo-Bar 1.1.0', 7);

create function pg_temp.downloads() returns text
language sql
as $$
    select concat_ws(' ', c->>'downloads', c->>'recent_downloads')
      from jsonb_array_elements(pg_temp.answer('{"q": "foo-bar"}')->'crates') c;
$$;

select is(pg_temp.downloads(), '12 12', 'of all versions together');

update cargo_store.version_downloads d
   set date = date - 90
  from cargo_store.versions v
 where v.id = d.version_id and v.num = '1.1.0';
update cargo_store.crate_downloads set recent_on = recent_on - 1;
select pg_temp.count('Foo-Bar 1.0.0', 1);
select is(pg_temp.downloads(), '13 6', 'after 90 days they are not recent');
select pg_temp.count('json 1.0.0', 1);
select is_empty('select from cargo_store.crate_downloads
                  where recent > 0 and recent_on < cargo_store.recent_day(0)',
                'for all crates');


-- a database from before there was a search

create temporary table before as
    select to_jsonb(c) as crate, to_jsonb(d) - 'recent_on' as downloads,
           to_jsonb(s) as search
      from cargo_store.crates c
           left join cargo_store.crate_downloads d on d.crate_id = c.id
           left join cargo_store.crate_search s on s.crate_id = c.id;
update cargo_store.crates
   set (num_versions, default_version_id, max_version, max_stable_version,
        newest_version) = (0, null, null, null, null);
delete from cargo_store.crate_downloads;
select is_empty('select from cargo_store.crate_search',
                'no default version, nothing to be found by');
select is(pg_temp.found('json'), '', 'nothing is found');
select cargo_store.refresh_new_crates();
select results_eq(
    'select crate, downloads, search from before order by crate->''id''',
    'select to_jsonb(c), to_jsonb(d) - ''recent_on'', to_jsonb(s)
       from cargo_store.crates c
            left join cargo_store.crate_downloads d on d.crate_id = c.id
            left join cargo_store.crate_search s on s.crate_id = c.id
      order by to_jsonb(c)->''id''',
    'a migrate brings it all back');


-- what is stored is what follows from the versions, whatever has happened

select is(pg_temp.publish('alice', 'worded', version, words),
          pg_temp.published(), 'worded ' || version)
  from (values ('1.0.0', '{"description": "some fog", "keywords": ["mist"],
                           "readme": "grey"}'::jsonb),
               ('1.0.1', '{"description": "some fog", "keywords": ["mist"],
                           "readme": "grey"}'),
               ('1.1.0', '{"description": "some fog", "keywords": ["mist"],
                           "readme": "bluish"}'),
               ('0.9.0', '{"description": "hail"}')) v (version, words);
select is(pg_temp.found(word), found, word)
  from (values ('fog', 'worded'), ('mist', 'worded'), ('bluish', 'worded'),
               ('grey', ''), ('hail', '')) w (word, found);
select is(pg_temp.publish('alice', 'first-pre', '1.0.0-rc.1+build'),
          pg_temp.published(), 'a crate begins with a pre-release');

select is_empty('select pg_temp.not_as_it_follows()', 'all of it is right');
select is(status, 200, 'restricted')
  from cargo_admin.restrict_crate('main', 'worded', true);
select is_empty('select pg_temp.not_as_it_follows()', 'it still is');
select is(pg_temp.found('fog'), '', 'and not everybody finds it');
select is(status, 200, 'not restricted')
  from cargo_admin.restrict_crate('main', 'worded', false);
select is_empty('select pg_temp.not_as_it_follows()', 'nothing is left of it');
update cargo_store.crate_search set search_readme = '';
select isnt_empty('select pg_temp.not_as_it_follows()',
                  'it would be seen if it were not');


-- what would make a publish fail

select is(pg_temp.publish('alice', 'long', '1.0.0', jsonb_build_object(
              'readme', repeat('x', 3000) || ' '
                        || (select string_agg(md5(i::text), ' ')
                              from generate_series(1, 100000) i))),
          pg_temp.published(), 'a readme of 3 MB, and words without end');
select is(pg_temp.found(md5('7')), 'long', 'found by its beginning');


select * from finish();
rollback;
