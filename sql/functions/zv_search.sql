-- Runs after the functions that know of crate_search have been made, and in
-- their transaction: what those before them have changed since migration 0012
-- is copied here for the last time.  Nothing to do from the second time on.

do $$
begin
    if to_regclass('cargo_store.crate_search_due') is null then
        return;
    end if;

    perform cargo_store.copy_search_due();

    -- the functions that know it go with all that are no longer defined
    drop trigger crates_search_due on cargo_store.crates;
    drop table cargo_store.crate_search_due;

    drop index cargo_store.crates_name_variants_idx,
               cargo_store.crates_search_head_idx,
               cargo_store.crates_search_readme_idx,
               cargo_store.crates_name_trigrams_idx,
               cargo_store.crates_popularity_idx;
end
$$;
