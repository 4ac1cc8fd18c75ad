
#include "fuzz.h"

#include "cargo_toml.h"


/* a bracket, and what a key with as many dots as may be makes of it */
#define DEPTH_MAX  ((CARGO_TOML_NESTING + 2) * (CARGO_TOML_DOTS + 2))


static void check_text(cargo_str_t text);
static void check_value(const json_t *value);
static void check_json(const json_t *value);
static size_t depth(const json_t *value);


int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    cargo_str_t     text;
    cargo_arena_t  *arena;

    arena = fuzz_begin(data, size, 1024);

    text.data = (unsigned char *) (uintptr_t) data;
    text.len = size;

    check_text(text);

    fuzz_end(arena);

    return 0;
}


static void
check_text(cargo_str_t text)
{
    json_t         *value, *again;
    cargo_rc_t      rc, scanned;
    cargo_error_t   error, why, repeated;

    scanned = cargo_toml_scan(text, &why);
    fuzz_check_result(scanned, &why);

    rc = cargo_toml_parse(text, &value, &error);
    fuzz_check_result(rc, &error);

    if (scanned == CARGO_REFUSED) {
        fuzz_check(rc == CARGO_REFUSED && fuzz_same_error(&error, &why));
    }

    fuzz_check(cargo_toml_parse(text, &again, &repeated) == rc);

    if (rc == CARGO_REFUSED) {
        fuzz_check(value == NULL && fuzz_same_error(&error, &repeated));
        return;
    }

    fuzz_check(cargo_utf8_valid(text.data, text.len));
    fuzz_check(json_equal(value, again));

    check_value(value);

    json_decref(value);
    json_decref(again);
}


static void
check_value(const json_t *value)
{
    fuzz_check(json_is_object(value));
    fuzz_check(depth(value) <= DEPTH_MAX);

    check_json(value);
}


/* it can be written as JSON, which is the same when it is read again */

static void
check_json(const json_t *value)
{
    char         *text;
    json_t       *again;
    json_free_t   give;

    text = json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(17));
    fuzz_check(text != NULL);

    /* jansson reads less deep than it writes */

    if (depth(value) < 1024) {
        again = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
        fuzz_check(again != NULL);
        fuzz_check(json_equal(value, again));
        json_decref(again);
    }

    json_get_alloc_funcs(NULL, &give);
    give(text);
}


static size_t
depth(const json_t *value)
{
    size_t       i, n, most;
    json_t      *member;
    const char  *key;

    most = 0;

    json_array_foreach (value, i, member) {
        n = depth(member);
        most = n > most ? n : most;
    }

    json_object_foreach ((json_t *) (uintptr_t) value, key, member) {
        n = depth(member);
        most = n > most ? n : most;
    }

    return most + 1;
}
