-- What crates.io tells of the registry as a whole.  Keywords and categories are
-- counted, and shown, of crates that everybody sees.

create or replace function cargo_store.popular_tags(
    registry_id bigint,
    kind text,
    by_name boolean,
    first integer,
    count integer)
returns setof cargo_store.tags
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
set plan_cache_mode = force_custom_plan
as $$
begin
    if by_name then
        return query
        select *
          from tags t
         where t.registry_id = popular_tags.registry_id
           and t.kind = popular_tags.kind
           and t.crates > 0
         order by t.name
        offset first limit popular_tags.count;
    else
        return query
        select *
          from tags t
         where t.registry_id = popular_tags.registry_id
           and t.kind = popular_tags.kind
           and t.crates > 0
         order by t.crates desc, t.name
        offset first limit popular_tags.count;
    end if;
end
$$;

comment on function cargo_store.popular_tags(bigint, text, boolean, integer,
                                             integer) is
    'A stretch of the keywords or categories in use, by name or the most used '
    'first.  count: null for all.';


create or replace function cargo_store.top_crates(
    access cargo_store.access,
    sort text)
returns json
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select coalesce(json_agg(crate_object(c, false) order by i.position), '[]')
      from list_crates($1, null, jsonb_build_object('sort', $2), null, 0, 10) l,
           unnest(l) with ordinality i(id, position)
           join crates c on c.id = i.id;
$$;

comment on function cargo_store.top_crates(cargo_store.access, text) is
    'The first ten crates in this order.';


create or replace function cargo_store.summary_answer(
    access cargo_store.access)
returns text
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select json_build_object(
               'num_downloads', count_registry_downloads($1),
               'num_crates', count_crates($1, null, false),
               'new_crates', top_crates($1, 'new'),
               'most_downloaded', top_crates($1, 'downloads'),
               'most_recently_downloaded', top_crates($1, 'recent-downloads'),
               'just_updated', top_crates($1, 'recent-updates'),
               'popular_keywords',
               (select coalesce(json_agg(keyword_object(t)
                                         order by t.crates desc, t.name),
                                '[]')
                  from popular_tags((($1).settings).id, 'keyword', false, 0,
                                    10) t),
               'popular_categories',
               (select coalesce(json_agg(category_object(t)
                                         order by t.crates desc, t.name),
                                '[]')
                  from popular_tags((($1).settings).id, 'category', false, 0,
                                    10) t));
$$;

comment on function cargo_store.summary_answer(cargo_store.access) is
    'GET summary.';


create or replace function cargo_store.tags_answer(
    registry_id bigint,
    kind text,
    query jsonb,
    out status integer,
    out body text)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    by_name constant boolean :=
        coalesce(query->>'sort' <> 'crates', true);
    page    record;
    total   bigint;
    objects json;
begin
    select * into page from read_page(query);

    if page.refusal is not null then
        status := 400;
        body := page.refusal;
        return;
    end if;

    select count(*) into total
      from tags t
     where t.registry_id = tags_answer.registry_id
       and t.kind = tags_answer.kind
       and t.crates > 0;

    select json_agg(case t.kind when 'keyword' then keyword_object(t)
                                else category_object(t) end
                    order by case when not by_name then t.crates end desc,
                             t.name)
      into objects
      from popular_tags(tags_answer.registry_id, tags_answer.kind, by_name,
                        (page.page - 1) * page.per_page, page.per_page) t;

    status := 200;
    body := json_build_object(
                case kind when 'keyword' then 'keywords'
                          else 'categories' end,
                coalesce(objects, '[]'),
                'meta', json_build_object('total', total));
end
$$;

comment on function cargo_store.tags_answer(bigint, text, jsonb) is
    'GET keywords and GET categories, those in use; query: sort (alpha, '
    'crates), per_page, page.  200; 400 a bad argument.';


create or replace function cargo_store.slugs_answer(registry_id bigint)
returns text
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select json_build_object(
               'category_slugs',
               coalesce(json_agg(json_build_object('id', t.name,
                                                   'slug', t.name,
                                                   'description', '')
                                 order by t.name),
                        '[]'))
      from popular_tags($1, 'category', true, 0, null) t;
$$;

comment on function cargo_store.slugs_answer(bigint) is
    'GET category_slugs.';


create or replace function cargo_store.keyword_answer(
    registry_id bigint,
    keyword text,
    out status integer,
    out body text)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    select 200, json_build_object('keyword', keyword_object(t))
      into status, body
      from tags t
     where t.registry_id = keyword_answer.registry_id
       and t.kind = 'keyword'
       and t.name = lower(keyword collate "C")
       and t.crates > 0;

    if not found then
        status := 404;
        body := format('Not Found: no crate has the keyword `%s`', keyword);
    end if;
end
$$;

comment on function cargo_store.keyword_answer(bigint, text) is
    'GET of a keyword.  200; 404 no crate has it.';


create or replace function cargo_store.category_answer(
    registry_id bigint,
    slug text,
    out status integer,
    out body text)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    wanted constant text := lower(slug collate "C");
    parts  constant text[] := string_to_array(left(wanted, 200), '::');
begin
    select 200,
           json_build_object(
               'category',
               and_members(category_object(t), json_build_object(
                      'subcategories',
                      (select coalesce(json_agg(category_object(s)
                                                 order by s.name),
                                       '[]')
                         from tags s
                        where s.registry_id = t.registry_id
                          and s.kind = 'category'
                          and s.crates > 0
                          and s.name > t.name || '::'
                          and s.name < t.name || ':;'
                          and strpos(substr(s.name, length(t.name) + 3),
                                     '::') = 0),
                      'parent_categories',
                      (select coalesce(json_agg(category_object(p)
                                                 order by p.name),
                                       '[]')
                         from tags p
                        where p.registry_id = t.registry_id
                          and p.kind = 'category'
                          and p.crates > 0
                          and p.name = any (
                              select array_to_string(parts[1 : i], '::')
                                from generate_series(1, cardinality(parts)
                                                        - 1) i)))))
      into status, body
      from tags t
     where t.registry_id = category_answer.registry_id
       and t.kind = 'category'
       and t.name = wanted
       and t.crates > 0;

    if not found then
        status := 404;
        body := format('Not Found: no crate has the category `%s`', slug);
    end if;
end
$$;

comment on function cargo_store.category_answer(bigint, text) is
    'GET of a category.  200; 404 no crate has it.';


create or replace function cargo_store.tags_part(
    registry_id bigint,
    part text,
    name text,
    query jsonb,
    out status integer,
    out body text)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    if part = 'category_slugs' then
        status := 200;
        body := slugs_answer(registry_id);

    elsif name is null then
        select a.status, a.body into status, body
          from tags_answer(registry_id,
                           case part when 'keywords' then 'keyword'
                                     else 'category' end, query) a;

    elsif part = 'keywords' then
        select a.status, a.body into status, body
          from keyword_answer(registry_id, name) a;

    else
        select a.status, a.body into status, body
          from category_answer(registry_id, name) a;
    end if;
end
$$;

comment on function cargo_store.tags_part(bigint, text, text, jsonb) is
    'show_registry() of keywords and categories.  200; 400 a bad argument; '
    '404 no crate has it.';


create or replace function cargo.show_registry(
    registry text,
    caller cargo.caller,
    base_url text,
    part text,
    name text,
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
begin
    status := access.status;
    body := access.body;
    account := access.account;
    token_name := access.token_name;

    if status <> 200 then
        return;
    end if;

    case part
        when 'summary' then
            body := summary_answer(access);

        when 'keywords', 'categories', 'category_slugs' then
            select a.status, a.body into status, body
              from tags_part((access.settings).id, part, name, query) a;

        when 'users', 'stats', 'teams' then
            select a.status, a.body into status, body
              from people_part(access, part, name, base_url) a;

        when 'site_metadata' then
            body := '{"deployed_sha":"unknown","commit":"unknown",'
                    '"cdn_base":null,"read_only":false,'
                    '"banner_message":null}';

        else
            status := 404;
            body := 'Not Found';
    end case;
end
$$;

comment on function cargo.show_registry(text, cargo.caller, text, text, text,
                                        jsonb) is
    'part: summary, keywords, categories, category_slugs, users, stats (of a '
    'user), teams, site_metadata; name: one keyword, category, login, id of a '
    'user or team, or null for the list.  query: the decoded arguments.  '
    'base_url: of the server, without a slash at its end.  '
    '200; 400 a bad argument; 401 no good token for a private registry; '
    '403 one without the scope read, a login without rights; '
    '404 no such registry, part, keyword, category, user or team.';
