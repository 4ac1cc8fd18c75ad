
/*
 * One file on its way into the store of .crate files: written in tmp/, hashed
 * as it grows, made durable and renamed to the name that its content gives
 * it.  The one part of core/ that touches files, and so may block: for
 * uploads it runs in a thread, and cargoctl imports with it.
 *
 * Memory: a blob belongs to the caller, its path is in the arena.
 *
 * Always true: after cargo_blob_open() one of cargo_blob_keep() and
 * cargo_blob_drop() is called, and after it no descriptor and no temporary
 * file remains.
 */


#ifndef CARGO_BLOB_H
#define CARGO_BLOB_H


#include "cargo_core.h"

#include <openssl/evp.h>


#define CARGO_BLOB_HEX       64

/* "/ab/cd/" and "<sha256>.crate" */
#define CARGO_BLOB_NAME_LEN  (sizeof("/ab/cd/") - 1 + CARGO_BLOB_HEX          \
                              + sizeof(".crate") - 1)


typedef struct {
    int             fd;         /* -1 when not open */
    char           *path;
    EVP_MD_CTX     *digest;
    uint64_t        size;

    /* errno and what it was that failed */
    int             err;
    const char     *failed;
} cargo_blob_t;


/*
 * All return 0 or, with err and failed set, -1.  store: path of the store; a
 * blob opened without one (data is NULL) is hashed and not written.
 */
int cargo_blob_open(cargo_blob_t *blob, cargo_arena_t *arena,
    cargo_str_t store);
int cargo_blob_write(cargo_blob_t *blob, const unsigned char *p, size_t n);

/* lower-case hex and a NUL: CARGO_BLOB_HEX + 1 bytes */
int cargo_blob_checksum(cargo_blob_t *blob, char *checksum);

int cargo_blob_keep(cargo_blob_t *blob, cargo_arena_t *arena,
    cargo_str_t store, const char *checksum);
void cargo_blob_drop(cargo_blob_t *blob);

/* appends "/ab/cd/<sha256>.crate"; returns the end */
unsigned char *cargo_blob_name(unsigned char *p, const char *checksum);


#endif /* CARGO_BLOB_H */
