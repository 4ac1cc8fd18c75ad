-- What was done and what was refused, and what is gone.  No foreign keys: both
-- tables outlive what they tell of.

create table cargo_store.audit (
    id         bigint generated always as identity primary key,
    created_at timestamptz not null default now(),
    registry   text collate "C",
    account    text collate "C",
    token_id   bigint,
    token_name text,
    address    text,
    action     text collate "C" not null,
    crate      text collate "C",
    version    text collate "C",
    status     integer not null,
    detail     text,
    before     jsonb,
    after      jsonb
);

create index audit_created_at_idx on cargo_store.audit using brin (created_at);
create index audit_crate_idx
    on cargo_store.audit (registry, replace(lower(crate), '-', '_'), id);
-- for the history of a version: what strangers are refused is not in the way
create index audit_done_idx
    on cargo_store.audit (registry, replace(lower(crate), '-', '_'), version)
 where status = 200;
create index audit_account_idx on cargo_store.audit (account, id);

comment on column cargo_store.audit.account is
    'login; of cargoctl "cargoctl:" and the role of the database; null: '
    'nobody that the registry knows';
comment on column cargo_store.audit.status is
    'of HTTP: 200 was done, 400 and more refused';
comment on column cargo_store.audit.detail is
    'why it was refused';

create table cargo_store.deletions (
    id             bigint generated always as identity primary key,
    registry_id    bigint not null references cargo_store.registries,
    name           text collate "C" not null,
    canonical_name text collate "C" not null
                       generated always as (replace(lower(name), '-', '_'))
                       stored,
    version        text collate "C",
    deleted_by     text collate "C" not null,
    deleted_at     timestamptz not null default now(),
    reason         text not null,
    restricted     boolean not null,
    reserved_until timestamptz not null
);

create index deletions_name_idx
    on cargo_store.deletions (registry_id, canonical_name);

comment on column cargo_store.deletions.version is
    'null: the crate with all its versions';
comment on column cargo_store.deletions.restricted is
    'the crate was, and who asks for its name is told no more than that it is '
    'taken';
comment on column cargo_store.deletions.reserved_until is
    'until then nobody may publish it again';

-- who depends on a crate that is to be deleted, with any version
create index dependencies_name_idx
    on cargo_store.dependencies (replace(lower(name collate "C"), '-', '_'))
 where registry is null;
