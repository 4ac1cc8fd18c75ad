
/*
 * A .crate walked by cargo_archive.h, for the targets that make one of their
 * input in different ways.
 *
 * Always true: how it is cut makes no difference to what is found in it.
 */


#ifndef ARCHIVE_H
#define ARCHIVE_H


#include "fuzz.h"


#define ARCHIVE_ROOT          "foo-1.0.0"
#define ARCHIVE_UNPACKED_MAX  (64 * 1024)
#define ARCHIVE_ENTRIES_MAX   200


/*
 * Walks it whole and in pieces, and checks what comes of it; returns what the
 * walk did.  bytes: also byte by byte.
 */
cargo_rc_t archive_check(const unsigned char *data, size_t size,
    cargo_str_t gzip, int bytes);


#endif /* ARCHIVE_H */
