
#include "ngx_http_cargo.h"


/* for everybody, for the caller alone */
static ngx_str_t  ngx_http_cargo_lifetimes[][2] = {
    [NGX_HTTP_CARGO_ASK_AGAIN] = {
        ngx_string("public, no-cache"),
        ngx_string("private, no-cache")
    },
    [NGX_HTTP_CARGO_IMMUTABLE] = {
        ngx_string("public, max-age=31536000, immutable"),
        ngx_string("private, max-age=31536000, immutable")
    }
};


ngx_int_t
ngx_http_cargo_push_header(ngx_http_request_t *r, const char *name,
    size_t len, ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
#if (nginx_version >= 1023000)
    h->next = NULL;
#endif
    h->key.data = (u_char *) name;
    h->key.len = len;
    h->value = *value;

    return NGX_OK;
}


ngx_table_elt_t *
ngx_http_cargo_last_header(ngx_http_request_t *r)
{
    ngx_list_part_t  *part;

    part = r->headers_out.headers.last;

    return (ngx_table_elt_t *) part->elts + part->nelts - 1;
}


void
ngx_http_cargo_drop_header(ngx_http_request_t *r, const char *name)
{
    size_t            len;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    len = ngx_strlen(name);

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].key.len == len
                && ngx_strncasecmp(h[i].key.data, (u_char *) name, len) == 0)
            {
                h[i].hash = 0;
            }
        }
    }
}


ngx_int_t
ngx_http_cargo_set_etag(ngx_http_request_t *r, ngx_str_t *tag,
    const char *suffix)
{
    size_t      len;
    u_char     *p;
    ngx_str_t   value;

    len = ngx_strlen(suffix);

    value.len = tag->len + len + 2;
    value.data = ngx_pnalloc(r->pool, value.len);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    p = value.data;
    *p++ = '"';
    p = ngx_cpymem(p, tag->data, tag->len);
    p = ngx_cpymem(p, suffix, len);
    *p = '"';

    if (ngx_http_cargo_add_header(r, "ETag", &value) != NGX_OK) {
        return NGX_ERROR;
    }

    r->headers_out.etag = ngx_http_cargo_last_header(r);

    return NGX_OK;
}


/*
 * To a cache that many use, "private" says enough.  One of a single client
 * may also be used by several, one after the other: an answer to a token is
 * for who sends the same, and one to somebody that nginx has authenticated,
 * by means that no header need show, is never used again unasked.
 */

ngx_int_t
ngx_http_cargo_cache_control(ngx_http_request_t *r, ngx_uint_t private,
    ngx_http_cargo_lifetime_e lifetime)
{
    ngx_str_t                 value;
    ngx_http_cargo_caller_t  *caller;

    caller = ngx_http_cargo_caller(r);
    if (caller == NULL) {
        return NGX_ERROR;
    }

    if (private && caller->by == NGX_HTTP_CARGO_BY_LOGIN) {
        lifetime = NGX_HTTP_CARGO_ASK_AGAIN;
    }

    if (ngx_http_cargo_add_header(r, "Cache-Control",
                                  &ngx_http_cargo_lifetimes[lifetime][private])
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!private || caller->by != NGX_HTTP_CARGO_BY_HEADER) {
        return NGX_OK;
    }

    ngx_str_set(&value, "Authorization");

    return ngx_http_cargo_add_header(r, "Vary", &value);
}


void
ngx_http_cargo_send(ngx_http_request_t *r, const char *content_type,
    ngx_str_t *body)
{
    ngx_int_t    rc;
    ngx_buf_t   *b;
    ngx_chain_t  out;

    b = ngx_create_temp_buf(r->pool, body->len ? body->len : 1);
    if (b == NULL) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    b->last = ngx_cpymem(b->last, body->data, body->len);
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;
    b->temporary = (body->len != 0);
    b->sync = (body->len == 0);

    out.buf = b;
    out.next = NULL;

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = body->len;
    r->headers_out.content_type.data = (u_char *) content_type;
    r->headers_out.content_type.len = ngx_strlen(content_type);
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        ngx_http_finalize_request(r, rc);
        return;
    }

    ngx_http_finalize_request(r, ngx_http_output_filter(r, &out));
}


void
ngx_http_cargo_send_no_content(ngx_http_request_t *r)
{
    r->headers_out.status = NGX_HTTP_NO_CONTENT;
    r->header_only = 1;

    ngx_http_finalize_request(r, ngx_http_send_header(r));
}


void
ngx_http_cargo_send_url(ngx_http_request_t *r, ngx_str_t *path)
{
    u_char                *p;
    ngx_str_t              base, body;
    ngx_http_cargo_ctx_t  *ctx;

    ctx = ngx_http_cargo_get_ctx(r);
    if (ctx == NULL) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    base = ngx_http_cargo_escape_json(r->pool, &ctx->base_url);
    p = ngx_pnalloc(r->pool, sizeof("{\"url\":\"\"}") + base.len + path->len);

    if (base.data == NULL || p == NULL) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    body.data = p;
    body.len = ngx_sprintf(p, "{\"url\":\"%V%V\"}", &base, path) - p;

    ngx_http_cargo_send(r, "application/json", &body);
}


ngx_str_t
ngx_http_cargo_escape_json(ngx_pool_t *pool, ngx_str_t *text)
{
    u_char     *p;
    ngx_str_t   escaped;

    escaped.len = text->len + ngx_escape_json(NULL, text->data, text->len);
    escaped.data = ngx_pnalloc(pool, escaped.len + 1);

    if (escaped.data) {
        p = (u_char *) ngx_escape_json(escaped.data, text->data, text->len);
        escaped.len = p - escaped.data;
    }

    return escaped;
}
