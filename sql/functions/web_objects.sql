-- The objects of crates.io's JSON API but the crate, all members in its order.

create or replace function cargo_store.user_object(
    account cargo_store.accounts,
    base_url text)
returns json
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select json_build_object(
               'id', ($1).id,
               'login', ($1).login,
               'name', ($1).name,
               'avatar', null,
               'url', $2 || '/api/v1/users/' || ($1).login,
               'github_username_matches', false,
               'created_at', rfc3339(($1).created_at));
$$;

comment on function cargo_store.user_object(cargo_store.accounts, text) is
    'An account as everybody may see it.';


create or replace function cargo_store.version_object(
    version cargo_store.versions,
    crate text,
    base_url text)
returns json
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select json_build_object(
               'id', ($1).id,
               'crate', $2,
               'num', ($1).num,
               'dl_path', l.path || '/download',
               'readme_path', l.path || '/readme',
               'updated_at', rfc3339(($1).updated_at),
               'created_at', rfc3339(($1).created_at),
               'downloads', (select coalesce(sum(d.downloads), 0)
                               from version_downloads d
                              where d.version_id = ($1).id),
               'features', ($1).features,
               'yanked', ($1).yanked,
               'yank_message', ($1).yank_message,
               'lib_links', ($1).links,
               'license', ($1).license,
               'links', json_build_object(
                   'dependencies', l.path || '/dependencies',
                   'version_downloads', l.path || '/downloads',
                   'authors', l.path || '/authors'),
               'crate_size', ($1).size,
               'published_by', u.object,
               'audit_actions', json_build_array(
                   json_build_object(
                       'action', 'publish',
                       'user', u.object,
                       'time', rfc3339(($1).created_at))),
               'checksum', encode(($1).checksum, 'hex'),
               'rust_version', ($1).rust_version,
               'has_lib', null,
               'bin_names', null,
               'edition', ($1).edition,
               'description', ($1).description,
               'homepage', ($1).homepage,
               'documentation', ($1).documentation,
               'repository', ($1).repository,
               'trustpub_data', null,
               'linecounts', null)
      from (select '/api/v1/crates/' || $2 || '/' || ($1).num as path) l,
           (select user_object(a, $3) as object
              from accounts a
             where a.id = ($1).published_by) u;
$$;

comment on function cargo_store.version_object(cargo_store.versions, text,
                                               text) is
    'A version of the crate called so.';


create or replace function cargo_store.dependency_object(
    dependency cargo_store.dependencies,
    crate text,
    downloads bigint)
returns json
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    -- clients want a number of its own for each
    select json_build_object(
               'id', ($1).version_id * 1048576 + ($1).position,
               'version_id', ($1).version_id,
               'crate_id', $2,
               'req', ($1).req,
               'optional', ($1).optional,
               'default_features', ($1).default_features,
               'features', ($1).features,
               'target', ($1).target,
               'kind', ($1).kind,
               'downloads', $3);
$$;

comment on function cargo_store.dependency_object(cargo_store.dependencies,
                                                  text, bigint) is
    'A dependency on the crate called so.';


create or replace function cargo_store.downloads_object(
    version_id bigint,
    downloads bigint,
    date date)
returns json
language sql immutable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select json_build_object('version', $1, 'downloads', $2, 'date', $3);
$$;

comment on function cargo_store.downloads_object(bigint, bigint, date) is
    'The downloads of a version on a day.';


create or replace function cargo_store.keyword_object(tag cargo_store.tags)
returns json
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select json_build_object(
               'id', ($1).name,
               'keyword', ($1).name,
               'created_at', rfc3339(($1).created_at),
               'crates_cnt', ($1).crates);
$$;

comment on function cargo_store.keyword_object(cargo_store.tags) is
    'A tag that is a keyword.';


create or replace function cargo_store.category_object(tag cargo_store.tags)
returns json
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select json_build_object(
               'id', ($1).name,
               'category', ($1).name,
               'slug', ($1).name,
               'description', '',
               'created_at', rfc3339(($1).created_at),
               'crates_cnt', ($1).crates);
$$;

comment on function cargo_store.category_object(cargo_store.tags) is
    'A tag that is a category.';


create or replace function cargo_store.with_members(
    object json,
    members json)
returns json
language sql immutable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select json_object_agg(o.key, coalesce(m.value, o.value)
                           order by o.position)
      from json_each($1) with ordinality o(key, value, position)
           left join json_each($2) m on m.key = o.key;
$$;

comment on function cargo_store.with_members(json, json) is
    'The object with other values for some of its members, in its order.';


create or replace function cargo_store.and_members(
    object json,
    members json)
returns json
language sql immutable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select json_object_agg(m.key, m.value order by m.part, m.position)
      from (select 1 as part, o.*
              from json_each($1) with ordinality o(key, value, position)
            union all
            select 2, o.*
              from json_each($2) with ordinality o(key, value, position)) m;
$$;

comment on function cargo_store.and_members(json, json) is
    'The object with more members behind its own.';


create or replace function cargo_store.private_user_object(
    account cargo_store.accounts,
    base_url text,
    is_admin boolean)
returns json
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select and_members(
               user_object($1, $2),
               json_build_object(
                   'email_verified', ($1).email is not null,
                   'email_verification_sent', ($1).email is not null,
                   'email', ($1).email,
                   'is_admin', $3,
                   'publish_notifications', false));
$$;

comment on function cargo_store.private_user_object(cargo_store.accounts, text,
                                                    boolean) is
    'An account as its owner sees it.';
