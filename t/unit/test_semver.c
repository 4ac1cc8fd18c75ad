
#include "unit.h"

#include <string.h>

#include "cargo_semver.h"


#define TEN_TIMES(text)                                                       \
    text text text text text text text text text text


typedef struct {
    const char     *text;
    uint64_t        major;
    uint64_t        minor;
    uint64_t        patch;
    const char     *pre;
    const char     *build;
} parse_case_t;

typedef struct {
    const char     *text;
    const char     *key;
} key_case_t;


static void test_parse(void **state);
static void test_parse_refused(void **state);
static void test_parse_nul(void **state);
static void test_parse_length(void **state);
static void test_compare(void **state);
static void test_compare_build(void **state);
static void test_sort_key(void **state);
static void test_sort_key_order(void **state);
static void test_sort_key_long(void **state);
static void test_sort_key_out_of_memory(void **state);
static cargo_version_t parse(const char *text);
static int sign(int order);
static cargo_rc_t make_key(cargo_arena_t *arena, void *data);


/* facts from semver.org and tests/test_version.rs of Rust's semver crate */
static const parse_case_t  parse_cases[] = {
    { "0.0.0", 0, 0, 0, "", "" },
    { "1.2.3", 1, 2, 3, "", "" },
    { "10.20.30", 10, 20, 30, "", "" },
    { "1.2.3-alpha1", 1, 2, 3, "alpha1", "" },
    { "1.2.3+build5", 1, 2, 3, "", "build5" },
    { "1.2.3+5build", 1, 2, 3, "", "5build" },
    { "1.2.3-alpha1+build5", 1, 2, 3, "alpha1", "build5" },
    { "1.2.3-1.alpha1.9+build5.7.3aedf", 1, 2, 3, "1.alpha1.9",
      "build5.7.3aedf" },
    { "1.2.3-0a.alpha1.9+05build.7.3aedf", 1, 2, 3, "0a.alpha1.9",
      "05build.7.3aedf" },
    { "0.4.0-beta.1+0851523", 0, 4, 0, "beta.1", "0851523" },
    { "1.1.0-beta-10", 1, 1, 0, "beta-10", "" },
    { "1.0.0-0", 1, 0, 0, "0", "" },
    { "1.0.0--", 1, 0, 0, "-", "" },
    { "1.0.0---1.--", 1, 0, 0, "--1.--", "" },
    { "1.0.0-00a", 1, 0, 0, "00a", "" },
    { "1.0.0+00", 1, 0, 0, "", "00" },
    { "1.0.0+a-b", 1, 0, 0, "", "a-b" },
    { "1.0.0-99999999999999999999999", 1, 0, 0, "99999999999999999999999",
      "" },
    { "18446744073709551615.18446744073709551615.18446744073709551615",
      UINT64_MAX, UINT64_MAX, UINT64_MAX, "", "" }
};


static const char  *refused_cases[] = {
    "", " ", "  ", "1", "1.2", "1.2.", "1..3", ".2.3", "1.2.3.4", "a.b.c",
    "v1.2.3", "=1.2.3", " 1.2.3", "1.2.3 ", "1.2.3 abc", "1. 2.3", "1.2.3\n",
    "01.2.3", "1.02.3", "1.2.03", "00.0.0", "1.2.x", "1.2.*", "-1.2.3",
    "+1.2.3", "1.-2.3", "1.2.3-", "1.2.3+", "1.2.3-+b", "1.2.3-a+",
    "1.2.3-01", "1.2.3-a.01", "1.2.3-00", "1.2.3-.a", "1.2.3-a.",
    "1.2.3-a..b", "1.2.3+.a", "1.2.3+a.", "1.2.3+a..b", "1.2.3+a+b",
    "1.2.3-a_b", "1.2.3+a_b", "1.2.3-a b", "1.2.3a", "1.2.3-\xc3\xa4",
    "1.2.3+\xff", "\xef\xbc\x91.2.3", "1,2,3", "1.2.3/4",
    "18446744073709551616.0.0", "1.18446744073709551616.0",
    "1.1.18446744073709551616", "99999999999999999999.0.0",
    "184467440737095516150.0.0"
};


/* rising; the first eight are the example of semver.org, item 11 */
static const char  *order_cases[] = {
    "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta",
    "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0",

    "1.0.1-0", "1.0.1-0.0", "1.0.1-0.0.a", "1.0.1-0.a", "1.0.1-1",
    "1.0.1-2", "1.0.1-10", "1.0.1-18446744073709551615",
    "1.0.1-18446744073709551616", "1.0.1-100000000000000000000000000000",
    "1.0.1--", "1.0.1--.a", "1.0.1---", "1.0.1--1", "1.0.1-0a", "1.0.1-10a",
    "1.0.1-1a", "1.0.1-A", "1.0.1-Z", "1.0.1-a", "1.0.1-a.0", "1.0.1-a.9",
    "1.0.1-a.10", "1.0.1-a.-", "1.0.1-a.b", "1.0.1-a-", "1.0.1-a-b",
    "1.0.1-a0", "1.0.1-aA", "1.0.1-aa", "1.0.1-z", "1.0.1",

    "1.0.2", "1.0.9", "1.0.10", "1.0.100", "1.1.0-z", "1.1.0", "1.9.0",
    "1.10.0", "2.0.0", "9.0.0", "10.0.0-a", "10.0.0", "99.0.0", "100.0.0",
    "9223372036854775807.0.0", "9223372036854775808.0.0",
    "18446744073709551614.18446744073709551615.18446744073709551615",
    "18446744073709551615.0.0-a", "18446744073709551615.0.0",
    "18446744073709551615.18446744073709551615.18446744073709551615"
};


static const key_case_t  key_cases[] = {
    { "1.10.0-rc.2", "a1b10a0-1rc,00012" },
    { "1.10.0", "a1b10a0~" },
    { "1.10.0+build.7", "a1b10a0~" },
    { "0.0.0-0", "a0a0a0-00010" },
    { "18446744073709551615.0.0", "t18446744073709551615a0a0~" }
};


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_parse_refused),
        cmocka_unit_test(test_parse_nul),
        cmocka_unit_test(test_parse_length),
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_compare_build),
        cmocka_unit_test(test_sort_key),
        cmocka_unit_test(test_sort_key_order),
        cmocka_unit_test(test_sort_key_long),
        cmocka_unit_test(test_sort_key_out_of_memory)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}


static void
test_parse(void **state)
{
    size_t               i;
    cargo_rc_t           rc;
    cargo_str_t          text;
    cargo_error_t        error;
    cargo_version_t      version;
    const parse_case_t  *c;

    (void) state;

    for (i = 0; i < unit_count(parse_cases); i++) {
        c = &parse_cases[i];
        text = unit_exact(c->text, strlen(c->text));

        rc = cargo_version_parse(text, &version, &error);

        if (rc != CARGO_OK) {
            fail_msg("\"%s\": %d", c->text, (int) rc);
        }

        assert_true(version.major == c->major);
        assert_true(version.minor == c->minor);
        assert_true(version.patch == c->patch);
        assert_int_equal(version.pre.len, strlen(c->pre));
        assert_int_equal(version.build.len, strlen(c->build));
        assert_true(cargo_str_equal(version.pre, unit_str(c->pre)));
        assert_true(cargo_str_equal(version.build, unit_str(c->build)));
        assert_true(cargo_version_valid(text));

        unit_free(text);
    }
}


static void
test_parse_refused(void **state)
{
    size_t           i;
    cargo_rc_t       rc;
    cargo_str_t      text;
    cargo_error_t    error;
    cargo_version_t  version;

    (void) state;

    for (i = 0; i < unit_count(refused_cases); i++) {
        text = unit_exact(refused_cases[i], strlen(refused_cases[i]));
        rc = cargo_version_parse(text, &version, &error);

        if (rc != CARGO_REFUSED) {
            fail_msg("\"%s\": %d", refused_cases[i], (int) rc);
        }

        assert_int_equal(error.status, 400);
        assert_false(cargo_version_valid(text));

        unit_free(text);
    }

    (void) cargo_version_parse(unit_str("1.0"), &version, &error);
    unit_assert_error(&error, 400, "\"1.0\" is an invalid semver version");
}


static void
test_parse_nul(void **state)
{
    cargo_str_t  text, none = { 0, NULL };

    (void) state;

    text = unit_exact("1.0.0\0", 6);
    assert_false(cargo_version_valid(text));
    unit_free(text);

    assert_false(cargo_version_valid(none));
}


static void
test_parse_length(void **state)
{
    char             text[100000];
    cargo_str_t      slice;
    cargo_error_t    error;
    cargo_version_t  version;

    (void) state;

    memset(text, 'a', sizeof(text));
    memcpy(text, "1.0.0-", 6);

    slice.data = (unsigned char *) text;
    slice.len = CARGO_VERSION_MAX;

    assert_int_equal(cargo_version_parse(slice, &version, &error), CARGO_OK);
    assert_true(cargo_version_valid(slice));

    slice.len = CARGO_VERSION_MAX + 1;

    assert_int_equal(cargo_version_parse(slice, &version, &error),
                     CARGO_REFUSED);
    unit_assert_error(&error, 400,
                      "the version number is too long (max 150 characters)");
    assert_false(cargo_version_valid(slice));

    text[5] = '_';
    slice.len = sizeof(text);

    assert_int_equal(cargo_version_parse(slice, &version, &error),
                     CARGO_REFUSED);
    assert_non_null(strstr(error.detail, "is an invalid semver version"));
}


static void
test_compare(void **state)
{
    int              expected;
    size_t           i, j;
    cargo_version_t  a, b;

    (void) state;

    for (i = 0; i < unit_count(order_cases); i++) {
        for (j = 0; j < unit_count(order_cases); j++) {
            a = parse(order_cases[i]);
            b = parse(order_cases[j]);
            expected = (i > j) - (i < j);

            if (sign(cargo_version_compare(&a, &b)) != expected) {
                fail_msg("%s and %s: not %d", order_cases[i], order_cases[j],
                         expected);
            }
        }
    }
}


static void
test_compare_build(void **state)
{
    cargo_version_t  a, b;

    (void) state;

    a = parse("1.0.0+a");
    b = parse("1.0.0+b.2");
    assert_int_equal(cargo_version_compare(&a, &b), 0);

    a = parse("1.0.0-rc.1+b");
    b = parse("1.0.0-rc.1");
    assert_int_equal(cargo_version_compare(&a, &b), 0);
}


static void
test_sort_key(void **state)
{
    size_t           i;
    cargo_arena_t   *arena;
    cargo_version_t  version;

    (void) state;

    arena = cargo_arena_create(NULL);
    assert_non_null(arena);

    for (i = 0; i < unit_count(key_cases); i++) {
        version = parse(key_cases[i].text);

        unit_assert_str(cargo_version_sort_key(arena, &version),
                        key_cases[i].key);
    }

    cargo_arena_destroy(arena);
}


static void
test_sort_key_order(void **state)
{
    size_t           i, j;
    cargo_str_t      keys[unit_count(order_cases)];
    cargo_arena_t   *arena;
    cargo_version_t  version;

    (void) state;

    arena = cargo_arena_create(NULL);
    assert_non_null(arena);

    for (i = 0; i < unit_count(order_cases); i++) {
        version = parse(order_cases[i]);
        keys[i] = cargo_version_sort_key(arena, &version);

        assert_int_equal(keys[i].len, strlen((char *) keys[i].data));

        for (j = 0; j < i; j++) {
            if (strcmp((char *) keys[j].data, (char *) keys[i].data) >= 0) {
                fail_msg("%s before %s: %s, %s", order_cases[i],
                         order_cases[j], (char *) keys[i].data,
                         (char *) keys[j].data);
            }
        }
    }

    cargo_arena_destroy(arena);
}


/* what the key adds to each identifier fits however many there are */

static void
test_sort_key_long(void **state)
{
    cargo_str_t      key;
    cargo_arena_t   *arena;
    cargo_version_t  version;

    (void) state;

    arena = cargo_arena_create(NULL);
    assert_non_null(arena);

    version = parse("1.0.0-" TEN_TIMES("1.1.1.1.1.1.1.") "1.1");
    key = cargo_version_sort_key(arena, &version);
    assert_int_equal(key.len, strlen("a1a0a0-") + 72 * strlen("00011"));

    version = parse("1.0.0-" TEN_TIMES("a.a.a.a.a.a.a.") "a.a");
    key = cargo_version_sort_key(arena, &version);
    assert_int_equal(key.len, strlen("a1a0a0-") + 72 * strlen("1a,"));

    version = parse("1.0.0-" TEN_TIMES("12345678901234"));
    key = cargo_version_sort_key(arena, &version);
    unit_assert_str(key, "a1a0a0-0140" TEN_TIMES("12345678901234"));

    cargo_arena_destroy(arena);
}


static void
test_sort_key_out_of_memory(void **state)
{
    cargo_version_t  version;

    (void) state;

    version = parse("1.0.0-rc.1");

    unit_each_failure(make_key, &version);
}


static cargo_version_t
parse(const char *text)
{
    cargo_error_t    error;
    cargo_version_t  version;

    if (cargo_version_parse(unit_str(text), &version, &error) != CARGO_OK) {
        fail_msg("%s", error.detail);
    }

    return version;
}


static int
sign(int order)
{
    return (order > 0) - (order < 0);
}


static cargo_rc_t
make_key(cargo_arena_t *arena, void *data)
{
    cargo_str_t  key;

    key = cargo_version_sort_key(arena, data);

    return (key.data == NULL) ? CARGO_NO_MEMORY : CARGO_OK;
}
