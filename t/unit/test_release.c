
#include "unit.h"

#include <string.h>

#include "cargo_release.h"


#define CRATES_IO                                                             \
    "\"registry\":\"https://github.com/rust-lang/crates.io-index\""

#define METADATA(members)  "{\"name\":\"a\",\"vers\":\"1.0.0\"" members "}"
#define MANIFEST(text)     "[package]\nname = \"a\"\nversion = \"1.0.0\"\n" text

/* one dependency, of crates.io on both sides */
#define JSON_DEP(members)                                                     \
    METADATA(",\"deps\":[{\"name\":\"d\",\"version_req\":\"^1\"," CRATES_IO   \
             members "}]")
#define TOML_DEP(text)                                                        \
    MANIFEST("[dependencies.d]\nversion = \"1\"\n" text)


typedef struct {
    const char  *metadata;
    const char  *manifest;
    const char  *refusal;       /* NULL: they agree */
} agree_case_t;


static void test_cases(void **state);
static void test_out_of_memory(void **state);
static cargo_rc_t agree(cargo_arena_t *arena, const agree_case_t *pair,
    cargo_error_t *error);
static cargo_rc_t out_of_memory(cargo_arena_t *arena, void *data);


/* put together from what cargo 1.97 sent for several crates */

static const agree_case_t  recorded = {
    "{\"name\":\"targets\",\"vers\":\"0.1.0\",\"deps\":["
    "{\"optional\":false,\"default_features\":true,\"name\":\"libc\","
    "\"features\":[],\"version_req\":\"^0.2\",\"target\":"
    "\"cfg(all(unix, not(target_os = \\\"mac os\\\")))\",\"kind\":\"normal\","
    CRATES_IO "},"
    "{\"optional\":true,\"default_features\":false,\"name\":\"Foo-Bar\","
    "\"features\":[\"default\"],\"version_req\":\"^0.1.0\",\"target\":null,"
    "\"kind\":\"normal\",\"explicit_name_in_toml\":\"foob\"},"
    "{\"optional\":false,\"default_features\":true,\"name\":\"winapi\","
    "\"features\":[\"b\",\"a\"],\"version_req\":\"^0.3\",\"target\":"
    "\"cfg(any(windows, target_env = \\\"msvc\\\"))\",\"kind\":\"normal\","
    CRATES_IO "},"
    "{\"optional\":false,\"default_features\":true,\"name\":\"foo\","
    "\"features\":[],\"version_req\":\"=1.2.3\",\"target\":"
    "\"x86_64-unknown-linux-gnu\",\"kind\":\"build\"," CRATES_IO "},"
    "{\"optional\":false,\"default_features\":true,\"name\":\"a2\","
    "\"features\":[],\"version_req\":\"^1\",\"target\":null,"
    "\"kind\":\"normal\"," CRATES_IO ",\"artifact\":[\"bin:x\",\"cdylib\"],"
    "\"bindep_target\":\"x86_64-unknown-linux-gnu\",\"lib\":true}],"
    "\"features\":{\"std\":[\"foob?/std\"],\"foob\":[\"dep:foob\"]},"
    "\"links\":null,\"rust_version\":\"1.70\"}",

    "[package]\nname = \"targets\"\nversion = \"0.1.0\"\n"
    "rust-version = \"1.70\"\n"
    "[features]\nfoob = [\"dep:foob\"]\nstd = [\"foob?/std\"]\n"
    "[dependencies.a2]\nversion = \"1\"\nartifact = [\n    \"bin:x\",\n"
    "    \"cdylib\",\n]\nlib = true\ntarget = \"x86_64-unknown-linux-gnu\"\n"
    "[dependencies.foob]\nversion = \"0.1.0\"\nfeatures = [\"default\"]\n"
    "optional = true\ndefault-features = false\npackage = \"Foo-Bar\"\n"
    "registry-index = \"sparse+https://own/index/\"\n"
    "[target.'cfg( all( unix , not(target_os=\"mac os\"),) )'."
    "dependencies.libc]\nversion = \"0.2\"\n"
    "[target.'cfg(any(windows,target_env  =  \"msvc\"))'."
    "dependencies.winapi]\nversion = \"0.3\"\nfeatures = [\n    \"b\",\n"
    "    \"a\",\n]\n"
    "[target.x86_64-unknown-linux-gnu.build-dependencies.foo]\n"
    "version = \"=1.2.3\"\n",

    NULL
};


static const agree_case_t  cases[] = {
    { METADATA(""), MANIFEST(""), NULL },
    { JSON_DEP(""), TOML_DEP(""), NULL },
    { METADATA(",\"links\":\"l\""), MANIFEST("links = \"l\"\n"), NULL },

    /* older cargo does not send it */
    { METADATA(""), MANIFEST("rust-version = \"1.70\"\n"), NULL },

    /* order and repetition mean nothing */
    { JSON_DEP(",\"features\":[\"x\",\"y\"]"),
      TOML_DEP("features = [\"y\", \"x\", \"\", \"y\"]\n"), NULL },
    { METADATA(",\"features\":{\"b\":[],\"a\":[\"b\",\"c\",\"b\"],\"c\":[]}"),
      MANIFEST("[features]\na = [\"c\", \"b\"]\nb = []\nc = []\n"), NULL },
    { JSON_DEP(",\"artifact\":[\"bin\",\"cdylib\"]"),
      TOML_DEP("artifact = [\"cdylib\", \"bin\"]\n"), NULL },

    { JSON_DEP(",\"target\":\"cfg(feature = \\\"a, )\\\")\""),
      MANIFEST("[target.'cfg(feature=\"a, )\",)'.dependencies]\nd = \"1\"\n"),
      NULL },
    { METADATA(",\"deps\":[{\"name\":\"d\",\"version_req\":\"1.*\","
               "\"registry\":\"sparse+https://third/i/\"}]"),
      MANIFEST("[dependencies.d]\nversion = \"1.x\"\n"
               "registry-index = \"sparse+https://Third/i\"\n"), NULL },
    { METADATA(",\"deps\":[{\"name\":\"d\",\"version_req\":\"^1\","
               "\"explicit_name_in_toml\":\"d\"}]"),
      MANIFEST("[dependencies.d]\nversion = \"1\"\n"
               "registry-index = \"sparse+https://own/index/\"\n"), NULL },

    /* the manifest has lost the path-only dev-dependency "x" */
    { METADATA(",\"features\":{\"t\":[\"a\",\"dep:x\",\"x/f\",\"x?/f\"]}"),
      MANIFEST("[features]\nt = [\"a\"]\n"), NULL },
    { METADATA(",\"features\":{\"t\":[\"x/f\"]}"),
      MANIFEST("[features]\nt = [\"x/f\"]\n"), NULL },

    { "{\"name\":\"b\",\"vers\":\"1.0.0\"}", MANIFEST(""),
      "metadata name `b` does not match manifest name `a`" },
    { "{\"name\":\"a\",\"vers\":\"1.0.0+b\"}", MANIFEST(""),
      "metadata version `1.0.0+b` does not match manifest version `1.0.0`" },
    { METADATA(",\"links\":\"l\""), MANIFEST(""),
      "metadata links `l` does not match manifest links `(none)`" },
    { METADATA(""), MANIFEST("links = \"l\"\n"),
      "metadata links `(none)` does not match manifest links `l`" },
    { METADATA(",\"rust_version\":\"1.70\""), MANIFEST(""),
      "metadata rust-version `1.70` does not match manifest rust-version "
      "`(none)`" },
    { METADATA(",\"rust_version\":\"1.70\""),
      MANIFEST("rust-version = \"1.70.0\"\n"),
      "metadata rust-version `1.70` does not match manifest rust-version "
      "`1.70.0`" },

    { METADATA(""), TOML_DEP(""),
      "the manifest has a normal dependency `d` that the metadata does not "
      "have; publish with an unmodified cargo" },
    { JSON_DEP(""), MANIFEST(""),
      "the metadata has a normal dependency `d` that the manifest does not "
      "have; publish with an unmodified cargo" },
    { JSON_DEP(",\"kind\":\"dev\""), TOML_DEP(""),
      "the manifest has a normal dependency `d` that the metadata does not "
      "have; publish with an unmodified cargo" },
    { JSON_DEP(""), TOML_DEP("[dev-dependencies]\nd = \"1\"\n"),
      "the manifest has a dev dependency `d` that the metadata does not "
      "have; publish with an unmodified cargo" },

    /* one alias for two packages */
    { METADATA(",\"deps\":[{\"name\":\"x\",\"version_req\":\"^1\"," CRATES_IO
               ",\"explicit_name_in_toml\":\"d\"}]"), TOML_DEP(""),
      "metadata dependency `d`: package `x` does not match manifest `d`" },
    { METADATA(",\"deps\":[{\"name\":\"d\",\"version_req\":\"^2\"," CRATES_IO
               "}]"), TOML_DEP(""),
      "metadata dependency `d`: version_req `^2` does not match manifest "
      "`^1`" },
    { JSON_DEP(",\"optional\":true"), TOML_DEP(""),
      "metadata dependency `d`: optional `true` does not match manifest "
      "`false`" },
    { JSON_DEP(""), TOML_DEP("default-features = false\n"),
      "metadata dependency `d`: default_features `true` does not match "
      "manifest `false`" },
    { JSON_DEP(",\"target\":\"cfg(unix)\""), TOML_DEP(""),
      "metadata dependency `d`: target `cfg(unix)` does not match manifest "
      "`(none)`" },
    { JSON_DEP(",\"target\":\"cfg(x = \\\"a b\\\")\""),
      MANIFEST("[target.'cfg(x = \"ab\")'.dependencies]\nd = \"1\"\n"),
      "metadata dependency `d`: target `cfg(x=\"a b\")` does not match "
      "manifest `cfg(x=\"ab\")`" },
    { JSON_DEP(",\"features\":[\"b\",\"a\"]"), TOML_DEP("features = [\"a\"]\n"),
      "metadata dependency `d`: features `a, b` does not match manifest `a`" },
    { METADATA(",\"deps\":[{\"name\":\"d\",\"version_req\":\"^1\"}]"),
      TOML_DEP(""),
      "metadata dependency `d`: registry `(this registry)` does not match "
      "manifest `https://github.com/rust-lang/crates.io-index`; use this "
      "registry under one index URL only" },
    { JSON_DEP(",\"artifact\":[\"bin\"]"), TOML_DEP(""),
      "metadata dependency `d`: artifact `bin` does not match manifest ``" },
    { JSON_DEP(",\"artifact\":[\"bin\"],\"bindep_target\":\"t\""),
      TOML_DEP("artifact = \"bin\"\n"),
      "metadata dependency `d`: bindep_target `t` does not match manifest "
      "`(none)`" },
    { JSON_DEP(",\"artifact\":[\"bin\"],\"lib\":true"),
      TOML_DEP("artifact = \"bin\"\n"),
      "metadata dependency `d`: lib `true` does not match manifest `false`" },

    { METADATA(",\"features\":{\"x\":[]}"), MANIFEST(""),
      "the metadata has a feature `x` that the manifest does not have; "
      "publish with an unmodified cargo" },
    { METADATA(""), MANIFEST("[features]\nx = []\n"),
      "the manifest has a feature `x` that the metadata does not have; "
      "publish with an unmodified cargo" },
    { METADATA(",\"features\":{\"x\":[\"c\",\"b\"]}"),
      MANIFEST("[features]\nx = [\"b\"]\n"),
      "metadata feature `x`: `b, c` does not match manifest `b`" },
    { METADATA(",\"features\":{\"x\":[]}"),
      MANIFEST("[features]\nx = [\"y/f\"]\n"),
      "metadata feature `x`: `` does not match manifest `y/f`" },
    { METADATA(",\"deps\":[{\"name\":\"d\",\"version_req\":\"^1\"," CRATES_IO
               "}],\"features\":{\"x\":[\"d/f\"]}"),
      TOML_DEP("[features]\nx = []\n"),
      "metadata feature `x`: `d/f` does not match manifest ``" }
};


static void
test_cases(void **state)
{
    size_t          i;
    cargo_rc_t      rc;
    cargo_arena_t  *arena;
    cargo_error_t   error;

    (void) state;

    arena = cargo_arena_create(NULL);
    assert_non_null(arena);

    assert_int_equal(agree(arena, &recorded, &error), CARGO_OK);

    for (i = 0; i < unit_count(cases); i++) {

        error.detail[0] = '\0';
        error.status = 0;

        rc = agree(arena, &cases[i], &error);

        if (cases[i].refusal) {
            unit_assert_error(&error, 400, cases[i].refusal);
            assert_int_equal(rc, CARGO_REFUSED);

        } else {
            unit_assert_error(&error, 0, "");
            assert_int_equal(rc, CARGO_OK);
        }
    }

    cargo_arena_destroy(arena);
}


/* the manifest on both sides: see test_metadata.c on jansson's lexer */

static void
test_out_of_memory(void **state)
{
    (void) state;

    unit_each_failure(out_of_memory,
                      (void *) (uintptr_t) recorded.manifest);
}


static cargo_rc_t
agree(cargo_arena_t *arena, const agree_case_t *pair, cargo_error_t *error)
{
    json_t      *metadata, *manifest;
    cargo_rc_t   rc;

    const cargo_str_t        url = cargo_string("sparse+https://own/index/");
    const cargo_own_index_t  own = { &url, 1 };

    rc = cargo_release_of_metadata(arena, unit_str(pair->metadata), &own,
                                   &metadata, error);
    if (rc != CARGO_OK) {
        return rc;
    }

    rc = cargo_release_of_manifest(arena, unit_str(pair->manifest), &own,
                                   &manifest, error);
    if (rc == CARGO_OK) {
        rc = cargo_release_agree(arena, metadata, manifest, error);
        json_decref(manifest);
    }

    json_decref(metadata);

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

    rc = cargo_release_of_manifest(arena, unit_str(data), &own, &release,
                                   &error);
    if (rc == CARGO_OK) {
        rc = cargo_release_agree(arena, release, release, &error);
        json_decref(release);
    }

    return rc;
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_out_of_memory)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
