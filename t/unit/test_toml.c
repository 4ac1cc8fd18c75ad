
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cargo_toml.h"


typedef struct {
    const char  *toml;
    const char  *json;      /* NULL: refused */
    const char  *detail;    /* how the refusal begins */
} toml_case_t;


static void test_cases(void **state);
static void test_nul(void **state);
static void test_utf8(void **state);
static void test_depth(void **state);
static void test_out_of_memory(void **state);
static cargo_rc_t parse(cargo_str_t text, json_t **value,
    cargo_error_t *error);
static cargo_rc_t parse_repeated(const char *before, const char *repeated,
    size_t n, const char *after);
static cargo_rc_t out_of_memory(cargo_arena_t *arena, void *data);


static const toml_case_t  cases[] = {
    { "", "{}", NULL },
    { "a = 1\n", "{\"a\":1}", NULL },
    { "a = -9223372036854775808", "{\"a\":-9223372036854775808}", NULL },
    { "a = 0.5", "{\"a\":0.5}", NULL },
    { "a = [inf, -inf, nan]", "{\"a\":[null,null,null]}", NULL },
    { "a = true\nb = false", "{\"a\":true,\"b\":false}", NULL },
    { "a = 'x\\y'", "{\"a\":\"x\\\\y\"}", NULL },
    { "a = \"\\u00fc\\t\"", "{\"a\":\"\303\274\\t\"}", NULL },
    { "a = \"\"\"\n1\n2\"\"\"", "{\"a\":\"1\\n2\"}", NULL },
    { "a = [1, \"b\", [true]]", "{\"a\":[1,\"b\",[true]]}", NULL },
    { "a = { b = { c = 1 } }", "{\"a\":{\"b\":{\"c\":1}}}", NULL },
    { "a.b.c = 1", "{\"a\":{\"b\":{\"c\":1}}}", NULL },
    { "[a.\"b.c\".'d']\ne = 1", "{\"a\":{\"b.c\":{\"d\":{\"e\":1}}}}", NULL },
    { "[[a]]\nb = 1\n[[a]]\n", "{\"a\":[{\"b\":1},{}]}", NULL },
    { "\"\" = 1", "{\"\":1}", NULL },
    { "a = 1979-05-27", "{\"a\":\"1979-05-27\"}", NULL },
    { "a = 07:32:00", "{\"a\":\"07:32:00\"}", NULL },
    { "a = 1979-05-27T07:32:00Z", "{\"a\":\"1979-05-27T07:32:00Z\"}", NULL },

    { "\xef\xbb\xbf""a = 1", "{\"a\":1}", NULL },
    { "# \303\274\na = '\303\274'", "{\"a\":\"\303\274\"}", NULL },
    { "a = \"\"\"\\\\\303\274\"\"\"", "{\"a\":\"\\\\\303\274\"}", NULL },
    { "a = \"\"\"x \\ \n  y\"\"\"", "{\"a\":\"x y\"}", NULL },
    { "a = \"\"\"\\\n\303\274\"\"\"", "{\"a\":\"\303\274\"}", NULL },
    { "a = \"\"\"\\\n\"\"\"\nb = 1", "{\"a\":\"\",\"b\":1}", NULL },

    { "\303\274 = 1", NULL, "TOML parse error at line 1, column " },
    { "a = 1 \303\274", NULL, "TOML parse error at line 1, column " },
    { "a = +\"\303\274", NULL, "TOML parse error at line 1, column " },
    { "a = \"\\\303\274\"", NULL, "TOML parse error at line 1, column " },

    { "a", NULL, "TOML parse error at line 1, column " },
    { "x = 1\na = [1\n", NULL, "TOML parse error at line " },
    { "a = 1\na = 2", NULL, "TOML parse error at line 2, column 5: " },
    { "a = 9223372036854775808", NULL, "TOML parse error at line 1, column " },
    { "a = \"\n\"", NULL, "TOML parse error at line 1, column " },
    { "a = \"x", NULL, "TOML parse error at line 1, column " },
    { "a = \"\"\"x", NULL, "TOML parse error at line 1, column " },
    { "[=]", NULL, "TOML parse error: a table header, key or value begins " },
    { "[ \b a]", NULL, "TOML parse error" },
    { "[[.]]", NULL, "TOML parse error" },
    { "[a.=]", NULL, "TOML parse error" },
    { "a.\b = 1", NULL, "TOML parse error" },
    { "a = \b", NULL, "TOML parse error" },
    { "a = _", NULL, "TOML parse error" },
    { "a = { = 1 }", NULL, "TOML parse error" },
    { "a = \"\\u0000\"", NULL, "a string contains a NUL character; " },
    { "\"a\\u0000b\" = 1", NULL, "a key contains a NUL character; " },
    { "a = [{ b = \"\\u0000\" }]", NULL, "a string contains a NUL " }
};


static void
test_cases(void **state)
{
    char           *dump;
    size_t          i;
    json_t         *value;
    cargo_rc_t      rc;
    cargo_error_t   error;

    (void) state;

    for (i = 0; i < unit_count(cases); i++) {

        rc = parse(unit_str(cases[i].toml), &value, &error);

        if (cases[i].json) {
            assert_int_equal(rc, CARGO_OK);

            dump = json_dumps(value, JSON_COMPACT);
            assert_string_equal(dump, cases[i].json);

            free(dump);
            json_decref(value);
            continue;
        }

        assert_int_equal(rc, CARGO_REFUSED);
        assert_int_equal(error.status, 400);
        assert_null(value);

        error.detail[strlen(cases[i].detail)] = '\0';
        assert_string_equal(error.detail, cases[i].detail);
    }
}


static void
test_nul(void **state)
{
    json_t             *value;
    cargo_error_t       error;
    static const char   text[] = "a = 1\n\0";
    const cargo_str_t   toml = cargo_string(text);

    (void) state;

    assert_int_equal(parse(toml, &value, &error), CARGO_REFUSED);
    assert_null(value);
}


static void
test_utf8(void **state)
{
    size_t          i;
    json_t         *value;
    cargo_error_t   error;

    static const char *const  texts[] = { "a = \"\xff\"", "a = '\xc3'",
                                          "# \xed\xa0\x80", "\xc0\xaf = 1" };

    (void) state;

    for (i = 0; i < unit_count(texts); i++) {
        assert_int_equal(parse(unit_str(texts[i]), &value, &error),
                         CARGO_REFUSED);
        assert_null(value);
    }
}


/* whatever nests deeper than that would end the worker's stack */

static void
test_depth(void **state)
{
    (void) state;

    assert_int_equal(parse_repeated("", "a.", 31, "b = 1"), CARGO_OK);
    assert_int_equal(parse_repeated("", "a.", 32, "b = 1"), CARGO_REFUSED);
    assert_int_equal(parse_repeated("[", "a.", 31, "b]"), CARGO_OK);
    assert_int_equal(parse_repeated("[", "a.", 32, "b]"), CARGO_REFUSED);
    assert_int_equal(parse_repeated("[", "a.", 500000, "b]"), CARGO_REFUSED);
    assert_int_equal(parse_repeated("", "a.", 500000, ""), CARGO_REFUSED);
    assert_int_equal(parse_repeated("", "\"a\".", 40, "b=1"), CARGO_REFUSED);
    assert_int_equal(parse_repeated("", "a. ", 40, "b = 1"), CARGO_REFUSED);
    assert_int_equal(parse_repeated("x = {", "a.", 40, "b = 1}"),
                     CARGO_REFUSED);
    assert_int_equal(parse_repeated("x = \"\"\"\"\"\"\"\"\ny = {", "a.", 40,
                                    "b = 1}"), CARGO_REFUSED);
    assert_int_equal(parse_repeated("x = '''a'''''\n[", "a.", 40, "b]"),
                     CARGO_REFUSED);
    assert_int_equal(parse_repeated("x = \"\\\"\"\n[", "a.", 40, "b]"),
                     CARGO_REFUSED);
    assert_int_equal(parse_repeated("x = '\\'\n[", "a.", 40, "b]"),
                     CARGO_REFUSED);

    assert_int_equal(parse_repeated("a = ", "[", 60, ""), CARGO_REFUSED);
    assert_int_equal(parse_repeated("a = ", "[", 500000, ""), CARGO_REFUSED);
    assert_int_equal(parse_repeated("", "a={", 500000, ""), CARGO_REFUSED);

    /* dots that nest nothing */

    assert_int_equal(parse_repeated("a = \"", ".", 100, "\""), CARGO_OK);
    assert_int_equal(parse_repeated("a = '", ".", 100, "'"), CARGO_OK);
    assert_int_equal(parse_repeated("a = \"\"\"\"", ".\n", 100, "\"\"\""),
                     CARGO_OK);
    assert_int_equal(parse_repeated("a = '''''", ".\n", 100, "'''"), CARGO_OK);
    assert_int_equal(parse_repeated("# ", ".", 100, "\na = 1"), CARGO_OK);
    assert_int_equal(parse_repeated("a = [", "1.5,", 100, "]"), CARGO_OK);
    assert_int_equal(parse_repeated("", "[a.b]\n", 1, ""), CARGO_OK);
}


static void
test_out_of_memory(void **state)
{
    (void) state;

    unit_each_failure(out_of_memory, "a = [1, 0.5, true, nan, { b = 'c' }]\n"
                                     "[d.e]\nf = 1979-05-27\ng = 07:32:00\n");
}


static cargo_rc_t
parse(cargo_str_t text, json_t **value, cargo_error_t *error)
{
    cargo_rc_t   rc;
    cargo_str_t  exact;

    exact = unit_exact(text.data, text.len);
    rc = cargo_toml_parse(exact, value, error);
    unit_free(exact);

    return rc;
}


static cargo_rc_t
parse_repeated(const char *before, const char *repeated, size_t n,
    const char *after)
{
    char           *text, *p;
    json_t         *value;
    cargo_rc_t      rc;
    cargo_error_t   error;

    text = malloc(strlen(before) + n * strlen(repeated) + strlen(after) + 1);
    assert_non_null(text);

    p = text + sprintf(text, "%s", before);

    while (n--) {
        p += sprintf(p, "%s", repeated);
    }

    strcpy(p, after);

    rc = parse(unit_str(text), &value, &error);

    json_decref(value);
    free(text);

    return rc;
}


static cargo_rc_t
out_of_memory(cargo_arena_t *arena, void *data)
{
    json_t         *value;
    cargo_rc_t      rc;
    cargo_error_t   error;

    (void) arena;

    rc = cargo_toml_parse(unit_str(data), &value, &error);

    if (rc == CARGO_OK) {
        json_decref(value);
    }

    return rc;
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_nul),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_out_of_memory)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
