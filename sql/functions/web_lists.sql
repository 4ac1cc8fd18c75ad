-- Lists of crates: all that one sees, or those that a filter leaves.

create or replace function cargo_store.without_yanked(query jsonb)
returns boolean
language sql immutable parallel safe
return coalesce(query->>'include_yanked' = 'no', false);

comment on function cargo_store.without_yanked(jsonb) is
    'Are crates left out of which every version is yanked?';


create or replace function cargo_store.count_crates(
    access cargo_store.access,
    among bigint[],
    unyanked boolean)
returns bigint
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
set plan_cache_mode = force_custom_plan
as $$
begin
    -- an index knows how many there are
    if not unyanked and not is_narrow(access, among) then
        return (select count(*)
                  from crates c
                 where c.registry_id = (access.settings).id
                   and c.default_version_id is not null)
               - (select count(*)
                    from hidden_crates(access) h
                         join crates c on c.id = h
                   where c.default_version_id is not null);
    end if;

    if not unyanked then
        return (select count(*)
                  from crate_search c
                 where c.registry_id = (access.settings).id
                   and sees(c, access)
                   and (among is null or c.crate_id = any (among)));
    end if;

    return (select count(*)
              from crates c
             where c.registry_id = (access.settings).id
               and c.max_version is not null
               and sees(c, access)
               and (among is null or c.id = any (among)));
end
$$;

comment on function cargo_store.count_crates(cargo_store.access, bigint[],
                                             boolean) is
    'How many crates the caller sees, of those among the ids if these are not '
    'null.  unyanked: only those with a version that is not yanked.';


create or replace function cargo_store.count_registry_downloads(
    access cargo_store.access)
returns bigint
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
set plan_cache_mode = force_custom_plan
as $$
begin
    if read_patterns(access) is null then
        return (select coalesce(sum(d.downloads), 0)
                  from crate_downloads d
                 where d.registry_id = (access.settings).id)
               - (select coalesce(sum(d.downloads), 0)
                    from hidden_crates(access) h
                         join crate_downloads d on d.crate_id = h);
    end if;

    return (select coalesce(sum(d.downloads), 0)
              from crates c
                   join crate_downloads d on d.crate_id = c.id
             where c.registry_id = (access.settings).id
               and sees(c, access));
end
$$;

comment on function cargo_store.count_registry_downloads(
    cargo_store.access) is
    'The downloads of all crates that the caller sees.';


-- What is listed often is in memory: a look at each crate that a filter or a
-- token leaves takes less time than reading the downloads of all of them.

create or replace function cargo_store.list_crates(
    access cargo_store.access,
    among bigint[],
    query jsonb,
    after_id bigint,
    first integer,
    count integer)
returns bigint[]
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
set random_page_cost = 1.1
as $$
declare
    key     constant text :=
        case query->>'sort' when 'downloads' then 'd.downloads'
                            when 'recent-downloads' then 'd.recent'
                            when 'recent-updates' then 'c.updated_at'
                            when 'new' then 'c.created_at'
                            else 'c.canonical_name' end;
    counted constant boolean := starts_with(key, 'd.');
    -- columns of one index, so that it can be read in its order
    id      constant text := case when counted then 'd.crate_id'
                                  else 'c.id' end;
    named   constant boolean := key = 'c.canonical_name';
    source  constant text :=
        'crates c' || case when counted then ' join crate_downloads d '
                                             'on d.crate_id = c.id '
                                             'and d.registry_id = $1'
                           else '' end;
    ids     bigint[];
begin
    execute 'select array(select c.id from ' || source
            || ' where c.registry_id = $1 and c.default_version_id is not null'
            || ' and sees(c, $2)'
            || case when among is not null then ' and c.id = any ($3)'
                    else '' end
            || case when without_yanked(query)
                    then ' and c.max_version is not null' else '' end
            || case when after_id is null then ''
                    else format(case when named then ' and %1$s > (%3$s)'
                                     else ' and (%1$s, %2$s) < ((%3$s), $4)'
                                end,
                                key, id, 'select ' || key || ' from ' || source
                                         || ' where c.id = $4') end
            || format(case when named then ' order by %s'
                           else ' order by %s desc, %s desc' end, key, id)
            || ' offset $5 limit $6)'
       into ids
      using (access.settings).id, access, among, after_id, first, count;

    return ids;
end
$$;

comment on function cargo_store.list_crates(cargo_store.access, bigint[],
                                            jsonb, bigint, integer,
                                            integer) is
    'A stretch of the crates that the caller sees, of those among the ids if '
    'these are not null; behind the crate after_id if not null.  query: sort, '
    'include_yanked.';
