create or replace function cargo_store.audit_object(entry cargo_store.audit)
returns jsonb
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    return to_jsonb(entry)
           || jsonb_build_object('created_at', rfc3339(entry.created_at));
end
$$;

comment on function cargo_store.audit_object(cargo_store.audit) is
    'A row of the audit log as the functions of cargo_admin give it.';


create or replace function cargo_store.check_audit_filter(filter jsonb)
returns void
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    known constant text[] := '{registry,account,crate,action,since,until,'
                             'refused}';
    wrong text;
begin
    select k into wrong
      from jsonb_object_keys(filter) k
     where k <> all (known);

    if found then
        raise exception 'the audit log has no filter `%`; there are: %', wrong,
                        array_to_string(known, ', ')
            using errcode = 'invalid_parameter_value';
    end if;

    select d.value into wrong
      from jsonb_each_text(filter) d
     where d.key in ('since', 'until')
       and d.value !~ ('^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9]{2}:[0-9]{2}'
                       '(:[0-9]{2}([.][0-9]+)?)?'
                       '([Zz]|[+-][0-9]{2}:[0-9]{2})?)?$');

    if found then
        raise exception '`%` is no date: write it as 2026-01-31 or '
                        '2026-01-31T08:00:00Z', wrong
            using errcode = 'invalid_parameter_value';
    end if;
end
$$;

comment on function cargo_store.check_audit_filter(jsonb) is
    'Raises what is wrong with it.';


create or replace function cargo_admin.list_audit(
    filter jsonb,
    after_id bigint,
    max_rows integer)
returns setof jsonb
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
set timezone = 'UTC'
as $$
declare
    conditions text;
begin
    perform check_audit_filter(coalesce(filter, '{}'));

    -- only what is asked for, so that the plan is made for that
    select coalesce(string_agg(' and ' || c.condition, ''), '')
      into conditions
      from (values
               ('registry', 'a.registry = $1->>''registry'''),
               ('account', 'a.account = $1->>''account'''),
               ('crate', 'replace(lower(a.crate), ''-'', ''_'')'
                         ' = canonical_name($1->>''crate'')'),
               ('action', 'a.action = $1->>''action'''),
               ('since', 'a.created_at >= ($1->>''since'')::timestamptz'),
               ('until', 'a.created_at < ($1->>''until'')::timestamptz'),
               ('refused',
                '(a.status >= 400) = ($1->>''refused'')::boolean'))
           c(key, condition)
     where filter->>c.key is not null;

    return query execute format(
        'select audit_object(a) from audit a where a.id > $2%s '
        'order by a.id limit $3', conditions)
      using filter, after_id, max_rows;
end
$$;

comment on function cargo_admin.list_audit(jsonb, bigint, integer) is
    'The audit log, oldest first, a page at a time by the id; 0 begins.  '
    'filter: an object of registry, account, crate (in any spelling), action, '
    'since, until (RFC 3339, the end is not in it; UTC when it names no zone), '
    'refused (a boolean); null or without a member: everything.';
