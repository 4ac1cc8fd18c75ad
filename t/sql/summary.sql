-- In whatever order versions come and go, what is stored of a crate is what
-- follows from them.

begin;
\ir include/registry.sql
\ir include/follows.sql

select * from no_plan();


create temporary table step (action text, answer text, wrong text);

create function pg_temp.step(action text, crate text, version text)
returns text
language sql
return case action
           when 'publish' then pg_temp.publish('alice', crate, version)
           when 'import' then (
               select i.status::text
                 from cargo_admin.import_version(
                          'main', pg_temp.release(crate, version),
                          format('{"vers":"%s","yanked":', version), '}',
                          sha256(version::bytea), 7, '2020-02-03 04:05:06Z',
                          version like '%5%', 'alice', '{}') i)
           when 'delete' then
               pg_temp.web(format('delete_version(''main'', '
                                  'pg_temp.token(''ada''), %L, %L, '
                                  '''{"message": "gone"}'')', crate,
                                  version))
           else
               pg_temp.web(format('yank(''main'', pg_temp.token(''alice''), '
                                  '%L, %L, %L)', crate, version,
                                  action = 'yank')) end;

create function pg_temp.not_stored() returns setof text
language sql
as $$
    select c.name
      from cargo_store.crates c
     where c.num_versions > 0
       and not exists (select from cargo_store.documents d
                        where d.crate_id = c.id);
$$;

-- of a crate with many versions only few are looked at
select is(pg_temp.step('import', 'yanked', '9.5.' || i), '200',
          'imported, and yanked: 9.5.' || i)
  from generate_series(10, 29) i;

do $$
declare
    action  text;
    crate   text;
    version text;
begin
    perform setseed(0.5);

    for i in 1 .. 2000 loop
        action := (array['publish', 'publish', 'import', 'yank', 'yank',
                         'unyank', 'delete'])[1 + floor(random() * 7)];
        crate := (array['stepped', 'yanked'])[1 + floor(random() * 2)];
        version := format('%s.%s.0%s%s', floor(random() * 2),
                          case crate when 'yanked' then 5
                                     else floor(random() * 10) end,
                          (array['', '', '-rc.1'])[1 + floor(random() * 3)],
                          (array['', '', '+b'])[1 + floor(random() * 3)]);

        -- nobody waits until a number may be used again
        delete from cargo_store.deletions;

        insert into pg_temp.step
        select action, pg_temp.step(action, crate, version),
               (select string_agg(n, ' ')
                  from (select * from pg_temp.not_as_it_follows()
                        union all
                        select * from pg_temp.differing_documents()
                        union all
                        select * from pg_temp.not_stored()) n(n));
    end loop;
end
$$;

select is_empty('select * from pg_temp.step where wrong is not null',
                'after each step all of it is right');
select cmp_ok(count(*) filter (where answer like '20%')::integer, '>=', 20,
              'it was done: ' || action)
  from pg_temp.step
 group by action;
select is(substr(pg_temp.web('index_document(''main'', null, ''stepped'')'),
                 5),
          (select d.body from cargo_store.documents d
            where d.name = 'stepped'), 'the document is stored');


select * from finish();
rollback;
