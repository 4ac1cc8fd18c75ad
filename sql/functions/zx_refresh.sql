-- Runs after the functions it calls have been made: crates that were published
-- before there was a search are found as well.

do $$
begin
    perform cargo_store.refresh_new_crates();
end
$$;
