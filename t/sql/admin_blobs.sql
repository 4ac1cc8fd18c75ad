begin;
\ir include/registry.sql

select * from no_plan();


select is(pg_temp.publish('alice', 'one', '1.0.0', content => 'a'),
          pg_temp.published(), 'a version');
select is(pg_temp.publish('alice', 'one', '1.1.0', content => 'bb'),
          pg_temp.published(), 'another');
select is(pg_temp.publish('vera', 'Two-Two', '1.0.0+b', content => 'a',
                          registry => 'vault'),
          pg_temp.published(), 'a file that two versions share');

create function pg_temp.hex(content text) returns text
language sql
return encode(sha256(content::bytea), 'hex');


select set_eq(
    $$select cargo_admin.referenced_blobs(array[
          pg_temp.hex('a'), pg_temp.hex('orphan'), pg_temp.hex('bb'),
          'lost+found', '', repeat('g', 64), upper(pg_temp.hex('a')), null])$$,
    $$values (pg_temp.hex('a')), (pg_temp.hex('bb'))$$,
    'what a version refers to');
select is_empty($$select cargo_admin.referenced_blobs('{}')$$, 'of nothing');
select is_empty($$select cargo_admin.referenced_blobs(null)$$, 'of null');

select results_eq(
    $$select concat_ws(' ', registry, crate, version, checksum, size)
             collate "default"
        from cargo_admin.version_blobs(0, 100)$$,
    array['main one 1.0.0 ' || pg_temp.hex('a') || ' 1',
          'main one 1.1.0 ' || pg_temp.hex('bb') || ' 2',
          'vault Two-Two 1.0.0+b ' || pg_temp.hex('a') || ' 1'],
    'all versions');
select results_eq(
    $$select version_id from cargo_admin.version_blobs(0, 100)$$,
    $$select id from cargo_store.versions order by id$$,
    'in the order of their ids');
select results_eq(
    $$select version_id from cargo_admin.version_blobs(0, 2)$$,
    $$select id from cargo_store.versions order by id limit 2$$,
    'a page');
select results_eq(
    $$select version_id from cargo_admin.version_blobs(
          (select min(id) from cargo_store.versions), 1)$$,
    $$select id from cargo_store.versions order by id offset 1 limit 1$$,
    'the next page');
select is_empty(
    $$select cargo_admin.version_blobs(
          (select max(id) from cargo_store.versions), 100)$$,
    'and no more');


select * from finish();
rollback;
