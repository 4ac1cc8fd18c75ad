begin;
\ir include/registry.sql

select * from no_plan();

delete from cargo_store.audit;
insert into cargo_store.audit
       (created_at, registry, account, token_id, token_name, address, action,
        crate, version, status, detail, before, after)
values ('2026-01-01 00:00:00Z', 'main', 'alice', 7, 'ci', '192.0.2.1',
        'publish', 'Foo-Bar', '1.0.0', 200, null, null, '{"size": 1}'),
       ('2026-01-01 12:00:00.5Z', 'main', 'bob', 8, 'ci', '192.0.2.1',
        'publish', 'foo_bar', '1.0.1', 403, 'no', null, null),
       ('2026-01-02 00:00:00Z', 'vault', 'alice', 7, 'ci', '192.0.2.1',
        'yank', 'foo-bar', '1.0.0', 200, null, '{}', '{}'),
       ('2026-01-03 00:00:00Z', null, 'cargoctl:root', null, null, null,
        'create_team', null, null, 409, 'taken', null, null),
       ('2026-01-03 00:00:00Z', 'main', null, null, null, '192.0.2.1',
        'publish', null, null, 204, null, null, null);
create temporary table numbered as
    select id, row_number() over (order by id) as n from cargo_store.audit;

create function pg_temp.found(filter jsonb, after_row bigint default 0,
                              max_rows integer default 100) returns text
language sql
as $$
    select string_agg(n.n::text, ' ' order by a.position)
      from cargo_admin.list_audit(
               filter, coalesce((select n.id from pg_temp.numbered n
                                  where n.n = after_row), 0), max_rows)
               with ordinality a(entry, position)
           join pg_temp.numbered n on n.id = (a.entry->>'id')::bigint;
$$;


select is((select entry - 'id' from cargo_admin.list_audit(null, 0, 1) entry),
          '{"created_at": "2026-01-01T00:00:00.000000Z", "registry": "main",
            "account": "alice", "token_id": 7, "token_name": "ci",
            "address": "192.0.2.1", "action": "publish", "crate": "Foo-Bar",
            "version": "1.0.0", "status": 200, "detail": null, "before": null,
            "after": {"size": 1}}'::jsonb, 'an entry');

select is(pg_temp.found(filter::jsonb), rows,
          'filter: ' || coalesce(filter, 'null'))
  from (values (null, '1 2 3 4 5'), ('{}', '1 2 3 4 5'),
               ('{"registry": null}', '1 2 3 4 5'),
               ('{"registry": "main"}', '1 2 5'),
               ('{"registry": "Main"}', null),
               ('{"account": "alice"}', '1 3'),
               ('{"account": "cargoctl:root"}', '4'),
               ('{"crate": "FOO_bar"}', '1 2 3'),
               ('{"crate": "foo-bar", "registry": "main"}', '1 2'),
               ('{"crate": "foo"}', null),
               ('{"action": "publish"}', '1 2 5'),
               ('{"refused": true}', '2 4'),
               ('{"refused": false}', '1 3 5'),
               ('{"since": "2026-01-02"}', '3 4 5'),
               ('{"since": "2026-01-01T12:00:00.5Z"}', '2 3 4 5'),
               ('{"since": "2026-01-01T13:00:00.5+01:00"}', '2 3 4 5'),
               ('{"since": "2026-01-01T12:00:01Z"}', '3 4 5'),
               ('{"until": "2026-01-02T00:00:00Z"}', '1 2'),
               ('{"since": "2026-01-01", "until": "2026-01-03",
                  "account": "alice", "registry": "vault",
                  "crate": "foo-bar", "action": "yank", "refused": false}',
                '3'),
               ('{"crate": "'' or true --"}', null)) v(filter, rows);

set local timezone = 'America/New_York';
select is(pg_temp.found('{"since": "2026-01-02"}'), '3 4 5',
          'dates are of UTC');

select is(pg_temp.found('{}', 0, 2), '1 2', 'the first page');
select is(pg_temp.found('{}', 2, 2), '3 4', 'the next one');
select is(pg_temp.found('{}', 4, 2), '5', 'the last one');
select is(pg_temp.found('{}', 5, 2), null, 'the end');
select is(pg_temp.found('{"registry": "main"}', 1, 1), '2', 'with a filter');

select throws_ok(format('select cargo_admin.list_audit(%L, 0, 1)', filter),
                 '22023', refusal, refusal)
  from (values ('{"color": 1}', 'the audit log has no filter `color`; there '
                'are: registry, account, crate, action, since, until, '
                'refused'),
               ('{"since": "yesterday"}', '`yesterday` is no date: write it '
                'as 2026-01-31 or 2026-01-31T08:00:00Z'),
               ('{"until": "now"}', '`now` is no date: write it as '
                '2026-01-31 or 2026-01-31T08:00:00Z'))
           v(filter, refusal);


-- by the indexes for it, once there is something to look through
insert into cargo_store.audit (registry, account, action, crate, status)
select 'main', 'user' || n % 1000, 'publish', 'crate' || n % 1000, 200
  from generate_series(1, 20000) n;
analyze cargo_store.audit;

create function pg_temp.plan(condition text) returns text
language plpgsql
as $$
declare
    line text;
    plan text := '';
begin
    for line in execute 'explain (costs off) select from cargo_store.audit a '
                        'where ' || condition || ' order by id limit 100'
    loop
        plan := plan || line;
    end loop;

    return plan;
end
$$;

select matches(pg_temp.plan(condition), 'audit_' || name || '_idx',
               'the index of ' || name)
  from (values ($$a.account = 'user7'$$, 'account')) v(condition, name);


select * from finish();
rollback;
