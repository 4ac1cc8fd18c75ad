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
                       || string_agg(a.login, ', ' order by o.created_at),
                       format('an administrator of registry `%s`', $2))
      from owners o
           join accounts a on a.id = o.account_id
     where o.crate_id = $1
       and a.disabled_at is null;
$$;

comment on function cargo_store.not_an_owner(bigint, text) is
    'The sentence for 403, publish to somebody else''s crate.';


create or replace function cargo_store.claim_crate(
    settings cargo_store.registries,
    name text,
    account_id integer,
    role cargo_store.member_role,
    out status integer,
    out body text,
    out crate_id bigint)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    canonical constant text := canonical_name(name);
    stored    text;
    owned     boolean;
begin
    -- Who loses the race for a new name waits in the insert until the winner
    -- has committed, goes round once more and finds the winner's crate.
    loop
        select c.id, c.name,
               exists (select from owners o
                        where o.crate_id = c.id
                          and o.account_id = claim_crate.account_id)
          into crate_id, stored, owned
          from crates c
         where c.registry_id = settings.id
           and c.canonical_name = canonical
           for no key update;

        exit when found;

        if exists (select from reserved_names r
                    where r.canonical_name = canonical
                      and (r.registry_id is null
                           or r.registry_id = settings.id))
        then
            status := 400;
            body := 'cannot upload a crate with a reserved name';
            return;
        end if;

        insert into crates as c (registry_id, name)
        values (settings.id, name)
            on conflict do nothing
        returning c.id into crate_id;

        if found then
            insert into owners (crate_id, account_id)
            values (crate_id, account_id);

            status := 200;
            body := '';
            return;
        end if;
    end loop;

    if not owned and role < 'admin' then
        status := 403;
        body := not_an_owner(crate_id, settings.name);

    elsif stored <> name then
        status := 400;
        body := format('crate was previously named `%s`', stored);

    else
        status := 200;
        body := '';
    end if;
end
$$;

comment on function cargo_store.claim_crate(cargo_store.registries, text,
                                            integer,
                                            cargo_store.member_role) is
    'The crate to publish to, locked until the end of the transaction; made, '
    'and owned by the account, when it is new.  '
    '200; 400 reserved name, other spelling; 403 not an owner.';


create or replace function cargo_store.insert_version(
    crate_id bigint,
    release jsonb,
    index_head text,
    index_tail text,
    checksum bytea,
    size bigint,
    published_by integer,
    published_at timestamptz)
returns bigint
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    new_id bigint;
begin
    insert into versions as v
           (crate_id, num, sort_key, checksum, size, index_head, index_tail,
            features, links, rust_version, edition, description, homepage,
            documentation, repository, license, license_file, readme,
            readme_file, keywords, categories, authors, published_by,
            created_at, updated_at)
    select insert_version.crate_id, r.vers, r.sort_key,
           insert_version.checksum, insert_version.size,
           insert_version.index_head, insert_version.index_tail,
           r.features, r.links, r.rust_version, r.edition, r.description,
           r.homepage, r.documentation, r.repository, r.license,
           r.license_file, r.readme, r.readme_file, r.keywords, r.categories,
           r.authors, insert_version.published_by, published_at, published_at
      from jsonb_to_record(release)
               as r(vers text, sort_key text, features jsonb, links text,
                    rust_version text, edition text, description text,
                    homepage text, documentation text, repository text,
                    license text, license_file text, readme text,
                    readme_file text, keywords text[], categories text[],
                    authors text[])
        on conflict do nothing
    returning v.id into new_id;

    if not found then
        return null;
    end if;

    insert into dependencies
           (version_id, position, name, alias, req, kind, target, registry,
            optional, default_features, features, artifact, bindep_target,
            lib)
    select new_id, d.position, d.name,
           d.explicit_name_in_toml, d.version_req, d.kind, d.target,
           d.registry, d.optional, d.default_features, d.features,
           d.artifact, d.bindep_target, coalesce(d.lib, false)
      from rows from (jsonb_to_recordset(release->'deps')
                          as (name text, explicit_name_in_toml text,
                              version_req text, kind text, target text,
                              registry text, optional boolean,
                              default_features boolean, features text[],
                              artifact text[], bindep_target text,
                              lib boolean))
           with ordinality
           d(name, explicit_name_in_toml, version_req, kind, target, registry,
             optional, default_features, features, artifact, bindep_target,
             lib, position);

    return new_id;
end
$$;

comment on function cargo_store.insert_version(bigint, jsonb, text, text,
                                               bytea, bigint, integer,
                                               timestamptz) is
    'The id of the new version; null when its number is taken.';


create or replace function cargo.publish(
    registry text,
    token bytea,
    release jsonb,
    index_head text,
    index_tail text,
    checksum bytea,
    size bigint,
    published_at timestamptz,
    out status integer,
    out body text)
language plpgsql volatile security definer
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    caller       record;
    dependencies record;
    crate        record;
begin
    select * into caller from open_for_write(registry, token, 'publisher');

    if caller.status <> 200 then
        status := caller.status;
        body := caller.body;
        return;
    end if;

    status := 400;

    body := check_metadata(caller.settings, release);

    if body is not null then
        return;
    end if;

    select * into dependencies
      from check_dependencies(caller.settings, release);

    if dependencies.refusal is not null then
        body := dependencies.refusal;
        return;
    end if;

    select * into crate
      from claim_crate(caller.settings, release->>'name', caller.account_id,
                       caller.role);

    if crate.status <> 200 then
        status := crate.status;
        body := crate.body;
        return;
    end if;

    if insert_version(crate.crate_id, release, index_head, index_tail,
                      checksum, size, caller.account_id, published_at)
       is not null
    then
        perform index_changed(crate.crate_id, 'publish');

    -- the answer to the first upload may have been lost on its way; what was
    -- in it is said again
    elsif not exists (select from versions v
                       where v.crate_id = crate.crate_id
                         and v.num_without_build
                             = split_part(release->>'vers', '+', 1)
                         and v.num = release->>'vers'
                         and v.checksum = publish.checksum
                         and v.published_by = caller.account_id)
    then
        body := format('crate version `%s` is already uploaded',
                       split_part(release->>'vers', '+', 1));
        return;
    end if;

    status := 200;
    body := '{"warnings":{"invalid_categories":[],"invalid_badges":[],"other":'
            || to_json(dependencies.warnings) || '}}';
end
$$;

comment on function cargo.publish(text, bytea, jsonb, text, text, bytea,
                                  bigint, timestamptz) is
    'Publishes a release: the normal form of core/cargo_release.h and '
    '"sort_key".  The same upload by the same account once more is 200 and '
    'changes nothing.  '
    '200 with the warnings that cargo shows; '
    '400 metadata missing or over a limit, wildcard or unknown dependency, '
    'reserved name, other spelling of a name, version taken; '
    '403 no good token, too low a role, not an owner; '
    '404 no such registry.';
