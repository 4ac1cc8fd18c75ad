-- Versions that come from somewhere else, as files that cargoctl has checked
-- as the server checks an upload.

create or replace function cargo_store.import_role_refusal(
    settings cargo_store.registries,
    account cargo_store.accounts)
returns text
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    role constant member_role := role_in(settings.id, account.id);
begin
    if role >= 'publisher' then
        return null;
    end if;

    return format('account `%s` has %s in registry `%s`, an owner needs the '
                  'role publisher or a higher one: grant it, or import for '
                  'another account', account.login,
                  coalesce('the role ' || role, 'no role'), settings.name);
end
$$;

comment on function cargo_store.import_role_refusal(cargo_store.registries,
                                                    cargo_store.accounts) is
    'Why the account cannot own what is imported (400); null: it can.';


create or replace function cargo_store.open_import(
    registry text,
    owner text)
returns cargo_store.access
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    access cargo_store.access := open_for_admin(registry);
    who    record;
begin
    if access.status <> 200 then
        return access;
    end if;

    select * into who from find_account(owner);

    access.account_id := (who.account).id;
    access.status := 400;

    -- the rules of cargo.add_owners()
    if lower(owner) like 'team:%' then
        access.body := format('`%s` is a team: import for an account, and '
                              'make the team an owner then', owner);

    elsif who.status <> 200 then
        access.status := who.status;
        access.body := who.detail;

    elsif (who.account).disabled_at is not null then
        access.body := format('account `%s` is disabled: enable it, or import '
                              'for another one', (who.account).login);

    else
        access.body := import_role_refusal(access.settings, who.account);
        access.status := case when access.body is null then 200 else 400 end;
    end if;

    return access;
end
$$;

comment on function cargo_store.open_import(text, text) is
    'An admin with the id of the account that is to own new crates.  '
    '200; 400 a team, disabled, too low a role; 404 no such registry or '
    'account.';


create or replace function cargo_admin.may_import(
    registry text,
    owner text,
    out status integer,
    out body jsonb)
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    access cargo_store.access := open_import(registry, owner);
begin
    status := access.status;
    body := case when status = 200 then '{}' else problem(access.body) end;
end
$$;

comment on function cargo_admin.may_import(text, text) is
    'What import_version() would say of registry and owner, whatever the '
    'version: asked before an import begins.  '
    '200; 400 a team, disabled, too low a role; 404 no such registry or '
    'account.';


create or replace function cargo_store.claim_import(
    access cargo_store.access,
    name text,
    version text,
    published_at timestamptz,
    out status integer,
    out body text,
    out crate_id bigint)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    target record;
begin
    -- create_crate() waits for whoever is taking the name, and then gives none
    loop
        select * into target from lock_crate(access, name);

        exit when target.status = 200;

        -- an earlier crate of the name may have lost the version before it
        -- went
        body := coalesce(quarantine_refusal(access, name, null),
                         quarantine_refusal(access, name, version));

        if body is not null then
            status := 409;
            return;
        end if;

        crate_id := create_crate((access.settings).id, name,
                                 access.account_id);

        if crate_id is not null then
            update crates c
               set created_at = least(c.created_at, published_at)
             where c.id = crate_id;

            status := 200;
            return;
        end if;
    end loop;

    crate_id := target.crate_id;
    status := 200;

    if target.name <> name then
        status := 400;
        body := format('crate was previously named `%s`', target.name);
    end if;
end
$$;

comment on function cargo_store.claim_import(cargo_store.access, text, text,
                                             timestamptz) is
    'The crate, locked until the end of the transaction; made for this '
    'version, and owned by the account, when it is new.  '
    '200; 400 other spelling; 409 deleted not long ago.';


create or replace function cargo_store.is_imported(
    access cargo_store.access,
    release jsonb)
returns boolean
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    return exists (select from crates c
                          join versions v on v.crate_id = c.id
                    where c.registry_id = (access.settings).id
                      and c.canonical_name = canonical_name(release->>'name')
                      and v.num_without_build
                          = split_part(release->>'vers', '+', 1));
end
$$;

comment on function cargo_store.is_imported(cargo_store.access, jsonb) is
    'Is there a version of this number?';


create or replace function cargo_store.check_import(
    access cargo_store.access,
    release jsonb,
    published_at timestamptz,
    coming text[],
    out status integer,
    out body text,
    out crate_id bigint,
    out warnings text[])
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    status := 400;

    -- what was let in once is not judged again
    if not is_imported(access, release) then
        body := check_metadata(access.settings, release);

        if body is null then
            select d.refusal, d.warnings
              into body, warnings
              from check_dependencies(access, release, coming) d;
        end if;
    end if;

    if body is null then
        select c.status, c.body, c.crate_id
          into status, body, crate_id
          from claim_import(access, release->>'name', release->>'vers',
                            published_at) c;
    end if;
end
$$;

comment on function cargo_store.check_import(cargo_store.access, jsonb,
                                             timestamptz, text[]) is
    'The crate as claim_import() gives it, and the unknown dependencies, also '
    'when they are why it is refused.  '
    '200; 400 metadata, dependencies, other spelling; 409 deleted not long '
    'ago.';


create or replace function cargo_store.lasting_line(head text, tail text)
returns jsonb
language sql immutable
set search_path = pg_catalog, cargo_store, pg_temp
return (head || 'false' || tail)::jsonb - 'pubtime';

comment on function cargo_store.lasting_line(text, text) is
    'A line of the index without what may differ from one import to the next: '
    'the yank, and the time, which not every source knows.';


create or replace function cargo_store.import_again(
    present cargo_store.versions,
    release jsonb,
    index_head text,
    index_tail text,
    checksum bytea,
    yanked boolean,
    out status integer,
    out body jsonb,
    out before jsonb,
    out after jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    if present.num <> release->>'vers' or present.checksum <> checksum then
        status := 409;
        body := problem(format('version `%s` of crate `%s` is there already, '
                               'from another file', present.num,
                               release->>'name'));
        return;
    end if;

    if present.yanked <> yanked then
        update versions v
           set yanked = import_again.yanked,
               yank_message = null,
               updated_at = now()
         where v.id = present.id;

        perform index_changed(present.crate_id, case when yanked then 'yank'
                                                     else 'unyank' end);
    end if;

    status := 200;
    body := jsonb_build_object(
                'imported', false,
                'differs', lasting_line(present.index_head, present.index_tail)
                           <> lasting_line(index_head, index_tail));
    before := jsonb_build_object('checksum', encode(checksum, 'hex'),
                                 'size', present.size,
                                 'yanked', present.yanked);
    after := before || jsonb_build_object('yanked', yanked);
end
$$;

comment on function cargo_store.import_again(cargo_store.versions, jsonb,
                                             text, text, bytea, boolean) is
    'A version that is there: yanked or not as it is given, its line of the '
    'index stays.  '
    '200; 409 from another file.';


create or replace function cargo_store.import_new(
    access cargo_store.access,
    crate_id bigint,
    release jsonb,
    index_head text,
    index_tail text,
    checksum bytea,
    size bigint,
    published_at timestamptz,
    yanked boolean)
returns text
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    refusal text := quarantine_refusal(access, release->>'name',
                                       release->>'vers');
    new_id  bigint;
begin
    if refusal is not null then
        return refusal;
    end if;

    new_id := insert_version(crate_id, release, index_head, index_tail,
                             checksum, size, access.account_id, published_at);

    if yanked then
        update versions v set yanked = true where v.id = new_id;
    end if;

    perform index_changed(crate_id, 'publish', release->>'vers',
                          index_line(index_head, yanked, index_tail));

    return null;
end
$$;

comment on function cargo_store.import_new(cargo_store.access, bigint, jsonb,
                                           text, text, bytea, bigint,
                                           timestamptz, boolean) is
    'A version that is not there; why not (409), or null.';


create or replace function cargo_store.import_release(
    access cargo_store.access,
    release jsonb,
    index_head text,
    index_tail text,
    checksum bytea,
    size bigint,
    published_at timestamptz,
    yanked boolean,
    coming text[],
    out status integer,
    out body jsonb,
    out before jsonb,
    out after jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    version constant text := release->>'vers';
    checked record;
    present versions;
    refusal text;
begin
    select * into checked
      from check_import(access, release, published_at, coming);

    status := checked.status;
    body := problem(checked.body);

    if status <> 200 then
        body := body || jsonb_strip_nulls(jsonb_build_object(
                            'unknown_dependencies',
                            nullif(checked.warnings, '{}')));
        return;
    end if;

    select * into present
      from versions v
     where v.crate_id = checked.crate_id
       and v.num_without_build = split_part(version, '+', 1);

    if found then
        select a.* into status, body, before, after
          from import_again(present, release, index_head, index_tail,
                            checksum, yanked) a;
        return;
    end if;

    refusal := import_new(access, checked.crate_id, release, index_head,
                          index_tail, checksum, size, published_at, yanked);

    if refusal is not null then
        status := 409;
        body := problem(refusal);
        return;
    end if;

    body := jsonb_build_object('imported', true,
                               'warnings', checked.warnings);
    after := jsonb_build_object('checksum', encode(checksum, 'hex'),
                                'size', size, 'yanked', yanked);
end
$$;

comment on function cargo_store.import_release(cargo_store.access, jsonb, text,
                                               text, bytea, bigint,
                                               timestamptz, boolean,
                                               text[]) is
    'What cargo_admin.import_version() does, and for its row in the audit log '
    'the version before and after.';


create or replace function cargo_admin.import_version(
    registry text,
    release jsonb,
    index_head text,
    index_tail text,
    checksum bytea,
    size bigint,
    published_at timestamptz,
    yanked boolean,
    owner text,
    coming text[],
    out status integer,
    out body jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    access cargo_store.access := open_import(registry, owner);
    before jsonb;
    after  jsonb;
begin
    status := access.status;
    body := problem(access.body);

    if status = 200 then
        select i.*
          into status, body, before, after
          from import_release(access, release, index_head, index_tail,
                              checksum, size, coalesce(published_at, now()),
                              coalesce(yanked, false),
                              coalesce(coming, '{}')) i;
    end if;

    perform audit_admin(registry, 'import_version', release->>'name',
                        release->>'vers', status, body, before, after);
end
$$;

comment on function cargo_admin.import_version(text, jsonb, text, text, bytea,
                                               bigint, timestamptz, boolean,
                                               text, text[]) is
    'release, index_head, index_tail: as in cargo.publish(); no scope or '
    'reserved name is asked for.  published_at: null for now.  owner: login of '
    'who is to own the crate if it is new, and published the version: see '
    'may_import().  coming: '
    'canonical names of crates that may be missing yet; those that the release '
    'depends on are enough.  '
    '200 with {"imported": true, "warnings": [text]}, or false when just this '
    'version is there: then only yanked is set, and "differs" says whether '
    'its line of the index is another one; '
    '400 metadata missing or over a limit, wildcard or unknown dependency '
    '(then with unknown_dependencies), other spelling of a name, account that '
    'cannot own; '
    '404 no such registry or account; '
    '409 version there from another file, crate or version deleted not long '
    'ago.';
