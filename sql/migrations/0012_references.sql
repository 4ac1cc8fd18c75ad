-- Rows of registries and accounts are never deleted, which triggers see to from
-- now on (functions/references.sql).  What a publish writes is not checked
-- against them row by row: each check locks the row that it finds, and all who
-- publish at the same time find the same few.

-- as in 0010
lock table cargo_store.registries, cargo_store.versions,
           cargo_store.crate_downloads, cargo_store.crates,
           cargo_store.accounts, cargo_store.owners,
           cargo_store.crate_mentions, cargo_store.documents
    in access exclusive mode;

alter table cargo_store.crates
    drop constraint crates_registry_id_fkey;
alter table cargo_store.owners
    drop constraint owners_account_id_fkey;
alter table cargo_store.versions
    drop constraint versions_published_by_fkey;
alter table cargo_store.crate_mentions
    drop constraint crate_mentions_registry_id_fkey;
alter table cargo_store.crate_downloads
    drop constraint crate_downloads_registry_id_fkey;
alter table cargo_store.documents
    drop constraint documents_registry_id_fkey;

-- crates may have been deleted since 0011 copied them
do $$
begin
    perform cargo_store.copy_search_due();
end
$$;

-- nobody waits until all rows have been looked at: 0013 does that
alter table cargo_store.crate_search
    add foreign key (crate_id) references cargo_store.crates
        on delete cascade not valid;
