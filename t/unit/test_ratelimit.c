
#include "unit.h"

#include "cargo_ratelimit.h"


static void test_kinds(void **state);
static void test_untold(void **state);
static void test_clock(void **state);
static void test_room(void **state);


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_untold),
        cmocka_unit_test(test_clock),
        cmocka_unit_test(test_room)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}


/* a kind is its text, not its address, and its code */

static void
test_kinds(void **state)
{
    char               same[] = "writing";
    cargo_ratelimit_t  limit = { 0 };

    (void) state;

    assert_string_equal(cargo_ratelimit(&limit, "writing", 5, 100), "");
    assert_string_equal(cargo_ratelimit(&limit, "writing", 28, 100), "");
    assert_string_equal(cargo_ratelimit(&limit, "reading", 5, 100), "");
    assert_null(cargo_ratelimit(&limit, same, 5, 100));
}


static void
test_untold(void **state)
{
    int                i;
    time_t             now;
    cargo_ratelimit_t  limit = { 0 };

    (void) state;

    now = 100;
    assert_string_equal(cargo_ratelimit(&limit, "a", 0, now), "");

    now += CARGO_RATELIMIT_SECONDS - 1;

    for (i = 0; i < 7; i++) {
        assert_null(cargo_ratelimit(&limit, "a", 0, now));
    }

    assert_string_equal(cargo_ratelimit(&limit, "a", 0, now + 1),
                        "; 7 more since this was logged last");
    assert_string_equal(cargo_ratelimit(&limit, "a", 0, now + 1000), "");
}


static void
test_clock(void **state)
{
    cargo_ratelimit_t  limit = { 0 };

    (void) state;

    assert_non_null(cargo_ratelimit(&limit, "a", 0, 1000));
    assert_non_null(cargo_ratelimit(&limit, "a", 0, 10));
    assert_null(cargo_ratelimit(&limit, "a", 0, 11));
}


static void
test_room(void **state)
{
    uint32_t           i;
    cargo_ratelimit_t  limit = { 0 };

    (void) state;

    for (i = 0; i < CARGO_RATELIMIT_KINDS; i++) {
        assert_non_null(cargo_ratelimit(&limit, "a", i, 100 + (i != 3)));
    }

    /* takes the place of the fourth, which is told again */

    assert_non_null(cargo_ratelimit(&limit, "b", 0, 102));
    assert_null(cargo_ratelimit(&limit, "a", 4, 102));
    assert_non_null(cargo_ratelimit(&limit, "a", 3, 102));
}
