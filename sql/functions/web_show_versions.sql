-- A version, and what is told of it, as crates.io does.

create or replace function cargo_store.read_date(
    value text,
    out refusal text,
    out date date)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    if value is null then
        date := recent_day(0);
        return;
    end if;

    if value ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' collate "C" then
        date := value;
    else
        refusal := '`before_date` must be a date: YYYY-MM-DD';
    end if;

exception
    when data_exception then
        refusal := '`before_date` must be a date: YYYY-MM-DD';
end
$$;

comment on function cargo_store.read_date(text) is
    'The last day that is asked for, today when none is; refusal (400) is null '
    'when all is well.';


create or replace function cargo_store.version_downloads_answer(
    version_id bigint,
    query jsonb,
    out status integer,
    out body text)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    until record;
begin
    select * into until from read_date(query->>'before_date');

    if until.refusal is not null then
        status := 400;
        body := until.refusal;
        return;
    end if;

    select json_build_object(
               'version_downloads',
               coalesce(json_agg(downloads_object(d.version_id, d.downloads,
                                                  d.date)
                                 order by d.date),
                        '[]'))
      into body
      from version_downloads d
     where d.version_id = version_downloads_answer.version_id
       and d.date > until.date - 90
       and d.date <= until.date;

    status := 200;
end
$$;

comment on function cargo_store.version_downloads_answer(bigint, jsonb) is
    'GET .../downloads of a version: ninety days until before_date.  '
    '200; 400 no date.';


create or replace function cargo_store.dependencies_answer(version_id bigint)
returns text
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select json_build_object(
               'dependencies',
               coalesce(json_agg(dependency_object(d, d.name, 0)
                                 order by d.optional, d.name, d.position),
                        '[]'))
      from dependencies d
     where d.version_id = $1;
$$;

comment on function cargo_store.dependencies_answer(bigint) is
    'GET .../dependencies.';


create or replace function cargo_store.authors_answer(version_id bigint)
returns text
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    -- names: the addresses are nobody's business
    select json_build_object(
               'users', array[]::text[],
               'meta', json_build_object(
                   'names', array(select regexp_replace(a.author, ' *<.*', '')
                                    from unnest(v.authors) with ordinality
                                         a(author, position)
                                   order by a.position)))
      from versions v
     where v.id = $1;
$$;

comment on function cargo_store.authors_answer(bigint) is
    'GET .../authors: the names in Cargo.toml.';


create or replace function cargo.show_version(
    registry text,
    caller cargo.caller,
    base_url text,
    crate text,
    version text,
    part text,
    query jsonb,
    out status integer,
    out body text,
    out account text,
    out token_name text)
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

    if status <> 200 then
        return;
    end if;

    select * into target from find_version(access, crate, version);

    status := target.status;
    body := target.body;

    if status <> 200 then
        return;
    end if;

    case part
        when 'crates' then
            select json_build_object('version', o.object)
              into body
              from version_objects(array[target.version_id], base_url) o;

        when 'dependencies' then
            body := dependencies_answer(target.version_id);

        when 'downloads' then
            select a.status, a.body
              into status, body
              from version_downloads_answer(target.version_id, query) a;

        when 'authors' then
            body := authors_answer(target.version_id);

        else
            status := 404;
            body := 'Not Found';
    end case;
end
$$;

comment on function cargo.show_version(text, cargo.caller, text, text, text,
                                       text, jsonb) is
    'part: crates, the version itself; dependencies, downloads (query: '
    'before_date), authors.  base_url: of the server, without a slash at its '
    'end.  '
    '200; 400 a bad argument; 401 no good token for a private registry; '
    '403 one without the scope read, a login without rights; '
    '404 no such registry, crate, version or part.';


create or replace function cargo.readme(
    registry text,
    caller cargo.caller,
    crate text,
    version text,
    out status integer,
    out body text,
    out account text,
    out token_name text)
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

    if status <> 200 then
        return;
    end if;

    select * into target from find_version(access, crate, version);

    status := target.status;
    body := target.body;

    if status <> 200 then
        return;
    end if;

    select v.readme into body from versions v where v.id = target.version_id;

    if body is null then
        status := 404;
        body := format('crate `%s` version `%s` has no readme',
                       crate, version);
    end if;
end
$$;

comment on function cargo.readme(text, cargo.caller, text, text) is
    'The source text.  200; 401 no good token for a private registry; '
    '403 one without the scope read, a login without rights; '
    '404 no such registry, crate or version, or it has no readme.';
