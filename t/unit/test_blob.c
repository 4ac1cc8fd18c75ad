
/* for mkdtemp() */
#define _DEFAULT_SOURCE

#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cargo_blob.h"


/* of "foo" */
#define CKSUM                                                                 \
    "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"


static void test_name(void **state);
static void test_keep(void **state);
static void test_drop(void **state);
static void test_nowhere(void **state);
static void test_failures(void **state);
static cargo_str_t make_store(int tmp);
static void remove_store(cargo_str_t store);
static int exists(cargo_str_t store, const char *name);


static void
test_name(void **state)
{
    unsigned char  name[CARGO_BLOB_NAME_LEN + 1];

    (void) state;

    *cargo_blob_name(name, CKSUM) = '\0';
    assert_string_equal((char *) name, "/2c/26/" CKSUM ".crate");
}


static void
test_keep(void **state)
{
    int             round;
    char            checksum[CARGO_BLOB_HEX + 1];
    cargo_str_t     store;
    cargo_blob_t    blob;
    cargo_arena_t  *arena;

    (void) state;

    store = make_store(1);
    arena = cargo_arena_create(NULL);

    /* the second replaces the first */

    for (round = 0; round < 2; round++) {
        assert_int_equal(cargo_blob_open(&blob, arena, store), 0);
        assert_int_equal(cargo_blob_write(&blob, (unsigned char *) "fo", 2),
                         0);
        assert_int_equal(cargo_blob_write(&blob, (unsigned char *) "o", 1), 0);
        assert_int_equal(cargo_blob_checksum(&blob, checksum), 0);
        assert_string_equal(checksum, CKSUM);
        assert_int_equal(blob.size, 3);
        assert_int_equal(cargo_blob_keep(&blob, arena, store, checksum), 0);
        assert_int_equal(blob.fd, -1);
        assert_int_equal(exists(store, "/2c/26/" CKSUM ".crate"), 1);
    }

    cargo_arena_destroy(arena);
    remove_store(store);
}


static void
test_drop(void **state)
{
    cargo_str_t     store;
    cargo_blob_t    blob;
    cargo_arena_t  *arena;

    (void) state;

    store = make_store(1);
    arena = cargo_arena_create(NULL);

    assert_int_equal(cargo_blob_open(&blob, arena, store), 0);
    assert_int_equal(access(blob.path, F_OK), 0);
    cargo_blob_drop(&blob);
    assert_int_equal(access(blob.path, F_OK), -1);

    /* once more does no harm */
    cargo_blob_drop(&blob);

    cargo_arena_destroy(arena);
    remove_store(store);
}


static void
test_nowhere(void **state)
{
    char            checksum[CARGO_BLOB_HEX + 1];
    cargo_blob_t    blob;
    cargo_str_t     nowhere = { 0, NULL };

    (void) state;

    assert_int_equal(cargo_blob_open(&blob, NULL, nowhere), 0);
    assert_int_equal(cargo_blob_write(&blob, (unsigned char *) "foo", 3), 0);
    assert_int_equal(cargo_blob_checksum(&blob, checksum), 0);
    assert_string_equal(checksum, CKSUM);
    cargo_blob_drop(&blob);
}


static void
test_failures(void **state)
{
    cargo_str_t     store;
    cargo_blob_t    blob;
    cargo_arena_t  *arena;

    (void) state;

    store = make_store(0);
    arena = cargo_arena_create(NULL);

    assert_int_equal(cargo_blob_open(&blob, arena, store), -1);
    assert_int_equal(blob.err, ENOENT);
    assert_string_equal(blob.failed, "creating a file in tmp/");
    cargo_blob_drop(&blob);

    cargo_arena_destroy(arena);
    remove_store(store);
}


static cargo_str_t
make_store(int tmp)
{
    char  *path, *command;

    path = strdup("/tmp/test-blob-XXXXXX");
    assert_non_null(mkdtemp(path));

    if (tmp) {
        command = malloc(strlen(path) + sizeof("/tmp"));
        strcpy(command, path);
        strcat(command, "/tmp");
        assert_int_equal(mkdir(command, 0755), 0);
        free(command);
    }

    return unit_str(path);
}


static void
remove_store(cargo_str_t store)
{
    size_t  i;
    char    path[256];

    static const char *const  names[] = {
        "/2c/26/" CKSUM ".crate", "/2c/26", "/2c", "/tmp", ""
    };

    for (i = 0; i < unit_count(names); i++) {
        strcpy(path, (char *) store.data);
        strcat(path, names[i]);
        (void) remove(path);
    }

    /* nothing else was left in it */
    assert_int_equal(access((char *) store.data, F_OK), -1);

    free(store.data);
}


static int
exists(cargo_str_t store, const char *name)
{
    char  path[256];

    strcpy(path, (char *) store.data);
    strcat(path, name);

    return access(path, F_OK) == 0;
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_name),
        cmocka_unit_test(test_keep),
        cmocka_unit_test(test_drop),
        cmocka_unit_test(test_nowhere),
        cmocka_unit_test(test_failures)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
