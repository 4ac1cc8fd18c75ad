-- What is kept on the row of a crate, the summary of its versions and the words
-- to find it by; and what a crate looks like in an answer.

create or replace function cargo_store.words(text text)
returns text
language sql immutable parallel safe
return pg_catalog.regexp_replace(pg_catalog.left(text, 50000) collate "C",
                                 '[[:space:]!-/:-@[-`{-~]+', ' ', 'g');

comment on function cargo_store.words(text) is
    'The words alone, so that the parser of the full text search sees no '
    'addresses, paths and hyphens; no more than a tsvector surely holds.';


create or replace function cargo_store.name_variants(canonical_name text)
returns text[]
language sql immutable parallel safe
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select array_agg(distinct v.name)
      from (select $1 as name
            union all
            select overlay($1 placing '' from i for 1)
              from generate_series(1, length($1)) i) v
     where v.name <> '';
$$;

comment on function cargo_store.name_variants(text) is
    'crates.name_variants.';


create or replace function cargo_store.crate_summary(
    crate_id bigint,
    out num_versions integer,
    out default_version_id bigint,
    out max_version text,
    out max_stable_version text,
    out newest_version text,
    out name_variants text[],
    out search_head tsvector,
    out search_readme tsvector)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
set client_min_messages = warning
as $$
declare
    crate     crates;
    described record;
begin
    select * into crate from crates c where c.id = crate_id;

    select count(*),
           (array_agg(v.id order by not v.yanked and v.stable desc,
                                    not v.yanked desc, v.sort_key desc))[1],
           (array_agg(v.num order by v.sort_key desc)
                filter (where not v.yanked))[1],
           (array_agg(v.num order by v.sort_key desc)
                filter (where not v.yanked and v.stable))[1],
           (array_agg(v.num order by v.id desc)
                filter (where not v.yanked))[1]
      into num_versions, default_version_id, max_version, max_stable_version,
           newest_version
      from (select w.id, w.num, w.sort_key, w.yanked,
                   strpos(w.num_without_build, '-') = 0 as stable
              from versions w
             where w.crate_id = crate_summary.crate_id) v;

    name_variants := coalesce(crate.name_variants,
                              name_variants(crate.canonical_name));
    search_head := crate.search_head;
    search_readme := crate.search_readme;

    -- what a version says of itself never changes
    if default_version_id is distinct from crate.default_version_id
        or search_head is null
    then
        select v.keywords, v.description, v.readme into described
          from versions v where v.id = default_version_id;

        search_head := setweight(to_tsvector('pg_catalog.english',
                                             words(crate.name)), 'A')
            || setweight(to_tsvector('pg_catalog.english',
                                     words(array_to_string(described.keywords,
                                                           ' '))), 'B')
            || setweight(to_tsvector('pg_catalog.english',
                                     words(coalesce(described.description,
                                                    ''))), 'C');
        search_readme := to_tsvector('pg_catalog.english',
                                     words(coalesce(described.readme, '')));
    end if;
end
$$;

comment on function cargo_store.crate_summary(bigint) is
    'The columns of crates that follow from its versions.';


create or replace function cargo_store.refresh_new_crates()
returns void
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    if not exists (select from crates c
                    where c.name_variants is null
                      and exists (select from versions v
                                   where v.crate_id = c.id))
    then
        return;
    end if;

    -- nobody publishes or counts by the functions of yesterday meanwhile
    lock table crates, version_downloads in share row exclusive mode;

    update crates c
       set (num_versions, default_version_id, max_version, max_stable_version,
            newest_version, name_variants, search_head, search_readme)
               = (select * from crate_summary(c.id))
     where c.name_variants is null
       and exists (select from versions v where v.crate_id = c.id);

    insert into crate_downloads (crate_id, registry_id, downloads, recent)
    select c.id, c.registry_id, coalesce(sum(d.downloads), 0),
           coalesce(sum(d.downloads)
                        filter (where d.date > recent_day(-90)), 0)
      from crates c
           join versions v on v.crate_id = c.id
           left join version_downloads d on d.version_id = v.id
     group by c.id
        on conflict do nothing;

    update crates c
       set popularity = popularity(d.downloads)
      from crate_downloads d
     where d.crate_id = c.id
       and c.popularity <> popularity(d.downloads);
end
$$;

comment on function cargo_store.refresh_new_crates() is
    'Fills the columns of crate_summary(), and crate_downloads, of crates that '
    'are older than these.';


create or replace function cargo_store.rfc3339(moment timestamptz)
returns text
language sql stable parallel safe
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select to_char($1 at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
$$;

comment on function cargo_store.rfc3339(timestamptz) is
    'A time as the web API writes it.';


create or replace function cargo_store.crate_object(
    crate cargo_store.crates,
    exact_match boolean)
returns json
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select json_build_object(
               'id', ($1).name,
               'name', ($1).name,
               'updated_at', rfc3339(($1).updated_at),
               'versions', null,
               'keywords', v.keywords,
               'categories', null,
               'badges', array[]::text[],
               'created_at', rfc3339(($1).created_at),
               'downloads', coalesce(d.downloads, 0),
               'recent_downloads', coalesce(d.recent, 0),
               'default_version', v.num,
               'num_versions', ($1).num_versions,
               'yanked', ($1).max_version is null,
               'max_version', coalesce(($1).max_version, '0.0.0'),
               'newest_version', coalesce(($1).newest_version, '0.0.0'),
               'max_stable_version', ($1).max_stable_version,
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
               'exact_match', $2,
               'trustpub_only', false)
      from (select '/api/v1/crates/' || ($1).name as path) l
           left join versions v on v.id = ($1).default_version_id
           left join crate_downloads d on d.crate_id = ($1).id;
$$;

comment on function cargo_store.crate_object(cargo_store.crates, boolean) is
    'A crate as crates.io shows it, described by its default version.';
