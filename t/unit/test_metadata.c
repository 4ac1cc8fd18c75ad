
#include "reader.h"

#include <string.h>

#include "cargo_release.h"


#define CRATES_IO  "\"https://github.com/rust-lang/crates.io-index\""

/* what a dependency needs before the members under test */
#define DEP(members)                                                          \
    "{\"name\":\"a\",\"vers\":\"1.0.0\",\"deps\":[{\"name\":\"d\","           \
    "\"version_req\":\"^1\"" members "}]}"

#define CRATE(members)  "{\"name\":\"a\",\"vers\":\"1.0.0\"" members "}"


static void test_release(void **state);
static void test_defaults(void **state);
static void test_deps(void **state);
static void test_accepted(void **state);
static void test_refusals(void **state);
static void test_syntax(void **state);
static void test_out_of_memory(void **state);
static cargo_rc_t read_metadata(const char *json, json_t **release,
    cargo_error_t *error);
static cargo_rc_t out_of_memory(cargo_arena_t *arena, void *data);


/* as cargo 1.95 sent it */

static const char  recorded[] =
    "{\"name\":\"Foo-Bar\",\"vers\":\"0.1.0+build.1\",\"deps\":[],"
    "\"features\":{\"default\":[]},\"authors\":[],\"description\":\"desc\","
    "\"documentation\":null,\"homepage\":null,\"readme\":\"# hi\\n\","
    "\"readme_file\":\"README.md\",\"keywords\":[\"a\"],\"categories\":"
    "[\"nope\"],\"license\":\"MIT\",\"license_file\":null,\"repository\":"
    "\"https://example.com/r\",\"badges\":{\"maintenance\":{\"status\":"
    "\"as-is\"}},\"links\":\"foo\",\"rust_version\":\"1.70\"}";


/*
 * No token has more than 15 bytes: jansson's lexer does not notice when its
 * buffer fails to grow, and loses a byte.
 */

static const char  small[] =
    "{\"name\":\"a\",\"vers\":\"1.0.0\",\"deps\":[{\"name\":\"d\","
    "\"version_req\":\"^1\",\"features\":[\"x\",\"\",\"y\"],\"optional\":"
    "true,\"target\":\"cfg(unix)\",\"kind\":\"dev\",\"registry\":\"a://b/\","
    "\"artifact\":[\"bin\"],\"lib\":true},{\"name\":\"e\",\"version_req\":"
    "\">=1,<2\"}],\"features\":{\"x\":[\"dep:d\"],\"a\":[\"x\"]},"
    "\"rust_version\":\"1.70\",\"links\":\"l\",\"keywords\":[\"k\"],"
    "\"homepage\":\"\",\"repository\":\"http://a\"}";


static const reader_case_t  deps[] = {

    { DEP(""),
      "[{\"name\":\"d\",\"explicit_name_in_toml\":null,\"version_req\":\"^1\","
      "\"features\":[],\"optional\":false,\"default_features\":true,"
      "\"target\":null,\"kind\":\"normal\",\"registry\":null}]" },

    { DEP(",\"explicit_name_in_toml\":\"_e\",\"optional\":true,"
          "\"default_features\":false,\"features\":[\"y\",\"\",\"x\"],"
          "\"target\":\"cfg(unix)\",\"kind\":\"build\",\"registry\":"
          CRATES_IO),
      "[{\"name\":\"d\",\"explicit_name_in_toml\":\"_e\",\"version_req\":"
      "\"^1\",\"features\":[\"y\",\"x\"],\"optional\":true,"
      "\"default_features\":false,\"target\":\"cfg(unix)\",\"kind\":\"build\","
      "\"registry\":" CRATES_IO "}]" },

    { DEP(",\"explicit_name_in_toml\":\"d\",\"kind\":null,"
          "\"registry\":\"sparse+https://OWN/index\""),
      "[{\"name\":\"d\",\"explicit_name_in_toml\":null,\"version_req\":\"^1\","
      "\"features\":[],\"optional\":false,\"default_features\":true,"
      "\"target\":null,\"kind\":\"normal\",\"registry\":null}]" },

    { DEP(",\"registry\":\"sparse+https://index.crates.io/\""),
      "[{\"name\":\"d\",\"explicit_name_in_toml\":null,\"version_req\":\"^1\","
      "\"features\":[],\"optional\":false,\"default_features\":true,"
      "\"target\":null,\"kind\":\"normal\",\"registry\":" CRATES_IO "}]" },

    { DEP(",\"registry\":\"sparse+https://third/index/\",\"kind\":\"dev\","
          "\"artifact\":[\"bin\",\"cdylib\"],\"bindep_target\":\"target\","
          "\"lib\":true"),
      "[{\"name\":\"d\",\"explicit_name_in_toml\":null,\"version_req\":\"^1\","
      "\"features\":[],\"optional\":false,\"default_features\":true,"
      "\"target\":null,\"kind\":\"dev\",\"registry\":"
      "\"sparse+https://third/index/\",\"artifact\":[\"bin\",\"cdylib\"],"
      "\"bindep_target\":\"target\",\"lib\":true}]" },

    { DEP(",\"bindep_target\":\"target\",\"lib\":true,\"public\":true"),
      "[{\"name\":\"d\",\"explicit_name_in_toml\":null,\"version_req\":\"^1\","
      "\"features\":[],\"optional\":false,\"default_features\":true,"
      "\"target\":null,\"kind\":\"normal\",\"registry\":null}]" },

    { CRATE(",\"deps\":null,\"features\":null"), "[]" }
};


static const char *const  accepted[] = {
    CRATE(",\"unknown\":{\"x\":[1,2.5,null]}"),
    CRATE(",\"homepage\":\"http://x\",\"documentation\":\"\""),
    CRATE(",\"rust_version\":\"1\""),
    CRATE(",\"rust_version\":\"1.70.0\""),
    CRATE(",\"keywords\":[\"a-b\",\"c++\",\"1_x\",\"abcdefghijklmnopqrst\"]"),
    CRATE(",\"keywords\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\"]"),
    CRATE(",\"categories\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\"]"),
    CRATE(",\"features\":{\"a\":[\"dep:d\",\"d?/x\",\"d/x\"],\"1+b.c\":[]}"),
    CRATE(",\"description\":\"\303\274 \360\237\230\200 \\ud83d\\ude00\"")
};


#define INVALID  "invalid upload request: "

static const reader_case_t  refusals[] = {
    { "{}", INVALID "missing field `name`" },
    { "{\"name\":\"a\"}", INVALID "missing field `vers`" },
    { "{\"name\":null}", INVALID "missing field `name`" },
    { "{\"name\":5}", INVALID "invalid type: integer, expected a string in "
                      "field `name`" },
    { "[]", INVALID "invalid type: sequence, expected a map" },
    { CRATE(",\"deps\":{}"), INVALID "invalid type: map, expected an array of "
                             "maps in field `deps`" },
    { CRATE(",\"deps\":[1]"), INVALID "invalid type: integer, expected an "
                              "array of maps in field `deps`" },
    { CRATE(",\"deps\":[{}]"), INVALID "missing field `deps[0].name`" },
    { CRATE(",\"deps\":[{\"name\":\"x\"}]"),
      INVALID "missing field `deps[0].version_req`" },
    { DEP(",\"optional\":1"), INVALID "invalid type: integer, expected a "
                              "boolean in field `deps[0].optional`" },
    { DEP(",\"default_features\":\"\""),
      INVALID "invalid type: string, expected a boolean in field "
      "`deps[0].default_features`" },
    { DEP(",\"features\":[null]"),
      INVALID "invalid type: null, expected an array of strings in field "
      "`deps[0].features`" },
    { DEP(",\"target\":true"), INVALID "invalid type: boolean `true`, expected "
                               "a string in field `deps[0].target`" },
    { DEP(",\"kind\":\"test\""),
      INVALID "unknown variant `test`, expected one of `normal`, `build`, "
      "`dev` in field `deps[0].kind`" },
    { DEP(",\"artifact\":\"bin\""),
      INVALID "invalid type: string, expected an array of strings in field "
      "`deps[0].artifact`" },
    { DEP(",\"registry\":\"own\""),
      "`own` is not a valid registry index URL; give one such as "
      "sparse+https://example.com/index/" },
    { DEP(",\"registry\":\"\""),
      "`` is not a valid registry index URL; give one such as "
      "sparse+https://example.com/index/" },
    { CRATE(",\"features\":[]"), INVALID "invalid type: sequence, expected a "
                                 "map in field `features`" },
    { CRATE(",\"features\":{\"x\":null}"),
      INVALID "invalid type: null, expected an array of strings in field "
      "`features.x`" },
    { CRATE(",\"features\":{\"x\":[1]}"),
      INVALID "invalid type: integer, expected an array of strings in field "
      "`features.x`" },
    { CRATE(",\"features\":{\"\":[]}"), "feature cannot be empty" },
    { CRATE(",\"links\":1.5"), INVALID "invalid type: floating point, expected "
                               "a string in field `links`" },
    { CRATE(",\"keywords\":\"x\""),
      INVALID "invalid type: string, expected an array of strings in field "
      "`keywords`" },
    { CRATE(",\"keywords\":[\"-a\"]"),
      "\"-a\" is an invalid keyword; it must begin with a letter or digit and "
      "hold only letters, digits, `_`, `-` and `+`" },
    { CRATE(",\"keywords\":[\"\"]"),
      "\"\" is an invalid keyword; it must begin with a letter or digit and "
      "hold only letters, digits, `_`, `-` and `+`" },
    { CRATE(",\"keywords\":[\"abcdefghijklmnopqrstu\"]"),
      "\"abcdefghijklmnopqrstu\" is an invalid keyword (keywords must have "
      "less than 20 characters)" },
    { CRATE(",\"homepage\":\"javascript:x\""),
      "URL for field `homepage` must begin with http:// or https:// "
      "(url: javascript:x)" },
    { CRATE(",\"documentation\":\"http:/x\""),
      "URL for field `documentation` must begin with http:// or https:// "
      "(url: http:/x)" },
    { CRATE(",\"repository\":\"https://\""),
      "`repository` is not a valid url: `https://`" },
    { CRATE(",\"rust_version\":\"^1.70\""),
      INVALID "invalid `rust-version` value `^1.70`, expected a version like "
      "1.70" },
    { CRATE(",\"rust_version\":\"1.70.0.0\""),
      INVALID "invalid `rust-version` value `1.70.0.0`, expected a version "
      "like 1.70" },
    { CRATE(",\"rust_version\":\"1.070\""),
      INVALID "invalid `rust-version` value `1.070`, expected a version like "
      "1.70" },
    { CRATE(",\"rust_version\":\"1.\""),
      INVALID "invalid `rust-version` value `1.`, expected a version like "
      "1.70" },
    { "{\"name\":\"a\",\"vers\":\"1.0\"}",
      "\"1.0\" is an invalid semver version" },
    { "{\"name\":\"123\",\"vers\":\"1.0.0\"}",
      "the name `123` cannot be used as a crate name, the name cannot start "
      "with a digit" }
};


/* jansson's own words follow the prefix */

static const char *const  syntax[] = {
    "", "{", "{\"name\":\"a\",\"name\":\"b\"}", "{} {}", "nul", "\"a\"",
    "{\"name\":\"\\u0000\"}", "{\"name\":\"\xff\"}", "{\"name\":\"\\ud800\"}",
    "{\"n\":99999999999999999999}", "{'name':'a'}", "{\"a\":1,}"
};


static void
test_release(void **state)
{
    json_t         *release;
    cargo_error_t   error;

    (void) state;

    assert_int_equal(read_metadata(recorded, &release, &error), CARGO_OK);
    unit_assert_json(release,
                "{\"name\":\"Foo-Bar\",\"vers\":\"0.1.0+build.1\","
                "\"links\":\"foo\",\"rust_version\":\"1.70\",\"description\":"
                "\"desc\",\"homepage\":null,\"documentation\":null,"
                "\"repository\":\"https://example.com/r\",\"readme\":"
                "\"# hi\\n\",\"readme_file\":\"README.md\",\"license\":\"MIT\""
                ",\"license_file\":null,\"keywords\":[\"a\"],\"categories\":"
                "[\"nope\"],\"authors\":[],\"features\":{\"default\":[]},"
                "\"deps\":[]}");
    json_decref(release);
}


static void
test_defaults(void **state)
{
    json_t         *release;
    cargo_error_t   error;

    (void) state;

    assert_int_equal(read_metadata(CRATE(",\"features\":{\"b\":[\"a\"],"
                                         "\"a\":[],\"B\":[]},"
                                         "\"homepage\":\"\""),
                                   &release, &error), CARGO_OK);
    unit_assert_json(release,
                "{\"name\":\"a\",\"vers\":\"1.0.0\",\"links\":null,"
                "\"rust_version\":null,\"description\":null,\"homepage\":null,"
                "\"documentation\":null,\"repository\":null,\"readme\":null,"
                "\"readme_file\":null,\"license\":null,\"license_file\":null,"
                "\"keywords\":[],\"categories\":[],\"authors\":[],\"features\""
                ":{\"B\":[],\"a\":[],\"b\":[\"a\"]},\"deps\":[]}");
    json_decref(release);
}


static void
test_deps(void **state)
{
    (void) state;

    reader_reads_deps(read_metadata, deps, unit_count(deps));
}


static void
test_accepted(void **state)
{
    (void) state;

    reader_accepts(read_metadata, accepted, unit_count(accepted));
}


static void
test_refusals(void **state)
{
    (void) state;

    reader_refuses(read_metadata, refusals, unit_count(refusals));
}


static void
test_syntax(void **state)
{
    size_t          i;
    json_t         *release;
    cargo_error_t   error;

    (void) state;

    for (i = 0; i < unit_count(syntax); i++) {
        assert_int_equal(read_metadata(syntax[i], &release, &error),
                         CARGO_REFUSED);
        assert_int_equal(error.status, 400);
        assert_memory_equal(error.detail, INVALID, sizeof(INVALID) - 1);
        assert_non_null(strstr(error.detail, " at line 1 column "));
        assert_null(release);
    }
}


static void
test_out_of_memory(void **state)
{
    (void) state;

    unit_each_failure(out_of_memory, (void *) (uintptr_t) small);
}


static cargo_rc_t
read_metadata(const char *json, json_t **release, cargo_error_t *error)
{
    cargo_rc_t      rc;
    cargo_str_t     text;
    cargo_arena_t  *arena;

    static const cargo_str_t        urls[] = {
        cargo_string("sparse+https://own/index/")
    };
    static const cargo_own_index_t  own = { urls, 1 };

    arena = cargo_arena_create(NULL);
    assert_non_null(arena);

    text = unit_exact(json, strlen(json));
    rc = cargo_release_of_metadata(arena, text, &own, release, error);

    unit_free(text);
    cargo_arena_destroy(arena);

    return rc;
}


static cargo_rc_t
out_of_memory(cargo_arena_t *arena, void *data)
{
    json_t                   *release;
    cargo_rc_t                rc;
    cargo_error_t             error;
    const cargo_str_t         url = cargo_string("sparse+https://own/index/");
    const cargo_own_index_t   own = { &url, 1 };

    rc = cargo_release_of_metadata(arena, unit_str(data), &own, &release,
                                   &error);
    if (rc == CARGO_OK) {
        json_decref(release);
    }

    return rc;
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_release),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_deps),
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_syntax),
        cmocka_unit_test(test_out_of_memory)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
