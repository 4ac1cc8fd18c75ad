-- The rows of crate_search, and its indexes: nobody uses it yet, so nobody
-- waits however long it takes.

set local maintenance_work_mem = '256MB';

insert into cargo_store.crate_search
       (crate_id, registry_id, canonical_name, restricted, popularity,
        name_variants, search_head, search_readme)
select c.id, c.registry_id, c.canonical_name, c.restricted, c.popularity,
       c.name_variants, c.search_head, c.search_readme
  from cargo_store.crates c
 where c.default_version_id is not null;

alter table cargo_store.crate_search add primary key (crate_id);

-- all that is read of a crate while candidates are gathered by their names
create index crate_search_name_idx
    on cargo_store.crate_search (registry_id, canonical_name)
    include (crate_id, restricted, popularity);
create index crate_search_popularity_idx
    on cargo_store.crate_search (registry_id, popularity)
    include (crate_id, restricted, canonical_name);

create index crate_search_name_variants_idx
    on cargo_store.crate_search using gin (name_variants);
create index crate_search_head_idx
    on cargo_store.crate_search using gin (search_head);
create index crate_search_readme_idx
    on cargo_store.crate_search using gin (search_readme);

do $$
begin
    execute format('create index crate_search_trigrams_idx '
                   'on cargo_store.crate_search '
                   'using gin (canonical_name %s.gin_trgm_ops)',
                   (select e.extnamespace::pg_catalog.regnamespace
                      from pg_catalog.pg_extension e
                     where e.extname = 'pg_trgm'));
end
$$;

analyze cargo_store.crate_search;

-- of what was changed while that went on, little is left for those after this
-- one, whom others wait for
do $$
begin
    perform cargo_store.copy_search_due();
end
$$;
