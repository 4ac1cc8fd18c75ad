
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "cargo_archive.h"
#include "tarball.h"


typedef struct {
    const char  *path;
    const char  *name;          /* NULL: refused */
    const char  *version;
} peek_case_t;


static void test_cases(void **state);
static void test_extended(void **state);
static void test_foreign(void **state);
static void test_out_of_memory(void **state);
static void pack(tarball_t *gzip, const char *path);
static cargo_rc_t peek(const tarball_t *gzip, cargo_arena_t *arena,
    cargo_str_t *name, cargo_str_t *version, cargo_error_t *error);
static cargo_rc_t out_of_memory(cargo_arena_t *arena, void *data);


static const peek_case_t  cases[] = {
    { "foo-1.0.0/Cargo.toml", "foo", "1.0.0" },
    { "foo-1.0.0/", "foo", "1.0.0" },
    { "foo-bar-1.0.0/x/y", "foo-bar", "1.0.0" },
    { "foo-1-1.0.0/x", "foo-1", "1.0.0" },
    { "a-1.2.3-4.5.6/x", "a", "1.2.3-4.5.6" },
    { "a_b-1.2.3-alpha-1+b-2/x", "a_b", "1.2.3-alpha-1+b-2" },

    { "foo/Cargo.toml", NULL, NULL },
    { "foo-1.0/Cargo.toml", NULL, NULL },
    { "foo-01.0.0/Cargo.toml", NULL, NULL },
    { "1foo-1.0.0/Cargo.toml", NULL, NULL },
    { "-1.0.0/Cargo.toml", NULL, NULL },
    { "/foo-1.0.0/Cargo.toml", NULL, NULL },
    { "../foo-1.0.0/Cargo.toml", NULL, NULL },
    { "foo-/x", NULL, NULL }
};


static void
test_cases(void **state)
{
    size_t          i;
    tarball_t       gzip;
    cargo_rc_t      rc;
    cargo_str_t     name, version;
    cargo_arena_t  *arena;
    cargo_error_t   error;

    (void) state;

    for (i = 0; i < unit_count(cases); i++) {

        memset(&gzip, 0, sizeof(tarball_t));
        pack(&gzip, cases[i].path);

        arena = cargo_arena_create(NULL);
        rc = peek(&gzip, arena, &name, &version, &error);

        if (cases[i].name) {
            assert_int_equal(rc, CARGO_OK);
            unit_assert_str(name, cases[i].name);
            unit_assert_str(version, cases[i].version);

        } else {
            assert_int_equal(rc, CARGO_REFUSED);
            assert_non_null(strstr(error.detail, "not a crate"));
        }

        cargo_arena_destroy(arena);
        tarball_free(&gzip);
    }
}


/* the first path may stand in an entry of its own */

static void
test_extended(void **state)
{
    tarball_t       tar = { 0 }, gzip = { 0 };
    cargo_str_t     name, version;
    cargo_arena_t  *arena;
    cargo_error_t   error;

    (void) state;

    tarball_pax(&tar, "path", "foo-2.0.0/src/lib.rs");
    tarball_file(&tar, "short", "text");
    tarball_end(&tar);
    tarball_gzip(&gzip, tar.data, tar.len);

    arena = cargo_arena_create(NULL);
    assert_int_equal(peek(&gzip, arena, &name, &version, &error), CARGO_OK);
    unit_assert_str(version, "2.0.0");

    cargo_arena_destroy(arena);
    tarball_free(&tar);
    tarball_free(&gzip);
}


static void
test_foreign(void **state)
{
    size_t          i;
    tarball_t       gzip;
    cargo_str_t     name, version;
    cargo_arena_t  *arena;
    cargo_error_t   error;

    static const struct {
        const char  *text;
        size_t       len;
        int          packed;
        const char  *detail;
    } foreign[] = {
        { "", 0, 0, "it does not begin with gzip data" },
        { "x", 1, 0, "it does not begin with gzip data" },
        { "\x1f\x8b", 2, 0, "it does not begin with gzip data" },
        { "PK\3\4", 4, 0, "it does not begin with gzip data" },
        { "", 0, 1, "it does not begin with gzip data" },
        { "text", 4, 1, "it does not begin with the header of a tar" }
    };

    (void) state;

    for (i = 0; i < unit_count(foreign); i++) {

        memset(&gzip, 0, sizeof(tarball_t));

        if (foreign[i].packed) {
            tarball_gzip(&gzip, foreign[i].text, foreign[i].len);

        } else {
            tarball_append(&gzip, foreign[i].text, foreign[i].len);
        }

        arena = cargo_arena_create(NULL);
        assert_int_equal(peek(&gzip, arena, &name, &version, &error),
                         CARGO_REFUSED);
        assert_non_null(strstr(error.detail, foreign[i].detail));

        cargo_arena_destroy(arena);
        tarball_free(&gzip);
    }
}


static void
test_out_of_memory(void **state)
{
    tarball_t  gzip = { 0 };

    (void) state;

    pack(&gzip, cases[0].path);
    unit_each_failure(out_of_memory, &gzip);
    tarball_free(&gzip);
}


static void
pack(tarball_t *gzip, const char *path)
{
    tarball_t  tar = { 0 };

    tarball_entry(&tar, path[strlen(path) - 1] == '/' ? '5' : '0', path, NULL,
                  0);
    tarball_end(&tar);
    tarball_gzip(gzip, tar.data, tar.len);
    tarball_free(&tar);
}


static cargo_rc_t
peek(const tarball_t *gzip, cargo_arena_t *arena, cargo_str_t *name,
    cargo_str_t *version, cargo_error_t *error)
{
    size_t       n;
    cargo_rc_t   rc;
    cargo_str_t  exact;

    n = (gzip->len < CARGO_ARCHIVE_PEEK) ? gzip->len : CARGO_ARCHIVE_PEEK;
    exact = unit_exact(gzip->data, n);

    rc = cargo_archive_peek(arena, exact.data, exact.len, name, version,
                            error);
    unit_free(exact);

    return rc;
}


static cargo_rc_t
out_of_memory(cargo_arena_t *arena, void *data)
{
    cargo_str_t    name, version;
    cargo_error_t  error;

    return peek(data, arena, &name, &version, &error);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_extended),
        cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_out_of_memory)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
