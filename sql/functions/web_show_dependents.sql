-- Who depends on a crate, and the calls about one crate.

create or replace function cargo_store.count_dependents(
    access cargo_store.access,
    canonical_name text)
returns bigint
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
set plan_cache_mode = force_custom_plan
as $$
begin
    -- as count_crates() has it
    if read_patterns(access) is null then
        return (select count(*)
                  from crate_mentions m
                 where m.registry_id = (access.settings).id
                   and m.kind = 'dependency'
                   and m.name = count_dependents.canonical_name)
               - (select count(*)
                    from crates c
                         join crate_mentions m on m.crate_id = c.id
                   where c.registry_id = (access.settings).id
                     and c.restricted
                     and m.kind = 'dependency'
                     and m.name = count_dependents.canonical_name
                     and not sees(c, access));
    end if;

    return (select count(*)
              from crate_mentions m
                   join crates c on c.id = m.crate_id
             where m.registry_id = (access.settings).id
               and m.kind = 'dependency'
               and m.name = count_dependents.canonical_name
               and sees(c, access));
end
$$;

comment on function cargo_store.count_dependents(cargo_store.access, text) is
    'How many crates that the caller sees depend on the crate.';


create or replace function cargo_store.dependents_answer(
    access cargo_store.access,
    crate cargo_store.crates,
    base_url text,
    query jsonb,
    out status integer,
    out body text)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    page constant record := read_page(query);
    ids  bigint[];
begin
    if page.refusal is not null then
        status := 400;
        body := page.refusal;
        return;
    end if;

    ids := array(
        select c.default_version_id
          from crate_mentions m
               join crates c on c.id = m.crate_id
               left join crate_downloads d on d.crate_id = c.id
         where m.registry_id = crate.registry_id
           and m.kind = 'dependency'
           and m.name = crate.canonical_name
           and sees(c, access)
         order by coalesce(d.downloads, 0) desc, c.id
        offset (page.page - 1) * page.per_page
         limit page.per_page);

    select json_build_object(
               'dependencies',
               coalesce(json_agg(dependency_object(
                                     e, crate.name, coalesce(d.downloads, 0))
                                 order by i.position), '[]'),
               'versions', listed_versions(ids, base_url),
               'meta', json_build_object(
                   'total', count_dependents(access, crate.canonical_name)))
      into body
      from unnest(ids) with ordinality i(id, position)
           join versions v on v.id = i.id
           left join crate_downloads d on d.crate_id = v.crate_id
           cross join lateral (
               select e
                 from dependencies e
                where e.version_id = v.id
                  and e.registry is null
                  and canonical_name(e.name) = crate.canonical_name
                order by e.position
                limit 1) e;

    status := 200;
end
$$;

comment on function cargo_store.dependents_answer(cargo_store.access,
                                                  cargo_store.crates, text,
                                                  jsonb) is
    'GET .../reverse_dependencies: crates of the same registry whose default '
    'version depends on this one, each once, the most downloaded first.  '
    'query: per_page, page.  200; 400 a bad argument.';


create or replace function cargo_store.crate_part(
    access cargo_store.access,
    base_url text,
    crate text,
    part text,
    query jsonb,
    out status integer,
    out body text)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    target constant record := find_crate(access, crate);
    row    cargo_store.crates;
begin
    select * into row
      from crates c
     where c.id = target.crate_id
       and c.default_version_id is not null;

    if not found then
        status := 404;
        body := no_crate(crate);
        return;
    end if;

    status := 200;

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
              from dependents_answer(access, row, base_url, query) a;

        when 'owners', 'owner_user', 'owner_team' then
            body := owners_answer(access, row.id, part, base_url);

        when 'following' then
            body := json_build_object(
                        'following',
                        exists (select from follows f
                                 where f.account_id = access.account_id
                                   and f.crate_id = row.id));

        else
            status := 404;
            body := 'Not Found';
    end case;
end
$$;

comment on function cargo_store.crate_part(cargo_store.access, text, text,
                                           text, jsonb) is
    'show_crate() for a caller that is known.  200; 400 a bad argument; '
    '404 no such crate or part.';


create or replace function cargo.show_crate(
    registry text,
    caller cargo.caller,
    base_url text,
    crate text,
    part text,
    query jsonb,
    out status integer,
    out body text,
    out account text,
    out token_name text)
language plpgsql volatile security definer
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    access cargo_store.access;
begin
    if part = 'following' then
        access := open_for_write(registry, caller, 'reader', '{read}');
    else
        access := open_for_read(registry, caller);
    end if;

    status := access.status;
    body := access.body;
    account := access.account;
    token_name := access.token_name;

    if status = 200 then
        select p.status, p.body into status, body
          from crate_part(access, base_url, crate, part, query) p;
    end if;
end
$$;

comment on function cargo.show_crate(text, cargo.caller, text, text, text,
                                     jsonb) is
    'part: crates, the crate itself; versions, downloads, '
    'reverse_dependencies, owners, owner_user, owner_team, following (does the '
    'caller?).  query: the decoded arguments.  base_url: of the server, '
    'without a slash at its end.  '
    '200; 400 a bad argument; 401 no good token for a private registry; '
    '403 one without the scope read, a login without rights, following '
    'without a good token; 404 no such registry, crate or part.';
