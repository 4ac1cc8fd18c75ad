
#include "ngx_http_cargo.h"

#include <jansson.h>


/* of a call that is not an upload: lists of names and settings */
#define NGX_HTTP_CARGO_BODY_MAX  65536

#define NGX_HTTP_CARGO_ARGS_MAX  100


/* what a SQL function may be given */
typedef enum {
    NGX_HTTP_CARGO_PARAM_REGISTRY = 1,
    NGX_HTTP_CARGO_PARAM_TOKEN,
    NGX_HTTP_CARGO_PARAM_BASE_URL,
    NGX_HTTP_CARGO_PARAM_CRATE,
    NGX_HTTP_CARGO_PARAM_VERSION,
    NGX_HTTP_CARGO_PARAM_NAME,      /* any text, or null */
    NGX_HTTP_CARGO_PARAM_PART,      /* the last word of the route's path */
    NGX_HTTP_CARGO_PARAM_ARGS,      /* of the URI, as JSON */
    NGX_HTTP_CARGO_PARAM_BODY,      /* JSON */
    NGX_HTTP_CARGO_PARAM_YANKED,
    NGX_HTTP_CARGO_NPARAMS
} ngx_http_cargo_param_e;


static ngx_uint_t ngx_http_cargo_takes(ngx_http_cargo_route_t *route,
    ngx_http_cargo_param_e param);
static ngx_int_t ngx_http_cargo_call_too_large(ngx_http_request_t *r);
static void ngx_http_cargo_call_body(ngx_http_request_t *r);
static ngx_int_t ngx_http_cargo_call_read_body(ngx_http_request_t *r,
    ngx_str_t *text);
static ngx_int_t ngx_http_cargo_call_json(ngx_http_request_t *r,
    json_t *value, ngx_str_t *text);
static ngx_int_t ngx_http_cargo_call_args(ngx_http_request_t *r,
    ngx_str_t *text);
static ngx_int_t ngx_http_cargo_call_arg(ngx_http_request_t *r, json_t *args,
    u_char *p, u_char *last);
static json_t *ngx_http_cargo_call_decode(ngx_http_request_t *r, u_char *p,
    u_char *last);
static ngx_int_t ngx_http_cargo_call_query(ngx_http_request_t *r);
static void ngx_http_cargo_call_part(ngx_http_cargo_route_t *route,
    ngx_str_t *part);
static void ngx_http_cargo_call_answered(ngx_http_request_t *r,
    ngx_http_cargo_answer_t *answer);


#define P(name)  NGX_HTTP_CARGO_PARAM_##name

/* in the order of the SQL function's own, ended by 0 */

static const ngx_http_cargo_param_e
    ngx_http_cargo_params[][NGX_CARGO_PG_PARAMS] =
{
    [NGX_HTTP_CARGO_YANK] =
        { P(REGISTRY), P(TOKEN), P(CRATE), P(VERSION), P(YANKED) },
    [NGX_HTTP_CARGO_SEARCH_CRATES] =
        { P(REGISTRY), P(TOKEN), P(ARGS) },
    [NGX_HTTP_CARGO_LIST_OWNERS] =
        { P(REGISTRY), P(TOKEN), P(CRATE), P(BASE_URL) },
    [NGX_HTTP_CARGO_ADD_OWNERS] =
        { P(REGISTRY), P(TOKEN), P(CRATE), P(BODY) },
    [NGX_HTTP_CARGO_REMOVE_OWNERS] =
        { P(REGISTRY), P(TOKEN), P(CRATE), P(BODY) },
    [NGX_HTTP_CARGO_SHOW_REGISTRY] =
        { P(REGISTRY), P(TOKEN), P(BASE_URL), P(PART), P(NAME), P(ARGS) },
    [NGX_HTTP_CARGO_SHOW_CRATE] =
        { P(REGISTRY), P(TOKEN), P(BASE_URL), P(CRATE), P(PART), P(ARGS) },
    [NGX_HTTP_CARGO_SHOW_VERSION] =
        { P(REGISTRY), P(TOKEN), P(BASE_URL), P(CRATE), P(VERSION), P(PART),
          P(ARGS) },
    [NGX_HTTP_CARGO_README] =
        { P(REGISTRY), P(TOKEN), P(CRATE), P(VERSION) },
    [NGX_HTTP_CARGO_SHOW_ME] =
        { P(REGISTRY), P(TOKEN), P(BASE_URL) }
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
        return ngx_http_cargo_call_too_large(r);
    }

    /* reading takes a reference of its own */

    rc = ngx_http_read_client_request_body(r, ngx_http_cargo_call_body);

    return rc >= NGX_HTTP_SPECIAL_RESPONSE ? rc : NGX_DONE;
}


static ngx_uint_t
ngx_http_cargo_takes(ngx_http_cargo_route_t *route,
    ngx_http_cargo_param_e param)
{
    ngx_uint_t                     i;
    const ngx_http_cargo_param_e  *p;

    p = ngx_http_cargo_params[route->statement];

    for (i = 0; i < NGX_CARGO_PG_PARAMS && p[i]; i++) {
        if (p[i] == param) {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_http_cargo_call_too_large(ngx_http_request_t *r)
{
    return ngx_http_cargo_refuse(r, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                 "the request's body may have %d bytes",
                                 NGX_HTTP_CARGO_BODY_MAX);
}


static void
ngx_http_cargo_call_body(ngx_http_request_t *r)
{
    json_t                *json;
    ngx_int_t              rc;
    ngx_str_t              text;
    json_error_t           error;
    ngx_http_cargo_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);

    rc = ngx_http_cargo_call_read_body(r, &text);

    if (rc == NGX_OK) {
        json = json_loadb((char *) text.data, text.len,
                          JSON_REJECT_DUPLICATES, &error);

        if (json == NULL) {
            rc = ngx_http_cargo_refuse(r, NGX_HTTP_BAD_REQUEST,
                                       "the request's body is not JSON: %s",
                                       error.text);

        } else {
            rc = ngx_http_cargo_call_json(r, json, &ctx->body);
        }
    }

    if (rc == NGX_OK) {
        rc = ngx_http_cargo_call_query(r);
    }

    if (rc != NGX_OK) {
        ngx_http_finalize_request(r, rc);
    }
}


static ngx_int_t
ngx_http_cargo_call_read_body(ngx_http_request_t *r, ngx_str_t *text)
{
    u_char       *p;
    size_t        size;
    ssize_t       n;
    ngx_buf_t    *b;
    ngx_chain_t  *cl, *in;

    in = r->request_body ? r->request_body->bufs : NULL;
    text->len = 0;

    for (cl = in; cl; cl = cl->next) {
        text->len += ngx_buf_size(cl->buf);
    }

    /* a chunked body has not said before how long it is */

    if (text->len > NGX_HTTP_CARGO_BODY_MAX) {
        return ngx_http_cargo_call_too_large(r);
    }

    text->data = ngx_pnalloc(r->pool, text->len + 1);
    if (text->data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = text->data;

    for (cl = in; cl; cl = cl->next) {
        b = cl->buf;
        size = ngx_buf_size(b);

        if (!b->in_file) {
            p = ngx_cpymem(p, b->pos, size);
            continue;
        }

        n = ngx_read_file(b->file, p, size, b->file_pos);
        if (n != (ssize_t) size) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        p += size;
    }

    return NGX_OK;
}


/* takes the value */

static ngx_int_t
ngx_http_cargo_call_json(ngx_http_request_t *r, json_t *value,
    ngx_str_t *text)
{
    char  *dump;

    dump = json_dumps(value, JSON_COMPACT|JSON_ENCODE_ANY);
    json_decref(value);

    if (dump == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    text->len = ngx_strlen(dump);
    text->data = ngx_pnalloc(r->pool, text->len);

    if (text->data) {
        ngx_memcpy(text->data, dump, text->len);
    }

    free(dump);

    return text->data ? NGX_OK : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


/* "a=1&b[]=2&b[]=3" as {"a":"1","b[]":["2","3"]}; of two equal the last */

static ngx_int_t
ngx_http_cargo_call_args(ngx_http_request_t *r, ngx_str_t *text)
{
    u_char      *p, *last, *end;
    json_t      *args;
    ngx_int_t    rc;
    ngx_uint_t   n;

    args = json_object();
    if (args == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = r->args.data;
    end = r->args.data + r->args.len;

    for (n = 0; p < end; n++) {
        last = ngx_strlchr(p, end, '&');

        if (last == NULL) {
            last = end;
        }

        rc = (n < NGX_HTTP_CARGO_ARGS_MAX)
             ? ngx_http_cargo_call_arg(r, args, p, last)
             : ngx_http_cargo_refuse(r, NGX_HTTP_BAD_REQUEST,
                                     "the URL has more than %d arguments",
                                     NGX_HTTP_CARGO_ARGS_MAX);

        if (rc != NGX_OK) {
            json_decref(args);
            return rc;
        }

        p = last + 1;
    }

    return ngx_http_cargo_call_json(r, args, text);
}


static ngx_int_t
ngx_http_cargo_call_arg(ngx_http_request_t *r, json_t *args, u_char *p,
    u_char *last)
{
    int          rc;
    u_char      *equals;
    json_t      *key, *value, *list;
    const char  *name;

    equals = ngx_strlchr(p, last, '=');

    key = ngx_http_cargo_call_decode(r, p, equals ? equals : last);
    value = ngx_http_cargo_call_decode(r, equals ? equals + 1 : last, last);

    if (key == NULL || value == NULL) {
        json_decref(key);
        json_decref(value);

        return ngx_http_cargo_refuse(r, NGX_HTTP_BAD_REQUEST,
                                     "the arguments of the URL are not UTF-8 "
                                     "without NUL");
    }

    name = json_string_value(key);

    if (json_string_length(key) > 2
        && ngx_strcmp(name + json_string_length(key) - 2, "[]") == 0)
    {
        list = json_object_get(args, name);

        if (list == NULL) {
            list = json_array();
            rc = json_object_set_new(args, name, list);

        } else {
            rc = 0;
        }

        rc = rc || json_array_append(list, value);

    } else {
        rc = json_object_set(args, name, value);
    }

    json_decref(key);
    json_decref(value);

    return rc ? NGX_HTTP_INTERNAL_SERVER_ERROR : NGX_OK;
}


/* NULL also for what no text in the database can hold */

static json_t *
ngx_http_cargo_call_decode(ngx_http_request_t *r, u_char *p, u_char *last)
{
    u_char  *text, *src, *dst, *end;

    text = ngx_pnalloc(r->pool, last - p + 1);
    if (text == NULL) {
        return NULL;
    }

    end = ngx_cpymem(text, p, last - p);

    for (src = text; src < end; src++) {
        if (*src == '+') {
            *src = ' ';
        }
    }

    src = text;
    dst = text;
    ngx_unescape_uri(&dst, &src, end - text, 0);

    if (ngx_strlchr(text, dst, '\0')) {
        return NULL;
    }

    return json_stringn((char *) text, dst - text);
}


static ngx_int_t
ngx_http_cargo_call_query(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    ngx_str_t                      args, part, yanked;
    ngx_str_t                     *params[NGX_CARGO_PG_PARAMS];
    ngx_str_t                     *sources[NGX_HTTP_CARGO_NPARAMS];
    ngx_uint_t                     i;
    ngx_http_cargo_ctx_t          *ctx;
    ngx_http_cargo_token_t         token;
    const ngx_http_cargo_param_e  *p;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);
    p = ngx_http_cargo_params[ctx->route->statement];

    if (r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD)) {
        rc = ngx_http_cargo_token(r, &token) == NGX_OK
             ? NGX_OK : NGX_HTTP_INTERNAL_SERVER_ERROR;

    } else {
        rc = ngx_http_cargo_write_token(r, &token);
    }

    if (rc == NGX_OK
        && ngx_http_cargo_takes(ctx->route, NGX_HTTP_CARGO_PARAM_ARGS))
    {
        rc = ngx_http_cargo_call_args(r, &args);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    ngx_http_cargo_call_part(ctx->route, &part);

    yanked.data = (u_char *) (part.data[0] == 'y' ? "true" : "false");
    yanked.len = ngx_strlen(yanked.data);

    sources[NGX_HTTP_CARGO_PARAM_REGISTRY] = &ctx->registry;
    sources[NGX_HTTP_CARGO_PARAM_TOKEN] = token.hash.len ? &token.hash : NULL;
    sources[NGX_HTTP_CARGO_PARAM_BASE_URL] = &ctx->base_url;
    sources[NGX_HTTP_CARGO_PARAM_CRATE] = &ctx->crate;
    sources[NGX_HTTP_CARGO_PARAM_VERSION] = &ctx->version;
    sources[NGX_HTTP_CARGO_PARAM_NAME] = ctx->name.len ? &ctx->name : NULL;
    sources[NGX_HTTP_CARGO_PARAM_PART] = &part;
    sources[NGX_HTTP_CARGO_PARAM_ARGS] = &args;
    sources[NGX_HTTP_CARGO_PARAM_BODY] = &ctx->body;
    sources[NGX_HTTP_CARGO_PARAM_YANKED] = &yanked;

    for (i = 0; i < NGX_CARGO_PG_PARAMS && p[i]; i++) {
        params[i] = sources[p[i]];
    }

    return ngx_http_cargo_query(r, ctx->route->statement, params,
                                ngx_http_cargo_call_answered);
}


/* the last word of the route: "yank" or "unyank", "versions" ... */

static void
ngx_http_cargo_call_part(ngx_http_cargo_route_t *route, ngx_str_t *part)
{
    ngx_uint_t  i;

    for (i = route->nsegments; i > 1; i--) {
        if (route->segments[i - 1][0] != '{') {
            break;
        }
    }

    part->data = (u_char *) route->segments[i - 1];
    part->len = ngx_strlen(part->data);
}


static void
ngx_http_cargo_call_answered(ngx_http_request_t *r,
    ngx_http_cargo_answer_t *answer)
{
    ngx_str_t              nosniff;
    ngx_http_cargo_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);

    if (answer->status != NGX_HTTP_OK) {
        ngx_http_finalize_request(r, ngx_http_cargo_refuse_text(r,
                                          answer->status, &answer->body));
        return;
    }

    if (ctx->route->statement != NGX_HTTP_CARGO_README) {
        ngx_http_cargo_send(r, "application/json", &answer->body);
        return;
    }

    /* anybody may have written it: no browser shall make a page of it */

    ngx_str_set(&nosniff, "nosniff");

    if (ngx_http_cargo_add_header(r, "X-Content-Type-Options", &nosniff)
        != NGX_OK)
    {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    ngx_http_cargo_send(r, "text/plain; charset=utf-8", &answer->body);
}
