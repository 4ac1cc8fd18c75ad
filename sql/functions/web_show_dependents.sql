-- Who depends on a crate, and the calls about one crate.

create or replace function cargo_store.dependents_answer(
    crate cargo_store.crates,
    base_url text,
    query jsonb,
    out status integer,
    out body text)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    page  record;
    total bigint;
begin
    select * into page from read_page(query);

    if page.refusal is not null then
        status := 400;
        body := page.refusal;
        return;
    end if;

    select count(*) into total
      from crate_mentions m
     where m.registry_id = crate.registry_id
       and m.kind = 'dependency'
       and m.name = crate.canonical_name;

    with found as materialized (
        select c.name, c.default_version_id, coalesce(d.downloads, 0)
                   as downloads,
               row_number() over (order by coalesce(d.downloads, 0) desc,
                                           c.id) as position
          from crate_mentions m
               join crates c on c.id = m.crate_id
               left join crate_downloads d on d.crate_id = c.id
         where m.registry_id = crate.registry_id
           and m.kind = 'dependency'
           and m.name = crate.canonical_name
         order by position
        offset (page.page - 1) * page.per_page
         limit page.per_page)
    select json_build_object(
               'dependencies',
               coalesce(json_agg(dependency_object(d, crate.name, f.downloads)
                                 order by f.position), '[]'),
               'versions',
               coalesce(json_agg(version_object(v, f.name, base_url)
                                 order by f.position), '[]'),
               'meta', json_build_object('total', total))
      into body
      from found f
           join versions v on v.id = f.default_version_id
           cross join lateral (
               select e.*
                 from dependencies e
                where e.version_id = v.id
                  and e.registry is null
                  and canonical_name(e.name) = crate.canonical_name
                order by e.position
                limit 1) e
           join dependencies d on d.version_id = e.version_id
                              and d.position = e.position;

    status := 200;
end
$$;

comment on function cargo_store.dependents_answer(cargo_store.crates, text,
                                                  jsonb) is
    'GET .../reverse_dependencies: crates of the same registry whose default '
    'version depends on this one, each once, the most downloaded first.  '
    'query: per_page, page.  200; 400 a bad argument.';


create or replace function cargo.show_crate(
    registry text,
    token bytea,
    base_url text,
    crate text,
    part text,
    query jsonb,
    out status integer,
    out body text)
language plpgsql stable security definer
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    caller record;
    target record;
    row    cargo_store.crates;
begin
    select * into caller from open_for_read(registry, token);

    status := caller.status;
    body := caller.body;

    if status <> 200 then
        return;
    end if;

    select * into target from find_crate(caller.registry_id, crate);

    select * into row
      from crates c
     where c.id = target.crate_id
       and c.default_version_id is not null;

    if not found then
        status := 404;
        body := no_crate(crate);
        return;
    end if;

    case part
        when 'crates' then
            select a.status, a.body into status, body
              from crate_answer(row, base_url, query) a;

        when 'versions' then
            select a.status, a.body into status, body
              from versions_answer(row, base_url, query) a;

        when 'downloads' then
            select a.status, a.body into status, body
              from crate_downloads_answer(row, base_url, query) a;

        when 'reverse_dependencies' then
            select a.status, a.body into status, body
              from dependents_answer(row, base_url, query) a;

        when 'owner_team' then
            body := '{"teams":[]}';

        else
            status := 404;
            body := 'Not Found';
    end case;
end
$$;

comment on function cargo.show_crate(text, bytea, text, text, text, jsonb) is
    'part: crates, the crate itself; versions, downloads, '
    'reverse_dependencies, owner_team.  query: the decoded arguments.  '
    'base_url: of the server, without a slash at its end.  '
    '200; 400 a bad argument; 401 no good token for a private registry; '
    '404 no such registry, crate or part.';
