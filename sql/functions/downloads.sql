create or replace function cargo.download(
    registry text,
    token bytea,
    crate text,
    version text,
    expected_checksum text,
    out status integer,
    out body text,
    out checksum text,
    out version_id bigint,
    out auth_required boolean)
language plpgsql stable security definer
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    caller record;
    target record;
begin
    select * into caller from open_for_read(registry, token);

    status := caller.status;
    body := caller.body;
    auth_required := caller.auth_required;

    if status <> 200 then
        return;
    end if;

    select * into target
      from find_version(caller.registry_id, crate, version);

    status := target.status;
    body := target.body;

    if status <> 200 then
        return;
    end if;

    if lower(expected_checksum) <> target.checksum then
        status := 404;
        body := format('crate `%s` version `%s` does not have the checksum '
                       '`%s`', crate, version, expected_checksum);
        return;
    end if;

    checksum := target.checksum;
    version_id := target.version_id;
end
$$;

comment on function cargo.download(text, bytea, text, text, text) is
    'The file of a version, yanked or not.  expected_checksum: hex, or null '
    'when the request named none.  '
    '200 with the checksum that names the blob and the id to count under; '
    '401 no good token for a private registry; '
    '404 no such registry, crate or version, or other checksum.';


create or replace function cargo.count_downloads(
    version_ids bigint[],
    counts bigint[],
    out status integer,
    out body text)
language plpgsql volatile security definer
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    counted integer;
begin
    -- In the order of the ids, so that servers that count at the same time
    -- wait for each other instead of running into a deadlock.  The lock keeps
    -- a version from going away between here and the foreign key's check.
    with wanted as (
        select w.id, sum(w.n) as n
          from unnest(version_ids, counts) w(id, n)
         where w.n > 0
         group by w.id),
    present as (
        select v.id, w.n
          from wanted w
               join versions v on v.id = w.id
           for key share of v)
    insert into version_downloads as d (version_id, date, downloads)
    select p.id, (now() at time zone 'UTC')::date, p.n
      from present p
     order by p.id
        on conflict (version_id, date) do update
       set downloads = d.downloads + excluded.downloads;

    get diagnostics counted = row_count;

    status := 200;
    body := '{"counted":' || counted || '}';
end
$$;

comment on function cargo.count_downloads(bigint[], bigint[]) is
    'Adds to the downloads of today (UTC).  Versions that are no more are '
    'left out.  200 with the number of versions counted.';
