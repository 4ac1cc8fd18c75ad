create or replace function cargo_admin.delete_crate(
    registry text,
    crate text,
    reason text,
    force boolean,
    out status integer,
    out body jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    access  cargo_store.access := open_for_admin(registry);
    dropped record;
    before  jsonb;
    after   jsonb;
begin
    status := access.status;
    body := problem(access.body);

    if status = 200 then
        select * into dropped
          from drop_crate(access, crate, reason, coalesce(force, false));

        status := dropped.status;
        body := coalesce(dropped.after, problem(dropped.body));
        before := dropped.before;
        after := dropped.after;
    end if;

    perform audit_admin(registry, 'delete_crate', crate, null, status, body,
                        before, after);
end
$$;

comment on function cargo_admin.delete_crate(text, text, text, boolean) is
    'With all its versions, for good.  force: even if others depend on it.  '
    '200 with the reason and reserved_until; 400 no reason; 404 no such '
    'registry or crate; 422 others depend on it.';


create or replace function cargo_admin.delete_version(
    registry text,
    crate text,
    version text,
    reason text,
    out status integer,
    out body jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    access  cargo_store.access := open_for_admin(registry);
    dropped record;
    before  jsonb;
    after   jsonb;
begin
    status := access.status;
    body := problem(access.body);

    if status = 200 then
        select * into dropped from drop_version(access, crate, version, reason);

        status := dropped.status;
        body := coalesce(dropped.after, problem(dropped.body));
        before := dropped.before;
        after := dropped.after;
    end if;

    perform audit_admin(registry, 'delete_version', crate, version, status,
                        body, before, after);
end
$$;

comment on function cargo_admin.delete_version(text, text, text, text) is
    'For good.  200 with the reason and reserved_until; 400 no reason; 404 no '
    'such registry, crate or version.';


create or replace function cargo_admin.list_deletions(
    registry text,
    out status integer,
    out body jsonb)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    target record;
begin
    select * into target from find_registry(registry);

    status := target.status;
    body := problem(target.detail);

    if status <> 200 then
        return;
    end if;

    select coalesce(jsonb_agg(jsonb_build_object(
                                  'name', d.name,
                                  'version', d.version,
                                  'deleted_by', d.deleted_by,
                                  'deleted_at', d.deleted_at,
                                  'reason', d.reason,
                                  'reserved_until',
                                  case when d.reserved_until
                                            > clock_timestamp()
                                       then d.reserved_until end)
                              order by d.id), '[]')
      into body
      from deletions d
     where d.registry_id = (target.registry).id;
end
$$;

comment on function cargo_admin.list_deletions(text) is
    'version: null of a crate with all its versions.  reserved_until: null '
    'when it may be published again.  '
    '200 with an array of what was deleted, oldest first; 404 no such '
    'registry.';


create or replace function cargo_store.end_quarantine(
    registry_id bigint,
    crate text,
    version text)
returns jsonb
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    held jsonb;
begin
    select jsonb_build_object('name', d.name, 'version', d.version,
                              'reserved_until', d.reserved_until)
      into held
      from deletions d
     where d.registry_id = end_quarantine.registry_id
       and d.canonical_name = canonical_name(crate)
       and split_part(d.version, '+', 1)
           is not distinct from split_part(end_quarantine.version, '+', 1)
       and d.reserved_until > clock_timestamp()
     order by d.reserved_until desc
     limit 1;

    update deletions d
       set reserved_until = clock_timestamp()
     where d.registry_id = end_quarantine.registry_id
       and d.canonical_name = canonical_name(crate)
       and split_part(d.version, '+', 1)
           is not distinct from split_part(end_quarantine.version, '+', 1)
       and d.reserved_until > clock_timestamp();

    return held;
end
$$;

comment on function cargo_store.end_quarantine(bigint, text, text) is
    'Lets quarantine_refusal() return null.  Until when it would have lasted; '
    'null: nothing was held.';


create or replace function cargo_admin.lift_quarantine(
    registry text,
    crate text,
    version text,
    out status integer,
    out body jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    target record;
    before jsonb;
    after  jsonb;
begin
    select * into target from find_registry(registry);

    status := target.status;
    body := problem(target.detail);

    if status = 200 then
        before := end_quarantine((target.registry).id, crate, version);
        after := before || '{"reserved_until": null}';
        body := after;
    end if;

    if status = 200 and before is null then
        status := 404;
        body := problem(format('crate `%s`%s is not in quarantine in registry '
                               '`%s`', crate,
                               ' version `' || version || '`', registry));
    end if;

    perform audit_admin(registry, 'lift_quarantine', crate, version, status,
                        body, before, after);
end
$$;

comment on function cargo_admin.lift_quarantine(text, text, text) is
    'The name of a deleted crate (version is null), or the number of a deleted '
    'version, may be taken again at once.  '
    '200; 404 no such registry, nothing in quarantine.';
