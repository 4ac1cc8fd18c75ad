begin;
\ir include/registry.sql

select * from no_plan();


create function pg_temp.answer(status integer, body jsonb) returns text
language sql
return concat_ws(' ', status, coalesce(body->>'detail',
                     (body - 'id' - 'created_at')::text));

create function pg_temp.made(login text, text text, name text default 'ci',
                             registry text default null,
                             expires_at timestamptz default null)
returns text
language sql
as $$
    select pg_temp.answer(status, body)
      from cargo_admin.create_token(login, name, pg_temp.token(text),
                                    registry, expires_at);
$$;

create function pg_temp.listed(login text) returns text
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


select is(pg_temp.made('alice', 'secret'),
          '200 ' || jsonb_build_object(
              'login', 'alice', 'name', 'ci', 'registry', null,
              'expires_at', null, 'revoked_at', null,
              'last_used_at', null)::text, 'a token');
select is(pg_temp.made('ALICE', 'secret too', 'box', 'main',
                       '2100-01-01 00:00:00Z'),
          '200 ' || jsonb_build_object(
              'login', 'alice', 'name', 'box', 'registry', 'main',
              'expires_at', '2100-01-01 00:00:00Z'::timestamptz,
              'revoked_at', null, 'last_used_at', null)::text,
          'for a registry and a time');

select is_empty(
    $$select e.key from cargo_admin.list_tokens(null) l,
             jsonb_array_elements(l.body) t, jsonb_each_text(t) e
       where e.key ~ 'hash'
          or e.value ~ encode(pg_temp.token('secret'), 'hex')$$,
    'hashes stay where they are');

select is(pg_temp.made('nobody', 'x'), '404 account `nobody` does not exist',
          'unknown account');
select is(pg_temp.made('alice', 'x', registry => 'nowhere'),
          '404 registry `nowhere` does not exist', 'unknown registry');
select is(pg_temp.made('alice', 'x', name),
          '400 a token needs a name that tells what it is for', 'no name')
  from unnest(array['', ' ', null]) name;
select is((select pg_temp.answer(status, body)
             from cargo_admin.create_token('alice', 'x', hash, null, null)),
          '400 the hash of a token is 32 bytes: SHA-256 of its text',
          'not a hash')
  from unnest(array[''::bytea, 'secret'::bytea, sha512('secret'),
                    null]) hash;
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
select is(pg_temp.made(login, 'secret'), '409 this token exists already',
          'a token that is there')
  from unnest(array['alice', 'bob']) login;


select is(pg_temp.listed('alice'), '200 alice/laptop alice/ci alice/box/main',
          'the tokens of an account, oldest first');
select is(pg_temp.listed('Alice'), pg_temp.listed('alice'), 'in any case');
select is(pg_temp.listed('nobody'), '404 account `nobody` does not exist',
          'unknown account');
select is(pg_temp.listed(null),
          '200 alice/laptop bob/laptop rita/laptop mia/laptop ada/laptop '
          'vera/laptop vito/laptop alice/ci alice/box/main', 'all tokens');
select pg_temp.must(cargo_admin.create_account('carl', null, null, 'person',
                                               null, null));
select is(pg_temp.listed('carl'), '200', 'none');


select is(pg_temp.web($$authenticate('main', pg_temp.token('secret'),
                                     'publish')$$), '200', 'it works');

create temporary table revoked as
    select t.id, r.status, r.body
      from cargo_store.tokens t, cargo_admin.revoke_token(t.id) r
     where t.hash = pg_temp.token('secret');
select results_eq(
    $$select status, (body->>'revoked_at')::timestamptz, body->>'name'
        from revoked$$, $$values (200, now(), 'ci')$$, 'revoked');
select matches(pg_temp.web($$authenticate('main', pg_temp.token('secret'),
                                          'publish')$$),
               '^403 .* revoked', 'it works no more');

update cargo_store.tokens set revoked_at = '2026-01-01 00:00:00Z'
 where revoked_at is not null;
select is((select (r.body->>'revoked_at')::timestamptz
             from revoked, cargo_admin.revoke_token(id) r),
          '2026-01-01 00:00:00Z'::timestamptz, 'since then');
select is((select pg_temp.answer(status, body)
             from cargo_admin.revoke_token(0)),
          '404 token 0 does not exist', 'unknown token');
select is((select pg_temp.answer(status, body)
             from cargo_admin.revoke_token(null)),
          '404 token  does not exist', 'no token');

select is((select string_agg(coalesce(r.name, '*'), ' ' order by g.id)
             from (select * from cargo_store.changes where kind = 'token'
                    order by id offset 7) g
                  left join cargo_store.registries r
                         on r.id = g.registry_id),
          '* main * *', 'every change is in the log');


select * from finish();
rollback;
