
#include "unit.h"

#include <string.h>

#include "cargo_pax.h"


#define BAD_RECORD  "it has a pax header with a malformed record"
#define BAD_PATH    "it has a pax header with an empty path or with two"
#define BAD_SIZE                                                              \
    "it has a pax header with two sizes or with one that is not a number"
#define SPARSE                                                                \
    "it has a sparse file, which cargo does not unpack; build it without "    \
    "--sparse"


typedef struct {
    const char     *text;
    const char     *path;       /* NULL: none */
    uint64_t        size;       /* 0: none */
} good_case_t;

typedef struct {
    const char     *text;
    const char     *reason;
} bad_case_t;


static void test_good(void **state);
static void test_bad(void **state);


static const good_case_t  good_cases[] = {
    { "", NULL, 0 },
    { "14 path=n-1/b\n", "n-1/b", 0 },
    { "9 path=a\n", "a", 0 },
    { "11 path=a=\n", "a=", 0 },
    { "9 size=4\n", NULL, 4 },
    { "10 size=4\n", NULL, 4 },
    { "27 size=999999999999999999\n", NULL, 999999999999999999 },
    { "9 path=a\n9 size=7\n", "a", 7 },
    { "30 mtime=1700000000.123456789\n9 path=a\n", "a", 0 },
    { "8 Path=\n12 LINUX.x=\n4 =\n", NULL, 0 }
};

static const bad_case_t  bad_cases[] = {
    { "no newline", BAD_RECORD },
    { "\n", BAD_RECORD },
    { "2\n", BAD_RECORD },
    { "14 path=n-1/b\n\n", BAD_RECORD },
    { "13 path=n-1/b\n", BAD_RECORD },
    { "15 path=n-1/b\n", BAD_RECORD },
    { "+14 path=n-1/b\n", BAD_RECORD },
    { " 14 path=n-1/b\n", BAD_RECORD },
    { "10 path b\n", BAD_RECORD },
    { "path=n-1/b\n", BAD_RECORD },
    { "99999999999999999999 path=n-1/b\n", BAD_RECORD },
    { "30 comment=a\n14 path=n-1/b\n\n\n", BAD_RECORD },
    { "8 path=\n", BAD_PATH },
    { "14 path=n-1/b\n14 path=n-1/b\n", BAD_PATH },
    { "8 size=\n", BAD_SIZE },
    { "9 size=4\n9 size=4\n", BAD_SIZE },
    { "11 size=-4\n", BAD_SIZE },
    { "13 size=0x04\n", BAD_SIZE },
    { "29 size=18446744073709551620\n", BAD_SIZE },
    { "22 GNU.sparse.major=1\n", SPARSE },
    { "18 GNU.sparse.a=1\n", SPARSE }
};


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}


static void
test_good(void **state)
{
    size_t              i;
    cargo_str_t         text;
    cargo_pax_t         pax;
    const char         *reason;
    const good_case_t  *test;

    (void) state;

    for (i = 0; i < unit_count(good_cases); i++) {
        test = &good_cases[i];

        text = unit_exact(test->text, strlen(test->text));
        reason = cargo_pax_read(&pax, text);

        if (reason) {
            fail_msg("\"%s\": %s", test->text, reason);
        }

        if (test->path) {
            unit_assert_str(pax.path, test->path);

        } else {
            assert_null(pax.path.data);
        }

        assert_int_equal(pax.sized, test->size != 0);
        assert_int_equal(pax.size, test->size);

        unit_free(text);
    }
}


static void
test_bad(void **state)
{
    size_t       i;
    cargo_str_t  text;
    cargo_pax_t  pax;
    const char  *reason;

    (void) state;

    for (i = 0; i < unit_count(bad_cases); i++) {
        text = unit_exact(bad_cases[i].text, strlen(bad_cases[i].text));
        reason = cargo_pax_read(&pax, text);
        unit_free(text);

        if (reason == NULL) {
            fail_msg("\"%s\" was accepted", bad_cases[i].text);
        }

        assert_string_equal(reason, bad_cases[i].reason);
    }
}
