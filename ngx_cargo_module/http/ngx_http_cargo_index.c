
#include "ngx_http_cargo.h"

#include <openssl/evp.h>

#include "cargo_name.h"


#define NGX_HTTP_CARGO_ETAG_LEN  32     /* hex digits of SHA-256, cut */

/* columns of cargo.index_config() and cargo.index_document() */
#define NGX_HTTP_CARGO_CONFIG_AUTH_REQUIRED    2
#define NGX_HTTP_CARGO_DOCUMENT_MODIFIED       2
#define NGX_HTTP_CARGO_DOCUMENT_AUTH_REQUIRED  3


static ngx_int_t ngx_http_cargo_index_config(ngx_http_request_t *r);
static void ngx_http_cargo_index_config_answered(ngx_http_request_t *r,
    ngx_http_cargo_answer_t *answer);
static ngx_int_t ngx_http_cargo_index_document(ngx_http_request_t *r,
    ngx_str_t *path);
static void ngx_http_cargo_index_document_answered(ngx_http_request_t *r,
    ngx_http_cargo_answer_t *answer);
static ngx_int_t ngx_http_cargo_index_etag(ngx_http_request_t *r,
    ngx_str_t *document);
static ngx_int_t ngx_http_cargo_index_cache_control(ngx_http_request_t *r,
    ngx_uint_t auth_required);


ngx_int_t
ngx_http_cargo_index_handler(ngx_http_request_t *r)
{
    ngx_int_t  rc;
    ngx_str_t  path;

    rc = ngx_http_cargo_read_only(r);
    if (rc != NGX_OK) {
        return rc;
    }

    path = ngx_http_cargo_uri_after(r, "/index/", 1);

    if (path.len == sizeof("config.json") - 1
        && ngx_strncmp(path.data, "config.json", path.len) == 0)
    {
        rc = ngx_http_cargo_index_config(r);

    } else {
        rc = ngx_http_cargo_index_document(r, &path);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    r->main->count++;

    return NGX_DONE;
}


static ngx_int_t
ngx_http_cargo_index_config(ngx_http_request_t *r)
{
    ngx_str_t               *params[2];
    ngx_http_cargo_ctx_t    *ctx;
    ngx_http_cargo_token_t   token;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);

    if (ngx_http_cargo_token(r, &token) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    params[0] = &ctx->registry;
    params[1] = token.hash.len ? &token.hash : NULL;

    return ngx_http_cargo_query(r, NGX_HTTP_CARGO_INDEX_CONFIG, params,
                                ngx_http_cargo_index_config_answered);
}


static void
ngx_http_cargo_index_config_answered(ngx_http_request_t *r,
    ngx_http_cargo_answer_t *answer)
{
    u_char                     *p;
    size_t                      len;
    ngx_str_t                   body, url, private;
    ngx_uint_t                  auth_required;
    ngx_http_cargo_ctx_t       *ctx;
    ngx_http_cargo_loc_conf_t  *lcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);

    if (answer->status == NGX_HTTP_NOT_FOUND) {
        /* a name out of the URI is the client's mistake */
        lcf = ngx_http_get_module_loc_conf(r, ngx_http_cargo_module);

        ngx_log_error((lcf->registry->lengths ? NGX_LOG_INFO : NGX_LOG_ERR),
                      r->connection->log, 0,
                      "cargo: the database has no registry \"%V\"; see "
                      "\"cargoctl registry list\" and cargo_registry",
                      &ctx->registry);
    }

    if (answer->status != NGX_HTTP_OK) {
        ngx_http_finalize_request(r, ngx_http_cargo_refuse_text(r,
                                          answer->status, &answer->body));
        return;
    }

    private = ngx_cargo_pg_field(answer->job,
                                 NGX_HTTP_CARGO_CONFIG_AUTH_REQUIRED);
    auth_required = (private.len && private.data[0] == 't');

    /* the host in it is the client's own word */

    len = ctx->base_url.len
          + ngx_escape_json(NULL, ctx->base_url.data, ctx->base_url.len);

    url.data = ngx_pnalloc(r->pool, len + 1);
    body.data = ngx_pnalloc(r->pool, 2 * len + 256);

    if (url.data == NULL || body.data == NULL
        || ngx_http_cargo_index_cache_control(r, auth_required) != NGX_OK)
    {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    p = (u_char *) ngx_escape_json(url.data, ctx->base_url.data,
                                   ctx->base_url.len);
    url.len = p - url.data;

    p = ngx_sprintf(body.data,
                    "{\"dl\":\"%V/dl/{crate}/{sha256-checksum}/"
                    "{crate}-{version}.crate\",\"api\":\"%V\"%s}\n",
                    &url, &url,
                    auth_required ? ",\"auth-required\":true" : "");
    body.len = p - body.data;

    ngx_http_cargo_send(r, "application/json", &body);
}


static ngx_int_t
ngx_http_cargo_index_document(ngx_http_request_t *r, ngx_str_t *path)
{
    ngx_str_t               *params[3];
    cargo_str_t              index_path, name;
    cargo_error_t            error;
    ngx_http_cargo_ctx_t    *ctx;
    ngx_http_cargo_token_t   token;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);

    index_path.data = path->data;
    index_path.len = path->len;

    if (!ngx_http_cargo_encoded_slash(r)
        && cargo_name_of_index_path(index_path, &name, &error) == CARGO_OK)
    {
        ctx->crate.data = name.data;
        ctx->crate.len = name.len;
    }

    /*
     * A path that names no crate is asked for with an empty name: whether
     * one may know that it is not there is decided where all such is.
     */

    if (ngx_http_cargo_token(r, &token) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    params[0] = &ctx->registry;
    params[1] = token.hash.len ? &token.hash : NULL;
    params[2] = &ctx->crate;

    return ngx_http_cargo_query(r, NGX_HTTP_CARGO_INDEX_DOCUMENT, params,
                                ngx_http_cargo_index_document_answered);
}


static void
ngx_http_cargo_index_document_answered(ngx_http_request_t *r,
    ngx_http_cargo_answer_t *answer)
{
    ngx_str_t              modified, private;
    ngx_uint_t             auth_required;
    ngx_http_cargo_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);

    if (answer->status == NGX_HTTP_NOT_FOUND && ctx->crate.len == 0) {
        ngx_http_finalize_request(r, ngx_http_cargo_refuse(r,
                           NGX_HTTP_NOT_FOUND,
                           "no crate's index document has this path"));
        return;
    }

    if (answer->status != NGX_HTTP_OK) {
        ngx_http_finalize_request(r, ngx_http_cargo_refuse_text(r,
                                          answer->status, &answer->body));
        return;
    }

    modified = ngx_cargo_pg_field(answer->job,
                                  NGX_HTTP_CARGO_DOCUMENT_MODIFIED);
    private = ngx_cargo_pg_field(answer->job,
                                 NGX_HTTP_CARGO_DOCUMENT_AUTH_REQUIRED);
    auth_required = (private.len && private.data[0] == 't');

    if (ngx_http_cargo_index_etag(r, &answer->body) != NGX_OK
        || ngx_http_cargo_index_cache_control(r, auth_required) != NGX_OK)
    {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    r->headers_out.last_modified_time = ngx_atotm(modified.data,
                                                  modified.len);

    /* with both validators the tag decides (RFC 9110, 13.2.2) */

    if (r->headers_in.if_none_match) {
        r->headers_in.if_modified_since = NULL;
    }

    ngx_http_cargo_send(r, "text/plain", &answer->body);
}


static ngx_int_t
ngx_http_cargo_index_etag(ngx_http_request_t *r, ngx_str_t *document)
{
    u_char     hash[EVP_MAX_MD_SIZE], hex[NGX_HTTP_CARGO_ETAG_LEN];
    ngx_str_t  tag;

    if (EVP_Digest(document->data, document->len, hash, NULL, EVP_sha256(),
                   NULL)
        != 1)
    {
        return NGX_ERROR;
    }

    tag.data = hex;
    tag.len = ngx_hex_dump(hex, hash, NGX_HTTP_CARGO_ETAG_LEN / 2) - hex;

    return ngx_http_cargo_set_etag(r, &tag);
}


/*
 * "no-cache" lets everybody keep a copy and makes everybody ask: cargo polls
 * for the new version right after a publish.
 */

static ngx_int_t
ngx_http_cargo_index_cache_control(ngx_http_request_t *r,
    ngx_uint_t auth_required)
{
    ngx_str_t  value;

    if (!auth_required) {
        ngx_str_set(&value, "public, no-cache");
        return ngx_http_cargo_add_header(r, "Cache-Control", &value);
    }

    ngx_str_set(&value, "private, no-cache");

    if (ngx_http_cargo_add_header(r, "Cache-Control", &value) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_str_set(&value, "Authorization");

    return ngx_http_cargo_add_header(r, "Vary", &value);
}
