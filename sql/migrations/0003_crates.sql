-- Crates, their versions, and what happens to them.  Collation "C" wherever a
-- name is compared: names are ASCII, and an index in byte order survives a
-- change of the operating system's collations.

create table cargo_store.crates (
    id             bigint generated always as identity primary key,
    registry_id    bigint not null references cargo_store.registries,
    name           text collate "C" not null
                       check (name ~ '^[A-Za-z][A-Za-z0-9_-]{0,63}$'),
    canonical_name text collate "C" not null
                       generated always as (replace(lower(name), '-', '_'))
                       stored,
    index_modified timestamptz not null default 'epoch'
                       check (index_modified
                              = date_trunc('second', index_modified)),
    created_at     timestamptz not null default now(),
    updated_at     timestamptz not null default now(),
    unique (registry_id, canonical_name)
);

comment on column cargo_store.crates.index_modified is
    'Last-Modified of the index document: whole seconds, since HTTP has no '
    'finer; rises by a second or more at every change of the document';

create table cargo_store.versions (
    id                bigint generated always as identity primary key,
    crate_id          bigint not null references cargo_store.crates,
    num               text collate "C" not null,
    num_without_build text collate "C" not null
                          generated always as (split_part(num, '+', 1)) stored,
    sort_key          text collate "C" not null,
    checksum          bytea not null check (length(checksum) = 32),
    size              bigint not null check (size > 0),
    yanked            boolean not null default false,
    yank_message      text,
    index_head        text not null check (strpos(index_head, E'\n') = 0),
    index_tail        text not null check (strpos(index_tail, E'\n') = 0),
    features          jsonb not null,
    links             text,
    rust_version      text,
    edition           text,
    description       text,
    homepage          text,
    documentation     text,
    repository        text,
    license           text,
    license_file      text,
    readme            text,
    readme_file       text,
    keywords          text[] not null,
    categories        text[] not null,
    authors           text[] not null,
    published_by      integer not null references cargo_store.accounts,
    created_at        timestamptz not null,
    updated_at        timestamptz not null default now(),
    unique (crate_id, num_without_build)
);

-- the index document: all versions of a crate, in publish order
create unique index versions_document_idx
    on cargo_store.versions (crate_id, id);

create index versions_checksum_idx on cargo_store.versions (checksum);

comment on column cargo_store.versions.sort_key is
    'byte order is the precedence of the versions';
comment on column cargo_store.versions.index_head is
    'the index line up to the value of "yanked", the only one that changes; '
    'index_tail is the rest';

create table cargo_store.dependencies (
    version_id       bigint not null references cargo_store.versions,
    position         integer not null,
    name             text collate "C" not null,
    alias            text,
    req              text not null,
    kind             text not null check (kind in ('normal', 'build', 'dev')),
    target           text,
    registry         text,
    optional         boolean not null,
    default_features boolean not null,
    features         text[] not null,
    artifact         text[],
    bindep_target    text,
    lib              boolean not null,
    primary key (version_id, position)
);

comment on column cargo_store.dependencies.name is
    'the package''s real name; alias is its key in Cargo.toml when renamed';
comment on column cargo_store.dependencies.registry is
    'index URL; null: the registry of the crate itself';

create table cargo_store.owners (
    crate_id   bigint not null references cargo_store.crates,
    account_id integer not null references cargo_store.accounts,
    created_at timestamptz not null default now(),
    primary key (crate_id, account_id)
);

create index owners_account_id_idx on cargo_store.owners (account_id);

create table cargo_store.reserved_names (
    registry_id    bigint references cargo_store.registries,
    canonical_name text collate "C" not null
);

create unique index reserved_names_key
    on cargo_store.reserved_names (canonical_name, coalesce(registry_id, 0));

comment on column cargo_store.reserved_names.registry_id is
    'null: every registry';

-- names of the toolchain's own crates and of Windows' devices, as crates.io
-- reserves them
insert into cargo_store.reserved_names (canonical_name)
select replace(name, '-', '_')
  from unnest(string_to_array(
           'alloc arena ast builtins collections compiler-builtins '
           'compiler-rt compiletest core coretest debug driver flate '
           'fmt_macros grammar graphviz macro macros proc_macro rbml '
           'rust-installer rustbook rustc rustc_back rustc_borrowck '
           'rustc_driver rustc_llvm rustc_resolve rustc_trans rustc_typeck '
           'rustdoc rustllvm rustuv serialize std syntax test unicode '
           'nul con prn aux '
           'com1 com2 com3 com4 com5 com6 com7 com8 com9 '
           'lpt1 lpt2 lpt3 lpt4 lpt5 lpt6 lpt7 lpt8 lpt9', ' ')) name;

-- A row for every change of an index document or of a permission, in the
-- transaction of the change.  Numbers are not in commit order: a reader goes
-- by xid and the oldest transaction still running.  No foreign keys: the log
-- outlives what it tells of.
create table cargo_store.changes (
    id          bigint generated always as identity primary key,
    xid         xid8 not null default pg_current_xact_id(),
    registry_id bigint,
    crate       text collate "C",
    kind        text not null,
    created_at  timestamptz not null default now()
);

create index changes_xid_idx on cargo_store.changes (xid);

comment on column cargo_store.changes.registry_id is
    'null: every registry';
comment on column cargo_store.changes.crate is
    'name in the index (lower case); null: every crate';
comment on column cargo_store.changes.kind is
    'publish, yank, unyank: an index document; '
    'settings, role, token, account: a permission';

create table cargo_store.version_downloads (
    version_id bigint not null references cargo_store.versions,
    date       date not null,
    downloads  bigint not null,
    primary key (version_id, date)
);
