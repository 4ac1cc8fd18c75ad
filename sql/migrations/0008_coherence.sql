-- How servers hear of changes: a trigger rings for every transaction that
-- writes to the change log, and cargo.changes() reads it.

-- again in functions/, which is what is in force
create function cargo_store.ring()
returns trigger
language plpgsql
as $$
begin
    notify cargo_changes;
    return null;
end
$$;

create trigger changes_ring
    after insert on cargo_store.changes
    for each statement
    execute function cargo_store.ring();

create table cargo_store.changes_kept (
    since xid8 not null
);

create unique index changes_kept_key on cargo_store.changes_kept ((true));

comment on column cargo_store.changes_kept.since is
    'the log is whole for transactions from here on';

insert into cargo_store.changes_kept (since)
values (pg_current_xact_id());
