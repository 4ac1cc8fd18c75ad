
#include "ngx_http_cargo.h"

#include <zlib.h>


/*
 * The gzip form is made once and sent many times, yet it costs the miss: the
 * middle level is within 2 % of the best, in half of its time.
 */
#define NGX_HTTP_CARGO_GZIP_LEVEL   6
#define NGX_HTTP_CARGO_GZIP_WINDOW  (15 + 16)   /* with gzip's own header */
#define NGX_HTTP_CARGO_GZIP_MEMORY  8


/* of a thread; lives in a pool of its own, as does what it needs */
typedef struct {
    ngx_pool_t                    *pool;
    PGresult                      *result;      /* said points into it */
    ngx_cargo_shm_t               *shm;
    ngx_http_cargo_question_t      question;
    ngx_http_cargo_generations_t   generations;
    time_t                         asked;
    ngx_http_cargo_said_t          said;
} ngx_http_cargo_gzip_t;


static ngx_uint_t ngx_http_cargo_gzip_worth(ngx_http_cargo_said_t *said);
static ngx_int_t ngx_http_cargo_gzip_copy(ngx_pool_t *pool, ngx_str_t *dst,
    ngx_str_t *src);
static void ngx_http_cargo_gzip_thread(void *data, ngx_log_t *log);
static void ngx_http_cargo_gzip_done(ngx_event_t *ev);
static size_t ngx_http_cargo_deflate(z_stream *z, u_char *dst, size_t dst_len,
    ngx_str_t *src);


void
ngx_http_cargo_gzip_now(ngx_pool_t *pool, ngx_http_cargo_said_t *said)
{
    u_char           *p;
    static z_stream   z;

    if (!ngx_http_cargo_gzip_worth(said)
        || said->body.len > NGX_HTTP_CARGO_GZIP_LOOP)
    {
        return;
    }

    /* what is not smaller is not wanted */

    p = ngx_palloc(pool, said->body.len);
    if (p == NULL) {
        return;
    }

    said->gzip.len = ngx_http_cargo_deflate(&z, p, said->body.len,
                                            &said->body);
    said->gzip.data = p;
}


void
ngx_http_cargo_gzip_later(ngx_cargo_pg_job_t *job, ngx_cargo_shm_t *shm,
    ngx_thread_pool_t *threads, ngx_http_cargo_question_t *q,
    ngx_http_cargo_generations_t *generations, time_t asked,
    ngx_http_cargo_said_t *said)
{
    ngx_pool_t             *pool;
    ngx_thread_task_t      *task;
    ngx_http_cargo_gzip_t  *gzip;

    if (!ngx_http_cargo_gzip_worth(said)
        || said->body.len <= NGX_HTTP_CARGO_GZIP_LOOP)
    {
        return;
    }

    pool = ngx_create_pool(1024, ngx_cycle->log);
    if (pool == NULL) {
        return;
    }

    task = ngx_thread_task_alloc(pool, sizeof(ngx_http_cargo_gzip_t));
    if (task == NULL) {
        ngx_destroy_pool(pool);
        return;
    }

    gzip = task->ctx;

    gzip->pool = pool;
    gzip->shm = shm;
    gzip->question = *q;
    ngx_str_null(&gzip->question.credential);
    ngx_str_null(&gzip->question.version);
    gzip->generations = *generations;
    gzip->asked = asked;
    gzip->said = *said;
    gzip->said.gzip.data = ngx_palloc(pool, said->body.len);

    task->handler = ngx_http_cargo_gzip_thread;
    task->event.handler = ngx_http_cargo_gzip_done;
    task->event.data = gzip;
    task->event.log = ngx_cycle->log;

    if (gzip->said.gzip.data == NULL
        || ngx_http_cargo_gzip_copy(pool, &gzip->question.registry,
                                    &q->registry)
           != NGX_OK
        || ngx_http_cargo_gzip_copy(pool, &gzip->question.crate, &q->crate)
           != NGX_OK
        || ngx_thread_task_post(threads, task) != NGX_OK)
    {
        ngx_destroy_pool(pool);
        return;
    }

    gzip->result = job->result;
    job->result = NULL;
}


static ngx_uint_t
ngx_http_cargo_gzip_worth(ngx_http_cargo_said_t *said)
{
    return said->status == NGX_HTTP_OK
           && said->granted
           && said->body.len >= NGX_HTTP_CARGO_GZIP_MIN;
}


static ngx_int_t
ngx_http_cargo_gzip_copy(ngx_pool_t *pool, ngx_str_t *dst, ngx_str_t *src)
{
    dst->len = src->len;
    dst->data = ngx_pstrdup(pool, src);

    return dst->data ? NGX_OK : NGX_ERROR;
}


static void
ngx_http_cargo_gzip_thread(void *data, ngx_log_t *log)
{
    ngx_http_cargo_gzip_t *gzip = data;

    z_stream  z;

    ngx_memzero(&z, sizeof(z_stream));

    gzip->said.gzip.len = ngx_http_cargo_deflate(&z, gzip->said.gzip.data,
                                                 gzip->said.body.len,
                                                 &gzip->said.body);
    (void) deflateEnd(&z);
}


static void
ngx_http_cargo_gzip_done(ngx_event_t *ev)
{
    ngx_http_cargo_gzip_t  *gzip;

    gzip = ev->data;

    if (gzip->said.gzip.len) {
        ngx_http_cargo_fill_thing(gzip->shm, &gzip->question,
                                  &gzip->generations, gzip->asked,
                                  &gzip->said);
    }

    PQclear(gzip->result);
    ngx_destroy_pool(gzip->pool);
}


/* 0: it does not become smaller.  z: zeroed, or as it was left */

static size_t
ngx_http_cargo_deflate(z_stream *z, u_char *dst, size_t dst_len,
    ngx_str_t *src)
{
    int  rc;

    rc = z->state ? deflateReset(z)
                  : deflateInit2(z, NGX_HTTP_CARGO_GZIP_LEVEL, Z_DEFLATED,
                                 NGX_HTTP_CARGO_GZIP_WINDOW,
                                 NGX_HTTP_CARGO_GZIP_MEMORY,
                                 Z_DEFAULT_STRATEGY);
    if (rc != Z_OK) {
        return 0;
    }

    z->next_in = src->data;
    z->avail_in = src->len;
    z->next_out = dst;
    z->avail_out = dst_len - 1;

    return deflate(z, Z_FINISH) == Z_STREAM_END ? z->total_out : 0;
}
