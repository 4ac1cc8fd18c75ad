begin;
\ir include/registry.sql

-- Names that are kept: for nobody, for a team, and of what is deleted.

select * from no_plan();


create function pg_temp.new(login text, name text,
                            registry text default 'main') returns text
language sql
as $$
    select replace(pg_temp.publish(login, name, '1.0.0',
                                   registry => registry),
                   pg_temp.published(), 'published');
$$;

create function pg_temp.kept(pattern text, team text) returns text
language sql immutable
return format('403 crates named `%s` may be created by the team `%s` only; '
              'ask one of its members, or an administrator of the registry',
              pattern, team);

select pg_temp.must(cargo_admin.create_team(team, null)),
       pg_temp.must(cargo_admin.add_team_member(team, login))
  from (values ('Platform', 'alice'), ('web', 'bob')) v(team, login);

insert into cargo_store.reserved_names
       (registry_id, canonical_name, prefix, team_id)
select r.id, v.name, v.prefix, t.id
  from (values
    ('main', 'acme_', true, 'Platform'),
    ('main', 'acme_web_', true, 'web'),
    ('main', 'acme_web_free', false, 'Platform'),
    ('main', 'acme_secret', false, null),
    ('main', 'acme_old_', true, null),
    (null, 'global_', true, 'web'),
    ('main', 'global_', true, 'Platform'),
    (null, 'global_long_', true, 'web'),
    (null, 'single', false, 'web'),
    ('main', 'single', false, 'Platform'),
    ('vault', 'vaults_', true, 'web')) v(registry, name, prefix, team)
       left join cargo_store.registries r on r.name = v.registry
       left join cargo_store.teams t on t.name = v.team;


-- prefixes

select is(pg_temp.new('alice', 'acme-core'), 'published', 'a member');
select is(pg_temp.new(login, name), pg_temp.kept(pattern, 'Platform'),
          format('%s: %s', login, name))
  from unnest(array['bob', 'mia', 'ada']) login,
       (values ('acme-x', 'acme-…'), ('ACME_x', 'ACME_…'),
               ('Acme-', 'Acme-…')) v(name, pattern);
select is_empty($$select from cargo_store.crates where canonical_name <>
                  'acme_core'$$, 'nothing came of it');
select is(pg_temp.new('bob', name), 'published', 'not of the prefix: ' || name)
  from unnest(array['acme', 'acmex', 'my-acme-x']) name;


-- which rule

select is(pg_temp.new('bob', 'acme-web-ui'), 'published',
          'the longer prefix wins');
select is(pg_temp.new('alice', 'acme-web-db'),
          pg_temp.kept('acme-web-…', 'web'), 'for everybody');
select is(pg_temp.new('alice', 'acme-web-'), pg_temp.kept('acme-web-…', 'web'),
          'the prefix itself is a name too');
select is(pg_temp.new('bob', 'acme-Web_free'),
          pg_temp.kept('acme-Web_free', 'Platform'),
          'an exact name wins over a prefix');
select is(pg_temp.new('alice', 'acme-web-free'), 'published',
          'for its team as well');
select is(pg_temp.new(login, name),
          '400 cannot upload a crate with a reserved name; ask an '
          'administrator of the registry',
          format('%s: %s is for nobody', login, name))
  from unnest(array['alice', 'ada']) login,
       unnest(array['acme-secret', 'ACME-old-thing']) name;
select is(pg_temp.new('alice', 'global-x'), 'published',
          'the registry''s own rule wins');
select is(pg_temp.new('bob', 'global-y'),
          pg_temp.kept('global-…', 'Platform'), 'over one for all');
select is(pg_temp.new('bob', 'global-long-x'), 'published',
          'unless that one is longer');
select is(pg_temp.new('bob', 'single'), pg_temp.kept('single', 'Platform'),
          'so it is with an exact name');
select is(pg_temp.new('vera', 'single', 'vault'),
          pg_temp.kept('single', 'web'), 'elsewhere the other counts');
select is(pg_temp.new('bob', 'vaults-x'), 'published',
          'another registry''s rule does not');
select is(pg_temp.new('vera', 'vaults-x', 'vault'),
          pg_temp.kept('vaults-…', 'web'), 'it counts there');


-- what is there stays, and membership counts as it is now

select is(pg_temp.publish('alice', 'acme-core', '2.0.0'), pg_temp.published(),
          'a new version is no new crate');
select pg_temp.must(cargo_admin.add_team_member('platform', 'bob')),
       pg_temp.must(cargo_admin.remove_team_member('platform', 'alice'));
select is(pg_temp.new('alice', 'acme-more'), pg_temp.kept('acme-…', 'Platform'),
          'a member no more');
select is(pg_temp.new('bob', 'acme-more'), 'published', 'a new member');
select is(pg_temp.publish('alice', 'acme-core', '2.1.0'), pg_temp.published(),
          'an owner stays one');


-- a role that is too low hears of that first

select pg_temp.must(cargo_admin.set_registry('main',
                                             '{"new_crates": "admin"}'));
select matches(pg_temp.new('mia', name), '^403 .* the role admin in registry',
               'the role before the name: ' || name)
  from unnest(array['acme-x', 'acme-secret', 'std']) name;


select * from finish();
rollback;
