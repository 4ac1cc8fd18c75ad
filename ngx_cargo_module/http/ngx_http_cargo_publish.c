
#include "ngx_http_cargo.h"


/* a thread has no timer of its own, and without one a worker does not wait */
#define NGX_HTTP_CARGO_THREAD_TIME  60000


/*
 * The way of a publish: token -> body into a file -> thread (split, check,
 * store) -> cargo.publish() -> answer.  The token is looked at before a byte
 * of the body is read, so that "Expect: 100-continue" saves a refused upload;
 * not once more of who was let in a moment ago.
 */


static void ngx_http_cargo_publish_authenticated(ngx_http_request_t *r,
    ngx_http_cargo_answer_t *answer);
static void ngx_http_cargo_publish_stage(ngx_http_cargo_ctx_t *ctx,
    cargo_metrics_stage_e stage);
static ngx_int_t ngx_http_cargo_publish_read(ngx_http_request_t *r);
static void ngx_http_cargo_publish_reading(ngx_http_request_t *r);
static void ngx_http_cargo_publish_body(ngx_http_request_t *r);
static ngx_int_t ngx_http_cargo_publish_upload(ngx_http_request_t *r,
    ngx_http_cargo_ctx_t *ctx);
static ngx_int_t ngx_http_cargo_publish_source(ngx_http_request_t *r,
    ngx_cargo_blob_upload_t *upload);
static ngx_int_t ngx_http_cargo_publish_own_index(ngx_http_request_t *r,
    ngx_http_cargo_ctx_t *ctx);
static ngx_int_t ngx_http_cargo_publish_post(ngx_http_request_t *r,
    ngx_http_cargo_ctx_t *ctx);
static void ngx_http_cargo_publish_thread(void *data, ngx_log_t *log);
static void ngx_http_cargo_publish_thread_done(ngx_event_t *ev);
static void ngx_http_cargo_publish_checked(ngx_http_request_t *r);
static void ngx_http_cargo_publish_failed(ngx_http_request_t *r,
    ngx_cargo_blob_upload_t *upload);
static ngx_int_t ngx_http_cargo_publish_insert(ngx_http_request_t *r,
    ngx_http_cargo_ctx_t *ctx);
static void ngx_http_cargo_publish_inserted(ngx_http_request_t *r,
    ngx_http_cargo_answer_t *answer);


ngx_int_t
ngx_http_cargo_publish(ngx_http_request_t *r)
{
    ngx_int_t   rc;
    ngx_str_t   action, *params[1];

    rc = ngx_http_cargo_check_writer(r);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_http_cargo_writer_known(r) == NGX_OK) {
        return ngx_http_cargo_publish_read(r);
    }

    ngx_str_set(&action, "publish");

    params[0] = &action;

    return ngx_http_cargo_query(r, NGX_HTTP_CARGO_AUTHENTICATE, params,
                                ngx_http_cargo_publish_authenticated);
}


static void
ngx_http_cargo_publish_authenticated(ngx_http_request_t *r,
    ngx_http_cargo_answer_t *answer)
{
    ngx_int_t  rc;

    if (answer->status != NGX_HTTP_OK) {
        ngx_http_cargo_refuse_answer(r, answer);
        return;
    }

    ngx_http_cargo_writer_keep(r);

    rc = ngx_http_cargo_publish_read(r);

    /* reading takes a reference of its own */
    ngx_http_cargo_end(r, rc);
}


static void
ngx_http_cargo_publish_stage(ngx_http_cargo_ctx_t *ctx,
    cargo_metrics_stage_e stage)
{
    ngx_cargo_observe(stages[stage],
                      (uint64_t) (ngx_current_msec - ctx->stage_began)
                      * 1000);
}


static ngx_int_t
ngx_http_cargo_publish_read(ngx_http_request_t *r)
{
    ngx_int_t              rc;
    ngx_http_cargo_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);

    ctx->stage_began = ngx_current_msec;

    r->request_body_in_clean_file = 1;
    r->request_body_file_log_level = 0;

    ctx->receiving = 1;

    rc = ngx_http_read_client_request_body(r, ngx_http_cargo_publish_body);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    if (rc == NGX_AGAIN) {
        ctx->read_body = r->read_event_handler;
        r->read_event_handler = ngx_http_cargo_publish_reading;
    }

    return NGX_DONE;
}


/* nginx would close the connection without a word when the body stalls */

static void
ngx_http_cargo_publish_reading(ngx_http_request_t *r)
{
    ngx_event_t           *rev;
    ngx_http_cargo_ctx_t  *ctx;

    rev = r->connection->read;

    if (rev->timedout) {
        rev->timedout = 0;
        r->keepalive = 0;
        r->lingering_close = 0;

        ngx_http_finalize_request(r,
            ngx_http_special_response_handler(r, NGX_HTTP_REQUEST_TIME_OUT));
        return;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);

    ctx->read_body(r);
}


static void
ngx_http_cargo_publish_body(ngx_http_request_t *r)
{
    ngx_int_t              rc;
    ngx_http_cargo_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);

    ctx->receiving = 0;
    ngx_http_cargo_publish_stage(ctx, CARGO_METRICS_RECEIVE);

    if (r->request_body == NULL || r->request_body->bufs == NULL) {
        ngx_http_cargo_end(r, ngx_http_cargo_refuse(r, NGX_HTTP_BAD_REQUEST,
                                                    "invalid metadata length"));
        return;
    }

    rc = ngx_http_cargo_publish_upload(r, ctx);

    if (rc == NGX_OK) {
        rc = ngx_http_cargo_publish_post(r, ctx);
    }

    if (rc != NGX_OK) {
        ngx_http_cargo_end(r, rc);
    }
}


static ngx_int_t
ngx_http_cargo_publish_upload(ngx_http_request_t *r,
    ngx_http_cargo_ctx_t *ctx)
{
    ngx_cargo_blob_upload_t    *upload;
    ngx_http_cargo_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_cargo_module);

    upload = ngx_cargo_blob_upload_create();
    if (upload == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->upload = upload;

    if (ngx_http_cargo_publish_source(r, upload) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    upload->crate_max = lcf->max_crate_size;
    upload->limits.unpacked_max = lcf->max_unpacked_size;
    upload->limits.entries_max = lcf->max_archive_entries;
    upload->now = ngx_time();

    upload->store = cargo_arena_copy(upload->arena, lcf->blobs.data,
                                     lcf->blobs.len);
    if (upload->store.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_cargo_publish_own_index(r, ctx);
}


/* what is within client_body_buffer_size is in no file */

static ngx_int_t
ngx_http_cargo_publish_source(ngx_http_request_t *r,
    ngx_cargo_blob_upload_t *upload)
{
    u_char       *p;
    size_t        len;
    ngx_chain_t  *cl;

    if (r->request_body->temp_file) {
        upload->file = r->request_body->temp_file->file.fd;
        return NGX_OK;
    }

    len = 0;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        len += ngx_buf_size(cl->buf);
    }

    /* the thread may outlive the request */

    p = cargo_arena_alloc(upload->arena, len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    upload->text.data = p;
    upload->text.len = len;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        p = ngx_cpymem(p, cl->buf->pos, ngx_buf_size(cl->buf));
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_cargo_publish_own_index(ngx_http_request_t *r,
    ngx_http_cargo_ctx_t *ctx)
{
    ngx_str_t                   value;
    ngx_uint_t                  i, n;
    cargo_str_t                *urls;
    cargo_arena_t              *arena;
    ngx_http_complex_value_t   *aliases;
    ngx_http_cargo_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_cargo_module);

    arena = ctx->upload->arena;
    aliases = lcf->index_aliases ? lcf->index_aliases->elts : NULL;
    n = lcf->index_aliases ? lcf->index_aliases->nelts : 0;

    urls = cargo_arena_alloc(arena, (n + 1) * sizeof(cargo_str_t));
    if (urls == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    urls[0] = cargo_arena_printf(arena, "sparse+%.*s/index/",
                                 (int) ctx->base_url.len, ctx->base_url.data);
    if (urls[0].data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    for (i = 0; i < n; i++) {
        if (ngx_http_complex_value(r, &aliases[i], &value) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        urls[i + 1] = cargo_arena_copy(arena, value.data, value.len);
        if (urls[i + 1].data == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    ctx->upload->own.urls = urls;
    ctx->upload->own.count = n + 1;

    return NGX_OK;
}


static ngx_int_t
ngx_http_cargo_publish_post(ngx_http_request_t *r, ngx_http_cargo_ctx_t *ctx)
{
    ngx_thread_task_t          *task;
    ngx_http_cargo_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_cargo_module);

    task = ngx_thread_task_alloc(r->pool, sizeof(ngx_cargo_blob_upload_t *));
    if (task == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    *(ngx_cargo_blob_upload_t **) task->ctx = ctx->upload;

    task->handler = ngx_http_cargo_publish_thread;
    task->event.handler = ngx_http_cargo_publish_thread_done;
    task->event.data = r;
    task->event.log = r->connection->log;

    if (ngx_cargo_threads_post(lcf->thread_pool, task) != NGX_OK) {
        return ngx_http_cargo_refuse(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                                     "too many uploads are being checked; "
                                     "try again in a moment");
    }

    /* the request stays until the thread is done, whatever the client does */

    ngx_add_timer(&task->event, NGX_HTTP_CARGO_THREAD_TIME);

    r->main->blocked++;
    r->aio = 1;
    r->write_event_handler = ngx_http_cargo_publish_checked;

    return NGX_OK;
}


static void
ngx_http_cargo_publish_thread(void *data, ngx_log_t *log)
{
    ngx_cargo_blob_upload_t  *upload = *(ngx_cargo_blob_upload_t **) data;

    ngx_cargo_blob_upload_run(upload);
}


static void
ngx_http_cargo_publish_thread_done(ngx_event_t *ev)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ev->data;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    if (ev->timedout) {
        ev->timedout = 0;
        ngx_add_timer(ev, NGX_HTTP_CARGO_THREAD_TIME);

        ngx_log_error(NGX_LOG_WARN, c->log, 0,
                      "cargo: an upload is being checked for a long time");
        return;
    }

    if (ev->timer_set) {
        ngx_del_timer(ev);
    }

    r->main->blocked--;
    r->aio = 0;

    /* if the client has gone, this is nginx's own end of the request */

    r->write_event_handler(r);

    ngx_http_run_posted_requests(c);
}


static void
ngx_http_cargo_publish_checked(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    ngx_http_cargo_ctx_t     *ctx;
    ngx_cargo_blob_upload_t  *upload;

    if (r->aio) {
        return;
    }

    r->write_event_handler = ngx_http_request_empty_handler;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);
    upload = ctx->upload;

    if (upload->err) {
        ngx_http_cargo_publish_failed(r, upload);
    }

    ngx_cargo_observe(stages[CARGO_METRICS_CHECK], upload->check_time);

    if (upload->store_time) {
        ngx_cargo_observe(stages[CARGO_METRICS_STORE], upload->store_time);
    }

    /* they live as long as the request */

    ctx->crate.data = upload->name.data;
    ctx->crate.len = upload->name.len;
    ctx->version.data = upload->vers.data;
    ctx->version.len = upload->vers.len;

    if (upload->rc != CARGO_OK) {
        rc = ngx_http_cargo_refuse(r, upload->error.status, "%s",
                                   upload->error.detail);

    } else {
        rc = ngx_http_cargo_publish_insert(r, ctx);
    }

    if (rc != NGX_OK) {
        ngx_http_cargo_end(r, rc);
    }
}


static void
ngx_http_cargo_publish_failed(ngx_http_request_t *r,
    ngx_cargo_blob_upload_t *upload)
{
    const char               *note;
    static cargo_ratelimit_t  limit;

    note = cargo_ratelimit(&limit, upload->failed, (uint32_t) upload->err,
                           ngx_time());

    if (note) {
        ngx_log_error(NGX_LOG_CRIT, r->connection->log, upload->err,
                      "cargo: %s failed in the store \"%*s\"%s",
                      upload->failed, upload->store.len, upload->store.data,
                      note);
    }
}


static ngx_int_t
ngx_http_cargo_publish_insert(ngx_http_request_t *r,
    ngx_http_cargo_ctx_t *ctx)
{
    u_char                    checksum[sizeof("\\x") + NGX_CARGO_BLOB_HEX];
    u_char                    size[NGX_INT64_LEN];
    ngx_str_t                 release, head, tail, sum, bytes, time;
    ngx_str_t                *params[6];
    ngx_cargo_blob_upload_t  *upload;

    upload = ctx->upload;

    release.data = upload->release.data;
    release.len = upload->release.len;
    head.data = upload->head.data;
    head.len = upload->head.len;
    tail.data = upload->tail.data;
    tail.len = upload->tail.len;
    time.data = upload->pubtime.data;
    time.len = upload->pubtime.len;

    sum.data = checksum;
    sum.len = ngx_sprintf(checksum, "\\x%s", upload->checksum) - checksum;

    bytes.data = size;
    bytes.len = ngx_sprintf(size, "%uL", upload->size) - size;

    params[0] = &release;
    params[1] = &head;
    params[2] = &tail;
    params[3] = &sum;
    params[4] = &bytes;
    params[5] = &time;

    ctx->stage_began = ngx_current_msec;

    return ngx_http_cargo_query(r, NGX_HTTP_CARGO_PUBLISH, params,
                                ngx_http_cargo_publish_inserted);
}


static void
ngx_http_cargo_publish_inserted(ngx_http_request_t *r,
    ngx_http_cargo_answer_t *answer)
{
    ngx_http_cargo_publish_stage(ngx_http_get_module_ctx(r,
                                                    ngx_http_cargo_module),
                                 CARGO_METRICS_DATABASE);

    if (answer->status != NGX_HTTP_OK) {
        ngx_http_cargo_refuse_answer(r, answer);
        return;
    }

    ngx_http_cargo_send(r, "application/json", &answer->body);
}
