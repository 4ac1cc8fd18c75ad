
/*
 * The cache of core/cargo_zone.h in a zone of nginx's shared memory, and what
 * all workers have to know of its freshness.
 *
 * What is in the cache is true as long as somebody listens for changes: the
 * worker that does so renews a lease.  When the lease is over, entries are
 * no answer any more but to a question that the database does not answer.
 *
 * Memory: the state and the cache live in the zone, survive a reload, and
 * are made anew when the size changes; the ngx_cargo_shm_t belongs to the
 * configuration.
 *
 * Always true: the lock is the zone's own, which the master gives free when
 * a worker dies; an init at a reload changes nothing that is shared, since
 * the new configuration may still be refused; the lease is in the
 * milliseconds of ngx_current_msec, which no one sets and which is the same
 * in all processes.
 */


#ifndef NGX_CARGO_SHM_H
#define NGX_CARGO_SHM_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_thread_pool.h>

#include "cargo_zone.h"


#define NGX_CARGO_SHM_SINCE  32


typedef struct {
    /* of the cache, for those who come later */
    void                        *region;
    size_t                       size;

    /* ngx_current_msec until when the cache is in step; 0: never yet */
    ngx_atomic_t                 lease;

    /* ngx_time() when it was in step last */
    ngx_atomic_t                 confirmed;

    /* ngx_current_msec at that time */
    ngx_atomic_t                 asked;

    /* how far the log of changes has been read; under the lock */
    size_t                       since_len;
    u_char                       since[NGX_CARGO_SHM_SINCE];
} ngx_cargo_shm_state_t;


typedef struct {
    ngx_shm_zone_t              *shm_zone;
    cargo_zone_t                 zone;
    ngx_cargo_shm_state_t       *state;

    ngx_msec_t                   lease;
    time_t                       stale;         /* of what is to be read */
    time_t                       stale_access;  /* of who may read it */

    ngx_str_t                    snapshot;      /* a file; len 0: none */
    ngx_str_t                    snapshot_tmp;
    ngx_str_t                    snapshot_dir;
    ngx_thread_pool_t           *threads;       /* that write it */

    unsigned                     made:1;        /* by this configuration */
} ngx_cargo_shm_t;


/* name:size [lease=time] [stale=time] [stale_access=time] [snapshot=path] */
char *ngx_cargo_shm_add(ngx_conf_t *cf, ngx_cargo_shm_t **shm,
    ngx_str_t *args, ngx_uint_t nargs, void *tag);

/* entries may be answers */
ngx_uint_t ngx_cargo_shm_fresh(ngx_cargo_shm_t *shm);

/* what was stored then is younger than the shortest lease */
ngx_uint_t ngx_cargo_shm_recent(time_t stored);

/*
 * What was stored then was right at most so many seconds ago: when it was
 * stored, or when it was found that nothing had changed.
 */
ngx_uint_t ngx_cargo_shm_usable(ngx_cargo_shm_t *shm, time_t stored,
    time_t age);

/*
 * Everything up to since has been taken into account, in an answer to what
 * was asked at that time, of the one clock and of the other.
 */
void ngx_cargo_shm_renew(ngx_cargo_shm_t *shm, ngx_str_t *since,
    ngx_msec_t asked, time_t confirmed);

/* seconds since the cache was in step, at least; NGX_DECLINED: it never was */
ngx_int_t ngx_cargo_shm_age(ngx_cargo_shm_t *shm, int64_t *age);

/* of a new cache: all that is in it was right so many seconds ago */
void ngx_cargo_shm_set_age(ngx_cargo_shm_t *shm, int64_t age);

/* a copy in buffer (NGX_CARGO_SHM_SINCE bytes); len 0: never read */
ngx_str_t ngx_cargo_shm_since(ngx_cargo_shm_t *shm, u_char *buffer);


#endif /* NGX_CARGO_SHM_H */
