create or replace function cargo.download(
    registry text,
    caller cargo.caller,
    crate text,
    version text,
    out status integer,
    out body text,
    out account text,
    out token_name text,
    out private boolean,
    out limited boolean,
    out expires bigint,
    out restricted boolean,
    out hidden boolean,
    out checksum text,
    out version_id bigint)
language plpgsql stable security definer
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    access cargo_store.access := open_for_read(registry, caller);
    target record;
begin
    status := access.status;
    body := access.body;
    account := access.account;
    token_name := access.token_name;
    private := (access.settings).auth_required;
    limited := read_patterns(access) is not null;
    expires := expiry(access);

    if status <> 200 then
        return;
    end if;

    select * into target from find_version(access, crate, version);

    status := target.status;
    body := target.body;
    restricted := coalesce(target.restricted, false);
    hidden := target.crate_id is null and is_hidden(access, crate);
    checksum := target.checksum;
    version_id := target.version_id;
end
$$;

comment on function cargo.download(text, cargo.caller, text, text) is
    'The file of a version, yanked or not.  private, limited, expires: as of '
    'index_config(); restricted, hidden: as of index_document().  '
    '200 with the checksum that names the blob and the id to count under; '
    '401 no good token for a private registry; 403 one without the scope '
    'read, a login without rights; '
    '404 no such registry, crate or version.';


create or replace function cargo_store.recent_day(days integer)
returns date
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select (now() at time zone 'UTC')::date + $1;
$$;

comment on function cargo_store.recent_day(integer) is
    'Today (UTC) and so many days.  Recent is what is later than -90.';


create or replace function cargo_store.popularity(downloads bigint)
returns smallint
language sql immutable parallel safe
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select floor(2 * log(2, greatest($1, 0) + 1))::smallint;
$$;

comment on function cargo_store.popularity(bigint) is
    'crate_search.popularity.';


create or replace function cargo_store.refresh_popularity(version_ids bigint[])
returns void
language sql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    -- a row that is being written has its turn at the next download
    with rising as (
        select c.crate_id, popularity(d.downloads) as popularity
          from crate_search c
               join crate_downloads d on d.crate_id = c.crate_id
         where c.crate_id in (select v.crate_id from versions v
                               where v.id = any ($1))
           and c.popularity <> popularity(d.downloads)
           for no key update of c skip locked)
    update crate_search c
       set popularity = r.popularity
      from rising r
     where c.crate_id = r.crate_id;
$$;

comment on function cargo_store.refresh_popularity(bigint[]) is
    'After a count: brings crate_search.popularity of the crates of these '
    'versions up to date.';


create or replace function cargo_store.refresh_recent(crates integer)
returns void
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    stale bigint[];
begin
    stale := array(select d.crate_id
                     from crate_downloads d
                    where d.recent > 0
                      and d.recent_on < recent_day(0)
                    order by d.recent_on
                    limit crates
                      for no key update skip locked);

    -- a statement of its own: it sees what was counted before the locks
    update crate_downloads c
       set recent = coalesce((select sum(d.downloads)
                                from versions v
                                     join version_downloads d
                                       on d.version_id = v.id
                               where v.crate_id = c.crate_id
                                 and d.date > recent_day(-90)), 0),
           recent_on = recent_day(0)
     where c.crate_id = any (stale);
end
$$;

comment on function cargo_store.refresh_recent(integer) is
    'Takes the days that are no longer recent from so many crates, those first '
    'that wait longest.';


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
    -- wait for each other instead of running into a deadlock: all versions
    -- first, then the crates.  The lock keeps a version from going away
    -- between here and the foreign key's check.
    with wanted as (
        select w.id, sum(w.n) as n
          from unnest(version_ids, counts) w(id, n)
         where w.n > 0
         group by w.id),
    present as (
        select v.id, v.crate_id, w.n
          from wanted w
               join versions v on v.id = w.id
          order by v.id
           for key share of v),
    by_version as (
        insert into version_downloads as d (version_id, date, downloads)
        select p.id, recent_day(0), p.n
          from present p
         order by p.id
            on conflict (version_id, date) do update
           set downloads = d.downloads + excluded.downloads
        returning d.version_id),
    by_crate as (
        insert into crate_downloads as d
               (crate_id, registry_id, downloads, recent)
        select c.id, c.registry_id, p.n, p.n
          from (select p.crate_id, sum(p.n) as n
                  from by_version b
                       join present p on p.id = b.version_id
                 group by p.crate_id) p
               join crates c on c.id = p.crate_id
         order by c.id
            on conflict (crate_id) do update
           set downloads = d.downloads + excluded.downloads,
               recent = d.recent + excluded.recent)
    select count(*) into counted from by_version;

    perform refresh_popularity(version_ids);
    perform refresh_recent(100);
    perform forget_changes();

    status := 200;
    body := '{"counted":' || counted || '}';
end
$$;

comment on function cargo.count_downloads(bigint[], bigint[]) is
    'Adds to the downloads of today (UTC) and of the crates.  Versions that '
    'are no more are left out.  200 with the number of versions counted.';
