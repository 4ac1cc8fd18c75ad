
#include "fuzz.h"

#include <string.h>

#include "cargo_dependency.h"


static void check_registry(cargo_arena_t *arena, cargo_str_t url);
static void check_target(cargo_arena_t *arena, cargo_str_t target);


/* both ways to compare two spellings are given the same text */

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    cargo_str_t     text;
    cargo_arena_t  *arena;

    arena = fuzz_begin(data, size, 64 * 1024 + 1200 * size);

    text = fuzz_copy(data, size);

    check_registry(arena, text);
    check_target(arena, text);

    fuzz_end(arena);

    return 0;
}


static void
check_registry(cargo_arena_t *arena, cargo_str_t url)
{
    cargo_rc_t     rc;
    cargo_str_t    canonical, again, normal, same;
    cargo_error_t  error;

    canonical = cargo_registry_canonical(arena, url);
    fuzz_check(canonical.data != NULL && canonical.len <= url.len);

    /* one "registry+" is taken off; an empty authority is left as it is */

    if ((canonical.len < 9 || memcmp(canonical.data, "registry+", 9) != 0)
        && (canonical.len < 3
            || memcmp(canonical.data + canonical.len - 3, "://", 3) != 0))
    {
        canonical = fuzz_copy(canonical.data, canonical.len);
        again = cargo_registry_canonical(arena, canonical);
        fuzz_check(cargo_str_equal(canonical, again));
    }

    normal = url;
    rc = cargo_registry_normalize(arena, &normal, &fuzz_own, &error);
    fuzz_check_result(rc, &error);

    if (rc == CARGO_OK && normal.data) {
        same = fuzz_copy(normal.data, normal.len);

        fuzz_check(cargo_registry_normalize(arena, &same, &fuzz_own, &error)
                   == CARGO_OK);
        fuzz_check(cargo_str_equal(normal, same));
    }
}


static void
check_target(cargo_arena_t *arena, cargo_str_t target)
{
    size_t       i;
    cargo_str_t  canonical, again;

    canonical = cargo_target_canonical(arena, target);
    fuzz_check(canonical.data != NULL);

    canonical = fuzz_copy(canonical.data, canonical.len);

    /* cargo knows no list with two commas at its end */

    for (i = 1; i < canonical.len; i++) {
        if (canonical.data[i - 1] == ',' && canonical.data[i] == ')') {
            return;
        }
    }

    again = cargo_target_canonical(arena, canonical);
    fuzz_check(cargo_str_equal(canonical, again));
}
