
#include "cargo_manifest.h"

#include <string.h>

#include "cargo_dependency.h"


/* the tables are read one after the other into one list */
typedef struct {
    cargo_arena_t            *arena;
    const cargo_own_index_t  *own;
    cargo_dependencies_t      list;
} cargo_manifest_deps_t;


typedef struct {
    const char               *key;
    const char               *legacy;       /* read when key is not there */
    cargo_dependency_kind_t   kind;
} cargo_manifest_table_t;


static cargo_rc_t cargo_manifest_read_targets(cargo_manifest_deps_t *deps,
    const cargo_json_place_t *place);
static cargo_rc_t cargo_manifest_read_tables(cargo_manifest_deps_t *deps,
    const cargo_json_place_t *place, cargo_str_t target);
static cargo_rc_t cargo_manifest_read_table(cargo_manifest_deps_t *deps,
    const cargo_json_place_t *place, cargo_str_t target,
    cargo_dependency_kind_t kind);
static cargo_rc_t cargo_manifest_read_dep(cargo_manifest_deps_t *deps,
    const cargo_json_place_t *place, cargo_dependency_t *dependency);
static cargo_rc_t cargo_manifest_read_texts(const cargo_json_place_t *place,
    cargo_dependency_t *dependency);
static cargo_rc_t cargo_manifest_check_source(const cargo_json_place_t *place,
    const cargo_dependency_t *dependency);
static cargo_rc_t cargo_manifest_read_artifact(cargo_manifest_deps_t *deps,
    const cargo_json_place_t *place, cargo_dependency_t *dependency);
static const char *cargo_manifest_key(const json_t *object, const char *key,
    const char *legacy);
static cargo_rc_t cargo_manifest_inner(cargo_arena_t *arena,
    const cargo_json_place_t *place, const char *key, json_t *object,
    cargo_json_place_t *inner);


static const cargo_manifest_table_t  cargo_manifest_tables[] = {
    { "dependencies", NULL, CARGO_DEPENDENCY_NORMAL },
    { "build-dependencies", "build_dependencies", CARGO_DEPENDENCY_BUILD },
    { "dev-dependencies", "dev_dependencies", CARGO_DEPENDENCY_DEV }
};


cargo_rc_t
cargo_manifest_read_deps(cargo_arena_t *arena, const cargo_json_place_t *place,
    const cargo_own_index_t *own, json_t *release)
{
    cargo_rc_t             rc;
    cargo_str_t            everywhere = { 0, NULL };
    cargo_manifest_deps_t  deps;

    deps.arena = arena;
    deps.own = own;
    deps.list.first = NULL;
    deps.list.count = 0;

    rc = cargo_manifest_read_tables(&deps, place, everywhere);
    if (rc != CARGO_OK) {
        return rc;
    }

    rc = cargo_manifest_read_targets(&deps, place);
    if (rc != CARGO_OK) {
        return rc;
    }

    return cargo_json_put(release, "deps",
                          cargo_dependencies_json(arena, &deps.list));
}


static cargo_rc_t
cargo_manifest_read_targets(cargo_manifest_deps_t *deps,
    const cargo_json_place_t *place)
{
    json_t              *targets, *tables;
    cargo_rc_t           rc;
    const char          *name;
    cargo_str_t          target;
    cargo_json_place_t   outer, inner;

    rc = cargo_json_object(place, "target", &targets);
    if (rc != CARGO_OK || targets == NULL) {
        return rc;
    }

    outer = *place;
    outer.path = "target.";
    outer.object = targets;

    json_object_foreach (targets, name, tables) {

        rc = cargo_manifest_inner(deps->arena, &outer, name, tables, &inner);
        if (rc != CARGO_OK) {
            return rc;
        }

        target.data = (unsigned char *) (uintptr_t) name;
        target.len = strlen(name);

        rc = cargo_manifest_read_tables(deps, &inner, target);
        if (rc != CARGO_OK) {
            return rc;
        }
    }

    return CARGO_OK;
}


static cargo_rc_t
cargo_manifest_read_tables(cargo_manifest_deps_t *deps,
    const cargo_json_place_t *place, cargo_str_t target)
{
    size_t                         i, n;
    json_t                        *table;
    cargo_rc_t                     rc;
    const char                    *key;
    cargo_json_place_t             inner;
    const cargo_manifest_table_t  *tables;

    tables = cargo_manifest_tables;
    n = sizeof(cargo_manifest_tables) / sizeof(cargo_manifest_table_t);

    for (i = 0; i < n; i++) {

        key = cargo_manifest_key(place->object, tables[i].key,
                                 tables[i].legacy);

        table = json_object_get(place->object, key);
        if (table == NULL) {
            continue;
        }

        rc = cargo_manifest_inner(deps->arena, place, key, table, &inner);
        if (rc != CARGO_OK) {
            return rc;
        }

        rc = cargo_manifest_read_table(deps, &inner, target, tables[i].kind);
        if (rc != CARGO_OK) {
            return rc;
        }
    }

    return CARGO_OK;
}


static cargo_rc_t
cargo_manifest_read_table(cargo_manifest_deps_t *deps,
    const cargo_json_place_t *place, cargo_str_t target,
    cargo_dependency_kind_t kind)
{
    json_t              *value;
    cargo_rc_t           rc;
    const char          *name;
    cargo_json_place_t   inner;
    cargo_dependency_t  *dependency;

    json_object_foreach ((json_t *) (uintptr_t) place->object, name, value) {

        dependency = cargo_dependency_add(deps->arena, &deps->list);
        if (dependency == NULL) {
            return CARGO_NO_MEMORY;
        }

        dependency->name.data = (unsigned char *) (uintptr_t) name;
        dependency->name.len = strlen(name);
        dependency->kind = kind;
        dependency->target = target;
        dependency->registry = (cargo_str_t)
                                   cargo_string(CARGO_CRATES_IO_INDEX);

        if (json_is_string(value)) {
            dependency->requirement = cargo_json_text(value);
            rc = CARGO_OK;

        } else {
            rc = cargo_manifest_inner(deps->arena, place, name, value, &inner);
            if (rc == CARGO_OK) {
                rc = cargo_manifest_read_dep(deps, &inner, dependency);
            }
        }

        if (rc != CARGO_OK) {
            return rc;
        }

        rc = cargo_dependency_check(deps->arena, dependency, deps->own,
                                    place->error);
        if (rc != CARGO_OK) {
            return rc;
        }
    }

    return CARGO_OK;
}


static cargo_rc_t
cargo_manifest_read_dep(cargo_manifest_deps_t *deps,
    const cargo_json_place_t *place, cargo_dependency_t *dependency)
{
    json_t      *features;
    cargo_rc_t   rc;
    const char  *key;

    if (json_object_get(place->object, "workspace")) {
        return cargo_refuse(place->error, 400, CARGO_MANIFEST_INHERITED,
                            place->prefix, place->path, "workspace");
    }

    rc = cargo_manifest_read_texts(place, dependency);
    if (rc != CARGO_OK) {
        return rc;
    }

    rc = cargo_json_boolean(place, "optional", &dependency->optional);
    if (rc != CARGO_OK) {
        return rc;
    }

    key = cargo_manifest_key(place->object, "default-features",
                             "default_features");

    rc = cargo_json_boolean(place, key, &dependency->default_features);
    if (rc != CARGO_OK) {
        return rc;
    }

    rc = cargo_json_strings(place, "features", &features);
    if (rc != CARGO_OK) {
        return rc;
    }

    rc = cargo_texts_of_json(deps->arena, features, &dependency->features);
    if (rc != CARGO_OK) {
        return rc;
    }

    return cargo_manifest_read_artifact(deps, place, dependency);
}


static cargo_rc_t
cargo_manifest_read_texts(const cargo_json_place_t *place,
    cargo_dependency_t *dependency)
{
    json_t      *value;
    cargo_rc_t   rc;

    rc = cargo_json_string(place, "version", &value);
    if (rc != CARGO_OK) {
        return rc;
    }

    dependency->requirement = cargo_json_text(value);

    rc = cargo_manifest_check_source(place, dependency);
    if (rc != CARGO_OK) {
        return rc;
    }

    if (value == NULL) {
        dependency->requirement = (cargo_str_t) cargo_string("*");
    }

    rc = cargo_json_string(place, "registry-index", &value);
    if (rc != CARGO_OK) {
        return rc;
    }

    if (value) {
        dependency->registry = cargo_json_text(value);
    }

    rc = cargo_json_string(place, "package", &value);
    if (rc != CARGO_OK) {
        return rc;
    }

    if (value) {
        dependency->alias = dependency->name;
        dependency->name = cargo_json_text(value);
    }

    return CARGO_OK;
}


/*
 * "cargo package" drops "path" and "git" and turns the name of a registry,
 * which means something on one machine only, into "registry-index".
 */

static cargo_rc_t
cargo_manifest_check_source(const cargo_json_place_t *place,
    const cargo_dependency_t *dependency)
{
    size_t  i;

    static const char *const  sources[] = { "path", "git" };

    for (i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {

        if (json_object_get(place->object, sources[i])
            && dependency->requirement.data == NULL)
        {
            return cargo_refuse(place->error, 400, "%s`%s%s` without "
                                "`version`: a dependency of a published crate "
                                "needs a version requirement; add `version`",
                                place->prefix, place->path, sources[i]);
        }
    }

    if (json_object_get(place->object, "registry")
        && json_object_get(place->object, "registry-index") == NULL)
    {
        return cargo_refuse(place->error, 400, "%s`%sregistry` without "
                            "`registry-index`: a registry's name means "
                            "nothing outside of one machine; upload what "
                            "\"cargo package\" writes", place->prefix,
                            place->path);
    }

    return CARGO_OK;
}


/* one kind may stand alone, without the brackets of an array */

static cargo_rc_t
cargo_manifest_read_artifact(cargo_manifest_deps_t *deps,
    const cargo_json_place_t *place, cargo_dependency_t *dependency)
{
    json_t       *value;
    cargo_rc_t    rc;
    cargo_str_t   single;

    single = cargo_json_text(json_object_get(place->object, "artifact"));

    if (single.data) {

        dependency->artifacts.texts = cargo_arena_alloc(deps->arena,
                                                        sizeof(cargo_str_t));
        if (dependency->artifacts.texts == NULL) {
            return CARGO_NO_MEMORY;
        }

        dependency->artifacts.texts[0] = single;
        dependency->artifacts.count = 1;

    } else {
        rc = cargo_json_strings(place, "artifact", &value);
        if (rc != CARGO_OK) {
            return rc;
        }

        rc = cargo_texts_of_json(deps->arena, value, &dependency->artifacts);
        if (rc != CARGO_OK || dependency->artifacts.count == 0) {
            return rc;
        }
    }

    rc = cargo_json_string(place, "target", &value);
    if (rc != CARGO_OK) {
        return rc;
    }

    dependency->bindep_target = cargo_json_text(value);

    return cargo_json_boolean(place, "lib", &dependency->lib);
}


static const char *
cargo_manifest_key(const json_t *object, const char *key, const char *legacy)
{
    if (legacy && json_object_get(object, key) == NULL
        && json_object_get(object, legacy))
    {
        return legacy;
    }

    return key;
}


static cargo_rc_t
cargo_manifest_inner(cargo_arena_t *arena, const cargo_json_place_t *place,
    const char *key, json_t *object, cargo_json_place_t *inner)
{
    cargo_str_t  path;

    *inner = *place;

    if (!json_is_object(object)) {
        return cargo_json_mistyped(place, key, object, "a map");
    }

    path = cargo_arena_printf(arena, "%s%s.", place->path, key);
    if (path.data == NULL) {
        return CARGO_NO_MEMORY;
    }

    inner->path = (const char *) path.data;
    inner->object = object;

    return CARGO_OK;
}
