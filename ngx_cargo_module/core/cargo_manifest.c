
#include "cargo_manifest.h"

#include <string.h>

#include "cargo_fields.h"
#include "cargo_toml.h"


static cargo_rc_t cargo_manifest_release(cargo_arena_t *arena,
    cargo_str_t toml, const cargo_own_index_t *own,
    const cargo_archive_t *archive, json_t **release, cargo_error_t *error);
static cargo_rc_t cargo_manifest_parse(cargo_str_t toml, json_t **value,
    cargo_error_t *error);
static cargo_rc_t cargo_manifest_read(cargo_arena_t *arena,
    const cargo_json_place_t *place, const cargo_own_index_t *own,
    json_t *release);
static cargo_rc_t cargo_manifest_read_package(const cargo_json_place_t *place,
    json_t *release);
static cargo_rc_t cargo_manifest_check_inherited(
    const cargo_json_place_t *place);
static cargo_rc_t cargo_manifest_read_readme(const cargo_json_place_t *place,
    json_t *release);


static const cargo_field_t  cargo_manifest_fields[] = {
    { "name", "name", CARGO_FIELD_REQUIRED },
    { "vers", "version", CARGO_FIELD_REQUIRED },
    { "links", "links", CARGO_FIELD_STRING },
    { "rust_version", "rust-version", CARGO_FIELD_STRING },
    { "edition", "edition", CARGO_FIELD_STRING },
    { "description", "description", CARGO_FIELD_STRING },
    { "homepage", "homepage", CARGO_FIELD_STRING },
    { "documentation", "documentation", CARGO_FIELD_STRING },
    { "repository", "repository", CARGO_FIELD_STRING },
    { "license", "license", CARGO_FIELD_STRING },
    { "license_file", "license-file", CARGO_FIELD_STRING },
    { "keywords", "keywords", CARGO_FIELD_STRINGS },
    { "categories", "categories", CARGO_FIELD_STRINGS },
    { "authors", "authors", CARGO_FIELD_STRINGS },
    { NULL, NULL, CARGO_FIELD_STRING }
};


cargo_rc_t
cargo_release_of_manifest(cargo_arena_t *arena, cargo_str_t toml,
    const cargo_own_index_t *own, json_t **release, cargo_error_t *error)
{
    return cargo_manifest_release(arena, toml, own, NULL, release, error);
}


cargo_rc_t
cargo_release_of_archive(cargo_archive_t *archive,
    const cargo_own_index_t *own, json_t **release, cargo_error_t *error)
{
    cargo_rc_t   rc;
    cargo_str_t  toml;

    *release = NULL;

    rc = cargo_archive_end(archive, &toml, error);
    if (rc != CARGO_OK) {
        return rc;
    }

    return cargo_manifest_release(cargo_archive_arena(archive), toml, own,
                                  archive, release, error);
}


cargo_rc_t
cargo_manifest_package(const cargo_json_place_t *place,
    cargo_json_place_t *package)
{
    json_t      *value;
    cargo_rc_t   rc;

    *package = *place;
    package->path = "package.";

    rc = cargo_json_object(place, "package", &value);

    /* what [package] was called before Rust 1.0; cargo still reads it */

    if (rc == CARGO_OK && value == NULL) {
        package->path = "project.";
        rc = cargo_json_object(place, "project", &value);
    }

    if (rc == CARGO_OK && value == NULL) {
        return cargo_refuse(place->error, 400, "%smissing field `package`",
                            place->prefix);
    }

    package->object = value;

    return rc;
}


/* archive: NULL when it is not at hand */

static cargo_rc_t
cargo_manifest_release(cargo_arena_t *arena, cargo_str_t toml,
    const cargo_own_index_t *own, const cargo_archive_t *archive,
    json_t **release, cargo_error_t *error)
{
    json_t              *manifest;
    cargo_rc_t           rc;
    cargo_json_place_t   place;

    *release = NULL;

    rc = cargo_manifest_parse(toml, &manifest, error);
    if (rc != CARGO_OK) {
        return rc;
    }

    place.prefix = CARGO_MANIFEST_PREFIX;
    place.path = "";
    place.object = manifest;
    place.error = error;

    *release = json_object();

    rc = *release ? cargo_manifest_read(arena, &place, own, *release)
                  : CARGO_NO_MEMORY;

    if (rc == CARGO_OK && archive) {
        rc = cargo_manifest_read_bins(arena, &place, archive, *release);
    }

    json_decref(manifest);

    if (rc != CARGO_OK) {
        json_decref(*release);
        *release = NULL;
    }

    return rc;
}


static cargo_rc_t
cargo_manifest_parse(cargo_str_t toml, json_t **value, cargo_error_t *error)
{
    cargo_rc_t     rc;
    cargo_error_t  inner;

    rc = cargo_toml_parse(toml, value, &inner);

    if (rc == CARGO_REFUSED) {
        return cargo_refuse(error, inner.status, CARGO_MANIFEST_PREFIX "%s",
                            inner.detail);
    }

    return rc;
}


static cargo_rc_t
cargo_manifest_read(cargo_arena_t *arena, const cargo_json_place_t *place,
    const cargo_own_index_t *own, json_t *release)
{
    cargo_rc_t  rc;

    if (json_object_get(place->object, "patch")) {
        return cargo_refuse(place->error, 400, CARGO_MANIFEST_PREFIX
                            "crates cannot be published with `[patch]` "
                            "tables");
    }

    rc = cargo_manifest_read_package(place, release);
    if (rc != CARGO_OK) {
        return rc;
    }

    rc = cargo_fields_check(release, CARGO_MANIFEST_PREFIX, place->error);
    if (rc != CARGO_OK) {
        return rc;
    }

    rc = cargo_fields_copy_features(arena, place, release);
    if (rc != CARGO_OK) {
        return rc;
    }

    return cargo_manifest_read_deps(arena, place, own, release);
}


static cargo_rc_t
cargo_manifest_read_package(const cargo_json_place_t *place, json_t *release)
{
    cargo_rc_t          rc;
    cargo_json_place_t  inner;

    rc = cargo_manifest_package(place, &inner);
    if (rc != CARGO_OK) {
        return rc;
    }

    rc = cargo_manifest_check_inherited(&inner);
    if (rc != CARGO_OK) {
        return rc;
    }

    rc = cargo_fields_copy(&inner, cargo_manifest_fields, release);
    if (rc != CARGO_OK) {
        return rc;
    }

    return cargo_manifest_read_readme(&inner, release);
}


/* "cargo publish" writes the workspace's value in place of each of these */

static cargo_rc_t
cargo_manifest_check_inherited(const cargo_json_place_t *place)
{
    json_t      *value;
    const char  *key;

    json_object_foreach ((json_t *) (uintptr_t) place->object, key, value) {

        if (json_object_get(value, "workspace") == NULL
            || strcmp(key, "metadata") == 0)
        {
            continue;
        }

        return cargo_refuse(place->error, 400, CARGO_MANIFEST_INHERITED,
                            place->prefix, place->path, key);
    }

    return CARGO_OK;
}


/* true stands for the default name */

static cargo_rc_t
cargo_manifest_read_readme(const cargo_json_place_t *place, json_t *release)
{
    json_t  *readme;

    readme = json_object_get(place->object, "readme");

    if (json_is_true(readme)) {
        return cargo_json_put(release, "readme_file",
                              json_string("README.md"));
    }

    if (readme == NULL || json_is_false(readme)) {
        return cargo_json_put(release, "readme_file", json_null());
    }

    if (!json_is_string(readme)) {
        return cargo_json_mistyped(place, "readme", readme,
                                   "a string or a boolean");
    }

    return cargo_json_put(release, "readme_file", json_incref(readme));
}
