-- Calls of cargo_admin as cargoctl makes them.  Comes after registry.sql.

-- the answer to a call that changes something, or is refused: one row of the
-- audit log, whatever it is
create function pg_temp.admin(call text, member text default null)
returns text
language plpgsql
as $$
declare
    before constant bigint := (select count(*) from cargo_store.audit);
    noted  cargo_store.audit;
    answer record;
begin
    execute 'select status, body from cargo_admin.' || call into answer;

    select * into noted from cargo_store.audit order by id desc limit 1;

    if (select count(*) from cargo_store.audit) <> before + 1
        or noted.status <> answer.status
        or noted.account <> 'cargoctl:postgres'
        or noted.action not like '%' || split_part(call, '(', 1)
        or noted.detail is distinct from answer.body->>'detail'
        or noted.status >= 400
            and (noted.before is not null or noted.after is not null)
    then
        raise exception '% is noted as %', call, noted;
    end if;

    return concat_ws(' ', answer.status,
                     coalesce(answer.body->>'detail', answer.body->>member));
end
$$;

create function pg_temp.plain(object jsonb) returns jsonb
language sql immutable
return object - 'id' - 'created_at';

-- the row of the last call
create function pg_temp.noted() returns text
language sql
as $$
    select concat_ws(' ', action, registry, crate, version, before, '->',
                     after)
      from (select a.action, a.registry, a.crate, a.version,
                   pg_temp.plain(a.before)::text as before,
                   pg_temp.plain(a.after)::text as after
              from cargo_store.audit a
             order by a.id desc
             limit 1) a;
$$;

-- what there is to read
create function pg_temp.listed(call text, member text) returns text
language plpgsql
as $$
declare
    answer text;
begin
    execute format('select concat_ws('' '', status, body->>''detail'','
                   ' (select string_agg(e->>%L, '' '' order by n)'
                   ' from jsonb_array_elements(case when status = 200'
                   ' then body else ''[]'' end) with ordinality e(e, n)))'
                   ' from cargo_admin.%s', member, call)
       into answer;

    return answer;
end
$$;

create temporary table seen_changes (last bigint);
insert into seen_changes select coalesce(max(id), 0) from cargo_store.changes;


create function pg_temp.changes() returns text
language sql
as $$
    select string_agg(concat_ws('/', g.kind, r.name, g.crate), ' '
                      order by g.id)
      from cargo_store.changes g
           left join cargo_store.registries r on r.id = g.registry_id
     where g.id > (select c.last from pg_temp.seen_changes c);
$$;
