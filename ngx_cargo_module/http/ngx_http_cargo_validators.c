
#include "ngx_http_cargo.h"


/*
 * If-None-Match, or without it If-Modified-Since, judged before the document
 * is touched.  A tag stands for either form of it: "..." and "...-gzip", weak
 * or not.  If-Match and If-Unmodified-Since are left to nginx.
 */


#define NGX_HTTP_CARGO_GZIP_SUFFIX  "-gzip"


static ngx_uint_t ngx_http_cargo_none_match(ngx_str_t *list, ngx_str_t *tag,
    ngx_uint_t *gzip);
static u_char *ngx_http_cargo_next_tag(u_char *p, u_char *last,
    ngx_str_t *tag);
static ngx_uint_t ngx_http_cargo_not_since(ngx_http_request_t *r,
    time_t modified);


ngx_uint_t
ngx_http_cargo_conditional(ngx_http_request_t *r)
{
    return (r->headers_in.if_none_match || r->headers_in.if_modified_since)
           && r->headers_in.if_match == NULL
           && r->headers_in.if_unmodified_since == NULL;
}


ngx_uint_t
ngx_http_cargo_not_modified(ngx_http_request_t *r, ngx_str_t *tag,
    time_t modified, ngx_uint_t *gzip)
{
    if (!ngx_http_cargo_conditional(r)) {
        return 0;
    }

    if (r->headers_in.if_none_match) {
        return ngx_http_cargo_none_match(&r->headers_in.if_none_match->value,
                                         tag, gzip);
    }

    return ngx_http_cargo_not_since(r, modified);
}


ngx_uint_t
ngx_http_cargo_takes_gzip(ngx_http_request_t *r)
{
#if (NGX_HTTP_GZIP)

    if (r->headers_in.accept_encoding == NULL) {
        return 0;
    }

    return r->gzip_tested ? r->gzip_ok : ngx_http_gzip_ok(r) == NGX_OK;

#else

    return 0;

#endif
}


static ngx_uint_t
ngx_http_cargo_none_match(ngx_str_t *list, ngx_str_t *tag, ngx_uint_t *gzip)
{
    size_t      suffix;
    u_char     *p, *last;
    ngx_str_t   given;

    p = list->data;
    last = p + list->len;
    suffix = sizeof(NGX_HTTP_CARGO_GZIP_SUFFIX) - 1;

    if (list->len == 1 && *p == '*') {
        return 1;
    }

    /* what cargo sends, most likely: the tag, as it got it */

    if (list->len == tag->len + 2
        && *p == '"'
        && last[-1] == '"'
        && ngx_memcmp(p + 1, tag->data, tag->len) == 0)
    {
        *gzip = 0;
        return 1;
    }

    while ((p = ngx_http_cargo_next_tag(p, last, &given))) {

        if (given.len < tag->len
            || ngx_memcmp(given.data, tag->data, tag->len) != 0)
        {
            continue;
        }

        if (given.len == tag->len) {
            *gzip = 0;
            return 1;
        }

        if (given.len == tag->len + suffix
            && ngx_memcmp(given.data + tag->len, NGX_HTTP_CARGO_GZIP_SUFFIX,
                          suffix)
               == 0)
        {
            *gzip = 1;
            return 1;
        }
    }

    return 0;
}


/* what stands between quotes; NULL when there is no more, or no list */

static u_char *
ngx_http_cargo_next_tag(u_char *p, u_char *last, ngx_str_t *tag)
{
    while (p < last && (*p == ' ' || *p == ',' || *p == '\t')) {
        p++;
    }

    if (last - p > 2 && p[0] == 'W' && p[1] == '/') {
        p += 2;
    }

    if (p == last || *p != '"') {
        return NULL;
    }

    tag->data = ++p;

    p = ngx_strlchr(p, last, '"');
    if (p == NULL) {
        return NULL;
    }

    tag->len = p - tag->data;

    return p + 1;
}


/* as "if_modified_since" has it, like nginx's own files */

static ngx_uint_t
ngx_http_cargo_not_since(ngx_http_request_t *r, time_t modified)
{
    time_t                     since;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (clcf->if_modified_since == NGX_HTTP_IMS_OFF) {
        return 0;
    }

    since = ngx_parse_http_time(r->headers_in.if_modified_since->value.data,
                                r->headers_in.if_modified_since->value.len);

    return since == modified
           || (clcf->if_modified_since == NGX_HTTP_IMS_BEFORE
               && since > modified);
}
