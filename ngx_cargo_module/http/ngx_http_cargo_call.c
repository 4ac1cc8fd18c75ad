
#include "ngx_http_cargo.h"


/* of a call that is not an upload: lists of names and settings */
#define NGX_HTTP_CARGO_BODY_MAX  65536


/* what a SQL function may be given, behind who calls */
typedef enum {
    NGX_HTTP_CARGO_PARAM_BASE_URL = 1,
    NGX_HTTP_CARGO_PARAM_CRATE,
    NGX_HTTP_CARGO_PARAM_VERSION,
    NGX_HTTP_CARGO_PARAM_NAME,      /* any text, or null */
    NGX_HTTP_CARGO_PARAM_PART,      /* the last word of the route's path */
    NGX_HTTP_CARGO_PARAM_ARGS,      /* of the URI, as JSON */
    NGX_HTTP_CARGO_PARAM_BODY,      /* JSON */
    NGX_HTTP_CARGO_PARAM_HASH,      /* of a new token */
    NGX_HTTP_CARGO_PARAM_DO,        /* false: "unyank", "unfollow" */
    NGX_HTTP_CARGO_NPARAMS
} ngx_http_cargo_param_e;

#define NGX_HTTP_CARGO_OWN_PARAMS                                             \
    (NGX_CARGO_PG_PARAMS - NGX_HTTP_CARGO_CALLER_PARAMS)


static ngx_uint_t ngx_http_cargo_takes(const ngx_http_cargo_route_t *route,
    ngx_http_cargo_param_e param);
static void ngx_http_cargo_call_body(ngx_http_request_t *r);
static ngx_int_t ngx_http_cargo_call_query(ngx_http_request_t *r);
static void ngx_http_cargo_call_part(const ngx_http_cargo_route_t *route,
    ngx_str_t *part);
static void ngx_http_cargo_call_answered(ngx_http_request_t *r,
    ngx_http_cargo_answer_t *answer);
static void ngx_http_cargo_call_readme(ngx_http_request_t *r,
    ngx_http_cargo_answer_t *answer);


#define P(name)  NGX_HTTP_CARGO_PARAM_##name

/* in the order of the SQL function's own, ended by 0 */

static const ngx_http_cargo_param_e
    ngx_http_cargo_params[][NGX_HTTP_CARGO_OWN_PARAMS] =
{
    [NGX_HTTP_CARGO_YANK] = { P(CRATE), P(VERSION), P(DO) },
    [NGX_HTTP_CARGO_CHANGE_VERSION] =
        { P(BASE_URL), P(CRATE), P(VERSION), P(BODY) },
    [NGX_HTTP_CARGO_SEARCH_CRATES] = { P(ARGS) },
    [NGX_HTTP_CARGO_ADD_OWNERS] = { P(CRATE), P(BODY) },
    [NGX_HTTP_CARGO_REMOVE_OWNERS] = { P(CRATE), P(BODY) },
    [NGX_HTTP_CARGO_SHOW_REGISTRY] =
        { P(BASE_URL), P(PART), P(NAME), P(ARGS) },
    [NGX_HTTP_CARGO_SHOW_CRATE] =
        { P(BASE_URL), P(CRATE), P(PART), P(ARGS) },
    [NGX_HTTP_CARGO_SHOW_VERSION] =
        { P(BASE_URL), P(CRATE), P(VERSION), P(PART), P(ARGS) },
    [NGX_HTTP_CARGO_README] = { P(CRATE), P(VERSION) },
    [NGX_HTTP_CARGO_SHOW_ME] = { P(BASE_URL), P(PART), P(NAME), P(ARGS) },
    [NGX_HTTP_CARGO_CREATE_TOKEN] = { P(HASH), P(BODY) },
    [NGX_HTTP_CARGO_REVOKE_TOKEN] = { P(NAME) },
    [NGX_HTTP_CARGO_DELETE_CRATE] = { P(CRATE), P(ARGS) },
    [NGX_HTTP_CARGO_DELETE_VERSION] = { P(CRATE), P(VERSION), P(ARGS) },
    [NGX_HTTP_CARGO_FOLLOW_CRATE] = { P(CRATE), P(DO) }
};

#undef P


ngx_int_t
ngx_http_cargo_call(ngx_http_request_t *r)
{
    ngx_int_t              rc;
    ngx_http_cargo_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);

    if (!ngx_http_cargo_takes(ctx->route, NGX_HTTP_CARGO_PARAM_BODY)) {

        rc = ngx_http_discard_request_body(r);
        if (rc != NGX_OK) {
            return rc;
        }

        return ngx_http_cargo_call_query(r);
    }

    if (r->headers_in.content_length_n > NGX_HTTP_CARGO_BODY_MAX) {
        return ngx_http_cargo_json_too_large(r, NGX_HTTP_CARGO_BODY_MAX);
    }

    /* reading takes a reference of its own */

    rc = ngx_http_read_client_request_body(r, ngx_http_cargo_call_body);

    return rc >= NGX_HTTP_SPECIAL_RESPONSE ? rc : NGX_DONE;
}


static ngx_uint_t
ngx_http_cargo_takes(const ngx_http_cargo_route_t *route,
    ngx_http_cargo_param_e param)
{
    ngx_uint_t                     i;
    const ngx_http_cargo_param_e  *p;

    p = ngx_http_cargo_params[route->statement];

    for (i = 0; i < NGX_HTTP_CARGO_OWN_PARAMS && p[i]; i++) {
        if (p[i] == param) {
            return 1;
        }
    }

    return 0;
}


static void
ngx_http_cargo_call_body(ngx_http_request_t *r)
{
    ngx_int_t              rc;
    ngx_http_cargo_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);

    rc = ngx_http_cargo_json_body(r, NGX_HTTP_CARGO_BODY_MAX, &ctx->body);

    if (rc == NGX_OK) {
        rc = ngx_http_cargo_call_query(r);
    }

    if (rc != NGX_OK) {
        ngx_http_cargo_end(r, rc);
    }
}


static ngx_int_t
ngx_http_cargo_call_query(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    ngx_str_t                      args, part, hash, yes;
    ngx_str_t                     *params[NGX_HTTP_CARGO_OWN_PARAMS];
    ngx_str_t                     *sources[NGX_HTTP_CARGO_NPARAMS];
    ngx_uint_t                     i;
    ngx_http_cargo_ctx_t          *ctx;
    const ngx_http_cargo_param_e  *p;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);
    p = ngx_http_cargo_params[ctx->route->statement];

    rc = (r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))
         ? NGX_OK : ngx_http_cargo_check_writer(r);

    if (rc == NGX_OK
        && ngx_http_cargo_takes(ctx->route, NGX_HTTP_CARGO_PARAM_ARGS))
    {
        rc = ngx_http_cargo_json_args(r, &args);
    }

    if (rc == NGX_OK
        && ngx_http_cargo_takes(ctx->route, NGX_HTTP_CARGO_PARAM_HASH)
        && ngx_http_cargo_new_token(r, &hash) != NGX_OK)
    {
        rc = NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc != NGX_OK) {
        return rc;
    }

    ngx_http_cargo_call_part(ctx->route, &part);

    yes.data = (u_char *) (ngx_strncmp(ctx->route->name, "un", 2) == 0
                           ? "false" : "true");
    yes.len = ngx_strlen(yes.data);

    sources[NGX_HTTP_CARGO_PARAM_BASE_URL] = &ctx->shown_url;
    sources[NGX_HTTP_CARGO_PARAM_CRATE] = &ctx->crate;
    sources[NGX_HTTP_CARGO_PARAM_VERSION] = &ctx->version;
    sources[NGX_HTTP_CARGO_PARAM_NAME] = ctx->name.len ? &ctx->name : NULL;
    sources[NGX_HTTP_CARGO_PARAM_PART] = &part;
    sources[NGX_HTTP_CARGO_PARAM_ARGS] = &args;
    sources[NGX_HTTP_CARGO_PARAM_BODY] = &ctx->body;
    sources[NGX_HTTP_CARGO_PARAM_HASH] = &hash;
    sources[NGX_HTTP_CARGO_PARAM_DO] = &yes;

    for (i = 0; i < NGX_HTTP_CARGO_OWN_PARAMS && p[i]; i++) {
        params[i] = sources[p[i]];
    }

    return ngx_http_cargo_query(r, ctx->route->statement, params,
                                ngx_http_cargo_call_answered);
}


/* the last word of the route: "versions", "me", "tokens" ... */

static void
ngx_http_cargo_call_part(const ngx_http_cargo_route_t *route, ngx_str_t *part)
{
    ngx_uint_t  i;

    part->data = (u_char *) route->segments[0];

    for (i = 1; route->segments[i]; i++) {
        if (route->segments[i][0] != '{') {
            part->data = (u_char *) route->segments[i];
        }
    }

    part->len = ngx_strlen(part->data);
}


static void
ngx_http_cargo_call_answered(ngx_http_request_t *r,
    ngx_http_cargo_answer_t *answer)
{
    ngx_http_cargo_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);

    if (answer->status == NGX_HTTP_NO_CONTENT) {
        ngx_http_cargo_send_no_content(r);
        return;
    }

    if (answer->status != NGX_HTTP_OK) {
        ngx_http_cargo_refuse_answer(r, answer);
        return;
    }

    if (ctx->route->statement == NGX_HTTP_CARGO_CREATE_TOKEN) {
        ngx_http_cargo_send_new_token(r, answer);
        return;
    }

    /* no cache may take what is for one as an answer to all, or to another */

    if (ngx_http_cargo_cache_control(r,
                                  ctx->caller->by != NGX_HTTP_CARGO_NOBODY,
                                  NGX_HTTP_CARGO_ASK_AGAIN)
        != NGX_OK)
    {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    if (ctx->route->statement == NGX_HTTP_CARGO_README) {
        ngx_http_cargo_call_readme(r, answer);
        return;
    }

    ngx_http_cargo_send(r, "application/json", &answer->body);
}


static void
ngx_http_cargo_call_readme(ngx_http_request_t *r,
    ngx_http_cargo_answer_t *answer)
{
    u_char                *p;
    ngx_str_t              value, path;
    ngx_http_cargo_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);

    p = ngx_pnalloc(r->pool, sizeof("/api/v1/crates///readme")
                             + ctx->crate.len + ctx->version.len);
    ngx_str_set(&value, "Accept");

    if (p == NULL || ngx_http_cargo_add_header(r, "Vary", &value) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    if (ngx_http_cargo_accepts_json(r)) {
        path.data = p;
        path.len = ngx_sprintf(p, "/api/v1/crates/%V/%V/readme", &ctx->crate,
                               &ctx->version)
                   - p;

        ngx_http_cargo_send_url(r, &path);
        return;
    }

    /* anybody may have written it: no browser shall make a page of it */

    ngx_str_set(&value, "nosniff");

    if (ngx_http_cargo_add_header(r, "X-Content-Type-Options", &value)
        != NGX_OK)
    {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    ngx_http_cargo_send(r, "text/plain; charset=utf-8", &answer->body);
}
