begin;
\ir include/registry.sql
\ir include/admin.sql

select * from no_plan();

select pg_temp.publish('alice', 'foo', '1.0.0');
select pg_temp.must(cargo_admin.create_team('core', null));
select pg_temp.must(cargo_admin.grant_role('team:core', 'main', 'publisher'));
update seen_changes set last = (select max(id) from cargo_store.changes);

create function pg_temp.changed(verb text, principals text[],
                                crate text default 'Foo',
                                registry text default 'main') returns text
language sql
return pg_temp.admin(format('%s_owners(%L, %L, %L)', verb, registry, crate,
                            principals), 'owners');


select is(pg_temp.changed('add', '{BOB,team:Core}'),
          '200 ["alice", "bob", "team:core"]', 'an account and a team');
select is(pg_temp.noted(),
          'add_owners main Foo ["alice"] -> ["alice", "bob", "team:core"]',
          'is in the audit log');
select is(pg_temp.changed('add', '{mia,bob}'), '400 `bob` is already an owner',
          'not twice');
select is(pg_temp.changed('add', '{rita}'),
          '400 `rita` has the role reader in registry `main`, an owner needs '
          'the role publisher or a higher one; ask an administrator of the '
          'registry to grant it first', 'not a reader');
select is(pg_temp.changed('add', array[principal]), '400 ' || refusal, refusal)
  from (values ('nobody', 'could not find user with login `nobody`'),
               ('team:x', 'could not find team with name `x`'),
               ('vera', 'could not find user with login `vera`'),
               ('CORE', 'could not find user with login `CORE`; did you mean '
                '`team:core`?'))
           v(principal, refusal);

select is(pg_temp.changed('remove', '{alice}'), '200 ["bob", "team:core"]',
          'without alice');
select is(pg_temp.noted(),
          'remove_owners main Foo ["alice", "bob", "team:core"] -> '
          '["bob", "team:core"]', 'is in the audit log');
select is(pg_temp.changed('remove', '{alice}'),
          '400 Could not find owner with login `alice`', 'not twice');
select matches(pg_temp.changed('remove', '{bob}'),
               '^400 cannot remove all individual owners', 'somebody stays');
select is(pg_temp.changed('remove', '{team:core}'), '200 ["bob"]',
          'no team need be');
select is(pg_temp.changes(), 'owner/main/foo owner/main/foo owner/main/foo',
          'servers are told');

select is(pg_temp.changed(verb, '{alice}', crate, registry),
          '404 ' || refusal, verb || ': ' || refusal)
  from unnest(array['add', 'remove']) verb,
       (values ('bar', 'main', 'crate `bar` does not exist'),
               ('foo', 'nowhere', 'registry `nowhere` does not exist'))
           v(crate, registry, refusal);
select is(pg_temp.changed(verb, nobody),
          '400 name at least one account or team', verb || ' nobody')
  from unnest(array['add', 'remove']) verb,
       (values ('{}'::text[]), (null)) v(nobody);


select * from finish();
rollback;
