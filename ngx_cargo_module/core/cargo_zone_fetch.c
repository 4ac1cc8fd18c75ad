
#include "cargo_zone_private.h"

#include <string.h>


static cargo_rc_t cargo_zone_get(cargo_zone_t *zone,
    const cargo_zone_key_t *key, int64_t now, int use, int body,
    unsigned char *buffer, cargo_zone_value_t *value);
static void cargo_zone_use(cargo_zone_t *zone, uint32_t i, int64_t now);
static void cargo_zone_value(const cargo_zone_t *zone, uint32_t i,
    cargo_zone_value_t *value);
static void cargo_zone_pin(cargo_zone_t *zone, uint32_t i, int64_t now,
    cargo_zone_value_t *value);
static int cargo_zone_unpin(cargo_zone_t *zone,
    const cargo_zone_value_t *value);
static void cargo_zone_prefetch(const cargo_zone_t *zone, uint32_t chunk);
static int cargo_zone_holds(const cargo_zone_t *zone, uint32_t i);


cargo_rc_t
cargo_zone_fetch(cargo_zone_t *zone, const cargo_zone_key_t *key, int64_t now,
    int body, unsigned char *buffer, cargo_zone_value_t *value)
{
    return cargo_zone_get(zone, key, now, 1, body, buffer, value);
}


cargo_rc_t
cargo_zone_peek(cargo_zone_t *zone, const cargo_zone_key_t *key, int64_t now,
    int body, unsigned char *buffer, cargo_zone_value_t *value)
{
    return cargo_zone_get(zone, key, now, 0, body, buffer, value);
}


int
cargo_zone_still(const cargo_zone_t *zone, const cargo_zone_value_t *value)
{
    return cargo_zone_current(zone, value->slots, value->generations);
}


int
cargo_zone_pinned(const cargo_zone_value_t *value, int body)
{
    return body >= 0 && value->entry != CARGO_ZONE_NONE
           && value->body_len[body] > CARGO_ZONE_COPY;
}


cargo_rc_t
cargo_zone_copy(cargo_zone_t *zone, cargo_zone_value_t *value, int body,
    unsigned char *dst)
{
    int                        whole;
    const cargo_zone_entry_t  *entry;

    if (value->entry == CARGO_ZONE_NONE) {
        return CARGO_REFUSED;
    }

    whole = 1;

    if (dst) {
        entry = cargo_zone_entry(zone, value->entry);
        whole = cargo_zone_read(zone, entry->body_chunk[body],
                                entry->body_offset[body], dst,
                                value->body_len[body]);
    }

    cargo_zone_lock(zone);

    if (!cargo_zone_unpin(zone, value)) {
        whole = 0;
    }

    cargo_zone_unlock(zone);

    value->entry = CARGO_ZONE_NONE;

    return whole ? CARGO_OK : CARGO_REFUSED;
}


cargo_rc_t
cargo_zone_walk(cargo_zone_t *zone, uint32_t *position, unsigned char *key,
    size_t *key_len, cargo_zone_value_t *value)
{
    int                   holds;
    uint32_t              i;
    cargo_zone_header_t  *header;

    header = zone->header;

    for (i = *position;
         i < __atomic_load_n(&header->fresh, __ATOMIC_RELAXED);
         i++)
    {
        if (__atomic_load_n(&zone->links[i].serial, __ATOMIC_RELAXED) == 0) {
            continue;
        }

        cargo_zone_lock(zone);

        holds = i < header->fresh && zone->links[i].serial
                && cargo_zone_entry(zone, i)->state == CARGO_ZONE_LINKED
                && cargo_zone_holds(zone, i);

        if (holds) {
            *key_len = cargo_zone_entry(zone, i)->key_len;
            memcpy(key, cargo_zone_key(zone, i), *key_len);
            cargo_zone_value(zone, i, value);
        }

        cargo_zone_unlock(zone);

        if (holds) {
            *position = i + 1;
            return CARGO_OK;
        }
    }

    *position = 0;

    return CARGO_REFUSED;
}


int
cargo_zone_read(const cargo_zone_t *zone, uint32_t chunk, size_t offset,
    unsigned char *dst, uint64_t len)
{
    size_t    n;
    uint32_t  next;

    while (len) {
        if (chunk >= zone->header->chunks || offset >= CARGO_ZONE_CHUNK) {
            return 0;
        }

        next = __atomic_load_n(&zone->links[chunk].next, __ATOMIC_RELAXED);
        cargo_zone_prefetch(zone, next);

        n = CARGO_ZONE_CHUNK - offset;

        if (n > len) {
            n = (size_t) len;
        }

        /*
         * gcc makes "rep movs" of a copy that it knows to be small; that of
         * the library takes two thirds of the time.
         */
        __asm__("" : "+r" (n));
        memcpy(dst, zone->chunks[chunk].data + offset, n);

        dst += n;
        len -= n;
        chunk = next;
        offset = 0;
    }

    return 1;
}


static cargo_rc_t
cargo_zone_get(cargo_zone_t *zone, const cargo_zone_key_t *key, int64_t now,
    int use, int body, unsigned char *buffer, cargo_zone_value_t *value)
{
    uint32_t                   i;
    uint64_t                   hash, mask;
    const cargo_zone_entry_t  *entry;

    mask = zone->header->bucket_mask;
    hash = cargo_siphash(zone->header->seed, key->key.data, key->key.len);

    /* most likely this is where it is: others need not wait for it, too */
    cargo_zone_prefetch(zone,
                        __atomic_load_n(&zone->buckets[hash & mask],
                                        __ATOMIC_RELAXED));

    cargo_zone_lock(zone);

    i = cargo_zone_find(zone, hash, key->key);

    if (i == CARGO_ZONE_NONE || !cargo_zone_holds(zone, i)) {
        zone->header->stats.misses += (uint64_t) use;
        cargo_zone_unlock(zone);
        return CARGO_REFUSED;
    }

    if (use) {
        cargo_zone_use(zone, i, now);
    }

    cargo_zone_value(zone, i, value);

    if (body >= 0 && value->body_len[body] > CARGO_ZONE_COPY) {
        cargo_zone_pin(zone, i, now, value);

    } else if (body >= 0) {
        entry = cargo_zone_entry(zone, i);
        (void) cargo_zone_read(zone, entry->body_chunk[body],
                               entry->body_offset[body], buffer,
                               value->body_len[body]);
    }

    cargo_zone_unlock(zone);

    return CARGO_OK;
}


static void
cargo_zone_use(cargo_zone_t *zone, uint32_t i, int64_t now)
{
    cargo_zone_entry_t  *entry;

    entry = cargo_zone_entry(zone, i);

    zone->header->stats.hits++;

    /* order within a second is worth less than what it costs */

    if (entry->used != now) {
        entry->used = now;

        cargo_zone_change(zone);
        cargo_zone_touch(zone, i);
        cargo_zone_changed(zone);
    }
}


static void
cargo_zone_value(const cargo_zone_t *zone, uint32_t i,
    cargo_zone_value_t *value)
{
    size_t                     n;
    const cargo_zone_entry_t  *entry;

    entry = cargo_zone_entry(zone, i);

    memcpy(value->head, cargo_zone_key(zone, i) + entry->key_len,
           entry->head_len);

    value->head_len = entry->head_len;

    for (n = 0; n < CARGO_ZONE_BODIES; n++) {
        value->body_len[n] = (size_t) entry->body_len[n];
    }

    value->stored = entry->stored;
    value->used = entry->used;

    memcpy(value->slots, entry->slots, sizeof(value->slots));
    memcpy(value->generations, entry->generations,
           sizeof(value->generations));

    value->entry = CARGO_ZONE_NONE;
}


static void
cargo_zone_pin(cargo_zone_t *zone, uint32_t i, int64_t now,
    cargo_zone_value_t *value)
{
    cargo_zone_entry_t  *entry;

    entry = cargo_zone_entry(zone, i);

    /* pins of processes that are no more end here at the latest */

    entry->pins = cargo_zone_in_use(entry, now) ? entry->pins + 1 : 1;
    entry->pinned = now;

    value->entry = i;
    value->serial = zone->links[i].serial;
    value->epoch = zone->header->epoch;
}


static int
cargo_zone_unpin(cargo_zone_t *zone, const cargo_zone_value_t *value)
{
    cargo_zone_entry_t  *entry;

    if (zone->header->epoch != value->epoch
        || zone->links[value->entry].serial != value->serial)
    {
        return 0;
    }

    entry = cargo_zone_entry(zone, value->entry);

    if (entry->pins) {
        entry->pins--;
    }

    if (entry->state == CARGO_ZONE_DEAD && entry->pins == 0) {
        cargo_zone_change(zone);
        cargo_zone_free_detached(zone, value->entry);
        cargo_zone_changed(zone);
    }

    return 1;
}


/* halves the time of a long body that is not in the processor's cache */

static void
cargo_zone_prefetch(const cargo_zone_t *zone, uint32_t chunk)
{
    size_t  i;

    if (chunk >= zone->header->chunks) {
        return;
    }

    for (i = 0; i < CARGO_ZONE_CHUNK; i += CARGO_ZONE_ALIGN) {
        __builtin_prefetch(zone->chunks[chunk].data + i);
    }
}


/* 1 when the entry is not of an older generation */

static int
cargo_zone_holds(const cargo_zone_t *zone, uint32_t i)
{
    const cargo_zone_entry_t  *entry;

    entry = cargo_zone_entry(zone, i);

    return cargo_zone_current(zone, entry->slots, entry->generations);
}
