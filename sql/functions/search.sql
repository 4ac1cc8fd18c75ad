-- Finding crates.  Candidates are gathered class by class, each of them from
-- an index and at most a thousand, and only they are put in order: it takes
-- the same time however many crates there are.

create or replace function cargo_store.list_crates(
    registry_id bigint,
    sort text,
    first integer,
    count integer,
    out total bigint,
    out ids bigint[])
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
set plan_cache_mode = force_custom_plan
as $$
begin
    select count(*) into total
      from crates c
     where c.registry_id = list_crates.registry_id
       and c.default_version_id is not null;

    if first >= total then
        ids := '{}';

    elsif sort = 'downloads' then
        ids := array(select c.id
                       from crate_downloads d
                            join crates c on c.id = d.crate_id
                      where d.registry_id = list_crates.registry_id
                        and c.default_version_id is not null
                      order by d.downloads desc, d.crate_id desc
                     offset first limit list_crates.count);

    elsif sort = 'recent-downloads' then
        ids := array(select c.id
                       from crate_downloads d
                            join crates c on c.id = d.crate_id
                      where d.registry_id = list_crates.registry_id
                        and c.default_version_id is not null
                      order by d.recent desc, d.crate_id desc
                     offset first limit list_crates.count);

    elsif sort = 'recent-updates' then
        ids := array(select c.id
                       from crates c
                      where c.registry_id = list_crates.registry_id
                        and c.default_version_id is not null
                      order by c.updated_at desc, c.id desc
                     offset first limit list_crates.count);

    elsif sort = 'new' then
        ids := array(select c.id
                       from crates c
                      where c.registry_id = list_crates.registry_id
                        and c.default_version_id is not null
                      order by c.created_at desc, c.id desc
                     offset first limit list_crates.count);

    else
        ids := array(select c.id
                       from crates c
                      where c.registry_id = list_crates.registry_id
                        and c.default_version_id is not null
                      order by c.canonical_name
                     offset first limit list_crates.count);
    end if;
end
$$;

comment on function cargo_store.list_crates(bigint, text, integer, integer) is
    'A stretch of all crates of a registry, and how many there are.';


create or replace function cargo_store.wanted_name(q text)
returns text
language sql immutable parallel safe
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select w.name
      from (select canonical_name(regexp_replace(btrim(left($1, 200),
                                                       E' \t\r\n'),
                                                 '[[:space:]]+', '_', 'g'))
                       as name) w
     where w.name ~ '^[a-z0-9_]{1,65}$' collate "C";
$$;

comment on function cargo_store.wanted_name(text) is
    'What is searched for as (a piece of) a canonical name, perhaps with one '
    'letter too many; null when no name can be like that.';


create or replace function cargo_store.wanted_words(q text)
returns tsquery
language sql immutable parallel safe
set search_path = pg_catalog, cargo_store, pg_temp
set client_min_messages = warning
as $$
    select plainto_tsquery('pg_catalog.english',
                           coalesce(string_agg(w.word, ' '), ''))
      from (select s.word
              from unnest(string_to_array(words(left($1, 1000)), ' '))
                       with ordinality s(word, position)
             group by s.word
             order by min(s.position)
             limit 20) w;
$$;

comment on function cargo_store.wanted_words(text) is
    'The first twenty different words that are searched for: all of them have '
    'to be there.';


-- What the five below have in common: the first five thousand that an index of
-- words or letters gives; if these are all, the 500 most popular of them.  If
-- there are more, the crates are asked in the order of popularity, and 500 are
-- found soon.  The plans are not left to guesses: "+ 0" and "is true" keep the
-- planner from the other index.

create or replace function cargo_store.crates_with_prefix(
    registry_id bigint,
    wanted text)
returns bigint[]
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
set enable_seqscan = off
as $$
declare
    number bigint;
    ids    bigint[];
begin
    with m as materialized (
        select c.id, c.popularity
          from crates c
         where c.registry_id = crates_with_prefix.registry_id
           and c.canonical_name >= wanted
           and c.canonical_name < wanted || '~'
         limit 5000)
    select (select count(*) from m),
           array(select m.id from m order by m.popularity desc limit 500)
      into number, ids;

    if number = 5000 then
        ids := array(
            select c.id
              from crates c
             where starts_with(c.canonical_name, wanted) is true
               and c.registry_id = crates_with_prefix.registry_id
               and c.default_version_id is not null
             order by c.popularity desc
             limit 500);
    end if;

    return ids;
end
$$;

comment on function cargo_store.crates_with_prefix(bigint, text) is
    'Crates whose canonical names begin like that.';


create or replace function cargo_store.crates_with_piece(
    registry_id bigint,
    wanted text)
returns bigint[]
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
set enable_seqscan = off
as $$
declare
    pattern constant text := '%' || replace(wanted, '_', '\_') || '%';
    number  bigint;
    ids     bigint[];
begin
    -- an index of trigrams has no use for less
    if length(wanted) < 3 then
        return '{}';
    end if;

    with m as materialized (
        select c.id, c.popularity
          from crates c
         where c.canonical_name like pattern
           and c.registry_id + 0 = crates_with_piece.registry_id
         limit 5000)
    select (select count(*) from m),
           array(select m.id from m order by m.popularity desc limit 500)
      into number, ids;

    if number = 5000 then
        ids := array(
            select c.id
              from crates c
             where (c.canonical_name like pattern) is true
               and c.registry_id = crates_with_piece.registry_id
               and c.default_version_id is not null
             order by c.popularity desc
             limit 500);
    end if;

    return ids;
end
$$;

comment on function cargo_store.crates_with_piece(bigint, text) is
    'Crates whose canonical names contain that; none for less than three '
    'letters.';


create or replace function cargo_store.crates_misspelt(
    registry_id bigint,
    wanted text)
returns bigint[]
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
set enable_seqscan = off
as $$
begin
    -- two letters are no mistaken name
    if length(wanted) < 3 then
        return '{}';
    end if;

    return array(
        select m.id
          from (select c.id, c.popularity
                  from crates c
                 where c.name_variants && name_variants(wanted)
                   and c.registry_id + 0 = crates_misspelt.registry_id
                 limit 5000) m
         order by m.popularity desc
         limit 500);
end
$$;

comment on function cargo_store.crates_misspelt(bigint, text) is
    'Crates whose canonical names are one mistake away, or little more.';


create or replace function cargo_store.crates_with_words(
    registry_id bigint,
    words tsquery)
returns bigint[]
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
set enable_seqscan = off
as $$
declare
    number bigint;
    ids    bigint[];
begin
    with m as materialized (
        select c.id, c.popularity
          from crates c
         where c.search_head @@ words
           and c.registry_id + 0 = crates_with_words.registry_id
         limit 5000)
    select (select count(*) from m),
           array(select m.id from m order by m.popularity desc limit 500)
      into number, ids;

    if number = 5000 then
        ids := array(
            select c.id
              from crates c
             where (c.search_head @@ words) is true
               and c.registry_id = crates_with_words.registry_id
               and c.default_version_id is not null
             order by c.popularity desc
             limit 500);
    end if;

    return ids;
end
$$;

comment on function cargo_store.crates_with_words(bigint, tsquery) is
    'Crates with all the words in name, keywords and description.';


create or replace function cargo_store.crates_with_readme(
    registry_id bigint,
    words tsquery)
returns bigint[]
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
set enable_seqscan = off
as $$
    select array(
        select m.id
          from (select c.id, c.popularity
                  from crates c
                 where c.search_readme @@ $2
                   and c.registry_id + 0 = $1
                 limit 5000) m
         order by m.popularity desc
         limit 500);
$$;

comment on function cargo_store.crates_with_readme(bigint, tsquery) is
    'Crates with all the words in the readme, or some of them where there are '
    'very many.';


create or replace function cargo_store.search_candidates(
    registry_id bigint,
    wanted text,
    words tsquery)
returns table (crate_id bigint, class integer)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    -- the planner would call a function inside unnest() to see how much it
    -- gives, and then once more
    ids bigint[];
begin
    if wanted is not null then
        return query
        select c.id, 0
          from crates c
         where c.registry_id = search_candidates.registry_id
           and c.canonical_name = wanted;

        -- whoever finds the very crate has made no mistake
        if not found then
            ids := crates_misspelt(search_candidates.registry_id, wanted);
            return query select id, 5 from unnest(ids) id;
        end if;

        ids := crates_with_prefix(search_candidates.registry_id, wanted);
        return query select id, 1 from unnest(ids) id;

        -- who has so many to look at does not miss the rest, here and below
        if cardinality(ids) < 500 then
            ids := crates_with_piece(search_candidates.registry_id, wanted);
            return query select id, 2 from unnest(ids) id;
        end if;
    end if;

    if numnode(words) = 0 then
        return;
    end if;

    ids := crates_with_words(search_candidates.registry_id, words);

    return query
    select c.id, case when ts_filter(c.search_head, '{a,b}') @@ words
                      then 2 else 3 end
      from crates c
     where c.id = any (ids);

    if cardinality(ids) < 200 then
        ids := crates_with_readme(search_candidates.registry_id, words);
        return query select id, 4 from unnest(ids) id;
    end if;
end
$$;

comment on function cargo_store.search_candidates(bigint, text, tsquery) is
    'Crates of the wanted name (0), with names that begin with it (1), with a '
    'piece of it or all the words in name and keywords (2), with the '
    'description (3), or in the readme (4), of a name one letter away (5); a '
    'crate may be named more than once.';


create or replace function cargo_store.find_crates(
    registry_id bigint,
    q text,
    sort text,
    first integer,
    count integer,
    out total bigint,
    out ids bigint[])
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
set client_min_messages = warning
as $$
declare
    wanted constant text := wanted_name(q);
    words  constant tsquery := wanted_words(q);
begin
    ids := array(
        select f.crate_id
          from (select n.crate_id, min(n.class) as class
                  from search_candidates(find_crates.registry_id, wanted,
                                         words) n
                 group by n.crate_id) f
               join crates c on c.id = f.crate_id
               left join crate_downloads d on d.crate_id = f.crate_id
         where c.default_version_id is not null
         order by case when sort in ('relevance', 'downloads',
                                     'recent-downloads', 'recent-updates',
                                     'new')
                       then 0 end,
                  case when sort = 'relevance' then f.class end,
                  case sort when 'relevance' then d.downloads
                            when 'downloads' then d.downloads
                            when 'recent-downloads' then d.recent end
                      desc nulls last,
                  case sort when 'recent-updates' then c.updated_at
                            when 'new' then c.created_at end
                      desc nulls last,
                  c.canonical_name
         limit 1000);

    total := cardinality(ids);
    ids := ids[first + 1 : first + count];
end
$$;

comment on function cargo_store.find_crates(bigint, text, text, integer,
                                            integer) is
    'A stretch of the crates that were searched for, and how many were found: '
    'a thousand at most.';


create or replace function cargo.search_crates(
    registry text,
    token bytea,
    query jsonb,
    out status integer,
    out body text)
language plpgsql stable security definer
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    q      constant text := query->>'q';
    asked  constant boolean := coalesce(q ~ '[^[:space:]]', false);
    caller record;
    page   record;
    found  record;
    crates json;
begin
    select * into caller from open_for_read(registry, token);

    status := caller.status;
    body := caller.body;

    if status <> 200 then
        return;
    end if;

    select * into page from read_page(query);

    if page.refusal is not null then
        status := 400;
        body := page.refusal;
        return;
    end if;

    if asked then
        select * into found
          from find_crates(caller.registry_id, q,
                           coalesce(query->>'sort', 'relevance'),
                           (page.page - 1) * page.per_page, page.per_page);
    else
        select * into found
          from list_crates(caller.registry_id, query->>'sort',
                           (page.page - 1) * page.per_page, page.per_page);
    end if;

    select coalesce(json_agg(crate_object(
                                 c, asked and c.canonical_name
                                              is not distinct from
                                              wanted_name(q))
                             order by i.position),
                    '[]')
      into crates
      from unnest(found.ids) with ordinality i(id, position)
           join cargo_store.crates c on c.id = i.id;

    body := json_build_object(
                'crates', crates,
                'meta', page_meta(query, array['q', 'per_page', 'sort'],
                                  found.total, page.per_page, page.page));
end
$$;

comment on function cargo.search_crates(text, bytea, jsonb) is
    'query: the decoded arguments, each a string: q, per_page (1 to 100; 10), '
    'page (1), sort (relevance, the default with q; alphabetical, the default '
    'without; downloads, recent-downloads, recent-updates, new); others do not '
    'matter.  '
    '200 with {"crates": [...], "meta": {...}}; 400 a bad number; '
    '401 no good token for a private registry; 404 no such registry.';
