create or replace function cargo_store.insert_dependencies(
    version_id bigint,
    dependencies jsonb)
returns void
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    -- most of what is published together has none
    if dependencies = '[]' then
        return;
    end if;

    insert into dependencies
           (version_id, position, name, alias, req, kind, target, registry,
            optional, default_features, features, artifact, bindep_target,
            lib)
    select insert_dependencies.version_id, d.position, d.name, d.explicit_name_in_toml, d.version_req,
           d.kind, d.target, d.registry, d.optional, d.default_features,
           d.features, d.artifact, d.bindep_target, coalesce(d.lib, false)
      from rows from (jsonb_to_recordset(insert_dependencies.dependencies)
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
end
$$;

comment on function cargo_store.insert_dependencies(bigint, jsonb) is
    'dependencies: "deps" of a release, in this order.';


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
            readme_file, keywords, categories, authors, has_lib, bin_names,
            published_by, created_at, updated_at)
    select insert_version.crate_id, r.vers, r.sort_key,
           insert_version.checksum, insert_version.size,
           insert_version.index_head, insert_version.index_tail,
           r.features, r.links, r.rust_version, r.edition, r.description,
           r.homepage, r.documentation, r.repository, r.license,
           r.license_file, r.readme, r.readme_file, r.keywords, r.categories,
           r.authors, r.has_lib, r.bin_names,
           insert_version.published_by, published_at, published_at
      from jsonb_to_record(release)
               as r(vers text, sort_key text, features jsonb, links text,
                    rust_version text, edition text, description text,
                    homepage text, documentation text, repository text,
                    license text, license_file text, readme text,
                    readme_file text, keywords text[], categories text[],
                    authors text[], has_lib boolean, bin_names text[])
        on conflict do nothing
    returning v.id into new_id;

    if not found then
        return null;
    end if;

    perform insert_dependencies(new_id, release->'deps');

    return new_id;
end
$$;

comment on function cargo_store.insert_version(bigint, jsonb, text, text,
                                               bytea, bigint, integer,
                                               timestamptz) is
    'The id of the new version; null when its number is taken.';


create or replace function cargo_store.was_published(
    crate_id bigint,
    version text,
    checksum bytea,
    account_id integer)
returns boolean
language plpgsql stable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    return exists (select from versions v
                    where v.crate_id = $1
                      and v.num_without_build = split_part($2, '+', 1)
                      and v.num = $2
                      and v.checksum = $3
                      and v.published_by = $4);
end
$$;

comment on function cargo_store.was_published(bigint, text, bytea, integer) is
    'Has the account published just this before?';


create or replace function cargo_store.add_version(
    access cargo_store.access,
    crate_id bigint,
    created boolean,
    release jsonb,
    index_head text,
    index_tail text,
    checksum bytea,
    size bigint,
    published_at timestamptz,
    out status integer,
    out body text)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    version constant text := release->>'vers';
begin
    if not created then
        status := 403;
        body := scope_refusal(access, '{publish-update}', release->>'name');
    end if;

    if body is null then
        status := 400;
        body := quarantine_refusal(access, release->>'name', version);
    end if;

    if body is null
        and insert_version(crate_id, release, index_head, index_tail,
                           checksum, size, access.account_id, published_at)
            is null
    then
        body := format('crate version `%s` is already uploaded',
                       split_part(version, '+', 1));
    end if;

    if body is not null then
        return;
    end if;

    perform index_changed(crate_id, 'publish');
    status := 200;
end
$$;

comment on function cargo_store.add_version(cargo_store.access, bigint,
                                            boolean, jsonb, text, text, bytea,
                                            bigint, timestamptz) is
    'Adds it to a crate that claim_crate() has locked, or created.  '
    '200 with a null body; 400 version taken, or deleted not long ago; 403 '
    'wrong scope.';


create or replace function cargo_store.publish_facts(
    checksum bytea,
    size bigint,
    owners text[] default null)
returns jsonb
language plpgsql immutable
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    return jsonb_strip_nulls(jsonb_build_object(
               'checksum', encode($1, 'hex'), 'size', $2, 'owners', $3));
end
$$;

comment on function cargo_store.publish_facts(bytea, bigint, text[]) is
    'What the audit log has of a version; owners: of a crate that is new.';


create or replace function cargo_store.publish_release(
    access cargo_store.access,
    release jsonb,
    index_head text,
    index_tail text,
    checksum bytea,
    size bigint,
    published_at timestamptz,
    out status integer,
    out body text,
    out before jsonb,
    out after jsonb)
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
declare
    deps  record;
    crate record;
begin
    select * into deps from check_dependencies(access, release);

    status := 400;
    body := coalesce(check_metadata(access.settings, release), deps.refusal);

    if body is not null then
        return;
    end if;

    select * into crate
      from claim_crate(access, release->>'name', release->>'vers');
    status := crate.status;
    body := crate.body;

    -- the answer to the first upload may have been lost on its way; what was
    -- in it is said again, also to a token that may only make new crates
    if status = 200
        and was_published(crate.crate_id, release->>'vers', checksum,
                          access.account_id)
    then
        before := publish_facts(checksum, size);

    elsif status = 200 then
        select a.status, a.body
          into status, body
          from add_version(access, crate.crate_id, crate.created, release,
                           index_head, index_tail, checksum, size,
                           published_at) a;
    end if;

    if status <> 200 then
        return;
    end if;

    body := '{"warnings":{"invalid_categories":[],"invalid_badges":[],"other":'
            || to_json(deps.warnings) || '}}';
    after := publish_facts(checksum, size,
                           case when crate.created
                                then array[access.account] end);
end
$$;

comment on function cargo_store.publish_release(cargo_store.access, jsonb,
                                                text, text, bytea, bigint,
                                                timestamptz) is
    'What cargo.publish() answers to a caller with a good token.  before, '
    'after: for the audit log.';


create or replace function cargo.publish(
    registry text,
    caller cargo.caller,
    release jsonb,
    index_head text,
    index_tail text,
    checksum bytea,
    size bigint,
    published_at timestamptz,
    ring boolean default true,
    out status integer,
    out body text,
    out account text,
    out token_name text)
language plpgsql volatile security definer
set search_path = pg_catalog, cargo_store, pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
    access cargo_store.access;
    before jsonb;
    after  jsonb;
begin
    if not ring then
        perform set_config('cargo.ring', 'later', true);
    end if;

    access := open_for_write(registry, caller, 'publisher',
                             '{publish-new,publish-update}',
                             release->>'name');
    status := access.status;
    body := access.body;
    account := access.account;
    token_name := access.token_name;

    if status = 200 then
        select p.status, p.body, p.before, p.after
          into status, body, before, after
          from publish_release(access, release, index_head, index_tail,
                               checksum, size, published_at) p;
    end if;

    perform audit(access, registry, caller, 'publish', release->>'name',
                  release->>'vers', status, body, before, after);
end
$$;

comment on function cargo.publish(text, cargo.caller, jsonb, text, text,
                                  bytea, bigint, timestamptz, boolean) is
    'Publishes a release: the normal form of core/cargo_release.h and '
    '"sort_key".  The same upload by the same account once more is 200 and '
    'changes nothing.  ring: false when the caller calls cargo.ring() '
    'afterwards, so that those who publish at the same time share a commit.  '
    '200 with the warnings that cargo shows; '
    '400 metadata missing or over a limit, wildcard or unknown dependency, '
    'reserved name, name or number deleted not long ago, other spelling of a '
    'name, version taken; '
    '403 no good token, wrong scope, too low a role, not an owner, a name that '
    'is a team''s or hidden from the caller; '
    '404 no such registry.';
