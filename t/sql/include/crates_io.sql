-- What the reading half of crates.io's API is tried with: Foo-Bar with six
-- versions, crates that depend on it, one of the same name in the private
-- registry; what asks for them, and what takes an answer apart.

\ir registry.sql


create function pg_temp.crate(crate text, part text default 'crates',
                              query jsonb default '{}', login text default null,
                              registry text default 'main') returns text
language sql
as $$
    select pg_temp.web(format(
               'show_crate(%L, pg_temp.token(%L), ''https://x'', %L, %L, %L)',
               registry, login, crate, part, query));
$$;

create function pg_temp.version(crate text, version text,
                                part text default 'crates',
                                query jsonb default '{}',
                                login text default null,
                                registry text default 'main') returns text
language sql
as $$
    select pg_temp.web(format(
               'show_version(%L, pg_temp.token(%L), ''https://x'', %L, %L, %L, '
               '%L)', registry, login, crate, version, part, query));
$$;

create function pg_temp.registry(part text, name text default null,
                                 query jsonb default '{}',
                                 login text default null,
                                 registry text default 'main') returns text
language sql
as $$
    select pg_temp.web(format(
               'show_registry(%L, pg_temp.token(%L), ''https://x'', %L, %L, '
               '%L)', registry, login, part, name, query));
$$;

create function pg_temp.json(answer text) returns jsonb
language sql
as $$
    select case when answer like '200 %' then substr(answer, 5)::jsonb
                else jsonb_build_object('refused', answer) end;
$$;

-- the members of the objects of a list, in order
create function pg_temp.list(objects jsonb, member text) returns text
language sql
as $$
    select coalesce(string_agg(o->>member, ' ' order by position), '')
      from jsonb_array_elements(objects) with ordinality e(o, position);
$$;

create function pg_temp.keys(answer text, variadic path text[] default '{}')
returns text
language sql
as $$
    select string_agg(key, ' ' order by position)
      from json_each(substr(answer, 5)::json #> path)
           with ordinality e(key, value, position);
$$;

create function pg_temp.download(version text, day date, n bigint) returns void
language sql
as $$
    insert into cargo_store.version_downloads
    select v.id, day, n
      from cargo_store.versions v
           join cargo_store.crates c on c.id = v.crate_id
     where c.name || ' ' || v.num = version;
$$;


select * from no_plan();

select is(pg_temp.publish('alice', 'Foo-Bar', vers, changes),
          pg_temp.published(), vers)
  from (values ('0.1.0', '{"keywords": ["old"], "categories": ["web"]}'::jsonb),
               ('1.0.0', '{"keywords": ["Tea", "tea", "cup"],
                           "categories": ["web", "web::tea"],
                           "description": "Tea", "readme": "# Tea",
                           "authors": ["Al <a@b>", "Bo"],
                           "features": {"x": ["dep:y"]}}'),
               ('1.1.0-rc.1', '{}'), ('0.1.1', '{}'), ('0.2.0', '{}'),
               ('0.3.0', '{}')) v(vers, changes);
update cargo_store.versions
   set created_at = created_at + id * interval '1 second';

select is(pg_temp.publish('bob', name, '1.0.0', changes), pg_temp.published(),
          name)
  from (values ('new', '{}'::jsonb),
               ('dep', jsonb_build_object(
                    'keywords', array['tea'],
                    'deps', jsonb_build_array(
                        pg_temp.dependency('Foo-Bar', '{"optional": true,
                            "features": ["x"], "kind": "dev",
                            "target": "cfg(unix)"}'),
                        pg_temp.dependency('Foo-Bar'),
                        pg_temp.dependency('new')))),
               ('elsewhere', jsonb_build_object(
                    'deps', jsonb_build_array(
                        pg_temp.dependency('foo-bar',
                            '{"registry": "https://other"}'))))) v(name, changes);
select is(pg_temp.publish('vera', 'foo-bar', '9.0.0',
                          '{"keywords": ["secret"], "categories": ["web"]}',
                          registry => 'vault'),
          pg_temp.published(), 'a private one');
insert into cargo_store.crates (registry_id, name)
select id, 'empty' from cargo_store.registries where name = 'main';

select pg_temp.download('Foo-Bar 1.0.0', cargo_store.recent_day(0), 5),
       pg_temp.download('Foo-Bar 1.0.0', cargo_store.recent_day(-89), 4),
       pg_temp.download('Foo-Bar 1.0.0', cargo_store.recent_day(-90), 3),
       pg_temp.download('Foo-Bar 0.1.0', cargo_store.recent_day(0), 2);
