-- The surface for nginx (cargo), the functions of cargoctl (cargo_admin) and
-- what both stand on (cargo_store).  Rights inside the schemas are handed out
-- by functions/zz_grants.sql at every migrate.

-- cargoctl has made cargo_store already; its notice about that is noise
set local client_min_messages = warning;

create schema if not exists cargo_store;
create schema cargo;
create schema cargo_admin;

-- A role belongs to the whole cluster: another cargo database may have made
-- it before, or be making it at this moment.  The timeouts are set for this
-- database alone, so that two databases never update the same catalogue row.

do $$
declare
    timeouts constant text[] := array[
        'statement_timeout=5s',
        'lock_timeout=2s',
        'idle_in_transaction_session_timeout=10s'];
    timeout  text;
    present  text[];
begin
    begin
        if not exists (select from pg_catalog.pg_roles
                        where rolname = 'cargo_web')
        then
            create role cargo_web login;
        end if;
    exception
        when duplicate_object or unique_violation then
            null;
    end;

    select coalesce(array_agg(split_part(s.setting, '=', 1)), '{}')
      into present
      from pg_catalog.pg_db_role_setting d
           join pg_catalog.pg_roles r on r.oid = d.setrole
           left join pg_catalog.pg_database b on b.oid = d.setdatabase,
           unnest(d.setconfig) s(setting)
     where r.rolname = 'cargo_web'
       and (d.setdatabase = 0 or b.datname = current_database());

    foreach timeout in array timeouts loop
        if split_part(timeout, '=', 1) <> all (present) then
            execute format('alter role cargo_web in database %I set %s = %L',
                           current_database(), split_part(timeout, '=', 1),
                           split_part(timeout, '=', 2));
        end if;
    end loop;

exception
    when insufficient_privilege then
        raise exception
            'role "%" may not create the role cargo_web or set its timeouts',
            current_user
            using errcode = 'insufficient_privilege',
                  hint = 'As a superuser run: '
                      || (select case when count(*) = 0
                                      then 'create role cargo_web login; '
                                      else '' end
                            from pg_catalog.pg_roles
                           where rolname = 'cargo_web')
                      || (select string_agg(
                                     format('alter role cargo_web in database '
                                            '%I set %s = %L;',
                                            current_database(),
                                            split_part(s, '=', 1),
                                            split_part(s, '=', 2)), ' ')
                            from unnest(timeouts) s)
                      || ' Then run cargoctl migrate again.';
end
$$;

do $$
begin
    execute format('revoke all on database %I from public',
                   current_database());
    execute format('grant connect on database %I to cargo_web',
                   current_database());

    -- PostgreSQL 14 lets everybody create objects in schema public, and gives
    -- the schema to the superuser
    if exists (select from pg_catalog.pg_namespace n,
                           aclexplode(n.nspacl) a
                where n.nspname = 'public' and a.grantee = 0
                  and a.privilege_type = 'CREATE')
    then
        if has_schema_privilege('public', 'create with grant option') then
            revoke create on schema public from public;
        else
            raise warning 'everybody may create objects in schema public of '
                          'this database'
                using hint = 'As a superuser run in it: revoke create on '
                             'schema public from public;';
        end if;
    end if;
end
$$;
