-- Finding crates.  Candidates are gathered class by class, each of them from
-- an index and at most a thousand, and only they are put in order: it takes
-- the same time however many crates there are.

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


-- What the five below have in common: of the crates that the caller sees, and
-- that are among the ids if these are not null, those that an index of words or
-- letters gives; if these are fewer than ten thousand, the 500 most popular of
-- them.  If there are more, the crates are asked in the order of popularity,
-- and 500 are found soon: of 200,000, both ways look at ten thousand at most.
-- Of what is_narrow() few may be popular; it is looked at all.  The plans are
-- not left to guesses: "+ 0" and "is true" keep the planner from the other
-- index, and a plan is made for the caller at hand, so that it asks nothing
-- about those who see everything, and of a token for some names only an index
-- of names, too.

create or replace function cargo_store.crates_with_prefix(
    access cargo_store.access,
    among bigint[],
    wanted text)
returns bigint[]
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_custom_plan
as $$
declare
    number bigint := 0;
begin
    -- the index alone says whether there are so many
    if not is_narrow(access, among) then
        select count(*) into number
          from (select
                  from crate_search c
                 where c.registry_id = (access.settings).id
                   and c.canonical_name >= wanted
                   and c.canonical_name < wanted || '~'
                 limit 10000) m;
    end if;

    if number = 10000 then
        return array(
            select c.crate_id
              from crate_search c
             where starts_with(c.canonical_name, wanted) is true
               and c.registry_id = (access.settings).id
               and sees(c, access)
             order by c.popularity desc
             limit 500);
    end if;

    return array(
        select c.crate_id
          from crate_search c
         where c.registry_id = (access.settings).id
           and c.canonical_name >= wanted
           and c.canonical_name < wanted || '~'
           and sees(c, access)
           and (among is null or c.crate_id = any (among))
         order by c.popularity desc
         limit 500);
end
$$;

comment on function cargo_store.crates_with_prefix(cargo_store.access,
                                                   bigint[], text) is
    'Crates whose canonical names begin like that.';


create or replace function cargo_store.crates_with_piece(
    access cargo_store.access,
    among bigint[],
    wanted text)
returns bigint[]
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_custom_plan
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
        select c.crate_id, c.popularity
          from crate_search c
         where c.canonical_name like pattern
           and c.registry_id + 0 = (access.settings).id
           and sees(c, access)
           and (among is null or c.crate_id = any (among))
         limit 10000)
    select (select count(*) from m),
           array(select m.crate_id from m order by m.popularity desc limit 500)
      into number, ids;

    if number = 10000 then
        ids := array(
            select c.crate_id
              from crate_search c
             where (c.canonical_name like pattern) is true
               and c.registry_id = (access.settings).id
               and sees(c, access)
               and (among is null or c.crate_id = any (among))
             order by c.popularity desc
             limit 500);
    end if;

    return ids;
end
$$;

comment on function cargo_store.crates_with_piece(cargo_store.access,
                                                  bigint[], text) is
    'Crates whose canonical names contain that; none for less than three '
    'letters.';


create or replace function cargo_store.crates_misspelt(
    access cargo_store.access,
    among bigint[],
    wanted text)
returns bigint[]
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_custom_plan
as $$
begin
    -- two letters are no mistaken name
    if length(wanted) < 3 then
        return '{}';
    end if;

    return array(
        select m.crate_id
          from (select c.crate_id, c.popularity
                  from crate_search c
                 where c.name_variants && name_variants(wanted)
                   and c.registry_id + 0 = (access.settings).id
                   and sees(c, access)
                   and (among is null or c.crate_id = any (among))
                 limit 5000) m
         order by m.popularity desc
         limit 500);
end
$$;

comment on function cargo_store.crates_misspelt(cargo_store.access,
                                                bigint[], text) is
    'Crates whose canonical names are one mistake away, or little more.';


create or replace function cargo_store.crates_with_words(
    access cargo_store.access,
    among bigint[],
    words tsquery)
returns bigint[]
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_custom_plan
as $$
declare
    number bigint;
    ids    bigint[];
begin
    -- an index of words cannot say how many there are without looking at them:
    -- where one in twenty of the most popular has them, 500 are found soon
    if not is_narrow(access, among) then
        select count(*) into number
          from (select c.search_head
                  from crate_search c
                 where c.registry_id = (access.settings).id
                 order by c.popularity desc
                 limit 1000) m
         where (m.search_head @@ words) is true;
    end if;

    if number is null or number < 50 then
        with m as materialized (
            select c.crate_id, c.popularity
              from crate_search c
             where c.search_head @@ words
               and c.registry_id + 0 = (access.settings).id
               and sees(c, access)
               and (among is null or c.crate_id = any (among))
             limit 10000)
        select (select count(*) from m),
               array(select m.crate_id
                       from m
                      order by m.popularity desc
                      limit 500)
          into number, ids;

        if number < 10000 then
            return ids;
        end if;
    end if;

    return array(
        select c.crate_id
          from crate_search c
         where (c.search_head @@ words) is true
           and c.registry_id = (access.settings).id
           and sees(c, access)
           and (among is null or c.crate_id = any (among))
         order by c.popularity desc
         limit 500);
end
$$;

comment on function cargo_store.crates_with_words(cargo_store.access,
                                                  bigint[], tsquery) is
    'Crates with all the words in name, keywords and description.';


create or replace function cargo_store.crates_with_readme(
    access cargo_store.access,
    among bigint[],
    words tsquery)
returns bigint[]
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_custom_plan
as $$
begin
    return array(
        select m.crate_id
          from (select c.crate_id, c.popularity
                  from crate_search c
                 where c.search_readme @@ words
                   and c.registry_id + 0 = (access.settings).id
                   and sees(c, access)
                   and (among is null or c.crate_id = any (among))
                 limit 5000) m
         order by m.popularity desc
         limit 500);
end
$$;

comment on function cargo_store.crates_with_readme(cargo_store.access,
                                                   bigint[], tsquery) is
    'Crates with all the words in the readme, or some of them where there are '
    'very many.';


create or replace function cargo_store.search_candidates(
    access cargo_store.access,
    among bigint[],
    wanted text,
    words tsquery,
    by_relevance boolean)
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
         where c.registry_id = (access.settings).id
           and c.canonical_name = wanted
           and sees(c, access)
           and (among is null or c.id = any (among));

        -- whoever finds the very crate has made no mistake
        if not found then
            ids := crates_misspelt(access, among, wanted);
            return query select id, 5 from unnest(ids) id;
        end if;

        ids := crates_with_prefix(access, among, wanted);
        return query select id, 1 from unnest(ids) id;

        -- who has so many to look at does not miss the rest, here and below
        if cardinality(ids) < 500 then
            ids := crates_with_piece(access, among, wanted);
            return query select id, 2 from unnest(ids) id;

        elsif by_relevance then
            return;
        end if;
    end if;

    if numnode(words) = 0 then
        return;
    end if;

    ids := crates_with_words(access, among, words);

    return query
    select c.crate_id, case when ts_filter(c.search_head, '{a,b}') @@ words
                            then 2 else 3 end
      from crate_search c
     where c.crate_id = any (ids);

    if cardinality(ids) < 200 then
        ids := crates_with_readme(access, among, words);
        return query select id, 4 from unnest(ids) id;
    end if;
end
$$;

comment on function cargo_store.search_candidates(cargo_store.access,
                                                  bigint[], text, tsquery,
                                                  boolean) is
    'Crates of the wanted name (0), with names that begin with it (1), with a '
    'piece of it or all the words in name and keywords (2), with the '
    'description (3), or in the readme (4), of a name one letter away (5); a '
    'crate may be named more than once.  by_relevance: who is given 500 names '
    'that begin with it is not given what comes after them.';


create or replace function cargo_store.find_crates(
    access cargo_store.access,
    among bigint[],
    query jsonb)
returns bigint[]
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
set client_min_messages = warning
as $$
declare
    wanted   constant text := wanted_name(query->>'q');
    words    constant tsquery := wanted_words(query->>'q');
    sort     constant text := coalesce(query->>'sort', 'relevance');
    unyanked constant boolean := without_yanked(query);
begin
    return array(
        select f.crate_id
          from (select n.crate_id, min(n.class) as class
                  from search_candidates(access, among, wanted, words,
                                         sort = 'relevance') n
                 group by n.crate_id) f
               join crates c on c.id = f.crate_id
               left join crate_downloads d on d.crate_id = f.crate_id
         where c.default_version_id is not null
           and (not unyanked or c.max_version is not null)
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
end
$$;

comment on function cargo_store.find_crates(cargo_store.access, bigint[],
                                            jsonb) is
    'The crates that are searched for, a thousand at most, of those among the '
    'ids if these are not null; query: q, sort, include_yanked.';


create or replace function cargo_store.read_seek(
    access cargo_store.access,
    query jsonb,
    out refusal text,
    out after_id bigint)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    if query->>'seek' is null then
        return;
    end if;

    if query->>'page' is not null then
        refusal := 'providing both ?page= and ?seek= is unsupported';
        return;
    end if;

    -- whoever could start behind a hidden crate would learn its place
    select c.id into after_id
      from crates c
     where c.id = read_id(query->>'seek')
       and c.registry_id = (access.settings).id
       and sees(c, access);

    if not found then
        refusal := 'invalid seek parameter';
    end if;
end
$$;

comment on function cargo_store.read_seek(cargo_store.access, jsonb) is
    'The argument seek of a list of crates, the id of the last crate of the '
    'page before; refusal (400) is null when all is well.';


create or replace function cargo_store.crates_page(
    access cargo_store.access,
    among bigint[],
    query jsonb,
    after_id bigint,
    first integer,
    count integer,
    out total bigint,
    out ids bigint[])
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    if query->>'q' ~ '[^[:space:]]' then
        ids := find_crates(access, among, query);
        total := cardinality(ids);

        if after_id is not null then
            first := coalesce(array_position(ids, after_id), total);
        end if;

        ids := ids[first + 1 : first + count];
        return;
    end if;

    total := count_crates(access, among, without_yanked(query));
    ids := case when first < total
                then list_crates(access, among, query, after_id, first, count)
                else '{}' end;
end
$$;

comment on function cargo_store.crates_page(cargo_store.access, bigint[],
                                            jsonb, bigint, integer,
                                            integer) is
    'A stretch of the crates that match q, or of all when there is no q, and '
    'how many there are.';


create or replace function cargo_store.crates_answer(
    access cargo_store.access,
    query jsonb,
    out status integer,
    out body text)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    arguments constant text[] := array['q', 'category', 'keyword',
                                       'all_keywords', 'letter', 'user_id',
                                       'team_id', 'following', 'ids[]',
                                       'include_yanked', 'per_page', 'sort'];
    page      constant record := read_page(query);
    seek      constant record := read_seek(access, query);
    filter    constant record := read_filter(access, query);
    wanted    constant text := wanted_name(query->>'q');
    found     record;
    last_id   bigint;
begin
    status := 400;
    body := coalesce(page.refusal, seek.refusal, filter.refusal);

    if body is not null then
        return;
    end if;

    -- one more tells whether there is a next page
    select * into found
      from crates_page(access, filter.ids, query, seek.after_id,
                       (page.page - 1) * page.per_page, page.per_page + 1);

    if cardinality(found.ids) > page.per_page then
        last_id := found.ids[page.per_page];
    end if;

    select json_build_object(
               'crates',
               coalesce(json_agg(crate_object(
                                     c, coalesce(c.canonical_name = wanted,
                                                 false))
                                 order by i.position),
                        '[]'),
               'meta',
               case when query->>'page' is null
                    then seek_meta(query, arguments, found.total, last_id)
                    else page_meta(query, arguments, found.total,
                                   page.per_page, page.page) end)
      into body
      from unnest(found.ids[1 : page.per_page]) with ordinality i(id, position)
           join crates c on c.id = i.id;

    status := 200;
end
$$;

comment on function cargo_store.crates_answer(cargo_store.access, jsonb) is
    'GET crates.  Whoever asks for no page by its number reads on behind the '
    'last crate, whatever has come meanwhile.  200; 400 a bad argument.';


create or replace function cargo.search_crates(
    registry text,
    caller cargo.caller,
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
    if query->'following' is null then
        access := open_for_read(registry, caller);
    else
        access := open_for_write(registry, caller, 'reader', '{read}');
    end if;

    status := access.status;
    body := access.body;
    account := access.account;
    token_name := access.token_name;

    if status = 200 then
        select a.status, a.body into status, body
          from crates_answer(access, query) a;
    end if;
end
$$;

comment on function cargo.search_crates(text, cargo.caller, jsonb) is
    'query: the decoded arguments, each a string: q, per_page (1 to 100; 10), '
    'page (1) or seek, sort (relevance, the default with q; alphabetical, the '
    'default without; downloads, recent-downloads, recent-updates, new), '
    'those of read_filter(), include_yanked (no); others do not matter.  '
    '200 with {"crates": [...], "meta": {...}}; 400 a bad argument; '
    '401 no good token for a private registry; 403 one without the scope '
    'read, a login without rights, following without a good token; '
    '404 no such registry.';
