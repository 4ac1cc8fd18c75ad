
/* what workers count, and whose slots they are */

#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "cargo_metrics.h"


#define SLOTS  4


static uint64_t  dead;


static int
alive(uint64_t owner)
{
    return owner != dead;
}


static cargo_metrics_t *
make(void)
{
    void  *p;

    p = aligned_alloc(64, (cargo_metrics_size(SLOTS) + 63) / 64 * 64);
    assert_non_null(p);
    memset(p, 0, cargo_metrics_size(SLOTS));

    cargo_metrics_init(p, SLOTS);
    dead = 0;

    return p;
}


static void
test_slots(void **state)
{
    cargo_metrics_t       *m;
    cargo_metrics_sum_t    sum;
    cargo_metrics_slot_t  *a, *b, *c, *d, *e;

    (void) state;

    m = make();
    a = cargo_metrics_claim(m, 11, alive);
    b = cargo_metrics_claim(m, 12, alive);
    c = cargo_metrics_claim(m, 13, alive);

    assert_true(a != b && b != c && a != c);
    assert_false(a->shared || b->shared || c->shared);

    /* no more: the last one is for all */

    d = cargo_metrics_claim(m, 14, alive);
    e = cargo_metrics_claim(m, 15, alive);

    assert_ptr_equal(d, e);
    assert_true(d->shared);

    cargo_metrics_add(b, &b->counters.stale, 5);
    cargo_metrics_add(d, &d->counters.stale, 2);
    b->gauges[CARGO_METRICS_WRITES].waiting = 7;

    cargo_metrics_sum(m, &sum, alive);

    assert_int_equal(sum.workers, 3);
    assert_int_equal(sum.counters.stale, 7);
    assert_int_equal(sum.gauges[CARGO_METRICS_WRITES].waiting, 7);

    /* killed: what it counted stays, what it was doing does not */

    dead = 12;
    cargo_metrics_sum(m, &sum, alive);

    assert_int_equal(sum.workers, 2);
    assert_int_equal(sum.counters.stale, 7);
    assert_int_equal(sum.gauges[CARGO_METRICS_WRITES].waiting, 0);

    assert_ptr_equal(cargo_metrics_claim(m, 16, alive), b);
    assert_int_equal(b->gauges[CARGO_METRICS_WRITES].waiting, 0);

    cargo_metrics_add(b, &b->counters.stale, 1);
    cargo_metrics_sum(m, &sum, alive);

    assert_int_equal(sum.workers, 3);
    assert_int_equal(sum.counters.stale, 8);

    free(m);
}


/* one that has ended gives up its own slot and no other's */

static void
test_release(void **state)
{
    cargo_metrics_t       *m;
    cargo_metrics_slot_t  *slot;

    (void) state;

    m = make();
    slot = cargo_metrics_claim(m, 16, alive);

    cargo_metrics_release(slot, 12);
    assert_int_equal(slot->owner, 16);
    cargo_metrics_release(slot, 16);
    assert_int_equal(slot->owner, 0);
    assert_ptr_equal(cargo_metrics_claim(m, 17, alive), slot);

    free(m);
}


static void
test_layout(void **state)
{
    cargo_metrics_t  *m;

    (void) state;

    m = make();

    assert_int_equal((uintptr_t) &m->slots[1].counters % 64, 0);
    assert_int_equal(sizeof(cargo_metrics_counters_t) % sizeof(uint64_t), 0);

    free(m);
}


static void
test_codes(void **state)
{
    size_t    i;
    unsigned  status;

    static const struct {
        unsigned     status;
        const char  *name;
    } codes[] = {
        { 200, "200" }, { 206, "206" }, { 304, "304" }, { 404, "404" },
        { 499, "499" }, { 503, "503" }, { 504, "504" }, { 201, "2xx" },
        { 302, "3xx" }, { 418, "4xx" }, { 505, "5xx" }, { 599, "5xx" },
        { 101, "1xx" }, { 0, "other" }, { 9, "other" }, { 600, "other" },
        { UINT32_MAX, "other" }
    };

    (void) state;

    for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        assert_string_equal(cargo_metrics_code_name(
                                cargo_metrics_code(codes[i].status)),
                            codes[i].name);
    }

    for (status = 0; status < 1000; status++) {
        assert_in_range(cargo_metrics_code(status), 0,
                        CARGO_METRICS_CODES - 1);
    }
}


static void
test_buckets(void **state)
{
    double    seconds;
    unsigned  i, bucket;

    static const uint64_t  times[] = {
        0, 1, 1000, 1001, 2000, 4999, 5000, 10000, 99999, 100000, 100001,
        1000000, 2500001, 30000000, 30000001, UINT64_MAX
    };

    (void) state;

    /* each in the first bucket whose name is not below it */

    for (i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        seconds = (double) times[i] / 1e6;
        bucket = cargo_metrics_bucket(times[i]);

        assert_in_range(bucket, 0, CARGO_METRICS_BUCKETS - 1);
        assert_true(seconds <= strtod(cargo_metrics_bound_name(bucket),
                                      NULL));

        if (bucket) {
            assert_true(seconds > strtod(cargo_metrics_bound_name(bucket - 1),
                                         NULL));
        }
    }

    assert_string_equal(cargo_metrics_bound_name(CARGO_METRICS_BUCKETS - 1),
                        "+Inf");
}


static void
test_histogram(void **state)
{
    cargo_metrics_t            *m;
    cargo_metrics_slot_t       *slot;
    cargo_metrics_histogram_t  *h;

    (void) state;

    m = make();
    slot = cargo_metrics_claim(m, 1, alive);
    h = &slot->counters.stages[CARGO_METRICS_CHECK];

    cargo_metrics_observe(slot, h, 900);
    cargo_metrics_observe(slot, h, 1000);
    cargo_metrics_observe(slot, h, 90000000);

    assert_int_equal(h->buckets[0], 2);
    assert_int_equal(h->buckets[CARGO_METRICS_BUCKETS - 1], 1);
    assert_int_equal(h->sum, 90001900);

    free(m);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_slots),
        cmocka_unit_test(test_release),
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_codes),
        cmocka_unit_test(test_buckets),
        cmocka_unit_test(test_histogram)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
