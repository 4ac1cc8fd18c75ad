
#include "ngx_http_cargo.h"

#include <openssl/evp.h>


#define NGX_HTTP_CARGO_ETAG_LEN  32     /* hex digits of SHA-256, cut */

/*
 * Everybody may keep a copy and has to ask: cargo polls for the new version
 * right after a publish.
 */
#define NGX_HTTP_CARGO_INDEX_LIFETIME  "no-cache"

/* columns of cargo.index_config() and cargo.index_document() */
#define NGX_HTTP_CARGO_CONFIG_AUTH_REQUIRED    NGX_HTTP_CARGO_COLUMNS
#define NGX_HTTP_CARGO_DOCUMENT_MODIFIED       NGX_HTTP_CARGO_COLUMNS
#define NGX_HTTP_CARGO_DOCUMENT_AUTH_REQUIRED  (NGX_HTTP_CARGO_COLUMNS + 1)


static void ngx_http_cargo_index_config_answered(ngx_http_request_t *r,
    ngx_http_cargo_answer_t *answer);
static ngx_uint_t ngx_http_cargo_index_token_needed(ngx_http_request_t *r,
    ngx_uint_t auth_required);
static ngx_int_t ngx_http_cargo_index_document(ngx_http_request_t *r);
static void ngx_http_cargo_index_document_answered(ngx_http_request_t *r,
    ngx_http_cargo_answer_t *answer);
static ngx_int_t ngx_http_cargo_index_etag(ngx_http_request_t *r,
    ngx_str_t *document);


ngx_int_t
ngx_http_cargo_index_handler(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    rc = ngx_http_cargo_read_only(r);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_cargo_is_config(r)
         ? ngx_http_cargo_query(r, NGX_HTTP_CARGO_INDEX_CONFIG, NULL,
                                ngx_http_cargo_index_config_answered)
         : ngx_http_cargo_index_document(r);

    if (rc != NGX_OK) {
        return rc;
    }

    r->main->count++;

    return NGX_DONE;
}


ngx_uint_t
ngx_http_cargo_is_config(ngx_http_request_t *r)
{
    ngx_str_t  path;

    path = ngx_http_cargo_uri_after(r, "/index/", 1);

    return path.len == sizeof("config.json") - 1
           && ngx_strncmp(path.data, "config.json", path.len) == 0;
}


static void
ngx_http_cargo_index_config_answered(ngx_http_request_t *r,
    ngx_http_cargo_answer_t *answer)
{
    u_char                     *p;
    ngx_str_t                   body, url;
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
        ngx_http_cargo_refuse_answer(r, answer);
        return;
    }

    auth_required = ngx_http_cargo_answer_flag(answer,
                                       NGX_HTTP_CARGO_CONFIG_AUTH_REQUIRED);

    /* the host in it is the client's own word */

    url = ngx_http_cargo_escape_json(r->pool, &ctx->base_url);
    body.data = ngx_pnalloc(r->pool, 2 * url.len + 256);

    if (url.data == NULL || body.data == NULL
        || ngx_http_cargo_cache_control(r, auth_required,
                                        NGX_HTTP_CARGO_INDEX_LIFETIME)
           != NGX_OK)
    {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    p = ngx_sprintf(body.data,
                    "{\"dl\":\"%V/dl/{crate}/{sha256-checksum}/"
                    "{crate}-{version}.crate\",\"api\":\"%V\"%s}\n",
                    &url, &url,
                    ngx_http_cargo_index_token_needed(r, auth_required)
                    ? ",\"auth-required\":true" : "");
    body.len = p - body.data;

    ngx_http_cargo_send(r, "application/json", &body);
}


/*
 * Told so, cargo insists on a token of its own, and sends it: not needed by
 * those whom the URL or the connection lets in, but by those whom nginx lets
 * in for what they send as one.
 */

static ngx_uint_t
ngx_http_cargo_index_token_needed(ngx_http_request_t *r,
    ngx_uint_t auth_required)
{
    ngx_http_cargo_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);

    switch (ctx->caller->by) {

    case NGX_HTTP_CARGO_BY_URL:
        return 0;

    case NGX_HTTP_CARGO_BY_LOGIN:
        return auth_required && r->headers_in.authorization != NULL;

    default: /* NGX_HTTP_CARGO_BY_HEADER, NGX_HTTP_CARGO_NOBODY */
        return auth_required;
    }
}


static ngx_int_t
ngx_http_cargo_index_document(ngx_http_request_t *r)
{
    ngx_str_t              path, *params[1];
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

    /*
     * A path that names no crate is asked for with an empty name: whether
     * one may know that it is not there is decided where all such is.
     */

    params[0] = &ctx->crate;

    return ngx_http_cargo_query(r, NGX_HTTP_CARGO_INDEX_DOCUMENT, params,
                                ngx_http_cargo_index_document_answered);
}


static void
ngx_http_cargo_index_document_answered(ngx_http_request_t *r,
    ngx_http_cargo_answer_t *answer)
{
    ngx_str_t              modified;
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
        ngx_http_cargo_refuse_answer(r, answer);
        return;
    }

    modified = ngx_cargo_pg_field(answer->job,
                                  NGX_HTTP_CARGO_DOCUMENT_MODIFIED);
    auth_required = ngx_http_cargo_answer_flag(answer,
                                     NGX_HTTP_CARGO_DOCUMENT_AUTH_REQUIRED);

    if (ngx_http_cargo_index_etag(r, &answer->body) != NGX_OK
        || ngx_http_cargo_cache_control(r, auth_required,
                                        NGX_HTTP_CARGO_INDEX_LIFETIME)
           != NGX_OK)
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
