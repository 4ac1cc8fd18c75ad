-- Which modules can work with this database: expand, then contract.
--
-- A migration and the functions that come with it are applied while nginx
-- serves with the module of the version before, so what that one calls has to
-- stay until the version after.  An interface is a number for all that the
-- module calls: t/interfaces/N lists it, and t/interface.t holds the database
-- to every list from the oldest to the newest.
--
-- To change what the module calls: make the new function, or the old name
-- with other arguments; keep the old one in functions/, for the sake of the
-- version before, and mark it with its interface; add one to newest here and
-- to NGX_HTTP_CARGO_INTERFACE, and write t/interfaces/N.  In the version
-- after that: add one to oldest and take the old one away.

create or replace function cargo_store.interface(
    out oldest integer,
    out newest integer)
language sql immutable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select 1, 1;
$$;

comment on function cargo_store.interface() is
    'The interfaces that the functions of this schema serve.';
