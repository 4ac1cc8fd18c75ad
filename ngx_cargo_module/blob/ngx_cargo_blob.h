
/*
 * Uploads: from the body of a publish, in memory or in nginx's temporary file,
 * to a checked .crate in the store, in a thread of a pool.
 *
 * The store is a directory:
 *
 *   ab/cd/<sha256>.crate   the files, named by their content, never changed
 *   tmp/                   uploads being checked
 *   trash/                 where "cargoctl sweep" puts what nobody refers to
 *
 * Memory: the upload and all that it carries live in its arena, which the
 * owner destroys after the thread is done; the thread touches nothing else,
 * neither request nor pool.
 *
 * Always true: a file under its final name is complete, on disk (fsync of
 * file and directory) and hashes to its name.  It is renamed over what may be
 * there already: the bytes are the same, and the fresh time of modification
 * tells a sweep that somebody is about to refer to it.  A crash leaves at
 * most a file in tmp/ or one that nobody refers to.
 */


#ifndef NGX_CARGO_BLOB_H
#define NGX_CARGO_BLOB_H


#include <ngx_config.h>
#include <ngx_core.h>

#include "cargo_archive.h"
#include "cargo_blob.h"
#include "cargo_core.h"
#include "cargo_release.h"


#define NGX_CARGO_BLOB_HEX        CARGO_BLOB_HEX
#define NGX_CARGO_BLOB_NAME_LEN   CARGO_BLOB_NAME_LEN

#define ngx_cargo_blob_name       cargo_blob_name


typedef struct {
    cargo_arena_t          *arena;

    /* set by the owner */
    cargo_str_t             text;       /* the body, if data is not NULL */
    ngx_fd_t                file;       /* else it is here */
    cargo_str_t             store;      /* path, ends in NUL */
    cargo_own_index_t       own;
    cargo_archive_limits_t  limits;
    uint64_t                crate_max;
    time_t                  now;

    /*
     * CARGO_REFUSED: error says why, with status 500 or 503 when the fault is
     * the server's; then err and failed are for the log
     */
    cargo_rc_t              rc;
    cargo_error_t           error;
    ngx_err_t               err;
    const char             *failed;

    /* microseconds that it took */
    uint64_t                check_time;
    uint64_t                store_time;

    /* set as soon as they are known, also to those who are refused */
    cargo_str_t             name;
    cargo_str_t             vers;

    /* set when rc is CARGO_OK; texts end in NUL */
    cargo_str_t             release;    /* JSON for cargo.publish() */
    cargo_str_t             head;       /* of the index line */
    cargo_str_t             tail;
    cargo_str_t             pubtime;
    uint64_t                size;
    char                    checksum[NGX_CARGO_BLOB_HEX + 1];
} ngx_cargo_blob_upload_t;


/* NULL when there is no memory */
ngx_cargo_blob_upload_t *ngx_cargo_blob_upload_create(void);
void ngx_cargo_blob_upload_destroy(ngx_cargo_blob_upload_t *upload);

/* in a thread: reads, checks, stores */
void ngx_cargo_blob_upload_run(ngx_cargo_blob_upload_t *upload);


/*
 * When the configuration is read: makes the directory and its tmp/ and gives
 * them to the user of the workers; NGX_ERROR and a line in the log when it
 * cannot, or when the directory is in use for something else.
 */
ngx_int_t ngx_cargo_blob_init_store(ngx_cycle_t *cycle, ngx_str_t *path,
    ngx_uid_t user);

/*
 * In a thread: whether a file of so many bytes could be stored.  NULL, or what
 * failed, with err; err 0: there is not so much room.
 */
const char *ngx_cargo_blob_try_store(ngx_str_t *path, off_t room,
    ngx_err_t *err);


#endif /* NGX_CARGO_BLOB_H */
