
#include "ngx_http_cargo.h"


/*
 * Queries of the index and of files in flight, by what they ask: who asks the
 * same meanwhile waits with the first.  But not after a change, which the
 * query may have been too early to see: then a new one takes its place, and
 * the old one goes on for those who wait.
 *
 * Memory: a flight lives in the pool of its job, which pg/ destroys when the
 * job's handler has returned, or was abandoned and is over.
 */


struct ngx_http_cargo_flight_s {
    ngx_str_node_t                 node;        /* first */
    ngx_queue_t                    waiters;     /* of reads */

    ngx_cargo_pg_job_t            *job;         /* NULL: it is answered */
    ngx_cargo_shm_t               *shm;
    ngx_thread_pool_t             *threads;

    ngx_http_cargo_question_t      question;
    ngx_http_cargo_generations_t   generations;
    time_t                         asked;

    unsigned                       cached:1;    /* generations are known */
    unsigned                       found:1;     /* it is in the tree */
    unsigned                       background:1;
};


static ngx_http_cargo_flight_t *ngx_http_cargo_flight_create(
    ngx_http_request_t *r, ngx_http_cargo_question_t *q);
static ngx_int_t ngx_http_cargo_flight_question(
    ngx_http_cargo_flight_t *flight, ngx_pool_t *pool,
    ngx_http_cargo_question_t *q);
static ngx_http_cargo_flight_t *ngx_http_cargo_flight_find(
    ngx_http_cargo_flight_t *new);
static ngx_int_t ngx_http_cargo_flight_start(ngx_http_request_t *r,
    ngx_http_cargo_flight_t *flight);
static void ngx_http_cargo_flight_hide(ngx_http_cargo_flight_t *flight);
static void ngx_http_cargo_flight_answered(ngx_cargo_pg_job_t *job);


static ngx_rbtree_t       ngx_http_cargo_flights;
static ngx_rbtree_node_t  ngx_http_cargo_flights_end;
static ngx_uint_t         ngx_http_cargo_flights_made;


static const ngx_http_cargo_statement_e  ngx_http_cargo_flight_statements[] = {
    [NGX_HTTP_CARGO_READ_CONFIG] = NGX_HTTP_CARGO_INDEX_CONFIG,
    [NGX_HTTP_CARGO_READ_DOCUMENT] = NGX_HTTP_CARGO_INDEX_DOCUMENT,
    [NGX_HTTP_CARGO_READ_FILE] = NGX_HTTP_CARGO_DOWNLOAD_VERSION
};


ngx_int_t
ngx_http_cargo_flight_join(ngx_http_request_t *r, ngx_uint_t background)
{
    ngx_int_t                   rc;
    ngx_http_cargo_ctx_t       *ctx;
    ngx_http_cargo_read_t      *read;
    ngx_http_cargo_flight_t    *flight, *new;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);
    read = &ctx->read;

    new = ngx_http_cargo_flight_create(r, &read->question);
    if (new == NULL) {
        return NGX_ERROR;
    }

    flight = ngx_http_cargo_flight_find(new);

    if (flight) {
        ngx_cargo_pg_job_destroy(new->job);

    } else {
        rc = ngx_http_cargo_flight_start(r, new);
        if (rc != NGX_OK) {
            return rc;
        }

        flight = new;
        flight->background = background;
    }

    if (!background) {
        ngx_cargo_count(asked, 1);

        read->request = r;
        read->flight = flight;
        ngx_queue_insert_tail(&flight->waiters, &read->queue);
    }

    return NGX_OK;
}


void
ngx_http_cargo_flight_leave(ngx_http_cargo_read_t *read)
{
    ngx_http_cargo_flight_t  *flight;

    flight = read->flight;
    read->flight = NULL;

    ngx_queue_remove(&read->queue);

    if (flight->job && !flight->background
        && ngx_queue_empty(&flight->waiters))
    {
        ngx_http_cargo_flight_hide(flight);
        ngx_cargo_pg_job_abandon(flight->job);
    }
}


static ngx_http_cargo_flight_t *
ngx_http_cargo_flight_create(ngx_http_request_t *r,
    ngx_http_cargo_question_t *q)
{
    ngx_cargo_pg_job_t          *job;
    ngx_http_cargo_flight_t     *flight;
    ngx_http_cargo_loc_conf_t   *lcf;
    ngx_http_cargo_main_conf_t  *mcf;
    ngx_http_cargo_statement_e   statement;

    statement = ngx_http_cargo_flight_statements[q->kind];

    job = ngx_cargo_pg_job_create(&ngx_http_cargo_statements[statement],
                                  ngx_http_cargo_flight_answered, NULL);
    if (job == NULL) {
        return NULL;
    }

    flight = ngx_pcalloc(job->pool, sizeof(ngx_http_cargo_flight_t));

    if (flight == NULL
        || ngx_http_cargo_flight_question(flight, job->pool, q) != NGX_OK)
    {
        ngx_cargo_pg_job_destroy(job);
        return NULL;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_cargo_module);
    lcf = ngx_http_get_module_loc_conf(r, ngx_http_cargo_module);

    ngx_queue_init(&flight->waiters);

    flight->job = job;
    flight->shm = mcf->shm;
    flight->threads = lcf->thread_pool;
    flight->asked = ngx_time();
    flight->cached = ngx_http_cargo_generations(mcf->shm, &flight->question,
                                                &flight->generations)
                     == NGX_OK;
    job->data = flight;

    return flight;
}


/* a copy, whose parts are one behind the other: the key of the tree */

static ngx_int_t
ngx_http_cargo_flight_question(ngx_http_cargo_flight_t *flight,
    ngx_pool_t *pool, ngx_http_cargo_question_t *q)
{
    u_char      *p;
    size_t       len;
    ngx_str_t   *parts[4];
    ngx_uint_t   i;

    flight->question = *q;

    parts[0] = &flight->question.registry;
    parts[1] = &flight->question.credential;
    parts[2] = &flight->question.crate;
    parts[3] = &flight->question.version;

    len = 1;

    for (i = 0; i < 4; i++) {
        len += parts[i]->len + 1;
    }

    p = ngx_pnalloc(pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    flight->node.str.data = p;
    flight->node.str.len = len;
    *p++ = '0' + q->kind;

    for (i = 0; i < 4; i++) {
        ngx_memcpy(p, parts[i]->data, parts[i]->len);
        parts[i]->data = p;
        p += parts[i]->len;
        *p++ = '\0';
    }

    flight->node.node.key = ngx_crc32_long(flight->node.str.data, len);

    return NGX_OK;
}


/* one that asks the same, and not too early */

static ngx_http_cargo_flight_t *
ngx_http_cargo_flight_find(ngx_http_cargo_flight_t *new)
{
    ngx_http_cargo_flight_t  *flight;

    if (!ngx_http_cargo_flights_made) {
        ngx_rbtree_init(&ngx_http_cargo_flights, &ngx_http_cargo_flights_end,
                        ngx_str_rbtree_insert_value);
        ngx_http_cargo_flights_made = 1;
    }

    if (!new->cached) {
        return NULL;
    }

    flight = (ngx_http_cargo_flight_t *)
             ngx_str_rbtree_lookup(&ngx_http_cargo_flights, &new->node.str,
                                   (uint32_t) new->node.node.key);

    if (flight
        && ngx_memcmp(&flight->generations, &new->generations,
                      sizeof(ngx_http_cargo_generations_t))
           != 0)
    {
        ngx_http_cargo_flight_hide(flight);
        return NULL;
    }

    return flight;
}


static ngx_int_t
ngx_http_cargo_flight_start(ngx_http_request_t *r,
    ngx_http_cargo_flight_t *flight)
{
    ngx_int_t   rc;
    ngx_str_t  *params[2];

    params[0] = &flight->question.crate;
    params[1] = &flight->question.version;

    if (ngx_http_cargo_query_params(r, flight->job, params) != NGX_OK) {
        ngx_cargo_pg_job_destroy(flight->job);
        return NGX_ERROR;
    }

    rc = ngx_cargo_pg_submit(flight->job);

    if (rc == NGX_OK && flight->cached) {
        flight->found = 1;
        ngx_rbtree_insert(&ngx_http_cargo_flights, &flight->node.node);
    }

    return rc;
}


static void
ngx_http_cargo_flight_hide(ngx_http_cargo_flight_t *flight)
{
    if (flight->found) {
        flight->found = 0;
        ngx_rbtree_delete(&ngx_http_cargo_flights, &flight->node.node);
    }
}


static void
ngx_http_cargo_flight_answered(ngx_cargo_pg_job_t *job)
{
    ngx_queue_t              *queue;
    ngx_http_cargo_said_t     said;
    ngx_http_cargo_read_t    *read;
    ngx_http_cargo_flight_t  *flight;

    flight = job->data;
    flight->job = NULL;

    ngx_http_cargo_flight_hide(flight);

    ngx_http_cargo_said(job, flight->question.kind, &said);
    ngx_http_cargo_read_heard(said.status);

    if (flight->cached) {
        if (flight->question.kind == NGX_HTTP_CARGO_READ_DOCUMENT) {
            ngx_http_cargo_gzip_now(job->pool, &said);
        }

        ngx_http_cargo_fill(flight->shm, &flight->question,
                            &flight->generations, flight->asked, &said);
    }

    /* what one does may end others, which leave the queue then */

    while (!ngx_queue_empty(&flight->waiters)) {
        queue = ngx_queue_head(&flight->waiters);
        read = ngx_queue_data(queue, ngx_http_cargo_read_t, queue);

        ngx_queue_remove(queue);
        read->flight = NULL;

        ngx_http_cargo_read_said(read, &said);
    }

    if (flight->cached
        && flight->question.kind == NGX_HTTP_CARGO_READ_DOCUMENT)
    {
        ngx_http_cargo_gzip_later(job, flight->shm, flight->threads,
                                  &flight->question, &flight->generations,
                                  flight->asked, &said);
    }
}
