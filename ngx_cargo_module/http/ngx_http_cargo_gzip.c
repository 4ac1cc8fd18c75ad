
#include "ngx_http_cargo.h"

#include <zlib.h>


/*
 * A document is sent as it is to who misses it, and compressed for who finds
 * it: what is read once is not worth the time, and what is read often pays it
 * once.  The middle level is within 2 % of the best, in half of its time.
 */
#define NGX_HTTP_CARGO_GZIP_LEVEL   6
#define NGX_HTTP_CARGO_GZIP_WINDOW  (15 + 16)   /* with gzip's own header */
#define NGX_HTTP_CARGO_GZIP_MEMORY  8

/* what is longer would hold up all other requests */
#define NGX_HTTP_CARGO_GZIP_LOOP    65536


/* of a thread; lives in a pool of its own, as does what it needs */
typedef struct {
    ngx_queue_t                queue;
    ngx_pool_t                *pool;
    ngx_cargo_shm_t           *shm;
    ngx_http_cargo_key_t       key;
    cargo_zone_generation_t    generation;
    time_t                     stored;
    ngx_http_cargo_thing_t     thing;
    ngx_str_t                  body;
    ngx_str_t                  gzip;
} ngx_http_cargo_gzip_t;


static void ngx_http_cargo_gzip_now(ngx_http_request_t *r,
    ngx_http_cargo_gzip_t *gzip);
static void ngx_http_cargo_gzip_later(ngx_http_request_t *r,
    ngx_http_cargo_gzip_t *gzip);
static ngx_uint_t ngx_http_cargo_gzip_runs(ngx_http_cargo_thing_t *thing);
static void ngx_http_cargo_gzip_thread(void *data, ngx_log_t *log);
static void ngx_http_cargo_gzip_done(ngx_event_t *ev);
static void ngx_http_cargo_gzip_store(ngx_http_cargo_gzip_t *gzip);
static size_t ngx_http_cargo_deflate(z_stream *z, u_char *dst, size_t dst_len,
    ngx_str_t *src);


/* in threads; NULL until the first */
static ngx_queue_t  ngx_http_cargo_gzips;


void
ngx_http_cargo_gzip(ngx_http_request_t *r, ngx_http_cargo_key_t *key,
    cargo_zone_value_t *value)
{
    cargo_zone_value_t           same;
    ngx_http_cargo_ctx_t        *ctx;
    ngx_http_cargo_gzip_t        gzip;
    ngx_http_cargo_read_t       *read;
    ngx_http_cargo_main_conf_t  *mcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);
    read = &ctx->read;

    if (!read->forms || !ngx_http_cargo_takes_gzip(r)) {
        return;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_cargo_module);

    gzip.pool = NULL;
    gzip.shm = mcf->shm;
    gzip.key = *key;
    gzip.stored = value->stored;
    gzip.thing = read->thing;
    gzip.body = read->body;

    ngx_http_cargo_key_groups(&gzip.key, &read->question);
    cargo_zone_generation(&gzip.shm->zone, &gzip.key.zone, &gzip.generation);

    /* what is there under this generation has to be what was found */

    if (cargo_zone_peek(&gzip.shm->zone, &gzip.key.zone, ngx_time(), -1, NULL,
                        &same)
        != CARGO_OK
        || same.head_len != value->head_len
        || ngx_memcmp(same.head, value->head, same.head_len) != 0)
    {
        return;
    }

    if (gzip.body.len <= NGX_HTTP_CARGO_GZIP_LOOP) {
        ngx_http_cargo_gzip_now(r, &gzip);

    } else if (!ngx_http_cargo_gzip_runs(&gzip.thing)) {
        ngx_http_cargo_gzip_later(r, &gzip);
    }
}


static void
ngx_http_cargo_gzip_now(ngx_http_request_t *r, ngx_http_cargo_gzip_t *gzip)
{
    ngx_http_cargo_ctx_t   *ctx;
    ngx_http_cargo_read_t  *read;
    static z_stream         z;

    gzip->gzip.data = ngx_pnalloc(r->pool, gzip->body.len);
    if (gzip->gzip.data == NULL) {
        return;
    }

    gzip->gzip.len = ngx_http_cargo_deflate(&z, gzip->gzip.data,
                                            gzip->body.len, &gzip->body);
    if (gzip->gzip.len == 0) {
        return;
    }

    ngx_http_cargo_gzip_store(gzip);

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);
    read = &ctx->read;

    read->gzip = 1;
    read->body = gzip->gzip;
    read->length = gzip->gzip.len;
}


static void
ngx_http_cargo_gzip_later(ngx_http_request_t *r, ngx_http_cargo_gzip_t *gzip)
{
    ngx_pool_t                 *pool;
    ngx_thread_task_t          *task;
    ngx_http_cargo_ctx_t       *ctx;
    ngx_http_cargo_read_t      *read;
    ngx_http_cargo_gzip_t      *copy;
    ngx_http_cargo_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_cargo_module);
    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);
    read = &ctx->read;

    pool = ngx_create_pool(1024, ngx_cycle->log);
    if (pool == NULL) {
        return;
    }

    task = ngx_thread_task_alloc(pool, sizeof(ngx_http_cargo_gzip_t));
    if (task == NULL) {
        ngx_destroy_pool(pool);
        return;
    }

    copy = task->ctx;
    *copy = *gzip;

    copy->pool = pool;
    copy->body.data = ngx_pstrdup(pool, &gzip->body);
    copy->gzip.data = ngx_pnalloc(pool, gzip->body.len);

    task->handler = ngx_http_cargo_gzip_thread;
    task->event.handler = ngx_http_cargo_gzip_done;
    task->event.data = copy;
    task->event.log = ngx_cycle->log;

    if (copy->body.data == NULL
        || copy->gzip.data == NULL
        || ngx_http_cargo_key_thing(&copy->key, &read->question) != NGX_OK
        || ngx_cargo_threads_post(lcf->thread_pool, task) != NGX_OK)
    {
        ngx_destroy_pool(pool);
        return;
    }

    ngx_http_cargo_key_groups(&copy->key, &read->question);
    ngx_queue_insert_tail(&ngx_http_cargo_gzips, &copy->queue);
}


static ngx_uint_t
ngx_http_cargo_gzip_runs(ngx_http_cargo_thing_t *thing)
{
    ngx_queue_t            *q;
    ngx_http_cargo_gzip_t  *gzip;

    if (ngx_http_cargo_gzips.next == NULL) {
        ngx_queue_init(&ngx_http_cargo_gzips);
    }

    for (q = ngx_queue_head(&ngx_http_cargo_gzips);
         q != ngx_queue_sentinel(&ngx_http_cargo_gzips);
         q = ngx_queue_next(q))
    {
        gzip = ngx_queue_data(q, ngx_http_cargo_gzip_t, queue);

        if (ngx_memcmp(gzip->thing.document.tag, thing->document.tag,
                       NGX_HTTP_CARGO_TAG)
            == 0)
        {
            return 1;
        }
    }

    return 0;
}


static void
ngx_http_cargo_gzip_thread(void *data, ngx_log_t *log)
{
    ngx_http_cargo_gzip_t *gzip = data;

    z_stream  z;

    ngx_memzero(&z, sizeof(z_stream));

    gzip->gzip.len = ngx_http_cargo_deflate(&z, gzip->gzip.data,
                                            gzip->body.len, &gzip->body);
    (void) deflateEnd(&z);
}


static void
ngx_http_cargo_gzip_done(ngx_event_t *ev)
{
    ngx_http_cargo_gzip_t *gzip = ev->data;

    ngx_queue_remove(&gzip->queue);

    if (gzip->gzip.len) {
        ngx_http_cargo_gzip_store(gzip);
    }

    ngx_destroy_pool(gzip->pool);
}


/* refused when something has changed since the generation was taken */

static void
ngx_http_cargo_gzip_store(ngx_http_cargo_gzip_t *gzip)
{
    ngx_http_cargo_store_thing(gzip->shm, &gzip->key, &gzip->generation,
                               gzip->stored, &gzip->thing, &gzip->body,
                               &gzip->gzip);
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
