
#include "ngx_http_cargo.h"


/*
 * In a location that is a regular expression, the part that is ours is found
 * by its name.  With the API the first match counts, since a crate may be
 * called "api"; a crate's index path holds no "/index/", but what stands
 * before may.
 */

ngx_str_t
ngx_http_cargo_uri_after(ngx_http_request_t *r, const char *name,
    ngx_uint_t last)
{
    u_char                    *p, *end;
    size_t                     len;
    ngx_str_t                  rest, *prefix;
    ngx_http_core_loc_conf_t  *clcf;

    ngx_str_null(&rest);

    len = ngx_strlen(name);
    end = r->uri.data + r->uri.len;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);
    prefix = &clcf->name;

    if (prefix->len >= len
        && prefix->len <= r->uri.len
        && ngx_memcmp(prefix->data + prefix->len - len, name, len) == 0
        && ngx_memcmp(prefix->data, r->uri.data, prefix->len) == 0)
    {
        rest.data = r->uri.data + prefix->len;
        rest.len = end - rest.data;

        return rest;
    }

    for (p = r->uri.data; (size_t) (end - p) >= len; p++) {

        if (ngx_memcmp(p, name, len) == 0) {
            rest.data = p + len;
            rest.len = end - rest.data;

            if (!last) {
                break;
            }
        }
    }

    return rest;
}


ngx_uint_t
ngx_http_cargo_split(ngx_str_t path, ngx_str_t *segments, ngx_uint_t max)
{
    u_char      *p, *last, *slash;
    ngx_uint_t   n;

    n = 0;
    p = path.data;
    last = path.data + path.len;

    for ( ;; ) {
        if (n == max) {
            return max + 1;
        }

        slash = ngx_strlchr(p, last, '/');

        segments[n].data = p;
        segments[n].len = (slash ? slash : last) - p;
        n++;

        if (slash == NULL) {
            return n;
        }

        p = slash + 1;
    }
}


/* "a%2Fb" is no name, and must not become two segments */

ngx_uint_t
ngx_http_cargo_encoded_slash(ngx_http_request_t *r)
{
    u_char                *p, *last, *query;
    ngx_str_t             *uri;
    ngx_http_cargo_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);
    uri = (ctx && ctx->raw_uri.len) ? &ctx->raw_uri : &r->unparsed_uri;

    last = uri->data + uri->len;

    p = memchr(uri->data, '%', uri->len);
    if (p == NULL) {
        return 0;
    }

    query = memchr(uri->data, '?', uri->len);

    return ngx_strlcasestrn(p, query ? query : last, (u_char *) "%2f", 2)
           != NULL;
}
