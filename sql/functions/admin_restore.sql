-- The end of a restore: what a dump holds, but must not be taken over.

create or replace function cargo_admin.finish_restore(backup text)
returns void
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    -- transaction numbers of the database that the dump is of
    truncate changes;
    delete from changes_kept;
    insert into changes_kept (since) values (pg_current_xact_id());

    drop schema cargo_restore cascade;

    perform audit_admin(null, 'restore', null, null, 200, '{}', null,
                        jsonb_build_object('backup', backup));
end
$$;

comment on function cargo_admin.finish_restore(text) is
    'Of the database as it is after its dump was read: begins the log of '
    'changes anew, and ends what cargoctl calls an interrupted restore.  '
    'backup: its name, for the audit log.';
