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


create or replace function cargo_store.team_object(
    team cargo_store.teams,
    base_url text)
returns json
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select json_build_object(
               'id', ($1).id,
               'login', 'team:' || ($1).name,
               'kind', 'team',
               'url', $2 || '/api/v1/teams/team:' || ($1).name,
               'name', ($1).name,
               'avatar', null);
$$;

comment on function cargo_store.team_object(cargo_store.teams, text) is
    'A team, also as an owner.';


create or replace function cargo_store.version_actions(
    ids bigint[],
    base_url text)
returns table (version_id bigint, actions json)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    -- A version with its first date has never been touched; one that was
    -- deleted had the number before, and has left its rows in the log.
    return query
    with done as (
        select v.id, 0 as position, 'publish' as action, v.created_at as at,
               p as account
          from versions v
               join accounts p on p.id = v.published_by
         where v.id = any (ids)
        union all
        select v.id, a.id,
               case when (a.after->>'yanked')::boolean then 'yank'
                    else 'unyank' end,
               a.created_at, p
          from versions v
               join crates c on c.id = v.crate_id
               join registries r on r.id = c.registry_id
               join audit a on a.registry = r.name
                           and canonical_name(a.crate) = c.canonical_name
                           and a.version = v.num
               left join accounts p on lower(p.login) = lower(a.account)
         where v.id = any (ids)
           and v.updated_at <> v.created_at
           and a.status = 200
           and a.before->'yanked' <> a.after->'yanked'
           and not exists (select from deletions g
                            where g.registry_id = c.registry_id
                              and g.canonical_name = c.canonical_name
                              and coalesce(g.version, v.num) = v.num
                              and g.deleted_at > a.created_at))
    select d.id,
           json_agg(json_build_object(
                        'action', d.action,
                        'user', case when (d.account).id is not null
                                     then user_object(d.account, base_url) end,
                        'time', rfc3339(d.at))
                    order by d.position)
      from done d
     group by d.id;
end
$$;

comment on function cargo_store.version_actions(bigint[], text) is
    'The member "audit_actions" of versions.  Who yanked by cargoctl is '
    'no user.';


create or replace function cargo_store.version_object(
    version cargo_store.versions,
    crate text,
    publisher json,
    downloads bigint,
    actions json)
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
               'downloads', $4,
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
               'published_by', $3,
               'audit_actions', $5,
               'checksum', encode(($1).checksum, 'hex'),
               'rust_version', ($1).rust_version,
               'has_lib', ($1).has_lib,
               'bin_names', ($1).bin_names,
               'edition', ($1).edition,
               'description', ($1).description,
               'homepage', ($1).homepage,
               'documentation', ($1).documentation,
               'repository', ($1).repository,
               'trustpub_data', null,
               'linecounts', null)
      from (select '/api/v1/crates/' || $2 || '/' || ($1).num as path) l;
$$;

comment on function cargo_store.version_object(cargo_store.versions, text,
                                               json, bigint, json) is
    'A version of the crate called so; for version_objects().';


create or replace function cargo_store.version_objects(
    ids bigint[],
    base_url text)
returns table (id bigint, object json)
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    with publishers as materialized (
        select a.id, user_object(a, $2) as object
          from accounts a
         where a.id in (select v.published_by
                          from versions v
                         where v.id = any ($1))),
    counts as materialized (
        select d.version_id, sum(d.downloads)::bigint as downloads
          from version_downloads d
         where d.version_id = any ($1)
         group by d.version_id)
    select v.id,
           version_object(v, c.name, p.object, coalesce(n.downloads, 0),
                          a.actions)
      from versions v
           join crates c on c.id = v.crate_id
           join publishers p on p.id = v.published_by
           join version_actions($1, $2) a on a.version_id = v.id
           left join counts n on n.version_id = v.id
     where v.id = any ($1);
$$;

comment on function cargo_store.version_objects(bigint[], text) is
    'Versions, however many, in the time that one answer may take.';


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


create or replace function cargo_store.web_token_object(
    token cargo_store.tokens)
returns json
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select json_build_object(
               'id', ($1).id,
               'name', ($1).name,
               'created_at', rfc3339(($1).created_at),
               'last_used_at', rfc3339(($1).last_used_at),
               'crate_scopes', ($1).crate_scopes,
               'endpoint_scopes', ($1).endpoint_scopes,
               'expired_at', rfc3339(($1).expires_at));
$$;

comment on function cargo_store.web_token_object(cargo_store.tokens) is
    'A token as its owner sees it, without its text.';
