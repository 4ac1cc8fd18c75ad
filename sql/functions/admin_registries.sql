-- A setting is a column of cargo_store.registries; the catalogue knows names
-- and types, so that a new setting is a new column and nothing else.

create or replace function cargo_store.check_settings(settings jsonb)
returns text
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    problem text;
begin
    if jsonb_typeof(settings) is distinct from 'object' then
        return 'settings must be a JSON object';
    end if;

    select case
           when a.attname is null then
               format('there is no setting `%s`; there are: %s', s.key,
                      (select string_agg(b.attname, ', ' order by b.attnum)
                         from pg_attribute b
                        where b.attrelid = 'registries'::regclass
                          and b.attnum > 0
                          and not b.attisdropped
                          and b.attname not in ('id', 'name', 'created_at')))
           when a.atttypid = 'boolean'::regtype then
               format('setting `%s` must be true or false', s.key)
           else
               format('setting `%s` must be a whole number between 0 and '
                      '999999999', s.key)
           end
      into problem
      from jsonb_each(settings) s
           left join pg_attribute a
                  on a.attrelid = 'registries'::regclass
                 and a.attnum > 0
                 and not a.attisdropped
                 and a.attname not in ('id', 'name', 'created_at')
                 and a.attname = s.key
     where a.attname is null
        or case a.atttypid
           when 'boolean'::regtype then jsonb_typeof(s.value) <> 'boolean'
           else jsonb_typeof(s.value) <> 'number'
                or s.value::text !~ '^[0-9]{1,9}$'
           end
     order by s.key
     limit 1;

    return problem;
end
$$;

comment on function cargo_store.check_settings(jsonb) is
    'What is wrong with the settings, in a sentence; null when nothing is.';


create or replace function cargo_store.apply_settings(
    name text,
    settings jsonb)
returns jsonb
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    r registries;
begin
    select * into strict r
      from registries t
     where t.name = apply_settings.name
       for no key update;

    r := jsonb_populate_record(r, settings);

    update registries t
       set auth_required = r.auth_required,
           require_description = r.require_description,
           require_license = r.require_license,
           allow_wildcard_dependencies = r.allow_wildcard_dependencies,
           allow_unknown_dependencies = r.allow_unknown_dependencies,
           max_dependencies = r.max_dependencies,
           max_features = r.max_features,
           max_keywords = r.max_keywords,
           max_categories = r.max_categories,
           description_max = r.description_max
     where t.id = r.id;

    insert into changes (registry_id, kind)
    values (r.id, 'settings');

    return to_jsonb(r);
end
$$;

comment on function cargo_store.apply_settings(text, jsonb) is
    'Stores settings that check_settings() has passed; the registry as it is '
    'then.';


create or replace function cargo_admin.create_registry(
    name text,
    settings jsonb,
    out status integer,
    out body jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    problem text := check_settings(coalesce(settings, '{}'));
begin
    if name is null or name !~ '^[a-z][a-z0-9_-]{0,63}$' then
        problem := format('`%s` cannot be the name of a registry: use a lower '
                          'case letter and up to 63 more of a-z, 0-9, "-" and '
                          '"_"', name);
    end if;

    if problem is not null then
        status := 400;
        body := jsonb_build_object('detail', problem);
        return;
    end if;

    insert into registries (name)
    values (name)
        on conflict do nothing;

    if not found then
        status := 409;
        body := jsonb_build_object(
                    'detail', format('registry `%s` exists already', name));
        return;
    end if;

    status := 200;
    body := apply_settings(name, coalesce(settings, '{}'));
end
$$;

comment on function cargo_admin.create_registry(text, jsonb) is
    'settings: an object, or null for the defaults.  '
    '200 with the registry; 400 bad name or settings; 409 exists.';


create or replace function cargo_admin.set_registry(
    name text,
    settings jsonb,
    out status integer,
    out body jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    problem text := check_settings(settings);
begin
    if not exists (select from registries r
                    where r.name = set_registry.name)
    then
        status := 404;
        body := jsonb_build_object(
                    'detail', format('registry `%s` does not exist', name));
        return;
    end if;

    if problem is not null then
        status := 400;
        body := jsonb_build_object('detail', problem);
        return;
    end if;

    status := 200;
    body := apply_settings(name, settings);
end
$$;

comment on function cargo_admin.set_registry(text, jsonb) is
    'Changes the settings named, leaves the others.  '
    '200 with the registry; 400 bad settings; 404 no such registry.';


create or replace function cargo_admin.list_registries(
    out status integer,
    out body jsonb)
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select 200, coalesce(jsonb_agg(to_jsonb(r) order by r.name), '[]')
      from registries r;
$$;

comment on function cargo_admin.list_registries() is
    '200 with an array of registries and their settings, by name.';
