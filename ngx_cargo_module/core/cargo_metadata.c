
#include "cargo_release.h"

#include <string.h>

#include "cargo_dependency.h"
#include "cargo_fields.h"
#include "cargo_json.h"


#define CARGO_METADATA_PREFIX  "invalid upload request: "

/*
 * Each costs jansson up to 300 bytes, so that 1 MiB of "{}," would become
 * 80 MiB; a crate with 500 dependencies and 300 features has some 10000.
 */
#define CARGO_VALUES_MAX       32768


static cargo_rc_t cargo_metadata_parse(cargo_str_t text, json_t **json,
    cargo_error_t *error);
static size_t cargo_metadata_values(cargo_str_t text);
static cargo_rc_t cargo_metadata_read(cargo_arena_t *arena,
    const json_t *json, const cargo_own_index_t *own, json_t *release,
    cargo_error_t *error);
static cargo_rc_t cargo_metadata_read_deps(cargo_arena_t *arena,
    const cargo_json_place_t *place, const cargo_own_index_t *own,
    json_t *release);
static cargo_rc_t cargo_metadata_read_dep(cargo_arena_t *arena,
    const cargo_json_place_t *place, cargo_dependency_t *dependency);
static cargo_rc_t cargo_metadata_read_kind(const cargo_json_place_t *place,
    cargo_dependency_t *dependency);
static cargo_rc_t cargo_metadata_read_artifact(cargo_arena_t *arena,
    const cargo_json_place_t *place, cargo_dependency_t *dependency);


static const cargo_field_t  cargo_metadata_fields[] = {
    { "name", "name", CARGO_FIELD_REQUIRED },
    { "vers", "vers", CARGO_FIELD_REQUIRED },
    { "links", "links", CARGO_FIELD_STRING },
    { "rust_version", "rust_version", CARGO_FIELD_STRING },
    { "description", "description", CARGO_FIELD_STRING },
    { "homepage", "homepage", CARGO_FIELD_STRING },
    { "documentation", "documentation", CARGO_FIELD_STRING },
    { "repository", "repository", CARGO_FIELD_STRING },
    { "readme", "readme", CARGO_FIELD_STRING },
    { "readme_file", "readme_file", CARGO_FIELD_STRING },
    { "license", "license", CARGO_FIELD_STRING },
    { "license_file", "license_file", CARGO_FIELD_STRING },
    { "keywords", "keywords", CARGO_FIELD_STRINGS },
    { "categories", "categories", CARGO_FIELD_STRINGS },
    { "authors", "authors", CARGO_FIELD_STRINGS },
    { NULL, NULL, CARGO_FIELD_STRING }
};


cargo_rc_t
cargo_release_of_metadata(cargo_arena_t *arena, cargo_str_t json,
    const cargo_own_index_t *own, json_t **release, cargo_error_t *error)
{
    json_t      *parsed;
    cargo_rc_t   rc;

    *release = NULL;

    rc = cargo_metadata_parse(json, &parsed, error);
    if (rc != CARGO_OK) {
        return rc;
    }

    *release = json_object();

    rc = *release ? cargo_metadata_read(arena, parsed, own, *release, error)
                  : CARGO_NO_MEMORY;

    json_decref(parsed);

    if (rc != CARGO_OK) {
        json_decref(*release);
        *release = NULL;
    }

    return rc;
}


static cargo_rc_t
cargo_metadata_parse(cargo_str_t text, json_t **json, cargo_error_t *error)
{
    json_error_t  failure;

    *json = NULL;

    if (cargo_metadata_values(text) > CARGO_VALUES_MAX) {
        return cargo_refuse(error, 400, CARGO_METADATA_PREFIX
                            "it has more than %d values", CARGO_VALUES_MAX);
    }

    *json = json_loadb(text.len ? (const char *) text.data : "", text.len,
                       JSON_REJECT_DUPLICATES, &failure);

    if (*json == NULL) {

        /* a failed allocation that jansson does not call one has no text */

        if (failure.text[0] == '\0'
            || json_error_code(&failure) == json_error_out_of_memory)
        {
            return CARGO_NO_MEMORY;
        }

        return cargo_refuse(error, 400, CARGO_METADATA_PREFIX
                            "%s at line %d column %d", failure.text,
                            failure.line, failure.column);
    }

    if (!json_is_object(*json)) {
        json_decref(*json);
        return cargo_refuse(error, 400, CARGO_METADATA_PREFIX
                            "invalid type: sequence, expected a map");
    }

    return CARGO_OK;
}


/* what begins a value or separates two, outside of strings */

static size_t
cargo_metadata_values(cargo_str_t text)
{
    int            quoted;
    size_t         i, values;
    unsigned char  c;

    quoted = 0;
    values = 0;

    for (i = 0; i < text.len; i++) {
        c = text.data[i];

        if (c == '"') {
            quoted = !quoted;

        } else if (quoted) {
            i += (c == '\\');

        } else if (c == '[' || c == '{' || c == ',') {
            values++;
        }
    }

    return values;
}


static cargo_rc_t
cargo_metadata_read(cargo_arena_t *arena, const json_t *json,
    const cargo_own_index_t *own, json_t *release, cargo_error_t *error)
{
    cargo_rc_t          rc;
    cargo_json_place_t  place;

    place.prefix = CARGO_METADATA_PREFIX;
    place.path = "";
    place.object = json;
    place.error = error;

    rc = cargo_fields_copy(&place, cargo_metadata_fields, release);
    if (rc != CARGO_OK) {
        return rc;
    }

    rc = cargo_fields_check(release, CARGO_METADATA_PREFIX, error);
    if (rc != CARGO_OK) {
        return rc;
    }

    rc = cargo_fields_copy_features(arena, &place, release);
    if (rc != CARGO_OK) {
        return rc;
    }

    return cargo_metadata_read_deps(arena, &place, own, release);
}


static cargo_rc_t
cargo_metadata_read_deps(cargo_arena_t *arena, const cargo_json_place_t *place,
    const cargo_own_index_t *own, json_t *release)
{
    size_t                 i;
    json_t                *deps, *dep;
    cargo_rc_t             rc;
    cargo_str_t            path;
    cargo_json_place_t     inner;
    cargo_dependency_t    *dependency;
    cargo_dependencies_t   list = { NULL, 0 };

    deps = json_object_get(place->object, "deps");

    if (deps && !json_is_array(deps) && !json_is_null(deps)) {
        return cargo_json_mistyped(place, "deps", deps, "an array of maps");
    }

    inner = *place;

    json_array_foreach (deps, i, dep) {

        if (!json_is_object(dep)) {
            return cargo_json_mistyped(place, "deps", dep, "an array of maps");
        }

        path = cargo_arena_printf(arena, "deps[%zu].", i);
        dependency = cargo_dependency_add(arena, &list);

        if (path.data == NULL || dependency == NULL) {
            return CARGO_NO_MEMORY;
        }

        inner.path = (const char *) path.data;
        inner.object = dep;

        rc = cargo_metadata_read_dep(arena, &inner, dependency);
        if (rc != CARGO_OK) {
            return rc;
        }

        rc = cargo_dependency_check(arena, dependency, own, place->error);
        if (rc != CARGO_OK) {
            return rc;
        }
    }

    return cargo_json_put(release, "deps",
                          cargo_dependencies_json(arena, &list));
}


static cargo_rc_t
cargo_metadata_read_dep(cargo_arena_t *arena, const cargo_json_place_t *place,
    cargo_dependency_t *dependency)
{
    size_t       i;
    json_t      *value;
    cargo_rc_t   rc;

    struct {
        const char   *key;
        cargo_str_t  *text;
        int           required;
    } texts[] = {
        { "name", &dependency->name, 1 },
        { "version_req", &dependency->requirement, 1 },
        { "explicit_name_in_toml", &dependency->alias, 0 },
        { "target", &dependency->target, 0 },
        { "registry", &dependency->registry, 0 }
    };

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {

        rc = texts[i].required
             ? cargo_json_required(place, texts[i].key, &value)
             : cargo_json_string(place, texts[i].key, &value);
        if (rc != CARGO_OK) {
            return rc;
        }

        *texts[i].text = cargo_json_text(value);
    }

    rc = cargo_json_boolean(place, "optional", &dependency->optional);
    if (rc != CARGO_OK) {
        return rc;
    }

    rc = cargo_json_boolean(place, "default_features",
                            &dependency->default_features);
    if (rc != CARGO_OK) {
        return rc;
    }

    rc = cargo_json_strings(place, "features", &value);
    if (rc != CARGO_OK) {
        return rc;
    }

    rc = cargo_texts_of_json(arena, value, &dependency->features);
    if (rc != CARGO_OK) {
        return rc;
    }

    rc = cargo_metadata_read_kind(place, dependency);
    if (rc != CARGO_OK) {
        return rc;
    }

    return cargo_metadata_read_artifact(arena, place, dependency);
}


static cargo_rc_t
cargo_metadata_read_kind(const cargo_json_place_t *place,
    cargo_dependency_t *dependency)
{
    json_t      *value;
    cargo_rc_t   rc;
    const char  *kind;

    rc = cargo_json_string(place, "kind", &value);
    if (rc != CARGO_OK || value == NULL) {
        return rc;
    }

    kind = json_string_value(value);

    for (dependency->kind = CARGO_DEPENDENCY_NORMAL;
         dependency->kind <= CARGO_DEPENDENCY_DEV;
         dependency->kind++)
    {
        if (strcmp(kind, cargo_dependency_kinds[dependency->kind]) == 0) {
            return CARGO_OK;
        }
    }

    return cargo_refuse(place->error, 400, "%sunknown variant `%s`, expected "
                        "one of `normal`, `build`, `dev` in field `%skind`",
                        place->prefix, kind, place->path);
}


static cargo_rc_t
cargo_metadata_read_artifact(cargo_arena_t *arena,
    const cargo_json_place_t *place, cargo_dependency_t *dependency)
{
    json_t      *artifact, *target;
    cargo_rc_t   rc;

    rc = cargo_json_strings(place, "artifact", &artifact);
    if (rc != CARGO_OK) {
        return rc;
    }

    rc = cargo_texts_of_json(arena, artifact, &dependency->artifacts);
    if (rc != CARGO_OK || dependency->artifacts.count == 0) {
        return rc;
    }

    rc = cargo_json_string(place, "bindep_target", &target);
    if (rc != CARGO_OK) {
        return rc;
    }

    dependency->bindep_target = cargo_json_text(target);

    return cargo_json_boolean(place, "lib", &dependency->lib);
}
