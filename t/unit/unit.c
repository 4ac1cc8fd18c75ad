
#include "unit.h"

#include <stdlib.h>
#include <string.h>


/* far more than any case needs; a case that never passes ends here */
#define UNIT_FAILURES_MAX  100000


typedef enum {
    UNIT_NONE = 0,
    UNIT_ARENA,
    UNIT_JANSSON
} unit_user_t;


typedef struct {
    size_t          fails;      /* the allocation that fails, from 1 */
    size_t          calls;
    size_t          live;
    unit_user_t     failed;     /* whose allocation it was */
} unit_memory_t;


static cargo_rc_t unit_run(unit_case_pt run, void *data);
static void *unit_alloc(unit_user_t user, size_t size);
static void *unit_arena_alloc(void *data, size_t size);
static void unit_arena_free(void *data, void *p);
static void *unit_json_alloc(size_t size);
static void unit_json_free(void *p);


/* jansson's allocator takes no argument that could carry it */
static unit_memory_t  unit_memory;


void
unit_each_failure(unit_case_pt run, void *data)
{
    size_t         n;
    cargo_rc_t     rc;
    json_free_t    json_free;
    json_malloc_t  json_alloc;

    for (n = 1; n < UNIT_FAILURES_MAX; n++) {
        memset(&unit_memory, 0, sizeof(unit_memory_t));
        unit_memory.fails = n;

        json_get_alloc_funcs(&json_alloc, &json_free);
        json_set_alloc_funcs(unit_json_alloc, unit_json_free);

        rc = unit_run(run, data);

        json_set_alloc_funcs(json_alloc, json_free);

        if (unit_memory.live) {
            fail_msg("%zu allocations left after number %zu failed",
                     unit_memory.live, n);
        }

        if (unit_memory.failed == UNIT_NONE) {
            if (rc != CARGO_OK) {
                fail_msg("result %d with enough memory", (int) rc);
            }

            return;
        }

        if (rc == CARGO_OK) {
            fail_msg("the failure of allocation %zu was not noticed", n);
        }

        if (unit_memory.failed == UNIT_ARENA && rc != CARGO_NO_MEMORY) {
            fail_msg("result %d after allocation %zu failed", (int) rc, n);
        }
    }

    fail_msg("still fails after %d allocations", UNIT_FAILURES_MAX);
}


cargo_str_t
unit_str(const char *text)
{
    cargo_str_t  str;

    str.len = strlen(text);
    str.data = (unsigned char *) (uintptr_t) text;

    return str;
}


cargo_str_t
unit_exact(const void *data, size_t len)
{
    cargo_str_t  exact;

    exact.len = len;
    exact.data = malloc(len);

    if (len) {
        assert_non_null(exact.data);
        memcpy(exact.data, data, len);
    }

    return exact;
}


void
unit_free(cargo_str_t exact)
{
    free(exact.data);
}


void
unit_check_str(cargo_str_t str, const char *expected, const char *file,
    int line)
{
    if (str.data == NULL) {
        print_error("no string instead of \"%s\"\n", expected);
        _fail(file, line);
    }

    if (!cargo_str_equal(str, unit_str(expected))) {
        print_error("\"" CARGO_STR_FMT "\" instead of \"%s\"\n",
                    cargo_str_arg(str), expected);
        _fail(file, line);
    }
}


void
unit_check_json(const json_t *value, const char *expected, const char *file,
    int line)
{
    char  *text;

    text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

    if (text == NULL || strcmp(text, expected) != 0) {
        print_error("%s instead of %s\n", text ? text : "nothing", expected);
        _fail(file, line);
    }

    free(text);
}


void
unit_check_error(const cargo_error_t *error, unsigned status,
    const char *detail, const char *file, int line)
{
    if (error->status != status || strcmp(error->detail, detail) != 0) {
        print_error("%u \"%s\" instead of %u \"%s\"\n", error->status,
                    error->detail, status, detail);
        _fail(file, line);
    }
}


static cargo_rc_t
unit_run(unit_case_pt run, void *data)
{
    cargo_rc_t         rc;
    cargo_arena_t     *arena;
    cargo_allocator_t  allocator;

    allocator.alloc = unit_arena_alloc;
    allocator.free = unit_arena_free;
    allocator.data = NULL;

    arena = cargo_arena_create(&allocator);
    if (arena == NULL) {
        return CARGO_NO_MEMORY;
    }

    rc = run(arena, data);

    cargo_arena_destroy(arena);

    return rc;
}


static void *
unit_alloc(unit_user_t user, size_t size)
{
    void  *p;

    unit_memory.calls++;

    if (unit_memory.calls == unit_memory.fails) {
        unit_memory.failed = user;
        return NULL;
    }

    p = malloc(size);
    if (p != NULL) {
        unit_memory.live++;
    }

    return p;
}


static void *
unit_arena_alloc(void *data, size_t size)
{
    (void) data;

    return unit_alloc(UNIT_ARENA, size);
}


static void
unit_arena_free(void *data, void *p)
{
    (void) data;

    unit_json_free(p);
}


static void *
unit_json_alloc(size_t size)
{
    return unit_alloc(UNIT_JANSSON, size);
}


static void
unit_json_free(void *p)
{
    if (p != NULL) {
        unit_memory.live--;
        free(p);
    }
}
