
#include "cargo_zone_private.h"

#include <string.h>


#define CARGO_ZONE_MAGIC         UINT64_C(0x63617267006f7a31)

/* what is counted is taken out every second: they need not be many */
#define CARGO_ZONE_COUNTERS_MIN  1024
#define CARGO_ZONE_COUNTERS_OF   64         /* of the region */

/* an index document takes six or seven chunks, a negative entry one */
#define CARGO_ZONE_PER_BUCKET    4

#define cargo_zone_align(n)                                                   \
    (((n) + CARGO_ZONE_ALIGN - 1) & ~(uint64_t) (CARGO_ZONE_ALIGN - 1))

#define CARGO_ZONE_HEADER_SIZE   cargo_zone_align(sizeof(cargo_zone_header_t))
#define CARGO_ZONE_SLOTS_SIZE                                                 \
    cargo_zone_align(CARGO_ZONE_SLOTS_ALL * sizeof(uint64_t))

/* another one whenever what lies in memory has another form */
#define CARGO_ZONE_LAYOUT                                                     \
    ((uint64_t) sizeof(cargo_zone_header_t) << 32                             \
     | (uint64_t) sizeof(cargo_zone_entry_t) << 16 | CARGO_ZONE_CHUNK)


/* how many of each there are in a region, and where the last three begin */
typedef struct {
    uint64_t        counters;
    uint64_t        buckets;
    uint64_t        chunks;
    uint64_t        buckets_at;
    uint64_t        links_at;
    uint64_t        chunks_at;
} cargo_zone_parts_t;


static int cargo_zone_fits(const void *region, size_t size);
static cargo_zone_parts_t cargo_zone_divide(uint64_t size);
static uint64_t cargo_zone_power(uint64_t n);
static void cargo_zone_locate(cargo_zone_t *zone, void *region,
    cargo_zone_parts_t parts);
static void cargo_zone_empty(cargo_zone_t *zone);
static uint16_t cargo_zone_slot(const cargo_zone_t *zone, cargo_str_t group);
static uint64_t cargo_zone_generation_at(const cargo_zone_t *zone,
    uint16_t slot);
static void cargo_zone_next_generation(cargo_zone_t *zone, uint16_t slot);


size_t
cargo_zone_size_min(void)
{
    return (size_t) (CARGO_ZONE_HEADER_SIZE + CARGO_ZONE_SLOTS_SIZE
                     + CARGO_ZONE_COUNTERS_MIN * sizeof(cargo_zone_counter_t)
                     + CARGO_ZONE_CHUNKS_MIN
                       * (CARGO_ZONE_CHUNK + sizeof(cargo_zone_link_t)
                          + sizeof(uint32_t)));
}


int
cargo_zone_create(cargo_zone_t *zone, void *region, size_t size,
    const unsigned char *seed)
{
    cargo_zone_parts_t    parts;
    cargo_zone_header_t  *header;

    if (!cargo_zone_fits(region, size)) {
        return -1;
    }

    header = region;

    if (header->magic) {
        return cargo_zone_attach(zone, region, size);
    }

    parts = cargo_zone_divide(size);
    memset(region, 0, (size_t) parts.buckets_at);

    header->layout = CARGO_ZONE_LAYOUT;
    header->size = size;
    header->chunks = (uint32_t) parts.chunks;
    header->bucket_mask = (uint32_t) parts.buckets - 1;
    header->row_mask = (uint32_t) (parts.counters / CARGO_ZONE_WAYS) - 1;
    memcpy(header->seed, seed, CARGO_SIPHASH_KEY);

    cargo_zone_locate(zone, region, parts);
    cargo_zone_empty(zone);

    __atomic_store_n(&header->magic, CARGO_ZONE_MAGIC, __ATOMIC_RELEASE);

    return 0;
}


int
cargo_zone_attach(cargo_zone_t *zone, void *region, size_t size)
{
    cargo_zone_header_t  *header;

    header = region;

    if (!cargo_zone_fits(region, size)
        || __atomic_load_n(&header->magic, __ATOMIC_ACQUIRE)
           != CARGO_ZONE_MAGIC
        || header->layout != CARGO_ZONE_LAYOUT || header->size != size)
    {
        return -1;
    }

    cargo_zone_locate(zone, region, cargo_zone_divide(size));

    return 0;
}


void
cargo_zone_generation(cargo_zone_t *zone, const cargo_zone_key_t *key,
    cargo_zone_generation_t *generation)
{
    size_t    i;
    uint16_t  slots[CARGO_ZONE_GROUPS];

    cargo_zone_slots(zone, key, slots);

    for (i = 0; i < CARGO_ZONE_GROUPS; i++) {
        generation->values[i] = cargo_zone_generation_at(zone, slots[i]);
    }

    generation->values[i] = cargo_zone_generation_at(zone,
                                                     CARGO_ZONE_SLOT_ALL);
}


void
cargo_zone_generation_without(cargo_zone_generation_t *generation,
    size_t group)
{
    /* that of CARGO_ZONE_SLOT_NONE, as it was made */
    generation->values[group] = 0;
}


void
cargo_zone_invalidate(cargo_zone_t *zone, cargo_str_t group)
{
    cargo_zone_next_generation(zone, cargo_zone_slot(zone, group));
}


void
cargo_zone_invalidate_all(cargo_zone_t *zone)
{
    cargo_zone_next_generation(zone, CARGO_ZONE_SLOT_ALL);
}


void
cargo_zone_stats(cargo_zone_t *zone, cargo_zone_stats_t *stats)
{
    cargo_zone_header_t  *header;

    header = zone->header;

    cargo_zone_lock(zone);

    *stats = header->stats;
    stats->chunks = header->chunks;
    stats->chunks_free = header->free_count + (header->chunks - header->fresh);

    cargo_zone_unlock(zone);

    stats->counters = (header->row_mask + 1) * CARGO_ZONE_WAYS;
    stats->counters_used = cargo_zone_counters_used(zone);
}


void
cargo_zone_lock(cargo_zone_t *zone)
{
    zone->lock(zone->mutex);

    if (zone->header->changing) {
        zone->header->stats.resets++;
        cargo_zone_empty(zone);
        cargo_zone_changed(zone);
    }
}


void
cargo_zone_unlock(cargo_zone_t *zone)
{
    zone->unlock(zone->mutex);
}


void
cargo_zone_slots(const cargo_zone_t *zone, const cargo_zone_key_t *key,
    uint16_t *slots)
{
    size_t  i;

    for (i = 0; i < CARGO_ZONE_GROUPS; i++) {
        slots[i] = key->groups[i].len ? cargo_zone_slot(zone, key->groups[i])
                                      : CARGO_ZONE_SLOT_NONE;
    }
}


int
cargo_zone_current(const cargo_zone_t *zone, const uint16_t *slots,
    const uint64_t *generations)
{
    size_t  i;

    for (i = 0; i < CARGO_ZONE_GROUPS; i++) {
        if (generations[i] != cargo_zone_generation_at(zone, slots[i])) {
            return 0;
        }
    }

    return generations[i] == cargo_zone_generation_at(zone,
                                                      CARGO_ZONE_SLOT_ALL);
}


static int
cargo_zone_fits(const void *region, size_t size)
{
    return size >= cargo_zone_size_min()
           && size / CARGO_ZONE_CHUNK < CARGO_ZONE_NONE
           && ((uintptr_t) region & (CARGO_ZONE_ALIGN - 1)) == 0;
}


static cargo_zone_parts_t
cargo_zone_divide(uint64_t size)
{
    uint64_t            left;
    cargo_zone_parts_t  parts;

    parts.counters = cargo_zone_power(size / CARGO_ZONE_COUNTERS_OF
                                      / sizeof(cargo_zone_counter_t));

    if (parts.counters < CARGO_ZONE_COUNTERS_MIN) {
        parts.counters = CARGO_ZONE_COUNTERS_MIN;
    }

    parts.buckets_at = CARGO_ZONE_HEADER_SIZE + CARGO_ZONE_SLOTS_SIZE
                       + parts.counters * sizeof(cargo_zone_counter_t);

    left = (size - parts.buckets_at) / CARGO_ZONE_CHUNK;
    parts.buckets = cargo_zone_power(left / CARGO_ZONE_PER_BUCKET) * 2;

    parts.links_at = parts.buckets_at
                     + cargo_zone_align(parts.buckets * sizeof(uint32_t));

    left = size - parts.links_at - CARGO_ZONE_ALIGN;
    parts.chunks = left / (CARGO_ZONE_CHUNK + sizeof(cargo_zone_link_t));

    parts.chunks_at = parts.links_at
                      + cargo_zone_align(parts.chunks
                                         * sizeof(cargo_zone_link_t));

    return parts;
}


/* the largest power of two that is not above n */

static uint64_t
cargo_zone_power(uint64_t n)
{
    uint64_t  power;

    for (power = 1; power <= n / 2; power *= 2) { /* void */ }

    return power;
}


static void
cargo_zone_locate(cargo_zone_t *zone, void *region, cargo_zone_parts_t parts)
{
    unsigned char  *p;

    p = region;

    zone->header = region;
    p += CARGO_ZONE_HEADER_SIZE;

    zone->generations = (uint64_t *) (void *) p;
    p += CARGO_ZONE_SLOTS_SIZE;

    zone->counters = (cargo_zone_counter_t *) (void *) p;

    p = region;

    zone->buckets = (uint32_t *) (void *) (p + parts.buckets_at);
    zone->links = (cargo_zone_link_t *) (void *) (p + parts.links_at);
    zone->chunks = (cargo_zone_chunk_t *) (void *) (p + parts.chunks_at);
}


/* leaves the chunks alone: none was ever used now */

static void
cargo_zone_empty(cargo_zone_t *zone)
{
    cargo_zone_header_t  *header;

    header = zone->header;

    header->epoch++;
    header->free = CARGO_ZONE_NONE;
    header->free_count = 0;
    header->fresh = 0;
    header->order.newest = CARGO_ZONE_NONE;
    header->order.oldest = CARGO_ZONE_NONE;
    header->detached = header->order;
    header->stats.entries = 0;
    header->stats.detached = 0;

    /* CARGO_ZONE_NONE is all ones */
    memset(zone->buckets, 0xff,
           ((size_t) header->bucket_mask + 1) * sizeof(uint32_t));
}


static uint16_t
cargo_zone_slot(const cargo_zone_t *zone, cargo_str_t group)
{
    return (uint16_t) (cargo_siphash(zone->header->seed, group.data,
                                     group.len) & (CARGO_ZONE_SLOTS - 1));
}


/* without the lock: one that is a moment old is one that was asked earlier */

static uint64_t
cargo_zone_generation_at(const cargo_zone_t *zone, uint16_t slot)
{
    return __atomic_load_n(&zone->generations[slot], __ATOMIC_ACQUIRE);
}


static void
cargo_zone_next_generation(cargo_zone_t *zone, uint16_t slot)
{
    cargo_zone_lock(zone);
    __atomic_store_n(&zone->generations[slot], zone->generations[slot] + 1,
                     __ATOMIC_RELEASE);
    zone->header->stats.invalidations++;
    cargo_zone_unlock(zone);
}
