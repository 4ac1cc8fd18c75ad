
#include "cargo_zone_private.h"
#include "cargo_zone_snapshot_private.h"

#include <stdlib.h>
#include <string.h>


#define CARGO_SNAPSHOT_BUFFER  (64 * 1024)

#define CARGO_SNAPSHOT_CUT     "it was cut off"
#define CARGO_SNAPSHOT_BROKEN  "it is damaged"


/* where an entry is */
typedef struct {
    int64_t                         used;
    uint64_t                        offset;
    uint64_t                        len;
} cargo_snapshot_place_t;


typedef struct {
    cargo_zone_t                   *zone;
    const cargo_snapshot_reader_t  *reader;
    cargo_snapshot_header_t         header;

    cargo_snapshot_place_t         *places;

    unsigned char                  *buffer;     /* it grows */
    size_t                          size;
} cargo_zone_loader_t;


static const char *cargo_zone_load_begin(cargo_zone_loader_t *loader,
    const cargo_snapshot_moment_t *now, const unsigned char *source,
    cargo_snapshot_loaded_t *loaded);
static cargo_rc_t cargo_zone_load_check(cargo_zone_loader_t *loader,
    const char **why);
static cargo_rc_t cargo_zone_load_places(cargo_zone_loader_t *loader,
    const char **why);
static int cargo_zone_load_older(const void *one, const void *two);
static cargo_rc_t cargo_zone_load_entry(cargo_zone_loader_t *loader,
    const cargo_snapshot_place_t *place, int *stored);
static uint64_t cargo_zone_load_split(unsigned char *p,
    cargo_snapshot_entry_t *entry);
static void cargo_zone_load_used(cargo_zone_t *zone, cargo_str_t key,
    int64_t used);
static int cargo_zone_load_room(cargo_zone_loader_t *loader, size_t size);


cargo_rc_t
cargo_zone_load(cargo_zone_t *zone, const cargo_snapshot_moment_t *now,
    const unsigned char source[CARGO_SNAPSHOT_SOURCE],
    const cargo_snapshot_reader_t *reader, cargo_snapshot_loaded_t *loaded)
{
    int                  stored;
    uint64_t             i;
    cargo_rc_t           rc;
    cargo_zone_loader_t  loader;

    memset(&loader, 0, sizeof(cargo_zone_loader_t));
    loader.zone = zone;
    loader.reader = reader;

    memset(loaded, 0, sizeof(cargo_snapshot_loaded_t));
    loaded->refused = cargo_zone_load_begin(&loader, now, source, loaded);

    rc = loaded->refused ? CARGO_REFUSED : CARGO_OK;

    if (rc == CARGO_OK) {
        rc = cargo_zone_load_check(&loader, &loaded->refused);
    }

    if (rc == CARGO_OK) {
        rc = cargo_zone_load_places(&loader, &loaded->refused);
    }

    for (i = 0; i < loader.header.entries && rc == CARGO_OK; i++) {
        rc = cargo_zone_load_entry(&loader, &loader.places[i], &stored);
        loaded->stored += (uint64_t) stored;
    }

    if (rc == CARGO_REFUSED && loaded->refused == NULL) {
        loaded->refused = "it was changed while it was read";
        cargo_zone_invalidate_all(zone);
    }

    loaded->entries = loader.header.entries;

    free(loader.places);
    free(loader.buffer);

    return rc;
}


static const char *
cargo_zone_load_begin(cargo_zone_loader_t *loader,
    const cargo_snapshot_moment_t *now, const unsigned char *source,
    cargo_snapshot_loaded_t *loaded)
{
    const char             *why;
    unsigned char           p[CARGO_SNAPSHOT_ENTRIES];
    cargo_snapshot_seal_t   seal;

    if (loader->reader->size < CARGO_SNAPSHOT_ENTRIES
        || loader->reader->read(loader->reader->data, 0, p, sizeof(p)) != 0)
    {
        return CARGO_SNAPSHOT_CUT;
    }

    why = cargo_snapshot_header_read(p, &loader->header);
    if (why) {
        return why;
    }

    if (memcmp(loader->header.source, source, CARGO_SNAPSHOT_SOURCE) != 0) {
        return "it is of another database";
    }

    if (loader->reader->size - CARGO_SNAPSHOT_ENTRIES
        != loader->header.length)
    {
        return CARGO_SNAPSHOT_CUT;
    }

    if (loader->header.entries
        > loader->header.length / CARGO_SNAPSHOT_ENTRY
        || !cargo_snapshot_seal_read(p + CARGO_SNAPSHOT_HEADER, &seal))
    {
        return CARGO_SNAPSHOT_BROKEN;
    }

    loaded->age = cargo_snapshot_age(&seal, now);

    return loaded->age == -1 ? "the clock was set back since: nobody knows "
                               "how old it is"
                             : NULL;
}


static cargo_rc_t
cargo_zone_load_check(cargo_zone_loader_t *loader, const char **why)
{
    size_t    n;
    uint32_t  crc;
    uint64_t  offset, left;

    if (!cargo_zone_load_room(loader, CARGO_SNAPSHOT_BUFFER)) {
        return CARGO_NO_MEMORY;
    }

    crc = 0;
    offset = CARGO_SNAPSHOT_ENTRIES;
    left = loader->header.length;

    while (left) {
        n = left < CARGO_SNAPSHOT_BUFFER ? (size_t) left
                                         : CARGO_SNAPSHOT_BUFFER;

        if (loader->reader->read(loader->reader->data, offset, loader->buffer,
                                 n)
            != 0)
        {
            *why = CARGO_SNAPSHOT_CUT;
            return CARGO_REFUSED;
        }

        crc = cargo_snapshot_crc(crc, loader->buffer, n);
        offset += n;
        left -= n;
    }

    if (crc != loader->header.crc) {
        *why = CARGO_SNAPSHOT_BROKEN;
        return CARGO_REFUSED;
    }

    return CARGO_OK;
}


static cargo_rc_t
cargo_zone_load_places(cargo_zone_loader_t *loader, const char **why)
{
    uint64_t                 i, offset, left;
    unsigned char            p[CARGO_SNAPSHOT_ENTRY];
    cargo_snapshot_entry_t   entry;
    cargo_snapshot_place_t  *place;

    /* as many as fit into the file: no more than are in memory already */

    loader->places = calloc((size_t) loader->header.entries + 1,
                            sizeof(cargo_snapshot_place_t));
    if (loader->places == NULL) {
        return CARGO_NO_MEMORY;
    }

    offset = CARGO_SNAPSHOT_ENTRIES;
    left = loader->header.length;

    for (i = 0; i < loader->header.entries; i++) {
        place = &loader->places[i];

        if (left < CARGO_SNAPSHOT_ENTRY
            || loader->reader->read(loader->reader->data, offset, p,
                                    sizeof(p))
               != 0)
        {
            break;
        }

        place->offset = offset;
        place->len = cargo_zone_load_split(p, &entry);
        place->used = entry.used;

        if (place->len > left || entry.key.len > CARGO_ZONE_KEY) {
            break;
        }

        offset += place->len;
        left -= place->len;
    }

    if (i < loader->header.entries || left) {
        *why = CARGO_SNAPSHOT_BROKEN;
        return CARGO_REFUSED;
    }

    qsort(loader->places, (size_t) i, sizeof(cargo_snapshot_place_t),
          cargo_zone_load_older);

    return CARGO_OK;
}


static int
cargo_zone_load_older(const void *one, const void *two)
{
    const cargo_snapshot_place_t  *a = one;
    const cargo_snapshot_place_t  *b = two;

    return a->used == b->used ? (a->offset > b->offset)
                                - (a->offset < b->offset)
                              : (a->used > b->used) - (a->used < b->used);
}


static cargo_rc_t
cargo_zone_load_entry(cargo_zone_loader_t *loader,
    const cargo_snapshot_place_t *place, int *stored)
{
    cargo_rc_t               rc;
    cargo_zone_key_t         key;
    cargo_snapshot_entry_t   entry;
    cargo_zone_generation_t  generation;

    *stored = 0;

    /* what is larger than the zone is in none of it */

    if (place->len > loader->zone->header->size) {
        return CARGO_OK;
    }

    if (!cargo_zone_load_room(loader, (size_t) place->len)) {
        return CARGO_NO_MEMORY;
    }

    if (loader->reader->read(loader->reader->data, place->offset,
                             loader->buffer, (size_t) place->len)
        != 0
        || cargo_zone_load_split(loader->buffer, &entry) != place->len)
    {
        return CARGO_REFUSED;
    }

    memset(&key, 0, sizeof(cargo_zone_key_t));
    key.key = entry.key;

    if (!loader->reader->unpack(loader->reader->data, &entry, &key)) {
        return CARGO_OK;
    }

    cargo_zone_generation(loader->zone, &key, &generation);

    rc = cargo_zone_store(loader->zone, &key, &generation, 0, entry.head,
                          entry.bodies);

    if (rc == CARGO_OK) {
        cargo_zone_load_used(loader->zone, key.key, entry.used);
        *stored = 1;
    }

    return CARGO_OK;
}


/* its length; what follows its first bytes need not be there yet */

static uint64_t
cargo_zone_load_split(unsigned char *p, cargo_snapshot_entry_t *entry)
{
    int             i;
    uint64_t        key, head, body[CARGO_ZONE_BODIES], used;
    unsigned char  *at;

    at = p + CARGO_SNAPSHOT_ENTRY;

    p = (unsigned char *) cargo_snapshot_get(p, &key, 2);
    p = (unsigned char *) cargo_snapshot_get(p, &head, 2);

    for (i = 0; i < CARGO_ZONE_BODIES; i++) {
        p = (unsigned char *) cargo_snapshot_get(p, &body[i], 4);
    }

    (void) cargo_snapshot_get(p, &used, 8);

    entry->used = (int64_t) used;
    entry->key.data = at;
    entry->key.len = (size_t) key;
    entry->head.data = at + key;
    entry->head.len = (size_t) head;

    head += key;

    for (i = 0; i < CARGO_ZONE_BODIES; i++) {
        entry->bodies[i].data = at + head;
        entry->bodies[i].len = (size_t) body[i];
        head += body[i];
    }

    return CARGO_SNAPSHOT_ENTRY + head;
}


/* the order in the zone is right already; this is for the next file */

static void
cargo_zone_load_used(cargo_zone_t *zone, cargo_str_t key, int64_t used)
{
    uint32_t  i;
    uint64_t  hash;

    hash = cargo_siphash(zone->header->seed, key.data, key.len);

    cargo_zone_lock(zone);

    i = cargo_zone_find(zone, hash, key);

    if (i != CARGO_ZONE_NONE) {
        cargo_zone_entry(zone, i)->used = used;
    }

    cargo_zone_unlock(zone);
}


static int
cargo_zone_load_room(cargo_zone_loader_t *loader, size_t size)
{
    if (size > loader->size) {
        free(loader->buffer);

        loader->size = 0;
        loader->buffer = malloc(size);

        if (loader->buffer == NULL) {
            return 0;
        }

        loader->size = size;
    }

    return 1;
}
