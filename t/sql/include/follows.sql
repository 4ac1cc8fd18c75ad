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

create function pg_temp.differing_documents() returns setof text
language sql
as $$
    select c.name
      from cargo_store.crates c
           join cargo_store.documents d on d.crate_id = c.id
           left join cargo_store.versions v on v.crate_id = c.id
     group by c.id, d.crate_id, d.registry_id, d.name
    having d.body is distinct from string_agg(cargo_store.index_line(
                                                  v.index_head, v.yanked,
                                                  v.index_tail), ''
                                              order by v.id)
        or d.modified <> extract(epoch from c.index_modified)
        or d.registry_id <> c.registry_id
        or d.name <> lower(c.name);
$$;
