-- What servers ask to know whether they can do their work.

create or replace function cargo.ready(
    out status integer,
    out body text)
language plpgsql stable security definer
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    status := 200;

    select jsonb_build_object(
               'schema', coalesce(max(m.number), 0),
               'read_only',
               current_setting('transaction_read_only')::boolean)
      into body
      from migrations m;
end
$$;

comment on function cargo.ready() is
    '200 with {"schema", "read_only"}: the number of the last migration, and '
    'whether this database takes no writes: a standby, or one that is set to '
    'be read only.';
