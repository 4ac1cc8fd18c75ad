
#include "snapshot.h"

#include <stdio.h>
#include <string.h>


static void test_round_trip(void **state);
static void test_groups(void **state);
static void test_order(void **state);
static void test_smaller_zone(void **state);
static void replace(void);
static void test_replaced_meanwhile(void **state);
static void test_left_out(void **state);
static void test_failing_file(void **state);


int
main(void)
{
    const struct CMUnitTest tests[] = {
        zone_test(test_round_trip),
        zone_test(test_groups),
        zone_test(test_order),
        zone_test(test_smaller_zone),
        zone_test(test_replaced_meanwhile),
        zone_test(test_left_out),
        zone_test(test_failing_file)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}


static void
test_round_trip(void **state)
{
    (void) state;

    snapshot_store_some();
    snapshot_save();
    snapshot_check_some();

    snapshot_afresh(zone_size);
    assert_int_equal(snapshot_load(), CARGO_OK);

    assert_int_equal(snapshot_loaded.entries, 5);
    assert_int_equal(snapshot_loaded.stored, 5);
    assert_int_equal(snapshot_loaded.age, 3);
    assert_null(snapshot_loaded.refused);

    assert_int_equal(zone_stats().entries, 5);
    assert_true(zone_has("long"));
    assert_int_equal(zone_value.stored, 0);
    assert_int_equal(zone_value.used, 40);
    assert_int_equal(zone_value.head_len, 4);
    assert_memory_equal(zone_value.head, "long", 4);
    snapshot_check_some();

    /* of an empty one, too */

    snapshot_afresh(zone_size);
    snapshot_save();
    assert_int_equal(snapshot_file.len, CARGO_SNAPSHOT_ENTRIES);
    assert_int_equal(snapshot_load(), CARGO_OK);
    assert_int_equal(snapshot_loaded.entries, 0);
}


static void
test_groups(void **state)
{
    (void) state;

    snapshot_store_some();
    cargo_zone_invalidate(&zone, unit_str("short"));
    snapshot_save();

    snapshot_afresh(zone_size);
    assert_int_equal(snapshot_load(), CARGO_OK);
    assert_int_equal(snapshot_loaded.stored, 4);
    assert_false(zone_has("short"));

    cargo_zone_invalidate(&zone, unit_str("long"));
    assert_false(zone_has("long"));
    assert_true(zone_has("both"));

    cargo_zone_invalidate_all(&zone);
    assert_false(zone_has("both"));
    zone_assert_sound();
}


static void
test_order(void **state)
{
    unsigned  i;

    (void) state;

    snapshot_store_some();
    assert_int_equal(zone_fetch("short", 60, -1), CARGO_OK);
    snapshot_save();
    snapshot_afresh(zone_size);
    assert_int_equal(snapshot_load(), CARGO_OK);

    /* and a second time, from what was loaded and not used */

    snapshot_save();
    snapshot_afresh(zone_size);
    assert_int_equal(snapshot_load(), CARGO_OK);

    assert_true(zone_has("short"));
    assert_int_equal(zone_value.used, 60);

    /* the oldest goes first */

    for (i = 0; zone_has("none"); i++) {
        char  name[16];

        (void) snprintf(name, sizeof(name), "new%u", i);
        assert_int_equal(zone_store(name, 100, 0, 0), CARGO_OK);
    }

    assert_true(zone_has("both"));
    assert_true(zone_has("short"));
}


static void
test_smaller_zone(void **state)
{
    char      name[16];
    unsigned  i, n, kept;

    (void) state;

    snapshot_afresh(4 * zone_size);

    for (n = 0; n < 300; n++) {
        (void) snprintf(name, sizeof(name), "n%u", n);
        assert_int_equal(zone_store(name, 1000 + n * 7 % 300, 2000, 0),
                         CARGO_OK);
    }

    snapshot_save();
    snapshot_afresh(zone_size / 4);
    assert_int_equal(snapshot_load(), CARGO_OK);
    assert_int_equal(snapshot_loaded.entries, 300);
    zone_assert_sound();

    kept = zone_stats().entries;
    assert_in_range(kept, 30, 250);

    for (i = 0; i < n; i++) {
        (void) snprintf(name, sizeof(name), "n%u", i);
        assert_int_equal(zone_has(name), i * 7 % 300 >= 300 - kept);
    }
}


static void
replace(void)
{
    cargo_str_t              bodies[CARGO_ZONE_BODIES];
    cargo_zone_key_t         key;
    cargo_zone_generation_t  generation;
    static unsigned char     other[5000];

    key = zone_key("long", "long", NULL);
    memset(other, 'x', sizeof(other));
    bodies[0].data = other;
    bodies[0].len = CARGO_ZONE_COPY + 1;
    bodies[1].data = other;
    bodies[1].len = 5000;

    cargo_zone_generation(&zone, &key, &generation);
    assert_int_equal(cargo_zone_store(&zone, &key, &generation, 41,
                                      unit_str("gnol"), bodies), CARGO_OK);
}


/* between any two looks at it */

static void
test_replaced_meanwhile(void **state)
{
    unsigned  i, old, new;

    (void) state;

    old = new = 0;

    for (i = 1; i < 20; i++) {
        snapshot_afresh(zone_size);
        snapshot_store_some();
        zone_hook(i, replace);
        snapshot_save();
        zone_hook(0, NULL);

        snapshot_afresh(zone_size);
        assert_int_equal(snapshot_load(), CARGO_OK);
        zone_assert_sound();
        assert_true(zone_has("long"));

        if (zone_value.head[0] == 'l') {
            snapshot_check_some();
            old++;

        } else {
            assert_int_equal(zone_fetch("long", 0, 0), CARGO_OK);
            assert_int_equal(cargo_zone_copy(&zone, &zone_value, 0,
                                             zone_copied), CARGO_OK);
            assert_int_equal(zone_copied[0], 'x');
            assert_int_equal(zone_fetch("long", 0, 1), CARGO_OK);
            assert_int_equal(cargo_zone_copy(&zone, &zone_value, 1,
                                             zone_copied), CARGO_OK);
            assert_int_equal(zone_copied[4999], 'x');
            new++;
        }
    }

    assert_true(old > 0);
    assert_true(new > 3);
}


static void
test_left_out(void **state)
{
    (void) state;

    snapshot_store_some();

    snapshot_file.fails_at = SNAPSHOT_FILE;
    snapshot_file.left_out = "both";
    assert_int_equal(snapshot_try_save(), CARGO_OK);
    snapshot_file.left_out = "long";

    snapshot_afresh(zone_size);
    assert_int_equal(snapshot_load(), CARGO_OK);
    assert_int_equal(snapshot_loaded.entries, 4);
    assert_int_equal(snapshot_loaded.stored, 3);
    assert_false(zone_has("both"));
    assert_false(zone_has("long"));

    snapshot_file.left_out = NULL;
}


static void
test_failing_file(void **state)
{
    unsigned                       n;
    cargo_rc_t                     rc;
    const cargo_snapshot_reader_t  reader = { snapshot_read, snapshot_unpack,
                                              NULL, 0 };
    cargo_snapshot_reader_t        r;

    (void) state;

    snapshot_store_some();

    snapshot_file.left_out = NULL;

    for (snapshot_file.fails_at = CARGO_SNAPSHOT_ENTRIES;
         snapshot_try_save() != CARGO_OK;
         snapshot_file.fails_at += 100)
    {
        assert_true(snapshot_file.fails_at < SNAPSHOT_FILE);
    }

    snapshot_save();

    for (n = 0; n < 100; n++) {
        snapshot_afresh(zone_size);
        r = reader;
        r.size = snapshot_file.len;
        snapshot_file.reads_left = n;

        rc = cargo_zone_load(&zone, &snapshot_now, snapshot_source, &r,
                             &snapshot_loaded);

        if (rc == CARGO_OK) {
            break;
        }

        assert_non_null(snapshot_loaded.refused);
        assert_false(zone_has("none"));
        assert_false(zone_has("second"));
        zone_assert_sound();
    }

    assert_int_equal(n, 1 + 1 + 5 + 5);
}
