-- What the crates name: looked up by name, and counted, without reading their
-- versions.  Kept up to date by the trigger of functions/web_mentions.sql.

create table cargo_store.crate_mentions (
    crate_id    bigint not null references cargo_store.crates,
    registry_id bigint not null references cargo_store.registries,
    kind        text collate "C" not null
                    check (kind in ('keyword', 'category', 'dependency')),
    name        text collate "C" not null,
    primary key (crate_id, kind, name)
);

create index crate_mentions_name_idx
    on cargo_store.crate_mentions (registry_id, kind, name, crate_id);

comment on table cargo_store.crate_mentions is
    'keywords, categories and dependencies on the same registry of the '
    'default version of every crate';
comment on column cargo_store.crate_mentions.name is
    'in lower case; of a dependency the canonical name';

create table cargo_store.tags (
    id          bigint generated always as identity primary key,
    registry_id bigint not null references cargo_store.registries,
    kind        text collate "C" not null
                    check (kind in ('keyword', 'category')),
    name        text collate "C" not null,
    crates      bigint not null,
    created_at  timestamptz not null default now(),
    unique (registry_id, kind, name)
);

create index tags_used_idx
    on cargo_store.tags (registry_id, kind, name)
 where crates > 0;
create index tags_popular_idx
    on cargo_store.tags (registry_id, kind, crates desc, name)
 where crates > 0;

comment on column cargo_store.tags.crates is
    'how many crates mention it; 0: it is not shown';
