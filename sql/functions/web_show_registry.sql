-- What crates.io tells of the registry as a whole, and of people.

create or replace function cargo_store.crate_objects(ids bigint[])
returns json
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select coalesce(json_agg(crate_object(c, false) order by i.position), '[]')
      from unnest($1) with ordinality i(id, position)
           join crates c on c.id = i.id;
$$;

comment on function cargo_store.crate_objects(bigint[]) is
    'Crates in the order of the ids.';


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


create or replace function cargo_store.summary_answer(registry_id bigint)
returns text
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select json_build_object(
               'num_downloads', (select coalesce(sum(d.downloads), 0)
                                   from crate_downloads d
                                  where d.registry_id = $1),
               'num_crates', n.total,
               'new_crates', crate_objects(n.ids),
               'most_downloaded',
               (select crate_objects(l.ids)
                  from list_crates($1, 'downloads', 0, 10) l),
               'most_recently_downloaded',
               (select crate_objects(l.ids)
                  from list_crates($1, 'recent-downloads', 0, 10) l),
               'just_updated',
               (select crate_objects(l.ids)
                  from list_crates($1, 'recent-updates', 0, 10) l),
               'popular_keywords',
               (select coalesce(json_agg(keyword_object(t)
                                         order by t.crates desc, t.name),
                                '[]')
                  from popular_tags($1, 'keyword', false, 0, 10) t),
               'popular_categories',
               (select coalesce(json_agg(category_object(t)
                                         order by t.crates desc, t.name),
                                '[]')
                  from popular_tags($1, 'category', false, 0, 10) t))
      from list_crates($1, 'new', 0, 10) n;
$$;

comment on function cargo_store.summary_answer(bigint) is
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


create or replace function cargo_store.user_answer(
    registry_id bigint,
    login text,
    base_url text,
    out status integer,
    out body text)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    -- of another registry one must not even know who is there
    select 200, json_build_object('user', user_object(a, base_url))
      into status, body
      from accounts a
     where lower(a.login) = lower(user_answer.login collate "C")
       and (exists (select from members m
                     where m.account_id = a.id
                       and m.registry_id = user_answer.registry_id)
            or exists (select from owners o
                              join crates c on c.id = o.crate_id
                        where o.account_id = a.id
                          and c.registry_id = user_answer.registry_id));

    if not found then
        status := 404;
        body := format('Not Found: there is no user `%s`', login);
    end if;
end
$$;

comment on function cargo_store.user_answer(bigint, text, text) is
    'GET of a user: somebody with a role or a crate in the registry.  '
    '200; 404 nobody.';


create or replace function cargo.show_registry(
    registry text,
    token bytea,
    base_url text,
    part text,
    name text,
    query jsonb,
    out status integer,
    out body text)
language plpgsql stable security definer
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    caller record;
    kind   text;
begin
    select * into caller from open_for_read(registry, token);

    status := caller.status;
    body := caller.body;

    if status <> 200 then
        return;
    end if;

    if part in ('keywords', 'categories') and name is null then
        kind := case part when 'keywords' then 'keyword' else 'category' end;

        select a.status, a.body into status, body
          from tags_answer(caller.registry_id, kind, query) a;
        return;
    end if;

    case part
        when 'summary' then
            body := summary_answer(caller.registry_id);

        when 'keywords' then
            select a.status, a.body into status, body
              from keyword_answer(caller.registry_id, name) a;

        when 'categories' then
            select a.status, a.body into status, body
              from category_answer(caller.registry_id, name) a;

        when 'category_slugs' then
            body := slugs_answer(caller.registry_id);

        when 'users' then
            select a.status, a.body into status, body
              from user_answer(caller.registry_id, name, base_url) a;

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

comment on function cargo.show_registry(text, bytea, text, text, text,
                                        jsonb) is
    'part: summary, keywords, categories, category_slugs, users, '
    'site_metadata; name: one keyword, category or user, or null for the list.  '
    'query: the decoded arguments.  base_url: of the server, without a slash '
    'at its end.  '
    '200; 400 a bad argument; 401 no good token for a private registry; '
    '404 no such registry, part, keyword, category or user.';


create or replace function cargo.show_me(
    registry text,
    token bytea,
    base_url text,
    out status integer,
    out body text)
language plpgsql volatile security definer
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    caller record;
begin
    select * into caller from open_for_write(registry, token, 'reader');

    status := caller.status;
    body := caller.body;

    if status <> 200 then
        return;
    end if;

    select json_build_object(
               'user', private_user_object(a, base_url,
                                           caller.role = 'admin'),
               'owned_crates',
               (select coalesce(json_agg(json_build_object(
                                             'id', c.id,
                                             'name', c.name,
                                             'email_notifications', false)
                                         order by c.canonical_name),
                                '[]')
                  from owners o
                       join crates c on c.id = o.crate_id
                 where o.account_id = a.id
                   and c.registry_id = (caller.settings).id))
      into body
      from accounts a
     where a.id = caller.account_id;
end
$$;

comment on function cargo.show_me(text, bytea, text) is
    'The account of the token, and what it owns here.  '
    '200; 403 no good token; 404 no such registry.';
