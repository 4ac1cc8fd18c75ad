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


-- owners by team, scopes, hidden crates

select pg_temp.must(cargo_admin.create_team('platform', null)),
       pg_temp.must(cargo_admin.add_team_member('platform', 'bob'));
insert into cargo_store.team_owners (crate_id, team_id)
select c.id, t.id from cargo_store.crates c, cargo_store.teams t;
select is(pg_temp.yank('bob', 'Foo-Bar', '1.0.0'), '200 {"ok":true}',
          'a member of a team that owns it');
select is(pg_temp.yank('bob', 'Foo-Bar', '1.0.0', false), '200 {"ok":true}',
          'unyanks too');
delete from cargo_store.team_owners;

select pg_temp.must(cargo_admin.create_token(
           'alice', 'a test', pg_temp.hash(token), null, null, scopes, crates))
  from (values ('alice read', '{read,publish-new}'::text[], null::text[]),
               ('alice yank', '{yank}', '{foo_bar}')) v(token, scopes, crates);
select is(pg_temp.yank(token, crate, '1.0.0', yanked), answer,
          concat_ws(' ', token, crate, yanked))
  from unnest(array[true, false]) yanked,
       (values ('alice read', 'Foo-Bar',
                '403 this token does not have the required permissions to '
                'perform this action: it needs the scope `yank`'),
               ('alice yank', 'foo',
                '403 this token does not have the required permissions to '
                'perform this action: it is not for crate `foo`'),
               ('alice yank', 'FOO-BAR', '200 {"ok":true}'))
           v(token, crate, answer);
select is(pg_temp.web($$yank('main', pg_temp.login('Mia'), 'foo_bar', '1.0.0',
                             false)$$), '200 {"ok":true}',
          'a login, without a token');

select pg_temp.must(cargo_admin.restrict_crate('main', 'foo-bar', true));
select is(pg_temp.yank('bob', 'foo_bar', '1.0.0'),
          '404 crate `foo_bar` does not exist', 'hidden');
select is(pg_temp.yank(login, 'foo_bar', '1.0.0', false), '200 {"ok":true}',
          'not hidden: ' || login)
  from unnest(array['alice', 'mia', 'ada']) login;
select pg_temp.must(cargo_admin.allow_reader('main', 'foo-bar', 'bob'));
select is(pg_temp.yank('bob', 'foo_bar', '1.0.0'),
          '403 must already be an owner to yank or unyank',
          'who sees it learns what is missing');
select pg_temp.must(cargo_admin.restrict_crate('main', 'foo-bar', false));


-- the message

create function pg_temp.change(login text, version text, change jsonb)
returns text
language sql
as $$
    select pg_temp.web(format('change_version(%L, pg_temp.token(%L), %L,'
                              ' ''foo-bar'', %L, %L)', 'main', login,
                              'https://x', version, change));
$$;

create function pg_temp.patch(yanked boolean, message text) returns text
language sql
as $$
    select concat_ws(' ', a::jsonb #>> '{version,num}',
                     a::jsonb #>> '{version,yanked}',
                     a::jsonb #>> '{version,yank_message}')
      from substr(pg_temp.change('alice', '1.0.0', jsonb_build_object(
                      'version', jsonb_strip_nulls(jsonb_build_object(
                          'yanked', yanked, 'yank_message', message)))),
                  5) a;
$$;

create function pg_temp.changes() returns bigint
language sql
as $$
    select count(*) from cargo_store.changes
     where kind in ('yank', 'unyank');
$$;

create temporary table counted (n bigint);
insert into counted select pg_temp.changes();

create function pg_temp.since() returns bigint
language sql
as $$ select pg_temp.changes() - n from counted; $$;

select is(pg_temp.patch(true, 'unsound'), '1.0.0 true unsound',
          'yank with a message');
select is(pg_temp.since(), 1::bigint, 'is a change of the index');
update cargo_store.versions set updated_at = 'epoch';
select is(pg_temp.patch(null, 'see RUSTSEC'), '1.0.0 true see RUSTSEC',
          'another message');
select is((select updated_at from cargo_store.versions where num = '1.0.0'),
          now(), 'changes the version');
select is(pg_temp.since(), 1::bigint, 'and not the index');
update cargo_store.versions set updated_at = 'epoch';
select is(pg_temp.patch(true, null), '1.0.0 true see RUSTSEC',
          'yanked already: the message stays');
select is(pg_temp.patch(null, null), '1.0.0 true see RUSTSEC',
          'nothing to change');
select is(pg_temp.yank('alice', 'foo-bar', '1.0.0'), '200 {"ok":true}',
          'yanked once more');
select results_eq(
    $$select yank_message, updated_at from cargo_store.versions
       where num = '1.0.0'$$,
    $$values ('see RUSTSEC', 'epoch'::timestamptz)$$, 'changes nothing');
select is(pg_temp.patch(null, ''), '1.0.0 true', 'an empty message is none');
select is(pg_temp.patch(null, repeat('ü', 1000)),
          '1.0.0 true ' || repeat('ü', 1000), '1000 characters');
select is(pg_temp.change('alice', '1.0.0',
                         '{"version": {"yank_message": null}}')::text
              ~ '"yank_message" ?: ?null', true, 'null is none');
select is(pg_temp.patch(true, 'again'), '1.0.0 true again', 'a message');
select is(pg_temp.patch(false, null), '1.0.0 false', 'goes with the yank');
select is(pg_temp.since(), 2::bigint, 'a yank and an unyank');

select is(pg_temp.change(login, version, '{"version": {"yanked": true}}'),
          answer, coalesce(login, 'nobody') || ' ' || version)
  from (values
    (null, '1.0.0', pg_temp.yank(null, 'foo-bar', '1.0.0')),
    ('rita', '1.0.0', pg_temp.yank('rita', 'foo-bar', '1.0.0')),
    ('bob', '1.0.0', '403 must already be an owner to yank or unyank'),
    ('bob', '9.0.0', '404 crate `foo-bar` does not have a version `9.0.0`'),
    ('alice read', '1.0.0', '403 this token does not have the required '
                            'permissions to perform this action: it needs '
                            'the scope `yank`'))
    v(login, version, answer);

select is(pg_temp.change('alice', '1.0.0', request), '400 ' || answer,
          coalesce(left(request::text, 60), 'null'))
  from (values
    ('{"version": {"yanked": false, "yank_message": "x"}}'::jsonb,
     'Cannot set yank message when unyanking'),
    ('{"version": {"yank_message": "x"}}',
     'Cannot update yank message for a version that is not yanked'),
    (jsonb_build_object('version', jsonb_build_object(
         'yanked', true, 'yank_message', repeat('x', 1001))),
     '`yank_message` is too long: it may have 1000 characters'),
    ('{"version": {"yanked": "true"}}', '`yanked` must be true or false'),
    ('{"version": {"yanked": null}}', '`yanked` must be true or false'),
    ('{"version": {"yanked": 1}}', '`yanked` must be true or false'),
    ('{"version": {"yanked": true, "yank_message": 1}}',
     '`yank_message` must be a string, or null for none'),
    ('{"version": {"yanked": true, "num": "2.0.0"}}',
     '`num` of a version cannot be changed, only `yanked` and `yank_message`'))
    v(request, answer);
select matches(pg_temp.change('alice', '1.0.0', request),
               '^400 the request must be a JSON object: ',
               coalesce(request::text, 'null'))
  from unnest(array[null, 'null', '1', '"x"', '[]', '{}', '{"version": []}',
                    '{"version": null}', '{"version": "1.0.0"}',
                    '{"versions": {"yanked": true}}']::jsonb[]) request;
select is(pg_temp.since(), 2::bigint, 'none of it changed anything');


select * from finish();
rollback;
