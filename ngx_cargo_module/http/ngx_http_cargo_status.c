
#include "ngx_http_cargo_status.h"


#define NGX_HTTP_CARGO_TEXT_BUFFER  8192

/* longest piece that is put into a text at a time */
#define NGX_HTTP_CARGO_TEXT_MAX     1024


typedef struct {
    ngx_str_t           path;
    ngx_int_t         (*handler)(ngx_http_request_t *r);
} ngx_http_cargo_status_t;


static ngx_int_t ngx_http_cargo_status_live(ngx_http_request_t *r);
static ngx_int_t ngx_http_cargo_status_ready(ngx_http_request_t *r);
static ngx_int_t ngx_http_cargo_status_metrics(ngx_http_request_t *r);
static void ngx_http_cargo_status_judged(ngx_http_request_t *r,
    ngx_http_cargo_ready_t *ready);
static ngx_uint_t ngx_http_cargo_status_ends(ngx_http_request_t *r,
    ngx_str_t *path);
static ngx_int_t ngx_http_cargo_text_buffer(ngx_http_cargo_text_t *text);


/* what the path ends in, whatever the location is called */

static ngx_http_cargo_status_t  ngx_http_cargo_statuses[] = {
    { ngx_string("/live"), ngx_http_cargo_status_live },
    { ngx_string("/ready"), ngx_http_cargo_status_ready },
    { ngx_string("/ready/reads"), ngx_http_cargo_status_ready },
    { ngx_string("/ready/writes"), ngx_http_cargo_status_ready },
    { ngx_string("/metrics"), ngx_http_cargo_status_metrics },
    { ngx_null_string, NULL }
};


ngx_int_t
ngx_http_cargo_status_handler(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    ngx_http_cargo_status_t  *status;

    rc = ngx_http_cargo_read_only(r);
    if (rc != NGX_OK) {
        return rc;
    }

    for (status = ngx_http_cargo_statuses; status->handler; status++) {
        if (ngx_http_cargo_status_ends(r, &status->path)) {
            return status->handler(r);
        }
    }

    return ngx_http_cargo_refuse(r, NGX_HTTP_NOT_FOUND,
                                 "Not Found: here are live, ready, "
                                 "ready/reads, ready/writes and metrics");
}


static ngx_uint_t
ngx_http_cargo_status_ends(ngx_http_request_t *r, ngx_str_t *path)
{
    return r->uri.len >= path->len
           && ngx_memcmp(r->uri.data + r->uri.len - path->len, path->data,
                         path->len)
              == 0;
}


/* that it is sent says all of it */

static ngx_int_t
ngx_http_cargo_status_live(ngx_http_request_t *r)
{
    ngx_http_cargo_text_t  text;

    ngx_memzero(&text, sizeof(ngx_http_cargo_text_t));
    text.pool = r->pool;

    ngx_http_cargo_text(&text, "{\"live\":true}\n");

    r->main->count++;
    ngx_http_cargo_send_text(r, NGX_HTTP_OK, "application/json", &text);

    return NGX_DONE;
}


static ngx_int_t
ngx_http_cargo_status_metrics(ngx_http_request_t *r)
{
    ngx_http_cargo_text_t  text;

    ngx_memzero(&text, sizeof(ngx_http_cargo_text_t));
    text.pool = r->pool;

    ngx_http_cargo_metrics(r, &text);

    r->main->count++;
    ngx_http_cargo_send_text(r, NGX_HTTP_OK, "text/plain; version=0.0.4; "
                                             "charset=utf-8", &text);
    return NGX_DONE;
}


static ngx_int_t
ngx_http_cargo_status_ready(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    r->main->count++;

    rc = ngx_http_cargo_ready(r, ngx_http_cargo_status_judged);

    if (rc != NGX_OK) {
        r->main->count--;
        return rc;
    }

    return NGX_DONE;
}


static void
ngx_http_cargo_status_judged(ngx_http_request_t *r,
    ngx_http_cargo_ready_t *ready)
{
    ngx_uint_t              ok;
    ngx_http_cargo_text_t   text;
    ngx_http_cargo_ready_e  which;

    static ngx_str_t  reads = ngx_string("/reads");
    static ngx_str_t  writes = ngx_string("/writes");

    ngx_memzero(&text, sizeof(ngx_http_cargo_text_t));
    text.pool = r->pool;

    which = NGX_HTTP_CARGO_READY_ALL;

    if (ngx_http_cargo_status_ends(r, &reads)) {
        which = NGX_HTTP_CARGO_READY_READS;

    } else if (ngx_http_cargo_status_ends(r, &writes)) {
        which = NGX_HTTP_CARGO_READY_WRITES;
    }

    ok = ngx_http_cargo_judge(r, which, ready, &text);

    ngx_http_cargo_send_text(r, ok ? NGX_HTTP_OK
                                   : NGX_HTTP_SERVICE_UNAVAILABLE,
                             "application/json", &text);
}


void
ngx_http_cargo_text(ngx_http_cargo_text_t *text, const char *fmt, ...)
{
    u_char     *p;
    va_list     args;
    ngx_buf_t  *b;

    if (text->failed
        || ((text->last == NULL
             || text->last->buf->end - text->last->buf->last
                < NGX_HTTP_CARGO_TEXT_MAX)
            && ngx_http_cargo_text_buffer(text) != NGX_OK))
    {
        text->failed = 1;
        return;
    }

    b = text->last->buf;

    va_start(args, fmt);
    p = ngx_vslprintf(b->last, b->last + NGX_HTTP_CARGO_TEXT_MAX, fmt, args);
    va_end(args);

    text->length += p - b->last;
    b->last = p;
}


void
ngx_http_cargo_text_append(ngx_http_cargo_text_t *text,
    ngx_http_cargo_text_t *other)
{
    text->failed |= other->failed;

    if (other->first) {
        text->last->next = other->first;
        text->last = other->last;
        text->length += other->length;
    }
}


static ngx_int_t
ngx_http_cargo_text_buffer(ngx_http_cargo_text_t *text)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    b = ngx_create_temp_buf(text->pool, NGX_HTTP_CARGO_TEXT_BUFFER);
    cl = ngx_alloc_chain_link(text->pool);

    if (b == NULL || cl == NULL) {
        return NGX_ERROR;
    }

    cl->buf = b;
    cl->next = NULL;

    if (text->last) {
        text->last->next = cl;

    } else {
        text->first = cl;
    }

    text->last = cl;

    return NGX_OK;
}


void
ngx_http_cargo_send_text(ngx_http_request_t *r, ngx_uint_t status,
    const char *content_type, ngx_http_cargo_text_t *text)
{
    ngx_int_t              rc;
    ngx_str_t              value;
    ngx_http_cargo_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);
    ngx_str_set(&value, "no-store");

    if (text->failed
        || ngx_http_cargo_add_header(r, "Cache-Control", &value) != NGX_OK)
    {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    ctx->own_body = 1;

    text->last->buf->last_buf = (r == r->main);
    text->last->buf->last_in_chain = 1;

    r->headers_out.status = status;
    r->headers_out.content_length_n = text->length;
    r->headers_out.content_type.data = (u_char *) content_type;
    r->headers_out.content_type.len = ngx_strlen(content_type);
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        ngx_http_finalize_request(r, rc);
        return;
    }

    ngx_http_finalize_request(r, ngx_http_output_filter(r, text->first));
}
