begin;
\ir include/registry.sql
\ir include/admin.sql

select * from no_plan();

select pg_temp.must(cargo_admin.create_team('core', null));
delete from cargo_store.reserved_names where canonical_name <> 'std';


select is(pg_temp.admin($$reserve_name('main', 'Acme-*', 'Core')$$, 'pattern'),
          '200 acme_*', 'a prefix for a team');
select is(pg_temp.noted(),
          'reserve_name main -> {"team": "core", "pattern": "acme_*", '
          '"registry": "main"}', 'is in the audit log');
select is(pg_temp.admin($$reserve_name(null, 'acme-*', null)$$, 'pattern'),
          '200 acme_*', 'in every registry, for nobody');
select is(pg_temp.admin($$reserve_name('main', 'acme', null)$$, 'pattern'),
          '200 acme', 'a name is not a prefix');
select is(pg_temp.admin($$reserve_name('main', 'ACME_*', null)$$, 'team'),
          '200', 'given to somebody else');
select is(pg_temp.noted(),
          'reserve_name main {"team": "core", "pattern": "acme_*", '
          '"registry": "main"} -> {"team": null, "pattern": "acme_*", '
          '"registry": "main"}', 'with whose it was');
select is(pg_temp.admin($$reserve_name('vault', 'x*', 'core')$$, 'registry'),
          '200 vault', 'elsewhere');

select is(pg_temp.admin(format('%s(%L, %L%s)', call, registry, pattern, team)),
          refusal, call || ': ' || refusal)
  from (values ('reserve_name', ', null'), ('release_name', '')) c(call, team),
       (values ('nowhere', 'a', '404 registry `nowhere` does not exist'),
               ('main', '', '400 `` is no name to reserve: use the name of a '
                            'crate, or the beginning of names and "*"'),
               ('main', null, '400 `` is no name to reserve: use the name of '
                              'a crate, or the beginning of names and "*"'),
               ('main', '*', '400 `*` is no name to reserve: use the name of '
                             'a crate, or the beginning of names and "*"'),
               ('main', 'a*b', '400 `a*b` is no name to reserve: use the name '
                               'of a crate, or the beginning of names and "*"'),
               ('main', 'a**', '400 `a**` is no name to reserve: use the name '
                               'of a crate, or the beginning of names and "*"'))
           v(registry, pattern, refusal);
select is(pg_temp.admin($$reserve_name('main', 'a', 'nobody')$$),
          '404 team `nobody` does not exist', 'unknown team');


select is(pg_temp.listed($$list_reserved('main')$$, 'pattern'),
          '200 acme_* std acme acme_*', 'what holds in a registry');
select is(pg_temp.listed('list_reserved(null)', 'pattern'),
          '200 acme_* std acme acme_* x*', 'all');
select is(pg_temp.listed('list_reserved(null)', 'registry'),
          '200 main main vault', 'with the registry');
select is(pg_temp.listed($$list_reserved('nowhere')$$, 'x'),
          '404 registry `nowhere` does not exist', 'unknown registry');


select is(pg_temp.admin($$release_name('main', 'acme-*')$$, 'pattern'),
          '200 acme_*', 'free');
select is(pg_temp.noted(),
          'release_name main {"team": null, "pattern": "acme_*", "registry": '
          '"main"} ->', 'is in the audit log');
select is(pg_temp.admin($$release_name('main', 'acme-*')$$),
          '404 there is no reservation of `acme-*` for registry `main`',
          'not twice');
select is(pg_temp.admin($$release_name(null, 'x*')$$),
          '404 there is no reservation of `x*` for all registries',
          'not everywhere');
select is(pg_temp.admin($$release_name(null, 'STD')$$, 'pattern'), '200 std',
          'of the toolchain as well');
select is(pg_temp.listed('list_reserved(null)', 'pattern'),
          '200 acme_* acme x*', 'these remain');


select * from finish();
rollback;
