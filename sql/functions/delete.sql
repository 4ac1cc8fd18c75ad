-- Deleting for good.  The blob stays where it is until `cargoctl sweep` finds
-- that no version has it.

create or replace function cargo_store.reason_refusal(reason text)
returns text
language sql immutable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select case
           when btrim(coalesce($1, '')) = '' then
               'a deletion needs a reason, which is kept: give it as `message`'
           when length($1) > 1000 then
               'the reason is too long: `message` may have 1000 characters'
           end;
$$;

comment on function cargo_store.reason_refusal(text) is
    'Why this is no reason for a deletion (400); null: it is.';


create or replace function cargo_store.note_deletion(
    access cargo_store.access,
    name text,
    version text,
    restricted boolean,
    reason text)
returns jsonb
language sql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    insert into deletions (registry_id, name, version, deleted_by, restricted,
                           reason, reserved_until)
    values ((($1).settings).id, $2, $3, ($1).account, $4, $5,
            now() + make_interval(days => (($1).settings).quarantine_days))
    returning jsonb_build_object('reason', reason,
                                 'reserved_until', rfc3339(reserved_until));
$$;

comment on function cargo_store.note_deletion(cargo_store.access, text, text,
                                              boolean, text) is
    'version: null for the crate with all its versions.  What the audit log '
    'has of it.';


create or replace function cargo_store.dependents(
    registry_id bigint,
    crate text)
returns text
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    canonical constant text := canonical_name(crate);
    names     text[];
begin
    names := array(select distinct c.name
                     from dependencies d
                          join versions v on v.id = d.version_id
                          join crates c on c.id = v.crate_id
                    where d.registry is null
                      and canonical_name(d.name) = canonical
                      and c.registry_id = dependents.registry_id
                      and c.canonical_name <> canonical
                    order by c.name);

    if names = '{}' then
        return null;
    end if;

    return '`' || array_to_string(names[1:5], '`, `') || '`'
           || case when cardinality(names) > 5
                   then format(' and %s more', cardinality(names) - 5)
                   else '' end;
end
$$;

comment on function cargo_store.dependents(bigint, text) is
    'The crates of the registry that have a version that depends on this one, '
    'five of them by name; null: none.';


create or replace function cargo_store.version_facts(
    version cargo_store.versions)
returns jsonb
language sql immutable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select jsonb_build_object('checksum', encode(($1).checksum, 'hex'),
                              'size', ($1).size, 'yanked', ($1).yanked);
$$;

comment on function cargo_store.version_facts(cargo_store.versions) is
    'What the audit log keeps of a version that is gone.';


create or replace function cargo_store.delete_versions(version_ids bigint[])
returns void
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    -- who counts downloads at this moment has the rows of versions locked,
    -- and is waited for before the counts are looked at
    perform from versions v
      where v.id = any (version_ids)
      order by v.id
        for update;

    with gone as (
        delete from version_downloads d
         where d.version_id = any (version_ids)
        returning d.version_id, d.date, d.downloads),
    crate as (
        select v.crate_id, g.date, g.downloads
          from gone g
               join versions v on v.id = g.version_id),
    lost as (
        select c.crate_id, sum(c.downloads) as downloads,
               coalesce(sum(c.downloads) filter (where c.date
                                                 > d.recent_on - 90),
                        0) as recent
          from crate c
               join crate_downloads d on d.crate_id = c.crate_id
         group by c.crate_id)
    update crate_downloads d
       set downloads = d.downloads - l.downloads,
           recent = greatest(d.recent - l.recent, 0)
      from lost l
     where d.crate_id = l.crate_id;

    delete from dependencies d where d.version_id = any (version_ids);
    delete from versions v where v.id = any (version_ids);
end
$$;

comment on function cargo_store.delete_versions(bigint[]) is
    'The rows of versions whose crates are locked, and what they count for; '
    'index_changed() is left to do.';


create or replace function cargo_store.drop_version(
    access cargo_store.access,
    crate text,
    version text,
    reason text,
    out status integer,
    out body text,
    out before jsonb,
    out after jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    locked record;
    target record;
begin
    body := reason_refusal(reason);

    if body is not null then
        status := 400;
        return;
    end if;

    select * into locked from lock_crate(access, crate);
    status := locked.status;
    body := locked.body;

    if status = 200 then
        select * into target from find_version(access, crate, version);
        status := target.status;
        body := target.body;
    end if;

    if status <> 200 then
        return;
    end if;

    select version_facts(v) into before
      from versions v where v.id = target.version_id;

    perform delete_versions(array[target.version_id]);
    perform index_changed(target.crate_id, 'delete');

    update crate_search c
       set popularity = popularity(d.downloads)
      from crate_downloads d
     where c.crate_id = target.crate_id
       and d.crate_id = c.crate_id
       and c.popularity <> popularity(d.downloads);

    body := null;
    after := note_deletion(access, locked.name, version, target.restricted,
                           reason);
end
$$;

comment on function cargo_store.drop_version(cargo_store.access, text, text,
                                             text) is
    'Deletes a version; a crate without versions stays, and is not shown.  '
    'before, after: for the audit log.  '
    '200 with a null body; 400 no reason; 404 no such crate or version.';


create or replace function cargo_store.delete_crate_rows(crate_id bigint)
returns void
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    -- by the trigger this takes away what it is found by, and counts the tags
    update crates c set default_version_id = null where c.id = $1;

    perform delete_versions(array(select v.id
                                    from versions v
                                   where v.crate_id = $1));

    delete from crate_downloads d where d.crate_id = $1;
    delete from owners o where o.crate_id = $1;
    delete from team_owners o where o.crate_id = $1;
    delete from crate_readers r where r.crate_id = $1;
    delete from team_readers r where r.crate_id = $1;
    delete from follows f where f.crate_id = $1;
    delete from crates c where c.id = $1;
end
$$;

comment on function cargo_store.delete_crate_rows(bigint) is
    'All that the tables have of a crate that is locked for it.';


create or replace function cargo_store.drop_crate(
    access cargo_store.access,
    crate text,
    reason text,
    force boolean default false,
    out status integer,
    out body text,
    out before jsonb,
    out after jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    target record;
    users  text;
    hidden boolean;
begin
    body := reason_refusal(reason);

    if body is not null then
        status := 400;
        return;
    end if;

    select * into target from lock_crate(access, crate, true);
    status := target.status;
    body := target.body;

    if status <> 200 then
        return;
    end if;

    users := dependents((access.settings).id, crate);

    if users is not null and not force then
        status := 422;
        body := format('crate `%s` cannot be deleted: others depend on it: '
                       '%s; yank it, or delete these first', target.name,
                       users);
        return;
    end if;

    select jsonb_build_object('versions',
                              coalesce(jsonb_agg(jsonb_build_object('num',
                                                                    v.num)
                                                 || version_facts(v)
                                                 order by v.id), '[]'),
                              'owners', sorted_owners(target.crate_id))
      into before
      from versions v
     where v.crate_id = target.crate_id;

    select c.restricted into hidden
      from crates c where c.id = target.crate_id;

    perform delete_crate_rows(target.crate_id);

    insert into changes (registry_id, crate, kind)
    values ((access.settings).id, lower(target.name), 'delete');

    body := null;
    after := note_deletion(access, target.name, null, hidden, reason);
end
$$;

comment on function cargo_store.drop_crate(cargo_store.access, text, text,
                                           boolean) is
    'Deletes a crate with all its versions.  force: even if others depend on '
    'it.  before, after: for the audit log.  '
    '200 with a null body; 400 no reason; 404 no such crate; 422 others '
    'depend on it.';


create or replace function cargo.delete_crate(
    registry text,
    caller cargo.caller,
    crate text,
    query jsonb,
    out status integer,
    out body text,
    out account text,
    out token_name text)
language plpgsql volatile security definer
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    access cargo_store.access;
    before jsonb;
    after  jsonb;
begin
    access := open_for_write(registry, caller, 'admin', '{admin}', crate);
    status := access.status;
    body := access.body;
    account := access.account;
    token_name := access.token_name;

    if status = 200 then
        select d.status, d.body, d.before, d.after
          into status, body, before, after
          from drop_crate(access, crate, query->>'message') d;
    end if;

    if status = 200 then
        status := 204;
    end if;

    perform audit(access, registry, caller, 'delete_crate', crate, null,
                  status, body, before, after);
end
$$;

comment on function cargo.delete_crate(text, cargo.caller, text, jsonb) is
    'query: message, the reason.  Nobody may take the name until the '
    'registry''s quarantine is over.  '
    '204; 400 no reason; 403 no good token, wrong scope, not an admin; 404 no '
    'such registry or crate; 422 other crates depend on it.';


create or replace function cargo.delete_version(
    registry text,
    caller cargo.caller,
    crate text,
    version text,
    query jsonb,
    out status integer,
    out body text,
    out account text,
    out token_name text)
language plpgsql volatile security definer
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    access cargo_store.access;
    before jsonb;
    after  jsonb;
begin
    access := open_for_write(registry, caller, 'admin', '{admin}', crate);
    status := access.status;
    body := access.body;
    account := access.account;
    token_name := access.token_name;

    if status = 200 then
        select d.status, d.body, d.before, d.after
          into status, body, before, after
          from drop_version(access, crate, version, query->>'message') d;
    end if;

    if status = 200 then
        status := 204;
    end if;

    perform audit(access, registry, caller, 'delete_version', crate, version,
                  status, body, before, after);
end
$$;

comment on function cargo.delete_version(text, cargo.caller, text, text,
                                         jsonb) is
    'query: message, the reason.  Nobody may publish the number again until '
    'the registry''s quarantine is over.  '
    '204; 400 no reason; 403 no good token, wrong scope, not an admin; 404 no '
    'such registry, crate or version.';
