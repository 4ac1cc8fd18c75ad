
/*
 * A file in memory for the tests of cargo_zone_snapshot.h, what is saved in it
 * and loaded from it, and some entries.
 *
 * All of it belongs to the one process; the zone is that of zone.h.
 */


#ifndef SNAPSHOT_H
#define SNAPSHOT_H


#include "zone.h"

#include "cargo_zone_snapshot_private.h"


#define SNAPSHOT_FILE  (4 * 1024 * 1024)


typedef struct {
    unsigned char            bytes[SNAPSHOT_FILE];
    size_t                   len;
    size_t                   fails_at;      /* bytes from here on */
    unsigned                 reads_left;
    const char              *left_out;      /* a key */
} snapshot_file_t;


/* callbacks of a reader */
int snapshot_read(void *data, uint64_t offset, unsigned char *p, size_t len);
int snapshot_unpack(void *data, cargo_snapshot_entry_t *entry,
    cargo_zone_key_t *key);

/* of age 3, by the seal with the number 7 */
cargo_rc_t snapshot_try_save(void);
void snapshot_save(void);

cargo_rc_t snapshot_load(void);
void snapshot_refused(const char *why);

/* an empty zone in the place of the one there is */
void snapshot_afresh(size_t size);

/* five entries of all forms, used from 10 to 50 */
void snapshot_store_some(void);
void snapshot_check_some(void);


extern snapshot_file_t          snapshot_file;
extern unsigned char            snapshot_source[CARGO_SNAPSHOT_SOURCE];
extern cargo_snapshot_moment_t  snapshot_now;
extern cargo_snapshot_loaded_t  snapshot_loaded;


#endif /* SNAPSHOT_H */
