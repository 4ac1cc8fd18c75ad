-- What a list of crates can be narrowed down to: a filter gives the ids of the
-- crates that it leaves, hidden ones among them; the list decides what is seen.

create or replace function cargo_store.crates_with_tags(
    registry_id bigint,
    kind text,
    names text[])
returns bigint[]
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select array(select m.crate_id
                   from crate_mentions m
                  where m.registry_id = $1
                    and m.kind = $2
                    and m.name = any ($3)
                  group by m.crate_id
                 having count(*) = cardinality($3));
$$;

comment on function cargo_store.crates_with_tags(bigint, text, text[]) is
    'Crates that have all the keywords or categories; no name twice.';


create or replace function cargo_store.crates_in_category(
    registry_id bigint,
    slug text)
returns bigint[]
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select array(select m.crate_id
                   from crate_mentions m
                  where m.registry_id = $1
                    and m.kind = 'category'
                    and (m.name = $2
                         or (m.name > $2 || '::' and m.name < $2 || ':;'))
                  group by m.crate_id);
$$;

comment on function cargo_store.crates_in_category(bigint, text) is
    'Crates with the category or one below it.';


create or replace function cargo_store.crates_of_letter(
    registry_id bigint,
    letter text)
returns bigint[]
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select array(select c.id
                   from crates c
                  where c.registry_id = $1
                    and c.canonical_name >= $2
                    and c.canonical_name < $2 || '~');
$$;

comment on function cargo_store.crates_of_letter(bigint, text) is
    'Crates whose canonical names begin with it.';


create or replace function cargo_store.crates_called(
    registry_id bigint,
    names jsonb)
returns bigint[]
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select array(select c.id
                   from crates c
                  where c.registry_id = $1
                    and c.canonical_name = any (array(
                            select canonical_name(n)
                              from jsonb_array_elements_text(
                                       case jsonb_typeof($2)
                                            when 'array' then $2 end) n)));
$$;

comment on function cargo_store.crates_called(bigint, jsonb) is
    'Crates by their names, under any spelling.';


create or replace function cargo_store.crates_of(
    registry_id bigint,
    kind text,
    owner_id bigint)
returns bigint[]
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select array(select c.id
                   from (select o.crate_id
                           from owners o
                          where $2 = 'user_id'
                            and o.account_id = $3
                         union all
                         select o.crate_id
                           from team_owners o
                          where $2 = 'team_id'
                            and o.team_id = $3) o
                        join crates c on c.id = o.crate_id
                  where c.registry_id = $1);
$$;

comment on function cargo_store.crates_of(bigint, text, bigint) is
    'Crates of an owner: user_id, an account; team_id, a team.';


create or replace function cargo_store.filter_crates(
    access cargo_store.access,
    query jsonb,
    out refusal text,
    out ids bigint[])
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    registry_id constant bigint := (access.settings).id;
    -- the first of them that is there decides, as crates.io has it
    argument    constant text :=
        (select a from unnest(array['all_keywords', 'keyword', 'letter',
                                    'user_id', 'team_id', 'following',
                                    'ids[]']) a
          where query->>a is not null
          limit 1);
    value       constant text := lower(query->>argument collate "C");
begin
    case argument
        when 'all_keywords' then
            ids := crates_with_tags(
                       registry_id, 'keyword',
                       array(select distinct left(w, 200)
                               from regexp_split_to_table(
                                        value, '[[:space:]]+') w
                              where w <> ''));

        when 'keyword' then
            ids := crates_with_tags(registry_id, 'keyword',
                                    array[left(value, 200)]);

        when 'letter' then
            if value = '' then
                refusal := '`letter` must be the first letter of a name';
            else
                ids := crates_of_letter(registry_id,
                                        canonical_name(left(value, 1)));
            end if;

        when 'user_id', 'team_id' then
            ids := crates_of(registry_id, argument, read_id(value));
            if read_id(value) is null then
                refusal := format('`%s` must be a whole number', argument);
            end if;

        when 'following' then
            ids := array(select f.crate_id
                           from follows f
                          where f.account_id = access.account_id);

        when 'ids[]' then
            ids := crates_called(registry_id, query->argument);

        else
            null;
    end case;
end
$$;

comment on function cargo_store.filter_crates(cargo_store.access, jsonb) is
    'The crates that the arguments but category leave; null: all.  refusal '
    '(400) is null when all is well.';


-- The index of names holds the ids, too: a bitmap would lead to the rows.

create or replace function cargo_store.crates_in_scope(
    access cargo_store.access)
returns bigint[]
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
set enable_bitmapscan = off
as $$
declare
    patterns constant text[] := read_patterns(access);
begin
    -- what lies between two names sees() finds with an index by itself
    if patterns is null or '*' = any (patterns) or cardinality(patterns) = 1
    then
        return null;
    end if;

    return array(select c.crate_id
                   from unnest(patterns) p
                        join crate_search c
                          on c.canonical_name >= lowest_name(array[p])
                         and c.canonical_name <= highest_name(array[p])
                  where c.registry_id = (access.settings).id
                 group by c.crate_id);
end
$$;

comment on function cargo_store.crates_in_scope(cargo_store.access) is
    'The only crates that a token with several patterns is good for, when '
    'there is nothing else to narrow a list down; null: all, or sees() is '
    'enough.';


create or replace function cargo_store.read_filter(
    access cargo_store.access,
    query jsonb,
    out refusal text,
    out ids bigint[])
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    slug constant text := left(lower(query->>'category' collate "C"), 200);
    rest constant record := filter_crates(access, query);
begin
    refusal := rest.refusal;
    ids := rest.ids;

    if slug is null then
        ids := coalesce(ids, crates_in_scope(access));
        return;
    end if;

    ids := array(select c
                   from unnest(crates_in_category((access.settings).id,
                                                  slug)) c
                  where rest.ids is null
                     or c = any (rest.ids));
end
$$;

comment on function cargo_store.read_filter(cargo_store.access, jsonb) is
    'The crates that remain of a list; null: all.  query: category, and of '
    'these the first that is there: all_keywords (separated by blanks), '
    'keyword, letter, user_id, team_id, following (by the caller, any value), '
    'ids[] (names).  refusal (400) is null when all is well.';
