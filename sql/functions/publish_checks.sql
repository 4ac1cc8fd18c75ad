-- The rules of a registry that a release has to keep before anything is
-- looked for in the tables.  What concerns bytes alone (names, versions,
-- requirements) was checked by the server before it called.

create or replace function cargo_store.check_metadata(
    settings cargo_store.registries,
    release jsonb,
    out refusal text)
language plpgsql immutable
as $$
declare
    missing      text[] := '{}';
    dependencies constant integer := jsonb_array_length(release->'deps');
    features     integer := 0;
begin
    if release->'features' <> '{}' then
        features := (select count(*)
                       from jsonb_object_keys(release->'features'));
    end if;

    if settings.require_description
        and btrim(coalesce(release->>'description', '')) = ''
    then
        missing := array_append(missing, 'description');
    end if;

    if settings.require_license
        and btrim(concat(release->>'license', release->>'license_file')) = ''
    then
        missing := array_append(missing, 'license');
    end if;

    if missing <> '{}' then
        refusal := format('missing or empty metadata fields: %s. Please see '
                          'https://doc.rust-lang.org/cargo/reference/'
                          'manifest.html for more information on configuring '
                          'these fields', array_to_string(missing, ', '));
        return;
    end if;

    if length(release->>'description') > settings.description_max then
        refusal := format('The `description` is too long. A maximum of %s '
                          'characters are currently allowed.',
                          settings.description_max);

    elsif jsonb_array_length(release->'keywords') > settings.max_keywords then
        refusal := format('expected at most %s keywords per crate',
                          settings.max_keywords);

    elsif jsonb_array_length(release->'categories') > settings.max_categories
    then
        refusal := format('expected at most %s categories per crate',
                          settings.max_categories);

    elsif dependencies > settings.max_dependencies then
        refusal := format('this registry allows at most %s dependencies, the '
                          'crate has %s', settings.max_dependencies,
                          dependencies);

    elsif features > settings.max_features then
        refusal := format('this registry allows at most %s features, the '
                          'crate has %s', settings.max_features, features);
    end if;
end
$$;

comment on function cargo_store.check_metadata(cargo_store.registries,
                                               jsonb) is
    'Required metadata and limits; refusal (400) is null when all is well.';


create or replace function cargo_store.hold_dependencies(
    registry_id bigint,
    release jsonb)
returns void
language plpgsql volatile
set search_path = pg_catalog, cargo_store, pg_temp
as $$
begin
    perform from crates c
      where c.registry_id = hold_dependencies.registry_id
        and c.canonical_name <> canonical_name(release->>'name')
        and c.canonical_name
            in (select canonical_name(t.name)
                  from jsonb_to_recordset(release->'deps')
                           as t(name text, registry text)
                 where t.registry is null)
      order by c.id
        for key share;
end
$$;

comment on function cargo_store.hold_dependencies(bigint, jsonb) is
    'None of the crates that the release depends on is deleted before the '
    'release is there, which then stands in the way.';


create or replace function cargo_store.check_dependencies(
    access cargo_store.access,
    release jsonb,
    coming text[] default '{}',
    out refusal text,
    out warnings text[])
language plpgsql volatile
as $$
declare
    settings constant cargo_store.registries := access.settings;
    wildcard text;
    unknown  text[];
begin
    warnings := '{}';

    if release->'deps' = '[]' then
        return;
    end if;

    perform hold_dependencies(settings.id, release);

    -- The subquery stands where it is, and not as a join, so that it costs a
    -- look at the unique index for each dependency, however many crates there
    -- are.  Spelling counts: cargo would not find `foo_bar` as `foo-bar`.
    select min(d.name) filter (where d.version_req = '*'),
           array_agg(distinct 'no known crate named `' || d.name || '`'
                              || coalesce('; did you mean `' || d.known || '`?',
                                          ''))
               filter (where d.registry is null
                         and d.name <> release->>'name'
                         and d.known is distinct from d.name
                         and canonical_name(d.name) <> all (coming))
      into wildcard, unknown
      from (select t.name, t.version_req, t.registry,
                   (select c.name
                      from crates c
                     where c.registry_id = settings.id
                       and c.canonical_name = canonical_name(t.name)
                       and t.registry is null
                       and sees(c, access)) as known
              from jsonb_to_recordset(release->'deps')
                       as t(name text, version_req text, registry text)) d;

    if wildcard is not null and not settings.allow_wildcard_dependencies then
        refusal := format('wildcard (`*`) dependency constraints are not '
                          'allowed in this registry. Crate with this problem: '
                          '`%s`', wildcard);

    elsif unknown is not null and settings.allow_unknown_dependencies then
        warnings := unknown;

    elsif unknown is not null then
        refusal := unknown[1];
        warnings := unknown;
    end if;
end
$$;

comment on function cargo_store.check_dependencies(cargo_store.access, jsonb,
                                                   text[]) is
    'Wildcards, and crates that the caller does not see; coming: canonical '
    'names of crates that are about to be.  refusal (400) is null when all is '
    'well; warnings: of unknown ones, also when they are refused.';
