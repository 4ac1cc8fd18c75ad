-- What crates are found by: the rows of crate_search, which a trigger keeps in
-- step with crates and the versions by which these are described.

create or replace function cargo_store.words(text text)
returns text
language sql immutable parallel safe
return pg_catalog.regexp_replace(pg_catalog.left(text, 50000) collate "C",
                                 '[[:space:]!-/:-@[-`{-~]+', ' ', 'g');

comment on function cargo_store.words(text) is
    'The words alone, so that the parser of the full text search sees no '
    'addresses, paths and hyphens; no more than a tsvector surely holds.';


create or replace function cargo_store.name_variants(canonical_name text)
returns text[]
language plpgsql immutable parallel safe
as $$
declare
    variants text[] := array[canonical_name];
begin
    for i in 1 .. length(canonical_name) loop
        variants := variants || overlay(canonical_name placing '' from i for 1);
    end loop;

    return array(select distinct v collate "C" as v
                   from unnest(variants) v
                  where v <> ''
                  order by 1);
end
$$;

comment on function cargo_store.name_variants(text) is
    'crate_search.name_variants.';


create or replace function cargo_store.search_words(
    crate cargo_store.crates,
    out head tsvector,
    out readme tsvector)
language plpgsql stable
set client_min_messages = warning
as $$
begin
    select setweight(to_tsvector('pg_catalog.english', words(crate.name)), 'A')
           || setweight(to_tsvector('pg_catalog.english',
                                    words(array_to_string(v.keywords, ' '))),
                        'B')
           || setweight(to_tsvector('pg_catalog.english',
                                    words(coalesce(v.description, ''))), 'C'),
           to_tsvector('pg_catalog.english', words(coalesce(v.readme, '')))
      into head, readme
      from versions v
     where v.id = crate.default_version_id;
end
$$;

comment on function cargo_store.search_words(cargo_store.crates) is
    'crate_search.search_head and search_readme; null: the crate has no '
    'version.';


create or replace function cargo_store.store_search(crate cargo_store.crates)
returns void
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    words constant record := search_words(crate);
begin
    if words.head is null then
        delete from crate_search s where s.crate_id = crate.id;
        return;
    end if;

    update crate_search s
       set restricted = crate.restricted,
           search_head = words.head,
           search_readme = words.readme
     where s.crate_id = crate.id;

    if not found then
        insert into crate_search
               (crate_id, registry_id, canonical_name, restricted, popularity,
                name_variants, search_head, search_readme)
        values (crate.id, crate.registry_id, crate.canonical_name,
                crate.restricted,
                coalesce((select popularity(d.downloads)
                            from crate_downloads d
                           where d.crate_id = crate.id), 0),
                name_variants(crate.canonical_name), words.head,
                words.readme);
    end if;
end
$$;

comment on function cargo_store.store_search(cargo_store.crates) is
    'Brings the row of a crate, which is locked or new, up to date.';


create or replace function cargo_store.crate_described()
returns trigger
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    same_words    boolean;
    same_mentions boolean;
begin
    -- most versions say of themselves what the one before them did, which may
    -- have been deleted; a crate that was without one had no mentions
    if new.restricted = old.restricted then
        select o.id is not null
               and (n.description, n.keywords, n.readme)
                   is not distinct from (o.description, o.keywords, o.readme),
               (o.id is not null or old.default_version_id is null)
               and n.keywords = coalesce(o.keywords, '{}')
               and n.categories = coalesce(o.categories, '{}')
               and array(select canonical_name(d.name)
                           from dependencies d
                          where d.version_id = n.id
                            and d.registry is null
                          order by d.position)
                   = array(select canonical_name(d.name)
                             from dependencies d
                            where d.version_id = o.id
                              and d.registry is null
                            order by d.position)
          into same_words, same_mentions
          from versions n
               left join versions o on o.id = old.default_version_id
         where n.id = new.default_version_id;
    end if;

    if same_words is not true then
        perform store_search(new);
    end if;

    if same_mentions is not true then
        perform store_mentions(new, old.restricted);
    end if;

    return null;
end
$$;

comment on function cargo_store.crate_described() is
    'Whatever changes the version that a crate is described by, or who sees '
    'the crate, changes what it is found by.';


-- takes the place of one for each statement, which every update had to pay for
create or replace trigger crates_mentions
    after update of default_version_id, restricted on cargo_store.crates
    for each row
    when (old.default_version_id is distinct from new.default_version_id
          or old.restricted <> new.restricted)
    execute function cargo_store.crate_described();
