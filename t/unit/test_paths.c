
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "cargo_paths.h"
#include "cargo_siphash.h"


#define PATHS_MAX  1000

#define INVALID    "invalid path found: "
#define CONTAINS   "uploaded tarball contains "

#define WINDOWS                                                               \
    ": it has one of the characters \\ < > : \" | ? * that are not allowed "  \
    "on Windows; rename the file"
#define DEVICE                                                                \
    ": it has a component that is the name of a device on Windows; rename "   \
    "the file"
#define ENDING                                                                \
    ": it has a component that ends in a dot or space, which Windows would "  \
    "cut off"
#define CONTROL    ": it has a control character"
#define EMPTY                                                                 \
    ": it has an empty component (\"//\" or \"/\" at the end)"
#define LOCK       ": cargo keeps a file of its own by this name"


typedef struct {
    const char         *path;
    const char         *detail;     /* NULL: accepted */
} path_case_t;

typedef struct {
    const char         *first;
    cargo_path_kind_t   first_kind;
    const char         *second;
    cargo_path_kind_t   second_kind;
    const char         *detail;
} pair_case_t;


static void test_single(void **state);
static void test_pairs(void **state);
static void test_component_length(void **state);
static void test_reason_kept(void **state);
static void test_depth(void **state);
static void test_nul(void **state);
static void test_has(void **state);
static void test_many(void **state);
static void test_max(void **state);
static void test_out_of_memory(void **state);
static void test_siphash(void **state);
static void check(cargo_rc_t rc, const cargo_error_t *error,
    const char *detail);
static cargo_rc_t add(cargo_paths_t *paths, const char *path,
    cargo_path_kind_t kind, cargo_error_t *error);
static cargo_rc_t out_of_memory(cargo_arena_t *arena, void *data);


static const path_case_t  single_cases[] = {
    { "foo-1.0.0/Cargo.toml", NULL },
    { "foo-1.0.0/src/lib.rs", NULL },
    { "foo-1.0.0/a/b/c/d/e", NULL },
    { "foo-1.0.0/.gitignore", NULL },
    { "foo-1.0.0/...a", NULL },
    { "foo-1.0.0/..a", NULL },
    { "foo-1.0.0/a b", NULL },
    { "foo-1.0.0/ a", NULL },
    { "foo-1.0.0/gr\xc3\xbc\xc3\x9f" "e", NULL },
    { "foo-1.0.0/\xe6\x97\xa5", NULL },
    { "foo-1.0.0/console.rs", NULL },
    { "foo-1.0.0/com", NULL },
    { "foo-1.0.0/com0", NULL },
    { "foo-1.0.0/com10", NULL },
    { "foo-1.0.0/comx", NULL },
    { "foo-1.0.0/auxiliary", NULL },
    { "foo-1.0.0/src/.cargo-ok", NULL },
    { "foo-1.0.0/.cargo-ok.txt", NULL },

    { "", INVALID },
    { "bar-1.0.0/a", INVALID "bar-1.0.0/a" },
    { "Foo-1.0.0/a", INVALID "Foo-1.0.0/a" },
    { "foo-1.0.01/a", INVALID "foo-1.0.01/a" },
    { "foo-1.0/a", INVALID "foo-1.0/a" },
    { "Cargo.toml", INVALID "Cargo.toml" },
    { "/etc/passwd", INVALID "/etc/passwd" },
    { "/foo-1.0.0/a", INVALID "/foo-1.0.0/a" },
    { "./foo-1.0.0/a", INVALID "./foo-1.0.0/a" },
    { "../foo-1.0.0/a", INVALID "../foo-1.0.0/a" },
    { "foo-1.0.0/../a", INVALID "foo-1.0.0/../a" },
    { "foo-1.0.0/a/..", INVALID "foo-1.0.0/a/.." },
    { "foo-1.0.0\\a", INVALID "foo-1.0.0\\a" },

    { "foo-1.0.0/", INVALID "foo-1.0.0/" EMPTY },
    { "foo-1.0.0//a", INVALID "foo-1.0.0//a" EMPTY },
    { "foo-1.0.0/a/", INVALID "foo-1.0.0/a/" EMPTY },
    { "foo-1.0.0/./a", INVALID "foo-1.0.0/./a: it has a \".\" component" },
    { "foo-1.0.0/a/.", INVALID "foo-1.0.0/a/.: it has a \".\" component" },
    { "foo-1.0.0/a\\b", INVALID "foo-1.0.0/a\\b" WINDOWS },
    { "foo-1.0.0/c:", INVALID "foo-1.0.0/c:" WINDOWS },
    { "foo-1.0.0/a<b", INVALID "foo-1.0.0/a<b" WINDOWS },
    { "foo-1.0.0/a>b", INVALID "foo-1.0.0/a>b" WINDOWS },
    { "foo-1.0.0/a\"b", INVALID "foo-1.0.0/a\"b" WINDOWS },
    { "foo-1.0.0/a|b", INVALID "foo-1.0.0/a|b" WINDOWS },
    { "foo-1.0.0/a?b", INVALID "foo-1.0.0/a?b" WINDOWS },
    { "foo-1.0.0/a*b", INVALID "foo-1.0.0/a*b" WINDOWS },
    { "foo-1.0.0/a\x01", INVALID "foo-1.0.0/a?" CONTROL },
    { "foo-1.0.0/a\x7f", INVALID "foo-1.0.0/a?" CONTROL },
    { "foo-1.0.0/a\tb", INVALID "foo-1.0.0/a?b" CONTROL },
    { "foo-1.0.0/a\xc2\x85z", INVALID "foo-1.0.0/a\xc2\x85z" CONTROL },
    { "foo-1.0.0/a\xff", INVALID "foo-1.0.0/a?: it is not UTF-8" },
    { "foo-1.0.0/\xed\xa0\x80",
      INVALID "foo-1.0.0/???: it is not UTF-8" },

    { "foo-1.0.0/a.", INVALID "foo-1.0.0/a." ENDING },
    { "foo-1.0.0/a /b", INVALID "foo-1.0.0/a /b" ENDING },
    { "foo-1.0.0/...", INVALID "foo-1.0.0/..." ENDING },
    { "foo-1.0.0/ ", INVALID "foo-1.0.0/ " ENDING },
    { "foo-1.0.0/con", INVALID "foo-1.0.0/con" DEVICE },
    { "foo-1.0.0/src/AUX.rs", INVALID "foo-1.0.0/src/AUX.rs" DEVICE },
    { "foo-1.0.0/nul/a", INVALID "foo-1.0.0/nul/a" DEVICE },
    { "foo-1.0.0/prn.tar.gz", INVALID "foo-1.0.0/prn.tar.gz" DEVICE },
    { "foo-1.0.0/nul .txt", INVALID "foo-1.0.0/nul .txt" DEVICE },
    { "foo-1.0.0/COM1", INVALID "foo-1.0.0/COM1" DEVICE },
    { "foo-1.0.0/lpt9.c", INVALID "foo-1.0.0/lpt9.c" DEVICE },
    { "foo-1.0.0/com\xc2\xb2", INVALID "foo-1.0.0/com\xc2\xb2" DEVICE },
    { "foo-1.0.0/lpt\xc2\xb3.c", INVALID "foo-1.0.0/lpt\xc2\xb3.c" DEVICE },
    { "foo-1.0.0/com\xc2\xb4", NULL },
    { "foo-1.0.0/CONOUT$", INVALID "foo-1.0.0/CONOUT$" DEVICE },
    { "foo-1.0.0/.cargo-ok", INVALID "foo-1.0.0/.cargo-ok" LOCK },
    { "foo-1.0.0/.Cargo-OK", INVALID "foo-1.0.0/.Cargo-OK" LOCK },
    { "foo-1.0.0/.cargo-ok/a", INVALID "foo-1.0.0/.cargo-ok/a" LOCK }
};

static const pair_case_t  pair_cases[] = {
    { "foo-1.0.0/a", CARGO_PATH_FILE, "foo-1.0.0/b", CARGO_PATH_FILE, NULL },
    { "foo-1.0.0/a", CARGO_PATH_DIRECTORY, "foo-1.0.0/a/b", CARGO_PATH_FILE,
      NULL },
    { "foo-1.0.0/a/b", CARGO_PATH_FILE, "foo-1.0.0/a", CARGO_PATH_DIRECTORY,
      NULL },
    { "foo-1.0.0", CARGO_PATH_DIRECTORY, "foo-1.0.0/a", CARGO_PATH_FILE,
      NULL },
    { "foo-1.0.0/a/b", CARGO_PATH_FILE, "foo-1.0.0/b/b", CARGO_PATH_FILE,
      NULL },

    { "foo-1.0.0/a", CARGO_PATH_FILE, "foo-1.0.0/a", CARGO_PATH_FILE,
      CONTAINS "`foo-1.0.0/a` more than once" },
    { "foo-1.0.0/a", CARGO_PATH_DIRECTORY, "foo-1.0.0/a",
      CARGO_PATH_DIRECTORY, CONTAINS "`foo-1.0.0/a` more than once" },
    { "foo-1.0.0/a", CARGO_PATH_FILE, "foo-1.0.0/A", CARGO_PATH_FILE,
      CONTAINS "`foo-1.0.0/A` and another path that differs from it only in "
      "case" },
    { "foo-1.0.0/src/a", CARGO_PATH_FILE, "foo-1.0.0/SRC/b", CARGO_PATH_FILE,
      CONTAINS "`foo-1.0.0/SRC` and another path that differs from it only in "
      "case" },
    { "foo-1.0.0/a", CARGO_PATH_FILE, "foo-1.0.0/A/b", CARGO_PATH_FILE,
      CONTAINS "`foo-1.0.0/A` and another path that differs from it only in "
      "case" },
    { "foo-1.0.0/a", CARGO_PATH_FILE, "foo-1.0.0/a", CARGO_PATH_DIRECTORY,
      CONTAINS "`foo-1.0.0/a` both as a file and as a directory" },
    { "foo-1.0.0/a", CARGO_PATH_DIRECTORY, "foo-1.0.0/a", CARGO_PATH_FILE,
      CONTAINS "`foo-1.0.0/a` both as a file and as a directory" },
    { "foo-1.0.0/a", CARGO_PATH_FILE, "foo-1.0.0/a/b", CARGO_PATH_FILE,
      CONTAINS "`foo-1.0.0/a` both as a file and as a directory" },
    { "foo-1.0.0/a/b", CARGO_PATH_FILE, "foo-1.0.0/a", CARGO_PATH_FILE,
      CONTAINS "`foo-1.0.0/a` both as a file and as a directory" },
    { "foo-1.0.0", CARGO_PATH_FILE, "foo-1.0.0/a", CARGO_PATH_FILE,
      CONTAINS "`foo-1.0.0` both as a file and as a directory" }
};


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_single),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_component_length),
        cmocka_unit_test(test_reason_kept),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_nul),
        cmocka_unit_test(test_has),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_max),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_siphash)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}


static void
test_single(void **state)
{
    size_t          i;
    cargo_rc_t      rc;
    cargo_arena_t  *arena;
    cargo_error_t   error;
    cargo_paths_t  *paths;

    (void) state;

    for (i = 0; i < unit_count(single_cases); i++) {
        arena = cargo_arena_create(NULL);
        paths = cargo_paths_create(arena, unit_str("foo-1.0.0"), PATHS_MAX);
        assert_non_null(paths);

        rc = add(paths, single_cases[i].path, CARGO_PATH_FILE, &error);
        check(rc, &error, single_cases[i].detail);

        cargo_arena_destroy(arena);
    }
}


static void
test_pairs(void **state)
{
    size_t              i;
    cargo_rc_t          rc;
    cargo_arena_t      *arena;
    cargo_error_t       error;
    cargo_paths_t      *paths;
    const pair_case_t  *pair;

    (void) state;

    for (i = 0; i < unit_count(pair_cases); i++) {
        pair = &pair_cases[i];

        arena = cargo_arena_create(NULL);
        paths = cargo_paths_create(arena, unit_str("foo-1.0.0"), PATHS_MAX);
        assert_non_null(paths);

        rc = add(paths, pair->first, pair->first_kind, &error);
        check(rc, &error, NULL);

        rc = add(paths, pair->second, pair->second_kind, &error);
        check(rc, &error, pair->detail);

        cargo_arena_destroy(arena);
    }
}


static void
test_component_length(void **state)
{
    char            path[10 + 256 + 1];
    cargo_rc_t      rc;
    cargo_arena_t  *arena;
    cargo_error_t   error;
    cargo_paths_t  *paths;

    (void) state;

    arena = cargo_arena_create(NULL);
    paths = cargo_paths_create(arena, unit_str("foo-1.0.0"), PATHS_MAX);
    assert_non_null(paths);

    memset(path, 'a', sizeof(path));
    memcpy(path, "foo-1.0.0/", 10);

    path[10 + 255] = '\0';
    rc = add(paths, path, CARGO_PATH_FILE, &error);
    check(rc, &error, NULL);
    assert_int_equal(cargo_paths_has(paths, unit_str(path + 10)), 1);

    path[10 + 255] = 'a';
    path[10 + 256] = '\0';
    rc = add(paths, path, CARGO_PATH_FILE, &error);
    assert_int_equal(rc, CARGO_REFUSED);
    assert_non_null(strstr(error.detail,
                           ": it has a component of more than 255 bytes"));
    assert_int_equal(cargo_paths_has(paths, unit_str(path + 10)), 0);

    cargo_arena_destroy(arena);
}


/* however long the path is */

static void
test_reason_kept(void **state)
{
    char            path[10 + 5 * 200 + 1];
    size_t          i;
    cargo_arena_t  *arena;
    cargo_error_t   error;
    cargo_paths_t  *paths;

    (void) state;

    arena = cargo_arena_create(NULL);
    paths = cargo_paths_create(arena, unit_str("foo-1.0.0"), PATHS_MAX);
    assert_non_null(paths);

    memset(path, 'a', sizeof(path));
    memcpy(path, "foo-1.0.0", 9);

    for (i = 9; i < sizeof(path) - 1; i += 200) {
        path[i] = '/';
    }

    path[sizeof(path) - 2] = '.';
    path[sizeof(path) - 1] = '\0';

    assert_int_equal(add(paths, path, CARGO_PATH_FILE, &error),
                     CARGO_REFUSED);
    assert_non_null(strstr(error.detail, ENDING));

    cargo_arena_destroy(arena);
}


static void
test_depth(void **state)
{
    char            path[256] = "foo-1.0.0";
    size_t          depth;
    cargo_rc_t      rc;
    cargo_arena_t  *arena;
    cargo_error_t   error;
    cargo_paths_t  *paths;

    (void) state;

    arena = cargo_arena_create(NULL);
    paths = cargo_paths_create(arena, unit_str("foo-1.0.0"), PATHS_MAX);
    assert_non_null(paths);

    for (depth = 0; depth < CARGO_PATH_DEPTH_MAX; depth++) {
        strcat(path, "/d");
    }

    rc = add(paths, path, CARGO_PATH_DIRECTORY, &error);
    check(rc, &error, NULL);

    strcat(path, "/f");

    rc = add(paths, path, CARGO_PATH_FILE, &error);
    assert_int_equal(rc, CARGO_REFUSED);
    assert_non_null(strstr(error.detail,
                           ": it has more than 64 components below the root"));

    cargo_arena_destroy(arena);
}


static void
test_nul(void **state)
{
    cargo_rc_t      rc;
    cargo_str_t     path;
    cargo_arena_t  *arena;
    cargo_error_t   error;
    cargo_paths_t  *paths;

    (void) state;

    arena = cargo_arena_create(NULL);
    paths = cargo_paths_create(arena, unit_str("foo-1.0.0"), PATHS_MAX);
    assert_non_null(paths);

    path = unit_exact("foo-1.0.0/a\0b", 13);
    rc = cargo_paths_add(paths, path, CARGO_PATH_FILE, &error);
    unit_free(path);

    assert_int_equal(rc, CARGO_REFUSED);

    cargo_arena_destroy(arena);
}


static void
test_has(void **state)
{
    size_t          i;
    cargo_rc_t      rc;
    cargo_arena_t  *arena;
    cargo_error_t   error;
    cargo_paths_t  *paths;

    static const char  *absent[] = {
        "", "/", "README.MD", "readme.md", "docs", "docs/", "doc", "docs/a/",
        "docs/A", "./README.md", "foo-1.0.0/README.md", "empty", "a", "/docs/a"
    };

    (void) state;

    arena = cargo_arena_create(NULL);
    paths = cargo_paths_create(arena, unit_str("foo-1.0.0"), PATHS_MAX);
    assert_non_null(paths);

    assert_int_equal(cargo_paths_has(paths, unit_str("README.md")), 0);

    rc = add(paths, "foo-1.0.0/README.md", CARGO_PATH_FILE, &error);
    check(rc, &error, NULL);
    rc = add(paths, "foo-1.0.0/docs/a", CARGO_PATH_FILE, &error);
    check(rc, &error, NULL);
    rc = add(paths, "foo-1.0.0/empty", CARGO_PATH_DIRECTORY, &error);
    check(rc, &error, NULL);

    assert_int_equal(cargo_paths_has(paths, unit_str("README.md")), 1);
    assert_int_equal(cargo_paths_has(paths, unit_str("docs/a")), 1);

    for (i = 0; i < unit_count(absent); i++) {
        assert_int_equal(cargo_paths_has(paths, unit_str(absent[i])), 0);
    }

    cargo_arena_destroy(arena);
}


/* the table grows many times over and loses nothing */

static void
test_many(void **state)
{
    char            path[64];
    unsigned        i;
    cargo_rc_t      rc;
    cargo_arena_t  *arena;
    cargo_error_t   error;
    cargo_paths_t  *paths;

    (void) state;

    arena = cargo_arena_create(NULL);
    paths = cargo_paths_create(arena, unit_str("foo-1.0.0"), 100000);
    assert_non_null(paths);

    for (i = 0; i < 20000; i++) {
        (void) snprintf(path, sizeof(path), "foo-1.0.0/%u/%u", i % 100, i);
        rc = add(paths, path, CARGO_PATH_FILE, &error);
        check(rc, &error, NULL);
    }

    for (i = 0; i < 20000; i++) {
        (void) snprintf(path, sizeof(path), "foo-1.0.0/%u/%u", i % 100, i);
        assert_int_equal(cargo_paths_has(paths, unit_str(path + 10)), 1);

        rc = add(paths, path, CARGO_PATH_FILE, &error);
        assert_int_equal(rc, CARGO_REFUSED);
    }

    assert_int_equal(cargo_paths_has(paths, unit_str("0/1")), 0);

    cargo_arena_destroy(arena);
}


/* directories count even without entries of their own, the root does not */

static void
test_max(void **state)
{
    cargo_rc_t      rc;
    cargo_arena_t  *arena;
    cargo_error_t   error;
    cargo_paths_t  *paths;

    (void) state;

    arena = cargo_arena_create(NULL);
    paths = cargo_paths_create(arena, unit_str("foo-1.0.0"), 3);
    assert_non_null(paths);

    rc = add(paths, "foo-1.0.0/a/b/c", CARGO_PATH_FILE, &error);
    check(rc, &error, NULL);
    rc = add(paths, "foo-1.0.0/a/b", CARGO_PATH_DIRECTORY, &error);
    check(rc, &error, NULL);
    rc = add(paths, "foo-1.0.0/d", CARGO_PATH_FILE, &error);
    check(rc, &error, CONTAINS "more than 3 files and directories");

    cargo_arena_destroy(arena);
}


static void
test_out_of_memory(void **state)
{
    (void) state;

    unit_each_failure(out_of_memory, NULL);
}


/* OpenSSL's as the judge, for every length up to some words */

static void
test_siphash(void **state)
{
    size_t         i, len, size, written;
    uint64_t       hash;
    OSSL_PARAM     params[2];
    unsigned char  key[CARGO_SIPHASH_KEY], text[64], mac[8];

    (void) state;

    for (i = 0; i < sizeof(text); i++) {
        text[i] = (unsigned char) (i * 7 + 200);
    }

    for (i = 0; i < sizeof(key); i++) {
        key[i] = (unsigned char) (i * 31);
    }

    size = sizeof(mac);
    params[0] = OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size);
    params[1] = OSSL_PARAM_construct_end();

    for (len = 0; len < sizeof(text); len++) {
        assert_non_null(EVP_Q_mac(NULL, "SIPHASH", NULL, NULL, params, key,
                                  sizeof(key), text, len, mac, sizeof(mac),
                                  &written));

        for (hash = 0, i = sizeof(mac); i-- > 0; /* void */ ) {
            hash = hash << 8 | mac[i];
        }

        assert_true(cargo_siphash(key, text, len) == hash);
    }
}


static void
check(cargo_rc_t rc, const cargo_error_t *error, const char *detail)
{
    if (detail) {
        assert_int_equal(rc, CARGO_REFUSED);
        unit_assert_error(error, 400, detail);
        return;
    }

    if (rc != CARGO_OK) {
        fail_msg("refused: %s", rc == CARGO_REFUSED ? error->detail : "");
    }
}


static cargo_rc_t
add(cargo_paths_t *paths, const char *path, cargo_path_kind_t kind,
    cargo_error_t *error)
{
    cargo_rc_t   rc;
    cargo_str_t  exact;

    exact = unit_exact(path, strlen(path));
    rc = cargo_paths_add(paths, exact, kind, error);
    unit_free(exact);

    return rc;
}


static cargo_rc_t
out_of_memory(cargo_arena_t *arena, void *data)
{
    char            path[32];
    unsigned        i;
    cargo_rc_t      rc;
    cargo_error_t   error;
    cargo_paths_t  *paths;

    (void) data;

    paths = cargo_paths_create(arena, unit_str("foo-1.0.0"), PATHS_MAX);
    if (paths == NULL) {
        return CARGO_NO_MEMORY;
    }

    for (i = 0; i < 500; i++) {
        (void) snprintf(path, sizeof(path), "foo-1.0.0/%u", i);

        rc = add(paths, path, CARGO_PATH_FILE, &error);
        if (rc != CARGO_OK) {
            return rc;
        }
    }

    return CARGO_OK;
}
