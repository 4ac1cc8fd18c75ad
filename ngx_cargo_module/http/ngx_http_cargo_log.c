
#include "ngx_http_cargo.h"


/*
 * What connects a person's error message, the error log and the access log:
 * the id of the request, which all three have ($request_id).
 */


/* of a sentence; nginx cuts lines at 2048 bytes */
#define NGX_HTTP_CARGO_LOGGED_MAX  1024


static u_char *ngx_http_cargo_log_handler(ngx_http_request_t *r,
    ngx_http_request_t *sr, u_char *buf, size_t len);
static u_char *ngx_http_cargo_log_part(u_char *p, u_char *last,
    const char *name, ngx_str_t *value);
static ngx_str_t ngx_http_cargo_id_of(ngx_http_request_t *r);
static ngx_uint_t ngx_http_cargo_error_level(ngx_http_request_t *r,
    ngx_http_cargo_ctx_t *ctx);
static ngx_int_t ngx_http_cargo_tell_id(ngx_http_request_t *r,
    ngx_http_cargo_ctx_t *ctx);


/* nginx's, the same of all requests */
static ngx_http_log_handler_pt  ngx_http_cargo_next_log_handler;


void
ngx_http_cargo_log_request(ngx_http_request_t *r)
{
    if (r->main->log_handler != ngx_http_cargo_log_handler) {
        ngx_http_cargo_next_log_handler = r->main->log_handler;
        r->main->log_handler = ngx_http_cargo_log_handler;
    }
}


/* behind what nginx itself adds to every line about a request */

static u_char *
ngx_http_cargo_log_handler(ngx_http_request_t *r, ngx_http_request_t *sr,
    u_char *buf, size_t len)
{
    u_char                *p, *last;
    ngx_str_t              id;
    ngx_http_cargo_ctx_t  *ctx;

    static ngx_uint_t  logging;

    last = buf + len;
    p = ngx_http_cargo_next_log_handler(r, sr, buf, len);
    ctx = ngx_http_cargo_find_ctx(r);

    /* an id takes memory, and when there is none, that writes a line */

    if (ctx == NULL || logging) {
        return p;
    }

    logging = 1;
    id = ngx_http_cargo_id_of(r);
    logging = 0;

    p = ngx_http_cargo_log_part(p, last, "crate", &ctx->crate);
    p = ngx_http_cargo_log_part(p, last, "version", &ctx->version);
    p = ngx_http_cargo_log_part(p, last, "account", &ctx->account);

    return ngx_http_cargo_log_part(p, last, "request_id", &id);
}


static u_char *
ngx_http_cargo_log_part(u_char *p, u_char *last, const char *name,
    ngx_str_t *value)
{
    return value->len ? ngx_slprintf(p, last, ", %s: \"%V\"", name, value) : p;
}


static ngx_str_t
ngx_http_cargo_id_of(ngx_http_request_t *r)
{
    ngx_str_t                    id;
    ngx_http_variable_value_t   *v;
    ngx_http_cargo_main_conf_t  *mcf;

    ngx_str_null(&id);

    /* its pool is gone, and the connection closes */

    if (r->pool == NULL) {
        return id;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_cargo_module);
    v = ngx_http_get_indexed_variable(r, mcf->request_id_variable);

    if (v && !v->not_found) {
        id.data = v->data;
        id.len = v->len;
    }

    return id;
}


ngx_int_t
ngx_http_cargo_log_error(ngx_http_request_t *r, ngx_http_cargo_ctx_t *ctx)
{
    size_t                      i, len;
    u_char                      text[NGX_HTTP_CARGO_LOGGED_MAX];
    ngx_http_cargo_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_cargo_module);

    /* before a location is chosen, a token in the URI is not masked yet */

    if (lcf->endpoint == NGX_HTTP_CARGO_NONE) {
        return NGX_OK;
    }

    len = ngx_min(ctx->detail.len, NGX_HTTP_CARGO_LOGGED_MAX);

    for (i = 0; i < len; i++) {
        text[i] = (ctx->detail.data[i] < ' ') ? ' ' : ctx->detail.data[i];
    }

    ngx_log_error(ngx_http_cargo_error_level(r, ctx), r->connection->log, 0,
                  "cargo: answered %ui: %*s", r->headers_out.status, len,
                  text);

    return r->headers_out.status >= NGX_HTTP_INTERNAL_SERVER_ERROR
           ? ngx_http_cargo_tell_id(r, ctx) : NGX_OK;
}


/* an outage is in the log already, once; a read that is refused is no news */

static ngx_uint_t
ngx_http_cargo_error_level(ngx_http_request_t *r, ngx_http_cargo_ctx_t *ctx)
{
    if (r->headers_out.status == NGX_HTTP_INTERNAL_SERVER_ERROR) {
        return NGX_LOG_ERR;
    }

    return (ctx->route && ngx_http_cargo_statements[ctx->route->statement]
                          .writes)
           ? NGX_LOG_NOTICE : NGX_LOG_INFO;
}


static ngx_int_t
ngx_http_cargo_tell_id(ngx_http_request_t *r, ngx_http_cargo_ctx_t *ctx)
{
    u_char     *p;
    ngx_str_t   id;

    id = ngx_http_cargo_id_of(r);

    if (id.len == 0) {
        return NGX_OK;
    }

    if (ngx_http_cargo_add_header(r, "X-Request-Id", &id) != NGX_OK) {
        return NGX_ERROR;
    }

    /* cargo shows no headers; of an outage all ids say the same */

    if (r->headers_out.status != NGX_HTTP_INTERNAL_SERVER_ERROR) {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, ctx->detail.len + sizeof(" (request )")
                             + id.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ctx->detail.len = ngx_sprintf(p, "%V (request %V)", &ctx->detail, &id) - p;
    ctx->detail.data = p;

    return NGX_OK;
}
