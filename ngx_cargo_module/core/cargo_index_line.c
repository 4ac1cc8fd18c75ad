
#include "cargo_release.h"

#include <stdlib.h>
#include <string.h>

#include "cargo_json.h"


/* crates.io's: a chain of features longer than that stays as it is */
#define CARGO_FEATURES_ROUNDS  100

#define CARGO_YANKED           ",\"yanked\":"


typedef struct {
    const char  *name;
    json_t      *values;
    int          second;    /* belongs into features2 */
} cargo_index_feature_t;


typedef struct {
    cargo_index_feature_t  *features;   /* in the order of their names */
    size_t                  count;
    int                     second;     /* some belong into features2 */
} cargo_index_features_t;


static cargo_rc_t cargo_index_head(cargo_arena_t *arena, json_t *object,
    const json_t *release, cargo_str_t checksum,
    const cargo_index_features_t *features, cargo_str_t *head);
static cargo_rc_t cargo_index_tail(cargo_arena_t *arena, json_t *object,
    const json_t *release, cargo_str_t pubtime, int version,
    cargo_str_t *tail);
static json_t *cargo_index_deps(const json_t *deps);
static json_t *cargo_index_dep(const json_t *dep);
static cargo_rc_t cargo_index_put(json_t *object, const char *key,
    json_t *value);
static int cargo_index_has_artifacts(const json_t *deps);
static cargo_rc_t cargo_index_split(cargo_arena_t *arena,
    const json_t *release, cargo_index_features_t *features);
static int cargo_index_new_syntax(const json_t *values);
static int cargo_index_needs_second(const cargo_index_features_t *features,
    const json_t *values);
static int cargo_index_feature_order(const void *name, const void *feature);
static json_t *cargo_index_features(const cargo_index_features_t *features,
    int second);


cargo_rc_t
cargo_release_index_line(cargo_arena_t *arena, const json_t *release,
    cargo_str_t checksum, cargo_str_t pubtime, cargo_str_t *head,
    cargo_str_t *tail)
{
    int                      version;
    json_t                  *first, *last;
    cargo_rc_t               rc;
    cargo_index_features_t   features;

    rc = cargo_index_split(arena, release, &features);
    if (rc != CARGO_OK) {
        return rc;
    }

    version = cargo_index_has_artifacts(json_object_get(release, "deps")) ? 3
              : features.second ? 2 : 1;

    first = json_object();
    last = json_object();

    rc = cargo_index_head(arena, first, release, checksum, &features, head);

    if (rc == CARGO_OK) {
        rc = cargo_index_tail(arena, last, release, pubtime, version, tail);
    }

    json_decref(first);
    json_decref(last);

    return rc;
}


static cargo_rc_t
cargo_index_head(cargo_arena_t *arena, json_t *object, const json_t *release,
    cargo_str_t checksum, const cargo_index_features_t *features,
    cargo_str_t *head)
{
    size_t  len;

    if (cargo_index_put(object, "name", json_object_get(release, "name"))
        || cargo_index_put(object, "vers", json_object_get(release, "vers"))
        || cargo_json_put(object, "deps",
                       cargo_index_deps(json_object_get(release, "deps")))
        || cargo_json_put(object, "cksum", cargo_json_of_text(checksum))
        || cargo_json_put(object, "features",
                          cargo_index_features(features, 0)))
    {
        return CARGO_NO_MEMORY;
    }

    if (features->second
        && cargo_json_put(object, "features2",
                          cargo_index_features(features, 1)))
    {
        return CARGO_NO_MEMORY;
    }

    len = sizeof(CARGO_YANKED) - 1;

    *head = cargo_json_dump(arena, object, len);
    if (head->data == NULL) {
        return CARGO_NO_MEMORY;
    }

    memcpy(head->data + head->len - 1, CARGO_YANKED, len);
    head->len += len - 1;

    return CARGO_OK;
}


static cargo_rc_t
cargo_index_tail(cargo_arena_t *arena, json_t *object, const json_t *release,
    cargo_str_t pubtime, int version, cargo_str_t *tail)
{
    json_t  *links, *rust_version;

    links = json_object_get(release, "links");
    rust_version = json_object_get(release, "rust_version");

    if (json_is_string(links) && cargo_index_put(object, "links", links)) {
        return CARGO_NO_MEMORY;
    }

    if (json_is_string(rust_version)
        && cargo_index_put(object, "rust_version", rust_version))
    {
        return CARGO_NO_MEMORY;
    }

    if (pubtime.data
        && cargo_json_put(object, "pubtime", cargo_json_of_text(pubtime)))
    {
        return CARGO_NO_MEMORY;
    }

    if (version > 1 && cargo_json_put(object, "v", json_integer(version))) {
        return CARGO_NO_MEMORY;
    }

    *tail = cargo_json_dump(arena, object, 0);
    if (tail->data == NULL) {
        return CARGO_NO_MEMORY;
    }

    if (json_object_size(object) == 0) {
        tail->data++;
        tail->len--;
        return CARGO_OK;
    }

    tail->data[0] = ',';

    return CARGO_OK;
}


static json_t *
cargo_index_deps(const json_t *deps)
{
    size_t   i;
    json_t  *array, *dep;

    array = json_array();

    json_array_foreach (deps, i, dep) {
        if (cargo_json_append(array, cargo_index_dep(dep)) != CARGO_OK) {
            json_decref(array);
            return NULL;
        }
    }

    return array;
}


/*
 * The index calls "name" what code calls the dependency and "package" what a
 * publish calls its name.
 */

static json_t *
cargo_index_dep(const json_t *dep)
{
    size_t   i;
    json_t  *object, *value, *alias;

    static const struct {
        const char  *key;
        const char  *source;
        int          nullable;
    } members[] = {
        { "req", "version_req", 0 },
        { "features", "features", 0 },
        { "optional", "optional", 0 },
        { "default_features", "default_features", 0 },
        { "target", "target", 1 },
        { "kind", "kind", 0 },
        { "registry", "registry", 0 },
        { "package", NULL, 0 },
        { "artifact", "artifact", 0 },
        { "bindep_target", "bindep_target", 0 },
        { "lib", "lib", 0 }
    };

    alias = json_object_get(dep, "explicit_name_in_toml");
    value = json_object_get(dep, "name");

    object = json_object();

    if (cargo_index_put(object, "name", json_is_string(alias) ? alias : value))
    {
        json_decref(object);
        return NULL;
    }

    for (i = 0; i < sizeof(members) / sizeof(members[0]); i++) {

        if (members[i].source) {
            value = json_object_get(dep, members[i].source);

        } else {
            value = json_is_string(alias) ? json_object_get(dep, "name")
                                          : NULL;
        }

        if (value == NULL || (json_is_null(value) && !members[i].nullable)) {
            continue;
        }

        if (cargo_index_put(object, members[i].key, value)) {
            json_decref(object);
            return NULL;
        }
    }

    return object;
}


static cargo_rc_t
cargo_index_put(json_t *object, const char *key, json_t *value)
{
    return cargo_json_put(object, key, json_incref(value));
}


static int
cargo_index_has_artifacts(const json_t *deps)
{
    size_t   i;
    json_t  *dep;

    json_array_foreach (deps, i, dep) {
        if (json_object_get(dep, "artifact")) {
            return 1;
        }
    }

    return 0;
}


/*
 * A cargo that does not know "dep:" and "?/" must not see them: features that
 * use them, and in turn those that enable such features, go to features2.
 */

static cargo_rc_t
cargo_index_split(cargo_arena_t *arena, const json_t *release,
    cargo_index_features_t *features)
{
    int                     moved;
    size_t                  i, round;
    json_t                 *object, *values;
    const char             *name;
    cargo_index_feature_t  *feature;

    object = json_object_get(release, "features");

    features->count = 0;
    features->second = 0;
    features->features = cargo_arena_alloc(arena,
                                           (json_object_size(object) + 1)
                                           * sizeof(cargo_index_feature_t));
    if (features->features == NULL) {
        return CARGO_NO_MEMORY;
    }

    json_object_foreach (object, name, values) {
        feature = &features->features[features->count++];
        feature->name = name;
        feature->values = values;
        feature->second = cargo_index_new_syntax(values);
        features->second |= feature->second;
    }

    moved = features->second;

    for (round = 0; moved && round < CARGO_FEATURES_ROUNDS; round++) {

        moved = 0;

        for (i = 0; i < features->count; i++) {
            feature = &features->features[i];

            if (!feature->second
                && cargo_index_needs_second(features, feature->values))
            {
                feature->second = 1;
                moved = 1;
            }
        }
    }

    return CARGO_OK;
}


static int
cargo_index_new_syntax(const json_t *values)
{
    size_t       i;
    json_t      *value;
    const char  *text;

    json_array_foreach (values, i, value) {

        text = json_string_value(value);

        if (strncmp(text, "dep:", 4) == 0 || strstr(text, "?/")) {
            return 1;
        }
    }

    return 0;
}


static int
cargo_index_needs_second(const cargo_index_features_t *features,
    const json_t *values)
{
    size_t                        i;
    json_t                       *value;
    const cargo_index_feature_t  *feature;

    json_array_foreach (values, i, value) {

        feature = bsearch(json_string_value(value), features->features,
                          features->count, sizeof(cargo_index_feature_t),
                          cargo_index_feature_order);

        if (feature && feature->second) {
            return 1;
        }
    }

    return 0;
}


static int
cargo_index_feature_order(const void *name, const void *feature)
{
    return strcmp(name, ((const cargo_index_feature_t *) feature)->name);
}


static json_t *
cargo_index_features(const cargo_index_features_t *features, int second)
{
    size_t                  i;
    json_t                 *object;
    cargo_index_feature_t  *feature;

    object = json_object();

    for (i = 0; i < features->count; i++) {

        feature = &features->features[i];

        if (feature->second == second
            && cargo_index_put(object, feature->name, feature->values))
        {
            json_decref(object);
            return NULL;
        }
    }

    return object;
}
