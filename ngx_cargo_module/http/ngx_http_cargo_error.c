
#include "ngx_http_cargo.h"


#define NGX_HTTP_CARGO_DETAIL_MAX  2048

/* seconds until a client may come back after a 503 or 429 */
#define NGX_HTTP_CARGO_RETRY_AFTER  "2"


typedef struct {
    ngx_uint_t        status;
    ngx_str_t         detail;
} ngx_http_cargo_default_t;


typedef struct {
    ngx_uint_t        method;
    ngx_str_t         name;
} ngx_http_cargo_method_t;


static void ngx_http_cargo_make_utf8(ngx_str_t *text);
static ngx_int_t ngx_http_cargo_error_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_cargo_error_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_http_cargo_endpoint_e ngx_http_cargo_error_endpoint(
    ngx_http_request_t *r);
static size_t ngx_http_cargo_raw_uri_len(ngx_http_request_t *r);
static ngx_http_cargo_ctx_t *ngx_http_cargo_error_ctx(ngx_http_request_t *r);
static void ngx_http_cargo_lost_blob(ngx_http_request_t *r,
    ngx_http_cargo_ctx_t *ctx);
static void ngx_http_cargo_lost_upload(ngx_http_request_t *r,
    ngx_http_cargo_ctx_t *ctx);
static ngx_int_t ngx_http_cargo_default_detail(ngx_http_request_t *r,
    ngx_http_cargo_ctx_t *ctx);
static ngx_int_t ngx_http_cargo_error_headers(ngx_http_request_t *r,
    ngx_http_cargo_ctx_t *ctx);
static ngx_int_t ngx_http_cargo_challenge(ngx_http_request_t *r,
    ngx_http_cargo_ctx_t *ctx);
static ngx_int_t ngx_http_cargo_error_body(ngx_http_request_t *r,
    ngx_http_cargo_ctx_t *ctx, ngx_http_cargo_endpoint_e endpoint);


/* who may GET may HEAD */

static ngx_http_cargo_method_t  ngx_http_cargo_methods[] = {
    { NGX_HTTP_GET, ngx_string("GET, HEAD") },
    { NGX_HTTP_PUT, ngx_string("PUT") },
    { NGX_HTTP_PATCH, ngx_string("PATCH") },
    { NGX_HTTP_DELETE, ngx_string("DELETE") },
    { 0, ngx_null_string }
};


/* what nginx itself answers, said to a person who runs cargo */

static ngx_http_cargo_default_t  ngx_http_cargo_defaults[] = {

    { NGX_HTTP_BAD_REQUEST,
      ngx_string("the request is malformed") },

    { NGX_HTTP_UNAUTHORIZED,
      ngx_string("a login is needed") },

    { NGX_HTTP_FORBIDDEN,
      ngx_string("this server's configuration does not let you in") },

    { NGX_HTTP_NOT_FOUND,
      ngx_string("Not Found") },

    { NGX_HTTP_NOT_ALLOWED,
      ngx_string("this method is not allowed here") },

    { NGX_HTTP_REQUEST_TIME_OUT,
      ngx_string("the upload came too slowly and was given up; nothing was "
                 "published; try again") },

    { NGX_HTTP_LENGTH_REQUIRED,
      ngx_string("the request must say its length") },

    { NGX_HTTP_REQUEST_URI_TOO_LARGE,
      ngx_string("the URL is too long") },

    { NGX_HTTP_TOO_MANY_REQUESTS,
      ngx_string("too many requests; try again in a moment") },

    { NGX_HTTP_INTERNAL_SERVER_ERROR,
      ngx_string("the registry failed; its administrator finds the reason in "
                 "the error log of nginx") },

    { NGX_HTTP_SERVICE_UNAVAILABLE,
      ngx_string("the registry is overloaded or being worked on; try again "
                 "in a moment") },

    { 0, ngx_string("the request failed") }
};


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


ngx_int_t
ngx_http_cargo_error_init(ngx_conf_t *cf)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_cargo_error_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_cargo_error_body_filter;

    return NGX_OK;
}


ngx_int_t
ngx_http_cargo_refuse(ngx_http_request_t *r, ngx_int_t status,
    const char *fmt, ...)
{
    u_char     *last, text[NGX_HTTP_CARGO_DETAIL_MAX];
    va_list     args;
    ngx_str_t   detail;

    va_start(args, fmt);
    last = ngx_vslprintf(text, text + sizeof(text), fmt, args);
    va_end(args);

    detail.data = text;
    detail.len = last - text;

    return ngx_http_cargo_refuse_text(r, status, &detail);
}


ngx_int_t
ngx_http_cargo_refuse_text(ngx_http_request_t *r, ngx_int_t status,
    ngx_str_t *detail)
{
    ngx_http_cargo_ctx_t  *ctx;

    ctx = ngx_http_cargo_get_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->detail.data = ngx_pstrdup(r->pool, detail);
    if (ctx->detail.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->detail.len = detail->len;

    if (ngx_http_cargo_mask(r, &ctx->secret, &ctx->detail) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_cargo_make_utf8(&ctx->detail);

    return status;
}


/*
 * A part of the URI may be any bytes, and a long text may have been cut in a
 * character: neither JSON nor a terminal takes that.
 */

static void
ngx_http_cargo_make_utf8(ngx_str_t *text)
{
    u_char    *p, *start, *last;
    uint32_t   ch;

    p = text->data;
    last = text->data + text->len;

    while (p < last) {

        /* the decoder is for what is longer than a byte */

        if (*p < 0x80) {
            if ((*p < ' ' && *p != LF && *p != '\t') || *p == 0x7f) {
                *p = '?';
            }

            p++;
            continue;
        }

        start = p;
        ch = ngx_utf8_decode(&p, last - p);

        if (ch > 0x10ffff || (ch >= 0xd800 && ch <= 0xdfff) || ch < 0xa0) {
            *start = '?';
            p = start + 1;
        }
    }
}


ngx_int_t
ngx_http_cargo_not_allowed(ngx_http_request_t *r, ngx_uint_t methods)
{
    u_char                   *p;
    ngx_str_t                 allow;
    ngx_http_cargo_method_t  *m;

    allow.len = 0;

    for (m = ngx_http_cargo_methods; m->method; m++) {
        allow.len += m->name.len + 2;
    }

    allow.data = ngx_pnalloc(r->pool, allow.len);
    if (allow.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = allow.data;

    for (m = ngx_http_cargo_methods; m->method; m++) {
        if (methods & m->method) {
            p = ngx_sprintf(p, "%s%V", p == allow.data ? "" : ", ", &m->name);
        }
    }

    allow.len = p - allow.data;

    if (ngx_http_cargo_add_header(r, "Allow", &allow) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_cargo_refuse(r, NGX_HTTP_NOT_ALLOWED,
                                 "%V is not allowed here, only %V",
                                 &r->method_name, &allow);
}


static ngx_int_t
ngx_http_cargo_error_header_filter(ngx_http_request_t *r)
{
    ngx_http_cargo_ctx_t       *ctx;
    ngx_http_cargo_endpoint_e   endpoint;

    if (r->headers_out.status < NGX_HTTP_BAD_REQUEST
        || r != r->main
        || r->error_page)
    {
        return ngx_http_next_header_filter(r);
    }

    endpoint = ngx_http_cargo_error_endpoint(r);
    if (endpoint == NGX_HTTP_CARGO_NONE) {
        return ngx_http_next_header_filter(r);
    }

    ctx = ngx_http_cargo_error_ctx(r);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    if (ctx->own_body) {
        return ngx_http_next_header_filter(r);
    }

    if (ctx->blob.len && (r->headers_out.status == NGX_HTTP_NOT_FOUND
                          || r->headers_out.status == NGX_HTTP_FORBIDDEN))
    {
        ngx_http_cargo_lost_blob(r, ctx);
    }

    if (ctx->receiving
        && r->headers_out.status == NGX_HTTP_INTERNAL_SERVER_ERROR)
    {
        ngx_http_cargo_lost_upload(r, ctx);
    }

    if ((ctx->detail.len == 0
         && ngx_http_cargo_default_detail(r, ctx) != NGX_OK)
        || ngx_http_cargo_log_error(r, ctx) != NGX_OK
        || ngx_http_cargo_error_headers(r, ctx) != NGX_OK
        || ngx_http_cargo_error_body(r, ctx, endpoint) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_next_header_filter(r);
}


static ngx_int_t
ngx_http_cargo_error_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_chain_t           *out;
    ngx_http_cargo_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);

    if (ctx == NULL || ctx->error_body == NULL || in == NULL) {
        return ngx_http_next_body_filter(r, in);
    }

    /* nginx's own page is dropped, ours goes instead of its first part */

    for (out = in; out; out = out->next) {
        out->buf->pos = out->buf->last;
    }

    if (ctx->error_sent) {
        return NGX_OK;
    }

    ctx->error_sent = 1;

    return ngx_http_next_body_filter(r, ctx->error_body);
}


/*
 * A request that nginx refuses before it has chosen a location is told apart
 * by its raw URI.
 */

static ngx_http_cargo_endpoint_e
ngx_http_cargo_error_endpoint(ngx_http_request_t *r)
{
    size_t                      len;
    u_char                     *uri;
    ngx_http_core_srv_conf_t   *cscf;
    ngx_http_cargo_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_cargo_module);
    cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);

    if (lcf->endpoint != NGX_HTTP_CARGO_NONE) {
        return lcf->endpoint;
    }

    if (lcf->registry == NULL
        || r->loc_conf != cscf->ctx->loc_conf
        || r->uri_start == NULL)
    {
        return NGX_HTTP_CARGO_NONE;
    }

    uri = r->uri_start;
    len = ngx_http_cargo_raw_uri_len(r);

    if (ngx_strlcasestrn(uri, uri + len, (u_char *) "/api/v1/",
                         sizeof("/api/v1/") - 2))
    {
        return NGX_HTTP_CARGO_API;
    }

    if (ngx_strlcasestrn(uri, uri + len, (u_char *) "/index/",
                         sizeof("/index/") - 2)
        || ngx_strlcasestrn(uri, uri + len, (u_char *) "/dl/",
                            sizeof("/dl/") - 2))
    {
        return NGX_HTTP_CARGO_INDEX;
    }

    return NGX_HTTP_CARGO_NONE;
}


/*
 * As long as nginx has not read all of the request line, there is no end of
 * the URI: uri_end is NULL, or what became of that when the line was moved to
 * a larger buffer.
 */

static size_t
ngx_http_cargo_raw_uri_len(ngx_http_request_t *r)
{
    u_char     *end;
    ngx_buf_t  *b;

    b = r->header_in;
    end = r->uri_end;

    if (b
        && r->uri_start >= b->start
        && r->uri_start <= b->pos
        && (end < r->uri_start || end > b->pos))
    {
        end = b->pos;
    }

    return end > r->uri_start ? end - r->uri_start : 0;
}


static ngx_http_cargo_ctx_t *
ngx_http_cargo_error_ctx(ngx_http_request_t *r)
{
    ngx_http_cargo_ctx_t  *ctx;

    ctx = ngx_http_cargo_get_ctx(r);

    /* a variable could not be evaluated: an error body needs none of them */

    return ctx ? ctx : ngx_http_cargo_make_ctx(r);
}


/* the version is there, its file is not or may not be read: not the client */

static void
ngx_http_cargo_lost_blob(ngx_http_request_t *r, ngx_http_cargo_ctx_t *ctx)
{
    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "cargo: the file of crate %V %V cannot be sent; "
                  "\"cargoctl check\" lists all that are missing",
                  &ctx->crate, &ctx->version);

    r->headers_out.status = NGX_HTTP_INTERNAL_SERVER_ERROR;
    r->headers_out.status_line.len = 0;
    r->err_status = NGX_HTTP_INTERNAL_SERVER_ERROR;

    ngx_str_set(&ctx->detail,
                "the registry has lost the file of this crate; tell its "
                "administrator");
}


/* nginx could not make or write the file for the body, and has logged why */

static void
ngx_http_cargo_lost_upload(ngx_http_request_t *r, ngx_http_cargo_ctx_t *ctx)
{
    r->headers_out.status = NGX_HTTP_SERVICE_UNAVAILABLE;
    r->headers_out.status_line.len = 0;
    r->err_status = NGX_HTTP_SERVICE_UNAVAILABLE;

    ngx_str_set(&ctx->detail,
                "the registry has no room for the upload now, or cannot use "
                "its disk; nothing was published; tell its administrator, "
                "then try again");
}


static ngx_int_t
ngx_http_cargo_default_detail(ngx_http_request_t *r,
    ngx_http_cargo_ctx_t *ctx)
{
    ngx_http_cargo_default_t   *d;
    ngx_http_cargo_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_cargo_module);

    if (r->headers_out.status == NGX_HTTP_REQUEST_ENTITY_TOO_LARGE) {
        (void) ngx_http_cargo_refuse(r, 0, "max upload size is: %O",
                                     lcf->max_crate_size);
        return ctx->detail.len ? NGX_OK : NGX_ERROR;
    }

    for (d = ngx_http_cargo_defaults; d->status; d++) {
        if (d->status == r->headers_out.status) {
            break;
        }
    }

    ctx->detail = d->detail;

    return NGX_OK;
}


static ngx_int_t
ngx_http_cargo_error_headers(ngx_http_request_t *r,
    ngx_http_cargo_ctx_t *ctx)
{
    ngx_str_t  value;

    if (r->headers_out.status == NGX_HTTP_UNAUTHORIZED
        && r->headers_out.www_authenticate == NULL
        && ngx_http_cargo_challenge(r, ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (r->headers_out.status == NGX_HTTP_SERVICE_UNAVAILABLE
        || r->headers_out.status == NGX_HTTP_TOO_MANY_REQUESTS)
    {
        ngx_str_set(&value, NGX_HTTP_CARGO_RETRY_AFTER);

        if (ngx_http_cargo_add_header(r, "Retry-After", &value) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    /*
     * A cache in between must not remember a 404 until after the publish, nor
     * what was said of the whole file when a range of it is refused.
     */

    ngx_http_cargo_drop_header(r, "Cache-Control");

    ngx_str_set(&value, "no-store");

    return ngx_http_cargo_add_header(r, "Cache-Control", &value);
}


/*
 * cargo takes the login URL from here when it has no token yet (RFC 3139); a
 * quote in it would be fatal for the client, and a line's end, which a part of
 * the URI may bring, for the header.
 */

static ngx_int_t
ngx_http_cargo_challenge(ngx_http_request_t *r, ngx_http_cargo_ctx_t *ctx)
{
    size_t     i;
    u_char    *p, ch;
    ngx_str_t  value;

    value.data = ngx_pnalloc(r->pool, sizeof("Cargo login_url=\"/me\"")
                                      + ctx->shown_url.len);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(value.data, "Cargo login_url=\"",
                   sizeof("Cargo login_url=\"") - 1);

    for (i = 0; i < ctx->shown_url.len; i++) {
        ch = ctx->shown_url.data[i];

        if (ch >= ' ' && ch != 0x7f && ch != '"' && ch != '\\') {
            *p++ = ch;
        }
    }

    p = ngx_cpymem(p, "/me\"", sizeof("/me\"") - 1);
    value.len = p - value.data;

    return ngx_http_cargo_add_header(r, "WWW-Authenticate", &value);
}


static ngx_int_t
ngx_http_cargo_error_body(ngx_http_request_t *r, ngx_http_cargo_ctx_t *ctx,
    ngx_http_cargo_endpoint_e endpoint)
{
    size_t      len;
    u_char     *p;
    ngx_buf_t  *b;

    len = ctx->detail.len + ngx_escape_json(NULL, ctx->detail.data,
                                            ctx->detail.len)
          + sizeof("{\"errors\":[{\"detail\":\"\"}]}\n");

    b = ngx_create_temp_buf(r->pool, len);
    ctx->error_body = ngx_alloc_chain_link(r->pool);

    if (b == NULL || ctx->error_body == NULL) {
        return NGX_ERROR;
    }

    p = b->pos;

    if (endpoint == NGX_HTTP_CARGO_API) {
        p = ngx_cpymem(p, "{\"errors\":[{\"detail\":\"",
                       sizeof("{\"errors\":[{\"detail\":\"") - 1);
        p = (u_char *) ngx_escape_json(p, ctx->detail.data, ctx->detail.len);
        p = ngx_cpymem(p, "\"}]}", sizeof("\"}]}") - 1);

        ngx_str_set(&r->headers_out.content_type, "application/json");

    } else {
        p = ngx_cpymem(p, ctx->detail.data, ctx->detail.len);

        ngx_str_set(&r->headers_out.content_type, "text/plain");
    }

    *p++ = '\n';

    b->last = p;
    b->last_buf = 1;
    b->last_in_chain = 1;

    ctx->error_body->buf = b;
    ctx->error_body->next = NULL;

    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    ngx_http_clear_content_length(r);
    ngx_http_clear_accept_ranges(r);
    ngx_http_clear_last_modified(r);
    ngx_http_clear_etag(r);

    r->headers_out.content_length_n = b->last - b->pos;

    return NGX_OK;
}
