-- Runs after all files that define functions, in their transaction: what they
-- no longer define, or now define with other arguments, must not be left for
-- anybody to call.

do $$
declare
    stale text;
begin
    select string_agg(p.oid::pg_catalog.regprocedure::text, ', ') into stale
      from pg_catalog.pg_proc p
           join pg_catalog.pg_namespace n on n.oid = p.pronamespace
     where n.nspname in ('cargo', 'cargo_admin', 'cargo_store')
       and p.xmin <> pg_catalog.pg_current_xact_id()::xid;

    if stale is not null then
        execute 'drop function ' || stale;
    end if;
end
$$;
