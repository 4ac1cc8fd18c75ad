
/*
 * One file on its way into the store: written in tmp/, hashed as it grows,
 * made durable and renamed to the name that its content gives it.
 *
 * Memory: belongs to the caller, the path is in the upload's arena.
 *
 * Always true: after ngx_cargo_blob_file_open() one of _keep() and _drop()
 * is called, and after it no descriptor and no temporary file remains.
 */


#ifndef NGX_CARGO_BLOB_FILE_H
#define NGX_CARGO_BLOB_FILE_H


#include "ngx_cargo_blob.h"

#include <openssl/evp.h>


typedef struct {
    int                     fd;         /* -1 when not open */
    char                   *path;
    EVP_MD_CTX             *digest;
    uint64_t                size;

    /* of the call that failed, for the log */
    ngx_err_t               err;
    const char             *failed;
} ngx_cargo_blob_file_t;


/* all return NGX_OK or, with err and failed set, NGX_ERROR */

ngx_int_t ngx_cargo_blob_file_open(ngx_cargo_blob_file_t *file,
    cargo_arena_t *arena, cargo_str_t store);
ngx_int_t ngx_cargo_blob_file_write(ngx_cargo_blob_file_t *file,
    const unsigned char *p, size_t n);

/* lower-case hex and a NUL */
ngx_int_t ngx_cargo_blob_file_checksum(ngx_cargo_blob_file_t *file,
    char *checksum);

ngx_int_t ngx_cargo_blob_file_keep(ngx_cargo_blob_file_t *file,
    cargo_arena_t *arena, cargo_str_t store, const char *checksum);
void ngx_cargo_blob_file_drop(ngx_cargo_blob_file_t *file);


#endif /* NGX_CARGO_BLOB_FILE_H */
