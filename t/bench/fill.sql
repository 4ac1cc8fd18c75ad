-- Fills the registry :registry of a migrated database with :crates crates
-- shaped like crates.io's: seven versions and a half and twenty-five
-- dependencies to a crate on average, half of all crates with one or two
-- versions, one in five hundred with a few hundred, and a handful with a
-- thousand.  A few words are in very many descriptions and readmes, most in few
-- (Zipf's law, of 30,000 words); a crate's newest version has its readme, the
-- others, which no search looks at, have none.  One crate in a hundred is
-- restricted.  Deterministic: the same number gives the same rows.
--
--   psql -v registry=main -v crates=200000 -f t/bench/fill.sql
--
-- Straight into the tables, as :owner of the database, without the checks of
-- a publish; what a publish derives is derived by the same functions.

\set ON_ERROR_STOP on

set client_min_messages = warning;
set search_path = pg_catalog, cargo_store, pg_temp;
set synchronous_commit = off;
set work_mem = '64MB';
set maintenance_work_mem = '256MB';

create function pg_temp.draw(seed bigint, n integer) returns integer
language sql immutable
return (hashint8extended(seed, 7) & 1073741823) % n;

create function pg_temp.word(i bigint) returns text
language sql immutable
return (array['async', 'net', 'json', 'http', 'core', 'macro', 'derive',
              'parse', 'stream', 'byte', 'time', 'error', 'log', 'trace',
              'crypt', 'hash', 'map', 'tree', 'graph', 'math', 'vec', 'rand',
              'lock', 'pool', 'queue', 'task', 'event', 'signal', 'serial',
              'proto', 'web', 'sock', 'file', 'path', 'text', 'utf', 'regex',
              'glob', 'cli', 'term', 'color', 'image', 'audio', 'video',
              'font', 'layout', 'widget', 'window', 'input', 'game', 'phys',
              'sim', 'data', 'frame', 'table', 'query', 'sql', 'store',
              'cache', 'kv', 'cloud', 'auth', 'token', 'cert'])[i % 64 + 1];

create function pg_temp.syllable(i bigint) returns text
language sql immutable
return (array['ba', 'ko', 'di', 'fu', 'ga', 'ho', 'ji', 'lu', 'ma', 'no', 'pi',
              'ru', 'sa', 'to', 'vi', 'wu', 'ze', 'cro', 'sta', 'bli'])[i + 1];

-- the r-th of the words by how often they are used
create function pg_temp.ranked_word(r bigint) returns text
language sql immutable
return case when r <= 64 then pg_temp.word(r)
            else pg_temp.syllable(r % 20) || pg_temp.syllable(r / 20 % 20)
                 || pg_temp.syllable(r / 400 % 20)
                 || pg_temp.syllable(r / 8000) end;

-- the number of versions of the i-th crate
create function pg_temp.versions_of(i bigint) returns integer
language sql immutable
return case when i % 40000 = 7 then 1000
            when i % 500 = 3 then 250 + pg_temp.draw(i, 200)
            when i % 50 = 1 then 50 + pg_temp.draw(i, 50)
            when i % 5 = 0 then 8 + pg_temp.draw(i, 12)
            when i % 5 < 3 then 1
            else 2 + pg_temp.draw(i, 9) end;

select id as registry_id from registries where name = :'registry' \gset
select id as account_id from accounts order by id limit 1 \gset

\echo words
create temporary table sentences on commit preserve rows as
select s, string_agg(pg_temp.ranked_word(
                         power(30000, pg_temp.draw(s * 8 + w, 1000000) / 1e6)
                             ::bigint), ' ' order by w) as text
  from generate_series(0, 19999) s, generate_series(0, 7) w
 group by s;

create unique index on sentences (s);
analyze sentences;

\echo crates
create temporary table filled on commit preserve rows as
select i, pg_temp.word(i) || '-' || pg_temp.word(i / 64)
             || case when i < 4096 then '' else '-' || to_hex(i / 4096) end
             as name
  from generate_series(0, :crates - 1) i;

insert into crates (registry_id, name, created_at, index_modified, restricted)
select :registry_id, name, timestamptz '2020-01-01' + i * interval '1 minute',
       timestamptz '2026-01-01', i % 100 = 9
  from filled
 order by i;

insert into owners (crate_id, account_id)
select c.id, :account_id from crates c where c.registry_id = :registry_id;

\echo versions
create temporary table made on commit preserve rows as
select c.id as crate_id, c.name, f.i, n, pg_temp.draw(f.i * 1009 + n, 7)
           + case when f.i % 7 = 0 then 2 else 0 end as ndeps,
       format('%s.%s.%s', n / 100, n / 10 % 10, n % 10) as num,
       sha256(format('%s %s', f.i, n)::bytea) as checksum
  from filled f
       join crates c on c.registry_id = :registry_id and c.name = f.name,
       generate_series(1, pg_temp.versions_of(f.i)) n;

create temporary table wants on commit preserve rows as
select m.crate_id, m.n, p as position, t.name
  from made m,
       generate_series(1, m.ndeps) p
       join lateral (select pg_temp.draw(m.i * 31 + p, 64)::bigint
                            * pg_temp.draw(m.i * 17 + p, 64) as i) d on true
       join filled t on t.i = d.i;

create temporary table readmes on commit preserve rows as
select f.i, string_agg(s.text, E'.\n' order by p) as text
  from filled f
       cross join generate_series(1, 2 + pg_temp.draw(f.i * 13, 28)) p
       join sentences s on s.s = pg_temp.draw(f.i * 41 + p, 20000)
 group by f.i;

with lines as (
    select w.crate_id, w.n,
           string_agg(format('{"name":"%s","req":"^%s","features":[],'
                             '"optional":false,"default_features":true,'
                             '"target":null,"kind":"normal"}', w.name,
                             w.position % 3), ',' order by w.position) as deps
      from wants w
     group by w.crate_id, w.n)
insert into versions (crate_id, num, sort_key, checksum, size, index_head,
                      index_tail, features, description, readme, license,
                      keywords, categories, authors, published_by, created_at,
                      yanked)
select m.crate_id, m.num, lpad(m.n::text, 8, '0'), m.checksum,
       2000 + pg_temp.draw(m.i + m.n, 60000),
       format('{"name":"%s","vers":"%s","deps":[%s],"cksum":"%s",'
              '"features":{"default":["std"],"std":[]},"yanked":',
              m.name, m.num, coalesce(l.deps, ''), encode(m.checksum, 'hex')),
       ',"links":null,"v":2,"rust_version":"1.70"}',
       '{"default": ["std"], "std": []}',
       format('A %s for %s and %s: %s', pg_temp.word(m.i / 3),
              pg_temp.word(m.i / 5), pg_temp.word(m.i / 7), d.text),
       r.text, 'MIT', array[pg_temp.word(m.i / 2), pg_temp.word(m.i / 11)],
       '{}', '{}', :account_id,
       timestamptz '2021-01-01' + m.n * interval '1 day', m.n % 97 = 0
  from made m
       join sentences d on d.s = pg_temp.draw(m.i, 20000)
       left join readmes r on r.i = m.i and m.n = pg_temp.versions_of(m.i)
       left join lines l on l.crate_id = m.crate_id and l.n = m.n
 order by m.n, m.crate_id;

\echo dependencies
insert into dependencies (version_id, position, name, req, kind, optional,
                          default_features, features, lib)
select v.id, w.position, w.name, '^' || w.position % 3, 'normal', false, true,
       '{}', false
  from wants w
       join made m on m.crate_id = w.crate_id and m.n = w.n
       join versions v on v.crate_id = m.crate_id and v.num = m.num;

\echo downloads
insert into version_downloads (version_id, date, downloads)
select v.id, recent_day(-1 - pg_temp.draw(v.id, 200)),
       1 + pg_temp.draw(v.id, 100)
         * case when v.crate_id % 100 = 0 then 1000 else 1 end
  from versions v
       join crates c on c.id = v.crate_id
 where c.registry_id = :registry_id;

\echo what follows from them
-- an earlier version has no batches, and needs none
select to_regprocedure('refresh_new_crates(bigint)') is not null as batches
\gset
\if :batches
do $$
begin
    -- plans made for tables that were empty would be kept otherwise
    while cargo_store.refresh_new_crates(5000) > 0 loop
        analyze cargo_store.crate_downloads, cargo_store.crate_mentions,
                cargo_store.crate_search, cargo_store.tags;
        commit;
    end loop;
end
$$;
\else
select refresh_new_crates();
\endif

-- an earlier version's database stores none
select to_regproc('cargo_admin.store_documents') is not null as stored \gset
\if :stored
select cargo_admin.store_documents(0, :crates) \g /dev/null
\endif

\echo statistics
vacuum (analyze);

select (select count(*) from crates) as crates,
       (select count(*) from versions) as versions,
       (select count(*) from dependencies) as dependencies,
       pg_size_pretty(pg_database_size(current_database())) as size;
