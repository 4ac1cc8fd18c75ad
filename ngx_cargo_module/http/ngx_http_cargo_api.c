
#include "ngx_http_cargo.h"

#include "cargo_name.h"
#include "cargo_semver.h"


static ngx_uint_t ngx_http_cargo_route_matches(ngx_http_cargo_route_t *route,
    ngx_str_t *segments, ngx_uint_t n);
static ngx_int_t ngx_http_cargo_route(ngx_http_request_t *r,
    ngx_http_cargo_route_t *route, ngx_str_t *segments);


static ngx_http_cargo_route_t  ngx_http_cargo_routes[] = {

    { NGX_HTTP_PUT, 2, { "crates", "new" },
      "GET, HEAD, PUT", ngx_http_cargo_publish, NGX_HTTP_CARGO_PUBLISH },

    { NGX_HTTP_DELETE, 4, { "crates", "{crate}", "{version}", "yank" },
      "DELETE", ngx_http_cargo_call, NGX_HTTP_CARGO_YANK },

    { NGX_HTTP_PUT, 4, { "crates", "{crate}", "{version}", "unyank" },
      "PUT", ngx_http_cargo_call, NGX_HTTP_CARGO_YANK },

    { NGX_HTTP_GET, 1, { "crates" },
      "GET, HEAD", ngx_http_cargo_call, NGX_HTTP_CARGO_SEARCH_CRATES },

    { NGX_HTTP_GET, 3, { "crates", "{crate}", "owners" },
      "GET, HEAD, PUT, DELETE", ngx_http_cargo_call,
      NGX_HTTP_CARGO_LIST_OWNERS },

    { NGX_HTTP_PUT, 3, { "crates", "{crate}", "owners" },
      "GET, HEAD, PUT, DELETE", ngx_http_cargo_call,
      NGX_HTTP_CARGO_ADD_OWNERS },

    { NGX_HTTP_DELETE, 3, { "crates", "{crate}", "owners" },
      "GET, HEAD, PUT, DELETE", ngx_http_cargo_call,
      NGX_HTTP_CARGO_REMOVE_OWNERS },

    { NGX_HTTP_GET, 2, { "crates", "{crate}" },
      "GET, HEAD", ngx_http_cargo_call, NGX_HTTP_CARGO_SHOW_CRATE },

    { NGX_HTTP_GET, 3, { "crates", "{crate}", "versions" },
      "GET, HEAD", ngx_http_cargo_call, NGX_HTTP_CARGO_SHOW_CRATE },

    { NGX_HTTP_GET, 3, { "crates", "{crate}", "downloads" },
      "GET, HEAD", ngx_http_cargo_call, NGX_HTTP_CARGO_SHOW_CRATE },

    { NGX_HTTP_GET, 3, { "crates", "{crate}", "reverse_dependencies" },
      "GET, HEAD", ngx_http_cargo_call, NGX_HTTP_CARGO_SHOW_CRATE },

    { NGX_HTTP_GET, 3, { "crates", "{crate}", "owner_team" },
      "GET, HEAD", ngx_http_cargo_call, NGX_HTTP_CARGO_SHOW_CRATE },

    { NGX_HTTP_GET, 3, { "crates", "{crate}", "owner_user" },
      "GET, HEAD", ngx_http_cargo_call, NGX_HTTP_CARGO_LIST_OWNERS },

    { NGX_HTTP_GET, 3, { "crates", "{crate}", "{version}" },
      "GET, HEAD", ngx_http_cargo_call, NGX_HTTP_CARGO_SHOW_VERSION },

    { NGX_HTTP_GET, 4, { "crates", "{crate}", "{version}", "dependencies" },
      "GET, HEAD", ngx_http_cargo_call, NGX_HTTP_CARGO_SHOW_VERSION },

    { NGX_HTTP_GET, 4, { "crates", "{crate}", "{version}", "downloads" },
      "GET, HEAD", ngx_http_cargo_call, NGX_HTTP_CARGO_SHOW_VERSION },

    { NGX_HTTP_GET, 4, { "crates", "{crate}", "{version}", "authors" },
      "GET, HEAD", ngx_http_cargo_call, NGX_HTTP_CARGO_SHOW_VERSION },

    { NGX_HTTP_GET, 4, { "crates", "{crate}", "{version}", "readme" },
      "GET, HEAD", ngx_http_cargo_call, NGX_HTTP_CARGO_README },

    { NGX_HTTP_GET, 1, { "summary" },
      "GET, HEAD", ngx_http_cargo_call, NGX_HTTP_CARGO_SHOW_REGISTRY },

    { NGX_HTTP_GET, 1, { "keywords" },
      "GET, HEAD", ngx_http_cargo_call, NGX_HTTP_CARGO_SHOW_REGISTRY },

    { NGX_HTTP_GET, 2, { "keywords", "{name}" },
      "GET, HEAD", ngx_http_cargo_call, NGX_HTTP_CARGO_SHOW_REGISTRY },

    { NGX_HTTP_GET, 1, { "categories" },
      "GET, HEAD", ngx_http_cargo_call, NGX_HTTP_CARGO_SHOW_REGISTRY },

    { NGX_HTTP_GET, 2, { "categories", "{name}" },
      "GET, HEAD", ngx_http_cargo_call, NGX_HTTP_CARGO_SHOW_REGISTRY },

    { NGX_HTTP_GET, 1, { "category_slugs" },
      "GET, HEAD", ngx_http_cargo_call, NGX_HTTP_CARGO_SHOW_REGISTRY },

    { NGX_HTTP_GET, 2, { "users", "{name}" },
      "GET, HEAD", ngx_http_cargo_call, NGX_HTTP_CARGO_SHOW_REGISTRY },

    { NGX_HTTP_GET, 1, { "site_metadata" },
      "GET, HEAD", ngx_http_cargo_call, NGX_HTTP_CARGO_SHOW_REGISTRY },

    { NGX_HTTP_GET, 1, { "me" },
      "GET, HEAD", ngx_http_cargo_call, NGX_HTTP_CARGO_SHOW_ME },

    { 0, 0, { NULL }, NULL, NULL, 0 }
};

ngx_int_t
ngx_http_cargo_api_handler(ngx_http_request_t *r)
{
    ngx_str_t                path, segments[NGX_HTTP_CARGO_SEGMENTS];
    ngx_uint_t               n, method;
    ngx_http_cargo_ctx_t    *ctx;
    ngx_http_cargo_route_t  *route, *other;

    ctx = ngx_http_cargo_get_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    other = NULL;
    method = (r->method == NGX_HTTP_HEAD) ? NGX_HTTP_GET : r->method;
    path = ngx_http_cargo_uri_after(r, "/api/v1/", 0);
    n = ngx_http_cargo_split(path, segments, NGX_HTTP_CARGO_SEGMENTS);

    if (n > NGX_HTTP_CARGO_SEGMENTS || ngx_http_cargo_encoded_slash(r)) {
        n = 0;
    }

    for (route = ngx_http_cargo_routes; route->handler; route++) {

        if (!ngx_http_cargo_route_matches(route, segments, n)) {
            continue;
        }

        if (route->method == method) {
            return ngx_http_cargo_route(r, route, segments);
        }

        if (other == NULL) {
            other = route;
        }
    }

    if (other) {
        return ngx_http_cargo_not_allowed(r, other->methods);
    }

    return ngx_http_cargo_refuse(r, NGX_HTTP_NOT_FOUND,
                                 "Not Found: this registry's API has no %V "
                                 "of this path", &r->method_name);
}


static ngx_uint_t
ngx_http_cargo_route_matches(ngx_http_cargo_route_t *route,
    ngx_str_t *segments, ngx_uint_t n)
{
    ngx_uint_t   i;
    const char  *segment;

    if (n != route->nsegments) {
        return 0;
    }

    for (i = 0; i < n; i++) {
        segment = route->segments[i];

        if (segment[0] == '{' && segments[i].len) {
            continue;
        }

        if (segments[i].len != ngx_strlen(segment)
            || ngx_strncmp(segments[i].data, segment, segments[i].len) != 0)
        {
            return 0;
        }
    }

    return 1;
}


static ngx_int_t
ngx_http_cargo_route(ngx_http_request_t *r, ngx_http_cargo_route_t *route,
    ngx_str_t *segments)
{
    ngx_int_t              rc;
    ngx_uint_t             i;
    ngx_http_cargo_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);

    for (i = 0; i < route->nsegments; i++) {

        if (ngx_strcmp(route->segments[i], "{crate}") == 0) {
            rc = ngx_http_cargo_check_crate(r, &segments[i]);
            if (rc != NGX_OK) {
                return rc;
            }

            ctx->crate = segments[i];
        }

        if (ngx_strcmp(route->segments[i], "{version}") == 0) {
            rc = ngx_http_cargo_check_version(r, &ctx->crate, &segments[i]);
            if (rc != NGX_OK) {
                return rc;
            }

            ctx->version = segments[i];
        }

        if (ngx_strcmp(route->segments[i], "{name}") == 0) {
            if (!cargo_utf8_valid(segments[i].data, segments[i].len)) {
                return ngx_http_cargo_refuse(r, NGX_HTTP_NOT_FOUND,
                                             "Not Found: no name is like "
                                             "that, it is not UTF-8");
            }

            ctx->name = segments[i];
        }
    }

    ctx->route = route;

    rc = route->handler(r);

    if (rc != NGX_OK) {
        return rc;
    }

    r->main->count++;

    return NGX_DONE;
}


ngx_int_t
ngx_http_cargo_check_crate(ngx_http_request_t *r, ngx_str_t *crate)
{
    cargo_str_t  name;

    name.data = crate->data;
    name.len = crate->len;

    if (cargo_name_valid(name)) {
        return NGX_OK;
    }

    return ngx_http_cargo_refuse(r, NGX_HTTP_NOT_FOUND,
                                 "crate `%V` does not exist", crate);
}


ngx_int_t
ngx_http_cargo_check_version(ngx_http_request_t *r, ngx_str_t *crate,
    ngx_str_t *version)
{
    cargo_str_t  text;

    text.data = version->data;
    text.len = version->len;

    if (cargo_version_valid(text)) {
        return NGX_OK;
    }

    return ngx_http_cargo_refuse(r, NGX_HTTP_NOT_FOUND,
                                 "crate `%V` does not have a version `%V`",
                                 crate, version);
}
