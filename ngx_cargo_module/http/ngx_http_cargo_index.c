
#include "ngx_http_cargo.h"


static void ngx_http_cargo_index_answered(ngx_http_request_t *r);
static ngx_int_t ngx_http_cargo_index_send(ngx_http_request_t *r);
static ngx_int_t ngx_http_cargo_index_config(ngx_http_request_t *r);
static void ngx_http_cargo_index_no_registry(ngx_http_request_t *r,
    ngx_http_cargo_ctx_t *ctx);
static ngx_uint_t ngx_http_cargo_index_token_needed(ngx_http_request_t *r,
    ngx_uint_t private);
static void ngx_http_cargo_index_name(ngx_http_request_t *r);
static ngx_int_t ngx_http_cargo_index_document(ngx_http_request_t *r);
static ngx_int_t ngx_http_cargo_index_headers(ngx_http_request_t *r,
    ngx_http_cargo_read_t *read);
static ngx_int_t ngx_http_cargo_index_forms(ngx_http_request_t *r,
    ngx_http_cargo_read_t *read);
static ngx_int_t ngx_http_cargo_index_body(ngx_http_request_t *r,
    ngx_str_t *body);


ngx_int_t
ngx_http_cargo_index_handler(ngx_http_request_t *r)
{
    ngx_int_t              rc;
    ngx_http_cargo_read_e  kind;

    rc = ngx_http_cargo_read_only(r);
    if (rc != NGX_OK) {
        return rc;
    }

    kind = NGX_HTTP_CARGO_READ_CONFIG;

    if (!ngx_http_cargo_is_config(r)) {
        kind = NGX_HTTP_CARGO_READ_DOCUMENT;
        ngx_http_cargo_index_name(r);
    }

    rc = ngx_http_cargo_read(r, kind, ngx_http_cargo_index_answered);

    if (rc == NGX_AGAIN) {
        r->main->count++;
        return NGX_DONE;
    }

    return rc == NGX_OK ? ngx_http_cargo_index_send(r) : rc;
}


ngx_uint_t
ngx_http_cargo_is_config(ngx_http_request_t *r)
{
    ngx_str_t  path;

    /* most requests are not, told by one byte */

    if (r->uri.data[r->uri.len - 1] != 'n') {
        return 0;
    }

    path = ngx_http_cargo_uri_after(r, "/index/", 1);

    return path.len == sizeof("config.json") - 1
           && ngx_strncmp(path.data, "config.json", path.len) == 0;
}


/*
 * A path that names no crate is asked for with an empty name: whether one may
 * know that it is not there is decided where all such is.
 */

static void
ngx_http_cargo_index_name(ngx_http_request_t *r)
{
    ngx_str_t              path;
    cargo_str_t            index_path, name;
    cargo_error_t          error;
    ngx_http_cargo_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);
    path = ngx_http_cargo_uri_after(r, "/index/", 1);

    index_path.data = path.data;
    index_path.len = path.len;

    if (!ngx_http_cargo_encoded_slash(r)
        && cargo_name_of_index_path(index_path, &name, &error) == CARGO_OK)
    {
        ctx->crate.data = name.data;
        ctx->crate.len = name.len;
    }
}


static void
ngx_http_cargo_index_answered(ngx_http_request_t *r)
{
    ngx_http_finalize_request(r, ngx_http_cargo_index_send(r));
}


static ngx_int_t
ngx_http_cargo_index_send(ngx_http_request_t *r)
{
    ngx_http_cargo_ctx_t   *ctx;
    ngx_http_cargo_read_t  *read;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);
    read = &ctx->read;

    if (read->status == NGX_HTTP_OK) {
        return (read->question.kind == NGX_HTTP_CARGO_READ_CONFIG)
               ? ngx_http_cargo_index_config(r)
               : ngx_http_cargo_index_document(r);
    }

    if (read->status == NGX_HTTP_NOT_FOUND) {

        if (read->question.kind == NGX_HTTP_CARGO_READ_CONFIG) {
            ngx_http_cargo_index_no_registry(r, ctx);

        } else if (ctx->crate.len == 0) {
            return ngx_http_cargo_refuse(r, NGX_HTTP_NOT_FOUND,
                                         "no crate's index document has this "
                                         "path");
        }
    }

    return ngx_http_cargo_refuse_text(r, read->status, &read->sentence);
}


static ngx_int_t
ngx_http_cargo_index_config(ngx_http_request_t *r)
{
    u_char                *p;
    ngx_str_t              body, url;
    ngx_http_cargo_ctx_t  *ctx;

    ctx = ngx_http_cargo_get_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* the host in it is the client's own word */

    url = ngx_http_cargo_escape_json(r->pool, &ctx->base_url);
    body.data = ngx_pnalloc(r->pool, 2 * url.len + 256);

    if (url.data == NULL || body.data == NULL
        || ngx_http_cargo_cache_control(r, ctx->read.private,
                                        NGX_HTTP_CARGO_ASK_AGAIN)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = ngx_sprintf(body.data,
                    "{\"dl\":\"%V/dl/{crate}/{sha256-checksum}/"
                    "{crate}-{version}.crate\",\"api\":\"%V\"%s}\n",
                    &url, &url,
                    ngx_http_cargo_index_token_needed(r, ctx->read.private)
                    ? ",\"auth-required\":true" : "");
    body.len = p - body.data;

    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = body.len;

    return ngx_http_cargo_index_body(r, &body);
}


/* a name out of the URI is the client's mistake */

static void
ngx_http_cargo_index_no_registry(ngx_http_request_t *r,
    ngx_http_cargo_ctx_t *ctx)
{
    ngx_http_cargo_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_cargo_module);

    ngx_log_error((lcf->registry->lengths ? NGX_LOG_INFO : NGX_LOG_ERR),
                  r->connection->log, 0,
                  "cargo: the database has no registry \"%V\"; see "
                  "\"cargoctl registry list\" and cargo_registry",
                  &ctx->registry);
}


/*
 * Told so, cargo insists on a token of its own, and sends it: not needed by
 * those whom the URL or the connection lets in, but by those whom nginx lets
 * in for what they send as one.
 */

static ngx_uint_t
ngx_http_cargo_index_token_needed(ngx_http_request_t *r, ngx_uint_t private)
{
    ngx_http_cargo_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);

    switch (ctx->caller->by) {

    case NGX_HTTP_CARGO_BY_URL:
        return 0;

    case NGX_HTTP_CARGO_BY_LOGIN:
        return private && r->headers_in.authorization != NULL;

    default: /* NGX_HTTP_CARGO_BY_HEADER, NGX_HTTP_CARGO_NOBODY */
        return private;
    }
}


static ngx_int_t
ngx_http_cargo_index_document(ngx_http_request_t *r)
{
    ngx_http_cargo_ctx_t   *ctx;
    ngx_http_cargo_read_t  *read;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);
    read = &ctx->read;

    if (ngx_http_cargo_index_headers(r, read) != NGX_OK
        || ngx_http_cargo_index_forms(r, read) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (read->not_modified) {
        r->headers_out.status = NGX_HTTP_NOT_MODIFIED;

        return ngx_http_send_header(r);
    }

    /* with both validators the tag decides (RFC 9110, 13.2.2) */

    if (r->headers_in.if_none_match) {
        r->headers_in.if_modified_since = NULL;
    }

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = read->length;
    ngx_str_set(&r->headers_out.content_type, "text/plain");
    r->headers_out.content_type_len = r->headers_out.content_type.len;

    return ngx_http_cargo_index_body(r, &read->body);
}


/* what is not modified needs no date beside its tag (RFC 9110, 15.4.5) */

static ngx_int_t
ngx_http_cargo_index_headers(ngx_http_request_t *r,
    ngx_http_cargo_read_t *read)
{
    ngx_str_t  tag, date;

    tag.data = read->thing.document.tag;
    tag.len = NGX_HTTP_CARGO_TAG;

    if (ngx_http_cargo_set_etag(r, &tag, read->gzip ? "-gzip" : "")
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!read->not_modified) {
        date.data = read->thing.document.date;
        date.len = NGX_HTTP_CARGO_DATE;

        if (ngx_http_cargo_add_header(r, "Last-Modified", &date) != NGX_OK) {
            return NGX_ERROR;
        }

        r->headers_out.last_modified = ngx_http_cargo_last_header(r);
        r->headers_out.last_modified_time = read->thing.modified;
    }

    return ngx_http_cargo_cache_control(r, read->private,
                                        NGX_HTTP_CARGO_ASK_AGAIN);
}


/* a document without a gzip form is the same for all */

static ngx_int_t
ngx_http_cargo_index_forms(ngx_http_request_t *r, ngx_http_cargo_read_t *read)
{
    ngx_str_t                  value;
#if (NGX_HTTP_GZIP)
    ngx_http_core_loc_conf_t  *clcf;
#endif

    if (!read->forms) {
        return NGX_OK;
    }

#if (NGX_HTTP_GZIP)

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    /* nginx would say it once more */

    if (clcf->gzip_vary) {
        r->gzip_vary = 1;

    } else
#endif
    {
        ngx_str_set(&value, "Accept-Encoding");

        if (ngx_http_cargo_add_header(r, "Vary", &value) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (!read->gzip || read->not_modified) {
        return NGX_OK;
    }

    ngx_str_set(&value, "gzip");

    if (ngx_http_cargo_add_header(r, "Content-Encoding", &value) != NGX_OK) {
        return NGX_ERROR;
    }

    r->headers_out.content_encoding = ngx_http_cargo_last_header(r);

    return NGX_OK;
}


static ngx_int_t
ngx_http_cargo_index_body(ngx_http_request_t *r, ngx_str_t *body)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t   out;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = body->data;
    b->last = body->data + body->len;
    b->memory = (body->len != 0);
    b->sync = (body->len == 0);
    b->last_buf = (r == r->main);
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}
