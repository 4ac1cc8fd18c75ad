
#include "snapshot.h"

#include <string.h>
#include <zlib.h>


#define HOSTILE  20000


static void test_every_bit(void **state);
static void test_every_length(void **state);
static void test_not_ours(void **state);
static void fix_crcs(void);
static void test_hostile(void **state);
static void test_seals(void **state);
static void test_age(void **state);


int
main(void)
{
    const struct CMUnitTest tests[] = {
        zone_test(test_every_bit),
        zone_test(test_every_length),
        zone_test(test_not_ours),
        zone_test(test_hostile),
        zone_test(test_seals),
        zone_test(test_age)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}


/* each is found, but for those of a seal, which the other one makes good */

static void
test_every_bit(void **state)
{
    size_t                 i;
    unsigned               bit, ok;
    cargo_snapshot_seal_t  seal = { 6, 9, snapshot_now };

    (void) state;

    assert_int_equal(zone_store("none", 10, 0, 0), CARGO_OK);
    assert_int_equal(zone_store("short", 20, 100, 30), CARGO_OK);
    snapshot_save();
    cargo_snapshot_seal_write(&seal, snapshot_file.bytes + CARGO_SNAPSHOT_HEADER
                                     + CARGO_SNAPSHOT_SEAL);
    ok = 0;

    for (i = 0; i < snapshot_file.len; i++) {
        for (bit = 1; bit < 256; bit <<= 1) {
            snapshot_afresh(zone_size);
            snapshot_file.bytes[i] ^= (unsigned char) bit;

            if (snapshot_load() == CARGO_OK) {
                assert_in_range(i, CARGO_SNAPSHOT_HEADER,
                                CARGO_SNAPSHOT_ENTRIES - 1);
                assert_int_equal(snapshot_loaded.age,
                                 i < CARGO_SNAPSHOT_HEADER
                                     + CARGO_SNAPSHOT_SEAL ? 9 : 3);
                ok++;

            } else {
                assert_non_null(snapshot_loaded.refused);
                assert_int_equal(zone_stats().entries, 0);
            }

            snapshot_file.bytes[i] ^= (unsigned char) bit;
        }
    }

    assert_int_equal(ok, 8 * 2 * CARGO_SNAPSHOT_SEAL);
    assert_int_equal(snapshot_load(), CARGO_OK);
    assert_int_equal(snapshot_loaded.age, 3);
}


static void
test_every_length(void **state)
{
    size_t  len;

    (void) state;

    assert_int_equal(zone_store("none", 10, 0, 0), CARGO_OK);
    assert_int_equal(zone_store("short", 20, 100, 30), CARGO_OK);
    snapshot_save();
    len = snapshot_file.len;
    snapshot_afresh(zone_size);

    for (snapshot_file.len = 0; snapshot_file.len < len; snapshot_file.len++) {
        snapshot_refused("it was cut off");
    }

    snapshot_file.len = len + 1;
    snapshot_refused("it was cut off");

    snapshot_file.len = len;
    assert_int_equal(snapshot_load(), CARGO_OK);
    assert_int_equal(snapshot_loaded.stored, 2);
}


static void
test_not_ours(void **state)
{
    (void) state;

    snapshot_store_some();
    snapshot_save();
    snapshot_afresh(zone_size);

    snapshot_source[0] = 'b';
    snapshot_refused("it is of another database");
    snapshot_source[0] = 'a';

    snapshot_file.bytes[8]++;
    fix_crcs();
    snapshot_refused("it is of another version of the module");
    snapshot_file.bytes[8]--;
    fix_crcs();

    snapshot_file.bytes[0]++;
    snapshot_refused("it is something else, or was cut off");
    snapshot_file.bytes[0]--;

    memset(snapshot_file.bytes + CARGO_SNAPSHOT_HEADER, 0, CARGO_SNAPSHOT_SEAL);
    snapshot_refused("it is damaged");

    memset(snapshot_file.bytes, 0, snapshot_file.len);
    snapshot_refused("it is something else, or was cut off");
}


static void
fix_crcs(void)
{
    uint32_t  crc;

    crc = (uint32_t) crc32_z(0, snapshot_file.bytes + CARGO_SNAPSHOT_ENTRIES,
                             snapshot_file.len - CARGO_SNAPSHOT_ENTRIES);
    (void) cargo_snapshot_put(snapshot_file.bytes + 8 + 4
                              + CARGO_SNAPSHOT_SOURCE + 16, crc, 4);

    crc = (uint32_t) crc32_z(0, snapshot_file.bytes, CARGO_SNAPSHOT_HEADER - 4);
    (void) cargo_snapshot_put(snapshot_file.bytes + CARGO_SNAPSHOT_HEADER - 4,
                              crc, 4);
}


/* one who knows how sums are made */

static void
test_hostile(void **state)
{
    size_t                i, at, len;
    uint32_t              x, n, ok, refused;
    static unsigned char  good[SNAPSHOT_FILE];

    (void) state;

    assert_int_equal(zone_store("none", 10, 0, 0), CARGO_OK);
    assert_int_equal(zone_store("short", 20, 100, 30), CARGO_OK);
    assert_int_equal(zone_store("both", 30, 700, 300), CARGO_OK);
    snapshot_save();

    len = snapshot_file.len;
    memcpy(good, snapshot_file.bytes, len);
    ok = refused = 0;
    x = 1;

    for (n = 0; n < HOSTILE; n++) {
        memcpy(snapshot_file.bytes, good, len);
        snapshot_file.len = len;

        for (i = 0; i <= n % 5; i++) {
            x = x * 1664525 + 1013904223;
            at = (x >> 8) % len;

            /* lengths are where it hurts */

            if (n % 2) {
                at = CARGO_SNAPSHOT_ENTRIES + at % 16;
            }

            x = x * 1664525 + 1013904223;
            snapshot_file.bytes[at] = (unsigned char) (n % 3 ? x >> 24 : 255);
        }

        memcpy(snapshot_file.bytes, good, 12 + CARGO_SNAPSHOT_SOURCE);
        fix_crcs();
        snapshot_afresh(zone_size);

        if (snapshot_load() == CARGO_OK) {
            ok++;

        } else {
            assert_non_null(snapshot_loaded.refused);
            refused++;
        }

        zone_assert_sound();
    }

    assert_true(ok > 100);
    assert_true(refused > 100);
}


static void
test_seals(void **state)
{
    unsigned char          p[CARGO_SNAPSHOT_SEALS * CARGO_SNAPSHOT_SEAL];
    cargo_snapshot_seal_t  seal, one = { 1, -5, { 2, 3, "x" } },
                           two = { 2, 6, { INT64_MAX, INT64_MIN, "y" } };

    (void) state;

    memset(p, 0, sizeof(p));
    assert_int_equal(cargo_snapshot_seal_read(p, &seal), 0);

    cargo_snapshot_seal_write(&one, p + CARGO_SNAPSHOT_SEAL);
    assert_int_equal(cargo_snapshot_seal_read(p, &seal), 1);
    assert_memory_equal(&seal, &one, sizeof(seal));

    cargo_snapshot_seal_write(&two, p);
    assert_int_equal(cargo_snapshot_seal_read(p, &seal), 1);
    assert_memory_equal(&seal, &two, sizeof(seal));

    p[60]++;
    assert_int_equal(cargo_snapshot_seal_read(p, &seal), 1);
    assert_int_equal(seal.number, 1);
}


static void
test_age(void **state)
{
    size_t  i;

    const struct {
        cargo_snapshot_seal_t    seal;
        cargo_snapshot_moment_t  now;
        int64_t                  age;
    } cases[] = {
        { { 1, 0, { 100, 10, "a" } }, { 100, 10, "a" }, 0 },
        { { 1, 5, { 100, 10, "a" } }, { 107, 17, "a" }, 12 },

        /* the clock was set, forward or back: the longer time counts */
        { { 1, 5, { 100, 10, "a" } }, { 900, 17, "a" }, 805 },
        { { 1, 5, { 100, 10, "a" } }, { 100, 17, "a" }, 12 },
        { { 1, 5, { 100, 10, "a" } }, { 20, 17, "a" }, 12 },

        /* another boot: only one clock tells */
        { { 1, 5, { 100, 10, "a" } }, { 107, 3, "b" }, 12 },
        { { 1, 5, { 100, 10, "a" } }, { 107, 300, "b" }, 12 },
        { { 1, 5, { 100, 10, "a" } }, { 99, 300, "b" }, -1 },
        { { 1, 5, { 100, 10, "" } }, { 107, 300, "" }, 12 },
        { { 1, 5, { 100, 10, "" } }, { 99, 300, "" }, -1 },

        /* the same boot, and earlier in it */
        { { 1, 5, { 100, 10, "a" } }, { 99, 9, "a" }, -1 },

        /* what no clock shows */
        { { 1, -1, { 100, 10, "a" } }, { 107, 17, "a" }, -1 },
        { { 1, 5, { -100, 10, "a" } }, { 107, 17, "a" }, -1 },
        { { 1, 5, { 100, -10, "a" } }, { 107, 17, "a" }, -1 },
        { { 1, INT64_MAX, { 100, 10, "a" } }, { 107, 17, "a" }, -1 },
        { { 1, 5, { INT64_MAX, 10, "a" } }, { 107, 17, "a" }, -1 },
        { { 1, 5, { 100, INT64_MIN, "a" } }, { 107, 17, "a" }, -1 }
    };

    (void) state;

    for (i = 0; i < unit_count(cases); i++) {
        assert_int_equal(cargo_snapshot_age(&cases[i].seal, &cases[i].now),
                         cases[i].age);
    }
}
