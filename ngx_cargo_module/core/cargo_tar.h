
/*
 * A tar read as it arrives, by strict rules: POSIX ustar and the format of
 * GNU tar, with GNU's long names ('L') and pax headers ('x').
 *
 * Other readers are lenient, each in its own way, so one archive can mean
 * different things to two of them.  Here it has one meaning or is refused:
 * links, devices, sparse files, pax headers for all entries ('g'; cargo skips
 * them and others obey them), numbers that are not well-formed, a pax size
 * other than that of the header, two names from two extensions.
 *
 * End of tar: the first block of zeros, after which only such may follow.
 * The tar crate, and so cargo, takes an archive that just ends after an entry
 * as complete, with or without such blocks; so does this reader.
 *
 * Memory: one block, one extension header of CARGO_TAR_EXTENSION_MAX, one
 * path.  Contents are handed on as slices of what the caller feeds.
 *
 * Always true: how the input is cut into pieces changes neither the result
 * nor the words of a refusal.
 */


#ifndef CARGO_TAR_H
#define CARGO_TAR_H


#include "cargo_core.h"


#define CARGO_TAR_PATH_MAX       1024   /* PATH_MAX of macOS, the smallest */
#define CARGO_TAR_EXTENSION_MAX  8192

/* crates.io's words, to which the reason is added */
#define CARGO_TAR_MALFORMED                                                   \
    "uploaded tarball is malformed or too large when decompressed: "


typedef struct {
    cargo_str_t     path;       /* a directory's without the '/' at its end */
    uint64_t        size;
    unsigned        directory;  /* else a regular file */
} cargo_tar_entry_t;

/* what they return, if not CARGO_OK, ends the feed */
typedef struct {
    cargo_rc_t    (*entry)(void *data, const cargo_tar_entry_t *entry,
                       cargo_error_t *error);
    cargo_rc_t    (*content)(void *data, const unsigned char *p, size_t n,
                       cargo_error_t *error);
    void           *data;
} cargo_tar_handler_t;

typedef struct cargo_tar_s  cargo_tar_t;


/* size_max: the largest tar accepted; NULL when there is no memory */
cargo_tar_t *cargo_tar_create(cargo_arena_t *arena, uint64_t size_max,
    const cargo_tar_handler_t *handler);

/* 400; not to be called again after anything but CARGO_OK */
cargo_rc_t cargo_tar_feed(cargo_tar_t *tar, const unsigned char *p, size_t n,
    cargo_error_t *error);

/* the tar has ended: 400 unless that was between two entries */
cargo_rc_t cargo_tar_end(const cargo_tar_t *tar, cargo_error_t *error);


#endif /* CARGO_TAR_H */
