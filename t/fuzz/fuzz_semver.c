
#include "fuzz.h"

#include <inttypes.h>
#include <string.h>

#include "cargo_semver.h"


/* lines of the input */
#define VERSIONS  3


static int parse(cargo_arena_t *arena, cargo_str_t text,
    cargo_version_t *version);
static void check_order(cargo_arena_t *arena, const cargo_version_t *a,
    const cargo_version_t *b);
static int sign(int order);


int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    size_t            i, j, n;
    cargo_str_t       rest, line;
    cargo_arena_t    *arena;
    cargo_version_t   v[VERSIONS];

    arena = fuzz_begin(data, size, 64 * 1024 + 1200 * size);

    rest.data = (unsigned char *) (uintptr_t) data;
    rest.len = size;
    n = 0;

    while (n < VERSIONS && (line = fuzz_line(&rest)).data) {
        n += (size_t) parse(arena, line, &v[n]);
    }

    for (i = 0; i < n; i++) {
        for (j = 0; j < n; j++) {
            check_order(arena, &v[i], &v[j]);
        }
    }

    if (n == VERSIONS && cargo_version_compare(&v[0], &v[1]) <= 0
        && cargo_version_compare(&v[1], &v[2]) <= 0)
    {
        fuzz_check(cargo_version_compare(&v[0], &v[2]) <= 0);
    }

    fuzz_end(arena);

    return 0;
}


/* what was parsed is all that was there */

static int
parse(cargo_arena_t *arena, cargo_str_t text, cargo_version_t *version)
{
    cargo_rc_t     rc;
    cargo_str_t    written;
    cargo_error_t  error;

    rc = cargo_version_parse(text, version, &error);

    fuzz_check_result(rc, &error);
    fuzz_check(cargo_version_valid(text) == (rc == CARGO_OK));

    if (rc != CARGO_OK) {
        return 0;
    }

    fuzz_check(text.len <= CARGO_VERSION_MAX);

    written = cargo_arena_printf(arena, "%" PRIu64 ".%" PRIu64 ".%" PRIu64
                                 "%s" CARGO_STR_FMT "%s" CARGO_STR_FMT,
                                 version->major, version->minor,
                                 version->patch, version->pre.len ? "-" : "",
                                 cargo_str_arg(version->pre),
                                 version->build.len ? "+" : "",
                                 cargo_str_arg(version->build));

    fuzz_check(cargo_str_equal(text, written));

    return 1;
}


/* the keys by which SQL sorts have the order of the versions */

static void
check_order(cargo_arena_t *arena, const cargo_version_t *a,
    const cargo_version_t *b)
{
    int          order;
    cargo_str_t  x, y;

    order = sign(cargo_version_compare(a, b));
    fuzz_check(order == -sign(cargo_version_compare(b, a)));

    x = cargo_version_sort_key(arena, a);
    y = cargo_version_sort_key(arena, b);

    fuzz_check(x.data && x.data[x.len] == '\0' && strlen((char *) x.data)
                                                  == x.len);
    fuzz_check(sign(strcmp((char *) x.data, (char *) y.data)) == order);

    if (order == 0) {
        fuzz_check(a->major == b->major && a->minor == b->minor
                   && a->patch == b->patch
                   && cargo_str_equal(a->pre, b->pre));
    }
}


static int
sign(int order)
{
    return (order > 0) - (order < 0);
}
