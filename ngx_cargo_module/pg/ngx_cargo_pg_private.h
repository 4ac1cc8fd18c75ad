
/*
 * The inside of pg/: pools, connections and how they hand jobs to each other.
 *
 * A connection is DOWN (no PGconn), CONNECTING, READY (takes jobs) or
 * DRAINING (a job of its own timed out, or its prepared statements are out of
 * date: takes none until all that was sent is answered, and is closed when
 * that does not happen either).
 *
 * Memory: pools and connections live as long as the worker.  The
 * ngx_connection_t around libpq's socket belongs to the connection; the
 * socket itself to libpq, which opens, closes and reuses it as it likes.
 *
 * Always true: libpq is called from events only; handlers of jobs are called
 * when libpq's work of the event is over, since they may submit new jobs;
 * PQgetResult() is called only when PQisBusy() says that it cannot block.
 */


#ifndef NGX_CARGO_PG_PRIVATE_H
#define NGX_CARGO_PG_PRIVATE_H


#include "ngx_cargo_pg.h"

#include "cargo_ratelimit.h"


/* what libpq said of servers that could not be had, for one line of a log */
#define NGX_CARGO_PG_WHY  1024


typedef enum {
    NGX_CARGO_PG_DOWN = 0,
    NGX_CARGO_PG_CONNECTING,
    NGX_CARGO_PG_READY,
    NGX_CARGO_PG_DRAINING
} ngx_cargo_pg_state_e;


struct ngx_cargo_pg_connection_s {
    ngx_cargo_pg_pool_t            *pool;
    PGconn                         *pg;
    ngx_connection_t               *c;
    ngx_cargo_pg_state_e            state;

    ngx_queue_t                     sent;       /* oldest first */
    ngx_uint_t                      nsent;

    uint32_t                        prepared;   /* by index of statement */
    ngx_event_t                     timer;      /* connecting, draining */

    unsigned                        renew:1;    /* close when drained */
};


struct ngx_cargo_pg_pool_s {
    const char                     *name;
    ngx_cargo_pg_conf_t            *conf;
    ngx_cargo_pg_servers_t         *servers;
    ngx_uint_t                      server;     /* to be asked next */
    ngx_uint_t                      refused;    /* servers in a row */
    ngx_log_t                      *log;

    ngx_queue_t                     waiting;
    ngx_uint_t                      nwaiting;

    ngx_cargo_pg_connection_t      *connections;
    ngx_uint_t                      nconnections;
    ngx_uint_t                      depth;      /* jobs sent at a time */

    ngx_event_t                     dispatch;
    ngx_event_t                     backoff;
    ngx_msec_t                      delay;
    ngx_msec_t                      down_since;
    ngx_msec_t                      answered;
    time_t                          full_logged;

    cargo_metrics_slot_t           *slot;
    cargo_metrics_gauges_t         *gauges;
    cargo_metrics_pool_t           *counters;

    /* of the listener's pool; else NULL */
    void                          (*opened)(void);
    void                          (*notified)(void);

    u_char                          why[NGX_CARGO_PG_WHY];
    size_t                          why_len;

    unsigned                        down:1;     /* no connection is left */
    unsigned                        complained:1;
    unsigned                        outage:1;   /* of the listener's */
};


/* listen.c */

extern ngx_cargo_pg_pool_t  ngx_cargo_pg_listen_pool;

/*
 * The level of a complaint.  The listener asks every second for ever, and
 * complains once until it hears something again.
 */
ngx_uint_t ngx_cargo_pg_complaint(ngx_cargo_pg_pool_t *pool,
    ngx_uint_t level);


/* connection.c */

void ngx_cargo_pg_connect(ngx_cargo_pg_connection_t *conn);
void ngx_cargo_pg_close(ngx_cargo_pg_connection_t *conn);

/* writes out what libpq has buffered; asks for write events if need be */
ngx_int_t ngx_cargo_pg_flush(ngx_cargo_pg_connection_t *conn);

/* the other side has closed it, and the event for that is still to come */
ngx_uint_t ngx_cargo_pg_gone(ngx_cargo_pg_connection_t *conn);

/* logs and closes; what was sent is put back or completed as unavailable */
void ngx_cargo_pg_broken(ngx_cargo_pg_connection_t *conn, const char *what);


/* pipeline.c */

ngx_int_t ngx_cargo_pg_send(ngx_cargo_pg_connection_t *conn,
    ngx_cargo_pg_job_t *job);

/* moves the jobs that are answered to done */
ngx_int_t ngx_cargo_pg_receive(ngx_cargo_pg_connection_t *conn,
    ngx_queue_t *done);


/* pool.c */

ngx_int_t ngx_cargo_pg_pool_init(ngx_cargo_pg_pool_t *pool,
    ngx_cycle_t *cycle, ngx_cargo_pg_conf_t *conf, ngx_uint_t n);
ngx_cargo_pg_pool_t *ngx_cargo_pg_pool_of(
    const ngx_cargo_pg_statement_t *statement);
void ngx_cargo_pg_dispatch(ngx_cargo_pg_pool_t *pool);
void ngx_cargo_pg_complete(ngx_queue_t *done);
void ngx_cargo_pg_put_back(ngx_cargo_pg_pool_t *pool,
    ngx_cargo_pg_job_t *job);
void ngx_cargo_pg_connected(ngx_cargo_pg_pool_t *pool);
void ngx_cargo_pg_answered(ngx_cargo_pg_pool_t *pool);
void ngx_cargo_pg_connect_failed(ngx_cargo_pg_pool_t *pool,
    const char *why);

/* the next connection asks another server first */
void ngx_cargo_pg_next_server(ngx_cargo_pg_pool_t *pool);

void ngx_cargo_pg_retry_later(ngx_cargo_pg_pool_t *pool);

/* the worker exits and the connection is at rest: closes it if it can */
void ngx_cargo_pg_exiting(ngx_cargo_pg_connection_t *conn);


/* job.c */

void ngx_cargo_pg_job_timer(ngx_event_t *ev);


/* metrics.c */

void ngx_cargo_pg_count_into(ngx_cargo_pg_pool_t *pool,
    cargo_metrics_slot_t *slot, cargo_metrics_pool_e which);

/* what became of a job, once */
void ngx_cargo_pg_count_job(ngx_cargo_pg_pool_t *pool,
    ngx_cargo_pg_job_t *job);
void ngx_cargo_pg_count_refused(ngx_cargo_pg_pool_t *pool);

void ngx_cargo_pg_count(ngx_cargo_pg_pool_t *pool, uint64_t *counter);

/* after whatever changes what they show */
void ngx_cargo_pg_gauge(ngx_cargo_pg_pool_t *pool);


#endif /* NGX_CARGO_PG_PRIVATE_H */
