
#include "unit.h"

#include "cargo_xid.h"


typedef struct {
    uint32_t        c;
    int             start;
    int             more;
} xid_case_t;


static void test_known(void **state);
static void test_counts(void **state);


/* from DerivedCoreProperties.txt of Unicode 14.0 */
static const xid_case_t  xid_cases[] = {
    { 0x00, 0, 0 },         { '0', 0, 1 },          { '@', 0, 0 },
    { 'A', 1, 1 },          { 'Z', 1, 1 },          { '[', 0, 0 },
    { '_', 0, 1 },          { 'a', 1, 1 },          { 'z', 1, 1 },
    { '{', 0, 0 },          { 0x00a0, 0, 0 },       { 0x00aa, 1, 1 },
    { 0x00b7, 0, 1 },       { 0x00d7, 0, 0 },       { 0x0300, 0, 1 },
    { 0x037a, 0, 0 },       { 0x0400, 1, 1 },       { 0x0660, 0, 1 },
    { 0x2028, 0, 0 },       { 0x203f, 0, 1 },       { 0x2160, 1, 1 },
    { 0x3042, 1, 1 },       { 0xac00, 1, 1 },       { 0xd7a3, 1, 1 },
    { 0xd7a4, 0, 0 },       { 0xfeff, 0, 0 },       { 0xff10, 0, 1 },
    { 0x10000, 1, 1 },      { 0x1f980, 0, 0 },      { 0x20000, 1, 1 },
    { 0x3134a, 1, 1 },      { 0x3134b, 0, 0 },      { 0xe0100, 0, 1 },
    { 0xe01ef, 0, 1 },      { 0xe01f0, 0, 0 },      { 0x10ffff, 0, 0 }
};


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_counts)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}


static void
test_known(void **state)
{
    size_t             i;
    const xid_case_t  *c;

    (void) state;

    for (i = 0; i < unit_count(xid_cases); i++) {
        c = &xid_cases[i];

        if (cargo_xid_start(c->c) != c->start
            || cargo_xid_continue(c->c) != c->more)
        {
            fail_msg("U+%04X: start %d, continue %d", c->c,
                     cargo_xid_start(c->c), cargo_xid_continue(c->c));
        }
    }
}


/* the totals that Perl 5.36 finds with \p{XID_Start} and \p{XID_Continue} */

static void
test_counts(void **state)
{
    uint32_t  c;
    unsigned  starts, continues;

    (void) state;

    starts = 0;
    continues = 0;

    for (c = 0; c <= 0x10ffff; c++) {
        starts += (unsigned) cargo_xid_start(c);
        continues += (unsigned) cargo_xid_continue(c);
    }

    assert_int_equal(starts, 131974);
    assert_int_equal(continues, 135053);
}
