-- Runs after the functions that know of crate_search have been made, and in
-- their transaction: what those before them have changed since migration 0011
-- filled it, it is told of here.  Nothing to do from the second time on.

do $$
begin
    if to_regclass('cargo_store.crate_search_due') is null then
        return;
    end if;

    -- nobody adds to it any more
    lock table cargo_store.crates in access exclusive mode;

    perform cargo_store.store_search(c)
       from cargo_store.crates c
      where c.id in (select d.crate_id from cargo_store.crate_search_due d);

    update cargo_store.crate_search s
       set popularity = cargo_store.popularity(d.downloads)
      from cargo_store.crate_downloads d
     where d.crate_id = s.crate_id
       and s.crate_id in (select n.crate_id
                            from cargo_store.crate_search_due n)
       and s.popularity <> cargo_store.popularity(d.downloads);

    drop trigger crates_search_due on cargo_store.crates;
    drop function cargo_store.note_search_due();
    drop table cargo_store.crate_search_due;

    drop index cargo_store.crates_name_variants_idx,
               cargo_store.crates_search_head_idx,
               cargo_store.crates_search_readme_idx,
               cargo_store.crates_name_trigrams_idx,
               cargo_store.crates_popularity_idx;
end
$$;
