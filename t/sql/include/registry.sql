-- What most tests start from: the public registry main, the private one
-- vault, and somebody in every role.  An account's token is the account's
-- login.  Runs as a superuser inside the test's transaction; web() turns into
-- nginx for one call.

set client_min_messages = warning;
set search_path = tap, pg_catalog;


create function pg_temp.hash(token text) returns bytea
language sql immutable
return sha256(token::bytea);

-- who comes with this token; null: without one
create function pg_temp.token(token text) returns cargo.caller
language sql immutable
return row(pg_temp.hash(token), null, '192.0.2.1')::cargo.caller;

-- whom nginx has authenticated
create function pg_temp.login(login text) returns cargo.caller
language sql immutable
return row(null, login, '192.0.2.1')::cargo.caller;


create function pg_temp.web(call text) returns text
language plpgsql
as $$
declare
    answer text;
begin
    set local role cargo_web;
    execute 'select concat_ws('' '', status, nullif(body, '''')) from cargo.'
            || call
       into answer;
    reset role;

    return answer;
end
$$;


create function pg_temp.dependency(name text, changes jsonb default '{}')
returns jsonb
language sql immutable
return jsonb_build_object(
           'name', name, 'explicit_name_in_toml', null, 'version_req', '^1',
           'features', '[]'::jsonb, 'optional', false,
           'default_features', true, 'target', null, 'kind', 'normal',
           'registry', null) || changes;


create function pg_temp.release(name text, vers text,
                                changes jsonb default '{}')
returns jsonb
language sql immutable
return jsonb_build_object(
           'name', name, 'vers', vers, 'deps', '[]'::jsonb,
           'features', '{}'::jsonb, 'links', null, 'rust_version', null,
           'description', 'A crate', 'homepage', null, 'documentation', null,
           'repository', null, 'readme_file', null, 'license', 'MIT',
           'license_file', null, 'keywords', '[]'::jsonb,
           'categories', '[]'::jsonb, 'authors', '[]'::jsonb, 'readme', null,
           'edition', '2021', 'sort_key', vers) || changes;


-- content: what the .crate holds
create function pg_temp.publish(login text, name text, vers text,
                                changes jsonb default '{}',
                                content text default 'content',
                                registry text default 'main')
returns text
language sql
as $$
    select pg_temp.web(format(
               'publish(%L, pg_temp.token(%L), %L, %L, %L, sha256(%L), %s, %L)',
               registry, login, pg_temp.release(name, vers, changes),
               format('{"vers":"%s","yanked":', vers), '}',
               content, length(content), '2026-11-21 12:00:00Z'));
$$;


-- the answer to a publish that cargo has nothing to say about
create function pg_temp.published() returns text
language sql immutable
return '200 {"warnings":{"invalid_categories":[],"invalid_badges":[],'
       '"other":[]}}';


create function pg_temp.no_token() returns text
language sql immutable
return 'this registry does not know the token; run `cargo login` with a token '
       'of this registry';


create function pg_temp.must(answer record) returns void
language plpgsql
as $$
begin
    if answer.status <> 200 then
        raise exception '%', answer;
    end if;
end
$$;


select pg_temp.must(cargo_admin.create_registry('main', null));
select pg_temp.must(cargo_admin.create_registry('vault',
                                                '{"auth_required": true}'));

select pg_temp.must(cargo_admin.create_account(login, initcap(login), null,
                                               'person', registry, role)),
       pg_temp.must(cargo_admin.create_token(login, 'laptop',
                                             pg_temp.hash(login), null, null,
                                             null, null))
  from (values ('alice', 'main', 'publisher'),
               ('bob', 'main', 'publisher'),
               ('rita', 'main', 'reader'),
               ('mia', 'main', 'maintainer'),
               ('ada', 'main', 'admin'),
               ('vera', 'vault', 'publisher'),
               ('vito', 'vault', 'reader')) v(login, registry, role);
