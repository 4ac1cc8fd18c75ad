-- What is kept on the row of a crate, the summary of its versions; and what a
-- crate looks like in an answer.

create or replace function cargo_store.is_stable(version text)
returns boolean
language sql immutable parallel safe
return strpos(split_part(version, '+', 1), '-') = 0;

comment on function cargo_store.is_stable(text) is
    'Is it no pre-release?';


create or replace function cargo_store.versions_summary(
    crate_id bigint,
    among text[] default null,
    out num_versions integer,
    out default_version_id bigint,
    out max_version text,
    out max_stable_version text,
    out newest_version text)
language plpgsql stable
as $$
begin
    -- the greatest of arrays, since aggregates that sort take several times as
    -- long, most of it before they have seen a row
    select count(*),
           (max(array[v.rank || v.sort_key, v.id::text]))[2],
           (max(array[v.sort_key, v.num]) filter (where v.rank > '0'))[2],
           (max(array[v.sort_key, v.num]) filter (where v.rank = '2'))[2],
           (max(array[lpad(v.id::text, 19, '0'), v.num])
                filter (where v.rank > '0'))[2]
      into num_versions, default_version_id, max_version, max_stable_version,
           newest_version
      from (select w.id, w.num, w.sort_key,
                   case when w.yanked then '0'
                        when is_stable(w.num_without_build) then '2'
                        else '1' end collate "C" as rank
              -- all of them are one range of an index, a few are several; the
              -- offset keeps the planner from reading all for a few
              from unnest(coalesce(among, '{""}'), coalesce(among, '{~}'))
                       n (low, high)
                   cross join lateral
                       (select *
                          from versions w
                         where w.crate_id = versions_summary.crate_id
                           and w.num_without_build >= n.low
                           and w.num_without_build <= n.high
                        offset 0) w) v;
end
$$;

comment on function cargo_store.versions_summary(bigint, text[]) is
    'The columns of crates that follow from its versions, or from those among '
    'these numbers without build.';


create or replace function cargo_store.versions_that_count(
    crate cargo_store.crates,
    new_version text)
returns text[]
language plpgsql stable
as $$
declare
    numbers text[] := array[new_version, crate.max_version];
begin
    if crate.max_version is null then
        numbers := numbers || (select v.num
                                 from versions v
                                where v.id = crate.default_version_id);
    end if;

    if crate.max_stable_version <> crate.max_version then
        numbers := numbers || crate.max_stable_version;
    end if;

    if crate.newest_version <> crate.max_version then
        numbers := numbers || crate.newest_version;
    end if;

    return array(select split_part(n, '+', 1) from unnest(numbers) n);
end
$$;

comment on function cargo_store.versions_that_count(cargo_store.crates,
                                                    text) is
    'Those by which versions_summary() knows all but their number when one has '
    'come to a crate, the row as it was before.';


create or replace function cargo_store.refresh_new_crates(
    number bigint default null)
returns integer
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    ids constant bigint[] := array(
        select c.id
          from crates c
         where c.default_version_id is null
           and exists (select from versions v where v.crate_id = c.id)
         order by c.id
         limit number);
begin
    if cardinality(ids) = 0 then
        return 0;
    end if;

    -- nobody publishes or counts by the functions of yesterday meanwhile
    lock table crates, version_downloads in share row exclusive mode;

    insert into crate_downloads (crate_id, registry_id, downloads, recent)
    select c.id, c.registry_id, coalesce(sum(d.downloads), 0),
           coalesce(sum(d.downloads)
                        filter (where d.date > recent_day(-90)), 0)
      from crates c
           join versions v on v.crate_id = c.id
           left join version_downloads d on d.version_id = v.id
     where c.id = any (ids)
     group by c.id
        on conflict do nothing;

    update crates c
       set (num_versions, default_version_id, max_version, max_stable_version,
            newest_version)
               = (select * from versions_summary(c.id))
     where c.id = any (ids);

    return cardinality(ids);
end
$$;

comment on function cargo_store.refresh_new_crates(bigint) is
    'Fills the columns of versions_summary(), and crate_downloads, of crates '
    'that are older than these; of so many, null: of all.  Returns of how '
    'many.  Whoever has very many of them analyzes the tables between two '
    'calls: a session keeps the plans that it made while they were empty.';


create or replace function cargo_store.rfc3339(moment timestamptz)
returns text
language sql stable parallel safe
return to_char(moment at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');

comment on function cargo_store.rfc3339(timestamptz) is
    'A time as the web API writes it.';


create or replace function cargo_store.crate_object(
    crate cargo_store.crates,
    exact_match boolean,
    out object json)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    -- in a function of SQL it would be planned again for each list
    select json_build_object(
               'id', crate.name,
               'name', crate.name,
               'updated_at', rfc3339(crate.updated_at),
               'versions', null,
               'keywords', v.keywords,
               'categories', null,
               'badges', array[]::text[],
               'created_at', rfc3339(crate.created_at),
               'downloads', coalesce(d.downloads, 0),
               'recent_downloads', coalesce(d.recent, 0),
               'default_version', v.num,
               'num_versions', crate.num_versions,
               'yanked', crate.max_version is null,
               'max_version', coalesce(crate.max_version, '0.0.0'),
               'newest_version', coalesce(crate.newest_version, '0.0.0'),
               'max_stable_version', crate.max_stable_version,
               'description', v.description,
               'homepage', v.homepage,
               'documentation', v.documentation,
               'repository', v.repository,
               'links', json_build_object(
                   'version_downloads', l.path || '/downloads',
                   'versions', l.path || '/versions',
                   'owners', l.path || '/owners',
                   'owner_team', l.path || '/owner_team',
                   'owner_user', l.path || '/owner_user',
                   'reverse_dependencies', l.path || '/reverse_dependencies'),
               'exact_match', exact_match,
               'trustpub_only', false)
      into object
      from (select '/api/v1/crates/' || crate.name as path) l
           left join versions v on v.id = crate.default_version_id
           left join crate_downloads d on d.crate_id = crate.id;
end
$$;

comment on function cargo_store.crate_object(cargo_store.crates, boolean) is
    'A crate as crates.io shows it, described by its default version.';
