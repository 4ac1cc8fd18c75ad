
#include "cargo_agree.h"

#include <stdlib.h>
#include <string.h>


typedef enum {
    CARGO_MEMBER_PACKAGE = 0,
    CARGO_MEMBER_REQUIREMENT,
    CARGO_MEMBER_OPTIONAL,
    CARGO_MEMBER_DEFAULT_FEATURES,
    CARGO_MEMBER_TARGET,
    CARGO_MEMBER_FEATURES,
    CARGO_MEMBER_REGISTRY,
    CARGO_MEMBER_ARTIFACTS,
    CARGO_MEMBER_BINDEP_TARGET,
    CARGO_MEMBER_LIB
} cargo_member_t;


static cargo_rc_t cargo_agree_canonical(cargo_arena_t *arena,
    cargo_dependency_t *dependency);
static int cargo_agree_alias_order(const void *alias, const void *dependency);
static cargo_rc_t cargo_agree_dep(cargo_arena_t *arena,
    const cargo_dependency_t *a, const cargo_dependency_t *b,
    cargo_error_t *error);
static cargo_rc_t cargo_agree_lone_dep(const cargo_dependency_t *dependency,
    const char *has, const char *lacks, cargo_error_t *error);
static cargo_str_t cargo_agree_member(cargo_arena_t *arena,
    const cargo_dependency_t *dependency, cargo_member_t member);


static const char *const  cargo_member_names[] = {
    "package",
    "version_req",
    "optional",
    "default_features",
    "target",
    "features",
    "registry",
    "artifact",
    "bindep_target",
    "lib"
};


cargo_rc_t
cargo_agree_read_deps(cargo_arena_t *arena, const json_t *release,
    cargo_agree_deps_t *deps)
{
    size_t                 i;
    json_t                *dep;
    cargo_dependency_t    *dependency;
    cargo_dependencies_t   list = { NULL, 0 };

    json_array_foreach (json_object_get(release, "deps"), i, dep) {

        dependency = cargo_dependency_add(arena, &list);

        if (dependency == NULL
            || cargo_dependency_of_json(arena, dep, dependency) != CARGO_OK
            || cargo_agree_canonical(arena, dependency) != CARGO_OK)
        {
            return CARGO_NO_MEMORY;
        }
    }

    deps->count = list.count;
    deps->sorted = cargo_dependencies_sort(arena, &list);

    return deps->sorted ? CARGO_OK : CARGO_NO_MEMORY;
}


cargo_rc_t
cargo_agree_compare_deps(cargo_arena_t *arena,
    const cargo_agree_deps_t *metadata, const cargo_agree_deps_t *manifest,
    cargo_error_t *error)
{
    int                          order;
    size_t                       i;
    cargo_dependency_t *const   *a, *const *b;

    a = metadata->sorted;
    b = manifest->sorted;

    for (i = 0; i < metadata->count || i < manifest->count; i++) {

        order = (i == metadata->count) ? 1
                : (i == manifest->count) ? -1
                : cargo_text_compare(cargo_dependency_alias(a[i]),
                                     cargo_dependency_alias(b[i]));

        if (order == 0) {
            order = (int) a[i]->kind - (int) b[i]->kind;
        }

        if (order < 0) {
            return cargo_agree_lone_dep(a[i], "the metadata", "the manifest",
                                        error);
        }

        if (order > 0) {
            return cargo_agree_lone_dep(b[i], "the manifest", "the metadata",
                                        error);
        }

        if (cargo_dependency_compare(a[i], b[i]) != 0) {
            return cargo_agree_dep(arena, a[i], b[i], error);
        }
    }

    return CARGO_OK;
}


int
cargo_agree_has_dep(const cargo_agree_deps_t *deps, cargo_str_t alias)
{
    return bsearch(&alias, deps->sorted, deps->count,
                   sizeof(cargo_dependency_t *), cargo_agree_alias_order)
           != NULL;
}


cargo_str_t
cargo_agree_join(cargo_arena_t *arena, const cargo_texts_t *texts)
{
    size_t          i, len;
    cargo_str_t     joined;
    unsigned char  *p;

    len = 0;

    for (i = 0; i < texts->count; i++) {
        len += texts->texts[i].len + 2;
    }

    joined.len = len ? len - 2 : 0;
    joined.data = cargo_arena_alloc(arena, len + 1);

    if (joined.data == NULL) {
        return joined;
    }

    p = joined.data;

    for (i = 0; i < texts->count; i++) {
        memcpy(p, texts->texts[i].data, texts->texts[i].len);
        p += texts->texts[i].len;
        memcpy(p, ", ", 2);
        p += 2;
    }

    return joined;
}


static cargo_rc_t
cargo_agree_canonical(cargo_arena_t *arena, cargo_dependency_t *dependency)
{
    cargo_texts_normalize(&dependency->features);
    cargo_texts_normalize(&dependency->artifacts);

    if (dependency->registry.data) {
        dependency->registry = cargo_registry_canonical(arena,
                                                        dependency->registry);
        if (dependency->registry.data == NULL) {
            return CARGO_NO_MEMORY;
        }
    }

    if (dependency->target.data) {
        dependency->target = cargo_target_canonical(arena, dependency->target);
        if (dependency->target.data == NULL) {
            return CARGO_NO_MEMORY;
        }
    }

    return CARGO_OK;
}


static int
cargo_agree_alias_order(const void *alias, const void *dependency)
{
    return cargo_text_compare(*(const cargo_str_t *) alias,
               cargo_dependency_alias(*(cargo_dependency_t *const *)
                                      dependency));
}


/* names the first member in which two dependencies of one name differ */

static cargo_rc_t
cargo_agree_dep(cargo_arena_t *arena, const cargo_dependency_t *a,
    const cargo_dependency_t *b, cargo_error_t *error)
{
    cargo_str_t     x, y;
    cargo_member_t  member;

    for (member = CARGO_MEMBER_PACKAGE; /* void */ ; member++) {

        x = cargo_agree_member(arena, a, member);
        y = cargo_agree_member(arena, b, member);

        if (x.data == NULL || y.data == NULL) {
            return CARGO_NO_MEMORY;
        }

        /* the caller has compared them: what is left must be the last */

        if (!cargo_str_equal(x, y) || member == CARGO_MEMBER_LIB) {
            break;
        }
    }

    return cargo_refuse(error, 400, "metadata dependency `" CARGO_STR_FMT
                        "`: %s `%.*s` does not match manifest `%.*s`%s",
                        cargo_str_arg(cargo_dependency_alias(a)),
                        cargo_member_names[member], cargo_quoted(x),
                        cargo_quoted(y),
                        member == CARGO_MEMBER_REGISTRY
                        ? "; use this registry under one index URL only" : "");
}


static cargo_rc_t
cargo_agree_lone_dep(const cargo_dependency_t *dependency, const char *has,
    const char *lacks, cargo_error_t *error)
{
    return cargo_refuse(error, 400, "%s has a %s dependency `" CARGO_STR_FMT
                        "` that %s does not have; publish with an unmodified "
                        "cargo", has,
                        cargo_dependency_kinds[dependency->kind],
                        cargo_str_arg(cargo_dependency_alias(dependency)),
                        lacks);
}


static cargo_str_t
cargo_agree_member(cargo_arena_t *arena, const cargo_dependency_t *dependency,
    cargo_member_t member)
{
    cargo_str_t               text;
    static const cargo_str_t  no = cargo_string("false");
    static const cargo_str_t  yes = cargo_string("true");
    static const cargo_str_t  none = cargo_string("(none)");
    static const cargo_str_t  own = cargo_string("(this registry)");

    switch (member) {

    case CARGO_MEMBER_PACKAGE:
        return dependency->name;

    case CARGO_MEMBER_REQUIREMENT:
        return dependency->requirement;

    case CARGO_MEMBER_OPTIONAL:
        return dependency->optional ? yes : no;

    case CARGO_MEMBER_DEFAULT_FEATURES:
        return dependency->default_features ? yes : no;

    case CARGO_MEMBER_TARGET:
        text = dependency->target;
        break;

    case CARGO_MEMBER_FEATURES:
        return cargo_agree_join(arena, &dependency->features);

    case CARGO_MEMBER_REGISTRY:
        text = dependency->registry;
        return text.data ? text : own;

    case CARGO_MEMBER_ARTIFACTS:
        return cargo_agree_join(arena, &dependency->artifacts);

    case CARGO_MEMBER_BINDEP_TARGET:
        text = dependency->bindep_target;
        break;

    default:
        return dependency->lib ? yes : no;
    }

    return text.data ? text : none;
}
