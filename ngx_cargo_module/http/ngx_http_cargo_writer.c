
#include "ngx_http_cargo.h"


/*
 * Uploads come in rows: who was let in a moment ago is let in without a
 * question.  Nothing is decided by that: cargo.publish() looks at the rights
 * in its own transaction, as ever.  Of somebody who has lost them meanwhile
 * an upload is read in vain.
 */


/* seconds; a change of rights that is heard of ends it at once */
#define NGX_HTTP_CARGO_WRITER_TIME  10


struct ngx_http_cargo_writer_s {
    ngx_http_cargo_key_t      key;
    cargo_zone_generation_t   generation;
    time_t                    asked;
};


static ngx_int_t ngx_http_cargo_writer_make(ngx_http_request_t *r,
    ngx_http_cargo_ctx_t *ctx, cargo_zone_t *zone);


/* of names, which are short */
static u_char  ngx_http_cargo_writer_text[CARGO_ZONE_COPY];


ngx_int_t
ngx_http_cargo_writer_known(ngx_http_request_t *r)
{
    ngx_str_t                    account, token_name;
    cargo_zone_t                *zone;
    cargo_zone_value_t           value;
    ngx_http_cargo_ctx_t        *ctx;
    ngx_http_cargo_access_t      access;
    ngx_http_cargo_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_cargo_module);
    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);
    zone = &mcf->shm->zone;

    if (ngx_http_cargo_writer_make(r, ctx, zone) != NGX_OK
        || !ngx_cargo_shm_fresh(mcf->shm)
        || cargo_zone_fetch(zone, &ctx->writer->key.zone, ngx_time(), 0,
                            ngx_http_cargo_writer_text, &value)
           != CARGO_OK
        || ngx_time() - value.stored >= NGX_HTTP_CARGO_WRITER_TIME)
    {
        return NGX_DECLINED;
    }

    ngx_memcpy(&access, value.head, sizeof(ngx_http_cargo_access_t));

    account.data = ngx_http_cargo_writer_text;
    account.len = access.account;
    token_name.data = account.data + account.len;
    token_name.len = access.token_name;

    if (ngx_http_cargo_read_copy(r, &ctx->account, account) != NGX_OK
        || ngx_http_cargo_read_copy(r, &ctx->token_name, token_name) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* before the question, for what changes until it is answered */

static ngx_int_t
ngx_http_cargo_writer_make(ngx_http_request_t *r, ngx_http_cargo_ctx_t *ctx,
    cargo_zone_t *zone)
{
    ngx_http_cargo_writer_t    *writer;
    ngx_http_cargo_caller_t    *caller;
    ngx_http_cargo_question_t   q;

    caller = ngx_http_cargo_caller(r);
    writer = ngx_palloc(r->pool, sizeof(ngx_http_cargo_writer_t));

    if (caller == NULL || writer == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&q, sizeof(ngx_http_cargo_question_t));

    q.registry = ctx->registry;
    q.credential = caller->credential;

    if (ngx_http_cargo_key_writer(&writer->key, &q) != NGX_OK) {
        return NGX_DECLINED;
    }

    ngx_http_cargo_key_groups(&writer->key, &q);
    cargo_zone_generation(zone, &writer->key.zone, &writer->generation);

    writer->asked = ngx_time();
    ctx->writer = writer;

    return NGX_OK;
}


void
ngx_http_cargo_writer_keep(ngx_http_request_t *r)
{
    u_char                      *p;
    cargo_str_t                  head, bodies[CARGO_ZONE_BODIES];
    ngx_http_cargo_ctx_t        *ctx;
    ngx_http_cargo_access_t      access;
    ngx_http_cargo_writer_t     *writer;
    ngx_http_cargo_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_cargo_module);
    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);
    writer = ctx->writer;

    if (writer == NULL
        || ctx->account.len + ctx->token_name.len > CARGO_ZONE_COPY)
    {
        return;
    }

    ngx_memzero(&access, sizeof(ngx_http_cargo_access_t));
    ngx_memzero(bodies, sizeof(bodies));

    access.status = NGX_HTTP_OK;
    access.account = ctx->account.len;
    access.token_name = ctx->token_name.len;

    p = ngx_cpymem(ngx_http_cargo_writer_text, ctx->account.data,
                   ctx->account.len);
    ngx_memcpy(p, ctx->token_name.data, ctx->token_name.len);

    head.data = (u_char *) &access;
    head.len = sizeof(ngx_http_cargo_access_t);
    bodies[0].data = ngx_http_cargo_writer_text;
    bodies[0].len = ctx->account.len + ctx->token_name.len;

    (void) cargo_zone_store(&mcf->shm->zone, &writer->key.zone,
                            &writer->generation, writer->asked, head, bodies);
}
