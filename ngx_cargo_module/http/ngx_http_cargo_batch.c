
#include "ngx_http_cargo.h"
#include "ngx_http_cargo_flight.h"


/* more are hardly cheaper, and the first would wait for the last */
#define NGX_HTTP_CARGO_BATCH         32

/* behind those of cargo.index_document() */
#define NGX_HTTP_CARGO_COLUMN_CRATE  (NGX_HTTP_CARGO_COLUMNS + 6)


static ngx_uint_t ngx_http_cargo_batch_takes(ngx_http_cargo_batch_t *batch,
    ngx_http_cargo_question_t *q);
static ngx_int_t ngx_http_cargo_batch_name(ngx_http_request_t *r,
    ngx_http_cargo_flight_t *flight);
static ngx_int_t ngx_http_cargo_batch_submit(ngx_http_request_t *r,
    ngx_http_cargo_batch_t *batch, ngx_http_cargo_flight_t *flight);
static void ngx_http_cargo_batch_sending(ngx_cargo_pg_job_t *job);
static void ngx_http_cargo_batch_close(ngx_http_cargo_batch_t *batch);
static void ngx_http_cargo_batch_answered(ngx_cargo_pg_job_t *job);
static void ngx_http_cargo_batch_find_row(ngx_cargo_pg_job_t *job,
    ngx_str_t *name);


/* the one that takes more; it has not been sent */
static ngx_http_cargo_batch_t  *ngx_http_cargo_batch_open;


static const ngx_http_cargo_statement_e  ngx_http_cargo_batch_statements[] = {
    [NGX_HTTP_CARGO_READ_CONFIG] = NGX_HTTP_CARGO_INDEX_CONFIG,
    [NGX_HTTP_CARGO_READ_DOCUMENT] = NGX_HTTP_CARGO_INDEX_DOCUMENTS,
    [NGX_HTTP_CARGO_READ_FILE] = NGX_HTTP_CARGO_DOWNLOAD_VERSION
};


ngx_http_cargo_batch_t *
ngx_http_cargo_batch_for(ngx_http_cargo_question_t *q)
{
    ngx_cargo_pg_job_t          *job;
    ngx_http_cargo_batch_t      *batch;
    ngx_http_cargo_statement_e   statement;

    batch = ngx_http_cargo_batch_open;

    if (batch && ngx_http_cargo_batch_takes(batch, q)) {
        return batch;
    }

    statement = ngx_http_cargo_batch_statements[q->kind];

    job = ngx_cargo_pg_job_create(&ngx_http_cargo_statements[statement],
                                  ngx_http_cargo_batch_answered, NULL);
    if (job == NULL) {
        return NULL;
    }

    batch = ngx_pcalloc(job->pool, sizeof(ngx_http_cargo_batch_t));
    if (batch == NULL) {
        ngx_cargo_pg_job_destroy(job);
        return NULL;
    }

    ngx_queue_init(&batch->flights);

    batch->job = job;
    job->data = batch;

    return batch;
}


static ngx_uint_t
ngx_http_cargo_batch_takes(ngx_http_cargo_batch_t *batch,
    ngx_http_cargo_question_t *q)
{
    ngx_queue_t              *first;
    ngx_http_cargo_flight_t  *flight;

    first = ngx_queue_head(&batch->flights);
    flight = ngx_queue_data(first, ngx_http_cargo_flight_t, queue);

    return q->kind == NGX_HTTP_CARGO_READ_DOCUMENT
           && ngx_http_cargo_same(&flight->question.registry, &q->registry)
           && ngx_http_cargo_same(&flight->question.credential,
                                  &q->credential);
}


void
ngx_http_cargo_batch_spare(ngx_http_cargo_batch_t *batch)
{
    if (batch->size == 0) {
        ngx_cargo_pg_job_destroy(batch->job);
    }
}


ngx_int_t
ngx_http_cargo_batch_add(ngx_http_request_t *r, ngx_http_cargo_batch_t *batch,
    ngx_http_cargo_flight_t *flight)
{
    ngx_int_t  rc;

    rc = ngx_http_cargo_batch_name(r, flight);

    if (rc != NGX_OK) {
        ngx_http_cargo_batch_spare(batch);
        return rc;
    }

    if (batch->size == 0) {
        rc = ngx_http_cargo_batch_submit(r, batch, flight);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    ngx_queue_insert_tail(&batch->flights, &flight->queue);
    batch->size++;

    if (batch->size == NGX_HTTP_CARGO_BATCH) {
        ngx_http_cargo_batch_close(batch);
    }

    return NGX_OK;
}


/* the database may log what it is asked */

static ngx_int_t
ngx_http_cargo_batch_name(ngx_http_request_t *r,
    ngx_http_cargo_flight_t *flight)
{
    ngx_str_t              name;
    ngx_http_cargo_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);

    flight->name = flight->question.crate;
    name = flight->name;

    if (ngx_http_cargo_mask(r, &ctx->secret, &name) != NGX_OK) {
        return NGX_ERROR;
    }

    if (name.data != flight->name.data) {
        flight->name.len = name.len;
        flight->name.data = ngx_pstrdup(flight->batch->job->pool, &name);
    }

    return flight->name.data ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_cargo_batch_submit(ngx_http_request_t *r,
    ngx_http_cargo_batch_t *batch, ngx_http_cargo_flight_t *flight)
{
    ngx_int_t         rc;
    ngx_uint_t        many;
    ngx_str_t        *params[2];
    static ngx_str_t  none = ngx_string("{}");

    many = (flight->question.kind == NGX_HTTP_CARGO_READ_DOCUMENT);

    params[0] = many ? &none : &flight->name;
    params[1] = &flight->question.version;

    if (ngx_http_cargo_query_params(r, batch->job, params) != NGX_OK) {
        ngx_cargo_pg_job_destroy(batch->job);
        return NGX_ERROR;
    }

    if (many) {
        batch->job->sending = ngx_http_cargo_batch_sending;
    }

    rc = ngx_cargo_pg_submit(batch->job);

    if (rc == NGX_OK && many) {
        ngx_http_cargo_batch_close(ngx_http_cargo_batch_open);

        batch->job->grows = 1;
        ngx_http_cargo_batch_open = batch;
    }

    return rc;
}


/*
 * The names as an array of SQL; letters, digits, "-" and "_" are all there is
 * in them, and what stands for a secret.  Without memory none is asked for,
 * and all hear that the database does not answer.
 */

static void
ngx_http_cargo_batch_sending(ngx_cargo_pg_job_t *job)
{
    size_t                    len;
    u_char                   *p;
    ngx_str_t                 names;
    ngx_queue_t              *q;
    ngx_http_cargo_batch_t   *batch;
    ngx_http_cargo_flight_t  *flight;

    batch = job->data;
    len = sizeof("{}");

    ngx_http_cargo_batch_close(batch);

    for (q = ngx_queue_head(&batch->flights);
         q != ngx_queue_sentinel(&batch->flights);
         q = ngx_queue_next(q))
    {
        flight = ngx_queue_data(q, ngx_http_cargo_flight_t, queue);
        len += sizeof("\"\",") + flight->name.len;
    }

    names.data = ngx_pnalloc(job->pool, len);
    if (names.data == NULL) {
        return;
    }

    p = names.data;

    for (q = ngx_queue_head(&batch->flights);
         q != ngx_queue_sentinel(&batch->flights);
         q = ngx_queue_next(q))
    {
        flight = ngx_queue_data(q, ngx_http_cargo_flight_t, queue);
        p = ngx_sprintf(p, "%c\"%V\"", (p == names.data) ? '{' : ',',
                        &flight->name);
    }

    *p++ = '}';
    names.len = p - names.data;

    (void) ngx_cargo_pg_job_param(job, NGX_HTTP_CARGO_CALLER_PARAMS, &names);
}


static void
ngx_http_cargo_batch_close(ngx_http_cargo_batch_t *batch)
{
    if (batch && ngx_http_cargo_batch_open == batch) {
        batch->job->grows = 0;
        ngx_http_cargo_batch_open = NULL;
    }
}


void
ngx_http_cargo_batch_left(ngx_http_cargo_batch_t *batch)
{
    ngx_queue_t              *q;
    ngx_http_cargo_flight_t  *flight;

    if (batch->waiters || batch->background || batch->job == NULL) {
        return;
    }

    for (q = ngx_queue_head(&batch->flights);
         q != ngx_queue_sentinel(&batch->flights);
         q = ngx_queue_next(q))
    {
        flight = ngx_queue_data(q, ngx_http_cargo_flight_t, queue);
        ngx_http_cargo_flight_hide(flight);
    }

    ngx_http_cargo_batch_close(batch);
    ngx_cargo_pg_job_abandon(batch->job);
}


static void
ngx_http_cargo_batch_answered(ngx_cargo_pg_job_t *job)
{
    ngx_queue_t              *q;
    ngx_http_cargo_said_t     said;
    ngx_http_cargo_batch_t   *batch;
    ngx_http_cargo_flight_t  *flight;

    batch = job->data;

    /* it may have waited in vain to be sent */
    ngx_http_cargo_batch_close(batch);
    batch->job = NULL;

    /* first: what one answer starts must not wait for those to come */

    for (q = ngx_queue_head(&batch->flights);
         q != ngx_queue_sentinel(&batch->flights);
         q = ngx_queue_next(q))
    {
        flight = ngx_queue_data(q, ngx_http_cargo_flight_t, queue);
        ngx_http_cargo_flight_hide(flight);
    }

    while (!ngx_queue_empty(&batch->flights)) {
        q = ngx_queue_head(&batch->flights);
        flight = ngx_queue_data(q, ngx_http_cargo_flight_t, queue);
        ngx_queue_remove(q);

        if (flight->question.kind == NGX_HTTP_CARGO_READ_DOCUMENT) {
            ngx_http_cargo_batch_find_row(job, &flight->name);
        }

        ngx_http_cargo_said(job, flight->question.kind, &said);
        ngx_http_cargo_read_heard(said.status);
        ngx_http_cargo_flight_answer(flight, &said);
    }
}


/* they come in any order, most likely the one that was asked for */

static void
ngx_http_cargo_batch_find_row(ngx_cargo_pg_job_t *job, ngx_str_t *name)
{
    ngx_str_t   crate;
    ngx_uint_t  n, rows;

    rows = (job->outcome == NGX_CARGO_PG_DONE) ? PQntuples(job->result) : 0;

    for (n = 0; n < rows; n++) {
        crate = ngx_cargo_pg_field(job, NGX_HTTP_CARGO_COLUMN_CRATE);

        if (ngx_http_cargo_same(&crate, name)) {
            return;
        }

        job->row = (job->row + 1) % rows;
    }

    job->row = rows;
}
