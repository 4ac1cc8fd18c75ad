begin;
\ir include/registry.sql

-- Every write, and every refused write, is one row.

select * from no_plan();


create function pg_temp.last_row() returns bigint
language sql
as $$ select coalesce(max(id), 0) from cargo_store.audit; $$;

-- the answer to the call, and the rows that it made, all columns but the id
-- and what is as it must be
create function pg_temp.noted(call text) returns text
language plpgsql
as $$
declare
    last   constant bigint := pg_temp.last_row();
    answer text;
    noted  text;
begin
    answer := pg_temp.web(call);

    select string_agg(concat_ws(' ', a.action, a.registry, a.crate, a.version,
                                'by ' || coalesce(a.account, 'nobody'),
                                'with ' || a.token_name, 'from ' || a.address,
                                a.status, a.before::text || ' ->', a.after),
                      E'\n' order by id)
      into noted
      from cargo_store.audit a
     where a.id > last;

    if exists (select from cargo_store.audit a
                where a.id > last
                  and (a.created_at <> now()
                       or (a.token_id is null) <> (a.token_name is null)
                       or a.status >= 400
                          and (a.detail is distinct from substr(answer, 5)
                               or a.before is not null
                               or a.after is not null)
                       or a.status < 400 and a.detail is not null))
    then
        raise exception 'answered %, noted %', answer, noted;
    end if;

    if split_part(answer, ' ', 1)
       <> (select a.status::text from cargo_store.audit a
            where a.id > last)
    then
        raise exception 'answered %, noted %', answer, noted;
    end if;

    return noted;
end
$$;

create function pg_temp.publishing(caller text, name text, vers text,
                                   content text default 'x') returns text
language sql
as $$
    select format('publish(''main'', %s, %L, %L, %L, sha256(%L), 7, now())',
                  caller, pg_temp.release(name, vers), '{', '}', content);
$$;

create function pg_temp.sum(content text) returns text
language sql
as $$ select encode(sha256(content::bytea), 'hex'); $$;


-- publish

select is(pg_temp.noted(pg_temp.publishing('pg_temp.token(''alice'')',
                                           'Foo-Bar', '1.0.0')),
          'publish main Foo-Bar 1.0.0 by alice with laptop from 192.0.2.1 200 '
          '{"size": 7, "owners": ["alice"], "checksum": "' || pg_temp.sum('x')
          || '"}', 'a new crate');
select is(pg_temp.noted(pg_temp.publishing('pg_temp.token(''alice'')',
                                           'Foo-Bar', '1.0.0')),
          format('publish main Foo-Bar 1.0.0 by alice with laptop from '
                 '192.0.2.1 200 %s -> %s', f, f), 'the same again')
  from (values (format('{"size": 7, "checksum": "%s"}', pg_temp.sum('x'))))
       v(f);
select is(pg_temp.noted(pg_temp.publishing('pg_temp.login(''ADA'')',
                                           'Foo-Bar', '1.1.0')),
          'publish main Foo-Bar 1.1.0 by ada from 192.0.2.1 200 {"size": 7, '
          '"checksum": "' || pg_temp.sum('x') || '"}', 'a login, a version');
select is(pg_temp.noted(pg_temp.publishing(caller, name, '1.0.0', 'y')),
          format('publish main %s 1.0.0 %s', name, noted),
          caller || ' ' || name)
  from (values
    ('pg_temp.token(''alice'')', 'Foo-Bar',
     'by alice with laptop from 192.0.2.1 400'),
    ('pg_temp.token(''alice'')', 'std',
     'by alice with laptop from 192.0.2.1 400'),
    ('pg_temp.token(''bob'')', 'Foo-Bar',
     'by bob with laptop from 192.0.2.1 403'),
    ('pg_temp.token(''rita'')', 'Foo-Bar',
     'by rita with laptop from 192.0.2.1 403'),
    ('pg_temp.token(''nobody'')', 'Foo-Bar', 'by nobody from 192.0.2.1 403'),
    ('pg_temp.token(''vera'')', 'Foo-Bar', 'by nobody from 192.0.2.1 403'),
    ('pg_temp.login(''vera'')', 'Foo-Bar', 'by nobody from 192.0.2.1 403'),
    ('row(null, null, null)', 'Foo-Bar', 'by nobody 403'))
    v(caller, name, noted);
select is(pg_temp.noted(format('publish(''nowhere'', pg_temp.token(''ada''), '
                               '%L, %L, %L, sha256(''x''), 1, now())',
                               pg_temp.release('foo', '1.0.0'), '{', '}')),
          'publish nowhere foo 1.0.0 by nobody from 192.0.2.1 404',
          'no such registry');


-- before an upload is read: only what is refused, since the rest is asked of
-- publish() once more

select is(pg_temp.noted($$authenticate('main', pg_temp.token('rita'),
                                       'publish')$$),
          'publish main by rita with laptop from 192.0.2.1 403',
          'refused before the upload');
select is(pg_temp.noted($$authenticate('main', pg_temp.token('mia'),
                                       'publish')$$), null,
          'let in, which is no write yet');


-- yank

select is(pg_temp.noted(format('yank(''main'', pg_temp.token(%L), ''Foo-Bar'','
                               ' ''1.0.0'', %L)', login, yanked)),
          noted, login || ' ' || noted)
  from (values
    ('mia', true, 'yank main Foo-Bar 1.0.0 by mia with laptop from 192.0.2.1 '
                  '200 {"yanked": false} -> {"yanked": true}'),
    ('mia', true, 'yank main Foo-Bar 1.0.0 by mia with laptop from 192.0.2.1 '
                  '200 {"yanked": true} -> {"yanked": true}'),
    ('mia', false, 'unyank main Foo-Bar 1.0.0 by mia with laptop from '
                   '192.0.2.1 200 {"yanked": true} -> {"yanked": false}'),
    ('bob', true, 'yank main Foo-Bar 1.0.0 by bob with laptop from 192.0.2.1 '
                  '403')) v(login, yanked, noted);
select is(pg_temp.noted($$yank('main', pg_temp.token('mia'), 'foo', '1.0.0',
                               true)$$),
          'yank main foo 1.0.0 by mia with laptop from 192.0.2.1 404',
          'no such crate');
select is(pg_temp.noted(format('change_version(''main'', '
              'pg_temp.token(''alice''), ''https://x'', ''foo_bar'','
              ' ''1.0.0'', %L)', jsonb_build_object('version', change))),
          'change_version main foo_bar 1.0.0 by alice with laptop from '
          '192.0.2.1 ' || noted, 'patch: ' || noted)
  from (values
    ('{"yanked": true, "yank_message": "bad"}'::jsonb,
     '200 {"yanked": false} -> {"yanked": true, "yank_message": "bad"}'),
    ('{"yank_message": "worse"}',
     '200 {"yanked": true, "yank_message": "bad"} -> {"yanked": true, '
     '"yank_message": "worse"}'),
    ('{"yanked": false}', '200 {"yanked": true, "yank_message": "worse"} -> '
                          '{"yanked": false}'),
    ('{"yank_message": "x"}', '400'), ('{"yanked": 1}', '400'))
    v(change, noted);


-- owners

select is(pg_temp.noted(format('%s_owners(''main'', pg_temp.token(%L), '
                               '''Foo-Bar'', %L)', verb, login,
                               jsonb_build_object('users', users))),
          format('%s_owners main Foo-Bar by %s with laptop from 192.0.2.1 %s',
                 verb, login, noted), verb || ' ' || noted)
  from (values
    ('add', 'alice', '["mia", "BOB"]'::jsonb,
     '200 ["alice"] -> ["alice", "bob", "mia"]'),
    ('add', 'alice', '["bob"]', '400'),
    ('add', 'rita', '["bob"]', '403'),
    ('remove', 'bob', '["Mia", "alice"]',
     '200 ["alice", "bob", "mia"] -> ["bob"]'),
    ('remove', 'bob', '["bob"]', '400'),
    ('remove', 'alice', '["bob"]', '403')) v(verb, login, users, noted);


-- tokens

create function pg_temp.plain(noted text) returns text
language sql
as $$
    select regexp_replace(regexp_replace(noted, '"id": [0-9]+', '"id": N', 'g'),
                          '"revoked_at": "[^"]+"', '"revoked_at": T', 'g');
$$;

select is(pg_temp.plain(pg_temp.noted($$create_token('main',
              pg_temp.token('mia'), pg_temp.hash('new'), '{"api_token":
              {"name": "ci", "endpoint_scopes": ["yank"], "crate_scopes":
               ["a-*"], "expired_at": "2100-01-01T00:00:00Z"}}')$$)),
          'create_token main by mia with laptop from 192.0.2.1 200 '
          '{"id": N, "name": "ci", "expires_at": "2100-01-01T00:00:00+00:00", '
          '"crate_scopes": ["a-*"], "endpoint_scopes": ["yank"]}',
          'a new token: never its hash');
select is(pg_temp.noted($$create_token('main', pg_temp.token('new'), 'x',
                                       '{"api_token": {"name": "x"}}')$$),
          'create_token main by mia with ci from 192.0.2.1 403',
          'a token that may not');
select is(pg_temp.noted($$create_token('main', pg_temp.token('mia'), 'x',
                                       '{}')$$),
          'create_token main by mia with laptop from 192.0.2.1 400',
          'a bad request');
select is(pg_temp.plain(pg_temp.noted(format($$revoke_token('main',
              pg_temp.token('mia'), %L)$$,
              (select id from cargo_store.tokens
                where hash = pg_temp.hash('new'))))),
          'revoke_token main by mia with laptop from 192.0.2.1 200 '
          '{"id": N, "name": "ci", "expires_at": "2100-01-01T00:00:00+00:00", '
          '"crate_scopes": ["a-*"], "endpoint_scopes": ["yank"]} -> '
          '{"id": N, "name": "ci", "expires_at": "2100-01-01T00:00:00+00:00", '
          '"revoked_at": T, "crate_scopes": ["a-*"], "endpoint_scopes": '
          '["yank"]}', 'revoked');
select is(pg_temp.noted($$revoke_token('main', pg_temp.token('new'), null)$$),
          'revoke_current_token main by mia with ci from 192.0.2.1 403',
          'a revoked token is known still');
select is(pg_temp.noted($$revoke_token('main', pg_temp.token('mia'), '0')$$),
          'revoke_token main by mia with laptop from 192.0.2.1 404',
          'no such token');
select is(pg_temp.plain(pg_temp.noted($$revoke_token('main',
              pg_temp.token('mia'), null)$$)),
          'revoke_current_token main by mia with laptop from 192.0.2.1 204 '
          '{"id": N, "name": "laptop"} -> {"id": N, "name": "laptop", '
          '"revoked_at": T}',
          'its own');


-- following

select is(pg_temp.noted(format($$follow_crate('main', pg_temp.token('rita'),
                                              'foo-bar', %L)$$, following)),
          noted, noted)
  from (values
    (true, 'follow main foo-bar by rita with laptop from 192.0.2.1 200 '
           '{"following": false} -> {"following": true}'),
    (false, 'unfollow main foo-bar by rita with laptop from 192.0.2.1 200 '
            '{"following": true} -> {"following": false}')) v(following, noted);
select is(pg_temp.noted($$follow_crate('main', pg_temp.token('rita'), 'x',
                                       true)$$),
          'follow main x by rita with laptop from 192.0.2.1 404',
          'no such crate');


-- deletions

select is(pg_temp.noted(format($$delete_version('main', pg_temp.token(%L),
                                     'Foo-Bar', '1.1.0', '{"message": "m"}')$$,
                               login)),
          format('delete_version main Foo-Bar 1.1.0 by %s with laptop from '
                 '192.0.2.1 %s', login, noted), login)
  from (values
    ('alice', '403'),
    ('ada', format('204 {"size": 7, "yanked": false, "checksum": "%s"} -> '
                   '{"reason": "m", "reserved_until": "%s"}',
                   pg_temp.sum('x'),
                   cargo_store.rfc3339(now() + interval '30 days'))),
    ('ada', '404')) v(login, noted);
select is(pg_temp.noted(format($$delete_crate('main', pg_temp.token('ada'),
                                     'Foo-Bar', %L)$$, query)),
          'delete_crate main Foo-Bar by ada with laptop from 192.0.2.1 '
          || noted, 'crate: ' || left(noted, 3))
  from (values
    ('{}', '400'),
    ('{"message": "m"}',
     format('204 {"owners": ["bob"], "versions": [{"num": "1.0.0", "size": 7, '
            '"yanked": false, "checksum": "%s"}]} -> {"reason": "m", '
            '"reserved_until": "%s"}', pg_temp.sum('x'),
            cargo_store.rfc3339(now() + interval '30 days'))))
    v(query, noted);


-- what the server itself refuses

select is(pg_temp.noted($$refuse_write('main', pg_temp.token('alice'),
              'publish', 'foo', '1.0.0', 413, 'too large')$$),
          'publish main foo 1.0.0 by alice with laptop from 192.0.2.1 413',
          'by the server');
select is(pg_temp.noted($$refuse_write('nowhere', row(null, null, null),
              'yank', null, null, 400, 'no JSON')$$),
          'yank nowhere by nobody 400', 'nobody, nowhere');
select is(pg_temp.web($$refuse_write('main', pg_temp.token('alice'),
              'publish', 'foo', '1.0.0', 413, 'too large')$$),
          '413 too large', 'answers what it is told');
select throws_ok(
    $$select cargo.refuse_write('main', pg_temp.token('alice'), 'publish',
                                'foo', '1.0.0', 200, 'ok')$$,
    '22023', null, 'what was done is not noted by it');


-- long things

select lives_ok(format($$select pg_temp.web(%L)$$, format(
    'yank(%L, row(null, %L, %L), %L, %L, true)', repeat('r', 100000),
    repeat('l', 100000), 'unix:', repeat('c', 100000), repeat('v', 100000))),
    'long names');
select results_eq(
    $$select length(registry), length(crate), length(version),
             length(detail) <= 1000
        from cargo_store.audit order by id desc limit 1$$,
    'values (200, 200, 200, true)', 'are cut');


-- a row and its write stand and fall together

create function pg_temp.count_rows() returns text
language sql
as $$
    select concat_ws(' ', (select count(*) from cargo_store.audit),
                     (select count(*) from cargo_store.crates),
                     (select count(*) from cargo_store.tokens));
$$;

create temporary table counted as select pg_temp.count_rows() as n;

create function pg_temp.fail() returns trigger
language plpgsql
as $$ begin raise exception 'no space left on device'; end $$;

create trigger full_disk before insert on cargo_store.audit
    for each row execute function pg_temp.fail();
select throws_ok(
    $$select pg_temp.publish('alice', 'unnoted', '1.0.0')$$, 'P0001',
    'no space left on device', 'no row, no crate');
select throws_ok(
    $$select pg_temp.web('create_token(''main'', pg_temp.token(''ada''),'
        ' pg_temp.hash(''z''), ''{"api_token": {"name": "x"}}'')')$$,
    'P0001', 'no space left on device', 'no row, no token');
drop trigger full_disk on cargo_store.audit;

create trigger full_disk before insert on cargo_store.versions
    for each row execute function pg_temp.fail();
select throws_ok(
    $$select pg_temp.publish('alice', 'unnoted', '1.0.0')$$, 'P0001',
    'no space left on device', 'no version, no row');
drop trigger full_disk on cargo_store.versions;

select is(pg_temp.count_rows(), (select n from counted), 'nothing of it stays');


-- nginx adds rows by what it calls, and has no other way to them

create function pg_temp.as_web(statement text) returns text
language plpgsql
as $$
begin
    set local role cargo_web;
    execute statement;
    reset role;

    return 'done';
exception
    when others then
        return sqlstate;
end
$$;

select is(pg_temp.as_web(statement), '42501', statement)
  from unnest(array[
    'select from cargo_store.audit',
    'update cargo_store.audit set account = null',
    'delete from cargo_store.audit',
    'truncate cargo_store.audit',
    'insert into cargo_store.audit (action, status) values (''x'', 200)',
    'drop table cargo_store.audit',
    'alter table cargo_store.audit rename to x',
    'select from cargo_admin.list_audit(null, null, 10)',
    'select cargo_store.audit(null, null, null, null, null, null, null, null)',
    'select from cargo_store.deletions',
    'delete from cargo_store.deletions']) statement;

-- every function of nginx that can write is one of those above (both that
-- change owners note it in answer_owners()), or notes no more than that
-- something was read, or tells of what another has written
select results_eq(
    $$select p.proname::text collate "default" from pg_proc p
       where p.pronamespace = 'cargo'::regnamespace
         and p.provolatile = 'v'
         and p.proname !~ '^(show|search)_'
         and p.prosrc !~ 'perform audit\(access, registry, caller,'
         and p.prosrc !~ 'from answer_owners\(registry, caller,'
       order by 1$$,
    array['count_downloads', 'index_config', 'ring'],
    'no function that writes was forgotten');


select * from finish();
rollback;
