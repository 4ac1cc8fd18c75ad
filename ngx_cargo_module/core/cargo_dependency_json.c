
#include "cargo_dependency.h"

#include <string.h>

#include "cargo_json.h"


static json_t *cargo_dependency_json(const cargo_dependency_t *dependency);
static cargo_rc_t cargo_dependency_json_artifact(json_t *object,
    const cargo_dependency_t *dependency);
static json_t *cargo_texts_json(const cargo_texts_t *texts);


json_t *
cargo_dependencies_json(cargo_arena_t *arena, const cargo_dependencies_t *list)
{
    size_t                i;
    json_t               *array;
    cargo_dependency_t  **sorted;

    sorted = cargo_dependencies_sort(arena, list);
    if (sorted == NULL) {
        return NULL;
    }

    array = json_array();
    if (array == NULL) {
        return NULL;
    }

    for (i = 0; i < list->count; i++) {
        if (cargo_json_append(array, cargo_dependency_json(sorted[i]))
            != CARGO_OK)
        {
            json_decref(array);
            return NULL;
        }
    }

    return array;
}


cargo_rc_t
cargo_dependency_of_json(cargo_arena_t *arena, const json_t *json,
    cargo_dependency_t *dependency)
{
    cargo_str_t  kind;

#define cargo_text(key)  cargo_json_text(json_object_get(json, key))
#define cargo_flag(key)  json_is_true(json_object_get(json, key))

    dependency->name = cargo_text("name");
    dependency->alias = cargo_text("explicit_name_in_toml");
    dependency->requirement = cargo_text("version_req");
    dependency->target = cargo_text("target");
    dependency->registry = cargo_text("registry");
    dependency->bindep_target = cargo_text("bindep_target");
    dependency->optional = cargo_flag("optional");
    dependency->default_features = cargo_flag("default_features");
    dependency->lib = cargo_flag("lib");

    kind = cargo_text("kind");

#undef cargo_text
#undef cargo_flag

    dependency->kind = (kind.data[0] == 'n') ? CARGO_DEPENDENCY_NORMAL
                       : (kind.data[0] == 'b') ? CARGO_DEPENDENCY_BUILD
                       : CARGO_DEPENDENCY_DEV;

    if (cargo_texts_of_json(arena, json_object_get(json, "features"),
                            &dependency->features)
        != CARGO_OK)
    {
        return CARGO_NO_MEMORY;
    }

    return cargo_texts_of_json(arena, json_object_get(json, "artifact"),
                               &dependency->artifacts);
}


cargo_rc_t
cargo_dependencies_change(cargo_arena_t *arena, json_t *release,
    cargo_dependency_change_pt change, void *data)
{
    size_t                 i;
    json_t                *json;
    cargo_rc_t             rc;
    cargo_dependency_t    *dependency;
    cargo_dependencies_t   list = { NULL, 0 };

    json_array_foreach (json_object_get(release, "deps"), i, json) {

        dependency = cargo_dependency_add(arena, &list);
        if (dependency == NULL) {
            return CARGO_NO_MEMORY;
        }

        rc = cargo_dependency_of_json(arena, json, dependency);

        if (rc == CARGO_OK) {
            rc = change(data, dependency);
        }

        if (rc != CARGO_OK) {
            return rc;
        }
    }

    return cargo_json_put(release, "deps",
                          cargo_dependencies_json(arena, &list));
}


static json_t *
cargo_dependency_json(const cargo_dependency_t *dependency)
{
    size_t       i;
    json_t      *object;
    cargo_rc_t   rc;

    struct {
        const char  *key;
        json_t      *value;
    } members[] = {
        { "name", cargo_json_of_text(dependency->name) },
        { "explicit_name_in_toml", cargo_json_of_text(dependency->alias) },
        { "version_req", cargo_json_of_text(dependency->requirement) },
        { "features", cargo_texts_json(&dependency->features) },
        { "optional", json_boolean(dependency->optional) },
        { "default_features", json_boolean(dependency->default_features) },
        { "target", cargo_json_of_text(dependency->target) },
        { "kind", json_string(cargo_dependency_kinds[dependency->kind]) },
        { "registry", cargo_json_of_text(dependency->registry) }
    };

    object = json_object();
    rc = object ? CARGO_OK : CARGO_NO_MEMORY;

    /* each value is given away, also after a failure */

    for (i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        if (cargo_json_put(object, members[i].key, members[i].value)
            != CARGO_OK)
        {
            rc = CARGO_NO_MEMORY;
        }
    }

    if (rc == CARGO_OK && dependency->artifacts.count) {
        rc = cargo_dependency_json_artifact(object, dependency);
    }

    if (rc != CARGO_OK) {
        json_decref(object);
        return NULL;
    }

    return object;
}


static cargo_rc_t
cargo_dependency_json_artifact(json_t *object,
    const cargo_dependency_t *dependency)
{
    cargo_rc_t  rc;

    rc = cargo_json_put(object, "artifact",
                        cargo_texts_json(&dependency->artifacts));
    if (rc != CARGO_OK) {
        return rc;
    }

    rc = cargo_json_put(object, "bindep_target",
                        cargo_json_of_text(dependency->bindep_target));
    if (rc != CARGO_OK) {
        return rc;
    }

    return cargo_json_put(object, "lib", json_boolean(dependency->lib));
}


static json_t *
cargo_texts_json(const cargo_texts_t *texts)
{
    size_t   i;
    json_t  *array;

    array = json_array();
    if (array == NULL) {
        return NULL;
    }

    for (i = 0; i < texts->count; i++) {
        if (cargo_json_append(array, cargo_json_of_text(texts->texts[i]))
            != CARGO_OK)
        {
            json_decref(array);
            return NULL;
        }
    }

    return array;
}
