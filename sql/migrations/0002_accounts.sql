-- Who may do what, where.

-- in rising order: each role may do what the ones before it may
create type cargo_store.member_role as enum
    ('reader', 'publisher', 'maintainer', 'admin');

-- Every column but id, name and created_at is a setting that
-- cargo_admin.set_registry() accepts under the column's name.
create table cargo_store.registries (
    id                          bigint generated always as identity
                                    primary key,
    name                        text collate "C" not null unique
                                    check (name ~ '^[a-z][a-z0-9_-]{0,63}$'),
    auth_required               boolean not null default false,
    require_description         boolean not null default true,
    require_license             boolean not null default true,
    allow_wildcard_dependencies boolean not null default false,
    allow_unknown_dependencies  boolean not null default false,
    max_dependencies            integer not null default 500
                                    check (max_dependencies >= 0),
    max_features                integer not null default 300
                                    check (max_features >= 0),
    max_keywords                integer not null default 5
                                    check (max_keywords >= 0),
    max_categories              integer not null default 5
                                    check (max_categories >= 0),
    description_max             integer not null default 1000
                                    check (description_max >= 0),
    created_at                  timestamptz not null default now()
);

comment on column cargo_store.registries.auth_required is
    'reading needs a token too (cargo''s auth-required)';
comment on column cargo_store.registries.allow_unknown_dependencies is
    'a dependency on this registry may name a crate that is not in it yet';

-- integer: the web API of cargo carries an account's id in 32 bits
create table cargo_store.accounts (
    id          integer generated always as identity primary key,
    login       text collate "C" not null
                    check (login ~ '^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$'),
    name        text,
    email       text,
    kind        text not null check (kind in ('person', 'service')),
    disabled_at timestamptz,
    created_at  timestamptz not null default now()
);

create unique index accounts_login_key on cargo_store.accounts (lower(login));

create table cargo_store.members (
    registry_id bigint not null references cargo_store.registries,
    account_id  integer not null references cargo_store.accounts,
    role        cargo_store.member_role not null,
    primary key (account_id, registry_id)
);

create table cargo_store.tokens (
    id           bigint generated always as identity primary key,
    account_id   integer not null references cargo_store.accounts,
    registry_id  bigint references cargo_store.registries,
    name         text not null,
    hash         bytea not null unique check (length(hash) = 32),
    created_at   timestamptz not null default now(),
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_at timestamptz
);

create index tokens_account_id_idx on cargo_store.tokens (account_id);

comment on column cargo_store.tokens.registry_id is
    'null: every registry that the account is a member of';
comment on column cargo_store.tokens.hash is
    'SHA-256 of the token''s text, which is kept nowhere';
comment on column cargo_store.tokens.last_used_at is
    'to the minute; reads count once for each run of cargo (config.json)';
