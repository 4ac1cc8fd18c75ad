begin;
\ir include/registry.sql

select * from no_plan();


create function pg_temp.crate(crate text, part text default 'crates',
                              query jsonb default '{}', login text default null,
                              registry text default 'main') returns text
language sql
as $$
    select pg_temp.web(format(
               'show_crate(%L, pg_temp.token(%L), ''https://x'', %L, %L, %L)',
               registry, login, crate, part, query));
$$;

create function pg_temp.version(crate text, version text,
                                part text default 'crates',
                                query jsonb default '{}',
                                login text default null,
                                registry text default 'main') returns text
language sql
as $$
    select pg_temp.web(format(
               'show_version(%L, pg_temp.token(%L), ''https://x'', %L, %L, %L, '
               '%L)', registry, login, crate, version, part, query));
$$;

create function pg_temp.registry(part text, name text default null,
                                 query jsonb default '{}',
                                 login text default null,
                                 registry text default 'main') returns text
language sql
as $$
    select pg_temp.web(format(
               'show_registry(%L, pg_temp.token(%L), ''https://x'', %L, %L, '
               '%L)', registry, login, part, name, query));
$$;

create function pg_temp.json(answer text) returns jsonb
language sql
as $$
    select case when answer like '200 %' then substr(answer, 5)::jsonb
                else jsonb_build_object('refused', answer) end;
$$;

-- the members of the objects of a list, in order
create function pg_temp.list(objects jsonb, member text) returns text
language sql
as $$
    select coalesce(string_agg(o->>member, ' ' order by position), '')
      from jsonb_array_elements(objects) with ordinality e(o, position);
$$;

create function pg_temp.keys(answer text, variadic path text[] default '{}')
returns text
language sql
as $$
    select string_agg(key, ' ' order by position)
      from json_each(substr(answer, 5)::json #> path)
           with ordinality e(key, value, position);
$$;

create function pg_temp.download(version text, day date, n bigint) returns void
language sql
as $$
    insert into cargo_store.version_downloads
    select v.id, day, n
      from cargo_store.versions v
           join cargo_store.crates c on c.id = v.crate_id
     where c.name || ' ' || v.num = version;
$$;


select is(pg_temp.publish('alice', 'Foo-Bar', vers, changes),
          pg_temp.published(), vers)
  from (values ('0.1.0', '{"keywords": ["old"], "categories": ["web"]}'::jsonb),
               ('1.0.0', '{"keywords": ["Tea", "tea", "cup"],
                           "categories": ["web", "web::tea"],
                           "description": "Tea", "readme": "# Tea",
                           "authors": ["Al <a@b>", "Bo"],
                           "features": {"x": ["dep:y"]}}'),
               ('1.1.0-rc.1', '{}'), ('0.1.1', '{}'), ('0.2.0', '{}'),
               ('0.3.0', '{}')) v(vers, changes);
update cargo_store.versions
   set created_at = created_at + id * interval '1 second';

select is(pg_temp.publish('bob', name, '1.0.0', changes), pg_temp.published(),
          name)
  from (values ('new', '{}'::jsonb),
               ('dep', jsonb_build_object(
                    'keywords', array['tea'],
                    'deps', jsonb_build_array(
                        pg_temp.dependency('Foo-Bar', '{"optional": true,
                            "features": ["x"], "kind": "dev",
                            "target": "cfg(unix)"}'),
                        pg_temp.dependency('Foo-Bar'),
                        pg_temp.dependency('new')))),
               ('elsewhere', jsonb_build_object(
                    'deps', jsonb_build_array(
                        pg_temp.dependency('foo-bar',
                            '{"registry": "https://other"}'))))) v(name, changes);
select is(pg_temp.publish('vera', 'foo-bar', '9.0.0',
                          '{"keywords": ["secret"], "categories": ["web"]}',
                          registry => 'vault'),
          pg_temp.published(), 'a private one');
insert into cargo_store.crates (registry_id, name)
select id, 'empty' from cargo_store.registries where name = 'main';

select pg_temp.download('Foo-Bar 1.0.0', cargo_store.recent_day(0), 5),
       pg_temp.download('Foo-Bar 1.0.0', cargo_store.recent_day(-89), 4),
       pg_temp.download('Foo-Bar 1.0.0', cargo_store.recent_day(-90), 3),
       pg_temp.download('Foo-Bar 0.1.0', cargo_store.recent_day(0), 2);


-- a crate

create temporary table answer as select pg_temp.crate('foo_bar') as text;

select is(pg_temp.keys(text), 'crate versions keywords categories',
          'the answer') from answer;
select is(pg_temp.keys(text, 'crate'),
          'id name updated_at versions keywords categories badges created_at '
          'downloads recent_downloads default_version num_versions yanked '
          'max_version newest_version max_stable_version description homepage '
          'documentation repository links exact_match trustpub_only',
          'a crate') from answer;
select is(pg_temp.keys(text, 'versions', '0'),
          'id crate num dl_path readme_path updated_at created_at downloads '
          'features yanked yank_message lib_links license links crate_size '
          'published_by audit_actions checksum rust_version has_lib bin_names '
          'edition description homepage documentation repository '
          'trustpub_data linecounts', 'a version') from answer;
select is(pg_temp.keys(text, 'versions', '0', 'published_by'),
          'id login name avatar url github_username_matches created_at',
          'a user') from answer;
select is(pg_temp.keys(text, 'keywords', '0'),
          'id keyword created_at crates_cnt', 'a keyword') from answer;
select is(pg_temp.keys(text, 'categories', '0'),
          'id category slug description created_at crates_cnt', 'a category')
  from answer;
select is(pg_temp.list(pg_temp.json(text)->'versions', 'num'),
          '1.1.0-rc.1 1.0.0 0.3.0 0.2.0 0.1.1 0.1.0', 'versions, highest first')
  from answer;
select is(pg_temp.json(text) #>> '{crate,versions}',
          (select jsonb_agg(v->'id')::text
             from jsonb_array_elements(pg_temp.json(text)->'versions') v),
          'their ids') from answer;
select is((pg_temp.json(text)->'versions'->1)
              - '{id,created_at,published_by,audit_actions}'::text[],
          jsonb_build_object(
              'crate', 'Foo-Bar', 'num', '1.0.0', 'downloads', 12,
              'dl_path', '/api/v1/crates/Foo-Bar/1.0.0/download',
              'readme_path', '/api/v1/crates/Foo-Bar/1.0.0/readme',
              'updated_at', '2026-11-21T12:00:00.000000Z',
              'features', '{"x": ["dep:y"]}'::jsonb, 'yanked', false,
              'yank_message', null, 'lib_links', null, 'license', 'MIT',
              'links', jsonb_build_object(
                  'dependencies', '/api/v1/crates/Foo-Bar/1.0.0/dependencies',
                  'version_downloads', '/api/v1/crates/Foo-Bar/1.0.0/downloads',
                  'authors', '/api/v1/crates/Foo-Bar/1.0.0/authors'),
              'crate_size', 7, 'checksum', encode(sha256('content'), 'hex'),
              'rust_version', null, 'has_lib', null, 'bin_names', null,
              'edition', '2021', 'description', 'Tea', 'homepage', null,
              'documentation', null, 'repository', null,
              'trustpub_data', null, 'linecounts', null), 'all of it')
  from answer;
select is(pg_temp.json(text) #> '{crate,links,versions}', 'null',
          'versions are here') from answer;
select is(pg_temp.list(pg_temp.json(text)->'keywords', 'crates_cnt'), '1 2',
          'cup and tea') from answer;
select is(pg_temp.list(pg_temp.json(text)->'categories', 'id'),
          'web web::tea', 'categories') from answer;

select is(pg_temp.json(pg_temp.crate('foo-bar', 'crates', query))
              #- '{crate}', expected::jsonb, query::text)
  from (values ('{"include": ""}'::jsonb, '{"versions": null, "keywords": null,
                                            "categories": null}'),
               ('{"include": "downloads,badges,default_version"}',
                '{"versions": null, "keywords": null, "categories": null}'))
       v(query, expected);
select is(pg_temp.json(pg_temp.crate('foo-bar', 'crates', '{"include": ""}'))
              #>> '{crate,links,versions}',
          '/api/v1/crates/Foo-Bar/versions', 'a link to versions');
select is(jsonb_array_length(pg_temp.json(
              pg_temp.crate('foo-bar', 'crates', '{"include": "versions"}'))
              ->'versions'), 6, 'versions alone');
select matches(pg_temp.crate('foo-bar', 'crates',
                             jsonb_build_object('include', include)),
               '^400 invalid component for .include= .expected', include)
  from unnest(array['x', 'versions,', ',', 'Versions', ' full', '%']) include;
select is(pg_temp.json(pg_temp.crate('new')) #>> '{crate,name}', 'new',
          'the crate called new');
select is(pg_temp.crate(crate, part),
          format('404 crate `%s` does not exist', crate),
          format('%s of %s', part, crate))
  from unnest(array['no-such', 'empty', '', '%', 'ü']) crate,
       unnest(array['crates', 'versions', 'downloads', 'owner_team',
                    'reverse_dependencies']) part;
select is(pg_temp.crate('foo-bar', 'nothing'), '404 Not Found', 'no such part');


-- its versions

create function pg_temp.nums(query jsonb) returns text
language sql
as $$
    select coalesce(a->>'refused', pg_temp.list(a->'versions', 'num')
               || ', ' || (a #>> '{meta,total}'))
      from pg_temp.json(pg_temp.crate('Foo_Bar', 'versions', query)) a;
$$;

-- as the answer says, to the end
create function pg_temp.walk(query jsonb) returns text
language plpgsql
as $$
declare
    answer jsonb;
    result text := '';
begin
    loop
        answer := pg_temp.json(pg_temp.crate('foo-bar', 'versions', query));
        result := concat_ws(' ', result,
                            pg_temp.list(answer->'versions', 'num'));
        exit when answer #>> '{meta,next_page}' is null;
        query := query || jsonb_build_object(
                     'seek', substring(answer #>> '{meta,next_page}'
                                       from '^\?seek=([0-9]+)&per_page=4'));
        result := result || ' |';
    end loop;

    return result;
end
$$;

select is(pg_temp.nums(query), expected, query::text)
  from (values
    ('{}'::jsonb, '1.1.0-rc.1 1.0.0 0.3.0 0.2.0 0.1.1 0.1.0, 6'),
    ('{"sort": "date"}', '0.3.0 0.2.0 0.1.1 1.1.0-rc.1 1.0.0 0.1.0, 6'),
    ('{"sort": "what"}', '1.1.0-rc.1 1.0.0 0.3.0 0.2.0 0.1.1 0.1.0, 6'),
    ('{"per_page": "2"}', '1.1.0-rc.1 1.0.0, 6'),
    ('{"nums[]": ["0.1.0", "1.0.0", "7", ""]}', '1.0.0 0.1.0, 2'),
    ('{"nums[]": []}', ', 0'), ('{"nums[]": "1.0.0"}',
     '1.1.0-rc.1 1.0.0 0.3.0 0.2.0 0.1.1 0.1.0, 6'),
    ('{"page": "1"}', '400 `page` is not supported here, `seek` is'),
    ('{"page": "1", "seek": "1"}',
     '400 providing both ?page= and ?seek= is unsupported'),
    ('{"seek": "x"}', '400 invalid seek parameter'),
    ('{"seek": ""}', '400 invalid seek parameter'),
    ('{"seek": "-1"}', '400 invalid seek parameter'),
    ('{"seek": "999999999999999999"}', '400 invalid seek parameter'),
    ('{"seek": "9999999999999999999"}', '400 invalid seek parameter'),
    ('{"per_page": "0"}', '400 `per_page` must be a whole number from 1 to 100'),
    ('{"per_page": "101"}', '400 cannot request more than 100 items'))
  v(query, expected);
select is(pg_temp.walk('{"per_page": "4"}'),
          ' 1.1.0-rc.1 1.0.0 0.3.0 0.2.0 | 0.1.1 0.1.0', 'page by page');
select is(pg_temp.walk('{"per_page": "4", "sort": "date"}'),
          ' 0.3.0 0.2.0 0.1.1 1.1.0-rc.1 | 1.0.0 0.1.0', 'by date');
select is(pg_temp.json(pg_temp.crate('foo-bar', 'versions', jsonb_build_object(
              'seek', (select max(id) from cargo_store.versions)::text))),
          '{"refused": "400 invalid seek parameter"}', 'of another crate');
select is(pg_temp.json(pg_temp.crate('foo-bar', 'versions', '{"per_page": "1",
              "sort": "date", "nums[]": ["0.1.0", "a&b", "1.0.0"]}'))
              #>> '{meta,next_page}',
          format('?seek=%s&per_page=1&sort=date&nums[]=0.1.0&nums[]=a%%26b'
                 '&nums[]=1.0.0', id), 'all arguments go on')
  from cargo_store.versions where num = '1.0.0' and readme is not null;
select is(pg_temp.json(pg_temp.crate('foo-bar', 'versions',
                                     '{"include": "release_tracks"}'))
              #> '{meta,release_tracks}',
          '{"1": {"highest": "1.0.0"}, "0.3": {"highest": "0.3.0"},
            "0.2": {"highest": "0.2.0"}, "0.1": {"highest": "0.1.1"}}',
          'release tracks');


-- downloads

select is(pg_temp.list(pg_temp.json(pg_temp.version('foo-bar', '1.0.0',
                           'downloads', query))->'version_downloads',
                       'downloads'), expected, query::text)
  from (values ('{}'::jsonb, '4 5'),
               (jsonb_build_object('before_date', cargo_store.recent_day(-1)),
                '3 4'),
               ('{"before_date": "0001-01-01"}', '')) v(query, expected);
select is(pg_temp.version('foo-bar', '1.0.0', 'downloads',
                          jsonb_build_object('before_date', date)),
          '400 `before_date` must be a date: YYYY-MM-DD', 'date: ' || date)
  from unnest(array['', 'x', '2026-13-01', '2026-02-30', '0000-00-00', 'now',
                    '99999-01-01', '2026-1-1']) date;
select is(pg_temp.keys(answer, 'version_downloads', '0'),
          'version downloads date', 'of a day')
  from pg_temp.version('foo-bar', '1.0.0', 'downloads') answer;
select is(pg_temp.keys(answer), 'version_downloads meta', 'of a crate')
  from pg_temp.crate('foo-bar', 'downloads') answer;
select is(pg_temp.list(a->'version_downloads', 'downloads') || ', '
              || pg_temp.list(a #> '{meta,extra_downloads}', 'downloads'),
          '4 5, 2', 'five versions and the rest')
  from pg_temp.json(pg_temp.crate('foo-bar', 'downloads')) a;
select is(pg_temp.list(a->'versions', 'num'),
          '1.1.0-rc.1 1.0.0 0.3.0 0.2.0 0.1.1', 'with versions')
  from pg_temp.json(pg_temp.crate('foo-bar', 'downloads',
                                  '{"include": "versions"}')) a;


-- a version

select is(pg_temp.json(pg_temp.version('FOO-bar', '1.0.0')) #>> '{version,num}',
          '1.0.0', 'a version');
select is(pg_temp.version(crate, version, part), expected,
          format('%s of %s %s', part, crate, version))
  from unnest(array['crates', 'dependencies', 'downloads', 'authors']) part,
       (values ('no-such', '1.0.0', '404 crate `no-such` does not exist'),
               ('foo-bar', '9.0.0',
                '404 crate `foo-bar` does not have a version `9.0.0`'),
               ('foo-bar', '1.0.0+x',
                '404 crate `foo-bar` does not have a version `1.0.0+x`'))
           v(crate, version, expected);
select is(pg_temp.version('foo-bar', '1.0.0', 'x'), '404 Not Found', 'no part');
select is(pg_temp.version('foo-bar', '1.0.0', 'authors')
              collate "default",
          '200 {"users" : [], "meta" : {"names" : ["Al","Bo"]}}', 'authors');
select is(pg_temp.web($$readme('main', null, 'foo-bar', '1.0.0')$$),
          '200 # Tea', 'readme');
select is(pg_temp.web($$readme('main', null, 'foo-bar', '0.1.0')$$),
          '404 crate `foo-bar` version `0.1.0` has no readme', 'no readme');
select is(pg_temp.keys(answer, 'dependencies', '0'),
          'id version_id crate_id req optional default_features features '
          'target kind downloads', 'a dependency')
  from pg_temp.version('dep', '1.0.0', 'dependencies') answer;
select is(pg_temp.list(a->'dependencies', 'crate_id'), 'Foo-Bar new Foo-Bar',
          'dependencies')
  from pg_temp.json(pg_temp.version('dep', '1.0.0', 'dependencies')) a;


-- reverse dependencies

create function pg_temp.dependents(crate text, query jsonb default '{}')
returns text
language sql
as $$
    select coalesce(a->>'refused', pg_temp.list(a->'versions', 'crate') || ', '
                                   || (a #>> '{meta,total}'))
      from pg_temp.json(pg_temp.crate(crate, 'reverse_dependencies', query)) a;
$$;

select is(pg_temp.dependents('foo-bar'), 'dep, 1',
          'once, and none of other registries');
select is(a #>> '{dependencies,0,crate_id}', 'Foo-Bar', 'the crate asked for')
  from pg_temp.json(pg_temp.crate('foo_bar', 'reverse_dependencies')) a;
select is(a #> '{dependencies,0,version_id}', a #> '{versions,0,id}', 'joined')
  from pg_temp.json(pg_temp.crate('foo_bar', 'reverse_dependencies')) a;
select is(pg_temp.dependents('dep'), ', 0', 'nobody');
select is(pg_temp.publish('bob', 'dep-' || i, '1.0.0',
                          jsonb_build_object('deps', jsonb_build_array(
                              pg_temp.dependency('Foo-Bar')))),
          pg_temp.published(), 'another') from generate_series(1, 3) i;
update cargo_store.crate_downloads set downloads = 9
 where crate_id = (select id from cargo_store.crates where name = 'dep-2');
select is(pg_temp.dependents('foo-bar'), 'dep-2 dep dep-1 dep-3, 4',
          'the most downloaded first');
select is(pg_temp.dependents('foo-bar', '{"per_page": "3", "page": "2"}'),
          'dep-3, 4', 'a page');
select is(pg_temp.dependents('foo-bar', '{"per_page": "3", "page": "3"}'),
          ', 4', 'behind the last page');
select matches(pg_temp.dependents('foo-bar', query), '^400 ', query::text)
  from unnest(array['{"page": "0"}', '{"per_page": "x"}']::jsonb[]) query;
select is(pg_temp.publish('bob', 'dep-1', '1.1.0'), pg_temp.published(),
          'a new default version');
select is(pg_temp.dependents('foo-bar'), 'dep-2 dep dep-3, 3',
          'only the default version counts');
select is(pg_temp.web($$yank('main', pg_temp.token('bob'), 'dep-1', '1.1.0',
                             true)$$), '200 {"ok":true}', 'yanked');
select is(pg_temp.dependents('foo-bar'), 'dep-2 dep dep-1 dep-3, 4',
          'back again');


-- keywords and categories

select is(pg_temp.list(a->plural, 'id') || ', ' || (a #>> '{meta,total}'),
          expected, format('%s %s', plural, query))
  from (values ('keywords', '{}'::jsonb, 'cup tea, 2'),
               ('keywords', '{"sort": "crates"}', 'tea cup, 2'),
               ('keywords', '{"sort": "alpha"}', 'cup tea, 2'),
               ('keywords', '{"per_page": "1", "page": "2"}', 'tea, 2'),
               ('categories', '{}', 'web web::tea, 2')) v(plural, query, expected),
       pg_temp.json(pg_temp.registry(plural, null, query)) a;
select matches(pg_temp.registry(plural, null, '{"per_page": "0"}'), '^400 ',
               plural) from unnest(array['keywords', 'categories']) plural;
select is(pg_temp.json(pg_temp.registry('keywords', name))
              #>> '{keyword,crates_cnt}', '2', name)
  from unnest(array['tea', 'TEA']) name;
select is(pg_temp.registry('keywords', name),
          format('404 Not Found: no crate has the keyword `%s`', name), name)
  from unnest(array['old', 'secret', 'web', '', '%', 'ü']) name;
select is(pg_temp.registry('categories', name),
          format('404 Not Found: no crate has the category `%s`', name), name)
  from unnest(array['tea', '::', 'web::', repeat('a::', 5000)]) name;
select is(pg_temp.keys(answer, 'category'),
          'id category slug description created_at crates_cnt subcategories '
          'parent_categories', 'a category')
  from pg_temp.registry('categories', 'web') answer;
select is(pg_temp.list(a->'subcategories', 'id') || ', '
              || pg_temp.list(a->'parent_categories', 'id'), expected, name)
  from (values ('web', 'web::tea, '), ('web::tea', ', web')) v(name, expected),
       lateral (select pg_temp.json(pg_temp.registry('categories', name))
                           ->'category' as a) a;
select is(pg_temp.json(pg_temp.registry('category_slugs')),
          '{"category_slugs": [{"id": "web", "slug": "web", "description": ""},
            {"id": "web::tea", "slug": "web::tea", "description": ""}]}',
          'slugs');
select is(pg_temp.publish('alice', 'Foo-Bar', '2.0.0', '{"keywords": ["cup"]}'),
          pg_temp.published(), 'another default version');
select is(pg_temp.list(a->'keywords', 'crates_cnt'), '1 1', 'are counted')
  from pg_temp.json(pg_temp.registry('keywords')) a;
select is(pg_temp.list(a->'categories', 'id'), '', 'or are gone')
  from pg_temp.json(pg_temp.registry('categories')) a;
update cargo_store.crates set default_version_id = null where name = 'dep';
select is(pg_temp.registry('keywords', 'tea'),
          '404 Not Found: no crate has the keyword `tea`', 'no default version');
select is_empty('select registry_id, kind, name, crates
                   from cargo_store.tags where crates > 0
                 except all
                 select registry_id, kind, name, count(*)
                   from cargo_store.crate_mentions
                  where kind <> ''dependency'' group by 1, 2, 3',
                'the numbers are right');


-- the registry and people

select is(pg_temp.keys(pg_temp.registry('summary')),
          'num_downloads num_crates new_crates most_downloaded '
          'most_recently_downloaded just_updated popular_keywords '
          'popular_categories', 'summary');
select is(a->'num_crates', '6', 'crates')
  from pg_temp.json(pg_temp.registry('summary')) a;
select is(pg_temp.list(a->'most_downloaded', 'name'),
          'dep-2 dep-3 dep-1 elsewhere new Foo-Bar', 'the most downloaded')
  from pg_temp.json(pg_temp.registry('summary')) a;
select is(pg_temp.keys(pg_temp.registry('site_metadata')),
          'deployed_sha commit cdn_base read_only banner_message', 'the site');
select is((pg_temp.json(pg_temp.registry('users', 'ALICE'))->'user')
              - '{id,created_at}'::text[],
          '{"login": "alice", "name": "Alice", "avatar": null,
            "url": "https://x/api/v1/users/alice",
            "github_username_matches": false}', 'a user');
select is(pg_temp.registry('users', name),
          format('404 Not Found: there is no user `%s`', name), name)
  from unnest(array['nobody', 'vera', '', ''';--', 'ü']) name;
select is(pg_temp.registry('nothing', 'x'), '404 Not Found', 'no such part');

select is(pg_temp.json(pg_temp.web(format(
              'show_me(''main'', pg_temp.token(%L), ''https://x'', ''me'', '
              'null, null)', login)))
              #- '{user,id}' #- '{user,created_at}' #- '{owned_crates,0,id}',
          format('{"user": {"login": "%s", "name": "%s", "avatar": null,
              "url": "https://x/api/v1/users/%1$s",
              "github_username_matches": false, "email_verified": false,
              "email_verification_sent": false, "email": null,
              "is_admin": %3$s, "publish_notifications": false},
              "owned_crates": %4$s}', login, initcap(login), to_json(login = 'ada'),
              owned)::jsonb, 'me: ' || login)
  from (values ('alice', '[{"name": "Foo-Bar", "email_notifications": false}]'),
               ('ada', '[]'), ('rita', '[]')) v(login, owned);
select matches(pg_temp.web(format(
                   'show_me(%L, pg_temp.token(%L), '''', %L, null, ''{}'')',
                   registry, login, part)),
               expected, format('not me: %s, %s, %s', registry, login, part))
  from (values ('main', null, '^403 this action requires authentication'),
               ('vault', null, '^403 this action requires authentication'),
               ('main', 'vera', '^403 authentication failed'),
               ('vault', 'alice', '^403 authentication failed'),
               ('nowhere', 'alice', '^404 registry `nowhere`'))
           v(registry, login, expected),
       unnest(array['me', 'updates', 'tokens', 'crate_owner_invitations',
                    'x']) part;


create function pg_temp.me(part text, login text default 'alice',
                           name text default null, query jsonb default '{}',
                           registry text default 'main') returns text
language sql
as $$
    select pg_temp.web(format(
               'show_me(%L, pg_temp.token(%L), ''https://x'', %L, %L, %L)',
               registry, login, part, name, query));
$$;

select is(pg_temp.me('crate_owner_invitations'),
          '200 {"crate_owner_invitations":[],"users":[]}', 'no invitations');
select is(pg_temp.me('nothing'), '404 Not Found', 'no such part');

insert into cargo_store.follows (account_id, crate_id)
select a.id, c.id
  from cargo_store.accounts a, cargo_store.crates c
 where a.login = 'alice' and c.name in ('Foo-Bar', 'dep', 'foo-bar');

create function pg_temp.updates(query jsonb) returns text
language sql
as $$
    select coalesce(a->>'refused',
                    (select coalesce(string_agg(
                                concat_ws(' ', v->>'crate', v->>'num'), ', '
                                order by position), '')
                       from jsonb_array_elements(a->'versions')
                            with ordinality e(v, position))
                    || (a #>> '{meta,more}'))
      from pg_temp.json(pg_temp.me('updates', query => query)) a;
$$;

update cargo_store.versions set created_at = now() + id * interval '1 s';
select is(pg_temp.updates(query), expected, 'updates: ' || query::text)
  from (values ('{}'::jsonb, 'Foo-Bar 2.0.0, dep 1.0.0, Foo-Bar 0.3.0, '
                             'Foo-Bar 0.2.0, Foo-Bar 0.1.1, '
                             'Foo-Bar 1.1.0-rc.1, Foo-Bar 1.0.0, '
                             'Foo-Bar 0.1.0false'),
               ('{"per_page": "2"}', 'Foo-Bar 2.0.0, dep 1.0.0true'),
               ('{"per_page": "4", "page": "2"}',
                'Foo-Bar 0.1.1, Foo-Bar 1.1.0-rc.1, Foo-Bar 1.0.0, '
                'Foo-Bar 0.1.0false'),
               ('{"per_page": "4", "page": "3"}', 'false'),
               ('{"per_page": "0"}',
                '400 `per_page` must be a whole number from 1 to 100'))
           v(query, expected);
select is(pg_temp.crate('foo-bar', 'following', login => login), expected,
          coalesce(login, 'nobody') || ' follows')
  from (values ('alice', '200 {"following" : true}'),
               ('bob', '200 {"following" : false}'),
               (null, '403 this action requires authentication; run `cargo '
                      'login` with a token of this registry'))
           v(login, expected);
select is(pg_temp.crate('no-such', 'following', login => 'alice'),
          '404 crate `no-such` does not exist', 'no such crate');


-- tokens

insert into cargo_store.tokens (account_id, registry_id, name, hash, created_at,
                                expires_at, revoked_at, endpoint_scopes,
                                crate_scopes)
select a.id, r.id, v.name, pg_temp.hash(v.name), now(), v.expires::timestamptz,
       v.revoked::timestamptz, v.scopes::text[], v.patterns::text[]
  from (values ('bound', 'main', null, null, '{read,yank}', '{foo-*}'),
               ('other', 'vault', null, null, null, null),
               ('expired', null, '2026-01-01', null, null, null),
               ('later', null, '2999-01-01', null, '{admin}', null),
               ('revoked', null, null, '2026-01-01', null, null))
       v(name, registry, expires, revoked, scopes, patterns)
       left join cargo_store.registries r on r.name = v.registry,
       cargo_store.accounts a
 where a.login = 'alice';

select is(pg_temp.list(pg_temp.json(pg_temp.me('tokens', login))->'api_tokens',
                       'name'), expected, 'tokens for ' || login)
  from (values ('alice', 'later bound laptop'), ('later', 'later bound laptop'),
               ('rita', 'laptop')) v(login, expected);
select is(pg_temp.me('tokens', 'bound'),
          '403 this token does not have the required permissions to perform '
          'this action: it needs the scope `admin`', 'not for every token');
select is(pg_temp.me(part, 'later'),
          '403 this token does not have the required permissions to perform '
          'this action: it needs the scope `read`', 'that neither: ' || part)
  from unnest(array['me', 'updates', 'crate_owner_invitations']) part;
select is(pg_temp.json(pg_temp.me('tokens', 'alice', id::text))
              #- '{api_token,created_at}' #- '{api_token,last_used_at}',
          format('{"api_token": {"id": %s, "name": "bound",
                   "crate_scopes": ["foo-*"],
                   "endpoint_scopes": ["read", "yank"], "expired_at": null}}',
                 id)::jsonb, 'one of them')
  from cargo_store.tokens where name = 'bound';
select is(pg_temp.keys(pg_temp.me('tokens'), 'api_tokens', '0'),
          'id name created_at last_used_at crate_scopes endpoint_scopes '
          'expired_at', 'a token');
select is(pg_temp.json(pg_temp.me('tokens', 'alice', id::text))
              #>> '{api_token,expired_at}', '2026-01-01T00:00:00.000000Z',
          'an expired one')
  from cargo_store.tokens where name = 'expired';
select is(pg_temp.me('tokens', 'alice', t.id::text),
          format('404 Not Found: you have no token with the id `%s`', t.id),
          format('%s of %s', t.name, a.login))
  from cargo_store.tokens t join cargo_store.accounts a on a.id = t.account_id
 where t.name in ('other', 'revoked') or a.login = 'bob';
select is(pg_temp.me('tokens', 'alice', id),
          format('404 Not Found: you have no token with the id `%s`', id),
          'no token ' || id)
  from unnest(array['', 'x', '-1', '0', '9999999999999999999999', 'current'])
       id;


-- owners, users and teams

update cargo_store.accounts set email = login || '@example.org';
insert into cargo_store.teams (name) values ('Web-Team'), ('idle');
insert into cargo_store.team_members (team_id, account_id)
select t.id, a.id from cargo_store.teams t, cargo_store.accounts a
 where t.name = 'Web-Team' and a.login = 'rita';
insert into cargo_store.team_owners (crate_id, team_id)
select c.id, t.id from cargo_store.crates c, cargo_store.teams t
 where c.name = 'Foo-Bar' and t.name = 'Web-Team';
insert into cargo_store.owners (crate_id, account_id)
select c.id, a.id from cargo_store.crates c, cargo_store.accounts a
 where c.name = 'Foo-Bar' and a.login = 'bob';

select is(pg_temp.json(pg_temp.crate(crate, 'owners')),
          (select jsonb_build_object('users', jsonb_build_array(
                      format('{"id": %s, "login": "alice", "kind": "user",
                               "url": "https://x/api/v1/users/alice",
                               "name": "Alice", "email": null,
                               "avatar": null}', a.id)::jsonb,
                      format('{"id": %s, "login": "bob", "kind": "user",
                               "url": "https://x/api/v1/users/bob",
                               "name": "Bob", "email": null,
                               "avatar": null}', b.id)::jsonb,
                      format('{"id": %s, "login": "team:Web-Team",
                               "kind": "team", "name": "Web-Team",
                               "url": "https://x/api/v1/teams/team:Web-Team",
                               "avatar": null}', t.id)::jsonb))
             from cargo_store.accounts a, cargo_store.accounts b,
                  cargo_store.teams t
            where a.login = 'alice' and b.login = 'bob'
              and t.name = 'Web-Team'), crate)
  from unnest(array['foo-bar', 'FOO_BAR']) crate;
select is(pg_temp.json(pg_temp.crate('foo-bar', part))->plural,
          (select jsonb_agg(o)
             from jsonb_array_elements(pg_temp.json(
                      pg_temp.crate('foo-bar', 'owners'))->'users') o
            where o->>'kind' = kind), part)
  from (values ('owner_user', 'users', 'user'), ('owner_team', 'teams', 'team'))
       v(part, plural, kind);
select is(pg_temp.crate('new', 'owner_team'), '200 {"teams" : []}', 'no team');
select is(pg_temp.json(pg_temp.crate('foo-bar', 'owners', login => login))
              #>> '{users,1,email}', email,
          'mail for ' || coalesce(login, 'anybody'))
  from (values (null, null), ('nobody', null), ('vera', null),
               ('alice', 'bob@example.org'), ('rita', 'bob@example.org'),
               ('mia', 'bob@example.org'), ('ada', 'bob@example.org'))
       v(login, email);
select is(pg_temp.json(pg_temp.crate('new', 'owners', login => 'rita'))
              #>> '{users,0,email}', null, 'none for other readers');

select is(pg_temp.json(pg_temp.registry('teams', name))->'team',
          pg_temp.json(pg_temp.crate('foo-bar', 'owner_team'))
              #> '{teams,0}', name)
  from unnest(array['Web-Team', 'web-team', 'team:Web-Team', 'TEAM:WEB-TEAM'])
       name;
select is(pg_temp.registry('teams', name),
          format('404 Not Found: there is no team `%s`', name), name)
  from unnest(array['no-such', 'idle', 'team:', '', 'team:team:Web-Team', 'ü'])
       name;
select is(pg_temp.registry('teams', 'web-team', registry => 'vault',
                           login => 'vito'),
          '404 Not Found: there is no team `web-team`', 'of another registry');
insert into cargo_store.team_roles (registry_id, team_id, role)
select r.id, t.id, 'reader'
  from cargo_store.registries r, cargo_store.teams t
 where r.name = 'vault' and t.name = 'Web-Team';
select matches(pg_temp.registry(part, name, registry => 'vault',
                                login => 'vito'), '^200 ',
               'a role makes it known: ' || part)
  from (values ('teams', 'web-team'), ('users', 'rita')) v(part, name);

select is(pg_temp.registry('stats', a.id::text),
          format('200 {"total_downloads" : %s}', n), 'downloads of ' || login)
  from (values ('alice', 0), ('bob', 9), ('rita', 0)) v(login, n)
       join cargo_store.accounts a using (login);
select is(pg_temp.registry('stats', id),
          format('404 Not Found: there is no user with the id `%s`', id),
          'stats of ' || coalesce(id, 'nobody'))
  from unnest(array['', 'x', 'alice', '0', '-1', '9999999999999999999999',
                    (select a.id::text from cargo_store.accounts a
                      where login = 'vera')]) id;


-- who did what to a version

create function pg_temp.actions(version text) returns text
language sql
as $$
    select string_agg(concat_ws(' ', a->>'action', a #>> '{user,login}'), ', '
                      order by position)
      from jsonb_array_elements(pg_temp.json(
               pg_temp.version('foo-bar', version))
               #> '{version,audit_actions}') with ordinality e(a, position);
$$;

create function pg_temp.yank(login text, crate text, yanked boolean)
returns text
language sql
as $$
    select pg_temp.web(format('yank(''main'', pg_temp.token(%L), %L, '
                              '''0.1.0'', %L)', login, crate, yanked));
$$;

select is(pg_temp.actions('0.1.0'), 'publish alice', 'published');
select is(pg_temp.yank(login, crate, yanked), '200 {"ok":true}',
          format('%s %s', login, yanked))
  from (values ('alice', 'foo-bar', true), ('mia', 'FOO_BAR', true),
               ('ada', 'Foo-Bar', false)) v(login, crate, yanked);
select matches(pg_temp.yank('rita', 'foo-bar', true), '^403 ', 'refused');
select is(pg_temp.actions('0.1.0'), 'publish alice, yank alice, unyank ada',
          'what was done is told');
select is(pg_temp.actions('0.1.1'), 'publish alice', 'of this version');
select pg_temp.must(cargo_admin.yank('main', 'foo-bar', '0.1.0', true, 'Tea'));
select is(pg_temp.actions('0.1.0'),
          'publish alice, yank alice, unyank ada, yank',
          'who comes with cargoctl is no user');
select is(pg_temp.json(pg_temp.version('foo-bar', '0.1.0'))
              #>> '{version,yank_message}', 'Tea', 'and says why');
select is(pg_temp.keys(answer, 'version', 'audit_actions', '1', 'user'),
          'id login name avatar url github_username_matches created_at', 'who')
  from pg_temp.version('foo-bar', '0.1.0') answer;
insert into cargo_store.deletions (registry_id, name, version, deleted_by,
                                   deleted_at, restricted, reason,
                                   reserved_until)
select c.registry_id, 'FOO-bar', v.num, 'ada', now() + interval '1 s', false,
       '', now()
  from cargo_store.versions v join cargo_store.crates c on c.id = v.crate_id
 where c.name = 'Foo-Bar' and v.num = '0.1.0';
select is(pg_temp.actions('0.1.0'), 'publish alice',
          'the version that had the number before is not meant');

update cargo_store.versions set has_lib = true, bin_names = '{a,b}'
 where num = '0.1.0';
select is((answer->'has_lib') || (answer->'bin_names'), '[true, "a", "b"]',
          'what is in it')
  from jsonb_extract_path(pg_temp.json(pg_temp.version('foo-bar', '0.1.0')),
                          'version') answer;


-- other registries

select is(answer, pg_temp.web(format('index_config(%L, pg_temp.token(%L))',
                                     registry, login)),
          format('%s as %s', registry, login))
  from (values ('vault', null), ('vault', 'alice'), ('vault', 'nobody'),
               ('nowhere', null), ('nowhere', 'alice')) v(registry, login),
       lateral unnest(array[
           pg_temp.crate('foo-bar', 'crates', '{}', login, registry),
           pg_temp.crate('no-such', 'versions', '{}', login, registry),
           pg_temp.crate('foo-bar', 'owners', '{}', login, registry),
           pg_temp.version('foo-bar', '9.0.0', 'crates', '{}', login, registry),
           pg_temp.registry('summary', null, '{}', login, registry),
           pg_temp.registry('users', 'vera', '{}', login, registry),
           pg_temp.registry('teams', 'idle', '{}', login, registry),
           pg_temp.registry('stats', '1', '{}', login, registry),
           pg_temp.web(format('readme(%L, pg_temp.token(%L), %L, %L)',
                              registry, login, 'foo-bar', '9.0.0'))]) answer;
select is(pg_temp.list(a->'versions', 'num'), '9.0.0', 'with a token')
  from pg_temp.json(pg_temp.crate('foo-bar', 'versions', '{}', 'vito',
                                  'vault')) a;
select is(pg_temp.json(pg_temp.registry('summary', null, '{}', 'vito',
                                        'vault'))->'num_crates', '1',
          'a summary of its own');
select is(pg_temp.list(pg_temp.json(pg_temp.crate(
              'foo-bar', 'reverse_dependencies', '{}', 'vito', 'vault'))
              ->'versions', 'crate'), '', 'dependents of its own');


-- whatever comes as arguments

select matches(answer, '^(200|400) ', 'arguments: ' || query::text)
  from unnest(array['[]', '1', 'null', '{"include": null}',
                    '{"sort": {}, "seek": []}', '{"nums[]": [[1], null, {}]}',
                    '{"include": ["versions"]}', '{"page": {}}']::jsonb[])
           query,
       lateral unnest(array[
           pg_temp.crate('foo-bar', 'crates', query),
           pg_temp.crate('foo-bar', 'versions', query),
           pg_temp.crate('foo-bar', 'downloads', query),
           pg_temp.crate('foo-bar', 'reverse_dependencies', query),
           pg_temp.version('foo-bar', '1.0.0', 'downloads', query),
           pg_temp.registry('keywords', null, query)]) answer;

select * from finish();
rollback;
