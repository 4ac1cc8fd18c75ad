
#include "unit.h"

#include <string.h>

#include "cargo_name.h"


#define NAME_64                                                               \
    "a123456789b123456789c123456789d123456789e123456789f123456789g123"


typedef cargo_rc_t (*check_pt)(cargo_str_t name, cargo_error_t *error);

typedef struct {
    const char     *name;
    const char     *detail;     /* NULL: valid */
} name_case_t;

typedef struct {
    const char     *path;
    const char     *name;       /* NULL: no crate has this path */
} path_case_t;


static void test_crate(void **state);
static void test_crate_too_long(void **state);
static void test_crate_quoted(void **state);
static void test_dependency(void **state);
static void test_alias(void **state);
static void test_feature(void **state);
static void test_feature_quoted(void **state);
static void test_feature_bytes(void **state);
static void test_feature_value(void **state);
static void test_valid(void **state);
static void test_canonical(void **state);
static void test_index_path(void **state);
static void test_index_path_long(void **state);
static void check_cases(check_pt check, const name_case_t *cases, size_t n);


static const name_case_t  crate_cases[] = {
    { "a", NULL },
    { "Z", NULL },
    { "serde", NULL },
    { "serde_json", NULL },
    { "Foo-Bar", NULL },
    { "a1", NULL },
    { "a-", NULL },
    { "a_", NULL },
    { "new", NULL },
    { NAME_64, NULL },

    { "", "crate name cannot be empty" },

    { NAME_64 "4", "the crate name `" NAME_64 "4` is too long "
      "(max 64 characters)" },

    { "123", "the name `123` cannot be used as a crate name, "
      "the name cannot start with a digit" },

    { "_foo", "invalid character `_` in crate name: `_foo`, "
      "the first character must be an ASCII character" },

    { "-foo", "invalid character `-` in crate name: `-foo`, "
      "the first character must be an ASCII character" },

    { "\xc3\xa4nder", "invalid character `\xc3\xa4` in crate name: "
      "`\xc3\xa4nder`, the first character must be an ASCII character" },

    { "foo+plus", "invalid character `+` in crate name: `foo+plus`, "
      "characters must be an ASCII alphanumeric characters, `-`, or `_`" },

    { "foo.bar", "invalid character `.` in crate name: `foo.bar`, "
      "characters must be an ASCII alphanumeric characters, `-`, or `_`" },

    { "foo/bar", "invalid character `/` in crate name: `foo/bar`, "
      "characters must be an ASCII alphanumeric characters, `-`, or `_`" },

    { "foo bar", "invalid character ` ` in crate name: `foo bar`, "
      "characters must be an ASCII alphanumeric characters, `-`, or `_`" },

    { "crab\xf0\x9f\xa6\x80", "invalid character `\xf0\x9f\xa6\x80` in crate "
      "name: `crab\xf0\x9f\xa6\x80`, characters must be an ASCII "
      "alphanumeric characters, `-`, or `_`" },

    { "bad\xff", "invalid character `?` in crate name: `bad?`, "
      "characters must be an ASCII alphanumeric characters, `-`, or `_`" }
};


static const name_case_t  dependency_cases[] = {
    { "serde", NULL },
    { "", "dependency name cannot be empty" },

    { "1st", "the name `1st` cannot be used as a dependency name, "
      "the name cannot start with a digit" },

    { "_foo", "invalid character `_` in dependency name: `_foo`, "
      "the first character must be an ASCII character" },

    { "foo?", "invalid character `?` in dependency name: `foo?`, "
      "characters must be an ASCII alphanumeric characters, `-`, or `_`" },

    { NAME_64 "4", "the dependency name `" NAME_64 "4` is too long "
      "(max 64 characters)" }
};


static const name_case_t  alias_cases[] = {
    { "serde", NULL },
    { "_foo", NULL },
    { "_", NULL },
    { "", "dependency name cannot be empty" },

    { "1st", "the name `1st` cannot be used as a dependency name, "
      "the name cannot start with a digit" },

    { "-foo", "invalid character `-` in dependency name: `-foo`, "
      "the first character must be an ASCII character, or `_`" },

    { "foo:", "invalid character `:` in dependency name: `foo:`, "
      "characters must be an ASCII alphanumeric characters, `-`, or `_`" }
};


#define FEATURE_FIRST                                                         \
    "the first character must be a Unicode XID start character or digit "     \
    "(most letters or `_` or `0` to `9`)"

#define FEATURE_CHARACTER                                                     \
    "characters must be Unicode XID characters, `-`, `+`, or `.` "            \
    "(numbers, `+`, `-`, `_`, `.`, or most letters)"

static const name_case_t  feature_cases[] = {
    { "default", NULL },
    { "foo", NULL },
    { "1foo", NULL },
    { "1", NULL },
    { "_foo", NULL },
    { "foo_bar-baz", NULL },
    { "c++20", NULL },
    { "web.audio", NULL },
    { "\xd0\xb6", NULL },
    { "\xe6\xbc\xa2\xe5\xad\x97", NULL },
    { "a\xcc\x81", NULL },

    { "", "feature cannot be empty" },
    { "+foo", "invalid character `+` in feature `+foo`, " FEATURE_FIRST },
    { "-foo", "invalid character `-` in feature `-foo`, " FEATURE_FIRST },
    { ".foo", "invalid character `.` in feature `.foo`, " FEATURE_FIRST },
    { "/", "invalid character `/` in feature `/`, " FEATURE_FIRST },

    { "\xcc\x81" "a", "invalid character `\xcc\x81` in feature "
      "`\xcc\x81" "a`, " FEATURE_FIRST },

    { "dep:foo", "invalid character `:` in feature `dep:foo`, "
      FEATURE_CHARACTER },

    { "foo?", "invalid character `?` in feature `foo?`, " FEATURE_CHARACTER },
    { "a b", "invalid character ` ` in feature `a b`, " FEATURE_CHARACTER },
    { "a/b", "invalid character `/` in feature `a/b`, " FEATURE_CHARACTER },

    { "a\xf0\x9f\xa6\x80", "invalid character `\xf0\x9f\xa6\x80` in feature "
      "`a\xf0\x9f\xa6\x80`, " FEATURE_CHARACTER },

    { "a\xff", "the name of feature `a?` must be UTF-8" }
};


static const name_case_t  feature_value_cases[] = {
    { "std", NULL },
    { "serde/std", NULL },
    { "serde?/std", NULL },
    { "_alias/std", NULL },
    { "dep:serde", NULL },
    { "dep:_alias", NULL },
    { "serde/1.0+x", NULL },
    { "dep", NULL },

    { "", "feature cannot be empty" },
    { "/", "dependency name cannot be empty" },
    { "/std", "dependency name cannot be empty" },
    { "?/std", "dependency name cannot be empty" },
    { "serde/", "feature cannot be empty" },
    { "dep:", "dependency name cannot be empty" },

    { "serde?\?/std", "invalid character `?` in dependency name: `serde?`, "
      "characters must be an ASCII alphanumeric characters, `-`, or `_`" },

    { "dep:serde/std", "invalid character `:` in dependency name: "
      "`dep:serde`, characters must be an ASCII alphanumeric characters, "
      "`-`, or `_`" },

    { "dep:dep:serde", "invalid character `:` in dependency name: "
      "`dep:serde`, characters must be an ASCII alphanumeric characters, "
      "`-`, or `_`" },

    { "a/b/c", "invalid character `/` in feature `b/c`, "
      FEATURE_CHARACTER },

    { "xdep:serde", "invalid character `:` in feature `xdep:serde`, "
      FEATURE_CHARACTER },

    { "serde?", "invalid character `?` in feature `serde?`, "
      FEATURE_CHARACTER }
};


static const path_case_t  path_cases[] = {
    { "1/a", "a" },
    { "2/ab", "ab" },
    { "3/f/foo", "foo" },
    { "se/rd/serde", "serde" },
    { "fo/o-/foo-bar", "foo-bar" },
    { "fo/o_/foo_bar", "foo_bar" },
    { "ab/c1/abc1", "abc1" },
    { "co/nf/config", "config" },

    { "", NULL },
    { "/", NULL },
    { "a", NULL },
    { "1/", NULL },
    { "1/A", NULL },
    { "/1/a", NULL },
    { "1/ab", NULL },
    { "2/a", NULL },
    { "2/abc", NULL },
    { "3/foo", NULL },
    { "3/f/fo", NULL },
    { "3/o/foo", NULL },
    { "3/f/fooo", NULL },
    { "3/F/foo", NULL },
    { "se/rd/Serde", NULL },
    { "Se/rd/serde", NULL },
    { "se/rd/serde/", NULL },
    { "se/rd//serde", NULL },
    { "x/se/rd/serde", NULL },
    { "se/rx/serde", NULL },
    { "se/rd/", NULL },
    { "serde", NULL },
    { "config.json", NULL },
    { "..", NULL },
    { "../a/a", NULL },
    { "_a/bc/_abc", NULL },
    { "1a/bc/1abc", NULL },
    { "se/rd/serde ", NULL },
    { "se/rd/serd\xc3\xa9", NULL }
};


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_crate),
        cmocka_unit_test(test_crate_too_long),
        cmocka_unit_test(test_crate_quoted),
        cmocka_unit_test(test_dependency),
        cmocka_unit_test(test_alias),
        cmocka_unit_test(test_feature),
        cmocka_unit_test(test_feature_quoted),
        cmocka_unit_test(test_feature_bytes),
        cmocka_unit_test(test_feature_value),
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_canonical),
        cmocka_unit_test(test_index_path),
        cmocka_unit_test(test_index_path_long)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}


static void
test_crate(void **state)
{
    (void) state;

    check_cases(cargo_name_check_crate, crate_cases, unit_count(crate_cases));
}


/* the limit counts characters, so that the refusal names the real reason */

static void
test_crate_too_long(void **state)
{
    char           name[130];
    size_t         i;
    cargo_str_t    text;
    cargo_error_t  error;

    (void) state;

    for (i = 0; i < 128; i += 2) {
        memcpy(name + i, "\xc3\xa4", 2);
    }

    text = unit_exact(name, 128);

    assert_int_equal(cargo_name_check_crate(text, &error), CARGO_REFUSED);
    assert_non_null(strstr(error.detail, "invalid character `\xc3\xa4`"));

    unit_free(text);

    memcpy(name + 128, "\xc3\xa4", 2);
    text = unit_exact(name, 130);

    assert_int_equal(cargo_name_check_crate(text, &error), CARGO_REFUSED);
    assert_non_null(strstr(error.detail, "too long (max 64 characters)"));

    unit_free(text);
}


static void
test_crate_quoted(void **state)
{
    char           name[100000];
    cargo_str_t    text;
    cargo_error_t  error;

    (void) state;

    memset(name, 'a', sizeof(name));
    text = unit_exact(name, sizeof(name));

    assert_int_equal(cargo_name_check_crate(text, &error), CARGO_REFUSED);
    assert_int_equal(error.status, 400);
    assert_non_null(strstr(error.detail, "too long (max 64 characters)"));

    unit_free(text);
}


static void
test_dependency(void **state)
{
    (void) state;

    check_cases(cargo_name_check_dependency, dependency_cases,
                unit_count(dependency_cases));
}


static void
test_alias(void **state)
{
    (void) state;

    check_cases(cargo_name_check_alias, alias_cases, unit_count(alias_cases));
}


static void
test_feature(void **state)
{
    (void) state;

    check_cases(cargo_name_check_feature, feature_cases,
                unit_count(feature_cases));
}


/* long names are cut between two characters, whatever their length is */

static void
test_feature_quoted(void **state)
{
    char           name[1000], quoted[256];
    size_t         i;
    cargo_str_t    text;
    cargo_error_t  error;

    (void) state;

    for (i = 0; i < 999; i += 3) {
        memcpy(name + i, "\xe6\xbc\xa2", 3);
    }

    memcpy(name + 999, " ", 1);
    memcpy(quoted, name, 255);
    quoted[255] = '\0';

    text = unit_exact(name, 1000);
    assert_int_equal(cargo_name_check_feature(text, &error), CARGO_REFUSED);
    unit_free(text);

    assert_non_null(strstr(error.detail, "invalid character ` `"));
    assert_non_null(strstr(error.detail, quoted));
    assert_non_null(strstr(error.detail, FEATURE_CHARACTER));
}


/* a NUL ends no text, and no byte is taken for the middle of a character */

static void
test_feature_bytes(void **state)
{
    unsigned       first, second;
    cargo_str_t    text;
    unsigned char  bytes[2];
    cargo_error_t  error;

    (void) state;

    text = unit_exact("a\0", 2);
    assert_int_equal(cargo_name_check_feature(text, &error), CARGO_REFUSED);
    unit_free(text);

    for (first = 0x80; first <= 0xff; first++) {
        for (second = 0; second <= 0xff; second++) {
            bytes[0] = (unsigned char) first;
            bytes[1] = (unsigned char) second;

            text = unit_exact(bytes, 2);

            if (cargo_name_check_feature(text, &error) == CARGO_OK) {
                assert_true(cargo_utf8_valid(bytes, 2));
            }

            unit_free(text);
        }
    }
}


static void
test_feature_value(void **state)
{
    (void) state;

    check_cases(cargo_name_check_feature_value, feature_value_cases,
                unit_count(feature_value_cases));
}


static void
test_valid(void **state)
{
    size_t       i;
    cargo_str_t  none = { 0, NULL };

    (void) state;

    for (i = 0; i < unit_count(crate_cases); i++) {
        assert_int_equal(cargo_name_valid(unit_str(crate_cases[i].name)),
                         crate_cases[i].detail == NULL);
    }

    assert_false(cargo_name_valid(none));
}


static void
test_canonical(void **state)
{
    cargo_str_t    name;
    unsigned char  canonical[CARGO_NAME_MAX];

    (void) state;

    name = unit_exact("Foo-Bar_Z9", 10);
    cargo_name_canonical(name, canonical);
    assert_memory_equal(canonical, "foo_bar_z9", 10);

    cargo_name_canonical(name, name.data);
    assert_memory_equal(name.data, "foo_bar_z9", 10);

    unit_free(name);
}


static void
test_index_path(void **state)
{
    size_t              i;
    cargo_rc_t          rc;
    cargo_str_t         path, name;
    cargo_error_t       error;
    const path_case_t  *c;

    (void) state;

    for (i = 0; i < unit_count(path_cases); i++) {
        c = &path_cases[i];
        path = unit_exact(c->path, strlen(c->path));

        rc = cargo_name_of_index_path(path, &name, &error);

        if (rc != (c->name ? CARGO_OK : CARGO_REFUSED)) {
            fail_msg("\"%s\": %d", c->path, (int) rc);
        }

        if (rc == CARGO_OK) {
            unit_assert_str(name, c->name);
            assert_ptr_equal(name.data + name.len, path.data + path.len);

        } else {
            unit_assert_error(&error, 404,
                              "no crate has this path in the index");
        }

        unit_free(path);
    }
}


static void
test_index_path_long(void **state)
{
    cargo_str_t    name;
    cargo_error_t  error;

    (void) state;

    assert_int_equal(cargo_name_of_index_path(unit_str("a1/23/" NAME_64),
                                              &name, &error),
                     CARGO_OK);
    unit_assert_str(name, NAME_64);

    assert_int_equal(cargo_name_of_index_path(unit_str("a1/23/" NAME_64 "4"),
                                              &name, &error),
                     CARGO_REFUSED);
}


static void
check_cases(check_pt check, const name_case_t *cases, size_t n)
{
    size_t         i;
    cargo_rc_t     rc;
    cargo_str_t    name;
    cargo_error_t  error;

    for (i = 0; i < n; i++) {
        name = unit_exact(cases[i].name, strlen(cases[i].name));
        rc = check(name, &error);
        unit_free(name);

        if (rc != (cases[i].detail ? CARGO_REFUSED : CARGO_OK)) {
            fail_msg("\"%s\": %d", cases[i].name, (int) rc);
        }

        if (rc == CARGO_REFUSED) {
            unit_assert_error(&error, 400, cases[i].detail);
        }
    }
}
