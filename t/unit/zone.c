
#include "zone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>


static void zone_lock(void *mutex);
static void zone_unlock(void *mutex);


cargo_zone_t           zone;
void                  *zone_region;
size_t                 zone_size;
cargo_zone_value_t     zone_value;
unsigned char          zone_buffer[CARGO_ZONE_COPY];
unsigned char          zone_copied[ZONE_BODY];
const unsigned char    zone_seed[CARGO_SIPHASH_KEY] = "sixteen bytes ..";

static int             zone_locked;
static unsigned        zone_hook_in;
static void          (*zone_hook_call)(void);
static unsigned char   zone_bodies[CARGO_ZONE_BODIES][ZONE_BODY];


int
zone_set_up(void **state)
{
    (void) state;

    zone_size = cargo_zone_size_min() + 256 * CARGO_ZONE_CHUNK;
    zone_size = (zone_size + CARGO_ZONE_ALIGN - 1)
                & ~(size_t) (CARGO_ZONE_ALIGN - 1);

    zone_region = aligned_alloc(CARGO_ZONE_ALIGN, zone_size);
    if (zone_region == NULL) {
        return -1;
    }

    /* nothing but the first bytes may be relied upon */
    memset(zone_region, 0xa5, zone_size);
    memset(zone_region, 0, sizeof(uint64_t));

    memset(&zone, 0, sizeof(cargo_zone_t));
    zone.lock = zone_lock;
    zone.unlock = zone_unlock;
    zone.mutex = &zone_locked;

    zone_locked = 0;
    zone_hook_in = 0;

    return cargo_zone_create(&zone, zone_region, zone_size, zone_seed);
}


int
zone_tear_down(void **state)
{
    (void) state;

    free(zone_region);

    return zone_locked;
}


cargo_zone_key_t
zone_key(const char *key, const char *a, const char *b)
{
    cargo_zone_key_t  k;

    k.key = unit_str(key);
    k.groups[0] = unit_str(a ? a : "");
    k.groups[1] = unit_str(b ? b : "");
    k.groups[2] = unit_str("");

    return k;
}


void
zone_pattern(unsigned char *p, const char *key, int body, size_t len)
{
    size_t    i;
    uint32_t  x;

    x = (uint32_t) len * 2 + (uint32_t) body + 1;

    for (i = 0; key[i]; i++) {
        x = x * 31 + (unsigned char) key[i];
    }

    for (i = 0; i < len; i++) {
        x = x * 1664525 + 1013904223;
        p[i] = (unsigned char) (x >> 24);
    }
}


cargo_rc_t
zone_store(const char *key, int64_t now, size_t len0, size_t len1)
{
    cargo_str_t              bodies[CARGO_ZONE_BODIES];
    cargo_zone_key_t         k;
    cargo_zone_generation_t  generation;

    k = zone_key(key, key, NULL);

    bodies[0].len = len0;
    bodies[0].data = zone_bodies[0];
    bodies[1].len = len1;
    bodies[1].data = zone_bodies[1];

    zone_pattern(zone_bodies[0], key, 0, len0 < ZONE_BODY ? len0 : 0);
    zone_pattern(zone_bodies[1], key, 1, len1 < ZONE_BODY ? len1 : 0);

    cargo_zone_generation(&zone, &k, &generation);

    return cargo_zone_store(&zone, &k, &generation, now, k.key, bodies);
}


cargo_rc_t
zone_store_key(const cargo_zone_key_t *key,
    const cargo_zone_generation_t *generation)
{
    const cargo_str_t  none[CARGO_ZONE_BODIES] = { { 0, NULL }, { 0, NULL } };

    return cargo_zone_store(&zone, key, generation, 1, key->key, none);
}


cargo_rc_t
zone_fetch(const char *key, int64_t now, int body)
{
    cargo_zone_key_t  k;

    k = zone_key(key, NULL, NULL);

    return cargo_zone_fetch(&zone, &k, now, body, zone_buffer, &zone_value);
}


int
zone_has(const char *key)
{
    cargo_zone_key_t  k;

    k = zone_key(key, NULL, NULL);

    return cargo_zone_peek(&zone, &k, 0, -1, NULL, &zone_value) == CARGO_OK;
}


void
zone_check_body(const char *key, int body, size_t len)
{
    assert_int_equal(zone_fetch(key, 0, body), CARGO_OK);
    assert_int_equal(zone_value.body_len[body], len);
    assert_int_equal(cargo_zone_pinned(&zone_value, body),
                     len > CARGO_ZONE_COPY);

    if (cargo_zone_pinned(&zone_value, body)) {
        assert_int_equal(cargo_zone_copy(&zone, &zone_value, body,
                                         zone_copied), CARGO_OK);

    } else {
        memcpy(zone_copied, zone_buffer, len);
    }

    zone_check_copied(key, body, len);
}


void
zone_check_copied(const char *key, int body, size_t len)
{
    zone_pattern(zone_bodies[0], key, body, len);
    assert_memory_equal(zone_copied, zone_bodies[0], len);
}


unsigned
zone_fill(const char *prefix, int64_t now, size_t len)
{
    char      name[16];
    size_t    each;
    unsigned  i, n;

    /* room for the longest names makes all take as many chunks */
    each = (sizeof(cargo_zone_entry_t) + 2 * sizeof(name) + len
            + CARGO_ZONE_CHUNK - 1) / CARGO_ZONE_CHUNK;
    n = zone_stats().chunks / (unsigned) each;

    for (i = 0; i < n; i++) {
        (void) snprintf(name, sizeof(name), "%s%u", prefix, i);
        assert_int_equal(zone_store(name, now, len, 0), CARGO_OK);
    }

    return n;
}


size_t
zone_body_max(const char *key)
{
    return zone_stats().chunks / CARGO_ZONE_SHARE * CARGO_ZONE_CHUNK
           - sizeof(cargo_zone_entry_t) - 2 * strlen(key);
}


cargo_zone_stats_t
zone_stats(void)
{
    cargo_zone_stats_t  stats;

    cargo_zone_stats(&zone, &stats);

    return stats;
}


void
zone_assert_sound(void)
{
    const char  *error;

    error = cargo_zone_verify(&zone);

    if (error) {
        fail_msg("%s", error);
    }
}


void
zone_hook(unsigned n, void (*hook)(void))
{
    zone_hook_in = n;
    zone_hook_call = hook;
}


static void
zone_lock(void *mutex)
{
    if (zone_hook_in && --zone_hook_in == 0) {
        zone_hook_call();
    }

    assert_int_equal(*(int *) mutex, 0);
    *(int *) mutex = 1;
}


static void
zone_unlock(void *mutex)
{
    assert_int_equal(*(int *) mutex, 1);
    *(int *) mutex = 0;
}
