
#include "fuzz.h"

#include <ctype.h>
#include <string.h>

#include "cargo_name.h"


static cargo_rc_t check(cargo_str_t name,
    cargo_rc_t (*rule)(cargo_str_t, cargo_error_t *));
static void check_crate(cargo_arena_t *arena, cargo_str_t name);
static void check_feature(cargo_arena_t *arena, cargo_str_t name,
    cargo_rc_t alias);
static void check_path(cargo_str_t path);
static cargo_str_t index_path(cargo_arena_t *arena, cargo_str_t name);


int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    cargo_rc_t      crate, dependency, alias;
    cargo_str_t     name;
    cargo_arena_t  *arena;

    arena = fuzz_begin(data, size, 64 * 1024 + 1200 * size);

    name.data = (unsigned char *) (uintptr_t) data;
    name.len = size;

    crate = check(name, cargo_name_check_crate);
    dependency = check(name, cargo_name_check_dependency);
    alias = check(name, cargo_name_check_alias);

    fuzz_check(dependency == crate);
    fuzz_check(cargo_name_valid(name) == (crate == CARGO_OK));
    fuzz_check(crate != CARGO_OK || alias == CARGO_OK);
    fuzz_check(crate == CARGO_OK || alias != CARGO_OK || data[0] == '_');

    if (crate == CARGO_OK) {
        check_crate(arena, name);
    }

    check_feature(arena, name, alias);
    check_path(name);

    fuzz_end(arena);

    return 0;
}


static cargo_rc_t
check(cargo_str_t name, cargo_rc_t (*rule)(cargo_str_t, cargo_error_t *))
{
    cargo_rc_t     rc;
    cargo_error_t  error;

    rc = rule(name, &error);
    fuzz_check_result(rc, &error);

    return rc;
}


/* its path in the index leads back to it, and no other spelling does */

static void
check_crate(cargo_arena_t *arena, cargo_str_t name)
{
    size_t         i;
    cargo_str_t    lower, path, found;
    cargo_error_t  error;
    unsigned char  canonical[CARGO_NAME_MAX], again[CARGO_NAME_MAX];

    fuzz_check(name.len > 0 && name.len <= CARGO_NAME_MAX);
    fuzz_check(isalpha(name.data[0]));

    lower = fuzz_copy(name.data, name.len);

    for (i = 0; i < name.len; i++) {
        fuzz_check(isalnum(name.data[i]) || strchr("-_", name.data[i]));
        lower.data[i] = (unsigned char) tolower(name.data[i]);
    }

    path = index_path(arena, lower);

    fuzz_check(cargo_name_of_index_path(path, &found, &error) == CARGO_OK);
    fuzz_check(cargo_str_equal(found, lower));

    if (!cargo_str_equal(name, lower)) {
        path = index_path(arena, name);
        fuzz_check(cargo_name_of_index_path(path, &found, &error)
                   == CARGO_REFUSED);
    }

    cargo_name_canonical(name, canonical);
    cargo_name_canonical((cargo_str_t) { name.len, canonical }, again);

    fuzz_check(memcmp(canonical, again, name.len) == 0);

    for (i = 0; i < name.len; i++) {
        fuzz_check(canonical[i] == (lower.data[i] == '-' ? '_'
                                                         : lower.data[i]));
    }
}


/* what each form of a feature's value says is valid by itself */

static void
check_feature(cargo_arena_t *arena, cargo_str_t name, cargo_rc_t alias)
{
    size_t       i;
    cargo_rc_t   feature, value;
    cargo_str_t  text;

    feature = check(name, cargo_name_check_feature);
    value = check(name, cargo_name_check_feature_value);

    if (feature == CARGO_OK) {
        fuzz_check(cargo_utf8_valid(name.data, name.len) && name.len);
        fuzz_check(value == CARGO_OK);
    }

    if (value == CARGO_OK) {
        fuzz_check(cargo_utf8_valid(name.data, name.len));

        for (i = 0; i < name.len; i++) {
            fuzz_check(name.data[i] > ' ' && name.data[i] != 0x7f
                       && !strchr("\"'\\<>,;", name.data[i]));
        }
    }

    /* a dependency's alias is a feature too: an optional one makes it */
    fuzz_check(alias != CARGO_OK || feature == CARGO_OK);

    text = cargo_arena_printf(arena, "dep:" CARGO_STR_FMT,
                              cargo_str_arg(name));

    if (name.len == 0 || (memchr(name.data, '/', name.len) == NULL
                          && memchr(name.data, '\0', name.len) == NULL))
    {
        fuzz_check(check(text, cargo_name_check_feature_value) == alias);

        text = cargo_arena_printf(arena, CARGO_STR_FMT "?/f",
                                  cargo_str_arg(name));

        fuzz_check(check(text, cargo_name_check_feature_value) == alias
                   || (name.len && name.data[name.len - 1] == '?'));
    }
}


static void
check_path(cargo_str_t path)
{
    cargo_rc_t     rc;
    cargo_str_t    name;
    cargo_error_t  error;

    rc = cargo_name_of_index_path(path, &name, &error);
    fuzz_check_result(rc, &error);

    if (rc == CARGO_REFUSED) {
        fuzz_check(error.status == 404);
        return;
    }

    fuzz_check(cargo_name_valid(name));
    fuzz_check(path.len <= CARGO_INDEX_PATH_MAX);
    fuzz_check(name.data + name.len == path.data + path.len);
}


static cargo_str_t
index_path(cargo_arena_t *arena, cargo_str_t name)
{
    cargo_str_t  path;

    switch (name.len) {

    case 1:
    case 2:
        path = cargo_arena_printf(arena, "%zu/" CARGO_STR_FMT, name.len,
                                  cargo_str_arg(name));
        break;

    case 3:
        path = cargo_arena_printf(arena, "3/%.1s/" CARGO_STR_FMT,
                                  (char *) name.data, cargo_str_arg(name));
        break;

    default:
        path = cargo_arena_printf(arena, "%.2s/%.2s/" CARGO_STR_FMT,
                                  (char *) name.data, (char *) name.data + 2,
                                  cargo_str_arg(name));
    }

    return fuzz_copy(path.data, path.len);
}
