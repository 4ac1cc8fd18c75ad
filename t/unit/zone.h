
/*
 * A zone in the memory of one process, for the tests of cargo_zone.h, and
 * entries whose contents follow from their key.
 *
 * An entry's head is its key, its one group as well; its bodies are
 * zone_pattern().  Entries end with the zone, in zone_tear_down(), which also
 * fails when the lock was left taken.
 */


#ifndef ZONE_H
#define ZONE_H


#include "unit.h"

#include "cargo_zone_private.h"


#define ZONE_BODY  (64 * 1024)      /* longest body here */

#define zone_test(name)                                                       \
    cmocka_unit_test_setup_teardown(name, zone_set_up, zone_tear_down)


int zone_set_up(void **state);
int zone_tear_down(void **state);

/* groups may be NULL */
cargo_zone_key_t zone_key(const char *key, const char *a, const char *b);
void zone_pattern(unsigned char *p, const char *key, int body, size_t len);

cargo_rc_t zone_store(const char *key, int64_t now, size_t len0, size_t len1);

/* an entry of a head only, with the groups of the key */
cargo_rc_t zone_store_key(const cargo_zone_key_t *key,
    const cargo_zone_generation_t *generation);

/* into zone_value and zone_buffer; zone_has() is no use of the entry */
cargo_rc_t zone_fetch(const char *key, int64_t now, int body);
int zone_has(const char *key);

/* fetches at 0, copies into zone_copied, and compares with the pattern */
void zone_check_body(const char *key, int body, size_t len);
void zone_check_copied(const char *key, int body, size_t len);

/*
 * Stores PREFIX0, PREFIX1, ... with one body of len bytes, as many as there
 * is room for in an empty zone; returns how many.
 */
unsigned zone_fill(const char *prefix, int64_t now, size_t len);

/* the largest body that an entry with this key may have */
size_t zone_body_max(const char *key);

cargo_zone_stats_t zone_stats(void);
void zone_assert_sound(void);

/* before the n-th lock from now, and then no more, hook is called */
void zone_hook(unsigned n, void (*hook)(void));


extern cargo_zone_t         zone;
extern void                *zone_region;
extern size_t               zone_size;
extern const unsigned char  zone_seed[CARGO_SIPHASH_KEY];
extern cargo_zone_value_t   zone_value;
extern unsigned char        zone_buffer[CARGO_ZONE_COPY];
extern unsigned char        zone_copied[ZONE_BODY];


#endif /* ZONE_H */
