begin;
\ir include/crates_io.sql


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
select is(a->'num_crates', '3', 'crates')
  from pg_temp.json(pg_temp.registry('summary')) a;
update cargo_store.crate_downloads set downloads = 9
 where crate_id = (select id from cargo_store.crates where name = 'new');
select is(pg_temp.list(a->'most_downloaded', 'name'),
          'new elsewhere Foo-Bar', 'the most downloaded')
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

select * from finish();
rollback;
