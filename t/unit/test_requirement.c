
#include "unit.h"

#include <string.h>

#include "cargo_semver.h"


typedef struct {
    const char     *text;
    const char     *normalized;
} spelling_t;


static void test_normalize(void **state);
static void test_normalize_stays(void **state);
static void test_normalize_long(void **state);
static void test_normalize_out_of_memory(void **state);
static void test_comparators_max(void **state);
static void test_refused(void **state);
static void test_refused_long(void **state);
static cargo_rc_t normalize(cargo_arena_t *arena, void *data);


/* as Rust's semver crate (1.0.14), which cargo relies on, writes them */
static const spelling_t  spellings[] = {
    { "1.0.0", "^1.0.0" },
    { "=1.0.0", "=1.0.0" },
    { "=0.1.0-beta2.a", "=0.1.0-beta2.a" },
    { "=0.1.0+meta", "=0.1.0" },
    { ">= 1.0.0", ">=1.0.0" },
    { ">=2.1.0-alpha2", ">=2.1.0-alpha2" },
    { ">1", ">1" },
    { ">1.2", ">1.2" },
    { ">=1.2", ">=1.2" },
    { "< 1.0.0", "<1.0.0" },
    { "<= 2.1.0-alpha2", "<=2.1.0-alpha2" },
    { "<1", "<1" },
    { "<=1", "<=1" },
    { "<=1.2", "<=1.2" },
    { ">1.0.0-alpha, <1.0.0", ">1.0.0-alpha, <1.0.0" },
    { ">1.0.0-alpha, <1.0", ">1.0.0-alpha, <1.0" },
    { "> 0.0.9,<=2.5.3", ">0.0.9, <=2.5.3" },
    { "0.3.0, 0.4.0", "^0.3.0, ^0.4.0" },
    { "0.1.0, 0.1.4, 0.1.6", "^0.1.0, ^0.1.4, ^0.1.6" },
    { ">=0.5.1-alpha3, <0.6", ">=0.5.1-alpha3, <0.6" },
    { "~1", "~1" },
    { "~1.2", "~1.2" },
    { "~1.2.2", "~1.2.2" },
    { "~1.2.3-beta.2", "~1.2.3-beta.2" },
    { "^1", "^1" },
    { "^1.1", "^1.1" },
    { "^1.1.2", "^1.1.2" },
    { "^0.1.2", "^0.1.2" },
    { "^0.5.1-alpha3", "^0.5.1-alpha3" },
    { "^0.0.2", "^0.0.2" },
    { "^0.0.2-b", "^0.0.2-b" },
    { "^0.0", "^0.0" },
    { "^0.1", "^0.1" },
    { "^0", "^0" },
    { "^1.2, >=1.2.3-a", "^1.2, >=1.2.3-a" },
    { "*", "*" },
    { "x", "*" },
    { "X", "*" },
    { "  * ", "*" },
    { "1.*", "1.*" },
    { "1.x", "1.*" },
    { "1.X", "1.*" },
    { "1.*.*", "1.*" },
    { "0.x.*", "0.*" },
    { "1.2.*", "1.2.*" },
    { "1.2.x", "1.2.*" },
    { ">=1.*", ">=1" },
    { "=1.*", "=1" },
    { "^1.2.*", "^1.2" },
    { "~1.x.x", "~1" },
    { "=2.1.1-really.0", "=2.1.1-really.0" },
    { " 1 , <  1.5 ", "^1, <1.5" },
    { "1,2", "^1, ^2" },
    { "~ 1.2.3-01a+01.001", "~1.2.3-01a" },
    { "1.2.3-1-1+1-1-1", "^1.2.3-1-1" },
    { "18446744073709551615.0.0", "^18446744073709551615.0.0" }
};


static const char  *refused_cases[] = {
    "", " ", "  ", ",", "*,", ",*", "* , *", "*, 1", "1, *", "1, x, 2",
    "**", "* *", "*.1", "*.*", "x.x", "1.*.1", ">=1.*.1", "=*", "^*", ">= *",
    "1,", "1, ", "1,,2", "> 0.3.0, ,", ", 1", "1 2", "> 0.0.9 <= 2.5.3",
    "1.2.3 - 2.3.4", "=1.2.3 || =2.3.4", "1.1 || =1.2.3", "1.2.3|1",
    ">= >= 0.0.2", ">== 0.0.2", "== 1", "=> 1", "~> 1", "~~1", "^^1", "<>1",
    "!=1", "> =1", "< = 1", "a.0.0", "v1.0.0", "1.a", "1.0.a", "1xx", "1x",
    "01", "1.00", "1.2.03", "1.2.3-01", "1.2.3-a.01", "1.2.3-", "1.2.3-+b",
    "1.2.3+", "1.2.3-a.", "1.2.3-.a", "1.2.3-a..b", "1.2.3+a..b", "1.2.3+a+b",
    "1.2.3-a_b", "1-a", "1.2-a", "1.2+a", "1.*-a", "1.2.*-a", "1.2.*+a",
    "1.2.3.4", "1.2.3.*", "1.*.*.*", "1.", "1..2", ".1", "1. 2", "1 .2",
    "-1", "+1", "\t1", "1\t", "1\n", "1\r", ">\t1", "1\xc2\xa0",
    "1.2.3-\xc3\xa4", "\xef\xbc\x91", "=", ">", ">=", "<", "<=", "~", "^",
    "18446744073709551616", "1.18446744073709551616", "latest"
};


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_normalize),
        cmocka_unit_test(test_normalize_stays),
        cmocka_unit_test(test_normalize_long),
        cmocka_unit_test(test_normalize_out_of_memory),
        cmocka_unit_test(test_comparators_max),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_refused_long)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}


static void
test_normalize(void **state)
{
    size_t          i;
    cargo_rc_t      rc;
    cargo_str_t     text, normalized;
    cargo_error_t   error;
    cargo_arena_t  *arena;

    (void) state;

    arena = cargo_arena_create(NULL);
    assert_non_null(arena);

    for (i = 0; i < unit_count(spellings); i++) {
        text = unit_exact(spellings[i].text, strlen(spellings[i].text));
        rc = cargo_requirement_normalize(arena, text, &normalized, &error);
        unit_free(text);

        if (rc != CARGO_OK) {
            fail_msg("\"%s\": %d", spellings[i].text, (int) rc);
        }

        unit_assert_str(normalized, spellings[i].normalized);
        assert_int_equal(normalized.data[normalized.len], '\0');
    }

    cargo_arena_destroy(arena);
}


static void
test_normalize_stays(void **state)
{
    size_t          i;
    cargo_rc_t      rc;
    cargo_str_t     normalized;
    cargo_error_t   error;
    cargo_arena_t  *arena;

    (void) state;

    arena = cargo_arena_create(NULL);
    assert_non_null(arena);

    for (i = 0; i < unit_count(spellings); i++) {
        rc = cargo_requirement_normalize(arena,
                                         unit_str(spellings[i].normalized),
                                         &normalized, &error);

        assert_int_equal(rc, CARGO_OK);
        unit_assert_str(normalized, spellings[i].normalized);
    }

    cargo_arena_destroy(arena);
}


/* the longest numbers and an identifier of some pages */

static void
test_normalize_long(void **state)
{
    char            text[20000];
    size_t          len;
    cargo_str_t     long_text, normalized;
    cargo_error_t   error;
    cargo_arena_t  *arena;

    (void) state;

    memset(text, 'a', sizeof(text));
    len = strlen("18446744073709551615.18446744073709551615.0-");
    memcpy(text, "18446744073709551615.18446744073709551615.0-", len);

    arena = cargo_arena_create(NULL);
    assert_non_null(arena);

    long_text = unit_exact(text, sizeof(text));

    assert_int_equal(cargo_requirement_normalize(arena, long_text, &normalized,
                                                 &error),
                     CARGO_OK);

    assert_int_equal(normalized.len, sizeof(text) + 1);
    assert_int_equal(normalized.data[0], '^');
    assert_memory_equal(normalized.data + 1, text, sizeof(text));

    unit_free(long_text);
    cargo_arena_destroy(arena);
}


static void
test_normalize_out_of_memory(void **state)
{
    char  any[] = "*";
    char  several[] = ">=1,<2";

    (void) state;

    unit_each_failure(normalize, any);
    unit_each_failure(normalize, several);
}


/* every one grows as much as it can */

static void
test_comparators_max(void **state)
{
    char            text[2 * 33], expected[4 * 32];
    size_t          i;
    cargo_str_t     normalized;
    cargo_error_t   error;
    cargo_arena_t  *arena;

    (void) state;

    for (i = 0; i < 33; i++) {
        memcpy(text + 2 * i, "1,", 2);
    }

    for (i = 0; i < 32; i++) {
        memcpy(expected + 4 * i, "^1, ", 4);
    }

    text[2 * 32 - 1] = '\0';
    expected[4 * 32 - 2] = '\0';

    arena = cargo_arena_create(NULL);
    assert_non_null(arena);

    assert_int_equal(cargo_requirement_normalize(arena, unit_str(text),
                                                 &normalized, &error),
                     CARGO_OK);
    unit_assert_str(normalized, expected);

    text[2 * 32 - 1] = ',';
    text[2 * 33 - 1] = '\0';

    assert_int_equal(cargo_requirement_normalize(arena, unit_str(text),
                                                 &normalized, &error),
                     CARGO_REFUSED);

    cargo_arena_destroy(arena);
}


static void
test_refused(void **state)
{
    size_t          i;
    cargo_rc_t      rc;
    cargo_str_t     text, normalized;
    cargo_error_t   error;
    cargo_arena_t  *arena;

    (void) state;

    arena = cargo_arena_create(NULL);
    assert_non_null(arena);

    for (i = 0; i < unit_count(refused_cases); i++) {
        text = unit_exact(refused_cases[i], strlen(refused_cases[i]));
        rc = cargo_requirement_normalize(arena, text, &normalized, &error);
        unit_free(text);

        if (rc != CARGO_REFUSED) {
            fail_msg("\"%s\": %d", refused_cases[i], (int) rc);
        }

        assert_int_equal(error.status, 400);
    }

    text = unit_str("1 || 2");
    (void) cargo_requirement_normalize(arena, text, &normalized, &error);

    unit_assert_error(&error, 400,
                      "\"1 || 2\" is an invalid version requirement");

    text = unit_exact("1\0", 2);
    rc = cargo_requirement_normalize(arena, text, &normalized, &error);
    unit_free(text);

    assert_int_equal(rc, CARGO_REFUSED);

    cargo_arena_destroy(arena);
}


/* the reason must not fall off the end */

static void
test_refused_long(void **state)
{
    char            text[100000];
    cargo_str_t     long_text, normalized;
    cargo_error_t   error;
    cargo_arena_t  *arena;

    (void) state;

    memset(text, '1', sizeof(text));
    long_text = unit_exact(text, sizeof(text));

    arena = cargo_arena_create(NULL);
    assert_non_null(arena);

    assert_int_equal(cargo_requirement_normalize(arena, long_text, &normalized,
                                                 &error),
                     CARGO_REFUSED);
    assert_non_null(strstr(error.detail, "is an invalid version requirement"));

    unit_free(long_text);
    cargo_arena_destroy(arena);
}


static cargo_rc_t
normalize(cargo_arena_t *arena, void *data)
{
    cargo_str_t    normalized;
    cargo_error_t  error;

    return cargo_requirement_normalize(arena, unit_str(data), &normalized,
                                       &error);
}
