
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "cargo_release.h"


#define CKSUM                                                                 \
    "4b13000000000000000000000000000000000000000000000000000000000000"
#define TIME   "2026-11-21T03:33:00Z"

#define CRATES_IO  "https://github.com/rust-lang/crates.io-index"

#define MANIFEST  "[package]\nname = \"a\"\nversion = \"1.0.0\"\n"


typedef struct {
    const char  *manifest;
    const char  *head;
    const char  *tail;
} line_case_t;


static void test_cases(void **state);
static void test_chain(void **state);
static void test_out_of_memory(void **state);
static cargo_rc_t render(cargo_arena_t *arena, const char *manifest,
    cargo_str_t *head, cargo_str_t *tail, cargo_error_t *error);
static cargo_rc_t out_of_memory(cargo_arena_t *arena, void *data);


static const line_case_t  cases[] = {

    { MANIFEST,
      "{\"name\":\"a\",\"vers\":\"1.0.0\",\"deps\":[],\"cksum\":\"" CKSUM "\","
      "\"features\":{},\"yanked\":",
      ",\"pubtime\":\"" TIME "\"}" },

    { "[package]\nname = \"Foo-Bar\"\nversion = \"0.1.0-a.1+build.1\"\n"
      "links = \"f\\\"oo\"\nrust-version = \"1.70\"\n",
      "{\"name\":\"Foo-Bar\",\"vers\":\"0.1.0-a.1+build.1\",\"deps\":[],"
      "\"cksum\":\"" CKSUM "\",\"features\":{},\"yanked\":",
      ",\"links\":\"f\\\"oo\",\"rust_version\":\"1.70\",\"pubtime\":\"" TIME
      "\"}" },

    /* of crates.io, renamed of the own registry, of a third one */

    { MANIFEST "[dependencies]\nserde = \"1\"\n"
      "[dependencies.foob]\nversion = \"0.1.0\"\noptional = true\n"
      "default-features = false\nfeatures = [\"z\", \"default\"]\n"
      "package = \"Foo-Bar\"\nregistry-index = \"sparse+https://own/index/\"\n"
      "[dependencies.b]\nversion = \">=1,<2\"\n"
      "registry-index = \"sparse+https://third/index/\"\n",
      "{\"name\":\"a\",\"vers\":\"1.0.0\",\"deps\":["
      "{\"name\":\"b\",\"req\":\">=1, <2\",\"features\":[],\"optional\":false,"
      "\"default_features\":true,\"target\":null,\"kind\":\"normal\","
      "\"registry\":\"sparse+https://third/index/\"},"
      "{\"name\":\"foob\",\"req\":\"^0.1.0\",\"features\":[\"z\",\"default\"],"
      "\"optional\":true,\"default_features\":false,\"target\":null,"
      "\"kind\":\"normal\",\"package\":\"Foo-Bar\"},"
      "{\"name\":\"serde\",\"req\":\"^1\",\"features\":[],\"optional\":false,"
      "\"default_features\":true,\"target\":null,\"kind\":\"normal\","
      "\"registry\":\"" CRATES_IO "\"}],"
      "\"cksum\":\"" CKSUM "\",\"features\":{},\"yanked\":",
      ",\"pubtime\":\"" TIME "\"}" },

    /* one crate of all kinds, and the text of a target as it is */

    { MANIFEST "[dev-dependencies]\nb = \"1\"\n[dependencies]\nb = \"1\"\n"
      "[target.'cfg( unix, target_os = \"x y\" )'.build-dependencies]\n"
      "b = \"1\"\n[target.i686-pc-windows-msvc.dependencies]\nb = \"1\"\n",
      "{\"name\":\"a\",\"vers\":\"1.0.0\",\"deps\":["
      "{\"name\":\"b\",\"req\":\"^1\",\"features\":[],\"optional\":false,"
      "\"default_features\":true,\"target\":null,\"kind\":\"normal\","
      "\"registry\":\"" CRATES_IO "\"},"
      "{\"name\":\"b\",\"req\":\"^1\",\"features\":[],\"optional\":false,"
      "\"default_features\":true,\"target\":\"i686-pc-windows-msvc\","
      "\"kind\":\"normal\",\"registry\":\"" CRATES_IO "\"},"
      "{\"name\":\"b\",\"req\":\"^1\",\"features\":[],\"optional\":false,"
      "\"default_features\":true,"
      "\"target\":\"cfg( unix, target_os = \\\"x y\\\" )\","
      "\"kind\":\"build\",\"registry\":\"" CRATES_IO "\"},"
      "{\"name\":\"b\",\"req\":\"^1\",\"features\":[],\"optional\":false,"
      "\"default_features\":true,\"target\":null,\"kind\":\"dev\","
      "\"registry\":\"" CRATES_IO "\"}],"
      "\"cksum\":\"" CKSUM "\",\"features\":{},\"yanked\":",
      ",\"pubtime\":\"" TIME "\"}" },

    /* only what leads to the new syntax goes to features2 */

    { MANIFEST "[features]\nz = [\"b/x\", \"y\"]\ny = []\ndefault = [\"m\"]\n"
      "m = [\"ser\"]\nser = [\"dep:serde\"]\nweak = [\"b?/x\"]\n"
      "[dependencies.b]\nversion = \"1\"\noptional = true\n"
      "registry-index = \"sparse+https://own/index/\"\n",
      "{\"name\":\"a\",\"vers\":\"1.0.0\",\"deps\":["
      "{\"name\":\"b\",\"req\":\"^1\",\"features\":[],\"optional\":true,"
      "\"default_features\":true,\"target\":null,\"kind\":\"normal\"}],"
      "\"cksum\":\"" CKSUM "\",\"features\":{\"y\":[],\"z\":[\"b/x\",\"y\"]},"
      "\"features2\":{\"default\":[\"m\"],\"m\":[\"ser\"],"
      "\"ser\":[\"dep:serde\"],\"weak\":[\"b?/x\"]},\"yanked\":",
      ",\"pubtime\":\"" TIME "\",\"v\":2}" },

    { MANIFEST "[features]\nx = [\"dep:b\"]\n[build-dependencies.b]\n"
      "version = \"1\"\noptional = true\nartifact = [\"bin:x\", \"cdylib\"]\n"
      "lib = true\ntarget = \"target\"\n"
      "registry-index = \"sparse+https://own/index/\"\n",
      "{\"name\":\"a\",\"vers\":\"1.0.0\",\"deps\":["
      "{\"name\":\"b\",\"req\":\"^1\",\"features\":[],\"optional\":true,"
      "\"default_features\":true,\"target\":null,\"kind\":\"build\","
      "\"artifact\":[\"bin:x\",\"cdylib\"],\"bindep_target\":\"target\","
      "\"lib\":true}],"
      "\"cksum\":\"" CKSUM "\",\"features\":{},"
      "\"features2\":{\"x\":[\"dep:b\"]},\"yanked\":",
      ",\"pubtime\":\"" TIME "\",\"v\":3}" }
};


static void
test_cases(void **state)
{
    size_t          i;
    cargo_str_t     head, tail;
    cargo_arena_t  *arena;
    cargo_error_t   error;

    (void) state;

    for (i = 0; i < unit_count(cases); i++) {

        arena = cargo_arena_create(NULL);
        assert_non_null(arena);

        assert_int_equal(render(arena, cases[i].manifest, &head, &tail,
                                &error), CARGO_OK);
        unit_assert_str(head, cases[i].head);
        unit_assert_str(tail, cases[i].tail);

        cargo_arena_destroy(arena);
    }
}


/* each feature enables the next, the last one a dependency */

static void
test_chain(void **state)
{
    int             i;
    char            manifest[2048], *p;
    cargo_str_t     head, tail;
    cargo_arena_t  *arena;
    cargo_error_t   error;

    static const char  start[] =
        "{\"name\":\"a\",\"vers\":\"1.0.0\",\"deps\":[],\"cksum\":\"" CKSUM
        "\",\"features\":{},\"features2\":{\"f0\":[\"f1\"],\"f1\":[\"f2\"],";

    (void) state;

    p = manifest + sprintf(manifest, MANIFEST "[features]\n");

    for (i = 0; i < 50; i++) {
        p += sprintf(p, "f%d = [\"f%d\"]\n", i, i + 1);
    }

    strcpy(p, "f50 = [\"dep:x\"]\n");

    arena = cargo_arena_create(NULL);
    assert_non_null(arena);

    assert_int_equal(render(arena, manifest, &head, &tail, &error), CARGO_OK);
    unit_assert_str(tail, ",\"pubtime\":\"" TIME "\",\"v\":2}");
    assert_memory_equal(head.data, start, sizeof(start) - 1);

    cargo_arena_destroy(arena);
}


static void
test_out_of_memory(void **state)
{
    size_t  i;

    (void) state;

    for (i = 0; i < unit_count(cases); i++) {
        unit_each_failure(out_of_memory,
                          (void *) (uintptr_t) cases[i].manifest);
    }
}


static cargo_rc_t
render(cargo_arena_t *arena, const char *manifest, cargo_str_t *head,
    cargo_str_t *tail, cargo_error_t *error)
{
    json_t      *release;
    cargo_rc_t   rc;

    const cargo_str_t        time = cargo_string(TIME);
    const cargo_str_t        cksum = cargo_string(CKSUM);
    const cargo_str_t        url = cargo_string("sparse+https://own/index/");
    const cargo_own_index_t  own = { &url, 1 };

    rc = cargo_release_of_manifest(arena, unit_str(manifest), &own, &release,
                                   error);
    if (rc != CARGO_OK) {
        return rc;
    }

    rc = cargo_release_index_line(arena, release, cksum, time, head, tail);

    json_decref(release);

    return rc;
}


static cargo_rc_t
out_of_memory(cargo_arena_t *arena, void *data)
{
    cargo_str_t    head, tail;
    cargo_error_t  error;

    return render(arena, data, &head, &tail, &error);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_out_of_memory)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
