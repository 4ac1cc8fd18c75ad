
#include "unit.h"

#include <string.h>


static void test_arena_alloc(void **state);
static void test_arena_large(void **state);
static void test_arena_too_large(void **state);
static void test_arena_copy(void **state);
static void test_arena_printf(void **state);
static void test_arena_out_of_memory(void **state);
static void test_utf8(void **state);
static void test_str_equal(void **state);
static void test_refuse(void **state);
static void test_refuse_printable(void **state);
static void test_refuse_cut(void **state);
static cargo_rc_t use_arena(cargo_arena_t *arena, void *data);


typedef struct {
    const char     *text;
    int             valid;
} utf8_case_t;


/* the borders of RFC 3629, section 4 */
static const utf8_case_t  utf8_cases[] = {
    { "", 1 },
    { "serde", 1 },
    { "\x7f", 1 },
    { "\x80", 0 },
    { "\xbf", 0 },
    { "\xc0\x80", 0 },
    { "\xc1\xbf", 0 },
    { "\xc2\x80", 1 },
    { "\xdf\xbf", 1 },
    { "\xc2", 0 },
    { "\xc2\x41", 0 },
    { "\xc2\xc0", 0 },
    { "\xe0\x80\x80", 0 },
    { "\xe0\x9f\xbf", 0 },
    { "\xe0\xa0\x80", 1 },
    { "\xe2\x82\xac", 1 },
    { "\xe2\x82", 0 },
    { "\xe2\x82\x41", 0 },
    { "\xed\x9f\xbf", 1 },
    { "\xed\xa0\x80", 0 },
    { "\xed\xbf\xbf", 0 },
    { "\xee\x80\x80", 1 },
    { "\xef\xbf\xbf", 1 },
    { "\xf0\x80\x80\x80", 0 },
    { "\xf0\x8f\xbf\xbf", 0 },
    { "\xf0\x90\x80\x80", 1 },
    { "\xf0\x9f\xa6\x80", 1 },
    { "\xf0\x9f\xa6", 0 },
    { "\xf4\x8f\xbf\xbf", 1 },
    { "\xf4\x90\x80\x80", 0 },
    { "\xf5\x80\x80\x80", 0 },
    { "\xf8\x88\x80\x80\x80", 0 },
    { "\xff", 0 },
    { "a\xc3\xa4z", 1 },
    { "a\xc3\xa4\xa4z", 0 }
};


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_arena_alloc),
        cmocka_unit_test(test_arena_large),
        cmocka_unit_test(test_arena_too_large),
        cmocka_unit_test(test_arena_copy),
        cmocka_unit_test(test_arena_printf),
        cmocka_unit_test(test_arena_out_of_memory),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_str_equal),
        cmocka_unit_test(test_refuse),
        cmocka_unit_test(test_refuse_printable),
        cmocka_unit_test(test_refuse_cut)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}


static void
test_arena_alloc(void **state)
{
    size_t          i, j, size;
    cargo_arena_t  *arena;
    unsigned char  *pieces[500];

    (void) state;

    arena = cargo_arena_create(NULL);
    assert_non_null(arena);

    for (i = 0; i < unit_count(pieces); i++) {
        size = i % 61;

        pieces[i] = cargo_arena_alloc(arena, size);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t) pieces[i] % _Alignof(max_align_t), 0);

        memset(pieces[i], (int) (i & 0xff), size);
    }

    for (i = 0; i < unit_count(pieces); i++) {
        for (j = 0; j < i % 61; j++) {
            assert_int_equal(pieces[i][j], i & 0xff);
        }
    }

    cargo_arena_destroy(arena);
}


static void
test_arena_large(void **state)
{
    size_t          size;
    unsigned char  *small, *large;
    cargo_arena_t  *arena;

    (void) state;

    arena = cargo_arena_create(NULL);
    assert_non_null(arena);

    for (size = 1000; size < 70000; size += 1500) {
        small = cargo_arena_alloc(arena, 16);
        assert_non_null(small);
        memset(small, 's', 16);

        large = cargo_arena_alloc(arena, size);
        assert_non_null(large);
        memset(large, 'l', size);

        assert_memory_equal(small, "ssssssssssssssss", 16);
    }

    cargo_arena_destroy(arena);
}


static void
test_arena_too_large(void **state)
{
    cargo_arena_t  *arena;

    (void) state;

    arena = cargo_arena_create(NULL);
    assert_non_null(arena);

    assert_null(cargo_arena_alloc(arena, SIZE_MAX));
    assert_null(cargo_arena_alloc(arena, SIZE_MAX / 2 + 1));
    assert_non_null(cargo_arena_alloc(arena, 1));

    cargo_arena_destroy(arena);
}


static void
test_arena_copy(void **state)
{
    cargo_str_t     text, copy;
    cargo_arena_t  *arena;

    (void) state;

    arena = cargo_arena_create(NULL);
    assert_non_null(arena);

    text = unit_exact("serde", 5);
    copy = cargo_arena_copy(arena, text.data, text.len);
    unit_free(text);

    unit_assert_str(copy, "serde");
    assert_int_equal(copy.data[copy.len], '\0');

    copy = cargo_arena_copy(arena, NULL, 0);

    unit_assert_str(copy, "");
    assert_int_equal(copy.data[0], '\0');

    cargo_arena_destroy(arena);
}


static void
test_arena_printf(void **state)
{
    size_t          i;
    cargo_str_t     text;
    cargo_arena_t  *arena;

    (void) state;

    arena = cargo_arena_create(NULL);
    assert_non_null(arena);

    text = cargo_arena_printf(arena, "%s-%d.crate", "serde", 1);
    unit_assert_str(text, "serde-1.crate");
    assert_int_equal(text.data[text.len], '\0');

    text = cargo_arena_printf(arena, "%s", "");
    unit_assert_str(text, "");

    text = cargo_arena_printf(arena, "%*s", 9000, "end");
    assert_int_equal(text.len, 9000);

    for (i = 0; i < text.len - 3; i++) {
        assert_int_equal(text.data[i], ' ');
    }

    cargo_arena_destroy(arena);
}


static void
test_arena_out_of_memory(void **state)
{
    (void) state;

    unit_each_failure(use_arena, NULL);
}


static void
test_utf8(void **state)
{
    int          valid;
    size_t       i;
    cargo_str_t  text;

    (void) state;

    for (i = 0; i < unit_count(utf8_cases); i++) {
        text = unit_exact(utf8_cases[i].text, strlen(utf8_cases[i].text));
        valid = cargo_utf8_valid(text.data, text.len);
        unit_free(text);

        if (valid != utf8_cases[i].valid) {
            fail_msg("case %zu: %d", i, valid);
        }
    }
}


static void
test_str_equal(void **state)
{
    cargo_str_t  none = { 0, NULL };

    (void) state;

    assert_true(cargo_str_equal(unit_str("serde"), unit_str("serde")));
    assert_true(cargo_str_equal(none, unit_str("")));
    assert_true(cargo_str_equal(none, none));
    assert_false(cargo_str_equal(unit_str("serde"), unit_str("serdf")));
    assert_false(cargo_str_equal(unit_str("serde"), unit_str("serd")));
    assert_false(cargo_str_equal(unit_str("serde"), unit_str("Serde")));
    assert_false(cargo_str_equal(none, unit_str("serde")));
}


static void
test_refuse(void **state)
{
    cargo_rc_t     rc;
    cargo_error_t  error;

    (void) state;

    rc = cargo_refuse(&error, 413, "%s: at most %d bytes", "b.crate", 10);

    assert_int_equal(rc, CARGO_REFUSED);
    unit_assert_error(&error, 413, "b.crate: at most 10 bytes");
}


static void
test_refuse_printable(void **state)
{
    cargo_error_t  error;

    (void) state;

    (void) cargo_refuse(&error, 400, "a\x1b[31m\tb\x7f");
    unit_assert_error(&error, 400, "a?[31m?b?");

    (void) cargo_refuse(&error, 400, "two\nlines");
    unit_assert_error(&error, 400, "two\nlines");

    (void) cargo_refuse(&error, 400, "\xc3\xa4 \xf0\x9f\xa6\x80 stay");
    unit_assert_error(&error, 400, "\xc3\xa4 \xf0\x9f\xa6\x80 stay");

    (void) cargo_refuse(&error, 400, "\x80 \xc0\xaf \xed\xa0\x80 are not");
    unit_assert_error(&error, 400, "? ?? ??? are not");

    (void) cargo_refuse(&error, 400, "the path `\xff`");
    unit_assert_error(&error, 400, "the path `?`");

    (void) cargo_refuse(&error, 400, "ends in \xe2\x82");
    unit_assert_error(&error, 400, "ends in ??");
}


/* at each place that the end of the buffer can have in a character */

static void
test_refuse_cut(void **state)
{
    int            before;
    size_t         len;
    cargo_error_t  error;

    (void) state;

    for (before = 0; before < 4; before++) {
        (void) cargo_refuse(&error, 400, "%*s\xf0\x9f\xa6\x80\xf0\x9f\xa6\x80",
                            CARGO_ERROR_DETAIL - 5 - before, "");

        len = strlen(error.detail);

        assert_true(cargo_utf8_valid((unsigned char *) error.detail, len));
        assert_int_equal(len, CARGO_ERROR_DETAIL - 1 - before);
        assert_memory_equal(error.detail + len - 4, "\xf0\x9f\xa6\x80", 4);
    }
}


static cargo_rc_t
use_arena(cargo_arena_t *arena, void *data)
{
    static const char  zeros[5000];

    (void) data;

    if (cargo_arena_alloc(arena, 10) == NULL
        || cargo_arena_copy(arena, "serde", 5).data == NULL
        || cargo_arena_copy(arena, zeros, sizeof(zeros)).data == NULL
        || cargo_arena_printf(arena, "%*s", 5000, "").data == NULL
        || cargo_arena_alloc(arena, 4000) == NULL)
    {
        return CARGO_NO_MEMORY;
    }

    return CARGO_OK;
}
