
#include "cargo_zone_private.h"

#include <string.h>


/* an entry that is being stored, and how far it is */
typedef struct {
    cargo_zone_t                   *zone;
    const cargo_zone_generation_t  *generation;
    uint16_t                        slots[CARGO_ZONE_GROUPS];
    uint64_t                        hash;
    int64_t                         now;

    uint32_t                        entry;
    uint32_t                        serial;
    uint32_t                        epoch;

    uint32_t                        chunk;
    size_t                          offset;     /* of its data */
    size_t                          left;       /* to copy under this lock */
} cargo_zone_writer_t;


static int cargo_zone_too_large(const cargo_zone_t *zone,
    const cargo_zone_key_t *key, cargo_str_t head, const cargo_str_t *bodies);
static cargo_rc_t cargo_zone_begin(cargo_zone_writer_t *w, cargo_str_t key,
    cargo_str_t head);
static cargo_rc_t cargo_zone_put(cargo_zone_writer_t *w, int body,
    cargo_str_t data);
static cargo_rc_t cargo_zone_breathe(cargo_zone_writer_t *w);
static cargo_rc_t cargo_zone_extend(cargo_zone_writer_t *w, size_t len);
static void cargo_zone_write(cargo_zone_writer_t *w,
    const unsigned char *data, size_t len);
static void cargo_zone_commit(cargo_zone_writer_t *w, cargo_str_t key);
static void cargo_zone_abandon(cargo_zone_writer_t *w);


cargo_rc_t
cargo_zone_store(cargo_zone_t *zone, const cargo_zone_key_t *key,
    const cargo_zone_generation_t *generation, int64_t now, cargo_str_t head,
    const cargo_str_t *bodies)
{
    int                  i, too_large;
    cargo_rc_t           rc;
    cargo_zone_writer_t  w;

    w.zone = zone;
    w.generation = generation;
    w.now = now;
    w.entry = CARGO_ZONE_NONE;

    too_large = cargo_zone_too_large(zone, key, head, bodies);

    if (!too_large) {
        cargo_zone_slots(zone, key, w.slots);
        w.hash = cargo_siphash(zone->header->seed, key->key.data,
                               key->key.len);
    }

    cargo_zone_lock(zone);

    if (too_large) {
        zone->header->stats.refusals++;
        cargo_zone_unlock(zone);
        return CARGO_REFUSED;
    }

    rc = cargo_zone_begin(&w, key->key, head);

    for (i = 0; i < CARGO_ZONE_BODIES && rc == CARGO_OK; i++) {
        rc = cargo_zone_put(&w, i, bodies[i]);
    }

    if (rc == CARGO_OK) {
        cargo_zone_commit(&w, key->key);

    } else {
        cargo_zone_abandon(&w);
    }

    cargo_zone_unlock(zone);

    return rc;
}


static int
cargo_zone_too_large(const cargo_zone_t *zone, const cargo_zone_key_t *key,
    cargo_str_t head, const cargo_str_t *bodies)
{
    int       i;
    uint64_t  left;

    if (key->key.len > CARGO_ZONE_KEY || head.len > CARGO_ZONE_HEAD) {
        return 1;
    }

    left = (uint64_t) (zone->header->chunks / CARGO_ZONE_SHARE)
           * CARGO_ZONE_CHUNK
           - sizeof(cargo_zone_entry_t) - key->key.len - head.len;

    for (i = 0; i < CARGO_ZONE_BODIES; i++) {
        if (bodies[i].len > left) {
            return 1;
        }

        left -= bodies[i].len;
    }

    return 0;
}


static cargo_rc_t
cargo_zone_begin(cargo_zone_writer_t *w, cargo_str_t key, cargo_str_t head)
{
    cargo_zone_t         *zone;
    cargo_zone_entry_t   *entry;
    cargo_zone_header_t  *header;

    zone = w->zone;
    header = zone->header;

    if (!cargo_zone_current(zone, w->slots, w->generation->values)) {
        return CARGO_REFUSED;
    }

    cargo_zone_change(zone);

    if (!cargo_zone_reserve(zone, 1, w->now)) {
        cargo_zone_changed(zone);
        header->stats.refusals++;
        return CARGO_REFUSED;
    }

    header->serial = header->serial % (CARGO_ZONE_MARK - 1) + 1;

    w->entry = cargo_zone_alloc(zone);
    w->serial = header->serial;
    w->epoch = header->epoch;

    zone->links[w->entry].serial = w->serial;

    entry = cargo_zone_entry(zone, w->entry);
    memset(entry, 0, sizeof(cargo_zone_entry_t));
    entry->last = w->entry;
    entry->chunks = 1;

    cargo_zone_detach(zone, w->entry, CARGO_ZONE_PENDING, w->now);

    cargo_zone_changed(zone);

    w->chunk = w->entry;
    w->offset = sizeof(cargo_zone_entry_t);
    w->left = CARGO_ZONE_COPY;

    cargo_zone_write(w, key.data, key.len);
    cargo_zone_write(w, head.data, head.len);

    entry->key_len = (uint16_t) key.len;
    entry->head_len = (uint16_t) head.len;

    return CARGO_OK;
}


static cargo_rc_t
cargo_zone_put(cargo_zone_writer_t *w, int body, cargo_str_t data)
{
    size_t               n;
    cargo_zone_entry_t  *entry;

    entry = cargo_zone_entry(w->zone, w->entry);
    entry->body_len[body] = data.len;

    while (data.len) {
        if (w->left == 0 && cargo_zone_breathe(w) != CARGO_OK) {
            return CARGO_REFUSED;
        }

        n = data.len < w->left ? data.len : w->left;

        if (cargo_zone_extend(w, n) != CARGO_OK) {
            return CARGO_REFUSED;
        }

        if (data.len == entry->body_len[body]) {
            entry->body_chunk[body] = w->chunk;
            entry->body_offset[body] = (uint16_t) w->offset;
        }

        cargo_zone_write(w, data.data, n);

        data.data += n;
        data.len -= n;
    }

    return CARGO_OK;
}


/* lets others have the lock */

static cargo_rc_t
cargo_zone_breathe(cargo_zone_writer_t *w)
{
    cargo_zone_t  *zone;

    zone = w->zone;

    cargo_zone_unlock(zone);
    cargo_zone_lock(zone);

    if (zone->header->epoch != w->epoch
        || zone->links[w->entry].serial != w->serial)
    {
        w->entry = CARGO_ZONE_NONE;
        return CARGO_REFUSED;
    }

    w->left = CARGO_ZONE_COPY;

    return cargo_zone_current(zone, w->slots, w->generation->values)
           ? CARGO_OK : CARGO_REFUSED;
}


/* makes room for len bytes, of which the first is then at w->chunk */

static cargo_rc_t
cargo_zone_extend(cargo_zone_writer_t *w, size_t len)
{
    size_t               room;
    uint32_t             n, chunk;
    cargo_zone_t        *zone;
    cargo_zone_entry_t  *entry;

    zone = w->zone;
    entry = cargo_zone_entry(zone, w->entry);
    room = CARGO_ZONE_CHUNK - w->offset;

    if (len > room) {
        n = (uint32_t) ((len - room + CARGO_ZONE_CHUNK - 1) / CARGO_ZONE_CHUNK);

        cargo_zone_change(zone);

        if (!cargo_zone_reserve(zone, n, w->now)) {
            cargo_zone_changed(zone);
            zone->header->stats.refusals++;
            return CARGO_REFUSED;
        }

        while (n--) {
            chunk = cargo_zone_alloc(zone);
            zone->links[entry->last].next = chunk;
            entry->last = chunk;
            entry->chunks++;
        }

        cargo_zone_changed(zone);
    }

    if (room == 0) {
        w->chunk = zone->links[w->chunk].next;
        w->offset = 0;
    }

    return CARGO_OK;
}


static void
cargo_zone_write(cargo_zone_writer_t *w, const unsigned char *data, size_t len)
{
    size_t  n;

    w->left -= len;

    while (len) {
        if (w->offset == CARGO_ZONE_CHUNK) {
            w->chunk = w->zone->links[w->chunk].next;
            w->offset = 0;
            continue;
        }

        n = CARGO_ZONE_CHUNK - w->offset;

        if (n > len) {
            n = len;
        }

        memcpy(w->zone->chunks[w->chunk].data + w->offset, data, n);

        w->offset += n;
        data += n;
        len -= n;
    }
}


static void
cargo_zone_commit(cargo_zone_writer_t *w, cargo_str_t key)
{
    uint32_t             replaced;
    cargo_zone_t        *zone;
    cargo_zone_entry_t  *entry;

    zone = w->zone;
    entry = cargo_zone_entry(zone, w->entry);

    entry->hash = w->hash;
    entry->stored = w->now;
    entry->used = w->now;
    memcpy(entry->slots, w->slots, sizeof(entry->slots));
    memcpy(entry->generations, w->generation->values,
           sizeof(entry->generations));

    cargo_zone_change(zone);

    replaced = cargo_zone_find(zone, w->hash, key);
    if (replaced != CARGO_ZONE_NONE) {
        cargo_zone_drop(zone, replaced, w->now);
    }

    cargo_zone_link(zone, w->entry);

    cargo_zone_changed(zone);

    zone->header->stats.stores++;
}


static void
cargo_zone_abandon(cargo_zone_writer_t *w)
{
    if (w->entry != CARGO_ZONE_NONE) {
        cargo_zone_change(w->zone);
        cargo_zone_free_detached(w->zone, w->entry);
        cargo_zone_changed(w->zone);
    }
}
