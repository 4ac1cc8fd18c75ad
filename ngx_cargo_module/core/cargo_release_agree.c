
#include "cargo_release.h"

#include <string.h>

#include "cargo_agree.h"
#include "cargo_json.h"


static cargo_rc_t cargo_agree_field(const json_t *metadata,
    const json_t *manifest, const char *key, const char *what,
    cargo_error_t *error);
static cargo_rc_t cargo_agree_features(cargo_arena_t *arena,
    const json_t *metadata, const json_t *manifest,
    const cargo_agree_deps_t *deps, cargo_error_t *error);
static cargo_rc_t cargo_agree_feature(cargo_arena_t *arena, const char *name,
    const json_t *metadata, const json_t *manifest,
    const cargo_agree_deps_t *deps, cargo_error_t *error);
static void cargo_agree_drop_stripped(cargo_texts_t *metadata,
    const cargo_texts_t *manifest, const cargo_agree_deps_t *deps);
static cargo_str_t cargo_agree_alias(cargo_str_t value);


cargo_rc_t
cargo_release_agree(cargo_arena_t *arena, const json_t *metadata,
    const json_t *manifest, cargo_error_t *error)
{
    cargo_rc_t          rc;
    cargo_agree_deps_t  a, b;

    rc = cargo_agree_field(metadata, manifest, "name", "name", error);
    if (rc != CARGO_OK) {
        return rc;
    }

    rc = cargo_agree_field(metadata, manifest, "vers", "version", error);
    if (rc != CARGO_OK) {
        return rc;
    }

    rc = cargo_agree_field(metadata, manifest, "links", "links", error);
    if (rc != CARGO_OK) {
        return rc;
    }

    /* cargo before 1.71 sends none */

    if (json_is_string(json_object_get(metadata, "rust_version"))) {
        rc = cargo_agree_field(metadata, manifest, "rust_version",
                               "rust-version", error);
        if (rc != CARGO_OK) {
            return rc;
        }
    }

    if (cargo_agree_read_deps(arena, metadata, &a) != CARGO_OK
        || cargo_agree_read_deps(arena, manifest, &b) != CARGO_OK)
    {
        return CARGO_NO_MEMORY;
    }

    rc = cargo_agree_compare_deps(arena, &a, &b, error);
    if (rc != CARGO_OK) {
        return rc;
    }

    return cargo_agree_features(arena, metadata, manifest, &b, error);
}


static cargo_rc_t
cargo_agree_field(const json_t *metadata, const json_t *manifest,
    const char *key, const char *what, cargo_error_t *error)
{
    cargo_str_t               a, b;
    static const cargo_str_t  none = cargo_string("(none)");

    a = cargo_json_text(json_object_get(metadata, key));
    b = cargo_json_text(json_object_get(manifest, key));

    if (cargo_text_compare(a, b) == 0) {
        return CARGO_OK;
    }

    a = a.data ? a : none;
    b = b.data ? b : none;

    return cargo_refuse(error, 400, "metadata %s `%.*s` does not match "
                        "manifest %s `%.*s`", what, cargo_quoted(a), what,
                        cargo_quoted(b));
}


static cargo_rc_t
cargo_agree_features(cargo_arena_t *arena, const json_t *metadata,
    const json_t *manifest, const cargo_agree_deps_t *deps,
    cargo_error_t *error)
{
    json_t      *ours, *theirs, *values;
    cargo_rc_t   rc;
    const char  *name;

    ours = json_object_get(manifest, "features");
    theirs = json_object_get(metadata, "features");

    json_object_foreach (theirs, name, values) {

        rc = cargo_agree_feature(arena, name, values,
                                 json_object_get(ours, name), deps, error);
        if (rc != CARGO_OK) {
            return rc;
        }
    }

    json_object_foreach (ours, name, values) {

        if (json_object_get(theirs, name) == NULL) {
            return cargo_refuse(error, 400, "the manifest has a feature `%s` "
                                "that the metadata does not have; publish "
                                "with an unmodified cargo", name);
        }
    }

    return CARGO_OK;
}


static cargo_rc_t
cargo_agree_feature(cargo_arena_t *arena, const char *name,
    const json_t *metadata, const json_t *manifest,
    const cargo_agree_deps_t *deps, cargo_error_t *error)
{
    cargo_str_t    x, y;
    cargo_texts_t  a, b;

    if (manifest == NULL) {
        return cargo_refuse(error, 400, "the metadata has a feature `%s` that "
                            "the manifest does not have; publish with an "
                            "unmodified cargo", name);
    }

    if (cargo_texts_of_json(arena, metadata, &a) != CARGO_OK
        || cargo_texts_of_json(arena, manifest, &b) != CARGO_OK)
    {
        return CARGO_NO_MEMORY;
    }

    cargo_texts_normalize(&a);
    cargo_texts_normalize(&b);
    cargo_agree_drop_stripped(&a, &b, deps);

    if (cargo_texts_compare(&a, &b) == 0) {
        return CARGO_OK;
    }

    x = cargo_agree_join(arena, &a);
    y = cargo_agree_join(arena, &b);

    if (x.data == NULL || y.data == NULL) {
        return CARGO_NO_MEMORY;
    }

    return cargo_refuse(error, 400, "metadata feature `%s`: `%.*s` does not "
                        "match manifest `%.*s`", name, cargo_quoted(x),
                        cargo_quoted(y));
}


/*
 * "cargo package" takes path-only dev-dependencies out of the manifest, newer
 * versions also what features say about them; the metadata may still have it.
 */

static void
cargo_agree_drop_stripped(cargo_texts_t *metadata,
    const cargo_texts_t *manifest, const cargo_agree_deps_t *deps)
{
    size_t       i, j, n;
    cargo_str_t  alias;

    for (i = 0, j = 0, n = 0; i < metadata->count; i++) {

        while (j < manifest->count
               && cargo_text_compare(manifest->texts[j], metadata->texts[i])
                  < 0)
        {
            j++;
        }

        alias = cargo_agree_alias(metadata->texts[i]);

        if (alias.data && !cargo_agree_has_dep(deps, alias)
            && (j == manifest->count
                || !cargo_str_equal(manifest->texts[j], metadata->texts[i])))
        {
            continue;
        }

        metadata->texts[n++] = metadata->texts[i];
    }

    metadata->count = n;
}


/* the dependency in "dep:a", "a/f" and "a?/f"; absent in a feature's name */

static cargo_str_t
cargo_agree_alias(cargo_str_t value)
{
    cargo_str_t     alias = { 0, NULL };
    unsigned char  *slash;

    if (value.len > 4 && memcmp(value.data, "dep:", 4) == 0) {
        alias.data = value.data + 4;
        alias.len = value.len - 4;
        return alias;
    }

    slash = memchr(value.data, '/', value.len);

    if (slash && slash > value.data) {
        alias.data = value.data;
        alias.len = (size_t) (slash - value.data) - (slash[-1] == '?');
    }

    return alias;
}
