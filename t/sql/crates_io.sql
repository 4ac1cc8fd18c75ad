begin;
\ir include/crates_io.sql


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
