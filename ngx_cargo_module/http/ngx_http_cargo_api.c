
#include "ngx_http_cargo.h"


/* as many digits as a bigint always has room for */
#define NGX_HTTP_CARGO_ID_MAX  18


static ngx_uint_t ngx_http_cargo_route_matches(
    const ngx_http_cargo_route_t *route, ngx_str_t *segments, ngx_uint_t n);
static const char *ngx_http_cargo_last_segment(
    const ngx_http_cargo_route_t *route);
static ngx_int_t ngx_http_cargo_route(ngx_http_request_t *r);
static ngx_int_t ngx_http_cargo_take_segment(ngx_http_request_t *r,
    ngx_http_cargo_ctx_t *ctx, const char *kind, ngx_str_t *segment);
static ngx_int_t ngx_http_cargo_check_id(ngx_http_request_t *r,
    ngx_str_t *id);


/*
 * Of two routes for one path and method the first counts, so words stand
 * before what may be any word.
 */

const ngx_http_cargo_route_t  ngx_http_cargo_routes[] = {

    { NGX_HTTP_PUT, "publish", NGX_HTTP_CARGO_PUBLISH,
      ngx_http_cargo_publish, { "crates", "new" } },

    { NGX_HTTP_GET, "search", NGX_HTTP_CARGO_SEARCH_CRATES,
      ngx_http_cargo_call, { "crates" } },

    { NGX_HTTP_GET, "versions", NGX_HTTP_CARGO_SHOW_CRATE,
      ngx_http_cargo_call, { "crates", "{crate}", "versions" } },

    { NGX_HTTP_GET, "crate_downloads", NGX_HTTP_CARGO_SHOW_CRATE,
      ngx_http_cargo_call, { "crates", "{crate}", "downloads" } },

    { NGX_HTTP_GET, "reverse_dependencies", NGX_HTTP_CARGO_SHOW_CRATE,
      ngx_http_cargo_call, { "crates", "{crate}", "reverse_dependencies" } },

    { NGX_HTTP_GET, "owners", NGX_HTTP_CARGO_SHOW_CRATE,
      ngx_http_cargo_call, { "crates", "{crate}", "owners" } },

    { NGX_HTTP_PUT, "add_owners", NGX_HTTP_CARGO_ADD_OWNERS,
      ngx_http_cargo_call, { "crates", "{crate}", "owners" } },

    { NGX_HTTP_DELETE, "remove_owners", NGX_HTTP_CARGO_REMOVE_OWNERS,
      ngx_http_cargo_call, { "crates", "{crate}", "owners" } },

    { NGX_HTTP_GET, "owner_user", NGX_HTTP_CARGO_SHOW_CRATE,
      ngx_http_cargo_call, { "crates", "{crate}", "owner_user" } },

    { NGX_HTTP_GET, "owner_team", NGX_HTTP_CARGO_SHOW_CRATE,
      ngx_http_cargo_call, { "crates", "{crate}", "owner_team" } },

    { NGX_HTTP_GET, "following", NGX_HTTP_CARGO_SHOW_CRATE,
      ngx_http_cargo_call, { "crates", "{crate}", "following" } },

    { NGX_HTTP_PUT, "follow", NGX_HTTP_CARGO_FOLLOW_CRATE,
      ngx_http_cargo_call, { "crates", "{crate}", "follow" } },

    { NGX_HTTP_DELETE, "unfollow", NGX_HTTP_CARGO_FOLLOW_CRATE,
      ngx_http_cargo_call, { "crates", "{crate}", "follow" } },

    { NGX_HTTP_GET, "crate", NGX_HTTP_CARGO_SHOW_CRATE,
      ngx_http_cargo_call, { "crates", "{crate}" } },

    { NGX_HTTP_DELETE, "delete_crate", NGX_HTTP_CARGO_DELETE_CRATE,
      ngx_http_cargo_call, { "crates", "{crate}" } },

    { NGX_HTTP_GET, "version", NGX_HTTP_CARGO_SHOW_VERSION,
      ngx_http_cargo_call, { "crates", "{crate}", "{version}" } },

    { NGX_HTTP_PATCH, "change_version", NGX_HTTP_CARGO_CHANGE_VERSION,
      ngx_http_cargo_call, { "crates", "{crate}", "{version}" } },

    { NGX_HTTP_DELETE, "delete_version", NGX_HTTP_CARGO_DELETE_VERSION,
      ngx_http_cargo_call, { "crates", "{crate}", "{version}" } },

    { NGX_HTTP_DELETE, "yank", NGX_HTTP_CARGO_YANK,
      ngx_http_cargo_call, { "crates", "{crate}", "{version}", "yank" } },

    { NGX_HTTP_PUT, "unyank", NGX_HTTP_CARGO_YANK,
      ngx_http_cargo_call, { "crates", "{crate}", "{version}", "unyank" } },

    { NGX_HTTP_GET, "download", NGX_HTTP_CARGO_DOWNLOAD_VERSION,
      ngx_http_cargo_download_url,
      { "crates", "{crate}", "{version}", "download" } },

    { NGX_HTTP_GET, "dependencies", NGX_HTTP_CARGO_SHOW_VERSION,
      ngx_http_cargo_call,
      { "crates", "{crate}", "{version}", "dependencies" } },

    { NGX_HTTP_GET, "version_downloads", NGX_HTTP_CARGO_SHOW_VERSION,
      ngx_http_cargo_call, { "crates", "{crate}", "{version}", "downloads" } },

    { NGX_HTTP_GET, "authors", NGX_HTTP_CARGO_SHOW_VERSION,
      ngx_http_cargo_call, { "crates", "{crate}", "{version}", "authors" } },

    { NGX_HTTP_GET, "readme", NGX_HTTP_CARGO_README,
      ngx_http_cargo_call, { "crates", "{crate}", "{version}", "readme" } },

    { NGX_HTTP_GET, "summary", NGX_HTTP_CARGO_SHOW_REGISTRY,
      ngx_http_cargo_call, { "summary" } },

    { NGX_HTTP_GET, "keywords", NGX_HTTP_CARGO_SHOW_REGISTRY,
      ngx_http_cargo_call, { "keywords" } },

    { NGX_HTTP_GET, "keyword", NGX_HTTP_CARGO_SHOW_REGISTRY,
      ngx_http_cargo_call, { "keywords", "{name}" } },

    { NGX_HTTP_GET, "categories", NGX_HTTP_CARGO_SHOW_REGISTRY,
      ngx_http_cargo_call, { "categories" } },

    { NGX_HTTP_GET, "category", NGX_HTTP_CARGO_SHOW_REGISTRY,
      ngx_http_cargo_call, { "categories", "{name}" } },

    { NGX_HTTP_GET, "category_slugs", NGX_HTTP_CARGO_SHOW_REGISTRY,
      ngx_http_cargo_call, { "category_slugs" } },

    { NGX_HTTP_GET, "user", NGX_HTTP_CARGO_SHOW_REGISTRY,
      ngx_http_cargo_call, { "users", "{name}" } },

    { NGX_HTTP_GET, "user_stats", NGX_HTTP_CARGO_SHOW_REGISTRY,
      ngx_http_cargo_call, { "users", "{id}", "stats" } },

    { NGX_HTTP_GET, "team", NGX_HTTP_CARGO_SHOW_REGISTRY,
      ngx_http_cargo_call, { "teams", "{name}" } },

    { NGX_HTTP_GET, "site_metadata", NGX_HTTP_CARGO_SHOW_REGISTRY,
      ngx_http_cargo_call, { "site_metadata" } },

    { NGX_HTTP_GET, "me", NGX_HTTP_CARGO_SHOW_ME,
      ngx_http_cargo_call, { "me" } },

    { NGX_HTTP_GET, "updates", NGX_HTTP_CARGO_SHOW_ME,
      ngx_http_cargo_call, { "me", "updates" } },

    { NGX_HTTP_GET, "invitations", NGX_HTTP_CARGO_SHOW_ME,
      ngx_http_cargo_call, { "me", "crate_owner_invitations" } },

    { NGX_HTTP_GET, "tokens", NGX_HTTP_CARGO_SHOW_ME,
      ngx_http_cargo_call, { "me", "tokens" } },

    { NGX_HTTP_PUT, "create_token", NGX_HTTP_CARGO_CREATE_TOKEN,
      ngx_http_cargo_call, { "me", "tokens" } },

    { NGX_HTTP_GET, "token", NGX_HTTP_CARGO_SHOW_ME,
      ngx_http_cargo_call, { "me", "tokens", "{id}" } },

    { NGX_HTTP_DELETE, "revoke_token", NGX_HTTP_CARGO_REVOKE_TOKEN,
      ngx_http_cargo_call, { "me", "tokens", "{id}" } },

    { NGX_HTTP_DELETE, "revoke_current_token", NGX_HTTP_CARGO_REVOKE_TOKEN,
      ngx_http_cargo_call, { "tokens", "current" } },

    { 0, NULL, 0, NULL, { NULL } }
};

/* each has a number, and so have six that are not of the API */

_Static_assert(sizeof(ngx_http_cargo_routes) / sizeof(ngx_http_cargo_route_t)
               + 6 <= CARGO_METRICS_ENDPOINTS, "too many routes");


ngx_int_t
ngx_http_cargo_api_handler(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    rc = ngx_http_cargo_tell_refusal(r, ngx_http_cargo_route(r));

    if (rc != NGX_OK) {
        return rc;
    }

    r->main->count++;

    return NGX_DONE;
}


const ngx_http_cargo_route_t *
ngx_http_cargo_find_route(ngx_http_request_t *r, ngx_str_t *segments,
    ngx_uint_t *methods)
{
    ngx_str_t                      path;
    ngx_uint_t                     n, method, word;
    const char                    *last;
    const ngx_http_cargo_route_t  *route, *found;

    *methods = 0;

    found = NULL;
    word = 0;

    method = (r->method == NGX_HTTP_HEAD) ? NGX_HTTP_GET : r->method;
    path = ngx_http_cargo_uri_after(r, "/api/v1/", 0);
    n = ngx_http_cargo_split(path, segments, NGX_HTTP_CARGO_SEGMENTS);

    if (n > NGX_HTTP_CARGO_SEGMENTS || ngx_http_cargo_encoded_slash(r)) {
        return NULL;
    }

    for (route = ngx_http_cargo_routes; route->handler; route++) {

        if (!ngx_http_cargo_route_matches(route, segments, n)) {
            continue;
        }

        last = ngx_http_cargo_last_segment(route);

        /* "owners" is no version, though a crate may be called "new" */

        if (word && ngx_strcmp(last, "{version}") == 0) {
            continue;
        }

        word |= (last[0] != '{');
        *methods |= route->method;

        if (found == NULL && route->method == method) {
            found = route;
        }
    }

    return found;
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


static ngx_uint_t
ngx_http_cargo_route_matches(const ngx_http_cargo_route_t *route,
    ngx_str_t *segments, ngx_uint_t n)
{
    ngx_uint_t   i;
    const char  *segment;

    for (i = 0; i < n; i++) {
        segment = route->segments[i];

        if (segment == NULL) {
            return 0;
        }

        if (segment[0] == '{' && segments[i].len) {
            continue;
        }

        if (segments[i].len != ngx_strlen(segment)
            || ngx_strncmp(segments[i].data, segment, segments[i].len) != 0)
        {
            return 0;
        }
    }

    return route->segments[n] == NULL;
}


static const char *
ngx_http_cargo_last_segment(const ngx_http_cargo_route_t *route)
{
    ngx_uint_t  i;

    for (i = 0; route->segments[i + 1]; i++) { /* void */ }

    return route->segments[i];
}


static ngx_int_t
ngx_http_cargo_route(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    ngx_str_t                      segments[NGX_HTTP_CARGO_SEGMENTS];
    ngx_uint_t                     i, methods;
    ngx_http_cargo_ctx_t          *ctx;
    const ngx_http_cargo_route_t  *route;

    ctx = ngx_http_cargo_get_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    route = ngx_http_cargo_find_route(r, segments, &methods);

    if (route == NULL && methods) {
        return ngx_http_cargo_not_allowed(r, methods);
    }

    if (route == NULL) {
        return ngx_http_cargo_refuse(r, NGX_HTTP_NOT_FOUND,
                                     "Not Found: this registry's API has no "
                                     "%V of this path", &r->method_name);
    }

    ctx->route = route;

    for (i = 0; route->segments[i]; i++) {

        rc = ngx_http_cargo_take_segment(r, ctx, route->segments[i],
                                         &segments[i]);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    return route->handler(r);
}


static ngx_int_t
ngx_http_cargo_take_segment(ngx_http_request_t *r, ngx_http_cargo_ctx_t *ctx,
    const char *kind, ngx_str_t *segment)
{
    ngx_int_t   rc;
    ngx_str_t  *value;

    if (ngx_strcmp(kind, "{crate}") == 0) {
        rc = ngx_http_cargo_check_crate(r, segment);
        value = &ctx->crate;

    } else if (ngx_strcmp(kind, "{version}") == 0) {
        rc = ngx_http_cargo_check_version(r, &ctx->crate, segment);
        value = &ctx->version;

    } else if (ngx_strcmp(kind, "{id}") == 0) {
        rc = ngx_http_cargo_check_id(r, segment);
        value = &ctx->name;

    } else if (ngx_strcmp(kind, "{name}") == 0) {
        rc = cargo_utf8_valid(segment->data, segment->len)
             ? NGX_OK
             : ngx_http_cargo_refuse(r, NGX_HTTP_NOT_FOUND,
                                     "Not Found: no name is like that, it "
                                     "is not UTF-8");
        value = &ctx->name;

    } else {
        return NGX_OK;
    }

    if (rc == NGX_OK) {
        *value = *segment;
    }

    return rc;
}


static ngx_int_t
ngx_http_cargo_check_id(ngx_http_request_t *r, ngx_str_t *id)
{
    size_t  i;

    for (i = 0; i < id->len; i++) {
        if (id->data[i] < '0' || id->data[i] > '9') {
            break;
        }
    }

    if (i == id->len && id->len <= NGX_HTTP_CARGO_ID_MAX) {
        return NGX_OK;
    }

    return ngx_http_cargo_refuse(r, NGX_HTTP_NOT_FOUND,
                                 "Not Found: `%V` is no id", id);
}
