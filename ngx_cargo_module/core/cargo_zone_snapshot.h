
/*
 * The entries of a cargo_zone_t in a file, and back: so that what was known
 * outlives the process that knew it.
 *
 *   header | two seals | entries
 *
 * All numbers are little endian; header and seals end with a CRC-32 of their
 * own, and the header has that of the entries.  A seal says when the entries
 * were all right last, and takes turns with the other: so it is renewed in
 * place, and is whole whenever the machine stops.  Files belong to the
 * caller, who appends and reads; nothing here knows where they are.
 *
 * Memory: what a callback is given is gone when it returns.
 *
 * Always true: a file that is not whole, or not ours, loads nothing; no file
 * whatever makes a wrong entry of the zone's own structure, but what an entry
 * means is for unpack() to judge; an entry never looks younger for having
 * been in a file, whatever the clock was set to.
 */


#ifndef CARGO_ZONE_SNAPSHOT_H
#define CARGO_ZONE_SNAPSHOT_H


#include "cargo_zone.h"


#define CARGO_SNAPSHOT_HEADER   64
#define CARGO_SNAPSHOT_SEAL     64
#define CARGO_SNAPSHOT_SEALS    2
#define CARGO_SNAPSHOT_ENTRIES                                                \
    (CARGO_SNAPSHOT_HEADER + CARGO_SNAPSHOT_SEALS * CARGO_SNAPSHOT_SEAL)

#define CARGO_SNAPSHOT_SOURCE   16      /* bytes: whose entries they are */
#define CARGO_SNAPSHOT_BOOT     16


/* now, by a clock that can be set and by one that cannot */
typedef struct {
    int64_t                time;        /* seconds since 1970 */
    int64_t                uptime;      /* seconds since the boot */
    unsigned char          boot[CARGO_SNAPSHOT_BOOT];   /* 0: unknown */
} cargo_snapshot_moment_t;


/* so many seconds before that moment, or later, all entries were right */
typedef struct {
    uint64_t               number;      /* the highest counts */
    int64_t                age;
    cargo_snapshot_moment_t  at;
} cargo_snapshot_seal_t;


typedef struct {
    cargo_str_t            key;
    cargo_str_t            head;
    cargo_str_t            bodies[CARGO_ZONE_BODIES];
    int64_t                used;
} cargo_snapshot_entry_t;


typedef struct {
    /* 0; else it failed, and nothing more is written */
    int                  (*append)(void *data, const unsigned char *p,
                                   size_t len);

    /* 0: it is left out.  Called without bodies; may set another head */
    int                  (*pack)(void *data, cargo_snapshot_entry_t *entry);

    void                  *data;
} cargo_snapshot_writer_t;


typedef struct {
    /* 0; else there are no such bytes */
    int                  (*read)(void *data, uint64_t offset,
                                 unsigned char *p, size_t len);

    /* 0: it is left out.  Sets the groups of key, may set another head */
    int                  (*unpack)(void *data, cargo_snapshot_entry_t *entry,
                                   cargo_zone_key_t *key);

    void                  *data;
    uint64_t               size;        /* of the file */
} cargo_snapshot_reader_t;


typedef struct {
    uint64_t               entries;     /* in the file */
    uint64_t               stored;      /* of them; the last ones are kept */
    int64_t                age;         /* seconds since all were right */
    const char            *refused;     /* why nothing is loaded */
} cargo_snapshot_loaded_t;


/*
 * Appends the entries that hold, and fills in the header, whose place is
 * before the seals.  now: as for cargo_zone_peek().  CARGO_REFUSED: append()
 * has failed.  Others may use the zone meanwhile.
 */
cargo_rc_t cargo_zone_save(cargo_zone_t *zone, int64_t now,
    const unsigned char source[CARGO_SNAPSHOT_SOURCE],
    const cargo_snapshot_writer_t *writer,
    unsigned char header[CARGO_SNAPSHOT_HEADER]);

/*
 * Stores the entries, those last that were used last, as stored at 0.
 * CARGO_REFUSED: loaded->refused says why none was.
 */
cargo_rc_t cargo_zone_load(cargo_zone_t *zone,
    const cargo_snapshot_moment_t *now,
    const unsigned char source[CARGO_SNAPSHOT_SOURCE],
    const cargo_snapshot_reader_t *reader, cargo_snapshot_loaded_t *loaded);

void cargo_snapshot_seal_write(const cargo_snapshot_seal_t *seal,
    unsigned char p[CARGO_SNAPSHOT_SEAL]);

/* the one of both that counts; 0: none is whole */
int cargo_snapshot_seal_read(
    const unsigned char p[CARGO_SNAPSHOT_SEALS * CARGO_SNAPSHOT_SEAL],
    cargo_snapshot_seal_t *seal);

/* seconds since all was right, at least; -1: the clocks do not tell */
int64_t cargo_snapshot_age(const cargo_snapshot_seal_t *seal,
    const cargo_snapshot_moment_t *now);

/* a number of n bytes, as in the file; p after it */
unsigned char *cargo_snapshot_put(unsigned char *p, uint64_t value, size_t n);
const unsigned char *cargo_snapshot_get(const unsigned char *p,
    uint64_t *value, size_t n);


#endif /* CARGO_ZONE_SNAPSHOT_H */
