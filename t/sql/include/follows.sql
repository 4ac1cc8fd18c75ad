-- Crates of which something is stored that does not follow from their
-- versions.


create function pg_temp.not_as_it_follows() returns setof text
language sql
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select c.name
      from crates c
           cross join lateral versions_summary(c.id) s
           cross join lateral search_words(c) w
           left join crate_search f on f.crate_id = c.id
     where (c.num_versions, c.default_version_id, c.max_version,
            c.max_stable_version, c.newest_version)
           is distinct from (s.num_versions, s.default_version_id,
                             s.max_version, s.max_stable_version,
                             s.newest_version)
        or (f.search_head, f.search_readme)
           is distinct from (w.head, w.readme)
        or (f.registry_id, f.canonical_name, f.restricted)
           <> (c.registry_id, c.canonical_name, c.restricted)
        or f.name_variants <> name_variants(c.canonical_name)
        or array(select m.kind || m.name
                   from crate_mentions m
                  where m.crate_id = c.id
                  order by 1)
           <> array(select m.kind || m.name
                      from mentions_of(c.default_version_id) m
                     order by 1);
$$;
