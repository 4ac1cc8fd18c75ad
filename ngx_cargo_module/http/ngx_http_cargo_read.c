
#include "ngx_http_cargo.h"


/* while the database is away, how often a worker looks whether it is back */
#define NGX_HTTP_CARGO_PROBE  1000


static void ngx_http_cargo_read_ask(ngx_http_request_t *r,
    ngx_http_cargo_read_e kind, ngx_http_cargo_caller_t *caller);
static ngx_int_t ngx_http_cargo_read_database(ngx_http_request_t *r);
static void ngx_http_cargo_read_probe(ngx_http_request_t *r);
static void ngx_http_cargo_read_unavailable(ngx_http_request_t *r,
    ngx_str_t sentence);
static ngx_int_t ngx_http_cargo_read_answer_of(ngx_http_request_t *r,
    ngx_http_cargo_said_t *said);


/* answers do not come any more */
static ngx_uint_t  ngx_http_cargo_away;
static ngx_msec_t  ngx_http_cargo_probed;


ngx_int_t
ngx_http_cargo_read(ngx_http_request_t *r, ngx_http_cargo_read_e kind,
    ngx_http_cargo_read_pt answered)
{
    ngx_http_cargo_ctx_t        *ctx;
    ngx_http_cargo_trust_e       trust;
    ngx_http_cargo_caller_t     *caller;
    ngx_http_cargo_main_conf_t  *mcf;

    caller = ngx_http_cargo_caller(r);
    if (caller == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_cargo_read_ask(r, kind, caller);

    mcf = ngx_http_get_module_main_conf(r, ngx_http_cargo_module);

    if (ngx_cargo_shm_fresh(mcf->shm)) {
        trust = NGX_HTTP_CARGO_TRUST_ALL;

    } else {
        trust = ngx_http_cargo_away ? NGX_HTTP_CARGO_TRUST_STALE
                                    : NGX_HTTP_CARGO_TRUST_RECENT;
    }

    if (ngx_http_cargo_read_zone(r, trust) == NGX_OK) {
        if (trust == NGX_HTTP_CARGO_TRUST_STALE) {
            ngx_http_cargo_read_probe(r);
        }

        return NGX_OK;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);
    ctx->read.answered = answered;

    return ngx_http_cargo_read_database(r);
}


static void
ngx_http_cargo_read_ask(ngx_http_request_t *r, ngx_http_cargo_read_e kind,
    ngx_http_cargo_caller_t *caller)
{
    ngx_http_cargo_ctx_t       *ctx;
    ngx_http_cargo_question_t  *q;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);
    q = &ctx->read.question;

    q->kind = kind;
    q->registry = ctx->registry;
    q->credential = caller->credential;

    if (kind != NGX_HTTP_CARGO_READ_CONFIG) {
        q->crate = ctx->crate;
    }

    if (kind == NGX_HTTP_CARGO_READ_FILE) {
        q->version = ctx->version;
    }
}


static ngx_int_t
ngx_http_cargo_read_database(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    rc = ngx_http_cargo_flight_join(r, 0);

    if (rc == NGX_OK) {
        ngx_http_cargo_wait(r);
        return NGX_AGAIN;
    }

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc == NGX_DECLINED) {
        ngx_http_cargo_read_heard(NGX_HTTP_SERVICE_UNAVAILABLE);
    }

    ngx_http_cargo_read_unavailable(r, ngx_http_cargo_not_taken(rc));

    return NGX_OK;
}


/*
 * The end of a wait for a database that is away takes its time: until there
 * is an answer again, who can be served with what is known does not wait.
 */

static void
ngx_http_cargo_read_probe(ngx_http_request_t *r)
{
    ngx_cargo_count(stale, 1);

    if (ngx_current_msec - ngx_http_cargo_probed >= NGX_HTTP_CARGO_PROBE) {
        ngx_http_cargo_probed = ngx_current_msec;
        (void) ngx_http_cargo_flight_join(r, 1);
    }
}


void
ngx_http_cargo_read_heard(ngx_uint_t status)
{
    ngx_http_cargo_away = (status == NGX_HTTP_SERVICE_UNAVAILABLE);
}


static void
ngx_http_cargo_read_unavailable(ngx_http_request_t *r, ngx_str_t sentence)
{
    ngx_http_cargo_ctx_t  *ctx;

    if (ngx_http_cargo_read_zone(r, NGX_HTTP_CARGO_TRUST_STALE) == NGX_OK) {
        ngx_cargo_count(stale, 1);

    } else {
        ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);
        ctx->read.status = NGX_HTTP_SERVICE_UNAVAILABLE;
        ctx->read.sentence = sentence;
    }
}


void
ngx_http_cargo_read_said(ngx_http_cargo_read_t *read,
    ngx_http_cargo_said_t *said)
{
    ngx_connection_t      *c;
    ngx_http_request_t    *r;
    ngx_http_cargo_ctx_t  *ctx;

    r = read->request;
    c = r->connection;
    ctx = (ngx_http_cargo_ctx_t *)
          ((char *) read - offsetof(ngx_http_cargo_ctx_t, read));

    if (!ngx_http_cargo_waited(r, ctx)) {
        return;
    }

    if (said->status == NGX_HTTP_SERVICE_UNAVAILABLE) {
        ngx_http_cargo_read_unavailable(r, said->body);

    } else if (ngx_http_cargo_read_answer_of(r, said) != NGX_OK) {
        read->status = NGX_HTTP_INTERNAL_SERVER_ERROR;
        read->sentence.len = 0;
    }

    read->answered(r);

    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_http_cargo_read_answer_of(ngx_http_request_t *r,
    ngx_http_cargo_said_t *said)
{
    int                     body;
    size_t                  lengths[CARGO_ZONE_BODIES];
    ngx_http_cargo_ctx_t   *ctx;
    ngx_http_cargo_read_t  *read;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);
    read = &ctx->read;

    read->status = said->status;
    read->private = said->access.private || said->thing.restricted;

    if (ngx_http_cargo_read_copy(r, &ctx->account, said->account) != NGX_OK
        || ngx_http_cargo_read_copy(r, &ctx->token_name, said->token_name)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (said->status != NGX_HTTP_OK) {
        return ngx_http_cargo_read_copy(r, &read->sentence, said->body);
    }

    read->thing = said->thing;
    lengths[0] = said->body.len;
    lengths[1] = 0;

    body = ngx_http_cargo_wanted_body(r, lengths);

    if (read->question.kind != NGX_HTTP_CARGO_READ_DOCUMENT || body == -1) {
        return NGX_OK;
    }

    return ngx_http_cargo_read_copy(r, &read->body, said->body);
}


ngx_int_t
ngx_http_cargo_read_copy(ngx_http_request_t *r, ngx_str_t *dst, ngx_str_t src)
{
    dst->len = src.len;

    if (src.len == 0) {
        return NGX_OK;
    }

    dst->data = ngx_pstrdup(r->pool, &src);

    return dst->data ? NGX_OK : NGX_ERROR;
}


/* -1: none; after the thing is known, which is no refusal */

int
ngx_http_cargo_wanted_body(ngx_http_request_t *r, const size_t *lengths)
{
    ngx_str_t               tag;
    ngx_uint_t              gzip;
    ngx_http_cargo_ctx_t   *ctx;
    ngx_http_cargo_read_t  *read;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);
    read = &ctx->read;

    if (read->question.kind != NGX_HTTP_CARGO_READ_DOCUMENT) {
        return -1;
    }

    tag.data = read->thing.document.tag;
    tag.len = NGX_HTTP_CARGO_TAG;

    read->forms = (lengths[0] >= NGX_HTTP_CARGO_GZIP_MIN);
    gzip = lengths[1] && ngx_http_cargo_takes_gzip(r);
    read->length = lengths[gzip];

    read->not_modified = ngx_http_cargo_not_modified(r, &tag,
                                                     read->thing.modified,
                                                     &gzip);
    read->gzip = gzip;

    if (read->not_modified || r->method == NGX_HTTP_HEAD) {
        return -1;
    }

    return (int) gzip;
}
