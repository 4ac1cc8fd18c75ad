
#include "cargo_zone_snapshot_private.h"

#include <stdlib.h>
#include <string.h>


/* an entry that changes between two looks at it is left out */
#define CARGO_SNAPSHOT_TRIES  4


typedef struct {
    cargo_zone_t                   *zone;
    int64_t                         now;
    const cargo_snapshot_writer_t  *writer;
    cargo_snapshot_header_t         header;

    unsigned char                   key[CARGO_ZONE_KEY];
    cargo_zone_key_t                zone_key;

    /* of the entry, as it was seen first */
    cargo_zone_value_t              value;

    /* an entry as it is written; it grows */
    unsigned char                  *buffer;
    size_t                          size;
} cargo_zone_saver_t;


static cargo_rc_t cargo_zone_save_entry(cargo_zone_saver_t *saver);
static cargo_rc_t cargo_zone_save_begin(cargo_zone_saver_t *saver,
    size_t *len);
static cargo_rc_t cargo_zone_save_body(cargo_zone_saver_t *saver, int body,
    unsigned char *p);
static int cargo_zone_save_same(const cargo_zone_value_t *a,
    const cargo_zone_value_t *b);
static cargo_rc_t cargo_zone_save_append(cargo_zone_saver_t *saver,
    size_t len);


cargo_rc_t
cargo_zone_save(cargo_zone_t *zone, int64_t now,
    const unsigned char source[CARGO_SNAPSHOT_SOURCE],
    const cargo_snapshot_writer_t *writer,
    unsigned char header[CARGO_SNAPSHOT_HEADER])
{
    uint32_t            position;
    cargo_rc_t          rc;
    cargo_zone_saver_t  saver;

    memset(&saver, 0, sizeof(cargo_zone_saver_t));
    saver.zone = zone;
    saver.now = now;
    saver.writer = writer;
    saver.zone_key.key.data = saver.key;
    memcpy(saver.header.source, source, CARGO_SNAPSHOT_SOURCE);

    rc = CARGO_OK;
    position = 0;

    while (rc == CARGO_OK
           && cargo_zone_walk(zone, &position, saver.key,
                              &saver.zone_key.key.len, &saver.value)
              == CARGO_OK)
    {
        rc = cargo_zone_save_entry(&saver);
    }

    free(saver.buffer);

    if (rc == CARGO_OK) {
        cargo_snapshot_header_write(&saver.header, header);
    }

    return rc;
}


/* its two forms belong together: both are of one moment, or none is */

static cargo_rc_t
cargo_zone_save_entry(cargo_zone_saver_t *saver)
{
    int             i, tries;
    size_t          len, at;
    cargo_rc_t      rc;

    for (tries = 0; tries < CARGO_SNAPSHOT_TRIES; tries++) {

        rc = cargo_zone_save_begin(saver, &len);

        if (rc != CARGO_OK || len == 0) {
            return rc;
        }

        for (i = 0; i < CARGO_ZONE_BODIES; i++) {
            at = len;
            len += saver->value.body_len[i];

            rc = cargo_zone_save_body(saver, i, saver->buffer + at);
            if (rc != CARGO_OK) {
                break;
            }
        }

        if (rc == CARGO_OK) {
            return cargo_zone_save_append(saver, len);
        }

        if (cargo_zone_peek(saver->zone, &saver->zone_key, saver->now, -1,
                            NULL, &saver->value)
            != CARGO_OK)
        {
            return CARGO_OK;
        }
    }

    return CARGO_OK;
}


/* all but the bodies, with room for them; *len 0: it is left out */

static cargo_rc_t
cargo_zone_save_begin(cargo_zone_saver_t *saver, size_t *len)
{
    int                     i;
    size_t                  size;
    unsigned char          *p;
    cargo_snapshot_entry_t  entry;

    memset(&entry, 0, sizeof(cargo_snapshot_entry_t));
    entry.key = saver->zone_key.key;
    entry.head.data = saver->value.head;
    entry.head.len = saver->value.head_len;
    entry.used = saver->value.used;

    *len = 0;

    if (!saver->writer->pack(saver->writer->data, &entry)) {
        return CARGO_OK;
    }

    /* peek() copies so much at most, whatever it finds */
    size = CARGO_SNAPSHOT_ENTRY + entry.key.len + entry.head.len
           + CARGO_ZONE_COPY;

    for (i = 0; i < CARGO_ZONE_BODIES; i++) {
        if (saver->value.body_len[i] > UINT32_MAX) {
            return CARGO_OK;
        }

        size += saver->value.body_len[i];
    }

    if (size > saver->size) {
        free(saver->buffer);

        saver->size = 0;
        saver->buffer = malloc(size);

        if (saver->buffer == NULL) {
            return CARGO_NO_MEMORY;
        }

        saver->size = size;
    }

    p = cargo_snapshot_put(saver->buffer, entry.key.len, 2);
    p = cargo_snapshot_put(p, entry.head.len, 2);

    for (i = 0; i < CARGO_ZONE_BODIES; i++) {
        p = cargo_snapshot_put(p, saver->value.body_len[i], 4);
    }

    p = cargo_snapshot_put(p, (uint64_t) entry.used, 8);
    memcpy(p, entry.key.data, entry.key.len);
    p += entry.key.len;
    memcpy(p, entry.head.data, entry.head.len);
    p += entry.head.len;

    *len = (size_t) (p - saver->buffer);

    return CARGO_OK;
}


/* CARGO_REFUSED: it is not what it was */

static cargo_rc_t
cargo_zone_save_body(cargo_zone_saver_t *saver, int body, unsigned char *p)
{
    int                 same;
    cargo_zone_value_t  value;

    if (cargo_zone_peek(saver->zone, &saver->zone_key, saver->now, body, p,
                        &value)
        != CARGO_OK)
    {
        return CARGO_REFUSED;
    }

    same = cargo_zone_save_same(&value, &saver->value);

    if (cargo_zone_pinned(&value, body)
        && cargo_zone_copy(saver->zone, &value, body, same ? p : NULL)
           != CARGO_OK)
    {
        return CARGO_REFUSED;
    }

    return same ? CARGO_OK : CARGO_REFUSED;
}


static int
cargo_zone_save_same(const cargo_zone_value_t *a, const cargo_zone_value_t *b)
{
    return a->stored == b->stored
           && a->head_len == b->head_len
           && memcmp(a->head, b->head, a->head_len) == 0
           && memcmp(a->body_len, b->body_len, sizeof(a->body_len)) == 0;
}


static cargo_rc_t
cargo_zone_save_append(cargo_zone_saver_t *saver, size_t len)
{
    if (saver->writer->append(saver->writer->data, saver->buffer, len) != 0) {
        return CARGO_REFUSED;
    }

    saver->header.entries++;
    saver->header.length += len;
    saver->header.crc = cargo_snapshot_crc(saver->header.crc, saver->buffer,
                                           len);

    return CARGO_OK;
}
