
#include "cargo_dependency.h"

#include <stdlib.h>
#include <string.h>

#include "cargo_json.h"
#include "cargo_name.h"
#include "cargo_semver.h"


static cargo_rc_t cargo_dependency_check_features(
    cargo_dependency_t *dependency, cargo_error_t *error);
static int cargo_dependency_order(const void *a, const void *b);
static int cargo_text_order(const void *a, const void *b);


const char *const  cargo_dependency_kinds[] = { "normal", "build", "dev" };


cargo_dependency_t *
cargo_dependency_add(cargo_arena_t *arena, cargo_dependencies_t *list)
{
    cargo_dependency_t  *dependency;

    dependency = cargo_arena_alloc(arena, sizeof(cargo_dependency_t));
    if (dependency == NULL) {
        return NULL;
    }

    memset(dependency, 0, sizeof(cargo_dependency_t));

    dependency->default_features = 1;
    dependency->next = list->first;

    list->first = dependency;
    list->count++;

    return dependency;
}


cargo_rc_t
cargo_dependency_check(cargo_arena_t *arena, cargo_dependency_t *dependency,
    const cargo_own_index_t *own, cargo_error_t *error)
{
    cargo_rc_t  rc;

    rc = cargo_name_check_dependency(dependency->name, error);
    if (rc != CARGO_OK) {
        return rc;
    }

    if (dependency->alias.data) {
        rc = cargo_name_check_alias(dependency->alias, error);
        if (rc != CARGO_OK) {
            return rc;
        }

        if (cargo_str_equal(dependency->alias, dependency->name)) {
            dependency->alias = (cargo_str_t) { 0, NULL };
        }
    }

    rc = cargo_dependency_check_features(dependency, error);
    if (rc != CARGO_OK) {
        return rc;
    }

    rc = cargo_requirement_normalize(arena, dependency->requirement,
                                     &dependency->requirement, error);
    if (rc != CARGO_OK) {
        return rc;
    }

    return cargo_registry_normalize(arena, &dependency->registry, own, error);
}


cargo_str_t
cargo_dependency_alias(const cargo_dependency_t *dependency)
{
    return dependency->alias.data ? dependency->alias : dependency->name;
}


int
cargo_dependency_compare(const cargo_dependency_t *a,
    const cargo_dependency_t *b)
{
    int  order;

#define cargo_by(comparison)                                                  \
    order = (comparison);                                                     \
    if (order != 0) {                                                         \
        return order;                                                         \
    }

    cargo_by(cargo_text_compare(cargo_dependency_alias(a),
                                cargo_dependency_alias(b)));
    cargo_by((int) a->kind - (int) b->kind);
    cargo_by(cargo_text_compare(a->requirement, b->requirement));
    cargo_by(a->optional - b->optional);
    cargo_by(a->default_features - b->default_features);
    cargo_by(cargo_text_compare(a->target, b->target));
    cargo_by((a->alias.data != NULL) - (b->alias.data != NULL));
    cargo_by(cargo_text_compare(a->name, b->name));
    cargo_by(cargo_texts_compare(&a->features, &b->features));

    /* crates.io need not know these: any order will do that is always so */

    cargo_by(cargo_text_compare(a->registry, b->registry));
    cargo_by(cargo_texts_compare(&a->artifacts, &b->artifacts));
    cargo_by(cargo_text_compare(a->bindep_target, b->bindep_target));

#undef cargo_by

    return a->lib - b->lib;
}


cargo_dependency_t **
cargo_dependencies_sort(cargo_arena_t *arena, const cargo_dependencies_t *list)
{
    cargo_dependency_t  **sorted, **next, *dependency;

    /* one more, since the arena has no block of no bytes */

    sorted = cargo_arena_alloc(arena, (list->count + 1)
                                      * sizeof(cargo_dependency_t *));
    if (sorted == NULL) {
        return NULL;
    }

    next = sorted;

    for (dependency = list->first; dependency; dependency = dependency->next) {
        *next++ = dependency;
    }

    qsort(sorted, list->count, sizeof(cargo_dependency_t *),
          cargo_dependency_order);

    return sorted;
}


cargo_rc_t
cargo_texts_of_json(cargo_arena_t *arena, const json_t *array,
    cargo_texts_t *texts)
{
    size_t   i;
    json_t  *text;

    texts->count = json_array_size(array);
    texts->texts = cargo_arena_alloc(arena, (texts->count + 1)
                                            * sizeof(cargo_str_t));
    if (texts->texts == NULL) {
        return CARGO_NO_MEMORY;
    }

    json_array_foreach (array, i, text) {
        texts->texts[i] = cargo_json_text(text);
    }

    return CARGO_OK;
}


void
cargo_texts_normalize(cargo_texts_t *texts)
{
    size_t  i, n;

    qsort(texts->texts, texts->count, sizeof(cargo_str_t), cargo_text_order);

    for (i = 0, n = 0; i < texts->count; i++) {

        if (n && cargo_str_equal(texts->texts[i], texts->texts[n - 1])) {
            continue;
        }

        texts->texts[n++] = texts->texts[i];
    }

    texts->count = n;
}


int
cargo_texts_compare(const cargo_texts_t *a, const cargo_texts_t *b)
{
    int     order;
    size_t  i;

    for (i = 0; i < a->count && i < b->count; i++) {
        order = cargo_text_compare(a->texts[i], b->texts[i]);
        if (order != 0) {
            return order;
        }
    }

    return (a->count > b->count) - (a->count < b->count);
}


int
cargo_text_compare(cargo_str_t a, cargo_str_t b)
{
    int     order;
    size_t  len;

    if (a.data == NULL || b.data == NULL) {
        return (a.data != NULL) - (b.data != NULL);
    }

    len = (a.len < b.len) ? a.len : b.len;

    order = len ? memcmp(a.data, b.data, len) : 0;
    if (order != 0) {
        return order;
    }

    return (a.len > b.len) - (a.len < b.len);
}


static cargo_rc_t
cargo_dependency_check_features(cargo_dependency_t *dependency,
    cargo_error_t *error)
{
    size_t          i, n;
    cargo_rc_t      rc;
    cargo_texts_t  *features;

    features = &dependency->features;

    for (i = 0, n = 0; i < features->count; i++) {

        /* older manifests have `features = [""]` */

        if (features->texts[i].len == 0) {
            continue;
        }

        rc = cargo_name_check_feature_value(features->texts[i], error);
        if (rc != CARGO_OK) {
            return rc;
        }

        features->texts[n++] = features->texts[i];
    }

    features->count = n;

    return CARGO_OK;
}


static int
cargo_dependency_order(const void *a, const void *b)
{
    return cargo_dependency_compare(*(cargo_dependency_t *const *) a,
                                    *(cargo_dependency_t *const *) b);
}


static int
cargo_text_order(const void *a, const void *b)
{
    return cargo_text_compare(*(const cargo_str_t *) a,
                              *(const cargo_str_t *) b);
}
