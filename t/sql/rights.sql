-- What nginx may do, asked of the catalogue, so that what is added later is
-- asked too: EXECUTE on the functions of schema cargo, and nothing else.

begin;

set client_min_messages = warning;
set search_path = tap, pg_catalog;

select * from no_plan();


-- everything that did not come with PostgreSQL or an extension
create temporary view own as
    select n.oid, n.nspname
      from pg_namespace n
     where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
       and n.nspname <> 'tap';

create temporary view functions as
    select p.oid, p.oid::regprocedure::text as name, own.nspname as schema,
           p.proname::text collate "default" as plain_name,
           p.prorettype = 'trigger'::regtype as returns_trigger,
           p.prosecdef, p.proconfig, p.prosqlbody, p.proowner
      from pg_proc p
           join own on own.oid = p.pronamespace
     where not exists (select from pg_depend d
                        where d.objid = p.oid and d.deptype = 'e');

create temporary view relations as
    select c.oid, c.oid::regclass::text as name, c.relkind
      from pg_class c
           join own on own.oid = c.relnamespace
     where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S');


select results_eq(
    'select name from functions
      where has_function_privilege(''cargo_web'', oid, ''execute'')
      order by name',
    'select name from functions where schema = ''cargo'' order by name',
    'cargo_web may execute what is in cargo, all of it and nothing else');

select cmp_ok((select count(*)::integer from functions
                where schema = 'cargo'), '>=', 7,
              'and that is something');

select is_empty(
    'select name from functions
      where has_function_privilege(''public'', oid, ''execute'')',
    'PUBLIC may execute nothing');

select results_eq(
    'select nspname::text collate "default" from own
      where has_schema_privilege(''cargo_web'', oid, ''usage'')
        and nspname <> ''public''',
    array['cargo'],
    'cargo_web has USAGE on cargo only');

select is_empty(
    'select nspname from own
      where has_schema_privilege(''cargo_web'', oid, ''create'')
         or (nspname <> ''public''
             and has_schema_privilege(''public'', oid, ''usage''))',
    'cargo_web may create nothing in any schema, PUBLIC see none');

select is_empty(
    'select name, privilege
       from relations,
            unnest(array[''select'', ''insert'', ''update'', ''delete'',
                         ''truncate'', ''references'', ''trigger'']) privilege
      where relkind <> ''S''
        and (has_table_privilege(''cargo_web'', oid, privilege)
             or privilege in (''select'', ''insert'', ''update'',
                              ''references'')
                and has_any_column_privilege(''cargo_web'', oid, privilege))',
    'cargo_web has no right on any table or column');

select is_empty(
    'select name
       from relations,
            unnest(array[''select'', ''update'', ''usage'']) privilege
      where relkind = ''S''
        and has_sequence_privilege(''cargo_web'', oid, privilege)',
    'cargo_web has no right on any sequence');

select is_empty(
    'select t.oid::regtype from pg_type t join own on own.oid = t.typnamespace
      where t.typtype in (''e'', ''d'', ''r'', ''b'') and t.typelem = 0
        and not exists (select from pg_depend d
                         where d.objid = t.oid and d.deptype = ''e'')
        and has_type_privilege(''cargo_web'', t.oid, ''usage'')',
    'cargo_web may use no type of ours');

select ok(has_database_privilege('cargo_web', current_database(), 'connect'),
          'cargo_web may connect to the database');

select is_empty(
    'select privilege from unnest(array[''create'', ''temporary'']) privilege
      where has_database_privilege(''cargo_web'', current_database(),
                                   privilege)',
    'cargo_web may make neither schemas nor temporary tables');

select is_empty(
    'select privilege
       from unnest(array[''connect'', ''create'', ''temporary'']) privilege
      where has_database_privilege(''public'', current_database(), privilege)',
    'PUBLIC may not even connect');

select is_empty(
    'select c.oid::regclass from pg_class c join own on own.oid = c.relnamespace
      where c.relowner = ''cargo_web''::regrole
     union all
     select p.oid::regclass from pg_proc p
      where p.proowner = ''cargo_web''::regrole',
    'cargo_web owns nothing');

select results_eq(
    'select rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolreplication,
            rolbypassrls, rolpassword is null,
            not exists (select from pg_auth_members where member = r.oid)
       from pg_authid r where rolname = ''cargo_web''',
    'values (true, false, false, false, false, false, true, true)',
    'cargo_web may log in and has no attribute, password or group besides');

select is(
    (select array_agg(s order by s)
       from pg_db_role_setting d
            join pg_database b on b.oid = d.setdatabase,
            unnest(d.setconfig) s
      where d.setrole = 'cargo_web'::regrole
        and b.datname = current_database()),
    array['idle_in_transaction_session_timeout=10s', 'lock_timeout=2s',
          'statement_timeout=5s'],
    'cargo_web waits for nothing without end');


-- and tried, since the catalogue is one thing and the server another

create function pg_temp.refused(statement text) returns text
language plpgsql
as $$
begin
    set local role cargo_web;
    execute statement;
    reset role;

    return 'done';
exception
    when others then
        return sqlstate;
end
$$;

select is(pg_temp.refused(format(statement, name)), '42501',
          format('refused: ' || statement, name))
  from relations,
       unnest(array['select * from %s', 'insert into %s default values',
                    'delete from %s', 'truncate %s']) statement
 where relkind = 'r'
 order by name;

select is(pg_temp.refused(format(
              'select %s.%I(%s)', schema, proname,
              (select string_agg('null::' || format_type(t, null), ', '
                                 order by n)
                 from unnest(p.proargtypes) with ordinality a(t, n)))),
          '42501', 'refused: ' || name)
  from functions join pg_proc p using (oid)
 where schema <> 'cargo'
 order by name;

select is(pg_temp.refused(statement), '42501', 'refused: ' || statement)
  from unnest(array['create table public.t ()', 'create table cargo.t ()',
                    'create temporary table t ()', 'create schema s',
                    'create function cargo.f() returns int return 1',
                    'drop function cargo.yank',
                    'alter role cargo_web superuser']) statement;


-- how the functions are made

select is_empty(
    'select name from functions
      where (schema <> ''cargo_store'' or returns_trigger)
        and not coalesce(''search_path=pg_catalog, cargo_store, pg_temp''
                         = any (proconfig), false)',
    'what is called from outside has a search_path of its own, pg_temp last');

-- to set it takes longer than much of what they do, and only those call them
-- that have set it
select results_eq(
    'select plain_name from functions
      where prosqlbody is null
        and not coalesce(''search_path=pg_catalog, cargo_store, pg_temp''
                         = any (proconfig), false)
      order by plain_name collate "C"',
    array['add_version', 'append_to_document', 'audit', 'check_dependencies',
          'check_metadata', 'claim_for_publish', 'create_crate', 'identify',
          'identify_token', 'index_begun', 'insert_version', 'name_variants',
          'new_crate_refusal', 'open_for_write', 'owns', 'publish_facts',
          'publish_release', 'quarantine_refusal', 'reserved_refusal',
          'scope_refusal', 'search_words', 'store_mentions',
          'versions_summary', 'versions_that_count', 'was_published'],
    'all others too, but what every publish calls');

select results_eq(
    'select name from functions where prosecdef order by name',
    'select name from functions where schema = ''cargo'' order by name',
    'the surface and nothing else runs with the rights of the owner');

select is_empty(
    'select name from functions
      where obj_description(oid, ''pg_proc'') is null',
    'every function says in a comment what it answers');

select is_empty(
    'select name from functions
      where schema in (''cargo'', ''cargo_admin'')
        and pg_get_function_result(oid) ~ ''^record''
        and obj_description(oid, ''pg_proc'') !~ ''\m(20[04]|400)\M''',
    'and with which status');

select is((select count(distinct proowner)::integer from functions), 1,
          'all functions have one owner');

select is_empty(
    'select name, proowner::regrole from functions
       join pg_roles r on r.oid = proowner where r.rolsuper',
    'who is no superuser');


select * from finish();
rollback;
