-- Runs before all other files that define functions, in their transaction.
-- They replace triggers, and each of these locks a table against those who
-- write: taken here in the order in which all others take them, and none of
-- them twice, a stronger lock after a weaker one, which nobody gets while
-- somebody publishes.

lock table cargo_store.registries, cargo_store.accounts
    in share row exclusive mode;

do $$
begin
    -- zv_search.sql drops indexes, too
    if to_regclass('cargo_store.crate_search_due') is not null then
        lock table cargo_store.crates in access exclusive mode;
    else
        lock table cargo_store.crates in share row exclusive mode;
    end if;
end
$$;

lock table cargo_store.changes in share row exclusive mode;
