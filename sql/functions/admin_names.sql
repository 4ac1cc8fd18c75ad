-- Names that nobody, or one team alone, may create crates with.  They are kept
-- and compared canonically, so that `acme-*` is `acme_*`.

create or replace function cargo_store.read_pattern(
    pattern text,
    out status integer,
    out detail text,
    out canonical_name text,
    out prefix boolean)
language plpgsql immutable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    if pattern is null or pattern !~ '^[A-Za-z][A-Za-z0-9_-]{0,63}\*?$' then
        status := 400;
        detail := format('`%s` is no name to reserve: use the name of a crate, '
                         'or the beginning of names and "*"', pattern);
        return;
    end if;

    status := 200;
    canonical_name := canonical_name(rtrim(pattern, '*'));
    prefix := right(pattern, 1) = '*';
end
$$;

comment on function cargo_store.read_pattern(text) is
    '`name` or `prefix*`.  200 with the columns of reserved_names; 400 '
    'neither.';


create or replace function cargo_store.reservation_object(
    reserved cargo_store.reserved_names)
returns jsonb
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select jsonb_build_object(
               'registry', (select r.name from registries r
                             where r.id = ($1).registry_id),
               'pattern', ($1).canonical_name
                          || case when ($1).prefix then '*' else '' end,
               'team', (select t.name from teams t where t.id = ($1).team_id),
               'created_at', ($1).created_at);
$$;

comment on function cargo_store.reservation_object(
                        cargo_store.reserved_names) is
    'A reserved name as the functions of cargo_admin give it.';


create or replace function cargo_store.open_reservation(
    registry text,
    pattern text,
    out status integer,
    out body jsonb,
    out registry_id bigint,
    out canonical_name text,
    out prefix boolean,
    out before jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    target record;
    wanted record;
    former reserved_names;
begin
    select * into target from find_registry(registry);
    select * into wanted from read_pattern(pattern);

    if registry is not null and target.status <> 200 then
        status := target.status;
        body := problem(target.detail);
        return;
    end if;

    status := wanted.status;
    body := problem(wanted.detail);
    registry_id := (target.registry).id;
    canonical_name := wanted.canonical_name;
    prefix := wanted.prefix;

    select * into former
      from reserved_names n
     where n.canonical_name = wanted.canonical_name
       and n.prefix = wanted.prefix
       and coalesce(n.registry_id, 0) = coalesce((target.registry).id, 0)
       for no key update;

    if found then
        before := reservation_object(former);
    end if;
end
$$;

comment on function cargo_store.open_reservation(text, text) is
    'What is reserved and where, and the row there is, locked, as an object.  '
    '200; 400 no pattern; 404 no such registry.';


create or replace function cargo_admin.reserve_name(
    registry text,
    pattern text,
    team text,
    out status integer,
    out body jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    wanted   record;
    whose    record;
    reserved reserved_names;
begin
    select * into wanted from open_reservation(registry, pattern);
    select * into whose from find_team(team);

    status := wanted.status;
    body := wanted.body;

    if status = 200 and team is not null and whose.status <> 200 then
        status := whose.status;
        body := problem(whose.detail);
    end if;

    if status = 200 then
        insert into reserved_names as n
               (registry_id, canonical_name, prefix, team_id)
        values (wanted.registry_id, wanted.canonical_name, wanted.prefix,
                (whose.team).id)
            on conflict (canonical_name, prefix, coalesce(registry_id, 0))
            do update
           set team_id = excluded.team_id
        returning n.* into reserved;

        body := reservation_object(reserved);
    end if;

    perform audit_admin(registry, 'reserve_name', null, null, status, body,
                        wanted.before, case when status = 200 then body end);
end
$$;

comment on function cargo_admin.reserve_name(text, text, text) is
    'registry: null for every one.  pattern: `name` or `prefix*`.  team: null '
    'for nobody; what is reserved already is given to it.  Crates that are '
    'there stay as they are.  '
    '200 with the reservation; 400 no pattern; 404 no such registry or team.';


create or replace function cargo_admin.release_name(
    registry text,
    pattern text,
    out status integer,
    out body jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    wanted record;
begin
    select * into wanted from open_reservation(registry, pattern);

    status := wanted.status;
    body := coalesce(wanted.before, wanted.body);

    if status = 200 and wanted.before is null then
        status := 404;
        body := problem(format('there is no reservation of `%s` for %s',
                               pattern,
                               coalesce('registry `' || registry || '`',
                                        'all registries')));
    end if;

    if status = 200 then
        delete from reserved_names n
         where n.canonical_name = wanted.canonical_name
           and n.prefix = wanted.prefix
           and coalesce(n.registry_id, 0) = coalesce(wanted.registry_id, 0);
    end if;

    perform audit_admin(registry, 'release_name', null, null, status, body,
                        wanted.before);
end
$$;

comment on function cargo_admin.release_name(text, text) is
    'registry and pattern as they were reserved.  '
    '200 with the reservation as it was; 400 no pattern; 404 no such registry '
    'or not reserved.';


create or replace function cargo_admin.list_reserved(
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

    if registry is not null and target.status <> 200 then
        status := target.status;
        body := problem(target.detail);
        return;
    end if;

    status := 200;

    select coalesce(jsonb_agg(reservation_object(n)
                              order by r.name nulls first, n.canonical_name,
                                       n.prefix), '[]')
      into body
      from reserved_names n
           left join registries r on r.id = n.registry_id
     where registry is null
        or n.registry_id is null
        or n.registry_id = (target.registry).id;
end
$$;

comment on function cargo_admin.list_reserved(text) is
    'What is reserved in the registry, by itself or with every one; null: in '
    'any.  '
    '200 with an array of reservations, those of every registry first; '
    '404 no such registry.';
