
#include "reader.h"

#include <string.h>

#include "cargo_release.h"


#define PACKAGE  "[package]\nname = \"a\"\nversion = \"1.0.0\"\n"
#define DEP      PACKAGE "[dependencies.d]\n"

#define CRATES_IO  "\"https://github.com/rust-lang/crates.io-index\""

#define READ(name, alias, req, features, flags, target, kind, registry)       \
    "[{\"name\":\"" name "\",\"explicit_name_in_toml\":" alias                \
    ",\"version_req\":\"" req "\",\"features\":" features "," flags           \
    ",\"target\":" target ",\"kind\":\"" kind "\",\"registry\":" registry     \
    "}]"

#define PLAIN  "\"optional\":false,\"default_features\":true"


static void test_release(void **state);
static void test_project(void **state);
static void test_deps(void **state);
static void test_accepted(void **state);
static void test_refusals(void **state);
static void test_syntax(void **state);
static void test_out_of_memory(void **state);
static cargo_rc_t read_manifest(const char *toml, json_t **release,
    cargo_error_t *error);
static cargo_rc_t out_of_memory(cargo_arena_t *arena, void *data);


static const char  whole[] =
    "cargo-features = [\"x\"]\n"
    "[package]\n"
    "edition = \"2021\"\nrust-version = \"1.70\"\nname = \"Foo-Bar\"\n"
    "version = \"0.1.0+build.1\"\nauthors = [\"A <a@b>\"]\nbuild = false\n"
    "autolib = false\nlinks = \"foo\"\ndescription = \"desc\"\n"
    "homepage = \"http://h\"\ndocumentation = \"https://d\"\n"
    "readme = \"README.md\"\nkeywords = [\"a\"]\ncategories = [\"b\"]\n"
    "license = \"MIT\"\nlicense-file = \"L\"\nrepository = \"https://r\"\n"
    "[package.metadata.x]\nworkspace = true\nf = nan\n"
    "[features]\nz = [\"a\"]\na = [\"dep:d\"]\n"
    "[lib]\nname = \"foo_bar\"\n";


static const reader_case_t  deps[] = {
    { PACKAGE, "[]" },
    { PACKAGE "[dependencies]\nd = \">=1,<2\"\n",
      READ("d", "null", ">=1, <2", "[]", PLAIN, "null", "normal", CRATES_IO) },
    { DEP,
      READ("d", "null", "*", "[]", PLAIN, "null", "normal", CRATES_IO) },
    { DEP "version = \"1\"\nfeatures = [\"y\", \"\", \"x\"]\npublic = true\n",
      READ("d", "null", "^1", "[\"y\",\"x\"]", PLAIN, "null", "normal",
           CRATES_IO) },
    { DEP "version = \"1\"\noptional = true\ndefault-features = false\n",
      READ("d", "null", "^1", "[]", "\"optional\":true,\"default_features\":"
           "false", "null", "normal", CRATES_IO) },
    { DEP "version = \"1\"\ndefault_features = false\n",
      READ("d", "null", "^1", "[]", "\"optional\":false,\"default_features\":"
           "false", "null", "normal", CRATES_IO) },
    { DEP "version = \"1\"\ndefault_features = false\n"
      "default-features = true\n",
      READ("d", "null", "^1", "[]", PLAIN, "null", "normal", CRATES_IO) },
    { DEP "version = \"1\"\npackage = \"Real-Name\"\n",
      READ("Real-Name", "\"d\"", "^1", "[]", PLAIN, "null", "normal",
           CRATES_IO) },
    { DEP "version = \"1\"\npackage = \"d\"\n",
      READ("d", "null", "^1", "[]", PLAIN, "null", "normal", CRATES_IO) },
    { DEP "version = \"1\"\npath = \"../d\"\ngit = \"https://g\"\n",
      READ("d", "null", "^1", "[]", PLAIN, "null", "normal", CRATES_IO) },

    { DEP "version = \"1\"\nregistry-index = \"sparse+https://own/index/\"\n",
      READ("d", "null", "^1", "[]", PLAIN, "null", "normal", "null") },
    { DEP "version = \"1\"\nregistry-index = \"sparse+https://own/index\"\n",
      READ("d", "null", "^1", "[]", PLAIN, "null", "normal", "null") },
    { DEP "version = \"1\"\nregistry-index = \"SPARSE+https://OWN/index/\"\n",
      READ("d", "null", "^1", "[]", PLAIN, "null", "normal", "null") },
    { DEP "version = \"1\"\nregistry-index = \"https://alias/git\"\n",
      READ("d", "null", "^1", "[]", PLAIN, "null", "normal", "null") },
    { DEP "version = \"1\"\nregistry-index = \"sparse+https://own/INDEX/\"\n",
      READ("d", "null", "^1", "[]", PLAIN, "null", "normal",
           "\"sparse+https://own/INDEX/\"") },
    { DEP "version = \"1\"\nregistry-index = \"sparse+https://own/\"\n",
      READ("d", "null", "^1", "[]", PLAIN, "null", "normal",
           "\"sparse+https://own/\"") },
    { DEP "version = \"1\"\nregistry = \"x\"\n"
      "registry-index = \"file:///srv/index\"\n",
      READ("d", "null", "^1", "[]", PLAIN, "null", "normal",
           "\"file:///srv/index\"") },
    { DEP "version = \"1\"\nregistry-index = " CRATES_IO "\n",
      READ("d", "null", "^1", "[]", PLAIN, "null", "normal", CRATES_IO) },
    { DEP "version = \"1\"\n"
      "registry-index = \"registry+https://GitHub.com/rust-lang/"
      "crates.io-index.git/\"\n",
      READ("d", "null", "^1", "[]", PLAIN, "null", "normal", CRATES_IO) },
    { DEP "version = \"1\"\n"
      "registry-index = \"sparse+https://index.crates.io/\"\n",
      READ("d", "null", "^1", "[]", PLAIN, "null", "normal", CRATES_IO) },

    { PACKAGE "[build-dependencies]\nd = \"1\"\n",
      READ("d", "null", "^1", "[]", PLAIN, "null", "build", CRATES_IO) },
    { PACKAGE "[build_dependencies]\nd = \"1\"\n",
      READ("d", "null", "^1", "[]", PLAIN, "null", "build", CRATES_IO) },
    { PACKAGE "[dev-dependencies]\nd = \"1\"\n",
      READ("d", "null", "^1", "[]", PLAIN, "null", "dev", CRATES_IO) },
    { PACKAGE "[dev_dependencies]\nd = \"1\"\n",
      READ("d", "null", "^1", "[]", PLAIN, "null", "dev", CRATES_IO) },
    { PACKAGE "[dev_dependencies]\ne = \"1\"\n[dev-dependencies]\nd = \"1\"\n",
      READ("d", "null", "^1", "[]", PLAIN, "null", "dev", CRATES_IO) },
    { PACKAGE "[target.'cfg( a,  \"b\" )'.dependencies]\nd = \"1\"\n",
      READ("d", "null", "^1", "[]", PLAIN, "\"cfg( a,  \\\"b\\\" )\"",
           "normal", CRATES_IO) },
    { PACKAGE "[target.x86_64-unknown-linux-gnu.dev_dependencies.d]\n"
      "version = \"1\"\n",
      READ("d", "null", "^1", "[]", PLAIN, "\"x86_64-unknown-linux-gnu\"",
           "dev", CRATES_IO) },

    { DEP "version = \"1\"\nartifact = \"bin\"\n",
      READ("d", "null", "^1", "[]", PLAIN, "null", "normal", CRATES_IO
           ",\"artifact\":[\"bin\"],\"bindep_target\":null,\"lib\":false") },
    { DEP "version = \"1\"\nartifact = [\"bin:x\", \"cdylib\"]\nlib = true\n"
      "target = \"t\"\n",
      READ("d", "null", "^1", "[]", PLAIN, "null", "normal", CRATES_IO
           ",\"artifact\":[\"bin:x\",\"cdylib\"],\"bindep_target\":\"t\","
           "\"lib\":true") },
    { DEP "version = \"1\"\nlib = true\ntarget = \"t\"\n",
      READ("d", "null", "^1", "[]", PLAIN, "null", "normal", CRATES_IO) }
};


static const char *const  accepted[] = {
    PACKAGE "readme = false\npublish = [\"own\"]\nresolver = \"2\"\n",
    PACKAGE "[lints.rust]\nunsafe_code = \"forbid\"\n[profile.release]\n"
    "lto = true\n[[bin]]\nname = \"b\"\n[badges.x]\ny = \"z\"\n",
    PACKAGE "[target.x]\n[dependencies]\n[features]\n",
    PACKAGE "repository = \"git@git.example.com:team/crate.git\"\n",
    PACKAGE "repository = \"ssh://git@git.example.com/team/crate.git\"\n",
    PACKAGE "documentation = \"\"\nrepository = \"http://h:80/p?q#f\"\n"
};


#define FAILED  "failed to parse `Cargo.toml` manifest file\n\n"

static const reader_case_t  refusals[] = {
    { "", FAILED "missing field `package`" },
    { "[workspace]\n", FAILED "missing field `package`" },
    { "package = 1\n", FAILED "invalid type: integer, expected a map in field "
                       "`package`" },
    { "[package]\nversion = \"1.0.0\"\n",
      FAILED "missing field `package.name`" },
    { "[package]\nname = \"a\"\n", FAILED "missing field `package.version`" },
    { "[project]\nname = \"a\"\n", FAILED "missing field `project.version`" },
    { "[package]\nname = \"a\"\nversion.workspace = true\n",
      FAILED "value from workspace hasn't been set: `package.version`; upload "
      "what \"cargo package\" writes" },
    { PACKAGE "[package.authors]\nworkspace = true\n",
      FAILED "value from workspace hasn't been set: `package.authors`; upload "
      "what \"cargo package\" writes" },
    { DEP "workspace = true\n",
      FAILED "value from workspace hasn't been set: `dependencies.d.workspace`"
      "; upload what \"cargo package\" writes" },
    { PACKAGE "[patch.crates-io]\nb = \"1\"\n",
      FAILED "crates cannot be published with `[patch]` tables" },
    { PACKAGE "rust-version = \"nightly\"\n",
      FAILED "invalid `rust-version` value `nightly`, expected a version like "
      "1.70" },
    { PACKAGE "readme = 1\n", FAILED "invalid type: integer, expected a string "
                              "or a boolean in field `package.readme`" },
    { PACKAGE "keywords = \"x\"\n",
      FAILED "invalid type: string, expected an array of strings in field "
      "`package.keywords`" },
    { PACKAGE "homepage = \"ftp://x\"\n",
      "URL for field `homepage` must begin with http:// or https:// "
      "(url: ftp://x)" },
    { PACKAGE "homepage = \"ssh://git@h/p\"\n",
      "URL for field `homepage` must begin with http:// or https:// "
      "(url: ssh://git@h/p)" },
    { PACKAGE "repository = \"javascript:1\"\n",
      "URL for field `repository` must begin with http:// or https:// "
      "(url: javascript:1)" },
    { PACKAGE "repository = \"ssh://\"\n",
      "URL for field `repository` must begin with http:// or https:// "
      "(url: ssh://)" },
    { PACKAGE "repository = \"git@host\"\n",
      "URL for field `repository` must begin with http:// or https:// "
      "(url: git@host)" },
    { PACKAGE "repository = \"@host:path\"\n",
      "URL for field `repository` must begin with http:// or https:// "
      "(url: @host:path)" },
    { PACKAGE "[features]\nx = \"y\"\n",
      FAILED "invalid type: string, expected an array of strings in field "
      "`features.x`" },
    { "features = 1\n" PACKAGE,
      FAILED "invalid type: integer, expected a map in field `features`" },
    { "dependencies = 1\n" PACKAGE,
      FAILED "invalid type: integer, expected a map in field `dependencies`" },
    { "target = 1\n" PACKAGE,
      FAILED "invalid type: integer, expected a map in field `target`" },
    { PACKAGE "[target]\nx = 1\n",
      FAILED "invalid type: integer, expected a map in field `target.x`" },
    { PACKAGE "[dependencies]\nd = 1\n",
      FAILED "invalid type: integer, expected a map in field "
      "`dependencies.d`" },
    { DEP "version = 1\n",
      FAILED "invalid type: integer, expected a string in field "
      "`dependencies.d.version`" },
    { DEP "path = \"../d\"\n",
      FAILED "`dependencies.d.path` without `version`: a dependency of a "
      "published crate needs a version requirement; add `version`" },
    { PACKAGE "[target.x.build-dependencies.d]\ngit = \"https://g\"\n",
      FAILED "`target.x.build-dependencies.d.git` without `version`: a "
      "dependency of a published crate needs a version requirement; add "
      "`version`" },
    { DEP "version = \"1\"\nregistry = \"own\"\n",
      FAILED "`dependencies.d.registry` without `registry-index`: a "
      "registry's name means nothing outside of one machine; upload what "
      "\"cargo package\" writes" },
    { DEP "version = \"1\"\nregistry-index = \"own\"\n",
      "`own` is not a valid registry index URL; give one such as "
      "sparse+https://example.com/index/" },
    { DEP "version = \"1\"\noptional = \"yes\"\n",
      FAILED "invalid type: string, expected a boolean in field "
      "`dependencies.d.optional`" },
    { DEP "version = \"1\"\ndefault_features = 1\n",
      FAILED "invalid type: integer, expected a boolean in field "
      "`dependencies.d.default_features`" },
    { DEP "version = \"1\"\nfeatures = \"x\"\n",
      FAILED "invalid type: string, expected an array of strings in field "
      "`dependencies.d.features`" },
    { DEP "version = \"1\"\nartifact = true\n",
      FAILED "invalid type: boolean `true`, expected an array of strings in "
      "field `dependencies.d.artifact`" },
    { PACKAGE "[dependencies]\n\"9\" = \"1\"\n",
      "the name `9` cannot be used as a dependency name, the name cannot "
      "start with a digit" }
};


/* toml++'s own words follow */
static const char *const  syntax[] = { "[package", "a = \"\xff\"", "a = 1 b",
                                       "a = 1\na = 1" };


static void
test_release(void **state)
{
    json_t         *release;
    cargo_error_t   error;

    (void) state;

    assert_int_equal(read_manifest(whole, &release, &error), CARGO_OK);
    unit_assert_json(release,
                "{\"name\":\"Foo-Bar\",\"vers\":\"0.1.0+build.1\","
                "\"links\":\"foo\",\"rust_version\":\"1.70\",\"edition\":"
                "\"2021\",\"description\":\"desc\",\"homepage\":\"http://h\","
                "\"documentation\":\"https://d\",\"repository\":\"https://r\","
                "\"license\":\"MIT\",\"license_file\":\"L\",\"keywords\":"
                "[\"a\"],\"categories\":[\"b\"],\"authors\":[\"A <a@b>\"],"
                "\"readme_file\":\"README.md\",\"features\":{\"a\":[\"dep:d\"]"
                ",\"z\":[\"a\"]},\"deps\":[]}");
    json_decref(release);
}


static void
test_project(void **state)
{
    json_t         *release;
    cargo_error_t   error;

    (void) state;

    assert_int_equal(read_manifest("[project]\nname = \"a\"\nreadme = true\n"
                                   "version = \"1.0.0\"\n", &release, &error),
                     CARGO_OK);
    unit_assert_json(release,
                "{\"name\":\"a\",\"vers\":\"1.0.0\",\"links\":null,"
                "\"rust_version\":null,\"edition\":null,\"description\":null,"
                "\"homepage\":null,\"documentation\":null,\"repository\":null,"
                "\"license\":null,\"license_file\":null,\"keywords\":[],"
                "\"categories\":[],\"authors\":[],\"readme_file\":"
                "\"README.md\",\"features\":{},\"deps\":[]}");
    json_decref(release);
}


static void
test_deps(void **state)
{
    (void) state;

    reader_reads_deps(read_manifest, deps, unit_count(deps));
}


static void
test_accepted(void **state)
{
    (void) state;

    reader_accepts(read_manifest, accepted, unit_count(accepted));
}


static void
test_refusals(void **state)
{
    (void) state;

    reader_refuses(read_manifest, refusals, unit_count(refusals));
}


static void
test_syntax(void **state)
{
    size_t          i;
    json_t         *release;
    cargo_error_t   error;

    (void) state;

    for (i = 0; i < unit_count(syntax); i++) {
        assert_int_equal(read_manifest(syntax[i], &release, &error),
                         CARGO_REFUSED);
        assert_int_equal(error.status, 400);
        assert_memory_equal(error.detail, FAILED "TOML parse error at line ",
                            sizeof(FAILED "TOML parse error at line ") - 1);
        assert_null(release);
    }
}


static void
test_out_of_memory(void **state)
{
    (void) state;

    unit_each_failure(out_of_memory, (void *) (uintptr_t) whole);
    unit_each_failure(out_of_memory, PACKAGE
                      "[features]\nb = [\"a\"]\na = []\n"
                      "[dependencies]\nx = \"1\"\n"
                      "[target.x.dev-dependencies.y]\nversion = \"1\"\n"
                      "features = [\"f\"]\nartifact = \"bin\"\nlib = true\n"
                      "target = \"t\"\npackage = \"z\"\n"
                      "registry-index = \"sparse+https://third/\"\n");
}


static cargo_rc_t
read_manifest(const char *toml, json_t **release, cargo_error_t *error)
{
    cargo_rc_t      rc;
    cargo_str_t     text;
    cargo_arena_t  *arena;

    static const cargo_str_t        urls[] = {
        cargo_string("sparse+https://own/index/"),
        cargo_string("https://alias/git")
    };
    static const cargo_own_index_t  own = { urls, 2 };

    arena = cargo_arena_create(NULL);
    assert_non_null(arena);

    text = unit_exact(toml, strlen(toml));
    rc = cargo_release_of_manifest(arena, text, &own, release, error);

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

    rc = cargo_release_of_manifest(arena, unit_str(data), &own, &release,
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
        cmocka_unit_test(test_project),
        cmocka_unit_test(test_deps),
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_syntax),
        cmocka_unit_test(test_out_of_memory)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
