-- Locks nobody out.

alter table cargo_store.crate_search
    validate constraint crate_search_crate_id_fkey;
