
/*
 * The cache in a file, for a nginx that starts while the database is away.
 *
 * One worker writes it: every minute when something has changed, soon after a
 * change of permissions, and at its exit.  It is written in a thread, under
 * another name, and takes the place of the old one when it is on the disk.
 * When nothing has changed but the time, only the seal is renewed.
 *
 * Memory: all lives as long as the configuration.
 *
 * Always true: what is read from the file is as old as when the cache was in
 * step last before the file was sealed, so that the bounds of cargo_zone
 * hold; and the first answer of the log of changes ends it, since nothing
 * tells a database that has been restored from one that has not.
 */


#ifndef NGX_CARGO_SNAPSHOT_H
#define NGX_CARGO_SNAPSHOT_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "cargo_zone_snapshot.h"
#include "ngx_cargo_shm.h"


/* what the entries mean; as those of cargo_zone_snapshot.h, but for data */
typedef struct {
    /* in a thread; head: room for CARGO_ZONE_HEAD bytes */
    ngx_uint_t                 (*pack)(ngx_cargo_shm_t *shm,
                                       cargo_snapshot_entry_t *entry,
                                       u_char *head);

    ngx_uint_t                 (*unpack)(ngx_cargo_shm_t *shm,
                                         cargo_snapshot_entry_t *entry,
                                         cargo_zone_key_t *key);

    u_char                       source[CARGO_SNAPSHOT_SOURCE];
} ngx_cargo_snapshot_t;


/*
 * Into a zone that was made for this configuration; says in the log what was
 * loaded, or why not.  A file that belongs to neither user nor ours, or that
 * others may write, is not read.
 */
void ngx_cargo_snapshot_load(ngx_cargo_shm_t *shm,
    ngx_cargo_snapshot_t *snapshot, ngx_uid_t user, ngx_log_t *log);

/* in the one worker that writes */
ngx_int_t ngx_cargo_snapshot_init(ngx_cycle_t *cycle, ngx_cargo_shm_t *shm,
    ngx_cargo_snapshot_t *snapshot);

/* what has changed should not be in the file for long */
void ngx_cargo_snapshot_soon(void);

/* the worker ends */
void ngx_cargo_snapshot_exit(void);


/* ngx_cargo_snapshot_file.c: what may block */

typedef struct {
    ngx_cargo_shm_t             *shm;
    ngx_cargo_snapshot_t        *snapshot;

    /* what the cache was before it was written */
    uint64_t                     stores;
    uint64_t                     invalidations;
    cargo_snapshot_seal_t        seal;

    u_char                       header[CARGO_SNAPSHOT_HEADER];
    u_char                       head[CARGO_ZONE_HEAD];
    ngx_fd_t                     fd;

    ngx_err_t                    err;
    const char                  *failed;        /* NULL: nothing has */
    unsigned                     whole:1;       /* not the seal alone */
    unsigned                     busy:1;        /* another one writes */
} ngx_cargo_snapshot_work_t;


void ngx_cargo_snapshot_now(cargo_snapshot_moment_t *now);

/* the results are in work */
void ngx_cargo_snapshot_write(ngx_cargo_snapshot_work_t *work);

/* 1: the file there is of a later time than the seal */
ngx_uint_t ngx_cargo_snapshot_newer(ngx_cargo_snapshot_work_t *work);


#endif /* NGX_CARGO_SNAPSHOT_H */
