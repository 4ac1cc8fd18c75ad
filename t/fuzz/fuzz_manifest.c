
#include "fuzz.h"


int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    json_t         *release;
    cargo_rc_t      rc;
    cargo_str_t     text;
    cargo_arena_t  *arena;
    cargo_error_t   error;

    arena = fuzz_begin(data, size, 256 * 1024 + 512 * size);

    text.data = (unsigned char *) (uintptr_t) data;
    text.len = size;

    rc = cargo_release_of_manifest(arena, text, &fuzz_own, &release, &error);

    fuzz_check_result(rc, &error);
    fuzz_check((release != NULL) == (rc == CARGO_OK));

    if (rc == CARGO_OK) {
        fuzz_check_release(arena, release);
        json_decref(release);
    }

    fuzz_end(arena);

    return 0;
}
