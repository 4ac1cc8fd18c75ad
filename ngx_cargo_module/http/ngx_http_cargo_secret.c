
#include "ngx_http_cargo.h"


/*
 * A token in the URI, of cargo_token, is the only one that nginx would log.
 * It is taken out of what $request, $request_uri and the error log show;
 * r->uri and r->args stay, since they are what the request is for.
 */


#define NGX_HTTP_CARGO_MASK        "ngxcargo_***"

/* shorter texts are no secrets, and stand everywhere by chance */
#define NGX_HTTP_CARGO_SECRET_MIN  8

#define ngx_http_cargo_of_token(c)                                            \
    (((c) >= '0' && (c) <= '9') || (c) == '_'                                 \
     || (((c) | 0x20) >= 'a' && ((c) | 0x20) <= 'z'))


static ngx_int_t ngx_http_cargo_mask_tokens(ngx_http_request_t *r,
    ngx_str_t *text);
static ngx_int_t ngx_http_cargo_mask_request(ngx_http_request_t *r,
    ngx_str_t *secret);
static ngx_uint_t ngx_http_cargo_shows(ngx_http_request_t *r,
    ngx_str_t *secret, ngx_str_t *uri);
static ngx_uint_t ngx_http_cargo_within(ngx_str_t *part, ngx_str_t *whole);
static void ngx_http_cargo_forget(ngx_http_request_t *r, ngx_int_t variable);
static u_char *ngx_http_cargo_find(u_char *p, u_char *last,
    ngx_str_t *secret);


static ngx_str_t  ngx_http_cargo_prefix = ngx_string(CARGO_TOKEN_PREFIX);


ngx_int_t
ngx_http_cargo_secret_handler(ngx_http_request_t *r)
{
    ngx_str_t                   secret;
    ngx_http_cargo_ctx_t       *ctx;
    ngx_http_cargo_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_cargo_module);
    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);

    if (r != r->main) {
        return NGX_DECLINED;
    }

    if (ctx) {
        /* of another location that was rewritten into this one */
        ctx->secret.len = 0;
    }

    if (lcf->token == NULL) {
        return NGX_DECLINED;
    }

    if (ngx_http_complex_value(r, lcf->token, &secret) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (secret.len == 0) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_cargo_make_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->secret = secret;

    if (ctx->raw_uri.len == 0) {
        ctx->raw_uri = r->unparsed_uri;
    }

    return ngx_http_cargo_mask_request(r, &secret) == NGX_OK
           ? NGX_DECLINED : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


/*
 * nginx may refuse the request before it has chosen a location, and say so in
 * the error log.  What a redirect is made of is left alone.
 */

ngx_int_t
ngx_http_cargo_secret_early_handler(ngx_http_request_t *r)
{
    return ngx_http_cargo_mask_tokens(r, &r->request_line) == NGX_OK
           ? NGX_DECLINED : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


ngx_int_t
ngx_http_cargo_secret_log_handler(ngx_http_request_t *r)
{
    u_char                      *line;
    ngx_str_t                   *uri;
    ngx_http_cargo_main_conf_t  *mcf;

    uri = &r->unparsed_uri;
    line = r->request_line.data;

    if (ngx_http_cargo_mask_tokens(r, &r->request_line) != NGX_OK
        || ((r->request_line.data != line
             || !ngx_http_cargo_within(uri, &r->request_line))
            && ngx_http_cargo_mask_tokens(r, uri) != NGX_OK))
    {
        ngx_str_null(&r->request_line);
        ngx_str_null(&r->unparsed_uri);
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_cargo_module);

    ngx_http_cargo_forget(r, mcf->request_variable);
    ngx_http_cargo_forget(r, mcf->request_uri_variable);

    return NGX_OK;
}


ngx_int_t
ngx_http_cargo_mask(ngx_http_request_t *r, ngx_str_t *secret, ngx_str_t *text)
{
    u_char      *p, *last, *found, *dst;
    ngx_str_t    masked;
    ngx_uint_t   n;

    last = text->data + text->len;
    n = 0;

    for (p = text->data; /* void */ ; p = found + secret->len) {
        found = ngx_http_cargo_find(p, last, secret);
        if (found == NULL) {
            break;
        }

        n++;
    }

    if (n == 0) {
        return NGX_OK;
    }

    masked.data = ngx_pnalloc(r->pool, text->len
                                       + n * (sizeof(NGX_HTTP_CARGO_MASK) - 1));
    if (masked.data == NULL) {
        return NGX_ERROR;
    }

    dst = masked.data;

    for (p = text->data; n; n--) {
        found = ngx_http_cargo_find(p, last, secret);

        dst = ngx_cpymem(dst, p, found - p);
        dst = ngx_cpymem(dst, NGX_HTTP_CARGO_MASK,
                         sizeof(NGX_HTTP_CARGO_MASK) - 1);

        p = found + secret->len;
    }

    dst = ngx_cpymem(dst, p, last - p);
    masked.len = dst - masked.data;

    *text = masked;

    return NGX_OK;
}


/* what looks like a token is taken for one, and two in a row for one too */

static ngx_int_t
ngx_http_cargo_mask_tokens(ngx_http_request_t *r, ngx_str_t *text)
{
    u_char     *p, *last, *found, *dst;
    ngx_str_t   masked;

    p = text->data;
    last = p + text->len;

    if (ngx_http_cargo_find(p, last, &ngx_http_cargo_prefix) == NULL) {
        return NGX_OK;
    }

    /* a prefix and a letter more are not much shorter than the mask */

    masked.data = ngx_pnalloc(r->pool, 2 * text->len);
    if (masked.data == NULL) {
        return NGX_ERROR;
    }

    dst = masked.data;

    while ((found = ngx_http_cargo_find(p, last, &ngx_http_cargo_prefix))) {

        dst = ngx_cpymem(dst, p, found - p);
        p = found + ngx_http_cargo_prefix.len;

        if (p == last || !ngx_http_cargo_of_token(*p)) {
            dst = ngx_cpymem(dst, found, p - found);
            continue;
        }

        dst = ngx_cpymem(dst, NGX_HTTP_CARGO_MASK,
                         sizeof(NGX_HTTP_CARGO_MASK) - 1);

        while (p < last && ngx_http_cargo_of_token(*p)) {
            p++;
        }
    }

    dst = ngx_cpymem(dst, p, last - p);

    masked.len = dst - masked.data;
    *text = masked;

    return NGX_OK;
}


static ngx_int_t
ngx_http_cargo_mask_request(ngx_http_request_t *r, ngx_str_t *secret)
{
    u_char                      *p;
    ngx_str_t                    uri;
    ngx_http_cargo_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_cargo_module);
    uri = r->unparsed_uri;

    if (ngx_http_cargo_mask(r, secret, &uri) != NGX_OK) {
        return NGX_ERROR;
    }

    if (uri.data == r->unparsed_uri.data
        || ngx_http_cargo_shows(r, secret, &uri))
    {
        /* percent-encoded, in whole or in part */
        ngx_str_set(&uri, "/" NGX_HTTP_CARGO_MASK);
    }

    p = ngx_pnalloc(r->pool, r->method_name.len + uri.len
                             + r->http_protocol.len + 2);
    if (p == NULL) {
        return NGX_ERROR;
    }

    r->unparsed_uri = uri;

    r->request_line.data = p;
    r->request_line.len = ngx_sprintf(p, "%V %V %V", &r->method_name, &uri,
                                      &r->http_protocol)
                          - p;

    /* a map or a condition may have asked for them already */

    ngx_http_cargo_forget(r, mcf->request_variable);
    ngx_http_cargo_forget(r, mcf->request_uri_variable);

    return NGX_OK;
}


static ngx_uint_t
ngx_http_cargo_shows(ngx_http_request_t *r, ngx_str_t *secret, ngx_str_t *uri)
{
    u_char  *text, *src, *dst;

    text = ngx_pnalloc(r->pool, uri->len);
    if (text == NULL) {
        return 1;
    }

    src = uri->data;
    dst = text;
    ngx_unescape_uri(&dst, &src, uri->len, 0);

    return ngx_http_cargo_find(text, dst, secret) != NULL;
}


/* what is a part of what was looked through need not be looked through */

static ngx_uint_t
ngx_http_cargo_within(ngx_str_t *part, ngx_str_t *whole)
{
    return part->data >= whole->data
           && part->data + part->len <= whole->data + whole->len;
}


static void
ngx_http_cargo_forget(ngx_http_request_t *r, ngx_int_t variable)
{
    r->variables[variable].valid = 0;
    r->variables[variable].not_found = 0;
}


static u_char *
ngx_http_cargo_find(u_char *p, u_char *last, ngx_str_t *secret)
{
    size_t  n;

    if (secret->len < NGX_HTTP_CARGO_SECRET_MIN) {
        return NULL;
    }

    /*
     * Not memmem(): it prepares itself for longer texts than these.  By the
     * last byte, since that of a token's prefix is the rarest of it.
     */

    n = secret->len - 1;

    while ((size_t) (last - p) > n) {
        p = memchr(p + n, secret->data[n], last - p - n);

        if (p == NULL) {
            return NULL;
        }

        p -= n;

        if (ngx_memcmp(p, secret->data, n) == 0) {
            return p;
        }

        p++;
    }

    return NULL;
}
