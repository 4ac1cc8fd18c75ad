-- In place of foreign keys to what never goes, see migration 0012.

create or replace function cargo_store.refuse_deletion()
returns trigger
language plpgsql
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    raise exception 'rows of % are never deleted', tg_relid::regclass
        using errcode = 'restrict_violation';
end
$$;

comment on function cargo_store.refuse_deletion() is
    'Of the triggers of tables that others refer to without a foreign key.';


create or replace trigger registries_kept
    before delete or truncate on cargo_store.registries
    for each statement
    execute function cargo_store.refuse_deletion();


create or replace trigger accounts_kept
    before delete or truncate on cargo_store.accounts
    for each statement
    execute function cargo_store.refuse_deletion();
