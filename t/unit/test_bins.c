
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cargo_archive.h"
#include "cargo_dependency.h"
#include "cargo_release.h"
#include "tarball.h"


#define ROOT      "foo-1.0.0"
#define PACKAGE   "[package]\nname = \"foo\"\nversion = \"1.0.0\"\n"
#define EDITION   PACKAGE "edition = \"2021\"\n"
#define PREFIX    "failed to parse `Cargo.toml` manifest file\n\n"
#define CKSUM                                                                 \
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

#define LIB       "\"has_lib\":true,\"bin_names\":"
#define NO_LIB    "\"has_lib\":false,\"bin_names\":"


typedef struct {
    const char  *manifest;
    const char  *paths[6];
    const char  *built;         /* NULL: refused */
    const char  *detail;
} bins_case_t;


static void test_cases(void **state);
static void test_many(void **state);
static void test_kept(void **state);
static void test_render(void **state);
static void test_change(void **state);
static void test_out_of_memory(void **state);
static void pack(tarball_t *gzip, const bins_case_t *bins);
static cargo_rc_t read_release(cargo_arena_t *arena, const bins_case_t *bins,
    const char *keep, cargo_str_t *kept, json_t **release,
    cargo_error_t *error);
static void check(const bins_case_t *bins);
static cargo_rc_t render(cargo_arena_t *arena, const char *manifest,
    const char *pubtime, cargo_rendered_t *rendered);
static cargo_rc_t change(void *data, cargo_dependency_t *dependency);
static cargo_rc_t out_of_memory(cargo_arena_t *arena, void *data);
static cargo_rc_t render_out_of_memory(cargo_arena_t *arena, void *data);


/* what cargo 1.95 builds of such packages */

static const bins_case_t  cases[] = {
    { EDITION, { NULL }, NO_LIB "[]", NULL },
    { EDITION, { "src/lib.rs" }, LIB "[]", NULL },
    { EDITION, { "src/main.rs" }, NO_LIB "[\"foo\"]", NULL },
    { EDITION, { "src/lib.rs", "src/main.rs" }, LIB "[\"foo\"]", NULL },
    { EDITION, { "src/bin/b.rs", "src/bin/a/main.rs", "src/bin/a/x.rs",
                 "src/main.rs" },
      NO_LIB "[\"a\",\"b\",\"foo\"]", NULL },

    /* what only looks like one */
    { EDITION, { "src/bin/.hidden.rs", "src/bin/a/b/main.rs", "src/bin/x.txt",
                 "src/bin/main.rs/x", "src/main.rsx", "src/libs.rs" },
      NO_LIB "[]", NULL },
    { EDITION, { "src/bin/.rs", "src/bin/.a/main.rs", "bin/a.rs",
                 "src/binary/a.rs", "src/bin/a/Main.rs", "src/Lib.rs" },
      NO_LIB "[]", NULL },

    { EDITION "[lib]\nname = \"foo\"\npath = \"x.rs\"\n", { NULL }, LIB "[]",
      NULL },
    { EDITION "[[bin]]\nname = \"x\"\npath = \"src/main.rs\"\n",
      { "src/main.rs" }, NO_LIB "[\"x\"]", NULL },
    { EDITION "[[bin]]\nname = \"x\"\n",
      { "src/main.rs", "src/bin/x.rs" }, NO_LIB "[\"foo\",\"x\"]", NULL },
    { EDITION "[[bin]]\nname = \"foo\"\npath = \"a.rs\"\n",
      { "src/main.rs" }, NO_LIB "[\"foo\"]", NULL },

    { EDITION "autobins = false\nautolib = false\n",
      { "src/lib.rs", "src/main.rs", "src/bin/a.rs" }, NO_LIB "[]", NULL },
    { EDITION "autobins = false\n[[bin]]\nname = \"x\"\n",
      { "src/lib.rs", "src/main.rs", "src/bin/a.rs" }, LIB "[\"x\"]", NULL },
    { EDITION "autolib = false\n[lib]\n", { "src/lib.rs" }, LIB "[]", NULL },

    /* the first edition looks for others only when told to */
    { PACKAGE "[[bin]]\nname = \"x\"\n", { "src/main.rs" },
      NO_LIB "[\"x\"]", NULL },
    { PACKAGE "edition = \"2015\"\n[[bin]]\nname = \"x\"\n", { "src/main.rs" },
      NO_LIB "[\"x\"]", NULL },
    { PACKAGE "autobins = true\n[[bin]]\nname = \"x\"\n", { "src/main.rs" },
      NO_LIB "[\"foo\",\"x\"]", NULL },
    { PACKAGE, { "src/main.rs" }, NO_LIB "[\"foo\"]", NULL },
    { "[project]\nname = \"foo\"\nversion = \"1.0.0\"\nautobins = false\n",
      { "src/main.rs" }, NO_LIB "[]", NULL },

    { "lib = 1\n" EDITION, { NULL }, NULL,
      PREFIX "invalid type: integer, expected a map in field `lib`" },
    { "bin = 1\n" EDITION, { NULL }, NULL,
      PREFIX "invalid type: integer, expected a sequence in field `bin`" },
    { "bin = [1]\n" EDITION, { NULL }, NULL,
      PREFIX "invalid type: integer, expected a map in field `bin`" },
    { EDITION "[[bin]]\nname = \"a\"\n[[bin]]\npath = \"x\"\n", { NULL }, NULL,
      PREFIX "missing field `bin[1].name`" },
    { EDITION "autobins = 1\n", { NULL }, NULL,
      PREFIX "invalid type: integer, expected a boolean in field "
      "`package.autobins`" }
};


static const cargo_archive_limits_t  limits = { 4 * 1024 * 1024, 2000 };


static void
test_cases(void **state)
{
    size_t  i;

    (void) state;

    for (i = 0; i < unit_count(cases); i++) {
        check(&cases[i]);
    }
}


/* no more are kept than the limit says, whatever the archive holds */

static void
test_many(void **state)
{
    char              path[64];
    size_t            i, count;
    tarball_t         tar = { 0 }, gzip = { 0 };
    cargo_str_t       manifest;
    cargo_arena_t    *arena;
    cargo_error_t     error;
    cargo_archive_t  *archive;

    (void) state;

    tarball_file(&tar, ROOT "/Cargo.toml", EDITION);

    for (i = 0; i < CARGO_ARCHIVE_BINS_MAX + 10; i++) {
        (void) snprintf(path, sizeof(path), ROOT "/src/bin/%zu.rs", i);
        tarball_file(&tar, path, "");
    }

    tarball_end(&tar);
    tarball_gzip(&gzip, tar.data, tar.len);

    arena = cargo_arena_create(NULL);
    archive = cargo_archive_create(arena, &limits, unit_str(ROOT));

    assert_int_equal(cargo_archive_feed(archive, gzip.data, gzip.len, &error),
                     CARGO_OK);
    assert_int_equal(cargo_archive_end(archive, &manifest, &error), CARGO_OK);

    (void) cargo_archive_bins(archive, &count);
    assert_int_equal(count, CARGO_ARCHIVE_BINS_MAX);

    cargo_archive_destroy(archive);
    cargo_arena_destroy(arena);
    tarball_free(&tar);
    tarball_free(&gzip);
}


static void
test_kept(void **state)
{
    size_t          i;
    json_t         *release;
    cargo_str_t     kept;
    cargo_arena_t  *arena;
    cargo_error_t   error;

    static const bins_case_t  files = {
        EDITION, { "docs/README.md", "src/lib.rs" }, LIB "[]", NULL
    };

    static const struct {
        const char  *path;
        const char  *text;
    } kept_cases[] = {
        { NULL, NULL },
        { "docs/README.md", "docs/README.md" },
        { "docs/readme.md", NULL },
        { "README.md", NULL },
        { "docs", NULL },
        { "", NULL }
    };

    (void) state;

    for (i = 0; i < unit_count(kept_cases); i++) {

        arena = cargo_arena_create(NULL);
        assert_int_equal(read_release(arena, &files, kept_cases[i].path, &kept,
                                      &release, &error), CARGO_OK);

        if (kept_cases[i].text) {
            unit_assert_str(kept, kept_cases[i].text);

        } else {
            assert_null(kept.data);
        }

        json_decref(release);
        cargo_arena_destroy(arena);
    }
}


/* without a pubtime nothing may follow "yanked" */

static void
test_render(void **state)
{
    cargo_arena_t     *arena;
    cargo_rendered_t   rendered;

    (void) state;

    arena = cargo_arena_create(NULL);

    assert_int_equal(render(arena, EDITION, NULL, &rendered), CARGO_OK);
    unit_assert_str(rendered.head, "{\"name\":\"foo\",\"vers\":\"1.0.0\","
                    "\"deps\":[],\"cksum\":\"" CKSUM "\",\"features\":{},"
                    "\"yanked\":");
    unit_assert_str(rendered.tail, "}");
    assert_non_null(strstr((char *) rendered.json.data, "\"sort_key\":\""));

    assert_int_equal(render(arena, EDITION "links = \"z\"\n", NULL, &rendered),
                     CARGO_OK);
    unit_assert_str(rendered.tail, ",\"links\":\"z\"}");

    assert_int_equal(render(arena, EDITION, "2026-11-21T00:00:00Z", &rendered),
                     CARGO_OK);
    unit_assert_str(rendered.tail, ",\"pubtime\":\"2026-11-21T00:00:00Z\"}");

    cargo_arena_destroy(arena);
}


/* another registry, and the order of the index again */

static void
test_change(void **state)
{
    json_t            *release;
    cargo_arena_t     *arena;
    cargo_error_t      error;
    cargo_own_index_t  none = { NULL, 0 };

    (void) state;

    arena = cargo_arena_create(NULL);

    assert_int_equal(cargo_release_of_manifest(arena, unit_str(EDITION
        "[dependencies.b]\nversion = \"1\"\npackage = \"a\"\n"
        "[dependencies.a]\nversion = \"2\"\n"
        "registry-index = \"sparse+https://x/\"\n"), &none, &release, &error),
        CARGO_OK);

    assert_int_equal(cargo_dependencies_change(arena, release, change, NULL),
                     CARGO_OK);

    unit_assert_json(json_object_get(release, "deps"),
        "[{\"name\":\"a\",\"explicit_name_in_toml\":null"
        ",\"version_req\":\"^2\",\"features\":[],\"optional\":false,"
        "\"default_features\":true,\"target\":null,\"kind\":\"normal\","
        "\"registry\":\"sparse+https://x/\"},{\"name\":\"a\","
        "\"explicit_name_in_toml\":\"b\",\"version_req\":\"^1\","
        "\"features\":[],\"optional\":false,\"default_features\":true,"
        "\"target\":null,\"kind\":\"normal\",\"registry\":null}]");

    json_decref(release);
    cargo_arena_destroy(arena);
}


static void
test_out_of_memory(void **state)
{
    size_t  i;

    (void) state;

    for (i = 0; i < unit_count(cases); i++) {
        if (cases[i].built) {
            unit_each_failure(out_of_memory, (void *) (uintptr_t) &cases[i]);
        }
    }

    unit_each_failure(render_out_of_memory,
                      (void *) (uintptr_t) EDITION "[dependencies]\na = \"1\"");
}


/* each file holds its own path */

static void
pack(tarball_t *gzip, const bins_case_t *bins)
{
    size_t     i;
    char       path[128];
    tarball_t  tar = { 0 };

    for (i = 0; i < unit_count(bins->paths) && bins->paths[i]; i++) {
        (void) snprintf(path, sizeof(path), ROOT "/%s", bins->paths[i]);
        tarball_file(&tar, path, bins->paths[i]);
    }

    tarball_file(&tar, ROOT "/Cargo.toml", bins->manifest);
    tarball_end(&tar);
    tarball_gzip(gzip, tar.data, tar.len);
    tarball_free(&tar);
}


static cargo_rc_t
read_release(cargo_arena_t *arena, const bins_case_t *bins, const char *keep,
    cargo_str_t *kept, json_t **release, cargo_error_t *error)
{
    tarball_t           gzip = { 0 };
    cargo_rc_t          rc;
    cargo_archive_t    *archive;
    cargo_own_index_t   none = { NULL, 0 };

    archive = cargo_archive_create(arena, &limits, unit_str(ROOT));
    if (archive == NULL) {
        return CARGO_NO_MEMORY;
    }

    if (keep) {
        cargo_archive_keep(archive, unit_str(keep));
    }

    pack(&gzip, bins);

    rc = cargo_archive_feed(archive, gzip.data, gzip.len, error);

    if (rc == CARGO_OK) {
        rc = cargo_release_of_archive(archive, &none, release, error);
    }

    if (kept) {
        *kept = cargo_archive_kept(archive);
    }

    cargo_archive_destroy(archive);
    tarball_free(&gzip);

    return rc;
}


static void
check(const bins_case_t *bins)
{
    char           *text, *built;
    json_t         *release;
    cargo_rc_t      rc;
    cargo_arena_t  *arena;
    cargo_error_t   error;

    arena = cargo_arena_create(NULL);
    rc = read_release(arena, bins, NULL, NULL, &release, &error);

    if (bins->built == NULL) {
        assert_int_equal(rc, CARGO_REFUSED);
        unit_assert_error(&error, 400, bins->detail);
        cargo_arena_destroy(arena);
        return;
    }

    assert_int_equal(rc, CARGO_OK);

    text = json_dumps(release, JSON_COMPACT);
    built = strstr(text, "\"has_lib\"");
    assert_non_null(built);
    built[strlen(built) - 1] = '\0';
    assert_string_equal(built, bins->built);

    free(text);
    json_decref(release);
    cargo_arena_destroy(arena);
}


static cargo_rc_t
render(cargo_arena_t *arena, const char *manifest, const char *pubtime,
    cargo_rendered_t *rendered)
{
    json_t             *release;
    cargo_rc_t          rc;
    cargo_str_t         time = { 0, NULL };
    cargo_error_t       error;
    cargo_own_index_t   none = { NULL, 0 };

    if (pubtime) {
        time = unit_str(pubtime);
    }

    rc = cargo_release_of_manifest(arena, unit_str(manifest), &none, &release,
                                   &error);
    if (rc != CARGO_OK) {
        return rc;
    }

    rc = cargo_dependencies_change(arena, release, change, NULL);

    if (rc == CARGO_OK) {
        rc = cargo_release_render(arena, release, unit_str(CKSUM), time,
                                  rendered, &error);
    }

    json_decref(release);

    return rc;
}


/* crates.io's become our own */

static cargo_rc_t
change(void *data, cargo_dependency_t *dependency)
{
    static const cargo_str_t  index = cargo_string(CARGO_CRATES_IO_INDEX);

    (void) data;

    if (cargo_str_equal(dependency->registry, index)) {
        dependency->registry = (cargo_str_t) { 0, NULL };
    }

    return CARGO_OK;
}


static cargo_rc_t
out_of_memory(cargo_arena_t *arena, void *data)
{
    json_t         *release;
    cargo_rc_t      rc;
    cargo_error_t   error;

    rc = read_release(arena, data, "src/main.rs", NULL, &release, &error);

    if (rc == CARGO_OK) {
        json_decref(release);
    }

    return rc;
}


static cargo_rc_t
render_out_of_memory(cargo_arena_t *arena, void *data)
{
    cargo_rendered_t  rendered;

    return render(arena, data, NULL, &rendered);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_render),
        cmocka_unit_test(test_change),
        cmocka_unit_test(test_out_of_memory)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
