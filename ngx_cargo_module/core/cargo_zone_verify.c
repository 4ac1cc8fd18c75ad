
#include "cargo_zone_private.h"


/*
 * What has been met is marked in the serial of each chunk: a copy outside of
 * the lock follows links only, and is not disturbed.
 */
typedef struct {
    cargo_zone_t   *zone;
    uint64_t        marked;
    uint32_t        linked;     /* entries */
    uint32_t        detached;
    uint32_t        in_buckets;
} cargo_zone_check_t;


static const char *cargo_zone_check_all(cargo_zone_check_t *check);
static const char *cargo_zone_check_free(cargo_zone_check_t *check);
static const char *cargo_zone_check_list(cargo_zone_check_t *check,
    const cargo_zone_list_t *list, uint32_t *count);
static const char *cargo_zone_check_entry(cargo_zone_check_t *check,
    uint32_t i);
static const char *cargo_zone_check_chain(cargo_zone_check_t *check,
    uint32_t i);
static const char *cargo_zone_check_key(const cargo_zone_t *zone, uint32_t i);
static const char *cargo_zone_check_body(const cargo_zone_t *zone, uint32_t i,
    int body);
static const char *cargo_zone_check_bucket(cargo_zone_check_t *check,
    uint32_t bucket);
static int cargo_zone_mark(cargo_zone_check_t *check, uint32_t i);
static void cargo_zone_unmark(cargo_zone_t *zone);


const char *
cargo_zone_verify(cargo_zone_t *zone)
{
    const char          *error;
    cargo_zone_check_t   check = { zone, 0, 0, 0, 0 };

    cargo_zone_lock(zone);

    if (zone->header->fresh > zone->header->chunks) {
        cargo_zone_unlock(zone);
        return "more chunks were used than there are";
    }

    cargo_zone_change(zone);

    error = cargo_zone_check_all(&check);
    cargo_zone_unmark(zone);

    cargo_zone_changed(zone);

    cargo_zone_unlock(zone);

    return error;
}


static const char *
cargo_zone_check_all(cargo_zone_check_t *check)
{
    uint32_t              i;
    const char           *error;
    cargo_zone_header_t  *header;

    header = check->zone->header;

    error = cargo_zone_check_free(check);

    if (error == NULL) {
        error = cargo_zone_check_list(check, &header->order, &check->linked);
    }

    if (error == NULL) {
        error = cargo_zone_check_list(check, &header->detached,
                                      &check->detached);
    }

    for (i = 0; i <= header->bucket_mask && error == NULL; i++) {
        error = cargo_zone_check_bucket(check, i);
    }

    if (error) {
        return error;
    }

    if (check->linked != header->stats.entries
        || check->linked != check->in_buckets)
    {
        return "the number of entries, those in the order of use and those "
               "in buckets differ";
    }

    if (check->detached != header->stats.detached) {
        return "the number of detached entries is wrong";
    }

    return check->marked == header->fresh ? NULL : "a chunk is in no chain";
}


static const char *
cargo_zone_check_free(cargo_zone_check_t *check)
{
    uint32_t              i;
    uint64_t              n;
    cargo_zone_t         *zone;
    cargo_zone_header_t  *header;

    zone = check->zone;
    header = zone->header;
    n = 0;

    for (i = header->free; i != CARGO_ZONE_NONE; i = zone->links[i].next) {
        if (i >= header->fresh || zone->links[i].serial) {
            return "a free chunk is out of bounds, an entry, or free twice";
        }

        (void) cargo_zone_mark(check, i);
        n++;
    }

    return n == header->free_count ? NULL
                                   : "the number of free chunks is wrong";
}


static const char *
cargo_zone_check_list(cargo_zone_check_t *check, const cargo_zone_list_t *list,
    uint32_t *count)
{
    uint32_t                   i, newer;
    const char                *error;
    const cargo_zone_entry_t  *entry;

    newer = CARGO_ZONE_NONE;

    for (i = list->newest; i != CARGO_ZONE_NONE; i = entry->older) {
        if (i >= check->zone->header->fresh) {
            return "an entry in a list is out of bounds";
        }

        entry = cargo_zone_entry(check->zone, i);

        if (entry->newer != newer) {
            return "a list has other neighbours forth than back";
        }

        if ((entry->state == CARGO_ZONE_LINKED)
            != (list == &check->zone->header->order))
        {
            return "an entry is in a list that is not for its state";
        }

        error = cargo_zone_check_entry(check, i);
        if (error) {
            return error;
        }

        newer = i;
        (*count)++;
    }

    return list->oldest == newer ? NULL : "a list does not end at its end";
}


static const char *
cargo_zone_check_entry(cargo_zone_check_t *check, uint32_t i)
{
    int                  body;
    const char          *error;
    cargo_zone_entry_t  *entry;

    entry = cargo_zone_entry(check->zone, i);

    if (check->zone->links[i].serial == 0) {
        return "an entry has no serial";
    }

    error = cargo_zone_check_chain(check, i);

    if (error == NULL && entry->state != CARGO_ZONE_PENDING) {
        error = cargo_zone_check_key(check->zone, i);

        for (body = 0; body < CARGO_ZONE_BODIES && error == NULL; body++) {
            error = cargo_zone_check_body(check->zone, i, body);
        }
    }

    return error;
}


static const char *
cargo_zone_check_chain(cargo_zone_check_t *check, uint32_t i)
{
    uint32_t             n, chunk, last;
    cargo_zone_t        *zone;
    cargo_zone_entry_t  *entry;

    zone = check->zone;
    entry = cargo_zone_entry(zone, i);
    last = i;
    n = 0;

    for (chunk = i; chunk != CARGO_ZONE_NONE; chunk = zone->links[chunk].next)
    {
        if (chunk >= zone->header->fresh) {
            return "a chunk of an entry is out of bounds";
        }

        if (chunk != i
            && (zone->links[chunk].serial & ~CARGO_ZONE_MARK) != 0)
        {
            return "an entry begins within another";
        }

        if (!cargo_zone_mark(check, chunk)) {
            return "a chunk is in two chains";
        }

        last = chunk;
        n++;
    }

    return last == entry->last && n == entry->chunks
           ? NULL : "an entry has another number of chunks or another last";
}


static const char *
cargo_zone_check_key(const cargo_zone_t *zone, uint32_t i)
{
    uint64_t             bytes;
    cargo_zone_entry_t  *entry;

    entry = cargo_zone_entry(zone, i);

    if (entry->key_len > CARGO_ZONE_KEY || entry->head_len > CARGO_ZONE_HEAD) {
        return "a key or a head is too long";
    }

    if (entry->hash != cargo_siphash(zone->header->seed,
                                     cargo_zone_key(zone, i),
                                     entry->key_len))
    {
        return "an entry has the hash of another key";
    }

    bytes = (uint64_t) sizeof(cargo_zone_entry_t) + entry->key_len
            + entry->head_len + entry->body_len[0] + entry->body_len[1];

    return (bytes + CARGO_ZONE_CHUNK - 1) / CARGO_ZONE_CHUNK == entry->chunks
           ? NULL : "an entry has not as many chunks as it has bytes";
}


/* the bodies follow key and head without a gap */

static const char *
cargo_zone_check_body(const cargo_zone_t *zone, uint32_t i, int body)
{
    int                  n;
    uint32_t             chunk;
    uint64_t             at;
    cargo_zone_entry_t  *entry;

    entry = cargo_zone_entry(zone, i);
    at = (uint64_t) sizeof(cargo_zone_entry_t) + entry->key_len
         + entry->head_len;

    if (entry->body_len[body] == 0) {
        return NULL;
    }

    for (n = 0; n < body; n++) {
        at += entry->body_len[n];
    }

    for (chunk = i; at >= CARGO_ZONE_CHUNK; at -= CARGO_ZONE_CHUNK) {
        chunk = zone->links[chunk].next;
    }

    return entry->body_chunk[body] == chunk && entry->body_offset[body] == at
           ? NULL : "a body begins elsewhere than it should";
}


static const char *
cargo_zone_check_bucket(cargo_zone_check_t *check, uint32_t bucket)
{
    uint32_t              i;
    cargo_zone_entry_t   *entry;
    cargo_zone_header_t  *header;

    header = check->zone->header;

    for (i = check->zone->buckets[bucket];
         i != CARGO_ZONE_NONE;
         i = entry->bucket_next)
    {
        if (i >= header->fresh) {
            return "an entry in a bucket is out of bounds";
        }

        entry = cargo_zone_entry(check->zone, i);

        if ((check->zone->links[i].serial & ~CARGO_ZONE_MARK) == 0
            || entry->state != CARGO_ZONE_LINKED)
        {
            return "what is in a bucket is no linked entry";
        }

        if ((entry->hash & header->bucket_mask) != bucket) {
            return "an entry is in the wrong bucket";
        }

        if (++check->in_buckets > header->stats.entries) {
            return "more entries are in buckets than there are";
        }
    }

    return NULL;
}


/* 0: it is marked already */

static int
cargo_zone_mark(cargo_zone_check_t *check, uint32_t i)
{
    if (check->zone->links[i].serial & CARGO_ZONE_MARK) {
        return 0;
    }

    check->zone->links[i].serial |= CARGO_ZONE_MARK;
    check->marked++;

    return 1;
}


static void
cargo_zone_unmark(cargo_zone_t *zone)
{
    uint32_t  i;

    for (i = 0; i < zone->header->fresh; i++) {
        zone->links[i].serial &= ~CARGO_ZONE_MARK;
    }
}
