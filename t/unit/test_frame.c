
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "cargo_frame.h"


#define CRATE_MAX  100


/* what the frame handed on */
typedef struct {
    size_t          begun;
    size_t          early;      /* pieces before the metadata */
    size_t          len;
    unsigned char   crate[256];
    cargo_str_t     metadata;
    cargo_rc_t      rc;         /* to return, from the piece "fail_at" */
    size_t          fail_at;
} sink_t;

typedef struct {
    const char     *text;
    size_t          len;
    unsigned        status;     /* 0: accepted */
    const char     *detail;
} frame_case_t;

#define frame(text)  text, sizeof(text) - 1


static void test_cases(void **state);
static void test_largest_metadata(void **state);
static void test_largest_crate(void **state);
static void test_callback_fails(void **state);
static void test_out_of_memory(void **state);
static void check(const frame_case_t *test, size_t piece);
static cargo_rc_t feed(cargo_frame_t *frame, const char *text, size_t len,
    size_t piece, cargo_error_t *error);
static cargo_rc_t sink_take(void *data, cargo_str_t metadata,
    const unsigned char *p, size_t n, cargo_error_t *error);
static cargo_rc_t out_of_memory(cargo_arena_t *arena, void *data);
static cargo_rc_t out_of_memory_large(cargo_arena_t *arena, void *data);


static const frame_case_t  cases[] = {
    { frame("\2\0\0\0{}\3\0\0\0abc"), 0, NULL },
    { frame("\0\0\0\0\3\0\0\0abc"), 0, NULL },
    { frame(""), 400, "invalid metadata length" },
    { frame("\2\0\0"), 400, "invalid metadata length" },
    { frame("\2\0\0\0"), 400,
      "invalid metadata length for remaining payload: 2" },
    { frame("\2\0\0\0{"), 400,
      "invalid metadata length for remaining payload: 2" },
    { frame("\1\0\x10\0{}"), 413, "JSON metadata blob too large" },
    { frame("\xff\xff\xff\xff{}"), 413, "JSON metadata blob too large" },
    { frame("\2\0\0\0{}"), 400, "invalid tarball length" },
    { frame("\2\0\0\0{}\3\0\0"), 400, "invalid tarball length" },
    { frame("\2\0\0\0{}\3\0\0\0"), 400,
      "invalid tarball length for remaining payload: 3" },
    { frame("\2\0\0\0{}\3\0\0\0ab"), 400,
      "invalid tarball length for remaining payload: 3" },
    { frame("\2\0\0\0{}\x65\0\0\0abc"), 413, "max upload size is: 100" },
    { frame("\2\0\0\0{}\xff\xff\xff\xff""abc"), 413,
      "max upload size is: 100" },
    { frame("\2\0\0\0{}\0\0\0\0"), 400, "uploaded tarball is empty" },
    { frame("\2\0\0\0{}\0\0\0\0abc"), 400, "uploaded tarball is empty" },
    { frame("\2\0\0\0{}\3\0\0\0abcd"), 400,
      "the request goes on after the tarball; it must end with the last byte "
      "that the tarball length announces" }
};


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_largest_metadata),
        cmocka_unit_test(test_largest_crate),
        cmocka_unit_test(test_callback_fails),
        cmocka_unit_test(test_out_of_memory)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}


static void
test_cases(void **state)
{
    size_t  i, round;

    (void) state;

    for (i = 0; i < unit_count(cases); i++) {
        check(&cases[i], SIZE_MAX);
        check(&cases[i], 1);

        for (round = 0; round < 50; round++) {
            check(&cases[i], 0);
        }
    }
}


/* the metadata may be as large as the limit, and its text ends in NUL */

static void
test_largest_metadata(void **state)
{
    char           *text;
    sink_t          sink;
    cargo_arena_t  *arena;
    cargo_frame_t  *frame;
    cargo_error_t   error;

    (void) state;

    memset(&sink, 0, sizeof(sink_t));

    text = malloc(4 + CARGO_METADATA_MAX);
    assert_non_null(text);

    memset(text, ' ', 4 + CARGO_METADATA_MAX);
    memcpy(text, "\0\0\x10\0", 4);

    arena = cargo_arena_create(NULL);
    frame = cargo_frame_create(arena, CRATE_MAX, sink_take, &sink);
    assert_non_null(frame);

    assert_int_equal(feed(frame, text, 4 + CARGO_METADATA_MAX, 4096, &error),
                     CARGO_OK);
    assert_int_equal(sink.begun, 1);
    assert_int_equal(sink.metadata.len, CARGO_METADATA_MAX);
    assert_int_equal(sink.metadata.data[CARGO_METADATA_MAX], '\0');

    cargo_arena_destroy(arena);
    free(text);
}


static void
test_largest_crate(void **state)
{
    char            text[8 + CRATE_MAX] = "\0\0\0\0\x64";
    sink_t          sink;
    cargo_arena_t  *arena;
    cargo_frame_t  *frame;
    cargo_error_t   error;

    (void) state;

    memset(&sink, 0, sizeof(sink_t));

    arena = cargo_arena_create(NULL);
    frame = cargo_frame_create(arena, CRATE_MAX, sink_take, &sink);
    assert_non_null(frame);

    assert_int_equal(feed(frame, text, sizeof(text), 7, &error), CARGO_OK);
    assert_int_equal(cargo_frame_end(frame, &error), CARGO_OK);
    assert_int_equal(sink.len, CRATE_MAX);

    cargo_arena_destroy(arena);
}


/* what the callback returns ends the feed and is repeated */

static void
test_callback_fails(void **state)
{
    size_t          i;
    sink_t          sink;
    cargo_arena_t  *arena;
    cargo_frame_t  *frame;
    cargo_error_t   error;

    static const struct {
        cargo_rc_t  rc;
        size_t      fail_at;
    } fails[] = {
        { CARGO_REFUSED, 0 }, { CARGO_REFUSED, 2 },
        { CARGO_NO_MEMORY, 0 }, { CARGO_NO_MEMORY, 2 }
    };

    (void) state;

    for (i = 0; i < unit_count(fails); i++) {
        memset(&sink, 0, sizeof(sink_t));
        sink.rc = fails[i].rc;
        sink.fail_at = fails[i].fail_at;

        arena = cargo_arena_create(NULL);
        frame = cargo_frame_create(arena, CRATE_MAX, sink_take, &sink);
        assert_non_null(frame);

        assert_int_equal(feed(frame, frame("\2\0\0\0{}\3\0\0\0abc"), 1,
                              &error), fails[i].rc);
        assert_int_equal(sink.len, fails[i].fail_at);

        memset(&error, 0, sizeof(cargo_error_t));
        assert_int_equal(cargo_frame_end(frame, &error), fails[i].rc);

        if (fails[i].rc == CARGO_REFUSED) {
            unit_assert_error(&error, 422, "not this one");
        }

        cargo_arena_destroy(arena);
    }
}


static void
test_out_of_memory(void **state)
{
    sink_t  sink;

    (void) state;

    unit_each_failure(out_of_memory, &sink);
    unit_each_failure(out_of_memory_large, &sink);
}


static void
check(const frame_case_t *test, size_t piece)
{
    sink_t          sink;
    cargo_rc_t      rc;
    cargo_arena_t  *arena;
    cargo_frame_t  *frame;
    cargo_error_t   error;

    memset(&sink, 0, sizeof(sink_t));

    arena = cargo_arena_create(NULL);
    frame = cargo_frame_create(arena, CRATE_MAX, sink_take, &sink);
    assert_non_null(frame);

    (void) feed(frame, test->text, test->len, piece, &error);
    rc = cargo_frame_end(frame, &error);

    assert_int_equal(sink.early, 0);
    assert_true(sink.begun <= 1);

    if (test->status) {
        assert_int_equal(rc, CARGO_REFUSED);
        unit_assert_error(&error, test->status, test->detail);

    } else {
        assert_int_equal(rc, CARGO_OK);
        assert_int_equal(sink.begun, 1);
        unit_assert_str(sink.metadata, test->text[0] ? "{}" : "");
        assert_int_equal(sink.len, 3);
        assert_memory_equal(sink.crate, "abc", 3);
    }

    cargo_arena_destroy(arena);
}


/* pieces of the given size, or of random sizes when it is 0 */

static cargo_rc_t
feed(cargo_frame_t *frame, const char *text, size_t len, size_t piece,
    cargo_error_t *error)
{
    size_t       n;
    cargo_rc_t   rc;
    cargo_str_t  exact;

    rc = CARGO_OK;

    while (len) {
        n = piece ? piece : (size_t) rand() % 5;
        n = (n < len) ? n : len;

        exact = unit_exact(text, n);
        rc = cargo_frame_feed(frame, exact.data, exact.len, error);
        unit_free(exact);

        text += n;
        len -= n;
    }

    return rc;
}


static cargo_rc_t
sink_take(void *data, cargo_str_t metadata, const unsigned char *p, size_t n,
    cargo_error_t *error)
{
    sink_t  *sink;

    sink = data;

    if (n == 0) {
        sink->begun++;
        sink->metadata = metadata;

    } else {
        sink->early += (sink->begun == 0);
        memcpy(sink->crate + sink->len, p, n);
        sink->len += n;
    }

    if (sink->rc != CARGO_OK && sink->len >= sink->fail_at) {
        return (sink->rc == CARGO_REFUSED)
               ? cargo_refuse(error, 422, "not this one") : sink->rc;
    }

    return CARGO_OK;
}


static cargo_rc_t
out_of_memory(cargo_arena_t *arena, void *data)
{
    cargo_rc_t      rc;
    cargo_frame_t  *frame;
    cargo_error_t   error;

    memset(data, 0, sizeof(sink_t));

    frame = cargo_frame_create(arena, CRATE_MAX, sink_take, data);
    if (frame == NULL) {
        return CARGO_NO_MEMORY;
    }

    rc = feed(frame, frame("\2\0\0\0{}\3\0\0\0abc"), SIZE_MAX, &error);

    return (rc == CARGO_OK) ? cargo_frame_end(frame, &error) : rc;
}


/* metadata that needs a block of its own in the arena */

static cargo_rc_t
out_of_memory_large(cargo_arena_t *arena, void *data)
{
    char            text[4 + 4096];
    cargo_frame_t  *frame;
    cargo_error_t   error;

    memset(data, 0, sizeof(sink_t));
    memset(text, ' ', sizeof(text));
    memcpy(text, "\0\x10\0\0", 4);

    frame = cargo_frame_create(arena, CRATE_MAX, sink_take, data);
    if (frame == NULL) {
        return CARGO_NO_MEMORY;
    }

    return feed(frame, text, sizeof(text), SIZE_MAX, &error);
}
