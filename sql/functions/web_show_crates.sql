-- A crate, and what is told of it, as crates.io does.

create or replace function cargo_store.crate_with(
    crate cargo_store.crates,
    wanted text[])
returns json
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select with_members(o.object, json_build_object(
               'versions', case when 'versions' = any ($2) then
                   array(select v.id
                           from versions v
                          where v.crate_id = ($1).id
                          order by v.sort_key desc) end,
               'keywords', case when 'keywords' = any ($2)
                                then d.keywords end,
               'categories', case when 'categories' = any ($2)
                                  then d.categories end,
               'links', case when 'versions' = any ($2)
                             then with_members(o.object->'links',
                                               '{"versions":null}')
                             else o.object->'links' end))
      from (select crate_object($1, false) as object) o,
           versions d
     where d.id = ($1).default_version_id;
$$;

comment on function cargo_store.crate_with(cargo_store.crates, text[]) is
    'The crate with those of versions, keywords and categories that are '
    'wanted.';


create or replace function cargo_store.listed_versions(
    ids bigint[],
    base_url text)
returns json
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select coalesce(json_agg(o.object order by i.position), '[]')
      from unnest($1) with ordinality i(id, position)
           join version_objects($1, $2) o on o.id = i.id;
$$;

comment on function cargo_store.listed_versions(bigint[], text) is
    'Versions in the order of the ids.';


create or replace function cargo_store.crate_answer(
    crate cargo_store.crates,
    base_url text,
    query jsonb,
    out status integer,
    out body text)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    known  constant text[] := array['versions', 'keywords', 'categories',
                                    'badges', 'downloads', 'default_version',
                                    'full'];
    wanted text[] := string_to_array(coalesce(query->>'include', 'full'), ',');
begin
    if not wanted <@ known then
        status := 400;
        body := 'invalid component for ?include= (expected ''versions'', '
                '''keywords'', ''categories'', ''badges'', ''downloads'', '
                '''default_version'', or ''full'')';
        return;
    end if;

    if 'full' = any (wanted) then
        wanted := known;
    end if;

    select json_build_object(
               'crate', crate_with(crate, wanted),
               'versions', case when 'versions' = any (wanted) then
                   listed_versions(array(select v.id
                                           from versions v
                                          where v.crate_id = crate.id
                                          order by v.sort_key desc),
                                   base_url) end,
               'keywords', case when 'keywords' = any (wanted) then
                   (select coalesce(json_agg(keyword_object(t)
                                             order by t.name),
                                    '[]')
                      from crate_tags(crate.id, 'keyword') t) end,
               'categories', case when 'categories' = any (wanted) then
                   (select coalesce(json_agg(category_object(t)
                                             order by t.name),
                                    '[]')
                      from crate_tags(crate.id, 'category') t) end)
      into body;

    status := 200;
end
$$;

comment on function cargo_store.crate_answer(cargo_store.crates, text,
                                             jsonb) is
    'GET of a crate; query: include.  200; 400 a bad argument.';


create or replace function cargo_store.crate_tags(
    crate_id bigint,
    kind text)
returns setof cargo_store.tags
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select t.*
      from crate_mentions m
           join tags t on t.registry_id = m.registry_id
                      and t.kind = m.kind
                      and t.name = m.name
     where m.crate_id = $1
       and m.kind = $2;
$$;

comment on function cargo_store.crate_tags(bigint, text) is
    'The keywords or the categories of a crate.';


create or replace function cargo_store.release_tracks(crate_id bigint)
returns json
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select coalesce(json_object_agg(t.track,
                                    json_build_object('highest', t.num)
                                    order by t.sort_key desc),
                    '{}')
      from (select distinct on (n.track) n.track, n.num, n.sort_key
              from (select v.num, v.sort_key,
                           substring(v.num from '^(?:0\.)?[0-9]+') as track
                      from versions v
                     where v.crate_id = $1
                       and not v.yanked
                       and strpos(v.num_without_build, '-') = 0) n
             order by n.track, n.sort_key desc) t;
$$;

comment on function cargo_store.release_tracks(bigint) is
    'The highest stable version, not yanked, of every "1", "2", "0.1", "0.2".';


create or replace function cargo_store.list_versions(
    crate_id bigint,
    by_date boolean,
    nums text[],
    after_id bigint,
    count integer,
    out total bigint,
    out ids bigint[],
    out more boolean)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    select count(*) into total
      from versions v
     where v.crate_id = list_versions.crate_id
       and (nums is null or v.num = any (nums));

    ids := array(
        select v.id
          from versions v
               left join versions a on a.id = after_id
         where v.crate_id = list_versions.crate_id
           and (nums is null or v.num = any (nums))
           and (after_id is null
                or case when by_date
                        then (v.created_at, v.id) < (a.created_at, a.id)
                        else v.sort_key < a.sort_key end)
         order by case when by_date then v.created_at end desc,
                  case when by_date then v.id end desc,
                  v.sort_key desc
         limit list_versions.count + 1);

    more := coalesce(cardinality(ids) > list_versions.count, false);
    ids := ids[1 : coalesce(list_versions.count, cardinality(ids))];
end
$$;

comment on function cargo_store.list_versions(bigint, boolean, text[], bigint,
                                              integer) is
    'A stretch of the versions of a crate, those with the nums if not null, '
    'behind the version after_id if not null; how many there are in all, and '
    'whether more follow.  count: null for all.';


create or replace function cargo_store.read_version_seek(
    crate_id bigint,
    query jsonb,
    out refusal text,
    out per_page integer,
    out after_id bigint)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    seek constant text := query->>'seek';
    page record;
begin
    select * into page from read_page(query);

    if query->>'page' is not null then
        refusal := case when seek is null
                        then '`page` is not supported here, `seek` is'
                        else 'providing both ?page= and ?seek= is unsupported'
                        end;

    elsif page.refusal is not null then
        refusal := page.refusal;

    elsif query->>'per_page' is not null or seek is not null then
        per_page := page.per_page;

        select v.id into after_id
          from versions v
         where v.id = read_id(seek)
           and v.crate_id = read_version_seek.crate_id;

        if not found and seek is not null then
            refusal := 'invalid seek parameter';
        end if;
    end if;
end
$$;

comment on function cargo_store.read_version_seek(bigint, jsonb) is
    'The arguments per_page (null: all) and seek, the id of the last version '
    'of the page before; refusal (400) is null when all is well.';


create or replace function cargo_store.versions_answer(
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
    found record;
    nums  text[];
    meta  json;
begin
    select * into page from read_version_seek(crate.id, query);

    if page.refusal is not null then
        status := 400;
        body := page.refusal;
        return;
    end if;

    if jsonb_typeof(query->'nums[]') = 'array' then
        nums := array(select jsonb_array_elements_text(query->'nums[]'));
    end if;

    select * into found
      from list_versions(crate.id,
                         coalesce(lower(query->>'sort') = 'date', false),
                         nums, page.after_id, page.per_page);

    meta := json_build_object(
                'total', found.total,
                'next_page',
                case when found.more
                     then page_query(query, array['per_page', 'sort', 'include',
                                                  'nums[]'],
                                     'seek=' || found.ids[
                                                    cardinality(found.ids)])
                end);

    if 'release_tracks' = any (string_to_array(query->>'include', ',')) then
        meta := and_members(meta,
                            json_build_object('release_tracks',
                                              release_tracks(crate.id)));
    end if;

    body := json_build_object('versions', listed_versions(found.ids, base_url),
                              'meta', meta);
    status := 200;
end
$$;

comment on function cargo_store.versions_answer(cargo_store.crates, text,
                                                jsonb) is
    'GET .../versions; query: per_page, seek, sort (semver, date), nums[], '
    'include (release_tracks).  200; 400 a bad argument.';


create or replace function cargo_store.crate_downloads_answer(
    crate cargo_store.crates,
    base_url text,
    query jsonb,
    out status integer,
    out body text)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    latest  constant bigint[] := array(select v.id
                                         from versions v
                                        where v.crate_id = crate.id
                                        order by v.sort_key desc
                                        limit 5);
    listed  constant boolean :=
        coalesce('versions' = any (string_to_array(query->>'include', ',')),
                 false);
    days    json;
    extra   json;
    objects json;
begin
    select json_agg(downloads_object(d.version_id, d.downloads, d.date)
                    order by d.date, d.version_id)
      into days
      from version_downloads d
     where d.version_id = any (latest)
       and d.date > recent_day(-90);

    select json_agg(json_build_object('date', d.date,
                                      'downloads', d.downloads)
                    order by d.date)
      into extra
      from (select d.date, sum(d.downloads) as downloads
              from versions v
                   join version_downloads d on d.version_id = v.id
             where v.crate_id = crate.id
               and v.id <> all (latest)
               and d.date > recent_day(-90)
             group by d.date) d;

    if listed then
        objects := listed_versions(latest, base_url);
    end if;

    select json_object_agg(m.name, m.value order by m.position)
      into body
      from (values ('version_downloads', coalesce(days, '[]'), 1),
                   ('versions', objects, 2),
                   ('meta', json_build_object('extra_downloads',
                                              coalesce(extra, '[]')), 3))
           m(name, value, position)
     where listed
        or m.name <> 'versions';

    status := 200;
end
$$;

comment on function cargo_store.crate_downloads_answer(cargo_store.crates,
                                                       text, jsonb) is
    'GET .../downloads of a crate: ninety days of its five highest versions, '
    'and of all others together.  query: include (versions).  200.';
