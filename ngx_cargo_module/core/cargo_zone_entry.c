
#include "cargo_zone_private.h"

#include <string.h>


static int cargo_zone_old(const cargo_zone_entry_t *entry, int64_t now);
static void cargo_zone_push(cargo_zone_t *zone, cargo_zone_list_t *list,
    uint32_t i);
static void cargo_zone_remove(cargo_zone_t *zone, cargo_zone_list_t *list,
    uint32_t i);
static void cargo_zone_collect(cargo_zone_t *zone, int64_t now);
static void cargo_zone_free(cargo_zone_t *zone, uint32_t i);


uint32_t
cargo_zone_find(const cargo_zone_t *zone, uint64_t hash, cargo_str_t key)
{
    uint32_t                   i;
    const cargo_zone_entry_t  *entry;

    i = zone->buckets[hash & zone->header->bucket_mask];

    while (i != CARGO_ZONE_NONE) {
        entry = cargo_zone_entry(zone, i);

        if (entry->hash == hash && entry->key_len == key.len
            && (key.len == 0
                || memcmp(cargo_zone_key(zone, i), key.data, key.len) == 0))
        {
            break;
        }

        i = entry->bucket_next;
    }

    return i;
}


int
cargo_zone_in_use(const cargo_zone_entry_t *entry, int64_t now)
{
    return entry->pins && !cargo_zone_old(entry, now);
}


void
cargo_zone_link(cargo_zone_t *zone, uint32_t i)
{
    uint32_t             *bucket;
    cargo_zone_entry_t   *entry;
    cargo_zone_header_t  *header;

    header = zone->header;
    entry = cargo_zone_entry(zone, i);
    bucket = &zone->buckets[entry->hash & header->bucket_mask];

    cargo_zone_remove(zone, &header->detached, i);
    header->stats.detached--;

    entry->bucket_next = *bucket;
    *bucket = i;

    entry->state = CARGO_ZONE_LINKED;
    cargo_zone_push(zone, &header->order, i);
    header->stats.entries++;
}


void
cargo_zone_drop(cargo_zone_t *zone, uint32_t i, int64_t now)
{
    uint32_t             *bucket;
    cargo_zone_entry_t   *entry;
    cargo_zone_header_t  *header;

    header = zone->header;
    entry = cargo_zone_entry(zone, i);
    bucket = &zone->buckets[entry->hash & header->bucket_mask];

    while (*bucket != i) {
        bucket = &cargo_zone_entry(zone, *bucket)->bucket_next;
    }

    *bucket = entry->bucket_next;

    cargo_zone_remove(zone, &header->order, i);
    header->stats.entries--;

    if (cargo_zone_in_use(entry, now)) {
        cargo_zone_detach(zone, i, CARGO_ZONE_DEAD, now);

    } else {
        cargo_zone_free(zone, i);
    }
}


void
cargo_zone_detach(cargo_zone_t *zone, uint32_t i, cargo_zone_state_t state,
    int64_t now)
{
    cargo_zone_entry_t  *entry;

    entry = cargo_zone_entry(zone, i);
    entry->state = state;
    entry->pinned = now;

    cargo_zone_push(zone, &zone->header->detached, i);
    zone->header->stats.detached++;
}


void
cargo_zone_free_detached(cargo_zone_t *zone, uint32_t i)
{
    cargo_zone_remove(zone, &zone->header->detached, i);
    zone->header->stats.detached--;

    cargo_zone_free(zone, i);
}


void
cargo_zone_touch(cargo_zone_t *zone, uint32_t i)
{
    if (zone->header->order.newest != i) {
        cargo_zone_remove(zone, &zone->header->order, i);
        cargo_zone_push(zone, &zone->header->order, i);
    }
}


int
cargo_zone_reserve(cargo_zone_t *zone, uint32_t n, int64_t now)
{
    uint32_t              i, oldest;
    cargo_zone_header_t  *header;

    header = zone->header;

    cargo_zone_collect(zone, now);

    for (i = 0; i < CARGO_ZONE_EVICTIONS; i++) {
        oldest = header->order.oldest;

        if (header->free_count + (header->chunks - header->fresh) >= n
            || oldest == CARGO_ZONE_NONE)
        {
            break;
        }

        if (cargo_zone_in_use(cargo_zone_entry(zone, oldest), now)) {
            cargo_zone_touch(zone, oldest);
            continue;
        }

        cargo_zone_drop(zone, oldest, now);
        header->stats.evictions++;
    }

    return header->free_count + (header->chunks - header->fresh) >= n;
}


uint32_t
cargo_zone_alloc(cargo_zone_t *zone)
{
    uint32_t              i;
    cargo_zone_header_t  *header;

    header = zone->header;

    if (header->free != CARGO_ZONE_NONE) {
        i = header->free;
        header->free = zone->links[i].next;
        header->free_count--;

    } else {
        i = header->fresh++;
    }

    zone->links[i].next = CARGO_ZONE_NONE;
    zone->links[i].serial = 0;

    return i;
}


/* a clock that was set back must not keep anything for as long */

static int
cargo_zone_old(const cargo_zone_entry_t *entry, int64_t now)
{
    return (uint64_t) now - (uint64_t) entry->pinned + CARGO_ZONE_PIN_TIME
           > 2 * CARGO_ZONE_PIN_TIME;
}


static void
cargo_zone_push(cargo_zone_t *zone, cargo_zone_list_t *list, uint32_t i)
{
    cargo_zone_entry_t  *entry;

    entry = cargo_zone_entry(zone, i);
    entry->newer = CARGO_ZONE_NONE;
    entry->older = list->newest;

    if (list->newest != CARGO_ZONE_NONE) {
        cargo_zone_entry(zone, list->newest)->newer = i;

    } else {
        list->oldest = i;
    }

    list->newest = i;
}


static void
cargo_zone_remove(cargo_zone_t *zone, cargo_zone_list_t *list, uint32_t i)
{
    cargo_zone_entry_t  *entry;

    entry = cargo_zone_entry(zone, i);

    if (entry->newer != CARGO_ZONE_NONE) {
        cargo_zone_entry(zone, entry->newer)->older = entry->older;

    } else {
        list->newest = entry->older;
    }

    if (entry->older != CARGO_ZONE_NONE) {
        cargo_zone_entry(zone, entry->older)->newer = entry->newer;

    } else {
        list->oldest = entry->newer;
    }
}


/* what processes left behind that were killed while they stored or copied */

static void
cargo_zone_collect(cargo_zone_t *zone, int64_t now)
{
    uint32_t  i, oldest;

    for (i = 0; i < CARGO_ZONE_EVICTIONS; i++) {
        oldest = zone->header->detached.oldest;

        if (oldest == CARGO_ZONE_NONE
            || !cargo_zone_old(cargo_zone_entry(zone, oldest), now))
        {
            return;
        }

        cargo_zone_free_detached(zone, oldest);
    }
}


static void
cargo_zone_free(cargo_zone_t *zone, uint32_t i)
{
    cargo_zone_entry_t   *entry;
    cargo_zone_header_t  *header;

    header = zone->header;
    entry = cargo_zone_entry(zone, i);

    zone->links[i].serial = 0;

    zone->links[entry->last].next = header->free;
    header->free = i;
    header->free_count += entry->chunks;
}
