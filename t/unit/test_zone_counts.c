
#include "zone.h"



static void test_counts(void **state);
static void test_counters_full(void **state);


int
main(void)
{
    const struct CMUnitTest tests[] = {
        zone_test(test_counts),
        zone_test(test_counters_full)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}


static void
test_counts(void **state)
{
    size_t              i, n;
    uint64_t            sum;
    cargo_zone_count_t  counts[64];

    (void) state;

    assert_int_equal(cargo_zone_count(&zone, 0, 1), 0);
    assert_int_equal(cargo_zone_take_counts(&zone, counts, 64), 0);

    for (i = 0; i < 300; i++) {
        assert_int_equal(cargo_zone_count(&zone, 1 + i % 100, i), 1);
    }

    assert_int_equal(zone_stats().counters_used, 100);

    sum = 0;
    n = cargo_zone_take_counts(&zone, counts, 64);
    assert_int_equal(n, 64);

    for (i = 0; i < n; i++) {
        assert_int_equal(counts[i].count, 3 * counts[i].id - 3 + 300);
        sum += counts[i].count;
    }

    assert_int_equal(zone_stats().counters_used, 36);

    /* who is counted again at once does not keep the rest waiting */

    for (i = 0; i < n; i++) {
        assert_int_equal(cargo_zone_count(&zone, counts[i].id, 1), 1);
        sum--;
    }

    while ((n = cargo_zone_take_counts(&zone, counts, 64)) != 0) {
        for (i = 0; i < n; i++) {
            sum += counts[i].count;
        }
    }

    assert_int_equal(sum, 299 * 300 / 2);
    assert_int_equal(zone_stats().counters_used, 0);
    assert_int_equal(cargo_zone_take_counts(&zone, counts, 0), 0);
}


static void
test_counters_full(void **state)
{
    uint64_t            id;
    cargo_zone_count_t  counts[2048];
    cargo_zone_stats_t  s;

    (void) state;

    for (id = 1; cargo_zone_count(&zone, id, 1); id++) { /* void */ }

    s = zone_stats();
    assert_true(s.counters_used > s.counters / 2);

    for ( /* void */ ; zone_stats().counters_used < s.counters; id++) {
        (void) cargo_zone_count(&zone, id, 1);
    }

    assert_int_equal(cargo_zone_count(&zone, 1, 1), 1);
    assert_int_equal(cargo_zone_count(&zone, id, 1), 0);

    assert_int_equal(cargo_zone_take_counts(&zone, counts, 2048), s.counters);
    assert_int_equal(zone_stats().counters_used, 0);
    assert_int_equal(cargo_zone_count(&zone, id, 1), 1);
}
