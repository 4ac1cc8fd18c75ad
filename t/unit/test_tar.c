
#include "unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cargo_tar.h"
#include "tarball.h"


#define SIZE_LIMIT  (64 * 1024)

#define NAME_100                                                              \
    "n-1/a123456789b123456789c123456789d123456789e123456789f123456789"        \
    "g123456789h123456789i123456789j12345"

#define LINK        "././@LongLink"

#define AT(offset)  " (tar header at byte " #offset ")"

/* steps: entries, and what is no entry */
#define REGULAR(path, text)     { '0', path, text, sizeof(text) - 1 }
#define DIRECTORY(path)         { '5', path, "", 0 }
#define LONG_NAME(path)         { 'L', LINK, path, sizeof(path) }
#define PAX(key, value)         { 'P', key, value, 0 }
#define RAW(text)               { 'R', NULL, text, sizeof(text) - 1 }
#define ZEROS(bytes)            { 'Z', NULL, NULL, bytes }


/* everything that the reader said, as one text */
typedef struct {
    size_t          len;
    char            text[8192];
} record_t;

typedef struct {
    char            type;       /* 0: no step */
    const char     *path;
    const char     *data;
    size_t          len;
} step_t;

typedef struct {
    step_t          steps[9];
    const char     *detail;     /* NULL: accepted */
    const char     *record;     /* then: this is what was in it */
} tar_case_t;


static void test_cases(void **state);
static void test_types(void **state);
static void test_path_length(void **state);
static void test_truncated(void **state);
static void test_size_max(void **state);
static void test_handler_fails(void **state);
static void test_out_of_memory(void **state);
static void write_step(tarball_t *tar, const step_t *step);
static void check(const tarball_t *tar, const char *detail,
    const char *record);
static void check_malformed(const tarball_t *tar, const char *reason);
static cargo_rc_t run(cargo_arena_t *arena, const tarball_t *tar,
    size_t piece, uint64_t size_max, record_t *record, cargo_error_t *error);
static cargo_rc_t take_entry(void *data, const cargo_tar_entry_t *entry,
    cargo_error_t *error);
static cargo_rc_t take_content(void *data, const unsigned char *p, size_t n,
    cargo_error_t *error);
static cargo_rc_t refuse_entry(void *data, const cargo_tar_entry_t *entry,
    cargo_error_t *error);
static cargo_rc_t out_of_memory(cargo_arena_t *arena, void *data);


static const tar_case_t  cases[] = {
    { { REGULAR("n-1/a", "text"), DIRECTORY("n-1/dir/"), DIRECTORY("n-1/d2"),
        REGULAR("n-1/empty", ""), ZEROS(1024) }, NULL,
      "f n-1/a 4:text\nd n-1/dir 0:\nd n-1/d2 0:\nf n-1/empty 0:\n" },
    { { { '\0', NULL, NULL, 0 } }, NULL, "" },
    { { ZEROS(10240) }, NULL, "" },
    { { REGULAR("n-1/a", "text") }, NULL, "f n-1/a 4:text\n" },
    { { REGULAR("n-1/a", "text"), ZEROS(512) }, NULL, "f n-1/a 4:text\n" },
    { { REGULAR(NAME_100, "") }, NULL, "f " NAME_100 " 0:\n" },

    { { LONG_NAME("n-1/long"), REGULAR("n-1/lo", "text"),
        REGULAR("n-1/b", "text"), LONG_NAME("n-1/dir/"),
        DIRECTORY("n-1/di") }, NULL,
      "f n-1/long 4:text\nf n-1/b 4:text\nd n-1/dir 0:\n" },
    { { { 'L', LINK, "n-1/no-nul", 10 }, REGULAR("n-1/lo", "") }, NULL,
      "f n-1/no-nul 0:\n" },
    { { PAX("path", "n-1/from-pax"), REGULAR("n-1/header", "text"),
        REGULAR("n-1/b", "text"), PAX("size", "4"), REGULAR("n-1/c", "text"),
        PAX("mtime", "1700000000.123456789"), REGULAR("n-1/d", "text"),
        PAX("path", "n-1/dir/"), DIRECTORY("n-1/di") }, NULL,
      "f n-1/from-pax 4:text\nf n-1/b 4:text\nf n-1/c 4:text\n"
      "f n-1/d 4:text\nd n-1/dir 0:\n" },
    { { LONG_NAME("n-1/long"), PAX("size", "4"), REGULAR("n-1/lo", "text") },
      NULL, "f n-1/long 4:text\n" },
    { { PAX("size", "4"), REGULAR("n-1/a", "text"), REGULAR("n-1/b", "") },
      NULL, "f n-1/a 4:text\nf n-1/b 0:\n" },

    { { REGULAR("n-1/a", "text"), ZEROS(1023) },
      "it ends in the middle of an entry" AT(0), NULL },
    { { REGULAR("n-1/a", "text"), ZEROS(1024), REGULAR("n-1/b", "text") },
      "it has data after the end of the tar" AT(2048), NULL },
    { { REGULAR("n-1/a", "text"), ZEROS(512), REGULAR("n-1/b", "text") },
      "it has data after the end of the tar" AT(1536), NULL },
    { { ZEROS(1024), RAW("garbage"), ZEROS(505) },
      "it has data after the end of the tar" AT(1024), NULL },
    { { RAW("garbage"), ZEROS(505) },
      "it has a header that is neither ustar nor GNU tar" AT(0), NULL },
    { { LONG_NAME("n-1/a"), LONG_NAME("n-1/b"), REGULAR("n-1/c", "") },
      "it has two extension headers of one kind for one entry" AT(1024),
      NULL },
    { { PAX("path", "n-1/a"), PAX("size", "4"), REGULAR("n-1/c", "") },
      "it has two extension headers of one kind for one entry" AT(1024),
      NULL },
    { { LONG_NAME("n-1/a") }, "it ends in the middle of an entry" AT(0),
      NULL },
    { { LONG_NAME("n-1/a"), ZEROS(1024) },
      "it ends in the middle of an entry" AT(0), NULL },
    { { { 'L', LINK, "", 0 }, REGULAR("n-1/c", "") },
      "it has an extension header that is empty or larger than 8192 bytes"
      AT(0), NULL },
    { { PAX("size", "512"), REGULAR("n-1/a", "text") },
      "it has a pax header with another size than the header that follows"
      AT(1024), NULL },
    { { LONG_NAME("n-1/long"), PAX("path", "n-1/b"), REGULAR("n-1/lo", "") },
      "it has both a GNU long name and a pax path for one entry" AT(1024),
      NULL },
    { { PAX("path", "n-1/b"), LONG_NAME("n-1/long"), REGULAR("n-1/lo", "") },
      "it has both a GNU long name and a pax path for one entry" AT(1024),
      NULL },
    { { { '5', "n-1/dir", "text", 4 } },
      "it has a directory with contents of its own" AT(0), NULL },
    { { PAX("GNU.sparse.major", "1"), REGULAR("n-1/a", "text") },
      "it has a sparse file, which cargo does not unpack; build it without "
      "--sparse" AT(0), NULL }
};


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_path_length),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_size_max),
        cmocka_unit_test(test_handler_fails),
        cmocka_unit_test(test_out_of_memory)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}


static void
test_cases(void **state)
{
    size_t         i;
    tarball_t      tar;
    const step_t  *step;

    (void) state;

    for (i = 0; i < unit_count(cases); i++) {
        memset(&tar, 0, sizeof(tarball_t));

        for (step = cases[i].steps; step->type; step++) {
            if (step == cases[i].steps + unit_count(cases[i].steps)) {
                break;
            }

            write_step(&tar, step);
        }

        if (cases[i].detail) {
            check_malformed(&tar, cases[i].detail);

        } else {
            check(&tar, NULL, cases[i].record);
        }

        tarball_free(&tar);
    }
}


static void
test_types(void **state)
{
    char       detail[128];
    size_t     i;
    tarball_t  tar;

    static const struct {
        char         type;
        const char  *name;
    } types[] = {
        { '1', "Link" }, { '2', "Symlink" }, { '3', "Char" },
        { '4', "Block" }, { '6', "Fifo" }, { '7', "Continuous" },
        { 'K', "GNULongLink" }, { 'S', "GNUSparse" },
        { 'g', "XGlobalHeader" }, { 'X', "Other(88)" }, { 'V', "Other(86)" },
        { '8', "Other(56)" }
    };

    (void) state;

    for (i = 0; i < unit_count(types); i++) {
        memset(&tar, 0, sizeof(tarball_t));
        tarball_entry(&tar, 'L', LINK, "n-1/the-name", 13);
        tarball_entry(&tar, types[i].type, "n-1/a", NULL, 0);

        (void) snprintf(detail, sizeof(detail), "unexpected tar entry type %s "
                        "found: n-1/the-name", types[i].name);
        check(&tar, detail, NULL);

        tarball_free(&tar);
    }
}


static void
test_path_length(void **state)
{
    char       path[8193], record[CARGO_TAR_PATH_MAX + 16];
    tarball_t  tar;

    (void) state;

    memset(&tar, 0, sizeof(tarball_t));
    memset(path, 'a', sizeof(path));

    tarball_entry(&tar, 'L', LINK, path, CARGO_TAR_PATH_MAX);
    tarball_file(&tar, "a", "");

    (void) snprintf(record, sizeof(record), "f %.*s 0:\n", CARGO_TAR_PATH_MAX,
                    path);
    check(&tar, NULL, record);

    tar.len = 0;
    tarball_entry(&tar, 'L', LINK, path, CARGO_TAR_PATH_MAX + 1);
    tarball_file(&tar, "a", "");
    check_malformed(&tar, "it has a path of more than 1024 bytes" AT(0));

    tar.len = 0;
    tarball_entry(&tar, 'L', LINK, path, sizeof(path));
    check_malformed(&tar, "it has an extension header that is empty or larger "
                    "than 8192 bytes" AT(0));

    tarball_free(&tar);
}


/* cut anywhere but between entries, a tar is refused */

static void
test_truncated(void **state)
{
    size_t          full, len;
    record_t        record;
    tarball_t       tar;
    cargo_rc_t      rc;
    cargo_arena_t  *arena;
    cargo_error_t   error;

    (void) state;

    memset(&tar, 0, sizeof(tarball_t));
    tarball_entry(&tar, 'L', LINK, "n-1/a", 6);
    tarball_file(&tar, "n-1/a", "text");
    tarball_file(&tar, "n-1/b", "text");
    tarball_end(&tar);

    full = tar.len;

    for (len = 1; len < full; len++) {
        tar.len = len;

        arena = cargo_arena_create(NULL);
        rc = run(arena, &tar, SIZE_MAX, SIZE_LIMIT, &record, &error);
        cargo_arena_destroy(arena);

        assert_int_equal(rc, (len == 2048 || len == 3072 || len == 3584)
                             ? CARGO_OK : CARGO_REFUSED);
    }

    tarball_free(&tar);
}


static void
test_size_max(void **state)
{
    record_t        record;
    tarball_t       tar;
    cargo_arena_t  *arena;
    cargo_error_t   error;

    (void) state;

    memset(&tar, 0, sizeof(tarball_t));
    tarball_file(&tar, "n-1/a", "text");
    tarball_end(&tar);

    arena = cargo_arena_create(NULL);

    assert_int_equal(run(arena, &tar, SIZE_MAX, tar.len, &record, &error),
                     CARGO_OK);

    assert_int_equal(run(arena, &tar, SIZE_MAX, tar.len - 1, &record, &error),
                     CARGO_REFUSED);
    unit_assert_error(&error, 400, CARGO_TAR_MALFORMED "it unpacks to more "
                      "than 2047 bytes");
    assert_string_equal(record.text, "f n-1/a 4:text\n");

    /* a size that cannot fit is refused before its content comes */

    assert_int_equal(run(arena, &tar, SIZE_MAX, 515, &record, &error),
                     CARGO_REFUSED);
    unit_assert_error(&error, 400, CARGO_TAR_MALFORMED "it unpacks to more "
                      "than 515 bytes");
    assert_string_equal(record.text, "");

    cargo_arena_destroy(arena);
    tarball_free(&tar);
}


static void
test_handler_fails(void **state)
{
    tarball_t             tar;
    cargo_tar_t          *reader;
    cargo_arena_t        *arena;
    cargo_error_t         error;
    cargo_tar_handler_t   handler = { refuse_entry, take_content, NULL };

    (void) state;

    memset(&tar, 0, sizeof(tarball_t));
    tarball_file(&tar, "n-1/a", "text");

    arena = cargo_arena_create(NULL);
    reader = cargo_tar_create(arena, SIZE_LIMIT, &handler);
    assert_non_null(reader);

    assert_int_equal(cargo_tar_feed(reader, tar.data, tar.len, &error),
                     CARGO_REFUSED);
    unit_assert_error(&error, 422, "not this one");

    cargo_arena_destroy(arena);
    tarball_free(&tar);
}


static void
test_out_of_memory(void **state)
{
    (void) state;

    unit_each_failure(out_of_memory, NULL);
}


static void
write_step(tarball_t *tar, const step_t *step)
{
    size_t  i;

    switch (step->type) {

    case 'P':
        tarball_pax(tar, step->path, step->data);
        break;

    case 'R':
        tarball_append(tar, step->data, step->len);
        break;

    case 'Z':
        for (i = 0; i < step->len; i++) {
            tarball_append(tar, "", 1);
        }

        break;

    default:
        tarball_entry(tar, step->type, step->path, step->data, step->len);
        break;
    }
}


/* whole, byte by byte and in random pieces: always the same */

static void
check(const tarball_t *tar, const char *detail, const char *record)
{
    size_t          round, piece;
    record_t        got;
    cargo_rc_t      rc;
    cargo_arena_t  *arena;
    cargo_error_t   error;

    for (round = 0; round < 20; round++) {
        piece = (round == 0) ? SIZE_MAX : (round == 1);

        arena = cargo_arena_create(NULL);
        rc = run(arena, tar, piece, SIZE_LIMIT, &got, &error);
        cargo_arena_destroy(arena);

        if (detail) {
            assert_int_equal(rc, CARGO_REFUSED);
            unit_assert_error(&error, 400, detail);
            continue;
        }

        if (rc == CARGO_REFUSED) {
            fail_msg("refused: %s", error.detail);
        }

        assert_int_equal(rc, CARGO_OK);
        assert_string_equal(got.text, record);
    }
}


static void
check_malformed(const tarball_t *tar, const char *reason)
{
    char  detail[512];

    (void) snprintf(detail, sizeof(detail), CARGO_TAR_MALFORMED "%s", reason);

    check(tar, detail, NULL);
}


/* pieces of the given size, or of random sizes when it is 0 */

static cargo_rc_t
run(cargo_arena_t *arena, const tarball_t *tar, size_t piece,
    uint64_t size_max, record_t *record, cargo_error_t *error)
{
    size_t                i, n;
    cargo_rc_t            rc;
    cargo_str_t           exact;
    cargo_tar_t          *reader;
    cargo_tar_handler_t   handler = { take_entry, take_content, record };

    memset(record, 0, sizeof(record_t));

    reader = cargo_tar_create(arena, size_max, &handler);
    if (reader == NULL) {
        return CARGO_NO_MEMORY;
    }

    for (i = 0; i < tar->len; i += n) {
        n = piece ? piece : (size_t) rand() % 700;
        n = (n < tar->len - i) ? n : tar->len - i;

        exact = unit_exact(tar->data + i, n);
        rc = cargo_tar_feed(reader, exact.data, exact.len, error);
        unit_free(exact);

        if (rc != CARGO_OK) {
            return rc;
        }
    }

    return cargo_tar_end(reader, error);
}


static cargo_rc_t
take_entry(void *data, const cargo_tar_entry_t *entry, cargo_error_t *error)
{
    record_t  *record;

    (void) error;

    record = data;

    record->len += (size_t) snprintf(record->text + record->len,
                                     sizeof(record->text) - record->len,
                                     "%c " CARGO_STR_FMT " %" PRIu64 ":",
                                     entry->directory ? 'd' : 'f',
                                     cargo_str_arg(entry->path), entry->size);

    if (entry->size == 0) {
        record->text[record->len++] = '\n';
    }

    return CARGO_OK;
}


/* files here hold "text" or nothing: the last byte ends the line */

static cargo_rc_t
take_content(void *data, const unsigned char *p, size_t n,
    cargo_error_t *error)
{
    record_t  *record;

    (void) error;

    record = data;

    memcpy(record->text + record->len, p, n);
    record->len += n;

    if (record->len >= 5 && memcmp(record->text + record->len - 5, ":text", 5)
                            == 0)
    {
        record->text[record->len++] = '\n';
    }

    return CARGO_OK;
}


static cargo_rc_t
refuse_entry(void *data, const cargo_tar_entry_t *entry, cargo_error_t *error)
{
    (void) data;
    (void) entry;

    return cargo_refuse(error, 422, "not this one");
}


static cargo_rc_t
out_of_memory(cargo_arena_t *arena, void *data)
{
    record_t       record;
    tarball_t      tar;
    cargo_rc_t     rc;
    cargo_error_t  error;

    (void) data;

    memset(&tar, 0, sizeof(tarball_t));
    tarball_file(&tar, "n-1/a", "text");

    rc = run(arena, &tar, SIZE_MAX, SIZE_LIMIT, &record, &error);

    tarball_free(&tar);

    return rc;
}
