-- Teams, what a token may be used for, which names are whose, and which crates
-- not every reader sees.

-- who calls: the server passes what it found in the request
create type cargo.caller as (
    token   bytea,
    login   text,
    address text
);

comment on column cargo.caller.token is
    'SHA-256 of the token''s text; null: the request has none';
comment on column cargo.caller.login is
    'whom nginx itself has authenticated; counts when there is no token';
comment on column cargo.caller.address is
    'of the client, for the audit log';

alter table cargo_store.registries
    add new_crates      cargo_store.member_role not null default 'publisher',
    add quarantine_days integer not null default 30
                            check (quarantine_days >= 0);

comment on column cargo_store.registries.new_crates is
    'the role that it takes to publish a new crate';
comment on column cargo_store.registries.quarantine_days is
    'how long nobody may take the name of a deleted crate or version';

create table cargo_store.teams (
    id          integer generated always as identity primary key,
    name        text collate "C" not null
                    check (name ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$'),
    description text,
    created_at  timestamptz not null default now()
);

create unique index teams_name_key on cargo_store.teams (lower(name));

create table cargo_store.team_members (
    team_id    integer not null references cargo_store.teams
                   on delete cascade,
    account_id integer not null references cargo_store.accounts,
    primary key (account_id, team_id)
);

create index team_members_team_id_idx on cargo_store.team_members (team_id);

-- as members has them of accounts: who is in several teams has the highest
create table cargo_store.team_roles (
    registry_id bigint not null references cargo_store.registries,
    team_id     integer not null references cargo_store.teams
                    on delete cascade,
    role        cargo_store.member_role not null,
    primary key (team_id, registry_id)
);

create table cargo_store.team_owners (
    crate_id   bigint not null references cargo_store.crates,
    team_id    integer not null references cargo_store.teams,
    created_at timestamptz not null default now(),
    primary key (crate_id, team_id)
);

create index team_owners_team_id_idx on cargo_store.team_owners (team_id);

alter table cargo_store.crates
    add restricted boolean not null default false;

comment on column cargo_store.crates.restricted is
    'only its owners, its readers, maintainers and admins see it';

create index crates_restricted_idx on cargo_store.crates (registry_id)
 where restricted;

create table cargo_store.crate_readers (
    crate_id   bigint not null references cargo_store.crates,
    account_id integer not null references cargo_store.accounts,
    primary key (crate_id, account_id)
);

create table cargo_store.team_readers (
    crate_id bigint not null references cargo_store.crates,
    team_id  integer not null references cargo_store.teams on delete cascade,
    primary key (crate_id, team_id)
);

create index crate_readers_account_id_idx
    on cargo_store.crate_readers (account_id);
create index team_readers_team_id_idx on cargo_store.team_readers (team_id);

alter table cargo_store.reserved_names
    add prefix     boolean not null default false,
    add team_id    integer references cargo_store.teams,
    add created_at timestamptz not null default now();

drop index cargo_store.reserved_names_key;

create unique index reserved_names_key
    on cargo_store.reserved_names (canonical_name, prefix,
                                   coalesce(registry_id, 0));

comment on column cargo_store.reserved_names.prefix is
    'all names that begin like that';
comment on column cargo_store.reserved_names.team_id is
    'whose members may create such crates; null: nobody may';

alter table cargo_store.tokens
    add endpoint_scopes text[] collate "C"
        check (endpoint_scopes <@ array['read', 'publish-new',
                                        'publish-update', 'yank',
                                        'change-owners', 'admin']
               and endpoint_scopes <> '{}'),
    add crate_scopes text[] collate "C" check (crate_scopes <> '{}');

comment on column cargo_store.tokens.endpoint_scopes is
    'null: all that the account may do';
comment on column cargo_store.tokens.crate_scopes is
    'patterns as they were given, "name" or "prefix*"; null: every crate.  '
    'They limit what the token changes; of one that may only read, what it '
    'reads';

create table cargo_store.follows (
    account_id integer not null references cargo_store.accounts,
    crate_id   bigint not null references cargo_store.crates,
    primary key (account_id, crate_id)
);

create index follows_crate_id_idx on cargo_store.follows (crate_id);

alter table cargo_store.versions
    add has_lib   boolean,
    add bin_names text[];

comment on column cargo_store.versions.has_lib is
    'null, as bin_names: published before this was looked at';

comment on column cargo_store.changes.kind is
    'publish, yank, unyank, delete: an index document; '
    'settings, role, team, token, account, owner, readers: a permission';

-- What is known of a caller in a registry: made by open_for_read() and
-- open_for_write(), and handed on to all that decides, and to the audit log.
create type cargo_store.access as (
    status          integer,
    body            text,
    settings        cargo_store.registries,
    account_id      integer,
    account         text,
    role            cargo_store.member_role,
    token_id        bigint,
    token_name      text,
    last_used_at    timestamptz,
    expires_at      timestamptz,
    endpoint_scopes text[],
    crate_scopes    text[]
);

comment on column cargo_store.access.status is
    '200, or why the request is refused, with the sentence in body';
comment on column cargo_store.access.account is
    'the login; null, as account_id: nobody, or nobody who may be told apart';
comment on column cargo_store.access.crate_scopes is
    'canonical';
