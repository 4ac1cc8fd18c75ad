
/*
 * PostgreSQL for a worker: jobs go in, results come back to a handler, and
 * the worker never waits.
 *
 * A job is one call of one SQL function.  It is queued in a pool of
 * connections, sent in libpq's pipeline mode with a Sync of its own, and its
 * handler is called exactly once, from the event loop, unless the owner has
 * abandoned it before.  No transaction ever spans two jobs.
 *
 * Memory: a job lives in a pool of its own from ngx_cargo_pg_job_create()
 * until its handler has returned; the result belongs to the job and goes with
 * it.  Parameters are copied.
 *
 * Always true: at most one connection of a pool is being opened at a time,
 * to one server after the other, beginning with the one that was there last;
 * jobs wait in order; a read whose connection broke is sent once more, a
 * write never, since nobody knows whether it was committed; the time a job
 * may take counts from its submission.  A database that is down is a state,
 * not an error of the configuration or of the worker's start.
 */


#ifndef NGX_CARGO_PG_H
#define NGX_CARGO_PG_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <libpq-fe.h>

#include "cargo_metrics.h"


#define NGX_CARGO_PG_PARAMS      10

/* the bitmap of prepared statements is a uint32_t */
#define NGX_CARGO_PG_STATEMENTS  32


typedef enum {
    NGX_CARGO_PG_DONE = 0,          /* result has the rows */
    NGX_CARGO_PG_FAILED,            /* the server answered with an error */
    NGX_CARGO_PG_TIMED_OUT,
    NGX_CARGO_PG_UNAVAILABLE        /* no connection, or it broke */
} ngx_cargo_pg_outcome_e;


typedef struct {
    const char                     *name;
    const char                     *text;
    ngx_uint_t                      params;
    ngx_uint_t                      writes;
    ngx_uint_t                      listens;    /* on the listener's own */
} ngx_cargo_pg_statement_t;


/*
 * What a connection string names, each server by itself: libpq would wait for
 * one that is silent and never ask the next.  Arrays for
 * PQconnectStartParams(), ended by NULL; one of values for each server.
 */
typedef struct {
    const char                    **keywords;
    const char                   ***values;
    ngx_uint_t                      n;
} ngx_cargo_pg_servers_t;


typedef struct {
    ngx_cargo_pg_servers_t          servers;

    /* of the listener, which a pooler may not be between; n 0: the same */
    ngx_cargo_pg_servers_t          listen_servers;

    const ngx_cargo_pg_statement_t *statements;

    ngx_uint_t                      read_connections;
    ngx_uint_t                      write_connections;
    ngx_uint_t                      queue;          /* jobs a pool holds */
    ngx_msec_t                      timeout;        /* of a job */
    ngx_msec_t                      connect_timeout;
    ngx_flag_t                      prepare;
} ngx_cargo_pg_conf_t;


typedef struct ngx_cargo_pg_pool_s        ngx_cargo_pg_pool_t;
typedef struct ngx_cargo_pg_connection_s  ngx_cargo_pg_connection_t;
typedef struct ngx_cargo_pg_job_s         ngx_cargo_pg_job_t;

typedef void (*ngx_cargo_pg_handler_pt)(ngx_cargo_pg_job_t *job);


struct ngx_cargo_pg_job_s {
    ngx_queue_t                     queue;

    const ngx_cargo_pg_statement_t *statement;
    const char                     *values[NGX_CARGO_PG_PARAMS];

    ngx_cargo_pg_handler_pt         handler;
    void                           *data;

    /* the last moment for the parameters; NULL: they are there already */
    ngx_cargo_pg_handler_pt         sending;
    ngx_uint_t                      grows;      /* its owner adds to it */

    /* for the handler */
    ngx_cargo_pg_outcome_e          outcome;
    PGresult                       *result;
    ngx_uint_t                      row;        /* that it looks at, 0 first */
    ngx_uint_t                      maybe_done; /* sent, answer unknown */

    /* of pg/ alone */
    ngx_pool_t                     *pool;
    ngx_cargo_pg_pool_t            *connections;
    ngx_cargo_pg_connection_t      *connection; /* NULL while it waits */
    ngx_event_t                     timer;
    ngx_msec_t                      submitted;
    ngx_uint_t                      lost;       /* with so many connections */
    unsigned                        retried:1;
    unsigned                        preparing:1;
    unsigned                        counted:1;
};


/* how a pool does, as this worker sees it */
typedef struct {
    ngx_uint_t                      down;       /* no connection, none comes */
    ngx_msec_t                      down_since;
    ngx_uint_t                      connected;
    ngx_uint_t                      waiting;    /* jobs for a connection */
    ngx_uint_t                      full;       /* no more of them */
    ngx_msec_t                      answered;   /* when a job was, last */
} ngx_cargo_pg_health_t;


/*
 * What a worker that listens is to do.  NOTIFY is only the doorbell: what has
 * changed is asked for, since the last time, when it rings, at every interval
 * and after every new connection, so that nothing is lost with a connection.
 * After an answer a bell waits until the pause is over, and all that ring in it
 * share a question.  Both times are in milliseconds.
 */
typedef struct {
    const ngx_cargo_pg_statement_t *listen;     /* no parameters */
    const ngx_cargo_pg_statement_t *changes;    /* one: since when */
    ngx_msec_t                      interval;
    ngx_msec_t                      pause;

    /* the parameter of the next question; NULL: SQL's null */
    ngx_str_t                    *(*since)(void);

    /* every answer, and every failure to get one */
    ngx_cargo_pg_handler_pt         heard;
} ngx_cargo_pg_listener_t;


/*
 * Parses a conninfo string into the arrays; names of hosts are resolved now,
 * since libpq would do it in the event loop, blocking.  Of several servers
 * only one that takes writes is used: what a standby says may be out of date.
 * Returns NGX_CONF_OK or a text for the configuration error.
 */
char *ngx_cargo_pg_parse_conninfo(ngx_conf_t *cf,
    ngx_cargo_pg_servers_t *servers, ngx_str_t *conninfo);

/*
 * In a worker: connections are opened when the first job comes.  What is done
 * is counted in the slot.
 */
ngx_int_t ngx_cargo_pg_init_worker(ngx_cycle_t *cycle,
    ngx_cargo_pg_conf_t *pcf, cargo_metrics_slot_t *slot);
void ngx_cargo_pg_exit_worker(void);

/* of the pool that takes such statements */
void ngx_cargo_pg_health(const ngx_cargo_pg_statement_t *statement,
    ngx_cargo_pg_health_t *health);

/* in the one worker that listens, after init_worker() */
void ngx_cargo_pg_listen(ngx_cargo_pg_listener_t *listener);

/*
 * Called once, when the worker begins to exit: the last moment to submit what
 * must not be lost.
 */
void ngx_cargo_pg_on_exit(void (*handler)(void));


/* NULL when there is no memory */
ngx_cargo_pg_job_t *ngx_cargo_pg_job_create(
    const ngx_cargo_pg_statement_t *statement,
    ngx_cargo_pg_handler_pt handler, void *data);

/* parameter i as text; the value must hold no NUL.  NULL is SQL's null */
ngx_int_t ngx_cargo_pg_job_param(ngx_cargo_pg_job_t *job, ngx_uint_t i,
    ngx_str_t *value);

/*
 * Reads are pipelined, writes are not, on connections of their own.
 * NGX_OK: the handler will be called, not from within.  NGX_BUSY: the queue
 * is full; NGX_DECLINED: the database has been away for longer than a job may
 * take.  After these two the job is gone and no handler is called.
 */
ngx_int_t ngx_cargo_pg_submit(ngx_cargo_pg_job_t *job);

/* for a job that is not to be submitted after all */
void ngx_cargo_pg_job_destroy(ngx_cargo_pg_job_t *job);

/* the owner goes away: no handler call; a job not yet sent is dropped */
void ngx_cargo_pg_job_abandon(ngx_cargo_pg_job_t *job);

/* of the row job->row; a zero ngx_str_t when it is null or not there */
ngx_str_t ngx_cargo_pg_field(ngx_cargo_pg_job_t *job, ngx_uint_t column);

/* SQLSTATE of a failed job, "" when there is none */
const char *ngx_cargo_pg_sqlstate(ngx_cargo_pg_job_t *job);


#endif /* NGX_CARGO_PG_H */
