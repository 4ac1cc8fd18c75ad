
#include "zone.h"

#include <stdio.h>
#include <string.h>


static void test_replaced_while_pinned(void **state);
static void test_abandoned_pins(void **state);
static void test_all_pinned(void **state);
static void test_clock_set_back(void **state);
static void test_killed_in_change(void **state);
static void test_killed_in_store(void **state);
static void test_reset_in_store(void **state);
static void test_collected_in_store(void **state);
static void test_invalidated_in_store(void **state);
static void test_verify(void **state);
static void damage(uint32_t *p, uint32_t value);
static void die(void);
static void reset_zone(void);
static void collect(void);
static void invalidate(void);


static jmp_buf  dead;


int
main(void)
{
    const struct CMUnitTest tests[] = {
        zone_test(test_replaced_while_pinned),
        zone_test(test_abandoned_pins),
        zone_test(test_all_pinned),
        zone_test(test_clock_set_back),
        zone_test(test_killed_in_change),
        zone_test(test_killed_in_store),
        zone_test(test_reset_in_store),
        zone_test(test_collected_in_store),
        zone_test(test_invalidated_in_store),
        zone_test(test_verify)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}


static void
test_replaced_while_pinned(void **state)
{
    cargo_zone_value_t  first, second;

    (void) state;

    assert_int_equal(zone_store("k", 1, 10000, 6000), CARGO_OK);
    assert_int_equal(zone_fetch("k", 1, 0), CARGO_OK);
    first = zone_value;
    assert_int_equal(zone_fetch("k", 1, 1), CARGO_OK);
    second = zone_value;
    assert_true(cargo_zone_pinned(&first, 0));
    assert_true(cargo_zone_pinned(&second, 1));

    /* another body under the key: the key of the pattern is part of it */
    assert_int_equal(zone_store("k", 2, 5000, 0), CARGO_OK);
    cargo_zone_invalidate(&zone, unit_str("k"));
    assert_int_equal(zone_stats().entries, 1);
    assert_int_equal(zone_stats().detached, 1);

    /* what is stored meanwhile must not land in what is being copied */
    (void) zone_fill("e", 3, 900);
    zone_assert_sound();

    assert_int_equal(cargo_zone_copy(&zone, &first, 0, zone_copied), CARGO_OK);
    zone_check_copied("k", 0, 10000);
    assert_int_equal(zone_stats().detached, 1);

    assert_int_equal(cargo_zone_copy(&zone, &first, 0, zone_copied),
                     CARGO_REFUSED);
    assert_int_equal(zone_stats().detached, 1);

    assert_int_equal(cargo_zone_copy(&zone, &second, 1, NULL), CARGO_OK);
    assert_int_equal(zone_stats().detached, 0);
    zone_assert_sound();
}


static void
test_abandoned_pins(void **state)
{
    cargo_zone_value_t  dead, again, linked;

    (void) state;

    assert_int_equal(zone_store("dead", 1, 10000, 0), CARGO_OK);
    assert_int_equal(zone_fetch("dead", 1, 0), CARGO_OK);
    dead = zone_value;
    assert_int_equal(zone_store("dead", 10, 100, 0), CARGO_OK);

    assert_int_equal(zone_store("linked", 1, 10000, 0), CARGO_OK);
    assert_int_equal(zone_fetch("linked", 10, 0), CARGO_OK);
    linked = zone_value;

    /* within the time of a pin both stay, whatever is stored */

    (void) zone_fill("e", 10 + CARGO_ZONE_PIN_TIME, 900);
    (void) zone_fill("f", 10 + CARGO_ZONE_PIN_TIME, 500);
    assert_int_equal(zone_stats().detached, 1);
    assert_true(zone_has("linked"));

    /* after it neither does */

    (void) zone_fill("g", 11 + CARGO_ZONE_PIN_TIME, 900);
    (void) zone_fill("h", 11 + CARGO_ZONE_PIN_TIME, 500);
    assert_int_equal(zone_stats().detached, 0);
    assert_false(zone_has("linked"));
    zone_assert_sound();

    /* and a process that comes back then learns it, and changes nothing */

    again = dead;
    assert_int_equal(cargo_zone_copy(&zone, &dead, 0, zone_copied),
                     CARGO_REFUSED);
    assert_int_equal(cargo_zone_copy(&zone, &again, 0, NULL), CARGO_REFUSED);
    again = linked;
    assert_int_equal(cargo_zone_copy(&zone, &linked, 0, zone_copied),
                     CARGO_REFUSED);
    assert_int_equal(cargo_zone_copy(&zone, &again, 0, NULL), CARGO_REFUSED);
    zone_assert_sound();
}


static void
test_all_pinned(void **state)
{
    char                name[16];
    size_t              len;
    unsigned            i, n;
    cargo_zone_value_t  values[16];

    (void) state;

    len = zone_body_max("p10");

    for (n = 0; n < 16; n++) {
        (void) snprintf(name, sizeof(name), "p%u", n);

        if (zone_store(name, 1, len, 0) != CARGO_OK) {
            break;
        }

        assert_int_equal(zone_fetch(name, 1, 0), CARGO_OK);
        values[n] = zone_value;
    }

    assert_int_equal(n, CARGO_ZONE_SHARE);
    assert_int_equal(zone_stats().refusals, 1);
    assert_int_equal(zone_stats().evictions, 0);
    assert_int_equal(zone_stats().detached, 0);
    zone_assert_sound();

    for (i = 0; i < n; i++) {
        (void) snprintf(name, sizeof(name), "p%u", i);
        assert_int_equal(cargo_zone_copy(&zone, &values[i], 0, zone_copied),
                         CARGO_OK);
        zone_check_copied(name, 0, len);
    }

    assert_int_equal(zone_store("new", 1, len, 0), CARGO_OK);
    zone_check_body("new", 0, len);
    zone_assert_sound();
}


static void
test_clock_set_back(void **state)
{
    (void) state;

    assert_int_equal(zone_store("k", 100000, 10000, 0), CARGO_OK);
    assert_int_equal(zone_fetch("k", 100000, 0), CARGO_OK);
    assert_int_equal(zone_store("k", 100000, 10, 0), CARGO_OK);
    assert_int_equal(zone_stats().detached, 1);

    /* workers differ by a second: nothing */
    assert_int_equal(zone_store("l", 99999, 10, 0), CARGO_OK);
    assert_int_equal(zone_stats().detached, 1);

    /* by an hour: it would be kept for that long otherwise */
    assert_int_equal(zone_store("l", 96400, 10, 0), CARGO_OK);
    assert_int_equal(zone_stats().detached, 0);
    zone_assert_sound();
}


static void
test_killed_in_change(void **state)
{
    cargo_zone_value_t  pinned;
    cargo_zone_count_t  counts[2];

    (void) state;

    assert_int_equal(zone_store("k", 1, 10000, 0), CARGO_OK);
    assert_int_equal(cargo_zone_count(&zone, 5, 3), 1);
    assert_int_equal(zone_fetch("k", 1, 0), CARGO_OK);
    pinned = zone_value;

    cargo_zone_change(&zone);
    memset(&zone.header->order, 0x5a, sizeof(cargo_zone_list_t));
    zone.header->free = 3;

    assert_false(zone_has("k"));
    assert_int_equal(zone_stats().resets, 1);
    assert_int_equal(zone_stats().entries, 0);
    assert_int_equal(zone_stats().chunks_free, zone_stats().chunks);
    zone_assert_sound();

    /* the entry that is there now is not the one that was pinned */
    assert_int_equal(zone_store("k", 1, 9999, 0), CARGO_OK);
    assert_int_equal(cargo_zone_copy(&zone, &pinned, 0, zone_copied),
                     CARGO_REFUSED);
    zone_check_body("k", 0, 9999);

    assert_int_equal(cargo_zone_take_counts(&zone, counts, 2), 1);
    assert_int_equal(counts[0].id, 5);
    assert_int_equal(counts[0].count, 3);
    assert_int_equal(zone_stats().resets, 1);
}


/* what a process stored so far is collected after the time of a pin */

static void
test_killed_in_store(void **state)
{
    (void) state;

    zone_hook(3, die);

    if (setjmp(dead) == 0) {
        (void) zone_store("k", 1, 20000, 0);
        fail_msg("the store went on");
    }

    assert_int_equal(zone_stats().detached, 1);
    assert_int_equal(zone_stats().resets, 0);
    assert_true(zone_stats().chunks_free < zone_stats().chunks);
    assert_false(zone_has("k"));
    zone_assert_sound();

    (void) zone_fill("e", 1 + CARGO_ZONE_PIN_TIME, 900);
    assert_int_equal(zone_stats().detached, 1);

    (void) zone_fill("f", 2 + CARGO_ZONE_PIN_TIME, 10);
    assert_int_equal(zone_stats().detached, 0);
    assert_int_equal(zone_stats().entries, zone_stats().chunks);
    zone_assert_sound();
}


/* another process finds `changing` while this one waits to go on */

static void
test_reset_in_store(void **state)
{
    unsigned  i;

    (void) state;

    /* the first lock is that of the begin */

    for (i = 2; i < 6; i++) {
        zone_hook(i, reset_zone);

        assert_int_equal(zone_store("k", 1, 20000, 0), CARGO_REFUSED);
        zone_assert_sound();
        assert_int_equal(zone_stats().entries, 1);
        zone_check_body("other", 0, 600);
    }

    assert_int_equal(zone_stats().resets, 4);
    assert_int_equal(zone_stats().refusals, 0);
}


/* one that was stopped for more than the time of a pin comes back */

static void
test_collected_in_store(void **state)
{
    (void) state;

    zone_hook(3, collect);

    assert_int_equal(zone_store("k", 1, 20000, 0), CARGO_REFUSED);
    assert_int_equal(zone_stats().detached, 0);
    zone_check_body("other", 0, 20000);
    zone_assert_sound();
}


static void
test_invalidated_in_store(void **state)
{
    (void) state;

    zone_hook(3, invalidate);

    assert_int_equal(zone_store("k", 1, 20000, 0), CARGO_REFUSED);
    assert_false(zone_has("k"));
    assert_int_equal(zone_stats().detached, 0);
    assert_int_equal(zone_stats().chunks_free, zone_stats().chunks);
    zone_assert_sound();
}


/* verify() sees each kind of damage: the tests rely on that */

static void
test_verify(void **state)
{
    uint32_t              a, b, last;
    cargo_zone_header_t  *header;

    (void) state;

    assert_int_equal(zone_store("a", 1, 3000, 10), CARGO_OK);
    assert_int_equal(zone_store("b", 1, 3000, 10), CARGO_OK);
    assert_int_equal(zone_store("c", 1, 3000, 10), CARGO_OK);
    assert_int_equal(zone_store("c", 1, 10, 10), CARGO_OK);
    zone_assert_sound();

    header = zone.header;
    b = cargo_zone_entry(&zone, header->order.newest)->older;
    a = cargo_zone_entry(&zone, b)->older;
    last = cargo_zone_entry(&zone, a)->last;

    damage(&header->free, CARGO_ZONE_NONE);
    damage(&header->free, header->chunks);
    damage(&header->free, a);
    damage(&header->free_count, 1);
    damage(&header->fresh, header->fresh + 1);
    damage(&header->fresh, header->chunks + 1);
    damage(&header->stats.entries, 2);
    damage(&header->stats.detached, 1);
    damage(&header->order.newest, b);
    damage(&header->order.oldest, b);
    damage(&header->detached.newest, b);
    damage(&zone.links[header->free].next, header->free);
    damage(&zone.links[a].next, CARGO_ZONE_NONE);
    damage(&zone.links[a].next, a);
    damage(&zone.links[a].next, b);
    damage(&zone.links[a].next, header->chunks);
    damage(&zone.links[a].serial, 0);
    damage(&zone.links[last].next, zone.links[b].next);
    damage(&zone.links[last].serial, 77);
    damage(&cargo_zone_entry(&zone, a)->last, a);
    damage(&cargo_zone_entry(&zone, a)->chunks, 1);
    damage(&cargo_zone_entry(&zone, a)->newer, a);
    damage(&cargo_zone_entry(&zone, a)->older, b);
    damage(&cargo_zone_entry(&zone, a)->state, CARGO_ZONE_DEAD);
    damage(&cargo_zone_entry(&zone, a)->body_chunk[1], a);
    damage(&cargo_zone_entry(&zone, a)->bucket_next, a);
    damage(&cargo_zone_entry(&zone, a)->bucket_next, header->chunks);
    damage((uint32_t *) (void *) &cargo_zone_entry(&zone, a)->hash, 1);
    damage(&zone.buckets[cargo_zone_entry(&zone, a)->hash
                         & header->bucket_mask], CARGO_ZONE_NONE);
    damage(&zone.buckets[cargo_zone_entry(&zone, a)->hash
                         & header->bucket_mask], last);
    damage(&zone.buckets[(cargo_zone_entry(&zone, a)->hash + 1)
                         & header->bucket_mask], a);
}


static void
damage(uint32_t *p, uint32_t value)
{
    uint32_t     was;
    const char  *error;

    was = *p;
    assert_int_not_equal(was, value);

    *p = value;
    error = cargo_zone_verify(&zone);
    *p = was;

    assert_non_null(error);
    zone_assert_sound();
}


static void
die(void)
{
    longjmp(dead, 1);
}


static void
reset_zone(void)
{
    zone.header->changing = 1;
    assert_int_equal(zone_store("other", 1, 600, 0), CARGO_OK);
}


static void
collect(void)
{
    assert_int_equal(zone_store("other", 2 + CARGO_ZONE_PIN_TIME, 20000, 0),
                     CARGO_OK);
}


static void
invalidate(void)
{
    cargo_zone_invalidate(&zone, unit_str("k"));
}
