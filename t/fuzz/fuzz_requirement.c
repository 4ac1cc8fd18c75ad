
#include "fuzz.h"

#include <string.h>

#include "cargo_semver.h"


static void check_normal_form(cargo_arena_t *arena, cargo_str_t text,
    cargo_str_t normalized);
static void check_version(cargo_arena_t *arena, cargo_str_t text,
    cargo_rc_t rc);


int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    cargo_rc_t      rc;
    cargo_str_t     text, normalized;
    cargo_arena_t  *arena;
    cargo_error_t   error;

    arena = fuzz_begin(data, size, 64 * 1024 + 64 * size);

    text = fuzz_copy(data, size);

    rc = cargo_requirement_normalize(arena, text, &normalized, &error);
    fuzz_check_result(rc, &error);

    if (rc == CARGO_OK) {
        check_normal_form(arena, text, normalized);
    }

    check_version(arena, text, rc);

    fuzz_end(arena);

    return 0;
}


/* it stays as it is, and with white space around it too */

static void
check_normal_form(cargo_arena_t *arena, cargo_str_t text,
    cargo_str_t normalized)
{
    size_t         i;
    cargo_str_t    again, spaced;
    cargo_error_t  error;

    fuzz_check(normalized.len > 0);
    fuzz_check(normalized.len <= text.len + 64);
    fuzz_check(strlen((char *) normalized.data) == normalized.len);
    fuzz_check(memchr(normalized.data, '+', normalized.len) == NULL);
    fuzz_check(memchr(normalized.data, 'X', normalized.len) == NULL
               || memchr(normalized.data, '-', normalized.len) != NULL);

    for (i = 0; i < normalized.len; i++) {
        fuzz_check(normalized.data[i] != ',' || normalized.data[i + 1] == ' ');
    }

    /* it is at the end of its block, where reading past it is seen */
    normalized = fuzz_copy(normalized.data, normalized.len);

    fuzz_check(cargo_requirement_normalize(arena, normalized, &again, &error)
               == CARGO_OK);
    fuzz_check(cargo_str_equal(normalized, again));

    spaced = cargo_arena_printf(arena, "  " CARGO_STR_FMT " ",
                                cargo_str_arg(normalized));

    fuzz_check(cargo_requirement_normalize(arena, spaced, &again, &error)
               == CARGO_OK);
    fuzz_check(cargo_str_equal(normalized, again));
}


/* a version is a requirement too: of what is compatible with it */

static void
check_version(cargo_arena_t *arena, cargo_str_t text, cargo_rc_t rc)
{
    cargo_str_t      plain, caret, normalized;
    cargo_error_t    error;
    cargo_version_t  version;

    if (cargo_version_parse(text, &version, &error) != CARGO_OK) {
        return;
    }

    plain = text;
    plain.len -= version.build.len ? version.build.len + 1 : 0;
    caret = cargo_arena_printf(arena, "^" CARGO_STR_FMT, cargo_str_arg(plain));

    fuzz_check(rc == CARGO_OK);
    fuzz_check(cargo_requirement_normalize(arena, text, &normalized, &error)
               == CARGO_OK);
    fuzz_check(cargo_str_equal(normalized, caret));
}
