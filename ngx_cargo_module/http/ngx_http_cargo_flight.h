
/*
 * Queries of the index and of files in flight, by what they ask: who asks the
 * same meanwhile waits with the first.  But not after a change, which the
 * query may have been too early to see: then a new one takes its place, and
 * the old one goes on for those who wait.
 *
 * Documents that one caller misses travel in one batch until it is sent: at
 * the end of the turn of the event loop at the earliest, and when there is a
 * connection with nothing else to do.  A query of many costs the database
 * little more than a query of one.
 *
 * Memory: a batch and its flights live in the pool of its job, which pg/
 * destroys when the job's handler has returned, or was abandoned and is over.
 *
 * Always true: a flight is in the tree only until it is answered; the sum of
 * the reads in the queues of its flights is a batch's number of waiters.
 */


#ifndef NGX_HTTP_CARGO_FLIGHT_H
#define NGX_HTTP_CARGO_FLIGHT_H


#include "ngx_http_cargo_read.h"


/* of one registry and one caller; of one flight, unless of documents */
typedef struct {
    ngx_cargo_pg_job_t            *job;         /* NULL: it is answered */
    ngx_queue_t                    flights;
    ngx_uint_t                     size;        /* of them */
    ngx_uint_t                     waiters;

    unsigned                       background:1;    /* and nobody need wait */
} ngx_http_cargo_batch_t;


struct ngx_http_cargo_flight_s {
    ngx_str_node_t                 node;        /* first */
    ngx_queue_t                    queue;       /* of its batch */
    ngx_queue_t                    waiters;     /* of reads */

    ngx_http_cargo_batch_t        *batch;
    ngx_cargo_shm_t               *shm;

    ngx_http_cargo_question_t      question;
    ngx_str_t                      name;        /* as the database hears it */
    ngx_http_cargo_generations_t   generations;
    time_t                         asked;

    unsigned                       cached:1;    /* generations are known */
    unsigned                       found:1;     /* it is in the tree */
};


static ngx_inline ngx_uint_t
ngx_http_cargo_same(ngx_str_t *a, ngx_str_t *b)
{
    return a->len == b->len && ngx_memcmp(a->data, b->data, a->len) == 0;
}


/* ngx_http_cargo_flight.c */

/* no one who comes now shall wait with it */
void ngx_http_cargo_flight_hide(ngx_http_cargo_flight_t *flight);

/* into the cache, and to all who wait */
void ngx_http_cargo_flight_answer(ngx_http_cargo_flight_t *flight,
    ngx_http_cargo_said_t *said);


/* ngx_http_cargo_batch.c */

/* one that can still take the question, or a new one; NULL: no memory */
ngx_http_cargo_batch_t *ngx_http_cargo_batch_for(
    ngx_http_cargo_question_t *q);

/* it was not needed after all */
void ngx_http_cargo_batch_spare(ngx_http_cargo_batch_t *batch);

/* NGX_OK, NGX_ERROR, or what submitting returned; if not NGX_OK it is gone */
ngx_int_t ngx_http_cargo_batch_add(ngx_http_request_t *r,
    ngx_http_cargo_batch_t *batch, ngx_http_cargo_flight_t *flight);

/* one who waited has left */
void ngx_http_cargo_batch_left(ngx_http_cargo_batch_t *batch);


#endif /* NGX_HTTP_CARGO_FLIGHT_H */
