
/*
 * One header block of a tar, in the ustar format or that of GNU tar.
 *
 * Memory: a name that the block holds in two parts is put together in the
 * result, so the result must not be copied.
 *
 * Always true: what is read has a right checksum, a known magic and numbers
 * that every reader understands alike.
 */


#ifndef CARGO_TAR_HEADER_H
#define CARGO_TAR_HEADER_H


#include "cargo_core.h"


#define CARGO_TAR_BLOCK  512

/* type flags; '\0', a file of the time before POSIX, is read as '0' */
#define CARGO_TAR_FILE       '0'
#define CARGO_TAR_DIRECTORY  '5'
#define CARGO_TAR_LONG_NAME  'L'
#define CARGO_TAR_PAX        'x'


typedef struct {
    cargo_str_t     path;
    uint64_t        size;
    unsigned char   type;
    unsigned char   text[256];          /* prefix (155), '/', name (100) */
} cargo_tar_header_t;


/* NULL, or what is wrong with the block */
const char *cargo_tar_header_read(cargo_tar_header_t *header,
    const unsigned char block[CARGO_TAR_BLOCK]);

/* crates.io's word for a type other than those above; NULL: it has none */
const char *cargo_tar_type_name(unsigned char type);


#endif /* CARGO_TAR_HEADER_H */
