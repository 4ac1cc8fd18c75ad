-- What search, and the objects of the web API, read of a crate without looking
-- at all its versions and downloads.  The columns are kept up to date by
-- cargo_store.index_changed(); what is still empty, because the crate is older,
-- is filled by functions/zx_refresh.sql in every migrate.

-- A trusted extension: the owner of the database may create it.  Only its
-- operator class is used, for LIKE, so that it may be in any schema.

do $$
begin
    if exists (select from pg_catalog.pg_extension
                where extname = 'pg_trgm')
    then
        return;
    end if;

    create extension pg_trgm schema public;

exception
    when insufficient_privilege or feature_not_supported or undefined_file
        or invalid_schema_name
    then
        raise exception 'the extension pg_trgm is needed, and role "%" cannot '
                        'create it: %', current_user, sqlerrm
            using errcode = sqlstate,
                  hint = 'Install the contrib modules of PostgreSQL if they '
                      || 'are missing. As a superuser run in this database: '
                      || 'create extension pg_trgm; Then run cargoctl migrate '
                      || 'again.';
end
$$;

alter table cargo_store.crates
    add num_versions       integer not null default 0,
    add default_version_id bigint
        references cargo_store.versions on delete set null,
    add max_version        text collate "C",
    add max_stable_version text collate "C",
    add newest_version     text collate "C",
    add popularity         smallint not null default 0,
    add name_variants      text[] collate "C",
    add search_head        tsvector,
    add search_readme      tsvector;

comment on column cargo_store.crates.default_version_id is
    'the highest stable version that is not yanked, else the highest not '
    'yanked, else the highest: the crate is described by this one; '
    'null: no version, the crate is not shown';
comment on column cargo_store.crates.max_version is
    'of the versions not yanked, as max_stable_version and newest_version';
comment on column cargo_store.crates.popularity is
    'the logarithm of crate_downloads.downloads: changes seldom enough to be '
    'in this table, and tells which crates are worth a closer look';
comment on column cargo_store.crates.name_variants is
    'the canonical name, and what remains of it without one letter: two names '
    'that are one mistake apart have one in common';
comment on column cargo_store.crates.search_head is
    'words of the name (A), the keywords (B) and the description (C)';

-- for the foreign key
create index crates_default_version_id_idx
    on cargo_store.crates (default_version_id);

create index crates_popularity_idx
    on cargo_store.crates (registry_id, popularity)
 where default_version_id is not null;
create index crates_updated_at_idx
    on cargo_store.crates (registry_id, updated_at, id)
 where default_version_id is not null;
create index crates_created_at_idx
    on cargo_store.crates (registry_id, created_at, id)
 where default_version_id is not null;

create index crates_name_variants_idx
    on cargo_store.crates using gin (name_variants);
create index crates_search_head_idx
    on cargo_store.crates using gin (search_head);
create index crates_search_readme_idx
    on cargo_store.crates using gin (search_readme);

do $$
begin
    execute format('create index crates_name_trigrams_idx '
                   'on cargo_store.crates '
                   'using gin (canonical_name %s.gin_trgm_ops)',
                   (select e.extnamespace::pg_catalog.regnamespace
                      from pg_catalog.pg_extension e
                     where e.extname = 'pg_trgm'));
end
$$;

-- A table of its own: a row of crates has many indexes, too many to touch
-- with every download.
create table cargo_store.crate_downloads (
    crate_id    bigint primary key references cargo_store.crates,
    registry_id bigint not null references cargo_store.registries,
    downloads   bigint not null default 0,
    recent      bigint not null default 0,
    recent_on   date not null default (now() at time zone 'UTC')::date
) with (fillfactor = 70);

comment on table cargo_store.crate_downloads is
    'the sums of version_downloads; a row for every crate with a version';
comment on column cargo_store.crate_downloads.recent is
    'of the last 90 days as seen on the day recent_on';

create index crate_downloads_downloads_idx
    on cargo_store.crate_downloads (registry_id, downloads, crate_id);
create index crate_downloads_recent_idx
    on cargo_store.crate_downloads (registry_id, recent, crate_id);
create index crate_downloads_stale_idx
    on cargo_store.crate_downloads (recent_on)
 where recent > 0;

comment on column cargo_store.changes.kind is
    'publish, yank, unyank: an index document; '
    'settings, role, token, account, owner: a permission';
