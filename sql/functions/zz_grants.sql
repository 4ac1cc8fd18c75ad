-- Runs after all others, in their transaction: what nginx may do is decided
-- here and nowhere else.

revoke all on schema cargo, cargo_admin, cargo_store from public, cargo_web;

revoke all on all tables in schema cargo, cargo_admin, cargo_store
    from public, cargo_web;
revoke all on all sequences in schema cargo, cargo_admin, cargo_store
    from public, cargo_web;
revoke all on all functions in schema cargo, cargo_admin, cargo_store
    from public, cargo_web;
revoke all on type cargo.caller, cargo_store.access, cargo_store.member_role
    from public, cargo_web;

grant usage on schema cargo to cargo_web;
grant usage on type cargo.caller to cargo_web;
grant execute on all functions in schema cargo to cargo_web;
