begin;

set client_min_messages = warning;
set search_path = tap, pg_catalog;

select * from no_plan();


create function pg_temp.defaults() returns jsonb
language sql
return '{"auth_required": false, "require_description": true,
         "require_license": true, "allow_wildcard_dependencies": false,
         "allow_unknown_dependencies": false, "max_dependencies": 500,
         "max_features": 300, "max_keywords": 5, "max_categories": 5,
         "description_max": 1000, "new_crates": "publisher",
         "quarantine_days": 30}'::jsonb;

create function pg_temp.answer(status integer, body jsonb) returns text
language sql
return concat_ws(' ', status, coalesce(body->>'detail',
                     (body - 'id' - 'created_at')::text));

create function pg_temp.made(name text, settings jsonb) returns text
language sql
as $$
    select pg_temp.answer(status, body)
      from cargo_admin.create_registry(name, settings);
$$;

create function pg_temp.set(name text, settings jsonb) returns text
language sql
as $$
    select pg_temp.answer(status, body)
      from cargo_admin.set_registry(name, settings);
$$;

create function pg_temp.registry(name text, settings jsonb) returns text
language sql
return '200 ' || (pg_temp.defaults() || settings
                  || jsonb_build_object('name', name))::text;


select results_eq('select * from cargo_admin.list_registries()',
                  $$values (200, '[]'::jsonb)$$, 'none yet');

select is(pg_temp.made('main', null), pg_temp.registry('main', '{}'),
          'a registry with the defaults');
select is(pg_temp.made('a', '{}'), pg_temp.registry('a', '{}'),
          'no settings are the defaults too');
select is(pg_temp.made('z0-_', '{"auth_required": true, "max_features": 0}'),
          pg_temp.registry('z0-_',
                           '{"auth_required": true, "max_features": 0}'),
          'a registry with settings');

select is(pg_temp.made('main', '{"auth_required": true}'),
          '409 registry `main` exists already', 'a name that is taken');
select is(pg_temp.set('main', '{}'), pg_temp.registry('main', '{}'),
          'keeps its registry');

select is(pg_temp.made(name, null),
          format('400 `%s` cannot be the name of a registry: use a lower case '
                 'letter and up to 63 more of a-z, 0-9, "-" and "_"', name),
          'not a name: ' || coalesce(name, 'null'))
  from unnest(array['', 'Main', '1st', '-a', 'a b', 'a/b', 'ü', E'a\n', 'a.b',
                    repeat('a', 65), null]) name;
select is(pg_temp.made(repeat('a', 64), null),
          pg_temp.registry(repeat('a', 64), '{}'), 'a name of 64 characters');

create temporary table bad (settings jsonb, refusal text);

insert into bad values
    ('[]'::jsonb, 'settings must be a JSON object'),
    ('"x"', 'settings must be a JSON object'),
    ('{"color": 1}', 'there is no setting `color`; there are: auth-required, '
                     'require-description, .*, new-crates, quarantine-days$'),
    ('{"id": 7}', 'there is no setting `id`'),
    ('{"name": "x"}', 'there is no setting `name`'),
    ('{"created_at": null}', 'there is no setting `created_at`'),
    ('{"ctid": "x"}', 'there is no setting `ctid`'),
    ('{"Auth_required": true}', 'there is no setting `Auth_required`'),
    ('{"auth_required": "true"}',
     'setting `auth-required` must be true or false'),
    ('{"auth_required": 1}', 'setting `auth-required` must be true or false'),
    ('{"auth_required": null}',
     'setting `auth-required` must be true or false'),
    ('{"max_features": "1"}', 'setting `max-features` must be a whole number'),
    ('{"max_features": -1}', 'setting `max-features` must be a whole number'),
    ('{"max_features": 1.5}', 'setting `max-features` must be a whole number'),
    ('{"quarantine_days": 1000000000}',
     'setting `quarantine-days` must be a whole number between 0 and '
     '999999999$'),
    ('{"new_crates": "king"}', 'setting `new-crates` must be a role: reader, '
                               'publisher, maintainer, admin$'),
    ('{"new_crates": 1}', 'setting `new-crates` must be a role'),
    ('{"new_crates": null}', 'setting `new-crates` must be a role'),
    ('{"max_features": 1e10}', 'setting `max-features` must be a whole number'),
    ('{"max_features": null}', 'setting `max-features` must be a whole number'),
    ('{"max_features": true}', 'setting `max-features` must be a whole number'),
    ('{"auth_required": true, "max_features": "x"}',
     'setting `max-features` must be');

select matches(pg_temp.made('other', settings), '^400 ' || refusal,
               'bad settings: ' || settings::text)
  from bad;
select is(pg_temp.set('main', settings), pg_temp.made('other', settings),
          'nor can be set: ' || settings::text)
  from bad;
select is(pg_temp.set('main', null), '400 settings must be a JSON object',
          'nothing to set');
select is(pg_temp.set('nowhere', '{}'),
          '404 registry `nowhere` does not exist', 'unknown registry');
select is(pg_temp.set('main', '{}'), pg_temp.registry('main', '{}'),
          'nothing of this stayed');

select is(pg_temp.set('main', '{"auth_required": true, "max_keywords": 7}'),
          pg_temp.registry('main',
                           '{"auth_required": true, "max_keywords": 7}'),
          'two settings');
select is(pg_temp.set('main', '{"max_keywords": 8}'),
          pg_temp.registry('main',
                           '{"auth_required": true, "max_keywords": 8}'),
          'the others stay');

create temporary table changed as
    select jsonb_object_agg(key, case jsonb_typeof(value)
                                 when 'boolean' then to_jsonb(not value::boolean)
                                 when 'string' then '"maintainer"'
                                 else '77' end) as settings
      from jsonb_each(pg_temp.defaults());
select is(pg_temp.set('main', settings), pg_temp.registry('main', settings),
          'each setting can be set')
  from changed;
select is((select before->>'max_keywords' || ' ' || (after->>'max_keywords')
             from cargo_store.audit
            where action = 'set_registry' and registry = 'main'
            order by id desc limit 1), '8 77', 'with what it was');
select is(pg_temp.set('main', jsonb_build_object('new_crates', role)),
          pg_temp.registry('main', settings
                                   || jsonb_build_object('new_crates', role)),
          'who creates crates: ' || role)
  from changed, unnest(array['publisher', 'admin', 'maintainer']) role;

select is_empty(
    $$select key from jsonb_each(pg_temp.defaults())
      except
      select attname from pg_attribute
       where attrelid = 'cargo_store.registries'::regclass$$,
    'each is a column');
select is((select count(*) from pg_attribute
            where attrelid = 'cargo_store.registries'::regclass
              and attnum > 0 and not attisdropped),
          (select count(*) + 3 from jsonb_each(pg_temp.defaults())),
          'and every column but three is one');

select results_eq(
    $$select status, array(select r->>'name'
                             from jsonb_array_elements(body) r)
        from cargo_admin.list_registries()$$,
    format($$values (200, array['a', %L, 'main', 'z0-_'])$$, repeat('a', 64)),
    'the list');
select results_eq(
    $$select l.body->2 from cargo_admin.list_registries() l$$,
    $$select body from cargo_admin.set_registry('main', '{}')$$,
    'has what the others give');

select is((select count(*) from cargo_store.changes
            where kind = 'settings' and registry_id
                  = (select id from cargo_store.registries
                      where name = 'main')), 10::bigint,
          'every change is in the log');
select is((select string_agg(action || ' ' || registry || ' ' || status, ', '
                             order by id)
             from (select * from cargo_store.audit
                    where registry in ('a', 'other', 'nowhere', '1st')
                    order by id limit 4) a),
          'create_registry a 200, create_registry 1st 400, create_registry '
          'other 400, create_registry other 400', 'and in the audit log');


select * from finish();
rollback;
