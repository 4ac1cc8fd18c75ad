
#include "unit.h"

#include <string.h>

#include "cargo_tar_header.h"
#include "tarball.h"


#define NUMBER  "it has a header with a size that is not a number"
#define NUL     "it has a NUL inside of a name"
#define MAGIC   "it has a header that is neither ustar nor GNU tar"


typedef struct {
    size_t          at;
    const char     *bytes;
    size_t          len;
    const char     *reason;     /* NULL: it says the same as before */
} patch_case_t;


static void test_patched(void **state);
static void test_sizes(void **state);
static void test_checksum(void **state);
static void test_prefix(void **state);


/* changes to the header of a file with four bytes; the checksum is put right */
static const patch_case_t  patch_cases[] = {
    { 124, "00000000004 ", 12, NULL },
    { 124, "          4\0", 12, NULL },
    { 124, "000000000004", 12, NULL },
    { 124, "4\0\0\0\0\0\0\0\0\0\0\0", 12, NULL },
    { 124, "\x80\0\0\0\0\0\0\0\0\0\0\4", 12, NULL },
    { 124, "\0\0\0\0\0\0\0\0\0\0\0\0", 12, NUMBER },
    { 124, "            ", 12, NUMBER },
    { 124, "00000000008\0", 12, NUMBER },
    { 124, "4\0" "1234567890", 12, NUMBER },
    { 124, "-0000000004\0", 12, NUMBER },
    { 124, "0x000000004\0", 12, NUMBER },
    { 124, "\x81\0\0\0\0\0\0\0\0\0\0\4", 12, NUMBER },
    { 124, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12, NUMBER },
    { 124, "\x80\0\0\1\0\0\0\0\0\0\0\4", 12, NUMBER },
    { 124, "\x80\0\0\0\x80\0\0\0\0\0\0\4", 12, NUMBER },
    { 156, "\0", 1, NULL },
    { 20, "x", 1, NUL },
    { 257, "ustar\0" "00x", 9, NULL },
    { 257, "ustar\0" "01", 8, MAGIC },
    { 257, "ustar  x", 8, MAGIC },
    { 257, "\0\0\0\0\0\0\0\0", 8, MAGIC },
    { 257, "USTAR\0" "00", 8, MAGIC }
};


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_patched),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_checksum),
        cmocka_unit_test(test_prefix)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}


static void
test_patched(void **state)
{
    size_t               i;
    tarball_t            tar;
    const char          *reason;
    cargo_tar_header_t   header;
    const patch_case_t  *patch;

    (void) state;

    for (i = 0; i < unit_count(patch_cases); i++) {
        patch = &patch_cases[i];

        memset(&tar, 0, sizeof(tarball_t));
        (void) tarball_header(&tar, '0', "n-1/a", 4);
        memcpy(tar.data + patch->at, patch->bytes, patch->len);
        tarball_checksum(tar.data);

        reason = cargo_tar_header_read(&header, tar.data);
        tarball_free(&tar);

        if (patch->reason) {
            assert_non_null(reason);
            assert_string_equal(reason, patch->reason);
            continue;
        }

        assert_null(reason);
        assert_int_equal(header.type, CARGO_TAR_FILE);
        assert_int_equal(header.size, 4);
        unit_assert_str(header.path, "n-1/a");
    }
}


static void
test_sizes(void **state)
{
    tarball_t           tar;
    cargo_tar_header_t  header;

    (void) state;

    memset(&tar, 0, sizeof(tarball_t));
    (void) tarball_header(&tar, '0', "n-1/a", 4);

    memcpy(tar.data + 124, "777777777777", 12);
    tarball_checksum(tar.data);
    assert_null(cargo_tar_header_read(&header, tar.data));
    assert_true(header.size == UINT64_C(0777777777777));

    memcpy(tar.data + 124, "\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 12);
    tarball_checksum(tar.data);
    assert_null(cargo_tar_header_read(&header, tar.data));
    assert_true(header.size == INT64_MAX);

    tarball_free(&tar);
}


/* a change of any one byte is noticed */

static void
test_checksum(void **state)
{
    size_t              i;
    tarball_t           tar;
    cargo_tar_header_t  header;

    (void) state;

    memset(&tar, 0, sizeof(tarball_t));
    (void) tarball_header(&tar, '0', "n-1/a", 4);

    for (i = 0; i < TARBALL_BLOCK; i++) {
        tar.data[i] ^= 0x04;
        assert_non_null(cargo_tar_header_read(&header, tar.data));
        tar.data[i] ^= 0x04;
    }

    assert_null(cargo_tar_header_read(&header, tar.data));

    tarball_free(&tar);
}


/* ustar has the beginning of the name where GNU tar has other things */

static void
test_prefix(void **state)
{
    tarball_t           tar;
    cargo_tar_header_t  header;

    (void) state;

    memset(&tar, 0, sizeof(tarball_t));
    (void) tarball_header(&tar, '0', "src/lib.rs", 0);
    memcpy(tar.data + 345, "n-1/deep", 8);
    tarball_checksum(tar.data);

    assert_null(cargo_tar_header_read(&header, tar.data));
    unit_assert_str(header.path, "src/lib.rs");

    memcpy(tar.data + 257, "ustar\0" "00", 8);
    tarball_checksum(tar.data);

    assert_null(cargo_tar_header_read(&header, tar.data));
    unit_assert_str(header.path, "n-1/deep/src/lib.rs");

    memset(tar.data, 'b', 100);
    memset(tar.data + 345, 'a', 155);
    tarball_checksum(tar.data);

    assert_null(cargo_tar_header_read(&header, tar.data));
    assert_int_equal(header.path.len, 256);
    assert_int_equal(header.path.data[154], 'a');
    assert_int_equal(header.path.data[155], '/');
    assert_int_equal(header.path.data[255], 'b');

    memcpy(tar.data + 345, "n-1\0x", 5);
    tarball_checksum(tar.data);

    assert_string_equal(cargo_tar_header_read(&header, tar.data), NUL);

    tarball_free(&tar);
}
