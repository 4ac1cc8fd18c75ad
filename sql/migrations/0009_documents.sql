-- The index documents, whole: a read that the cache cannot answer is a look at
-- one row, however many versions there are.  Kept up to date by
-- cargo_store.store_document(); what has no row here has its document put
-- together from its versions when somebody asks for it.  All crates start like
-- that: cargoctl migrate stores them afterwards, some at a time.

create table cargo_store.documents (
    registry_id bigint not null references cargo_store.registries,
    name        text collate "C" not null,
    crate_id    bigint not null unique references cargo_store.crates
                    on delete cascade,
    modified    bigint not null,
    body        text not null,
    primary key (registry_id, name)
);

comment on table cargo_store.documents is
    'of crates that are not restricted: whoever may read in the registry may '
    'be given them.  Long ones are not stored, since every publish would '
    'write them anew';
comment on column cargo_store.documents.name is
    'as in the index: lower case, "-" and "_" as they are';
comment on column cargo_store.documents.modified is
    'crates.index_modified, in seconds since 1970';

-- the faster of the two methods of compression, where the server was built
-- with it

do $$
begin
    alter table cargo_store.documents alter column body set compression lz4;
exception
    when feature_not_supported then
        null;
end
$$;
