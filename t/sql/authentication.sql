begin;
\ir include/registry.sql

select * from no_plan();


create function pg_temp.authenticate(registry text, login text) returns text
language sql
as $$
    select pg_temp.web(format('authenticate(%L, pg_temp.token(%L), %L)',
                              registry, login, 'publish'));
$$;

create function pg_temp.config(registry text, login text) returns text
language sql
as $$
    select pg_temp.web(format('index_config(%L, pg_temp.token(%L))',
                              registry, login));
$$;


select is(pg_temp.authenticate('main', 'alice'), '200', 'publisher');
select is(pg_temp.authenticate('main', 'mia'), '200', 'maintainer');
select is(pg_temp.authenticate('main', 'ada'), '200', 'admin');

select is(pg_temp.authenticate('nowhere', 'alice'),
          '404 registry `nowhere` does not exist; look at the index URL in '
          'the configuration of cargo', 'unknown registry');
select is(pg_temp.authenticate(null, 'alice'),
          '404 registry `` does not exist; look at the index URL in the '
          'configuration of cargo', 'no registry');

select is(pg_temp.authenticate('main', null),
          '403 this action requires authentication; run `cargo login` with a '
          'token of this registry', 'no token');
select is(pg_temp.authenticate('main', 'nobody'),
          '403 authentication failed: ' || pg_temp.no_token(),
          'unknown token');
select is(pg_temp.web($$authenticate('main', row('', null, null), 'publish')$$),
          '403 authentication failed: ' || pg_temp.no_token(),
          'a token that is no hash');

select is(pg_temp.authenticate('main', 'vera'),
          pg_temp.authenticate('main', 'nobody'),
          'the token of a member of another registry looks unknown');

select is(pg_temp.authenticate('main', 'rita'),
          '403 this action needs the role publisher or a higher one in '
          'registry `main`, the account `rita` has the role reader; ask an '
          'administrator of the registry', 'reader');

select throws_ok(
    $$select cargo.authenticate('main', pg_temp.token('alice'), 'paint')$$,
    '22023', 'unknown action "paint"', 'unknown action');
select throws_ok(
    $$select cargo.authenticate('main', pg_temp.token('alice'), null)$$,
    '22023', null, 'no action');


-- a token for one registry

select pg_temp.must(cargo_admin.grant_role('alice', 'vault', 'admin'));
select pg_temp.must(cargo_admin.create_token('alice', 'ci',
                                             pg_temp.hash('alice main'),
                                             'main', null, null, null));

select is(pg_temp.authenticate('vault', 'alice'), '200',
          'a token without a registry works in all of the account''s');
select is(pg_temp.authenticate('main', 'alice main'), '200',
          'a token for a registry works there');
select is(pg_temp.authenticate('vault', 'alice main'),
          pg_temp.authenticate('vault', 'nobody'),
          'and looks unknown elsewhere');


-- tokens that are no good any more

update cargo_store.tokens set expires_at = now() + interval '1 second'
 where hash = pg_temp.hash('bob');
select is(pg_temp.authenticate('main', 'bob'), '200', 'expires in a second');

update cargo_store.tokens set expires_at = '2026-01-31 23:59:59Z'
 where hash = pg_temp.hash('bob');
select is(pg_temp.authenticate('main', 'bob'),
          '403 authentication failed: the token expired on 2026-01-31 23:59 '
          'UTC; ask an administrator of the registry for a new one and run '
          '`cargo login`', 'expired');

update cargo_store.tokens set expires_at = now()
 where hash = pg_temp.hash('bob');
select matches(pg_temp.authenticate('main', 'bob'), '^403 .*expired',
               'expires now');

update cargo_store.tokens set expires_at = null
 where hash = pg_temp.hash('bob');

select pg_temp.must(cargo_admin.disable_account('BOB', true));
select is(pg_temp.authenticate('main', 'bob'),
          '403 authentication failed: the account of the token is disabled; '
          'ask an administrator of the registry', 'disabled account');
select is(pg_temp.authenticate('vault', 'bob'),
          pg_temp.authenticate('vault', 'nobody'),
          'of which other registries hear nothing');
select pg_temp.must(cargo_admin.disable_account('bob', false));
select is(pg_temp.authenticate('main', 'bob'), '200', 'enabled again');

select pg_temp.must(cargo_admin.revoke_token(
           (select id from cargo_store.tokens
             where hash = pg_temp.hash('bob'))));
select is(pg_temp.authenticate('main', 'bob'),
          '403 authentication failed: the token has been revoked; ask an '
          'administrator of the registry for a new one and run `cargo login`',
          'revoked');
select is(pg_temp.authenticate('vault', 'bob'),
          pg_temp.authenticate('vault', 'nobody'),
          'of which other registries hear nothing');

select pg_temp.must(cargo_admin.grant_role('alice', 'main', 'none'));
select is(pg_temp.authenticate('main', 'alice'),
          pg_temp.authenticate('main', 'nobody'), 'no member any more');


-- reading

select is(pg_temp.config('main', null), '200', 'public: no token');
select is(pg_temp.config('main', 'nobody'), '200', 'public: any token');
select is(pg_temp.config('vault', 'vera'), '200', 'private: publisher');
select is(pg_temp.config('vault', 'vito'), '200', 'private: reader');
select is(pg_temp.config('vault', null),
          '401 a token is needed: run `cargo login` with a token of this '
          'registry', 'private: no token');
select is(pg_temp.config('vault', 'nobody'),
          '401 token rejected: ' || pg_temp.no_token(),
          'private: unknown token');
select is(pg_temp.config('vault', 'rita'),
          '401 token rejected: ' || pg_temp.no_token(),
          'private: no member');
select is(pg_temp.config('nowhere', 'vera'),
          pg_temp.authenticate('nowhere', 'vera'),
          'unknown registry');

select results_eq(
    $$select private, limited, expires
        from cargo.index_config('main', null)
      union all
      select private, limited, expires
        from cargo.index_config('vault', null)
      union all
      select private, limited, expires
        from cargo.index_config('vault', pg_temp.token('vera'))
      union all
      select private, limited, expires
        from cargo.index_config('nowhere', null)$$,
    $$values (false, false, null::bigint), (true, false, null),
             (true, false, null), (null, false, null)$$,
    'for servers that remember the answer');


-- until when an answer holds by itself

create function pg_temp.expires(registry text, login text,
                                expires_at timestamptz) returns bigint
language plpgsql
as $$
begin
    update cargo_store.tokens t
       set expires_at = expires.expires_at
      from cargo_store.accounts a
     where a.id = t.account_id and a.login = expires.login;

    return (select c.expires
              from cargo.index_config(registry, pg_temp.token(login)) c);
end
$$;

select is(pg_temp.expires('vault', 'vera', '2100-01-01 00:00:00.7Z'),
          extract(epoch from timestamptz '2100-01-01 00:00:00Z')::bigint,
          'a token that will expire: the second it does not see whole');
select is(pg_temp.expires('vault', 'vera', 'infinity'), null, 'one that never');
select is(pg_temp.expires('vault', 'vera', '2000-01-01 00:00:00Z'), null,
          'one that has: that does not end');
select is(pg_temp.expires('main', 'vera', '2100-01-01 00:00:00Z'), null,
          'one of others: in a public registry this is nobody');
select is(pg_temp.expires('vault', 'vera', null), null, 'as it was');


-- whom nginx has authenticated

create function pg_temp.enter(registry text, login text) returns text
language sql
as $$
    select pg_temp.web(format('authenticate(%L, pg_temp.login(%L), %L)',
                              registry, login, 'publish'));
$$;

create function pg_temp.look(registry text, login text) returns text
language sql
as $$
    select pg_temp.web(format('index_config(%L, pg_temp.login(%L))',
                              registry, login));
$$;

select is(pg_temp.enter('main', 'MIA'), '200', 'a login, in any case');
select matches(pg_temp.enter('main', 'rita'),
               '^403 .*the account `rita` has the role reader',
               'a login has its role');
select is(pg_temp.look('vault', 'Vito'), '200', 'and reads');
select is(pg_temp.enter('vault', login),
          format('403 the user `%s` has no role in registry `vault`; ask an '
                 'administrator of the registry', login),
          'without a role here: ' || login)
  from unnest(array['mia', 'nobody', '', '%', 'team:x']) login;
select is(pg_temp.look('vault', 'mia'), pg_temp.enter('vault', 'mia'),
          'nor does it read what is private');
select is(pg_temp.look('main', 'nobody'), '200',
          'what is public, everybody may');
select is(pg_temp.enter('nowhere', 'mia'),
          pg_temp.authenticate('nowhere', 'mia'), 'unknown registry');
select is(pg_temp.web($$authenticate('main', row(pg_temp.hash('nobody'),
                                     'mia', null), 'publish')$$),
          '403 authentication failed: ' || pg_temp.no_token(),
          'a bad token is not made good by a login');

select pg_temp.must(cargo_admin.disable_account('vito', true));
select is(pg_temp.look('vault', 'vito'),
          '403 the account `vito` is disabled; ask an administrator of the '
          'registry', 'disabled');
select pg_temp.must(cargo_admin.disable_account('vito', false));


-- roles of teams

select pg_temp.must(cargo_admin.create_team('Platform', null)),
       pg_temp.must(cargo_admin.add_team_member('platform', 'rita')),
       pg_temp.must(cargo_admin.add_team_member('platform', 'vera')),
       pg_temp.must(cargo_admin.grant_role('team:platform', 'main',
                                           'publisher'));

select is(pg_temp.authenticate('main', 'rita'), '200',
          'the role of a team counts, when it is higher');
select is(pg_temp.authenticate('main', 'vera'), '200',
          'also for who has none himself');
select pg_temp.must(cargo_admin.grant_role('team:platform', 'main', 'reader'));
select pg_temp.must(cargo_admin.grant_role('rita', 'main', 'maintainer'));
select is(pg_temp.authenticate('main', 'rita'), '200',
          'and not when it is lower');
select pg_temp.must(cargo_admin.grant_role('rita', 'main', 'reader'));
select matches(pg_temp.authenticate('main', 'vera'), '^403 .*role reader',
               'a team of readers');
select pg_temp.must(cargo_admin.remove_team_member('platform', 'vera'));
select is(pg_temp.authenticate('main', 'vera'),
          pg_temp.authenticate('main', 'nobody'), 'no member any more');


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

select is(pg_temp.authenticate('main', pg_temp.scoped('mia', scopes, null)),
          answer, 'publish with ' || scopes::text)
  from (values
    ('{publish-new}'::text[], '200'),
    ('{publish-update}', '200'),
    ('{read,yank,change-owners,admin}',
     '403 this token does not have the required permissions to perform this '
     'action: it needs the scope `publish-new` or `publish-update`'),
    ('{read}',
     '403 this token does not have the required permissions to perform this '
     'action: it needs the scope `publish-new` or `publish-update`'))
    v(scopes, answer);
select is(pg_temp.config('vault', pg_temp.scoped('vera', scopes, null)),
          answer, 'read with ' || scopes::text)
  from (values
    ('{read}'::text[], '200'), ('{yank,read}', '200'),
    ('{publish-new,publish-update,yank,change-owners,admin}',
     '403 this token does not have the required permissions to perform this '
     'action: it needs the scope `read`')) v(scopes, answer);
select is(pg_temp.config('main', pg_temp.scoped('mia', '{yank}', null)), '200',
          'what is public takes no scope');

select is(cargo_store.name_matches('acme_core', patterns), matches,
          coalesce(patterns::text, 'null'))
  from (values (null::text[], true), ('{*}', true), ('{acme_*}', true),
               ('{acme_core}', true), ('{acme_core*}', true),
               ('{x,acme*}', true), ('{acme}', false), ('{acme_core_*}', false),
               ('{a%}', false), ('{acme.core}', false), ('{}', false))
       v(patterns, matches);
select is(cargo_store.read_patterns(jsonb_populate_record(
              null::cargo_store.access, jsonb_build_object(
                  'endpoint_scopes', scopes::text[],
                  'crate_scopes', array['a']))),
          patterns::text[], 'patterns for reading: ' || coalesce(scopes::text,
                                                                 'null'))
  from (values ('{read}'::text[], '{a}'), ('{read,read}', '{a}'),
               ('{read,yank}', null), ('{yank}', null), (null, null))
       v(scopes, patterns);


-- who it was, for the log of nginx

select results_eq(
    format($$select status, account, token_name
               from cargo.authenticate('main', %s, 'publish')$$, caller),
    format('values (%s, %L, %L)', status, account, token_name), caller)
  from (values
    ('pg_temp.token(''mia'')', 200, 'mia', 'laptop'),
    ('pg_temp.token(''rita'')', 403, 'rita', 'laptop'),
    ('pg_temp.login(''MIA'')', 200, 'mia', null),
    ('pg_temp.token(''alice'')', 403, null, null),
    ('pg_temp.token(''nobody'')', 403, null, null),
    ('pg_temp.login(''nobody'')', 403, null, null),
    ('row(null, null, null)', 403, null, null))
    v(caller, status, account, token_name);


-- last use

create function pg_temp.used(login text) returns timestamptz
language sql
as $$
    select last_used_at from cargo_store.tokens
     where hash = pg_temp.hash(login);
$$;

select is(pg_temp.used('mia'), now(), 'a write notes the use of the token');
select is(pg_temp.used('rita'), now(), 'also when the role is too low');
select is(pg_temp.used('vera'), now(), 'config.json of a private one too');

update cargo_store.tokens set last_used_at = now() - interval '59 seconds';
select is(pg_temp.authenticate('main', 'mia'), '200', 'a minute later');
select is(pg_temp.used('mia'), now() - interval '59 seconds',
          'not within a minute');

update cargo_store.tokens set last_used_at = now() - interval '61 seconds';
select is(pg_temp.authenticate('main', 'mia'), '200', 'a minute later');
select is(pg_temp.used('mia'), now(), 'but after it');

update cargo_store.tokens set last_used_at = null;
select is(pg_temp.web($$index_document('vault', pg_temp.token('vera'),
                                       'foo')$$),
          '404 crate `foo` does not exist', 'reading more');
select is(pg_temp.used('vera'), null, 'is not a use');

set local transaction_read_only = on;
select is(cargo_store.touch_token(jsonb_populate_record(
              null::cargo_store.access, '{"token_id": 1}'))::text,
          '', 'a standby notes nothing, and does not fail');


select * from finish();
rollback;
