
#include "zone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "cargo_zone_snapshot_private.h"


#define FILE_MAX   (4 * 1024 * 1024)
#define HOSTILE    20000


static int file_append(void *data, const unsigned char *p, size_t len);
static int file_read(void *data, uint64_t offset, unsigned char *p,
    size_t len);
static int pack(void *data, cargo_snapshot_entry_t *entry);
static int unpack(void *data, cargo_snapshot_entry_t *entry,
    cargo_zone_key_t *key);
static void save(void);
static cargo_rc_t load(void);
static void load_refused(const char *why);
static void afresh(size_t size);
static void replace(void);
static void store_some(void);
static void check_some(void);
static void fix_crcs(void);

static void test_round_trip(void **state);
static void test_groups(void **state);
static void test_order(void **state);
static void test_smaller_zone(void **state);
static void test_replaced_meanwhile(void **state);
static void test_left_out(void **state);
static void test_failing_file(void **state);
static void test_every_bit(void **state);
static void test_every_length(void **state);
static void test_not_ours(void **state);
static void test_hostile(void **state);
static void test_seals(void **state);
static void test_age(void **state);


static struct {
    unsigned char            bytes[FILE_MAX];
    size_t                   len;
    size_t                   fails_at;      /* bytes from here on */
    unsigned                 reads_left;
    const char              *left_out;
} file;

static unsigned char            source[CARGO_SNAPSHOT_SOURCE] = "a database";
static cargo_snapshot_moment_t  now = { 1000, 50, "boot" };
static cargo_snapshot_loaded_t  loaded;


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
        zone_test(test_failing_file),
        zone_test(test_every_bit),
        zone_test(test_every_length),
        zone_test(test_not_ours),
        zone_test(test_hostile),
        zone_test(test_seals),
        zone_test(test_age)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}


static int
file_append(void *data, const unsigned char *p, size_t len)
{
    (void) data;

    if (file.len + len > file.fails_at) {
        return -1;
    }

    memcpy(file.bytes + file.len, p, len);
    file.len += len;

    return 0;
}


static int
file_read(void *data, uint64_t offset, unsigned char *p, size_t len)
{
    (void) data;

    if (file.reads_left == 0 || offset > file.len
        || len > file.len - offset)
    {
        return -1;
    }

    file.reads_left--;
    memcpy(p, file.bytes + offset, len);

    return 0;
}


static int
pack(void *data, cargo_snapshot_entry_t *entry)
{
    (void) data;

    return file.left_out == NULL
           || !cargo_str_equal(entry->key, unit_str(file.left_out));
}


static int
unpack(void *data, cargo_snapshot_entry_t *entry, cargo_zone_key_t *key)
{
    (void) data;

    key->groups[0] = entry->key;

    return file.left_out == NULL
           || !cargo_str_equal(entry->key, unit_str(file.left_out));
}


static cargo_rc_t
save_to_file(void)
{
    cargo_rc_t                     rc;
    cargo_snapshot_seal_t          seal = { 7, 3, now };
    const cargo_snapshot_writer_t  writer = { file_append, pack, NULL };

    file.len = CARGO_SNAPSHOT_ENTRIES;
    memset(file.bytes, 0, file.len);

    rc = cargo_zone_save(&zone, 1, source, &writer, file.bytes);

    cargo_snapshot_seal_write(&seal, file.bytes + CARGO_SNAPSHOT_HEADER);

    return rc;
}


static void
save(void)
{
    file.fails_at = FILE_MAX;
    file.left_out = NULL;

    assert_int_equal(save_to_file(), CARGO_OK);
}


static cargo_rc_t
load(void)
{
    const cargo_snapshot_reader_t  reader = { file_read, unpack, NULL,
                                              file.len };

    file.reads_left = UINT32_MAX;

    return cargo_zone_load(&zone, &now, source, &reader, &loaded);
}


static void
load_refused(const char *why)
{
    assert_int_equal(load(), CARGO_REFUSED);
    assert_string_equal(loaded.refused, why);
    assert_int_equal(zone_stats().stores, 0);
}


/* an empty zone in the place of the one there is */

static void
afresh(size_t size)
{
    free(zone_region);

    zone_size = (size + CARGO_ZONE_ALIGN - 1) & ~(size_t) (CARGO_ZONE_ALIGN - 1);
    zone_region = aligned_alloc(CARGO_ZONE_ALIGN, zone_size);
    assert_non_null(zone_region);

    memset(zone_region, 0xa5, zone_size);
    memset(zone_region, 0, sizeof(uint64_t));

    assert_int_equal(cargo_zone_create(&zone, zone_region, zone_size,
                                       zone_seed), 0);
}


static void
store_some(void)
{
    assert_int_equal(zone_store("none", 10, 0, 0), CARGO_OK);
    assert_int_equal(zone_store("short", 20, 100, 0), CARGO_OK);
    assert_int_equal(zone_store("both", 30, CARGO_ZONE_COPY, 900), CARGO_OK);
    assert_int_equal(zone_store("long", 40, CARGO_ZONE_COPY + 1, 5000),
                     CARGO_OK);
    assert_int_equal(zone_store("second", 50, 0, 1), CARGO_OK);
}


static void
check_some(void)
{
    assert_true(zone_has("none"));
    zone_check_body("short", 0, 100);
    zone_check_body("both", 0, CARGO_ZONE_COPY);
    zone_check_body("both", 1, 900);
    zone_check_body("long", 0, CARGO_ZONE_COPY + 1);
    zone_check_body("long", 1, 5000);
    zone_check_body("second", 1, 1);
    zone_assert_sound();
}


static void
test_round_trip(void **state)
{
    (void) state;

    store_some();
    save();
    check_some();

    afresh(zone_size);
    assert_int_equal(load(), CARGO_OK);

    assert_int_equal(loaded.entries, 5);
    assert_int_equal(loaded.stored, 5);
    assert_int_equal(loaded.age, 3);
    assert_null(loaded.refused);

    assert_int_equal(zone_stats().entries, 5);
    assert_true(zone_has("long"));
    assert_int_equal(zone_value.stored, 0);
    assert_int_equal(zone_value.used, 40);
    assert_int_equal(zone_value.head_len, 4);
    assert_memory_equal(zone_value.head, "long", 4);
    check_some();

    /* of an empty one, too */

    afresh(zone_size);
    save();
    assert_int_equal(file.len, CARGO_SNAPSHOT_ENTRIES);
    assert_int_equal(load(), CARGO_OK);
    assert_int_equal(loaded.entries, 0);
}


static void
test_groups(void **state)
{
    (void) state;

    store_some();
    cargo_zone_invalidate(&zone, unit_str("short"));
    save();

    afresh(zone_size);
    assert_int_equal(load(), CARGO_OK);
    assert_int_equal(loaded.stored, 4);
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

    store_some();
    assert_int_equal(zone_fetch("short", 60, -1), CARGO_OK);
    save();
    afresh(zone_size);
    assert_int_equal(load(), CARGO_OK);

    /* and a second time, from what was loaded and not used */

    save();
    afresh(zone_size);
    assert_int_equal(load(), CARGO_OK);

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

    afresh(4 * zone_size);

    for (n = 0; n < 300; n++) {
        (void) snprintf(name, sizeof(name), "n%u", n);
        assert_int_equal(zone_store(name, 1000 + n * 7 % 300, 2000, 0),
                         CARGO_OK);
    }

    save();
    afresh(zone_size / 4);
    assert_int_equal(load(), CARGO_OK);
    assert_int_equal(loaded.entries, 300);
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
        afresh(zone_size);
        store_some();
        zone_hook(i, replace);
        save();
        zone_hook(0, NULL);

        afresh(zone_size);
        assert_int_equal(load(), CARGO_OK);
        zone_assert_sound();
        assert_true(zone_has("long"));

        if (zone_value.head[0] == 'l') {
            check_some();
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

    store_some();

    file.fails_at = FILE_MAX;
    file.left_out = "both";
    assert_int_equal(save_to_file(), CARGO_OK);
    file.left_out = "long";

    afresh(zone_size);
    assert_int_equal(load(), CARGO_OK);
    assert_int_equal(loaded.entries, 4);
    assert_int_equal(loaded.stored, 3);
    assert_false(zone_has("both"));
    assert_false(zone_has("long"));

    file.left_out = NULL;
}


static void
test_failing_file(void **state)
{
    unsigned                       n;
    const cargo_snapshot_reader_t  reader = { file_read, unpack, NULL, 0 };
    cargo_snapshot_reader_t        r;

    (void) state;

    store_some();

    file.left_out = NULL;

    for (file.fails_at = CARGO_SNAPSHOT_ENTRIES; save_to_file() != CARGO_OK;
         file.fails_at += 100)
    {
        assert_true(file.fails_at < FILE_MAX);
    }

    save();

    for (n = 0; n < 100; n++) {
        afresh(zone_size);
        r = reader;
        r.size = file.len;
        file.reads_left = n;

        if (cargo_zone_load(&zone, &now, source, &r, &loaded) == CARGO_OK) {
            break;
        }

        assert_non_null(loaded.refused);
        assert_false(zone_has("none"));
        assert_false(zone_has("second"));
        zone_assert_sound();
    }

    assert_int_equal(n, 1 + 1 + 5 + 5);
}


/* each is found, but for those of a seal, which the other one makes good */

static void
test_every_bit(void **state)
{
    size_t                 i;
    unsigned               bit, ok;
    cargo_snapshot_seal_t  seal = { 6, 9, now };

    (void) state;

    assert_int_equal(zone_store("none", 10, 0, 0), CARGO_OK);
    assert_int_equal(zone_store("short", 20, 100, 30), CARGO_OK);
    save();
    cargo_snapshot_seal_write(&seal, file.bytes + CARGO_SNAPSHOT_HEADER
                                     + CARGO_SNAPSHOT_SEAL);
    ok = 0;

    for (i = 0; i < file.len; i++) {
        for (bit = 1; bit < 256; bit <<= 1) {
            afresh(zone_size);
            file.bytes[i] ^= (unsigned char) bit;

            if (load() == CARGO_OK) {
                assert_in_range(i, CARGO_SNAPSHOT_HEADER,
                                CARGO_SNAPSHOT_ENTRIES - 1);
                assert_int_equal(loaded.age,
                                 i < CARGO_SNAPSHOT_HEADER
                                     + CARGO_SNAPSHOT_SEAL ? 9 : 3);
                ok++;

            } else {
                assert_non_null(loaded.refused);
                assert_int_equal(zone_stats().entries, 0);
            }

            file.bytes[i] ^= (unsigned char) bit;
        }
    }

    assert_int_equal(ok, 8 * 2 * CARGO_SNAPSHOT_SEAL);
    assert_int_equal(load(), CARGO_OK);
    assert_int_equal(loaded.age, 3);
}


static void
test_every_length(void **state)
{
    size_t  len;

    (void) state;

    assert_int_equal(zone_store("none", 10, 0, 0), CARGO_OK);
    assert_int_equal(zone_store("short", 20, 100, 30), CARGO_OK);
    save();
    len = file.len;
    afresh(zone_size);

    for (file.len = 0; file.len < len; file.len++) {
        load_refused("it was cut off");
    }

    file.len = len + 1;
    load_refused("it was cut off");

    file.len = len;
    assert_int_equal(load(), CARGO_OK);
    assert_int_equal(loaded.stored, 2);
}


static void
test_not_ours(void **state)
{
    (void) state;

    store_some();
    save();
    afresh(zone_size);

    source[0] = 'b';
    load_refused("it is of another database");
    source[0] = 'a';

    file.bytes[8]++;
    fix_crcs();
    load_refused("it is of another version of the module");
    file.bytes[8]--;
    fix_crcs();

    file.bytes[0]++;
    load_refused("it is something else, or was cut off");
    file.bytes[0]--;

    memset(file.bytes + CARGO_SNAPSHOT_HEADER, 0, CARGO_SNAPSHOT_SEAL);
    load_refused("it is damaged");

    memset(file.bytes, 0, file.len);
    load_refused("it is something else, or was cut off");
}


static void
fix_crcs(void)
{
    uint32_t  crc;

    crc = (uint32_t) crc32_z(0, file.bytes + CARGO_SNAPSHOT_ENTRIES,
                             file.len - CARGO_SNAPSHOT_ENTRIES);
    (void) cargo_snapshot_put(file.bytes + 8 + 4 + CARGO_SNAPSHOT_SOURCE + 16,
                              crc, 4);

    crc = (uint32_t) crc32_z(0, file.bytes, CARGO_SNAPSHOT_HEADER - 4);
    (void) cargo_snapshot_put(file.bytes + CARGO_SNAPSHOT_HEADER - 4, crc, 4);
}


/* one who knows how sums are made */

static void
test_hostile(void **state)
{
    size_t                i, at, len;
    uint32_t              x, n, ok, refused;
    static unsigned char  good[FILE_MAX];

    (void) state;

    assert_int_equal(zone_store("none", 10, 0, 0), CARGO_OK);
    assert_int_equal(zone_store("short", 20, 100, 30), CARGO_OK);
    assert_int_equal(zone_store("both", 30, 700, 300), CARGO_OK);
    save();

    len = file.len;
    memcpy(good, file.bytes, len);
    ok = refused = 0;
    x = 1;

    for (n = 0; n < HOSTILE; n++) {
        memcpy(file.bytes, good, len);
        file.len = len;

        for (i = 0; i <= n % 5; i++) {
            x = x * 1664525 + 1013904223;
            at = (x >> 8) % len;

            /* lengths are where it hurts */

            if (n % 2) {
                at = CARGO_SNAPSHOT_ENTRIES + at % 16;
            }

            x = x * 1664525 + 1013904223;
            file.bytes[at] = (unsigned char) (n % 3 ? x >> 24 : 255);
        }

        memcpy(file.bytes, good, 12 + CARGO_SNAPSHOT_SOURCE);
        fix_crcs();
        afresh(zone_size);

        if (load() == CARGO_OK) {
            ok++;

        } else {
            assert_non_null(loaded.refused);
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
