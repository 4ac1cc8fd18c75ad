begin;
\ir include/registry.sql

-- Tokens that their owners make and revoke, and crates that they follow.

select * from no_plan();


create function pg_temp.create(token text, wanted jsonb, new text default null,
                               registry text default 'main') returns text
language sql
as $$
    select pg_temp.web(format('create_token(%L, pg_temp.token(%L),'
                              ' pg_temp.hash(%L), %L)', registry, token,
                              coalesce(new, clock_timestamp()::text),
                              jsonb_build_object('api_token', wanted)));
$$;

-- what of the answer is not an id or a time
create function pg_temp.made(answer text) returns text
language sql
as $$
    select case when answer like '200 %'
                then concat_ws(' ', t->>'name',
                               (t->'endpoint_scopes')::text,
                               (t->'crate_scopes')::text, t->>'expired_at')
                else answer end
      from (select case when answer like '200 %'
                        then substr(answer, 5)::jsonb->'api_token' end) a(t);
$$;

create function pg_temp.revoke(token text, id text,
                               registry text default 'main') returns text
language sql
as $$
    select pg_temp.web(format('revoke_token(%L, pg_temp.token(%L), %L)',
                              registry, token, id));
$$;

create function pg_temp.id(token text) returns text
language sql
as $$
    select id::text from cargo_store.tokens where hash = pg_temp.hash(token);
$$;

create function pg_temp.good(token text, registry text default 'main')
returns boolean
language sql
as $$
    select pg_temp.web(format('follow_crate(%L, pg_temp.token(%L), %L, false)',
                              registry, token, 'x')) not like '403 auth%';
$$;

create function pg_temp.lacks(scope text) returns text
language sql immutable
return '403 this token does not have the required permissions to perform this '
       'action: it needs the scope `' || scope || '`';

select pg_temp.must(cargo_admin.create_token(
           login, token, pg_temp.hash(token), registry, expires, scopes,
           crates))
  from (values
    ('alice', 'alice here', 'main', null::timestamptz, null::text[],
     null::text[]),
    ('alice', 'alice writes', null, null,
     '{read,publish-new,publish-update,yank,change-owners}', null),
    ('alice', 'alice admin', null, null, '{admin,yank,read}',
     '{foo_Bar,acme-*}'),
    ('alice', 'alice soon', null, '2100-01-01 00:00:00Z', '{admin}', null),
    ('alice', 'alice star', null, null, '{admin}', '{*}'))
    v(login, token, registry, expires, scopes, crates);
select pg_temp.must(cargo_admin.grant_role('alice', 'vault', 'reader'));


-- making them

select is(pg_temp.made(pg_temp.create('alice', '{"name": " ci "}', 'one')),
          'ci null null', 'a name is enough');
select results_eq(
    $$select r.name, a.login, t.endpoint_scopes, t.crate_scopes, t.expires_at
        from cargo_store.tokens t
             join cargo_store.accounts a on a.id = t.account_id
             join cargo_store.registries r on r.id = t.registry_id
       where hash = pg_temp.hash('one')$$,
    $$values ('main' collate "C", 'alice' collate "C", null::text[],
              null::text[], null::timestamptz)$$,
    'for the account, in this registry');
select is(pg_temp.good('one'), true, 'it is good at once');
select is(pg_temp.good('one', 'vault'), false, 'and nowhere else');
select is(pg_temp.create('alice', '{"name": "x"}') ~ 'token|hash', true,
          'the answer');
select is(pg_temp.create('alice', '{"name": "x"}') ~ '"(token|hash)"', false,
          'has neither text nor hash');
select is((select kind || coalesce(r.name, '') from cargo_store.changes c
                  left join cargo_store.registries r on r.id = c.registry_id
            order by c.id desc limit 1), 'tokenmain',
          'every server hears of it');

select is(pg_temp.made(pg_temp.create('alice', wanted)), made,
          left(wanted::text, 70))
  from (values
    ('{"name": "x", "endpoint_scopes": null, "crate_scopes": null,
       "expired_at": null}'::jsonb, 'x null null'),
    ('{"name": "x", "endpoint_scopes": ["yank", "read"]}',
     'x ["yank", "read"] null'),
    ('{"name": "x", "crate_scopes": []}', 'x null null'),
    ('{"name": "x", "crate_scopes": ["Foo-Bar", "acme-*", "*"]}',
     'x null ["Foo-Bar", "acme-*", "*"]'),
    ('{"name": "x", "expired_at": "2100-01-31T12:00:00+02:00"}',
     'x null null 2100-01-31T10:00:00.000000Z'),
    ('{"name": "x", "expired_at": "2100-01-31T12:00:00.5Z"}',
     'x null null 2100-01-31T12:00:00.500000Z'),
    (jsonb_build_object('name', repeat('ü', 255)),
     repeat('ü', 255) || ' null null')) v(wanted, made);


-- what is refused

select is(pg_temp.web($$create_token('main', row(null, null, null), 'x',
                                     '{}')$$),
          '403 this action requires authentication; run `cargo login` with a '
          'token of this registry', 'nobody');
select is(pg_temp.create('nobody', '{"name": "x"}'),
          '403 authentication failed: ' || pg_temp.no_token(), 'a bad token');
select is(pg_temp.create('alice writes', '{"name": "x"}'),
          pg_temp.lacks('admin'), 'a token without the scope');
select is(pg_temp.create('alice', '{"name": "x"}', registry => 'nowhere'),
          '404 registry `nowhere` does not exist; look at the index URL in '
          'the configuration of cargo', 'no such registry');
select is(pg_temp.create('alice here', '{"name": "x"}', registry => 'vault'),
          '403 authentication failed: ' || pg_temp.no_token(),
          'a token of another registry');

select is(pg_temp.create('alice', wanted), '400 ' || answer,
          coalesce(left(wanted::text, 70), 'null'))
  from (values
    (null::jsonb, 'the request must be a JSON object: {"api_token":{"name":'
                  '"what it is for"}}'),
    ('1', 'the request must be a JSON object: {"api_token":{"name":"what it '
          'is for"}}'),
    ('[]', 'the request must be a JSON object: {"api_token":{"name":"what it '
           'is for"}}'),
    ('{}', 'a token needs a `name` that tells what it is for'),
    ('{"name": null}', 'a token needs a `name` that tells what it is for'),
    ('{"name": 7}', 'a token needs a `name` that tells what it is for'),
    ('{"name": ""}', 'a token needs a `name` that tells what it is for'),
    ('{"name": "  "}', 'a token needs a `name` that tells what it is for'),
    (jsonb_build_object('name', repeat('x', 256)),
     '`name` is too long: it may have 255 characters'),
    ('{"name": "a\u001b[31m"}', '`name` may have no control characters'),
    ('{"name": "a\nb"}', '`name` may have no control characters'),
    ('{"name": "a\u0085"}', '`name` may have no control characters'),
    ('{"name": "x", "endpoint_scope": ["read"]}',
     'there is no `endpoint_scope` of a token, only `name`, '
     '`endpoint_scopes`, `crate_scopes` and `expired_at`'),
    ('{"name": "x", "endpoint_scopes": "read"}',
     '`endpoint_scopes` must be an array of strings, or null'),
    ('{"name": "x", "endpoint_scopes": {}}',
     '`endpoint_scopes` must be an array of strings, or null'),
    ('{"name": "x", "endpoint_scopes": [null]}',
     '`endpoint_scopes` must be an array of strings, or null'),
    ('{"name": "x", "endpoint_scopes": [["read"]]}',
     '`endpoint_scopes` must be an array of strings, or null'),
    ('{"name": "x", "crate_scopes": [1]}',
     '`crate_scopes` must be an array of strings, or null'),
    (jsonb_build_object('name', 'x', 'crate_scopes',
                        (select jsonb_agg('c' || n)
                           from generate_series(1, 101) n)),
     '`crate_scopes` has more than 100 entries'),
    ('{"name": "x", "expired_at": "2020-01-01T00:00:00Z"}',
     '`expired_at` must be a time to come'),
    ('{"name": "x", "expired_at": "2100-02-30T00:00:00Z"}',
     '`expired_at` is not a time that there is'),
    ('{"name": "x", "expired_at": "2100-01-01T25:00:00Z"}',
     '`expired_at` is not a time that there is')) v(wanted, answer);
select is(pg_temp.create('alice', jsonb_build_object('name', 'x',
                                                     'expired_at', moment)),
          '400 `expired_at` must be a time such as 2027-01-31T12:00:00Z, or '
          'null', 'no time: ' || moment::text)
  from unnest(array['1', 'true', '[]', '""', '"tomorrow"', '"infinity"',
                    '"2100-01-01"', '"2100-01-01 00:00:00"',
                    '"2100-01-01T00:00:00"', '"99999-01-01T00:00:00Z"',
                    '"2100-01-01T00:00:00Z; x"']::jsonb[]) moment;
select matches(pg_temp.create('alice', jsonb_build_object(
                   'name', 'x', 'endpoint_scopes', jsonb_build_array(scope))),
               '^400 `.*` is no scope of a token', 'no scope: ' || scope)
  from unnest(array['', 'write', 'Read', 'publish', 'read ',
                    'trusted-publishing']) scope;
select matches(pg_temp.create('alice', jsonb_build_object(
                   'name', 'x', 'crate_scopes', jsonb_build_array(pattern))),
               '^400 `.*` is no pattern for crates', 'no pattern: ' || pattern)
  from unnest(array['', '1st', 'a*b', '**', '*a', 'ü', 'a b', 'a%',
                    repeat('a', 65)]) pattern;
select matches(pg_temp.create('alice', '{"name": "x",
                                         "endpoint_scopes": []}'),
               '^400 ', 'no scope at all is a mistake');


-- no token makes one that may more

select is(pg_temp.made(pg_temp.create(maker, wanted)), made,
          maker || ' ' || wanted::text)
  from (values
    ('alice admin', '{"name": "x", "endpoint_scopes": ["yank"],
                      "crate_scopes": ["foo-bar", "ACME_x*", "acme-*"]}'::jsonb,
     'x ["yank"] ["foo-bar", "ACME_x*", "acme-*"]'),
    ('alice admin', '{"name": "x", "endpoint_scopes": ["read", "admin"],
                      "crate_scopes": ["acme-"]}',
     'x ["read", "admin"] ["acme-"]'),
    ('alice soon', '{"name": "x", "endpoint_scopes": ["admin"],
                     "expired_at": "2100-01-01T00:00:00Z"}',
     'x ["admin"] null 2100-01-01T00:00:00.000000Z'),
    ('alice star', '{"name": "x", "endpoint_scopes": ["admin"]}',
     'x ["admin"] null'),
    ('alice here', '{"name": "x"}', 'x null null')) v(maker, wanted, made);
select is(pg_temp.create('alice admin', jsonb_build_object(
              'name', 'x', 'crate_scopes', array['foo-bar'],
              'endpoint_scopes', scopes)),
          '403 the new token may have no other scope than the token that '
          'makes it: choose `endpoint_scopes` from `admin`, `yank`, `read`',
          'scopes: ' || coalesce(scopes::text, 'null'))
  from (values (null::text[]), ('{publish-new}'), ('{yank,publish-update}'))
       v(scopes);
select is(pg_temp.create('alice admin', jsonb_build_object(
              'name', 'x', 'endpoint_scopes', array['yank'],
              'crate_scopes', patterns)),
          '403 the new token may be for no other crates than the token that '
          'makes it: choose `crate_scopes` within `foo_Bar`, `acme-*`',
          'patterns: ' || coalesce(patterns::text, 'null'))
  from (values (null::text[]), ('{*}'), ('{a*}'), ('{foo-bar*}'), ('{acme}'),
               ('{foo_bar,other}'), ('{}')) v(patterns);
select is(pg_temp.create('alice soon', jsonb_build_object(
              'name', 'x', 'endpoint_scopes', array['admin'],
              'expired_at', expiry)),
          '403 the new token may not live longer than the token that makes '
          'it: choose an `expired_at` until 2100-01-01T00:00:00.000000Z',
          'expiry: ' || coalesce(expiry, 'never'))
  from unnest(array[null, '2100-01-01T00:00:01Z', '9999-12-31T23:59:59Z'])
       expiry;
select is(pg_temp.made(pg_temp.web($$create_token('vault',
              pg_temp.login('ALICE'), pg_temp.hash('by login'),
              '{"api_token": {"name": "y"}}')$$)), 'y null null',
          'a login makes any');
select is(pg_temp.good('by login', 'vault') and not pg_temp.good('by login'),
          true, 'for the registry it came to');

insert into cargo_store.tokens (account_id, name, hash, expires_at,
                                revoked_at)
select a.id, 'many', pg_temp.hash('many ' || n),
       case when n % 3 = 1 then now() end, case when n % 3 = 2 then now() end
  from cargo_store.accounts a, generate_series(1, 3 * 497) n
 where a.login = 'bob';
select is(pg_temp.made(pg_temp.create('bob', '{"name": "x"}')), answer,
          'number ' || n)
  from (values (499, 'x null null'), (500, 'x null null'),
               (501, '400 maximum tokens per user is: 500; revoke one that is '
                     'no longer needed')) v(n, answer);
select is(pg_temp.made(pg_temp.create('mia', '{"name": "x"}')), 'x null null',
          'of one account');


-- revoking them

select is(pg_temp.revoke('alice', pg_temp.id('one')), '200 {}', 'revoked');
select is(pg_temp.good('one'), false, 'it is good no more');
select is((select kind || coalesce(r.name, '') from cargo_store.changes c
                  left join cargo_store.registries r on r.id = c.registry_id
            order by c.id desc limit 1), 'tokenmain',
          'every server hears of it');
update cargo_store.tokens set revoked_at = 'epoch'
 where hash = pg_temp.hash('one');
select is(pg_temp.revoke('alice', pg_temp.id('one')), '200 {}',
          'once more');
select is((select revoked_at from cargo_store.tokens
            where hash = pg_temp.hash('one')), 'epoch', 'changes nothing');

select is(pg_temp.revoke(token, id, registry),
          format('404 token `%s` does not exist', left(id, 100)),
          format('%s in %s: id %s', token, registry, left(id, 30)))
  from (values ('alice', pg_temp.id('mia'), 'main'),
               ('alice', pg_temp.id('by login'), 'main'),
               ('alice here', pg_temp.id('alice'), 'main'),
               ('alice', '99999999999999999999', 'main'),
               ('alice', '999999999999999999', 'main'),
               ('alice', '0', 'main'), ('alice', '-1', 'main'),
               ('alice', '', 'main'), ('alice', '1.0', 'main'),
               ('alice', ' 1', 'main'), ('alice', '0x10', 'main'),
               ('alice', '٣', 'main'), ('alice', 'current', 'main'),
               ('alice', repeat('9', 10000), 'main'),
               ('alice', '1; drop table x', 'main'))
           v(token, id, registry);
select is(pg_temp.revoke('alice writes', pg_temp.id('alice')),
          pg_temp.lacks('admin'), 'without the scope');
select is(pg_temp.revoke('nobody', pg_temp.id('alice')),
          '403 authentication failed: ' || pg_temp.no_token(), 'a bad token');
select is(pg_temp.revoke('alice', pg_temp.id('alice here')), '200 {}',
          'an unbound token revokes a bound one');
select is(pg_temp.revoke('alice star', pg_temp.id('alice soon')), '200 {}',
          'and another unbound one');

select is(pg_temp.revoke('alice writes', null), '204',
          'itself, without the scope');
select is(pg_temp.good('alice writes'), false, 'it is good no more');
select matches(pg_temp.revoke('alice writes', null),
               '^403 authentication failed: the token has been revoked',
               'nor for this');
select is(pg_temp.revoke('nobody', null),
          '403 authentication failed: ' || pg_temp.no_token(), 'a bad token');
select is(pg_temp.web($$revoke_token('main', pg_temp.login('mia'), null)$$),
          '400 the request came without a token, so there is none to revoke',
          'a login has none');
select is(pg_temp.web(format($$revoke_token('main', pg_temp.login('mia'), %L)$$,
                             pg_temp.id('mia'))), '200 {}',
          'but revokes those of its account');
select is(pg_temp.good('mia'), false, 'which are good no more');


-- following

create function pg_temp.follow(caller cargo.caller, crate text,
                               following boolean) returns text
language sql
as $$
    select pg_temp.web(format('follow_crate(%L, %L, %L, %L)', 'main', caller,
                              crate, following));
$$;

create function pg_temp.followers() returns bigint
language sql
as $$ select count(*) from cargo_store.follows; $$;

select is(pg_temp.publish('ada', name, '1.0.0'), pg_temp.published(), name)
  from unnest(array['Foo-Bar', 'hidden']) name;
select pg_temp.must(cargo_admin.restrict_crate('main', 'hidden', true));
select pg_temp.must(cargo_admin.create_token(
           'rita', 'a test', pg_temp.hash(token), null, null, scopes, crates))
  from (values ('rita foo', '{read}'::text[], '{foo-bar}'::text[]),
               ('rita yank', '{yank}', null)) v(token, scopes, crates);

select is(pg_temp.follow(pg_temp.token('rita'), 'foo_BAR', true),
          '200 {"ok":true}', 'a reader follows');
select is(pg_temp.follow(pg_temp.token('rita'), 'foo-bar', true),
          '200 {"ok":true}', 'twice');
select is(pg_temp.followers(), 1::bigint, 'which is once');
select is(pg_temp.follow(pg_temp.login('ADA'), 'hidden', true),
          '200 {"ok":true}', 'a login');
select is(pg_temp.follow(pg_temp.token('rita'), crate, following),
          format('404 crate `%s` does not exist', crate),
          format('%s %s', crate, following))
  from unnest(array['hidden', 'none', '']) crate,
       unnest(array[true, false]) following;
select is(pg_temp.follow(pg_temp.token('rita yank'), 'foo-bar', true),
          pg_temp.lacks('read'), 'without the scope read');
select is(pg_temp.follow(pg_temp.token('rita foo'), 'hidden', true),
          '404 crate `hidden` does not exist', 'outside its patterns');
select is(pg_temp.follow(pg_temp.token('rita foo'), 'foo-bar', false),
          '200 {"ok":true}', 'no more');
select is(pg_temp.follow(pg_temp.token('rita foo'), 'foo-bar', false),
          '200 {"ok":true}', 'which is fine twice');
select is(pg_temp.followers(), 1::bigint, 'the other one stays');


select * from finish();
rollback;
