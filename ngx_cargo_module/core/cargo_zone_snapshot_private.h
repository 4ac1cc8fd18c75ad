
/*
 * What saving and loading share: the header, and how an entry begins.
 *
 *   entry   key's length 2, head's length 2, bodies' lengths 4 each, used 8,
 *           key, head, bodies
 *
 * Nothing here owns memory.
 */


#ifndef CARGO_ZONE_SNAPSHOT_PRIVATE_H
#define CARGO_ZONE_SNAPSHOT_PRIVATE_H


#include "cargo_zone_snapshot.h"


#define CARGO_SNAPSHOT_ENTRY  (2 + 2 + 4 * CARGO_ZONE_BODIES + 8)


typedef struct {
    unsigned char          source[CARGO_SNAPSHOT_SOURCE];
    uint64_t               entries;
    uint64_t               length;      /* of all of them, in bytes */
    uint32_t               crc;
} cargo_snapshot_header_t;


void cargo_snapshot_header_write(const cargo_snapshot_header_t *header,
    unsigned char p[CARGO_SNAPSHOT_HEADER]);

/* NULL, or why it is none */
const char *cargo_snapshot_header_read(
    const unsigned char p[CARGO_SNAPSHOT_HEADER],
    cargo_snapshot_header_t *header);

uint32_t cargo_snapshot_crc(uint32_t crc, const unsigned char *p, size_t len);


#endif /* CARGO_ZONE_SNAPSHOT_PRIVATE_H */
