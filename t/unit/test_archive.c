
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cargo_archive.h"
#include "cargo_tar.h"
#include "tarball.h"


#define ROOT      "foo-1.0.0"
#define MANIFEST  "[package]\nname = \"foo\"\nversion = \"1.0.0\"\n"

#define CUT_OFF   CARGO_TAR_MALFORMED "its gzip data is cut off; publish again"
#define DAMAGED   CARGO_TAR_MALFORMED "its gzip data is damaged; publish again"
#define TRAILING                                                              \
    CARGO_TAR_MALFORMED "it has data after the end of its gzip stream; a "    \
    ".crate is a single gzip member"
#define MISSING   "uploaded tarball is missing a `Cargo.toml` manifest file"
#define CASING(name)                                                          \
    MISSING "; `" name "` was found, but must be named `Cargo.toml` with "    \
    "that exact casing"
#define MORE(a, b)                                                            \
    "uploaded tarball contains more than one `Cargo.toml` manifest file; "    \
    "found `" ROOT "/" a "`, `" ROOT "/" b "`"


/* '/' at the end: a directory; others hold MANIFEST */
typedef struct {
    const char     *paths[4];
    const char     *detail;     /* NULL: accepted */
} archive_case_t;


static void test_cases(void **state);
static void test_gzip_trailing(void **state);
static void test_gzip_damaged(void **state);
static void test_truncated(void **state);
static void test_manifest_size(void **state);
static void test_contents(void **state);
static void test_has(void **state);
static void test_entries_max(void **state);
static void test_bomb(void **state);
static void test_refusal_repeated(void **state);
static void test_out_of_memory(void **state);
static void crate_begin(tarball_t *tar);
static void check_tar(const tarball_t *tar, const char *detail);
static void check(const tarball_t *gzip, const char *detail);
static cargo_rc_t run(cargo_arena_t *arena, const tarball_t *gzip,
    size_t piece, cargo_archive_t **archive, cargo_str_t *manifest,
    cargo_error_t *error);
static cargo_rc_t out_of_memory(cargo_arena_t *arena, void *data);


static const cargo_archive_limits_t  limits = { 4 * 1024 * 1024, 20 };

static const archive_case_t  cases[] = {
    { { ROOT "/Cargo.toml" }, NULL },
    { { ROOT "/cargo.toml" }, CASING("cargo.toml") },
    { { ROOT "/", ROOT "/src/", ROOT "/src/lib.rs", ROOT "/Cargo.toml" },
      NULL },
    { { ROOT "/Cargo.toml", ROOT "/sub/Cargo.toml", ROOT "/sub/b/CARGO.TOML" },
      NULL },
    { { ROOT "/Cargo.toml", ROOT "/Cargo.toml.orig" }, NULL },

    { { NULL }, MISSING },
    { { ROOT "/" }, MISSING },
    { { ROOT "/src/lib.rs", ROOT "/src/Cargo.toml" }, MISSING },
    { { ROOT "/Cargo.toml/" }, MISSING },
    { { ROOT "/Cargo.toml/a" }, MISSING },
    { { ROOT "/CARGO.TOML" }, CASING("CARGO.TOML") },
    { { ROOT "/Cargo.Toml", ROOT "/src/lib.rs" }, CASING("Cargo.Toml") },
    { { ROOT "/Cargo.toml", ROOT "/cargo.toml" },
      MORE("Cargo.toml", "cargo.toml") },
    { { ROOT "/CARGO.TOML", ROOT "/src/lib.rs", ROOT "/Cargo.toml" },
      MORE("CARGO.TOML", "Cargo.toml") },
    { { ROOT "/Cargo.toml", ROOT "/Cargo.toml" },
      MORE("Cargo.toml", "Cargo.toml") },

    { { ROOT "/Cargo.toml", "foo-1.0.1/a" },
      "invalid path found: foo-1.0.1/a" },
    { { ROOT "/Cargo.toml", ROOT "/a/../b" },
      "invalid path found: " ROOT "/a/../b" },
    { { ROOT "/Cargo.toml", "/" }, "invalid path found: " },
    { { ROOT "/Cargo.toml", ROOT "/a", ROOT "/a/" },
      "uploaded tarball contains `" ROOT "/a` both as a file and as a "
      "directory" },
    { { ROOT "/Cargo.toml", ROOT "/cargo.toml/" },
      "uploaded tarball contains `" ROOT "/cargo.toml` and another path that "
      "differs from it only in case" }
};


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_gzip_trailing),
        cmocka_unit_test(test_gzip_damaged),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_manifest_size),
        cmocka_unit_test(test_contents),
        cmocka_unit_test(test_has),
        cmocka_unit_test(test_entries_max),
        cmocka_unit_test(test_bomb),
        cmocka_unit_test(test_refusal_repeated),
        cmocka_unit_test(test_out_of_memory)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}


static void
test_cases(void **state)
{
    size_t       i, n, len;
    tarball_t    tar;
    const char  *path;

    (void) state;

    for (i = 0; i < unit_count(cases); i++) {
        memset(&tar, 0, sizeof(tarball_t));

        for (n = 0; n < unit_count(cases[i].paths); n++) {
            path = cases[i].paths[n];
            if (path == NULL) {
                break;
            }

            len = strlen(path);
            if (path[len - 1] == '/') {
                tarball_entry(&tar, '5', path, NULL, 0);

            } else {
                tarball_file(&tar, path, MANIFEST);
            }
        }

        tarball_end(&tar);
        check_tar(&tar, cases[i].detail);
        tarball_free(&tar);
    }
}


static void
test_gzip_trailing(void **state)
{
    size_t     len;
    tarball_t  tar = { 0 }, gzip = { 0 };

    (void) state;

    crate_begin(&tar);
    tarball_end(&tar);
    tarball_gzip(&gzip, tar.data, tar.len);
    len = gzip.len;

    check(&gzip, NULL);

    tarball_append(&gzip, "x", 1);
    check(&gzip, TRAILING);

    gzip.len = len;
    tarball_append(&gzip, "", 1);
    check(&gzip, TRAILING);

    gzip.len = len;
    tarball_gzip(&gzip, "", 0);
    check(&gzip, TRAILING);

    gzip.len = len;
    tarball_gzip(&gzip, tar.data, tar.len);
    check(&gzip, TRAILING);

    tarball_free(&tar);
    tarball_free(&gzip);
}


static void
test_gzip_damaged(void **state)
{
    tarball_t  tar = { 0 }, gzip = { 0 };

    static const unsigned char  zlib[] = { 0x78, 0x9c, 0x03, 0, 0, 0, 0, 1 };

    (void) state;

    check(&gzip, CUT_OFF);

    tarball_append(&gzip, "PK\3\4 and so on", 14);
    check(&gzip, DAMAGED);

    gzip.len = 0;
    tarball_append(&gzip, zlib, sizeof(zlib));
    check(&gzip, DAMAGED);

    crate_begin(&tar);
    tarball_end(&tar);

    /* a tar as it is */
    check(&tar, DAMAGED);

    /* checksum, then length */

    gzip.len = 0;
    tarball_gzip(&gzip, tar.data, tar.len);
    gzip.data[gzip.len - 8] ^= 1;
    check(&gzip, DAMAGED);

    gzip.data[gzip.len - 8] ^= 1;
    gzip.data[gzip.len - 1] ^= 1;
    check(&gzip, DAMAGED);

    tarball_free(&tar);
    tarball_free(&gzip);
}


/* the gzip cut at every byte, and the tar in a whole gzip at every block */

static void
test_truncated(void **state)
{
    size_t     full, len;
    tarball_t  tar = { 0 }, gzip = { 0 };

    (void) state;

    crate_begin(&tar);
    tarball_file(&tar, ROOT "/src/lib.rs", "pub fn foo() {}\n");
    tarball_end(&tar);
    tarball_gzip(&gzip, tar.data, tar.len);

    full = gzip.len;

    for (len = 0; len < full; len++) {
        gzip.len = len;
        check(&gzip, CUT_OFF);
    }

    gzip.len = full;
    check(&gzip, NULL);

    /* not a whole entry */

    tar.len = 3 * TARBALL_BLOCK;
    check_tar(&tar, CARGO_TAR_MALFORMED "it ends in the middle of an entry "
              "(tar header at byte 1024)");

    /* the tar crate does without the blocks of zeros */

    tar.len = 4 * TARBALL_BLOCK;
    check_tar(&tar, NULL);

    tarball_free(&tar);
    tarball_free(&gzip);
}


static void
test_manifest_size(void **state)
{
    char       *text;
    tarball_t   tar = { 0 };

    (void) state;

    text = malloc(CARGO_MANIFEST_MAX + 1);
    assert_non_null(text);
    memset(text, '#', CARGO_MANIFEST_MAX + 1);

    tarball_entry(&tar, '0', ROOT "/Cargo.toml", text, CARGO_MANIFEST_MAX);
    check_tar(&tar, NULL);

    tar.len = 0;
    tarball_entry(&tar, '0', ROOT "/Cargo.toml", text, CARGO_MANIFEST_MAX + 1);
    check_tar(&tar, "`" ROOT "/Cargo.toml` in the uploaded tarball is too "
              "large; at most 1048576 bytes are allowed");

    tar.len = 0;
    tarball_entry(&tar, '0', ROOT "/Cargo.toml", text, 0);
    check_tar(&tar, NULL);

    tarball_free(&tar);
    free(text);
}


/* more than the buffer for inflate's output, of the kind that is stored */

static void
test_contents(void **state)
{
    size_t          i;
    tarball_t       tar = { 0 }, gzip = { 0 };
    cargo_str_t     manifest;
    cargo_arena_t  *arena;
    cargo_error_t   error;
    unsigned char   noise[50000];

    (void) state;

    for (i = 0; i < sizeof(noise); i++) {
        noise[i] = (unsigned char) rand();
    }

    tarball_entry(&tar, '0', ROOT "/a", noise, 33333);
    tarball_entry(&tar, '0', ROOT "/Cargo.toml", noise, sizeof(noise));
    tarball_entry(&tar, '0', ROOT "/b", noise, 44444);
    tarball_end(&tar);

    check_tar(&tar, NULL);

    tarball_gzip(&gzip, tar.data, tar.len);

    for (i = 0; i < 20; i++) {
        arena = cargo_arena_create(NULL);
        assert_int_equal(run(arena, &gzip, 0, NULL, &manifest, &error),
                         CARGO_OK);
        assert_int_equal(manifest.len, sizeof(noise));
        assert_memory_equal(manifest.data, noise, sizeof(noise));
        assert_int_equal(manifest.data[manifest.len], '\0');
        cargo_arena_destroy(arena);
    }

    tarball_free(&tar);
    tarball_free(&gzip);
}


static void
test_has(void **state)
{
    tarball_t         tar = { 0 }, gzip = { 0 };
    cargo_str_t       manifest;
    cargo_arena_t    *arena;
    cargo_error_t     error;
    cargo_archive_t  *archive;

    (void) state;

    crate_begin(&tar);
    tarball_file(&tar, ROOT "/docs/README.md", "# foo\n");
    tarball_end(&tar);
    tarball_gzip(&gzip, tar.data, tar.len);

    arena = cargo_arena_create(NULL);
    assert_int_equal(run(arena, &gzip, 7, &archive, &manifest, &error),
                     CARGO_OK);

    unit_assert_str(manifest, MANIFEST);

    assert_int_equal(cargo_archive_has(archive, "Cargo.toml"), 1);
    assert_int_equal(cargo_archive_has(archive, "docs/README.md"), 1);
    assert_int_equal(cargo_archive_has(archive, "docs/readme.md"), 0);
    assert_int_equal(cargo_archive_has(archive, "README.md"), 0);
    assert_int_equal(cargo_archive_has(archive, "docs"), 0);
    assert_int_equal(cargo_archive_has(archive, ""), 0);

    cargo_archive_destroy(archive);
    cargo_arena_destroy(arena);
    tarball_free(&tar);
    tarball_free(&gzip);
}


static void
test_entries_max(void **state)
{
    char       path[64];
    unsigned   i;
    tarball_t  tar = { 0 };

    (void) state;

    crate_begin(&tar);

    for (i = 1; i < limits.entries_max; i++) {
        (void) snprintf(path, sizeof(path), ROOT "/%u", i);
        tarball_file(&tar, path, "");
    }

    check_tar(&tar, NULL);

    tarball_file(&tar, ROOT "/one-too-many", "");
    check_tar(&tar, "uploaded tarball contains more than 20 files and "
              "directories");

    tarball_free(&tar);
}


/* zeros within an entry, after the end of tar, and a size that is a lie */

static void
test_bomb(void **state)
{
    char       *zeros;
    size_t      len;
    tarball_t   tar = { 0 };

    (void) state;

    len = limits.unpacked_max;
    zeros = calloc(1, len);
    assert_non_null(zeros);

    crate_begin(&tar);
    tarball_append(&tar, zeros, len - tar.len);
    check_tar(&tar, NULL);

    tarball_append(&tar, zeros, 1);
    check_tar(&tar, CARGO_TAR_MALFORMED "it unpacks to more than 4194304 "
              "bytes");

    tar.len = 0;
    crate_begin(&tar);
    tarball_entry(&tar, '0', ROOT "/bomb", zeros, len);
    check_tar(&tar, CARGO_TAR_MALFORMED "it unpacks to more than 4194304 "
              "bytes");

    tar.len = 0;
    (void) tarball_header(&tar, '0', ROOT "/bomb", UINT64_C(0x1ffffffff));
    check_tar(&tar, CARGO_TAR_MALFORMED "it unpacks to more than 4194304 "
              "bytes");

    tarball_free(&tar);
    free(zeros);
}


static void
test_refusal_repeated(void **state)
{
    cargo_str_t       manifest;
    cargo_arena_t    *arena;
    cargo_error_t     error;
    cargo_archive_t  *archive;

    (void) state;

    arena = cargo_arena_create(NULL);
    archive = cargo_archive_create(arena, &limits, unit_str(ROOT));
    assert_non_null(archive);

    assert_int_equal(cargo_archive_feed(archive, (unsigned char *) "not gzip",
                                        8, &error), CARGO_REFUSED);

    memset(&error, 0, sizeof(cargo_error_t));
    assert_int_equal(cargo_archive_feed(archive, NULL, 0, &error),
                     CARGO_REFUSED);
    unit_assert_error(&error, 400, DAMAGED);

    memset(&error, 0, sizeof(cargo_error_t));
    assert_int_equal(cargo_archive_end(archive, &manifest, &error),
                     CARGO_REFUSED);
    unit_assert_error(&error, 400, DAMAGED);

    cargo_archive_destroy(archive);
    cargo_arena_destroy(arena);
}


static void
test_out_of_memory(void **state)
{
    char       path[64], text[3000];
    unsigned   i;
    tarball_t  tar = { 0 }, gzip = { 0 };

    (void) state;

    memset(text, '#', sizeof(text));

    tarball_entry(&tar, '0', ROOT "/Cargo.toml", text, sizeof(text));

    for (i = 0; i < 15; i++) {
        (void) snprintf(path, sizeof(path), ROOT "/%u", i);
        tarball_entry(&tar, '0', path, text, sizeof(text));
    }

    tarball_end(&tar);
    tarball_gzip(&gzip, tar.data, tar.len);

    unit_each_failure(out_of_memory, &gzip);

    tarball_free(&tar);
    tarball_free(&gzip);
}


static void
crate_begin(tarball_t *tar)
{
    tarball_file(tar, ROOT "/Cargo.toml", MANIFEST);
}


static void
check_tar(const tarball_t *tar, const char *detail)
{
    tarball_t  gzip = { 0 };

    tarball_gzip(&gzip, tar->data, tar->len);

    check(&gzip, detail);

    tarball_free(&gzip);
}


/* whole, byte by byte and in random pieces: always the same */

static void
check(const tarball_t *gzip, const char *detail)
{
    size_t          round;
    cargo_rc_t      rc;
    cargo_str_t     manifest;
    cargo_arena_t  *arena;
    cargo_error_t   error;

    for (round = 0; round < 12; round++) {
        arena = cargo_arena_create(NULL);
        rc = run(arena, gzip, round == 0 ? SIZE_MAX : (round == 1), NULL,
                 &manifest, &error);
        cargo_arena_destroy(arena);

        if (detail) {
            assert_int_equal(rc, CARGO_REFUSED);
            unit_assert_error(&error, 400, detail);

        } else if (rc != CARGO_OK) {
            fail_msg("refused: %s", rc == CARGO_REFUSED ? error.detail : "");
        }
    }
}


/*
 * Pieces of the given size, or of random sizes when it is 0.  The archive is
 * destroyed unless it is asked for and accepted.
 */

static cargo_rc_t
run(cargo_arena_t *arena, const tarball_t *gzip, size_t piece,
    cargo_archive_t **result, cargo_str_t *manifest, cargo_error_t *error)
{
    size_t            i, n;
    cargo_rc_t        rc;
    cargo_str_t       exact;
    cargo_archive_t  *archive;

    archive = cargo_archive_create(arena, &limits, unit_str(ROOT));
    if (archive == NULL) {
        return CARGO_NO_MEMORY;
    }

    rc = CARGO_OK;

    for (i = 0; i < gzip->len && rc == CARGO_OK; i += n) {
        n = piece ? piece : (size_t) rand() % 300;
        n = (n < gzip->len - i) ? n : gzip->len - i;

        exact = unit_exact(gzip->data + i, n);
        rc = cargo_archive_feed(archive, exact.data, exact.len, error);
        unit_free(exact);
    }

    if (rc == CARGO_OK) {
        rc = cargo_archive_end(archive, manifest, error);
    }

    if (rc == CARGO_OK && result) {
        *result = archive;
        return CARGO_OK;
    }

    cargo_archive_destroy(archive);

    return rc;
}


static cargo_rc_t
out_of_memory(cargo_arena_t *arena, void *data)
{
    cargo_str_t    manifest;
    cargo_error_t  error;

    return run(arena, data, SIZE_MAX, NULL, &manifest, &error);
}
