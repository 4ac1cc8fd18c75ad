
#include "ngx_http_cargo.h"
#include "ngx_http_cargo_flight.h"


static ngx_http_cargo_flight_t *ngx_http_cargo_flight_create(
    ngx_http_request_t *r, ngx_http_cargo_batch_t *batch,
    ngx_http_cargo_question_t *q);
static ngx_int_t ngx_http_cargo_flight_question(
    ngx_http_cargo_flight_t *flight, ngx_pool_t *pool,
    ngx_http_cargo_question_t *q);
static ngx_http_cargo_flight_t *ngx_http_cargo_flight_find(
    ngx_http_cargo_flight_t *new);


static ngx_rbtree_t       ngx_http_cargo_flights;
static ngx_rbtree_node_t  ngx_http_cargo_flights_end;
static ngx_uint_t         ngx_http_cargo_flights_made;


ngx_int_t
ngx_http_cargo_flight_join(ngx_http_request_t *r, ngx_uint_t background)
{
    ngx_int_t                 rc;
    ngx_http_cargo_ctx_t     *ctx;
    ngx_http_cargo_read_t    *read;
    ngx_http_cargo_batch_t   *batch;
    ngx_http_cargo_flight_t  *flight, *new;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);
    read = &ctx->read;

    batch = ngx_http_cargo_batch_for(&read->question);
    if (batch == NULL) {
        return NGX_ERROR;
    }

    new = ngx_http_cargo_flight_create(r, batch, &read->question);
    flight = new ? ngx_http_cargo_flight_find(new) : NULL;

    if (flight || new == NULL) {
        ngx_http_cargo_batch_spare(batch);
    }

    if (new == NULL) {
        return NGX_ERROR;
    }

    if (flight == NULL) {
        flight = new;

        rc = ngx_http_cargo_batch_add(r, batch, flight);
        if (rc != NGX_OK) {
            return rc;
        }

        if (flight->cached) {
            flight->found = 1;
            ngx_rbtree_insert(&ngx_http_cargo_flights, &flight->node.node);
        }
    }

    if (background) {
        flight->batch->background = 1;

    } else {
        flight->batch->waiters++;
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
    ngx_http_cargo_batch_t  *batch;

    batch = read->flight->batch;

    ngx_queue_remove(&read->queue);
    read->flight = NULL;

    batch->waiters--;

    ngx_http_cargo_batch_left(batch);
}


void
ngx_http_cargo_flight_hide(ngx_http_cargo_flight_t *flight)
{
    if (flight->found) {
        flight->found = 0;
        ngx_rbtree_delete(&ngx_http_cargo_flights, &flight->node.node);
    }
}


void
ngx_http_cargo_flight_answer(ngx_http_cargo_flight_t *flight,
    ngx_http_cargo_said_t *said)
{
    ngx_queue_t            *queue;
    ngx_http_cargo_read_t  *read;

    if (flight->cached) {
        ngx_http_cargo_fill(flight->shm, &flight->question,
                            &flight->generations, flight->asked, said);
    }

    /* what one does may end others, which leave the queue then */

    while (!ngx_queue_empty(&flight->waiters)) {
        queue = ngx_queue_head(&flight->waiters);
        read = ngx_queue_data(queue, ngx_http_cargo_read_t, queue);

        ngx_queue_remove(queue);
        read->flight = NULL;
        flight->batch->waiters--;

        ngx_http_cargo_read_said(read, said);
    }
}


static ngx_http_cargo_flight_t *
ngx_http_cargo_flight_create(ngx_http_request_t *r,
    ngx_http_cargo_batch_t *batch, ngx_http_cargo_question_t *q)
{
    ngx_http_cargo_flight_t     *flight;
    ngx_http_cargo_main_conf_t  *mcf;

    flight = ngx_pcalloc(batch->job->pool, sizeof(ngx_http_cargo_flight_t));

    if (flight == NULL
        || ngx_http_cargo_flight_question(flight, batch->job->pool, q)
           != NGX_OK)
    {
        return NULL;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_cargo_module);

    ngx_queue_init(&flight->waiters);

    flight->batch = batch;
    flight->shm = mcf->shm;
    flight->asked = ngx_time();
    flight->cached = ngx_http_cargo_generations(mcf->shm, &flight->question,
                                                &flight->generations)
                     == NGX_OK;

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
