-- What servers ask to keep what they remember in step with the database.

create or replace function cargo_store.ring()
returns trigger
language plpgsql
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    notify cargo_changes;
    return null;
end
$$;

comment on function cargo_store.ring() is
    'Of the trigger of changes.  Payloads are all the same, so that PostgreSQL '
    'sends one for a transaction.  The setting cargo.ring: later, and the '
    'client calls cargo.ring() itself.';


create or replace trigger changes_ring
    after insert on cargo_store.changes
    for each statement
    when (current_setting('cargo.ring', true) is distinct from 'later')
    execute function cargo_store.ring();


create or replace function cargo.ring(
    out status integer,
    out body text)
language plpgsql volatile security definer
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    -- a bell that a crash swallows is made up for when the log is read next
    perform set_config('synchronous_commit', 'off', true);
    notify cargo_changes;
    status := 200;
end
$$;

comment on function cargo.ring() is
    'Tells all servers to look at the change log.  Who notifies holds a lock '
    'of the whole cluster until the commit is on disk, and all who do wait '
    'for each other; whoever writes much does it after the commit, with this.  '
    '200 with an empty body.';


create or replace function cargo_store.history()
returns text
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    cluster  text := '';
    timeline text := 'standby';
begin
    -- a hosted PostgreSQL may keep it to itself
    if has_function_privilege('pg_control_system()', 'execute') then
        select system_identifier::text into cluster from pg_control_system();
    end if;

    if not pg_is_in_recovery() then
        timeline := left(pg_walfile_name(pg_current_wal_insert_lsn()), 8);
    end if;

    -- and which of the logs that have been there: a dump brings another one
    return left(encode(sha256(convert_to(
                    concat_ws('/', cluster, timeline,
                              'cargo_store.changes'::regclass::oid),
                    'UTF8')), 'hex'), 8);
end
$$;

comment on function cargo_store.history() is
    'A short name of the sequence of transactions that this log knows.  It '
    'changes when a standby is promoted: the last transactions of the old '
    'primary may be unknown to it, and their numbers are given again.  It '
    'changes when a dump is put back, into this cluster or another one: '
    'numbers have gone on, and what the log told of since is lost.';


create or replace function cargo.changes(
    since text,
    out status integer,
    out body text)
language plpgsql stable security definer
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    -- all transactions before it are over, and those not seen yet come later
    next   constant xid8 := pg_snapshot_xmin(pg_current_snapshot());
    here   constant text := history();
    last   xid8;
    behind boolean;
    list   jsonb;
begin
    -- "history/transaction", what it cannot read is from somewhere else
    if since ~ '^[0-9a-f]{8}/[0-9]{1,19}$' and starts_with(since, here) then
        last := split_part(since, '/', 2)::xid8;
    end if;

    -- a database that has been restored may be behind what was read of it
    select coalesce(last not between k.since and next, true)
      into behind
      from changes_kept k;

    if not behind then
        select coalesce(jsonb_agg(jsonb_build_array(
                                      c.id, r.name, canonical_name(c.crate))),
                        '[]'),
               count(*) > 5000
          into list, behind
          from (select * from changes c
                 where c.xid >= last
                 order by c.xid
                 limit 5001) c
               left join registries r on r.id = c.registry_id;
    end if;

    status := 200;
    body := jsonb_build_object('next', here || '/' || next, 'all', behind,
                               'changes', case when behind then '[]'
                                               else list end,
                               'interface', (select jsonb_build_array(
                                                        i.oldest, i.newest)
                                               from interface() i));
end
$$;

comment on function cargo.changes(text) is
    'since: the "next" of the last answer (at most 32 characters), null at '
    'first.  200 with {"next", '
    '"all", "changes": [[id, registry, crate], ...]}: what has changed, some '
    'of it perhaps told before, since sequences and commits have not the same '
    'order; registry null: in every one, crate null: permissions.  all: there '
    'is too much to be told, or it is no longer known: everything has to be '
    'asked anew.  "interface": [oldest, newest], see interface().  Modules of '
    'all versions call this: it must never go away, nor say this otherwise.';


create or replace function cargo_store.forget_changes()
returns void
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    last xid8;
begin
    -- one at a time; the others come another time
    perform from changes_kept for update skip locked;

    if not found then
        return;
    end if;

    with gone as (
        delete from changes c
         where c.id in (select o.id
                          from (select * from changes
                                 order by id
                                 limit 10000) o
                         where o.created_at < now() - interval '1 day')
        returning c.xid)
    select max(g.xid) into last from gone g;

    update changes_kept k
       set since = greatest(k.since, (last::text::numeric + 1)::text::xid8)
     where last is not null;
end
$$;

comment on function cargo_store.forget_changes() is
    'Takes what is older than a day from the log.';
