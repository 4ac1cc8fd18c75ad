create or replace function cargo_store.admin_crate_object(
    crate cargo_store.crates)
returns jsonb
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select jsonb_build_object(
               'name', ($1).name,
               'max_version', ($1).max_version,
               'versions', ($1).num_versions,
               'restricted', ($1).restricted,
               'owners', owner_names(($1).id),
               'readers', reader_names(($1).id),
               'created_at', ($1).created_at);
$$;

comment on function cargo_store.admin_crate_object(cargo_store.crates) is
    'A crate as the functions of cargo_admin give it.  "max_version": null '
    'when all versions are yanked.  "readers" count while it is restricted.';


create or replace function cargo_admin.list_crates(
    registry text,
    out status integer,
    out body jsonb)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    target record;
begin
    select * into target from find_registry(registry);

    status := target.status;
    body := problem(target.detail);

    if status <> 200 then
        return;
    end if;

    select coalesce(jsonb_agg(admin_crate_object(c) order by c.canonical_name),
                    '[]')
      into body
      from crates c
     where c.registry_id = (target.registry).id;
end
$$;

comment on function cargo_admin.list_crates(text) is
    '200 with an array of crates, by name; 404 no such registry.';


create or replace function cargo_store.open_crate(
    registry text,
    crate text,
    out status integer,
    out body jsonb,
    out access cargo_store.access,
    out crate_id bigint,
    out name text,
    out object jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    target record;
begin
    access := open_for_admin(registry);

    status := access.status;
    body := problem(access.body);
    name := crate;

    if status <> 200 then
        return;
    end if;

    select * into target from lock_crate(access, crate);

    status := target.status;
    body := problem(target.body);
    crate_id := target.crate_id;
    name := coalesce(target.name, crate);
    object := admin_crate(crate_id);
end
$$;

comment on function cargo_store.open_crate(text, text) is
    'The crate under any spelling, locked until the end of the transaction, '
    'and what it is before anything has been changed.  '
    '200; 404 no such registry or crate.';


create or replace function cargo_store.admin_crate(crate_id bigint)
returns jsonb
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select admin_crate_object(c) from crates c where c.id = $1;
$$;

comment on function cargo_store.admin_crate(bigint) is
    'admin_crate_object() by the id.';


create or replace function cargo_admin.show_crate(
    registry text,
    crate text,
    out status integer,
    out body jsonb)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    access cargo_store.access := open_for_admin(registry);
    target record;
begin
    status := access.status;
    body := problem(access.body);

    if status <> 200 then
        return;
    end if;

    select * into target from find_crate(access, crate);

    status := target.status;
    body := case when status = 200 then admin_crate(target.crate_id)
                 else problem(target.body) end;
end
$$;

comment on function cargo_admin.show_crate(text, text) is
    'Under any spelling.  200 with the crate; 404 no such registry or crate.';


create or replace function cargo_admin.restrict_crate(
    registry text,
    crate text,
    restricted boolean,
    out status integer,
    out body jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    target record;
begin
    select * into target from open_crate(registry, crate);

    status := target.status;
    body := target.body;

    if status = 200 then
        update crates c
           set restricted = restrict_crate.restricted
         where c.id = target.crate_id
           and c.restricted <> restrict_crate.restricted;

        perform readers_changed(target.crate_id);

        body := admin_crate(target.crate_id);
    end if;

    perform audit_admin(registry, 'restrict_crate',
                        target.name, null, status, body, target.object,
                        case when status = 200 then body end);
end
$$;

comment on function cargo_admin.restrict_crate(text, text, boolean) is
    'true: only its owners, its readers, maintainers and admins see it from '
    'now on; false: everybody who may read the registry, and the readers are '
    'kept for the next time.  '
    '200 with the crate; 404 no such registry or crate.';


create or replace function cargo_store.store_reader(
    crate_id bigint,
    account_id integer,
    team_id integer,
    reader boolean)
returns boolean
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    if reader and team_id is null then
        insert into crate_readers (crate_id, account_id)
        values (crate_id, account_id)
            on conflict do nothing;

    elsif reader then
        insert into team_readers (crate_id, team_id)
        values (crate_id, team_id)
            on conflict do nothing;

    elsif team_id is null then
        delete from crate_readers r
         where r.crate_id = store_reader.crate_id
           and r.account_id = store_reader.account_id;

    else
        delete from team_readers r
         where r.crate_id = store_reader.crate_id
           and r.team_id = store_reader.team_id;
    end if;

    return found;
end
$$;

comment on function cargo_store.store_reader(bigint, integer, integer,
                                             boolean) is
    'An account or a team, the other id is null.  Was there anything to do?';


create or replace function cargo_store.change_reader(
    registry text,
    crate text,
    principal text,
    reader boolean,
    out status integer,
    out body jsonb,
    out name text,
    out before jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    target record;
    who    record;
begin
    select * into target from open_crate(registry, crate);
    select * into who from find_principal(principal);

    name := target.name;
    status := greatest(target.status, who.status);
    body := case when target.status = 200 then problem(who.detail)
                 else target.body end;

    if status <> 200 then
        return;
    end if;

    if not store_reader(target.crate_id, who.account_id, who.team_id, reader)
        and not reader
    then
        status := 404;
        body := problem(format('`%s` is not a reader of crate `%s`',
                               principal, name));
        return;
    end if;

    perform readers_changed(target.crate_id);

    before := target.object;
    body := admin_crate(target.crate_id);
end
$$;

comment on function cargo_store.change_reader(text, text, text, boolean) is
    'before: the crate as it was, null when refused.  '
    '200 with the crate; 404 no such registry, crate, account or team, nor a '
    'reader.';


create or replace function cargo_admin.allow_reader(
    registry text,
    crate text,
    principal text,
    out status integer,
    out body jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    changed record;
begin
    select * into changed
      from change_reader(registry, crate, principal, true);

    status := changed.status;
    body := changed.body;

    perform audit_admin(registry, 'allow_reader', changed.name, null, status,
                        body, changed.before,
                        case when status = 200 then body end);
end
$$;

comment on function cargo_admin.allow_reader(text, text, text) is
    'principal: `login` or `team:NAME`, that sees the crate while it is '
    'restricted.  Who is one already stays one.  '
    '200 with the crate; 404 no such registry, crate, account or team.';


create or replace function cargo_admin.deny_reader(
    registry text,
    crate text,
    principal text,
    out status integer,
    out body jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    changed record;
begin
    select * into changed
      from change_reader(registry, crate, principal, false);

    status := changed.status;
    body := changed.body;

    perform audit_admin(registry, 'deny_reader', changed.name, null, status,
                        body, changed.before,
                        case when status = 200 then body end);
end
$$;

comment on function cargo_admin.deny_reader(text, text, text) is
    '200 with the crate; 404 no such registry, crate, account or team, or not '
    'a reader.';


create or replace function cargo_admin.yank(
    registry text,
    crate text,
    version text,
    yanked boolean,
    message text,
    out status integer,
    out body jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    access  cargo_store.access := open_for_admin(registry);
    change  jsonb := jsonb_build_object('yanked', yanked);
    changed record;
    before  jsonb;
    after   jsonb;
begin
    status := access.status;
    body := problem(access.body);

    if message is not null then
        change := change || jsonb_build_object('yank_message', message);
    end if;

    if status = 200 then
        select * into changed
          from change_yank(access, crate, version, change);

        status := changed.status;
        body := coalesce(changed.after, problem(changed.body));
        before := changed.before;
        after := changed.after;
    end if;

    perform audit_admin(registry, case when yanked then 'yank'
                                       else 'unyank' end,
                        crate, version, status, body, before, after);
end
$$;

comment on function cargo_admin.yank(text, text, text, boolean, text) is
    'message: null leaves it as it is.  '
    '200 with yanked and yank_message; 400 a message without a yank; '
    '404 no such registry, crate or version.';
