-- A setting is a column of cargo_store.registries; the catalogue knows names
-- and types, so that a new setting is a new column and nothing else.

create or replace function cargo_store.settings()
returns table (name text, type oid, number smallint)
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select a.attname, a.atttypid, a.attnum
      from pg_attribute a
     where a.attrelid = 'registries'::regclass
       and a.attnum > 0
       and not a.attisdropped
       and a.attname not in ('id', 'name', 'created_at');
$$;

comment on function cargo_store.settings() is
    'The settings that there are.';


create or replace function cargo_store.check_setting(
    name text,
    type oid,
    value jsonb)
returns text
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select case
           when type is null then
               format('there is no setting `%s`; there are: %s', $1,
                      (select string_agg(replace(s.name, '_', '-'), ', '
                                         order by s.number)
                         from settings() s))
           when type = 'boolean'::regtype then
               case when jsonb_typeof(value) <> 'boolean'
                    then format('setting `%s` must be true or false',
                                replace($1, '_', '-')) end
           when type = 'member_role'::regtype then
               case when jsonb_typeof(value) <> 'string'
                         or value->>0 <> all (enum_range(null::member_role)
                                                  ::text[])
                    then format('setting `%s` must be a role: %s',
                                replace($1, '_', '-'),
                                array_to_string(enum_range(null::member_role),
                                                ', ')) end
           when jsonb_typeof(value) <> 'number'
               or value::text !~ '^[0-9]{1,9}$'
           then
               format('setting `%s` must be a whole number between 0 and '
                      '999999999', replace($1, '_', '-'))
           end;
$$;

comment on function cargo_store.check_setting(text, oid, jsonb) is
    'What is wrong with the value of a setting of a type (null: there is no '
    'such setting), in a sentence; null when nothing is.';


create or replace function cargo_store.check_settings(settings jsonb)
returns text
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    if jsonb_typeof(settings) is distinct from 'object' then
        return 'settings must be a JSON object';
    end if;

    return (select c.problem
              from jsonb_each(settings) g
                   left join settings() s on s.name = g.key,
                   check_setting(g.key, s.type, g.value) c(problem)
             where c.problem is not null
             order by g.key
             limit 1);
end
$$;

comment on function cargo_store.check_settings(jsonb) is
    'What is wrong with the settings, in a sentence; null when nothing is.';


create or replace function cargo_store.apply_settings(
    name text,
    settings jsonb,
    out before jsonb,
    out after jsonb)
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

    before := to_jsonb(r);
    r := jsonb_populate_record(r, settings);
    after := to_jsonb(r);

    execute (select format('update registries t set (%s) = row(%s) '
                           'where t.id = $1.id',
                           string_agg(format('%I', s.name), ', '
                                      order by s.number),
                           string_agg(format('$1.%I', s.name), ', '
                                      order by s.number))
               from settings() s)
      using r;

    insert into changes (registry_id, kind)
    values (r.id, 'settings');
end
$$;

comment on function cargo_store.apply_settings(text, jsonb) is
    'Stores settings that check_settings() has passed; the registry as it was '
    'and as it is then.';


create or replace function cargo_admin.create_registry(
    name text,
    settings jsonb,
    out status integer,
    out body jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    refusal text := check_settings(coalesce(settings, '{}'));
begin
    if name is null or name !~ '^[a-z][a-z0-9_-]{0,63}$' then
        refusal := format('`%s` cannot be the name of a registry: use a lower '
                          'case letter and up to 63 more of a-z, 0-9, "-" and '
                          '"_"', name);
    end if;

    if refusal is not null then
        status := 400;
        body := problem(refusal);
    else
        insert into registries (name)
        values (name)
            on conflict do nothing;

        if found then
            status := 200;
            body := (apply_settings(name, coalesce(settings, '{}'))).after;
        else
            status := 409;
            body := problem(format('registry `%s` exists already', name));
        end if;
    end if;

    perform audit_admin(name, 'create_registry', null, null, status, body,
                        null, case when status = 200 then body end);
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
    target  record;
    refusal text := check_settings(settings);
    before  jsonb;
    after   jsonb;
begin
    select * into target from find_registry(name);

    status := target.status;
    body := problem(target.detail);

    if status = 200 and refusal is not null then
        status := 400;
        body := problem(refusal);
    end if;

    if status = 200 then
        select a.before, a.after
          into before, after
          from apply_settings(name, settings) a;

        body := after;
    end if;

    perform audit_admin(name, 'set_registry', null, null, status, body, before,
                        after);
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
