-- Publishing.  What every publish calls sets no search_path: that takes longer
-- than much of what is done, and those alone call it that have set one.  What
-- can be assigned is not selected, which would take a query.

create or replace function cargo_store.insert_dependencies(
    version_id bigint,
    dependencies jsonb)
returns void
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    insert into dependencies
           (version_id, position, name, alias, req, kind, target, registry,
            optional, default_features, features, artifact, bindep_target,
            lib)
    select insert_dependencies.version_id, d.position, d.name,
           d.explicit_name_in_toml, d.version_req, d.kind, d.target,
           d.registry, d.optional, d.default_features, d.features, d.artifact,
           d.bindep_target, coalesce(d.lib, false)
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
    published_at timestamptz,
    version_id bigint default nextval('cargo_store.versions_id_seq'))
returns bigint
language plpgsql volatile
as $$
declare
    new_id bigint;
begin
    insert into versions as v
           (id, crate_id, num, sort_key, checksum, size, index_head, index_tail,
            features, links, rust_version, edition, description, homepage,
            documentation, repository, license, license_file, readme,
            readme_file, keywords, categories, authors, has_lib, bin_names,
            published_by, created_at, updated_at)
           overriding system value
    select version_id, insert_version.crate_id, r.vers, r.sort_key,
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

    if release->'deps' <> '[]' then
        perform insert_dependencies(new_id, release->'deps');
    end if;

    return new_id;
end
$$;

comment on function cargo_store.insert_version(bigint, jsonb, text, text,
                                               bytea, bigint, integer,
                                               timestamptz, bigint) is
    'The id of the new version; null when its number is taken.';


create or replace function cargo_store.was_published(
    crate_id bigint,
    version text,
    checksum bytea,
    account_id integer)
returns boolean
language plpgsql stable
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
    first_version_id bigint,
    release jsonb,
    index_head text,
    index_tail text,
    checksum bytea,
    size bigint,
    published_at timestamptz,
    out status integer,
    out body text)
language plpgsql volatile
as $$
declare
    version constant text := release->>'vers';
begin
    -- claim_for_publish() has seen to all that there is to a new one
    if first_version_id is not null then
        perform insert_version(crate_id, release, index_head, index_tail,
                               checksum, size, access.account_id,
                               published_at, first_version_id);
        perform index_begun(crate_id, index_line(index_head, false,
                                                 index_tail));
        status := 200;
        return;
    end if;

    status := 403;
    body := scope_refusal(access, '{publish-update}', release->>'name');

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

    perform index_changed(crate_id, 'publish', version,
                          index_line(index_head, false, index_tail));
    status := 200;
end
$$;

comment on function cargo_store.add_version(cargo_store.access, bigint,
                                            bigint, jsonb, text, text, bytea,
                                            bigint, timestamptz) is
    'Adds it to a crate that claim_for_publish() has locked, or created.  '
    '200 with a null body; 400 version taken, or deleted not long ago; 403 '
    'wrong scope.';


create or replace function cargo_store.publish_facts(
    checksum bytea,
    size bigint,
    owners text[] default null)
returns jsonb
language plpgsql immutable
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
as $$
declare
    deps  constant record := check_dependencies(access, release);
    crate record;
    added record;
begin
    status := 400;
    body := coalesce(check_metadata(access.settings, release), deps.refusal);

    if body is not null then
        return;
    end if;

    crate := claim_for_publish(access, release->>'name', release->>'vers');
    status := crate.status;
    body := crate.body;

    if status = 200 then
        added := add_version(access, crate.crate_id, crate.first_version_id,
                             release, index_head, index_tail, checksum, size,
                             published_at);
        status := added.status;
        body := added.body;

        -- the answer to the first upload may have been lost on its way; what
        -- was in it is said again, also to a token that may only make new
        -- crates
        if status <> 200
            and was_published(crate.crate_id, release->>'vers', checksum,
                              access.account_id)
        then
            status := 200;
            before := publish_facts(checksum, size);
        end if;
    end if;

    if status <> 200 then
        return;
    end if;

    body := '{"warnings":{"invalid_categories":[],"invalid_badges":[],"other":'
            || to_json(deps.warnings) || '}}';
    after := publish_facts(checksum, size,
                           case when crate.first_version_id is not null
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
    later  text;
    done   record;
    before jsonb;
    after  jsonb;
begin
    if not ring then
        later := set_config('cargo.ring', 'later', true);
    end if;

    access := open_for_write(registry, caller, 'publisher',
                             '{publish-new,publish-update}',
                             release->>'name');
    status := access.status;
    body := access.body;
    account := access.account;
    token_name := access.token_name;

    if status = 200 then
        done := publish_release(access, release, index_head, index_tail,
                                checksum, size, published_at);
        status := done.status;
        body := done.body;
        before := done.before;
        after := done.after;
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
