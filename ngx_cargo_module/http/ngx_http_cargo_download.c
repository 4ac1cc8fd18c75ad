
#include "ngx_http_cargo.h"


/* a name with the checksum in it never changes what it means */
static ngx_int_t ngx_http_cargo_download_api(ngx_http_request_t *r,
    ngx_http_cargo_ctx_t *ctx);
static ngx_int_t ngx_http_cargo_download_file(ngx_http_request_t *r,
    ngx_http_cargo_ctx_t *ctx);
static ngx_uint_t ngx_http_cargo_hex(ngx_str_t *text);
static ngx_int_t ngx_http_cargo_download_read(ngx_http_request_t *r,
    ngx_http_cargo_ctx_t *ctx);
static void ngx_http_cargo_download_answered(ngx_http_request_t *r);
static ngx_int_t ngx_http_cargo_download_status(ngx_http_request_t *r,
    ngx_http_cargo_ctx_t *ctx);
static ngx_int_t ngx_http_cargo_download_static(ngx_http_request_t *r,
    ngx_http_cargo_ctx_t *ctx);
static ngx_int_t ngx_http_cargo_download_header_filter(
    ngx_http_request_t *r);


static ngx_str_t  ngx_http_cargo_blob_root = ngx_string("$cargo_blob");


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;


/*
 * In the pre-content phase, not in the access phase: there "satisfy any"
 * could let a request past the token.
 */

ngx_int_t
ngx_http_cargo_download_handler(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    ngx_http_cargo_ctx_t       *ctx;
    ngx_http_cargo_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_cargo_module);

    if (lcf->endpoint != NGX_HTTP_CARGO_DOWNLOAD
        && lcf->endpoint != NGX_HTTP_CARGO_API)
    {
        return NGX_DECLINED;
    }

    ctx = ngx_http_cargo_named_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->read.flight) {
        return NGX_AGAIN;
    }

    if (ctx->download_status) {
        return (ctx->download_status == NGX_HTTP_OK) ? NGX_DECLINED
                                                     : ctx->download_status;
    }

    rc = (lcf->endpoint == NGX_HTTP_CARGO_API)
         ? ngx_http_cargo_download_api(r, ctx)
         : ngx_http_cargo_download_file(r, ctx);

    return rc == NGX_OK ? ngx_http_cargo_download_read(r, ctx) : rc;
}


ngx_int_t
ngx_http_cargo_download_url(ngx_http_request_t *r)
{
    u_char                *p;
    ngx_int_t              rc;
    ngx_str_t              path, value;
    ngx_http_cargo_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    p = ngx_pnalloc(r->pool, sizeof("/dl///-.crate") + 2 * ctx->crate.len
                             + ctx->checksum.len + ctx->version.len);
    ngx_str_set(&value, "Accept");

    if (p == NULL
        || ngx_http_cargo_add_header(r, "Vary", &value) != NGX_OK
        || ngx_http_cargo_cache_control(r, ctx->read.private,
                                        NGX_HTTP_CARGO_ASK_AGAIN)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    path.data = p;
    path.len = ngx_sprintf(p, "/dl/%V/%V/%V-%V.crate", &ctx->crate,
                           &ctx->checksum, &ctx->crate, &ctx->version)
               - p;

    r->main->count++;
    ngx_http_cargo_send_url(r, &path);

    return NGX_DONE;
}


/* /api/v1/crates/{crate}/{version}/download; the rest is the API's handler's */

static ngx_int_t
ngx_http_cargo_download_api(ngx_http_request_t *r, ngx_http_cargo_ctx_t *ctx)
{
    ngx_str_t   path, segments[4];
    ngx_uint_t  n;

    path = ngx_http_cargo_uri_after(r, "/api/v1/", 0);
    n = ngx_http_cargo_split(path, segments, 4);

    if (n != 4
        || ngx_http_cargo_encoded_slash(r)
        || segments[0].len != sizeof("crates") - 1
        || ngx_strncmp(segments[0].data, "crates", segments[0].len) != 0
        || segments[3].len != sizeof("download") - 1
        || ngx_strncmp(segments[3].data, "download", segments[3].len) != 0)
    {
        return NGX_DECLINED;
    }

    ctx->crate = segments[1];
    ctx->version = segments[2];

    return NGX_OK;
}


/* {crate}/{sha256}/{crate}-{version}.crate, as config.json says */

static ngx_int_t
ngx_http_cargo_download_file(ngx_http_request_t *r,
    ngx_http_cargo_ctx_t *ctx)
{
    ngx_str_t    path, segments[4], *crate, *checksum, *file;
    ngx_uint_t   n, skip;

    path = ngx_http_cargo_uri_after(r, "/dl/", 0);
    n = ngx_http_cargo_split(path, segments, 4);

    /* the first "/dl/" may be a registry of this name */
    skip = (n == 4 && segments[0].len == 2
            && ngx_strncmp(segments[0].data, "dl", 2) == 0);

    crate = &segments[skip];
    checksum = crate + 1;
    file = crate + 2;

    if (n - skip != 3
        || ngx_http_cargo_encoded_slash(r)
        || crate->len == 0
        || checksum->len != NGX_CARGO_BLOB_HEX
        || file->len < crate->len + sizeof("-.crate") - 1
        || ngx_strncmp(file->data, crate->data, crate->len) != 0
        || file->data[crate->len] != '-'
        || ngx_strncmp(file->data + file->len - 6, ".crate", 6) != 0
        || !ngx_http_cargo_hex(checksum))
    {
        return ngx_http_cargo_refuse(r, NGX_HTTP_NOT_FOUND,
                                     "no crate has this path");
    }

    ctx->checksum = *checksum;
    ctx->crate = *crate;
    ctx->version.data = file->data + crate->len + 1;
    ctx->version.len = file->len - crate->len - (sizeof("-.crate") - 1);

    return NGX_OK;
}


static ngx_uint_t
ngx_http_cargo_hex(ngx_str_t *text)
{
    u_char  ch;
    size_t  i;

    for (i = 0; i < text->len; i++) {
        ch = text->data[i] | 0x20;

        if (!((text->data[i] >= '0' && text->data[i] <= '9')
              || (ch >= 'a' && ch <= 'f')))
        {
            return 0;
        }
    }

    return 1;
}


static ngx_int_t
ngx_http_cargo_download_read(ngx_http_request_t *r, ngx_http_cargo_ctx_t *ctx)
{
    ngx_int_t  rc;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return ngx_http_cargo_not_allowed(r, NGX_HTTP_GET);
    }

    rc = ngx_http_cargo_check_crate(r, &ctx->crate);

    if (rc == NGX_OK) {
        rc = ngx_http_cargo_check_version(r, &ctx->crate, &ctx->version);
    }

    if (rc != NGX_OK) {
        ctx->crate.len = 0;
        ctx->version.len = 0;

        return rc;
    }

    rc = ngx_http_cargo_read(r, NGX_HTTP_CARGO_READ_FILE,
                             ngx_http_cargo_download_answered);

    if (rc != NGX_OK) {
        return rc;
    }

    ctx->download_status = ngx_http_cargo_download_status(r, ctx);

    return (ctx->download_status == NGX_HTTP_OK) ? NGX_DECLINED
                                                 : ctx->download_status;
}


static void
ngx_http_cargo_download_answered(ngx_http_request_t *r)
{
    ngx_http_cargo_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);

    ctx->download_status = ngx_http_cargo_download_status(r, ctx);

    r->write_event_handler = ngx_http_core_run_phases;
    ngx_http_core_run_phases(r);
}


static ngx_int_t
ngx_http_cargo_download_status(ngx_http_request_t *r,
    ngx_http_cargo_ctx_t *ctx)
{
    ngx_http_cargo_read_t      *read;
    ngx_http_cargo_loc_conf_t  *lcf;

    read = &ctx->read;

    if (read->status != NGX_HTTP_OK) {
        return ngx_http_cargo_refuse_text(r, read->status, &read->sentence);
    }

    if (ctx->checksum.len
        && ngx_strncasecmp(ctx->checksum.data, read->thing.checksum,
                           NGX_CARGO_BLOB_HEX)
           != 0)
    {
        return ngx_http_cargo_refuse(r, NGX_HTTP_NOT_FOUND,
                                     "crate `%V` version `%V` does not have "
                                     "the checksum `%V`", &ctx->crate,
                                     &ctx->version, &ctx->checksum);
    }

    ctx->checksum.data = read->thing.checksum;
    ctx->checksum.len = NGX_CARGO_BLOB_HEX;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_cargo_module);

    if (lcf->endpoint == NGX_HTTP_CARGO_API && ngx_http_cargo_accepts_json(r))
    {
        /* the API's handler sends the URL */
        return NGX_HTTP_OK;
    }

    ctx->version_id = read->thing.version_id;

    return ngx_http_cargo_download_static(r, ctx) == NGX_OK
           ? NGX_HTTP_OK : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


/*
 * From here on the request is the static handler's: with the file's path in
 * $cargo_blob, our content type and tag, and never compressed, since cargo
 * hashes what it has decoded.
 */

static ngx_int_t
ngx_http_cargo_download_static(ngx_http_request_t *r,
    ngx_http_cargo_ctx_t *ctx)
{
    u_char                     *p;
    ngx_http_cargo_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_cargo_module);

    p = ngx_pnalloc(r->pool, lcf->blobs.len + NGX_CARGO_BLOB_NAME_LEN);

    if (p == NULL || ngx_http_cargo_set_etag(r, &ctx->checksum, "") != NGX_OK) {
        return NGX_ERROR;
    }

    ctx->blob.data = p;
    p = ngx_cpymem(p, lcf->blobs.data, lcf->blobs.len);
    p = ngx_cargo_blob_name(p, (char *) ctx->checksum.data);
    ctx->blob.len = p - ctx->blob.data;

    r->content_handler = NULL;

    /* our "alias" does not depend on the URI, so it may be a rewritten one */
    r->valid_location = 1;

    ngx_str_set(&r->headers_out.content_type, "application/gzip");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

#if (NGX_HTTP_GZIP)
    r->gzip_tested = 1;
    r->gzip_ok = 0;

    /* gzip_static does not look at these two but at the header */
    r->headers_in.accept_encoding = NULL;
#endif

    /* with both validators the tag decides (RFC 9110, 13.2.2) */

    if (r->headers_in.if_none_match) {
        r->headers_in.if_modified_since = NULL;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_cargo_download_init(ngx_conf_t *cf)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_cargo_download_header_filter;

    return NGX_OK;
}


static ngx_int_t
ngx_http_cargo_download_header_filter(ngx_http_request_t *r)
{
    ngx_str_t                   value;
    ngx_http_cargo_ctx_t       *ctx;
    ngx_http_cargo_loc_conf_t  *lcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);

    if (ctx == NULL
        || ctx->blob.len == 0
        || r->headers_out.status >= NGX_HTTP_BAD_REQUEST)
    {
        return ngx_http_next_header_filter(r);
    }

    if (ngx_http_cargo_cache_control(r, ctx->read.private,
                                     NGX_HTTP_CARGO_IMMUTABLE)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_cargo_module);
    ngx_str_set(&value, "Accept");

    if (lcf->endpoint == NGX_HTTP_CARGO_API
        && ngx_http_cargo_add_header(r, "Vary", &value) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_next_header_filter(r);
}


/* counts what was sent whole, or from its beginning */

ngx_int_t
ngx_http_cargo_download_log_handler(ngx_http_request_t *r)
{
    ngx_http_cargo_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);

    if (ctx == NULL
        || ctx->version_id == 0
        || r->method != NGX_HTTP_GET
        || !r->request_complete)
    {
        return NGX_OK;
    }

    if (r->headers_out.status == NGX_HTTP_OK
        || (r->headers_out.status == NGX_HTTP_PARTIAL_CONTENT
            && r->headers_in.range
            && ngx_strncmp(r->headers_in.range->value.data, "bytes=0-",
                           sizeof("bytes=0-") - 1)
               == 0))
    {
        ngx_http_cargo_count(ctx->version_id);
    }

    return NGX_OK;
}


char *
ngx_http_cargo_download_root(ngx_conf_t *cf, ngx_http_core_loc_conf_t *clcf)
{
    ngx_http_script_compile_t  sc;

    if (clcf->root.data) {
        return "cannot be used together with \"root\" or \"alias\": the "
               "files come from \"cargo_blobs\"";
    }

    /* as "alias" with a variable in a location that is a regular expression */

    clcf->root = ngx_http_cargo_blob_root;
    clcf->alias = NGX_MAX_SIZE_T_VALUE;

    ngx_memzero(&sc, sizeof(ngx_http_script_compile_t));

    sc.cf = cf;
    sc.source = &clcf->root;
    sc.lengths = &clcf->root_lengths;
    sc.values = &clcf->root_values;
    sc.variables = 1;
    sc.complete_lengths = 1;
    sc.complete_values = 1;

    /* "etag off": the tag is the checksum */
    clcf->etag = 0;

    return ngx_http_script_compile(&sc) == NGX_OK ? NGX_CONF_OK
                                                  : NGX_CONF_ERROR;
}
