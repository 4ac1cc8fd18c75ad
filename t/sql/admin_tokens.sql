begin;
\ir include/registry.sql
\ir include/admin.sql

select * from no_plan();


create function pg_temp.answer(status integer, body jsonb) returns text
language sql
return concat_ws(' ', status, coalesce(body->>'detail',
                     (body - 'id' - 'created_at')::text));

create function pg_temp.made(login text, text text, name text default 'ci',
                             registry text default null,
                             expires_at timestamptz default null,
                             scopes text[] default null,
                             crates text[] default null)
returns text
language sql
as $$
    select pg_temp.answer(status, body)
      from cargo_admin.create_token(login, name, pg_temp.hash(text),
                                    registry, expires_at, scopes, crates);
$$;

create function pg_temp.tokens(login text) returns text
language sql
as $$
    select concat_ws(' ', status, body->>'detail',
                     (select string_agg(concat_ws('/', t->>'login', t->>'name',
                                                  t->>'registry'), ' '
                                        order by n)
                        from jsonb_array_elements(
                                 case when status = 200 then body
                                      else '[]' end)
                             with ordinality e(t, n)))
      from cargo_admin.list_tokens(login);
$$;

create function pg_temp.token_object(changes jsonb) returns text
language sql
return '200 ' || (jsonb_build_object(
                      'login', 'alice', 'name', 'ci', 'registry', null,
                      'expires_at', null, 'revoked_at', null,
                      'last_used_at', null, 'endpoint_scopes', null,
                      'crate_scopes', null) || changes)::text;


select is(pg_temp.made('alice', 'secret'), pg_temp.token_object('{}'),
          'a token');
select is(pg_temp.made('ALICE', 'secret too', 'box', 'main',
                       '2100-01-01 00:00:00Z', '{read,publish-new}',
                       '{Acme-*,foo}'),
          pg_temp.token_object(jsonb_build_object(
              'name', 'box', 'registry', 'main',
              'expires_at', '2100-01-01 00:00:00Z'::timestamptz,
              'endpoint_scopes', '{read,publish-new}'::text[],
              'crate_scopes', '{Acme-*,foo}'::text[])),
          'for a registry, a time, scopes and crates');
select matches(pg_temp.noted(),
               '^create_token main -> .*"name": "box"', 'is in the audit log');

select is_empty(
    $$select e.key from cargo_admin.list_tokens(null) l,
             jsonb_array_elements(l.body) t, jsonb_each_text(t) e
       where e.key ~ 'hash'
          or e.value ~ encode(pg_temp.hash('secret'), 'hex')$$,
    'hashes stay where they are');

select is(pg_temp.made('nobody', 'x'), '404 account `nobody` does not exist',
          'unknown account');
select is(pg_temp.made('alice', 'x', registry => 'nowhere'),
          '404 registry `nowhere` does not exist', 'unknown registry');
select is(pg_temp.made('alice', 'x', name),
          '400 a token needs a name that tells what it is for', 'no name')
  from unnest(array['', ' ', null]) name;
select is((select pg_temp.answer(status, body)
             from cargo_admin.create_token('alice', 'x', hash, null, null, null,
                                           null)),
          '400 the hash of a token is 32 bytes: SHA-256 of its text',
          'not a hash')
  from unnest(array[''::bytea, 'secret'::bytea, sha512('secret'),
                    null]) hash;
select is(pg_temp.made('alice', 'x', name),
          '400 the name of a token may have 255 characters and no control '
          'characters', 'not a name')
  from unnest(array[repeat('x', 256), E'a\nb', E'\x1b[31m']) name;
select is(pg_temp.made('alice', 'x', scopes => scopes::text[],
                       crates => crates::text[]), '400 ' || refusal,
          coalesce(scopes, '-') || ' ' || coalesce(crates, '-'))
  from (values
           ('{}', null, 'a token without any scope is good for nothing: name '
                        'one, or none for all'),
           (null, '{}', 'a token without any scope is good for nothing: name '
                        'one, or none for all'),
           ('{read,write}', null,
            '`write` is no scope of a token: use read, publish-new, '
            'publish-update, yank, change-owners, admin'),
           ('{read,null}', null,
            '`null` is no scope of a token: use read, publish-new, '
            'publish-update, yank, change-owners, admin'),
           ('{read}', '{a,b*c}', '`b*c` is no pattern for crates: use a name, '
                                 'the beginning of names and "*", or "*" '
                                 'alone'),
           (null, '{""}', '`` is no pattern for crates: use a name, the '
                          'beginning of names and "*", or "*" alone'),
           (null, '{null}', '`null` is no pattern for crates: use a name, the '
                            'beginning of names and "*", or "*" alone'))
           v(scopes, crates, refusal);
select matches(pg_temp.made('alice', 'every ' || n, scopes => scopes::text[],
                            crates => crates::text[]), '^200', 'good scopes')
  from (values (1, '{read,publish-new,publish-update,yank,change-owners,'
                   'admin}', '{*}'), (2, null, '{a,a*}'))
           v(n, scopes, crates);
delete from cargo_store.tokens
 where hash = any (array[pg_temp.hash('every 1'), pg_temp.hash('every 2')]);
select matches(pg_temp.made('alice', 'x', expires_at => now() - past),
               '^400 the token would have expired on .* already',
               'expired ' || past)
  from unnest(array['0'::interval, '1 day']) past;
select is(pg_temp.made('alice', 'x', registry => 'vault'),
          '400 account `alice` has no role in registry `vault`: grant one '
          'first', 'for a registry in which the account has no role');
select pg_temp.must(cargo_admin.grant_role('vito', 'vault', 'none'));
select is(pg_temp.made('vito', 'x'),
          '400 account `vito` has no role in any registry: grant one first',
          'for an account without any role');
select pg_temp.must(cargo_admin.create_team('core', null));
select pg_temp.must(cargo_admin.grant_role('team:core', 'vault', 'reader'));
select pg_temp.must(cargo_admin.add_team_member('core', 'vito'));
select matches(pg_temp.made('vito', 'by team', registry => 'vault'), '^200',
               'a team has one');
delete from cargo_store.tokens where hash = pg_temp.hash('by team');
select is(pg_temp.made(login, 'secret'), '409 this token exists already',
          'a token that is there')
  from unnest(array['alice', 'bob']) login;


select is(pg_temp.tokens('alice'), '200 alice/laptop alice/ci alice/box/main',
          'the tokens of an account, oldest first');
select is(pg_temp.tokens('Alice'), pg_temp.tokens('alice'), 'in any case');
select is(pg_temp.tokens('nobody'), '404 account `nobody` does not exist',
          'unknown account');
select is(pg_temp.tokens(null),
          '200 alice/laptop bob/laptop rita/laptop mia/laptop ada/laptop '
          'vera/laptop vito/laptop alice/ci alice/box/main', 'all tokens');
select pg_temp.must(cargo_admin.create_account('carl', null, null, 'person',
                                               null, null));
select is(pg_temp.tokens('carl'), '200', 'none');


select is(pg_temp.web($$authenticate('main', pg_temp.token('secret'),
                                     'publish')$$), '200', 'it works');

create temporary table revoked as
    select t.id, r.status, r.body
      from cargo_store.tokens t, cargo_admin.revoke_token(t.id) r
     where t.hash = pg_temp.hash('secret');
select results_eq(
    $$select status, (body->>'revoked_at')::timestamptz, body->>'name'
        from revoked$$, $$values (200, now(), 'ci')$$, 'revoked');
select matches(pg_temp.web($$authenticate('main', pg_temp.token('secret'),
                                          'publish')$$),
               '^403 .* revoked', 'it works no more');
select matches(pg_temp.noted(), '^publish main', 'which is noted');

update cargo_store.tokens set revoked_at = '2026-01-01 00:00:00Z'
 where revoked_at is not null;
select is((select (r.body->>'revoked_at')::timestamptz
             from revoked, cargo_admin.revoke_token(id) r),
          '2026-01-01 00:00:00Z'::timestamptz, 'since then');
select matches(pg_temp.noted(),
               'revoke_token .*"revoked_at": "2026-01-01.* -> '
               '.*"revoked_at": "2026-01-01', 'is noted again');
select is(pg_temp.admin('revoke_token(0)'), '404 token 0 does not exist',
          'unknown token');
select is(pg_temp.admin('revoke_token(null)'), '404 token  does not exist',
          'no token');
select is(pg_temp.admin($$create_token('nobody', 'x', null, 'main', null, null,
                                       null)$$),
          '404 account `nobody` does not exist', 'a refusal is noted');

select is((select string_agg(coalesce(r.name, '*'), ' ' order by g.id)
             from (select * from cargo_store.changes where kind = 'token'
                    order by id offset 7) g
                  left join cargo_store.registries r
                         on r.id = g.registry_id),
          '* main * * vault * *', 'every change is in the log');


select * from finish();
rollback;
