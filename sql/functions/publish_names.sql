-- Which names and numbers may be taken, and by whom.

create or replace function cargo_store.utc_minute(moment timestamptz)
returns text
language sql immutable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select to_char($1 at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"');
$$;

comment on function cargo_store.utc_minute(timestamptz) is
    'A time as a sentence writes it.';


create or replace function cargo_store.reserved_refusal(
    access cargo_store.access,
    name text,
    out status integer,
    out body text)
language plpgsql stable
as $$
declare
    canonical constant text := canonical_name(name);
    rule      record;
begin
    select r.prefix, r.team_id, t.name as team,
           left(reserved_refusal.name, length(r.canonical_name)) as pattern
      into rule
      from reserved_names r
           left join teams t on t.id = r.team_id
     where (r.registry_id is null
            or r.registry_id = (access.settings).id)
       and (r.canonical_name = canonical
            or (r.prefix and starts_with(canonical, r.canonical_name)))
     order by r.prefix, length(r.canonical_name) desc, r.registry_id is null
     limit 1;

    if rule.pattern is null
        or exists (select from team_members m
                    where m.team_id = rule.team_id
                      and m.account_id = access.account_id)
    then
        status := 200;

    elsif rule.team_id is null then
        status := 400;
        body := 'cannot upload a crate with a reserved name; ask an '
                'administrator of the registry';

    else
        status := 403;
        body := format('crates named `%s%s` may be created by the team `%s` '
                       'only; ask one of its members, or an administrator of '
                       'the registry', rule.pattern,
                       case when rule.prefix then '…' end, rule.team);
    end if;
end
$$;

comment on function cargo_store.reserved_refusal(cargo_store.access, text) is
    'Is the name kept for somebody else?  An exact name counts before a '
    'prefix, a long prefix before a short one, the registry''s own before one '
    'for all; admins are bound by it too.  '
    '200; 400 kept for nobody; 403 for a team that the caller is not in.';


create or replace function cargo_store.name_taken(name text)
returns text
language sql stable parallel safe
return pg_catalog.format('the name `%s` is taken', name);

comment on function cargo_store.name_taken(text) is
    'The sentence for the name of a crate that the caller does not see.';


create or replace function cargo_store.quarantine_refusal(
    access cargo_store.access,
    name text,
    version text)
returns text
language plpgsql volatile
as $$
declare
    gone cargo_store.deletions;
begin
    -- the clock, not now(): the transaction may have waited for the deletion
    select * into gone
      from deletions d
     where d.registry_id = (access.settings).id
       and d.canonical_name = canonical_name(quarantine_refusal.name)
       and split_part(d.version, '+', 1)
           is not distinct from split_part(quarantine_refusal.version, '+', 1)
       and d.reserved_until > clock_timestamp()
     order by d.reserved_until desc
     limit 1;

    if not found then
        return null;

    elsif gone.restricted and not coalesce(access.role >= 'maintainer', false)
    then
        return name_taken(name);

    elsif gone.version is null then
        return format('the crate `%s` was deleted on %s; its name cannot be '
                      'used again until %s; ask an administrator of the '
                      'registry', gone.name, utc_minute(gone.deleted_at),
                      utc_minute(gone.reserved_until));
    end if;

    return format('version `%s` of crate `%s` was deleted on %s; its number '
                  'cannot be used again until %s; ask an administrator of the '
                  'registry', gone.version, gone.name,
                  utc_minute(gone.deleted_at),
                  utc_minute(gone.reserved_until));
end
$$;

comment on function cargo_store.quarantine_refusal(cargo_store.access, text,
                                                   text) is
    'The sentence (400) for the number of a deleted version, or for the name '
    'of a deleted crate when version is null; null: it is free.';


create or replace function cargo_store.new_crate_refusal(
    access cargo_store.access,
    name text,
    version text,
    out status integer,
    out body text)
language plpgsql volatile
as $$
declare
    needed   constant cargo_store.member_role := (access.settings).new_crates;
    reserved record;
begin
    status := 403;
    body := scope_refusal(access, '{publish-new}', name);

    if body is null and access.role < needed then
        body := format('crate `%s` does not exist, and a new one needs '
                       '%s in registry `%s`, the account `%s` has the role '
                       '%s; ask an administrator of the registry', name,
                       role_needed(needed), (access.settings).name,
                       access.account, access.role);
    end if;

    if body is not null then
        return;
    end if;

    reserved := reserved_refusal(access, name);
    status := reserved.status;
    body := reserved.body;

    -- an earlier crate of the name may have lost the version before it went
    if status = 200
        and exists (select from deletions d
                     where d.registry_id = (access.settings).id
                       and d.canonical_name
                           = canonical_name(new_crate_refusal.name))
    then
        body := coalesce(quarantine_refusal(access, name, null),
                         quarantine_refusal(access, name, version));
    end if;

    if status = 200 and body is not null then
        status := 400;
    end if;
end
$$;

comment on function cargo_store.new_crate_refusal(cargo_store.access, text,
                                                  text) is
    'May the caller take a name that is free?  '
    '200; 400 reserved for nobody, deleted not long ago; 403 wrong scope, too '
    'low a role, reserved for a team.';


create or replace function cargo_store.create_crate(
    registry_id bigint,
    name text,
    owner_id integer,
    first_version text default null,
    first_version_id bigint default null)
returns bigint
language plpgsql volatile
as $$
declare
    new_id bigint;
begin
    insert into crates as c
           (registry_id, name, index_modified, num_versions,
            default_version_id, max_version, max_stable_version,
            newest_version)
    values (registry_id, name,
            case when first_version is null then 'epoch'
                 else date_trunc('second', clock_timestamp()) end,
            case when first_version is null then 0 else 1 end,
            first_version_id, first_version,
            case when is_stable(first_version) then first_version end,
            first_version)
        on conflict do nothing
    returning c.id into new_id;

    if found then
        insert into owners (crate_id, account_id)
        values (new_id, owner_id);
    end if;

    return new_id;
end
$$;

comment on function cargo_store.create_crate(bigint, text, integer, text,
                                             bigint) is
    'The id of a new crate, which the account owns; null when the name is '
    'taken, after waiting for whoever was taking it.  With a first version the '
    'row is as versions_summary() would have it afterwards: insert_version() '
    'and index_begun() are left to do.';


create or replace function cargo_store.not_an_owner(
    crate_id bigint,
    registry text)
returns text
language sql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
    select 'this crate exists but you don''t seem to be an owner. '
           'To have this version published, ask '
           || coalesce('one of its owners: '
                       || string_agg(o.name, ', ' order by o.team,
                                     o.created_at),
                       format('an administrator of registry `%s`', $2))
      from (select a.login as name, false as team, o.created_at
              from owners o
                   join accounts a on a.id = o.account_id
             where o.crate_id = $1
               and a.disabled_at is null
            union all
            select 'team:' || t.name, true, o.created_at
              from team_owners o
                   join teams t on t.id = o.team_id
             where o.crate_id = $1) o;
$$;

comment on function cargo_store.not_an_owner(bigint, text) is
    'The sentence for 403, publish to somebody else''s crate.';


create or replace function cargo_store.claim_for_publish(
    access cargo_store.access,
    name text,
    version text,
    out status integer,
    out body text,
    out crate_id bigint,
    out first_version_id bigint)
language plpgsql volatile
as $$
declare
    canonical constant text := canonical_name(name);
    refusal   record;
    stored    record;
begin
    -- Who loses the race for a new name waits in create_crate() until the
    -- winner has committed, goes round once more and finds the winner's crate.
    loop
        -- the row as it is after the wait for the lock
        select c.id, c.name, c.restricted into stored
          from crates c
         where c.registry_id = (access.settings).id
           and c.canonical_name = canonical
           for no key update;

        exit when found;

        refusal := new_crate_refusal(access, name, version);
        status := refusal.status;
        body := refusal.body;

        if status <> 200 then
            return;
        end if;

        first_version_id := nextval('cargo_store.versions_id_seq');
        crate_id := create_crate((access.settings).id, name,
                                 access.account_id, version,
                                 first_version_id);

        if crate_id is not null then
            return;
        end if;
    end loop;

    crate_id := stored.id;
    first_version_id := null;
    status := 403;

    if not sees(stored.id, (access.settings).id, canonical, stored.restricted,
                access)
    then
        body := name_taken(name);

    elsif not owns(crate_id, access.account_id) and access.role < 'admin' then
        body := not_an_owner(crate_id, (access.settings).name);

    elsif stored.name <> name then
        status := 400;
        body := format('crate was previously named `%s`', stored.name);

    else
        status := 200;
    end if;
end
$$;

comment on function cargo_store.claim_for_publish(cargo_store.access, text,
                                                  text) is
    'The crate to publish to, locked until the end of the transaction, if the '
    'caller may publish to it.  When it is new it has been made for the '
    'version, whose id is to be first_version_id, and is the caller''s.  '
    '200; 400 and 403 as new_crate_refusal(); 400 other spelling; 403 not an '
    'owner, or the crate is hidden from the caller.';
