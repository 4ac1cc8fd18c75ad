
#include "ngx_http_cargo.h"


static void ngx_http_cargo_cleanup(void *data);
static ngx_int_t ngx_http_cargo_name(ngx_http_request_t *r,
    ngx_http_cargo_ctx_t *ctx);
static ngx_int_t ngx_http_cargo_evaluate(ngx_http_request_t *r,
    ngx_http_cargo_ctx_t *ctx);
static ngx_int_t ngx_http_cargo_add_host(ngx_http_request_t *r,
    ngx_str_t *url);


ngx_http_cargo_ctx_t *
ngx_http_cargo_get_ctx(ngx_http_request_t *r)
{
    ngx_http_cargo_ctx_t  *ctx;

    ctx = ngx_http_cargo_named_ctx(r);

    if (ctx == NULL || ctx->evaluated) {
        return ctx;
    }

    if (ngx_http_cargo_evaluate(r, ctx) != NGX_OK) {
        return NULL;
    }

    ctx->evaluated = 1;

    return ctx;
}


ngx_http_cargo_ctx_t *
ngx_http_cargo_named_ctx(ngx_http_request_t *r)
{
    ngx_http_cargo_ctx_t  *ctx;

    ctx = ngx_http_cargo_make_ctx(r);

    if (ctx == NULL || ctx->named) {
        return ctx;
    }

    if (ngx_http_cargo_name(r, ctx) != NGX_OK) {
        return NULL;
    }

    ctx->named = 1;

    return ctx;
}


ngx_http_cargo_ctx_t *
ngx_http_cargo_make_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t         *cln;
    ngx_http_cargo_ctx_t       *ctx;
    ngx_http_cargo_loc_conf_t  *lcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);
    if (ctx) {
        return ctx;
    }

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_cargo_ctx_t));
    cln = ctx ? ngx_pool_cleanup_add(r->pool, 0) : NULL;

    if (cln == NULL) {
        return NULL;
    }

    cln->data = ctx;
    cln->handler = ngx_http_cargo_cleanup;

    ngx_http_set_ctx(r, ctx, ngx_http_cargo_module);

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_cargo_module);
    ctx->endpoint = lcf->endpoint;

    ngx_http_cargo_log_request(r);

    return ctx;
}


/* an internal redirect takes the states of all modules away */

ngx_http_cargo_ctx_t *
ngx_http_cargo_find_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t    *cln;
    ngx_http_cargo_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);
    if (ctx) {
        return ctx;
    }

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_cargo_cleanup) {
            return cln->data;
        }
    }

    return NULL;
}


static void
ngx_http_cargo_cleanup(void *data)
{
    ngx_http_cargo_ctx_t  *ctx = data;

    if (ctx->job) {
        ngx_cargo_pg_job_abandon(ctx->job);
        ctx->job = NULL;
    }

    if (ctx->read.flight) {
        ngx_http_cargo_flight_leave(&ctx->read);
    }

    if (ctx->upload) {
        ngx_cargo_blob_upload_destroy(ctx->upload);
        ctx->upload = NULL;
    }

    if (ctx->new_token.len) {
        ngx_explicit_memzero(ctx->new_token.data, ctx->new_token.len);
    }
}


static ngx_int_t
ngx_http_cargo_name(ngx_http_request_t *r, ngx_http_cargo_ctx_t *ctx)
{
    ngx_http_cargo_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_cargo_module);

    /* cargo_status is of all registries */

    if (lcf->registry == NULL) {
        return NGX_OK;
    }

    if (ngx_http_complex_value(r, lcf->registry, &ctx->registry) != NGX_OK) {
        return NGX_ERROR;
    }

    /* a name out of the URI may be anything, and the database takes UTF-8 */

    if (lcf->registry->lengths
        && (!cargo_utf8_valid(ctx->registry.data, ctx->registry.len)
            || ngx_strlchr(ctx->registry.data,
                           ctx->registry.data + ctx->registry.len, '\0')))
    {
        ctx->registry.len = 0;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_cargo_evaluate(ngx_http_request_t *r, ngx_http_cargo_ctx_t *ctx)
{
    ngx_http_cargo_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_cargo_module);

    if (ngx_http_complex_value(r, lcf->base_url, &ctx->base_url) != NGX_OK) {
        return NGX_ERROR;
    }

    while (ctx->base_url.len
           && ctx->base_url.data[ctx->base_url.len - 1] == '/')
    {
        ctx->base_url.len--;
    }

    if (ctx->base_url.len
        && ctx->base_url.data[ctx->base_url.len - 1] == ':'
        && ngx_http_cargo_add_host(r, &ctx->base_url) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ctx->shown_url = ctx->base_url;

    return ngx_http_cargo_mask(r, &ctx->secret, &ctx->shown_url);
}


/* "http://" and no name: the client sent no Host, as HTTP/3 does not */

static ngx_int_t
ngx_http_cargo_add_host(ngx_http_request_t *r, ngx_str_t *url)
{
    u_char                    *p;
    ngx_str_t                 *host;
    ngx_http_core_srv_conf_t  *cscf;

    cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);

    host = r->headers_in.server.len ? &r->headers_in.server
                                    : &cscf->server_name;

    p = ngx_pnalloc(r->pool, url->len + 2 + host->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    url->len = ngx_sprintf(p, "%V//%V", url, host) - p;
    url->data = p;

    return NGX_OK;
}


ngx_int_t
ngx_http_cargo_read_only(ngx_http_request_t *r)
{
    if (ngx_http_cargo_named_ctx(r) == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return ngx_http_cargo_not_allowed(r, NGX_HTTP_GET);
    }

    return ngx_http_discard_request_body(r);
}


/* nginx has the header at hand only when it was built with certain modules */

ngx_uint_t
ngx_http_cargo_accepts_json(ngx_http_request_t *r)
{
    ngx_uint_t                  key;
    ngx_http_variable_value_t  *v;

    static ngx_str_t  name = ngx_string("http_accept");

    key = ngx_hash_key(name.data, name.len);
    v = ngx_http_get_variable(r, &name, key);

    return v != NULL
           && !v->not_found
           && ngx_strlcasestrn(v->data, v->data + v->len,
                               (u_char *) "application/json",
                               sizeof("application/json") - 2)
              != NULL;
}
