
#include "zone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>


static void test_create(void **state);
static void test_layout(void **state);
static void test_round_trip(void **state);
static void test_lengths(void **state);
static void test_groups(void **state);
static void test_generation_race(void **state);
static void test_still(void **state);
static void test_order(void **state);
static void test_peek(void **state);
static void test_too_large(void **state);
static void test_all_chunks(void **state);
static void test_walk(void **state);


int
main(void)
{
    const struct CMUnitTest tests[] = {
        zone_test(test_create),
        zone_test(test_layout),
        zone_test(test_round_trip),
        zone_test(test_lengths),
        zone_test(test_groups),
        zone_test(test_generation_race),
        zone_test(test_still),
        zone_test(test_order),
        zone_test(test_peek),
        zone_test(test_too_large),
        zone_test(test_all_chunks),
        zone_test(test_walk)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}


static void
test_create(void **state)
{
    size_t              size;
    cargo_zone_t        other;
    unsigned char      *small;
    cargo_zone_stats_t  s;

    (void) state;

    zone_assert_sound();
    s = zone_stats();
    assert_true(s.chunks >= CARGO_ZONE_CHUNKS_MIN);
    assert_true(s.counters >= 1024);
    assert_int_equal(s.chunks_free, s.chunks);
    assert_int_equal(s.resets, 0);
    assert_int_equal(s.entries, 0);

    size = cargo_zone_size_min();
    small = aligned_alloc(CARGO_ZONE_ALIGN, (size + 127) & ~(size_t) 63);
    assert_non_null(small);
    memset(small, 0, (size + 127) & ~(size_t) 63);

    other = zone;
    assert_int_equal(cargo_zone_attach(&other, small, size), -1);
    assert_int_equal(cargo_zone_create(&other, small, size - 1, zone_seed),
                     -1);
    assert_int_equal(cargo_zone_create(&other, small + 8, size, zone_seed),
                     -1);
    assert_int_equal(cargo_zone_create(&other, small, SIZE_MAX, zone_seed),
                     -1);

    assert_int_equal(cargo_zone_create(&other, small, size, zone_seed), 0);
    cargo_zone_stats(&other, &s);
    assert_true(s.chunks >= CARGO_ZONE_CHUNKS_MIN);

    free(small);
}


static void
test_layout(void **state)
{
    cargo_zone_t   other;
    unsigned char  other_seed[CARGO_SIPHASH_KEY] = "another seed ...";

    (void) state;

    assert_int_equal(zone_store("a", 1, 100, 0), CARGO_OK);

    /* found again, with all that is in it, and with the first seed */

    other = zone;
    assert_int_equal(cargo_zone_create(&other, zone_region, zone_size,
                                       other_seed), 0);
    zone = other;
    zone_check_body("a", 0, 100);

    assert_int_equal(cargo_zone_attach(&other, zone_region, zone_size), 0);
    assert_int_equal(cargo_zone_attach(&other, zone_region, zone_size - 64),
                     -1);
    assert_int_equal(cargo_zone_create(&other, zone_region, zone_size - 64,
                                       zone_seed), -1);

    zone.header->layout++;
    assert_int_equal(cargo_zone_attach(&other, zone_region, zone_size), -1);
    assert_int_equal(cargo_zone_create(&other, zone_region, zone_size,
                                       zone_seed), -1);
    zone.header->layout--;

    zone.header->magic++;
    assert_int_equal(cargo_zone_create(&other, zone_region, zone_size,
                                       zone_seed), -1);
    zone.header->magic--;

    zone_check_body("a", 0, 100);
}


static void
test_round_trip(void **state)
{
    cargo_zone_key_t    key;
    cargo_zone_stats_t  s;

    (void) state;

    assert_int_equal(zone_fetch("serde", 1, 0), CARGO_REFUSED);
    assert_int_equal(zone_store("serde", 7, 3000, 700), CARGO_OK);

    assert_int_equal(zone_fetch("serde", 8, -1), CARGO_OK);
    assert_int_equal(zone_value.head_len, 5);
    assert_memory_equal(zone_value.head, "serde", 5);
    assert_int_equal(zone_value.body_len[0], 3000);
    assert_int_equal(zone_value.body_len[1], 700);
    assert_int_equal(zone_value.stored, 7);
    assert_int_equal(zone_value.used, 8);
    assert_false(cargo_zone_pinned(&zone_value, -1));
    assert_false(cargo_zone_pinned(&zone_value, 0));
    assert_int_equal(cargo_zone_copy(&zone, &zone_value, 0, zone_copied),
                     CARGO_REFUSED);

    zone_check_body("serde", 0, 3000);
    zone_check_body("serde", 1, 700);

    /* replaced: by another length, by nothing */

    assert_int_equal(zone_store("serde", 9, 20000, 5000), CARGO_OK);
    zone_check_body("serde", 0, 20000);
    zone_check_body("serde", 1, 5000);

    assert_int_equal(zone_store("serde", 9, 0, 0), CARGO_OK);
    zone_check_body("serde", 0, 0);

    /* the empty key is one like others, and a prefix is another key */

    assert_int_equal(zone_store("", 9, 10, 0), CARGO_OK);
    zone_check_body("", 0, 10);
    assert_false(zone_has("serd"));
    assert_false(zone_has("serde_"));

    key = zone_key("serde", "any", "group");
    assert_int_equal(cargo_zone_fetch(&zone, &key, 1, -1, NULL, &zone_value),
                     CARGO_OK);

    s = zone_stats();
    assert_int_equal(s.entries, 2);
    assert_int_equal(s.stores, 4);
    assert_int_equal(s.misses, 1);
    assert_int_equal(s.evictions, 0);
    assert_int_equal(s.detached, 0);
    zone_assert_sound();
}


/* every length around the edges of chunks and of what is copied at once */

static void
test_lengths(void **state)
{
    char                     text[CARGO_ZONE_KEY + 1];
    size_t                   i, n, len;
    cargo_str_t              head, data[CARGO_ZONE_BODIES] = { { 0, NULL },
                                                               { 0, NULL } };
    cargo_zone_key_t         key;
    cargo_zone_generation_t  generation;

    static const size_t  edges[] = { 1, 384, 512, 1024, 4096, 4608, 8192 };

    (void) state;

    for (i = 0; i < unit_count(edges); i++) {
        for (n = 0; n < 260; n++) {
            len = edges[i] + 130 > n ? edges[i] + 130 - n : 0;
            assert_int_equal(zone_store("k", 1, len, n), CARGO_OK);
            zone_check_body("k", 0, len);
            zone_check_body("k", 1, n);
        }

        zone_assert_sound();
    }

    /* the longest key, which is the longest head but for the length */

    memset(text, 'k', CARGO_ZONE_KEY);
    text[CARGO_ZONE_KEY] = '\0';
    key = zone_key(text, "a", "b");

    for (n = 0; n <= CARGO_ZONE_HEAD; n++) {
        zone_pattern(zone_copied, text, 0, 5000);

        head = key.key;
        head.len = n;
        data[0].data = zone_copied;
        data[0].len = 5000;

        cargo_zone_generation(&zone, &key, &generation);
        assert_int_equal(cargo_zone_store(&zone, &key, &generation, 1, head,
                                          data), CARGO_OK);
        zone_check_body(text, 0, 5000);
        assert_int_equal(zone_value.head_len, n);
        assert_memory_equal(zone_value.head, text, n);
    }

    zone_assert_sound();
}


static void
test_groups(void **state)
{
    cargo_zone_key_t         both, one, free_key;
    cargo_zone_generation_t  generation;

    (void) state;

    both = zone_key("both", "crate", "registry");
    one = zone_key("one", "other", NULL);
    free_key = zone_key("free", NULL, NULL);

    cargo_zone_generation(&zone, &both, &generation);
    assert_int_equal(zone_store_key(&both, &generation), CARGO_OK);
    cargo_zone_generation(&zone, &one, &generation);
    assert_int_equal(zone_store_key(&one, &generation), CARGO_OK);
    cargo_zone_generation(&zone, &free_key, &generation);
    assert_int_equal(zone_store_key(&free_key, &generation), CARGO_OK);

    cargo_zone_invalidate(&zone, unit_str("nobody's"));
    assert_true(zone_has("both") && zone_has("one") && zone_has("free"));

    cargo_zone_invalidate(&zone, unit_str("registry"));
    assert_false(zone_has("both"));
    assert_true(zone_has("one") && zone_has("free"));

    cargo_zone_generation(&zone, &both, &generation);
    assert_int_equal(zone_store_key(&both, &generation), CARGO_OK);
    cargo_zone_invalidate(&zone, unit_str("crate"));
    assert_false(zone_has("both"));

    cargo_zone_invalidate_all(&zone);
    assert_false(zone_has("one") || zone_has("free"));

    assert_int_equal(zone_stats().entries, 3);
    zone_assert_sound();
}


static void
test_generation_race(void **state)
{
    cargo_zone_key_t         key;
    cargo_zone_generation_t  generation;

    (void) state;

    key = zone_key("k", "crate", "registry");

    cargo_zone_generation(&zone, &key, &generation);
    cargo_zone_invalidate(&zone, unit_str("crate"));
    assert_int_equal(zone_store_key(&key, &generation), CARGO_REFUSED);

    cargo_zone_generation(&zone, &key, &generation);
    cargo_zone_invalidate_all(&zone);
    assert_int_equal(zone_store_key(&key, &generation), CARGO_REFUSED);

    cargo_zone_generation(&zone, &key, &generation);
    cargo_zone_invalidate(&zone, unit_str("nobody's"));
    assert_int_equal(zone_store_key(&key, &generation), CARGO_OK);

    /* a refused store leaves what is there */

    cargo_zone_generation(&zone, &key, &generation);
    cargo_zone_invalidate(&zone, unit_str("crate"));
    assert_int_equal(zone_store_key(&key, &generation), CARGO_REFUSED);
    assert_int_equal(zone_stats().entries, 1);
    assert_int_equal(zone_stats().refusals, 0);
    zone_assert_sound();
}


static void
test_still(void **state)
{
    cargo_zone_key_t         key;
    cargo_zone_value_t       kept;
    cargo_zone_generation_t  taken;

    (void) state;

    key = zone_key("k", "registry", "crate");

    cargo_zone_generation(&zone, &key, &taken);
    assert_int_equal(zone_store_key(&key, &taken), CARGO_OK);
    assert_int_equal(cargo_zone_fetch(&zone, &key, 1, -1, NULL, &kept),
                     CARGO_OK);
    assert_true(cargo_zone_still(&zone, &kept));

    cargo_zone_invalidate(&zone, unit_str("nobody's"));
    assert_true(cargo_zone_still(&zone, &kept));

    /* it is about what was fetched, not about what is there now */

    cargo_zone_invalidate(&zone, unit_str("crate"));
    assert_false(cargo_zone_still(&zone, &kept));

    cargo_zone_generation(&zone, &key, &taken);
    assert_int_equal(zone_store_key(&key, &taken), CARGO_OK);
    assert_false(cargo_zone_still(&zone, &kept));

    assert_int_equal(cargo_zone_fetch(&zone, &key, 1, -1, NULL, &kept),
                     CARGO_OK);
    assert_true(cargo_zone_still(&zone, &kept));

    cargo_zone_invalidate_all(&zone);
    assert_false(cargo_zone_still(&zone, &kept));
}


static void
test_order(void **state)
{
    char      name[16];
    unsigned  i, n;

    (void) state;

    n = zone_fill("e", 100, 950);

    /* used in the second in which it was stored: no reason to move it */
    assert_int_equal(zone_fetch("e0", 100, -1), CARGO_OK);
    /* later: the last to go */
    assert_int_equal(zone_fetch("e1", 101, -1), CARGO_OK);
    assert_int_equal(zone_stats().evictions, 0);

    for (i = 0; i < n; i++) {
        (void) snprintf(name, sizeof(name), "n%u", i);
        assert_int_equal(zone_store(name, 102, 950, 0), CARGO_OK);

        (void) snprintf(name, sizeof(name), "e%u", i == 0 ? 0 : i + 1);

        if (i < n - 1) {
            assert_false(zone_has(name));
            assert_true(zone_has("e1"));
        }

        (void) snprintf(name, sizeof(name), "e%u", i + 2);

        if (i + 2 < n) {
            assert_true(zone_has(name));
        }
    }

    assert_false(zone_has("e1"));
    assert_true(zone_has("n0"));
    assert_int_equal(zone_stats().evictions, n);
    assert_int_equal(zone_stats().entries, n);
    zone_assert_sound();
}


static void
test_peek(void **state)
{
    uint64_t          hits, misses;
    cargo_zone_key_t  key;

    (void) state;

    (void) zone_fill("e", 100, 950);

    hits = zone_stats().hits;
    misses = zone_stats().misses;

    key = zone_key("e0", NULL, NULL);
    assert_int_equal(cargo_zone_peek(&zone, &key, 200, 0, zone_buffer,
                                     &zone_value), CARGO_OK);
    assert_int_equal(zone_value.used, 100);
    zone_pattern(zone_copied, "e0", 0, 950);
    assert_memory_equal(zone_buffer, zone_copied, 950);

    key = zone_key("none", NULL, NULL);
    assert_int_equal(cargo_zone_peek(&zone, &key, 200, 0, zone_buffer,
                                     &zone_value), CARGO_REFUSED);

    assert_int_equal(zone_stats().hits, hits);
    assert_int_equal(zone_stats().misses, misses);

    /* still the first to go */
    assert_int_equal(zone_store("new", 201, 950, 0), CARGO_OK);
    assert_false(zone_has("e0"));

    /* a peek pins like a fetch */
    assert_int_equal(zone_store("long", 201, 20000, 0), CARGO_OK);
    key = zone_key("long", NULL, NULL);
    assert_int_equal(cargo_zone_peek(&zone, &key, 300, 0, zone_buffer,
                                     &zone_value), CARGO_OK);
    assert_true(cargo_zone_pinned(&zone_value, 0));
    (void) zone_fill("f", 301, 950);
    assert_int_equal(cargo_zone_copy(&zone, &zone_value, 0, zone_copied),
                     CARGO_OK);
    zone_check_copied("long", 0, 20000);
    zone_assert_sound();
}


static void
test_too_large(void **state)
{
    size_t                   max;
    cargo_str_t              head, data[CARGO_ZONE_BODIES];
    unsigned char            long_key[CARGO_ZONE_KEY + 1] = { 0 };
    cargo_zone_key_t         key;
    cargo_zone_generation_t  generation;

    (void) state;

    max = zone_body_max("k");

    assert_int_equal(zone_store("k", 1, max, 0), CARGO_OK);
    zone_check_body("k", 0, max);
    assert_int_equal(zone_store("k", 1, max - 1, 1), CARGO_OK);
    assert_int_equal(zone_stats().refusals, 0);

    assert_int_equal(zone_store("k", 1, max + 1, 0), CARGO_REFUSED);
    assert_int_equal(zone_store("k", 1, max, 1), CARGO_REFUSED);
    assert_int_equal(zone_store("k", 1, 1, max), CARGO_REFUSED);

    memset(&key, 0, sizeof(cargo_zone_key_t));
    key.key.data = long_key;
    key.key.len = CARGO_ZONE_KEY + 1;
    head.data = zone_copied;
    head.len = 1;
    data[0].data = zone_copied;
    data[0].len = SIZE_MAX;
    data[1] = data[0];

    cargo_zone_generation(&zone, &key, &generation);
    assert_int_equal(cargo_zone_store(&zone, &key, &generation, 1, head,
                                      data), CARGO_REFUSED);
    key.key.len = CARGO_ZONE_KEY;
    assert_int_equal(cargo_zone_store(&zone, &key, &generation, 1, head,
                                      data), CARGO_REFUSED);
    data[0].len = 0;
    data[1].len = 0;
    head.len = CARGO_ZONE_HEAD + 1;
    assert_int_equal(cargo_zone_store(&zone, &key, &generation, 1, head,
                                      data), CARGO_REFUSED);

    assert_int_equal(zone_stats().refusals, 6);
    zone_check_body("k", 0, max - 1);
    zone_check_body("k", 1, 1);
    zone_assert_sound();
}


/* all used, all free, and all used again */

static void
test_all_chunks(void **state)
{
    char      name[16];
    unsigned  i, n, chunks;

    (void) state;

    chunks = zone_stats().chunks;

    /* one chunk each */
    n = zone_fill("e", 1, 10);
    assert_int_equal(n, chunks);
    assert_int_equal(zone_stats().chunks_free, 0);
    assert_int_equal(zone_stats().entries, chunks);

    for (i = 0; i < n; i++) {
        (void) snprintf(name, sizeof(name), "e%u", i);
        zone_check_body(name, 0, 10);
    }

    zone_assert_sound();

    /* as many as there can be in entries of the largest size, and back */

    for (i = 0; i < 2 * CARGO_ZONE_SHARE; i++) {
        (void) snprintf(name, sizeof(name), "l%u", i);
        assert_int_equal(zone_store(name, 2, zone_body_max(name), 0),
                         CARGO_OK);
        zone_assert_sound();
    }

    assert_true(zone_stats().entries >= CARGO_ZONE_SHARE);

    (void) zone_fill("s", 3, 10);
    assert_int_equal(zone_stats().chunks_free, 0);
    assert_int_equal(zone_stats().entries, chunks);
    assert_int_equal(zone_stats().refusals, 0);
    zone_assert_sound();
}


static void
test_walk(void **state)
{
    char           name[16];
    size_t         len;
    unsigned       i, n, seen[600] = { 0 };
    uint32_t       position;
    unsigned char  key[CARGO_ZONE_KEY + 1];

    (void) state;

    position = 0;
    assert_int_equal(cargo_zone_walk(&zone, &position, key, &len, &zone_value),
                     CARGO_REFUSED);
    assert_int_equal(position, 0);

    for (i = 0; i < 100; i++) {
        (void) snprintf(name, sizeof(name), "e%u", i);
        assert_int_equal(zone_store(name, 10 + i, i * 10, i), CARGO_OK);
    }

    cargo_zone_invalidate(&zone, unit_str("e50"));
    (void) zone_fetch("e20", 500, -1);

    n = 0;

    while (cargo_zone_walk(&zone, &position, key, &len, &zone_value)
           == CARGO_OK)
    {
        key[len] = '\0';
        i = (unsigned) strtoul((char *) key + 1, NULL, 10);
        seen[i]++;
        n++;

        assert_int_equal(zone_value.head_len, len);
        assert_memory_equal(zone_value.head, key, len);
        assert_int_equal(zone_value.body_len[0], i * 10);
        assert_int_equal(zone_value.body_len[1], i);
        assert_int_equal(zone_value.stored, 10 + i);

        if (i != 99) {
            assert_int_equal(zone_value.used, i == 20 ? 500 : 10 + i);
        }

        assert_false(cargo_zone_pinned(&zone_value, 0));

        /* what is used meanwhile is still met, and once */
        (void) zone_fetch((char *) key, 600, -1);
        (void) zone_fetch("e99", 601 + n, -1);
    }

    assert_int_equal(position, 0);
    assert_int_equal(n, 99);
    assert_int_equal(seen[50], 0);

    for (i = 0; i < 100; i++) {
        assert_int_equal(seen[i], i != 50);
    }
}
