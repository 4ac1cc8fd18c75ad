
#include "ngx_http_cargo.h"


#define NGX_HTTP_CARGO_ARGS_MAX  100


static ngx_int_t ngx_http_cargo_json_arg(ngx_http_request_t *r, json_t *args,
    u_char *p, u_char *last);
static json_t *ngx_http_cargo_json_decode(ngx_http_request_t *r, u_char *p,
    u_char *last);
static ngx_int_t ngx_http_cargo_json_read(ngx_http_request_t *r, size_t max,
    ngx_str_t *text);
static ngx_int_t ngx_http_cargo_json_text(ngx_http_request_t *r,
    json_t *value, ngx_str_t *text);


ngx_int_t
ngx_http_cargo_json_args(ngx_http_request_t *r, ngx_str_t *text)
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
             ? ngx_http_cargo_json_arg(r, args, p, last)
             : ngx_http_cargo_refuse(r, NGX_HTTP_BAD_REQUEST,
                                     "the URL has more than %d arguments",
                                     NGX_HTTP_CARGO_ARGS_MAX);

        if (rc != NGX_OK) {
            json_decref(args);
            return rc;
        }

        p = last + 1;
    }

    return ngx_http_cargo_json_text(r, args, text);
}


ngx_int_t
ngx_http_cargo_json_body(ngx_http_request_t *r, size_t max, ngx_str_t *text)
{
    json_t        *json;
    ngx_int_t      rc;
    ngx_str_t      body;
    json_error_t   error;

    rc = ngx_http_cargo_json_read(r, max, &body);
    if (rc != NGX_OK) {
        return rc;
    }

    /* the database says what it would like to read */

    if (body.len == 0) {
        ngx_str_set(text, "null");
        return NGX_OK;
    }

    json = json_loadb((char *) body.data, body.len, JSON_REJECT_DUPLICATES,
                      &error);

    if (json == NULL) {
        return ngx_http_cargo_refuse(r, NGX_HTTP_BAD_REQUEST,
                                     "the request's body is not JSON: %s",
                                     error.text);
    }

    return ngx_http_cargo_json_text(r, json, text);
}


ngx_int_t
ngx_http_cargo_json_too_large(ngx_http_request_t *r, size_t max)
{
    return ngx_http_cargo_refuse(r, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                 "the request's body is too large: it "
                                 "may have %uz bytes", max);
}


static ngx_int_t
ngx_http_cargo_json_arg(ngx_http_request_t *r, json_t *args, u_char *p,
    u_char *last)
{
    int          rc;
    u_char      *equals;
    json_t      *key, *value, *list;
    const char  *name;

    equals = ngx_strlchr(p, last, '=');

    key = ngx_http_cargo_json_decode(r, p, equals ? equals : last);
    value = ngx_http_cargo_json_decode(r, equals ? equals + 1 : last, last);

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
ngx_http_cargo_json_decode(ngx_http_request_t *r, u_char *p, u_char *last)
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
ngx_http_cargo_json_read(ngx_http_request_t *r, size_t max,
    ngx_str_t *text)
{
    u_char       *p;
    size_t        size;
    ssize_t       n;
    ngx_buf_t    *b;
    ngx_chain_t  *cl, *in;

    in = r->request_body ? r->request_body->bufs : NULL;
    ngx_str_null(text);

    for (cl = in; cl; cl = cl->next) {
        text->len += ngx_buf_size(cl->buf);
    }

    /* a chunked body has not said before how long it is */

    if (text->len > max) {
        return ngx_http_cargo_json_too_large(r, max);
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
ngx_http_cargo_json_text(ngx_http_request_t *r, json_t *value,
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
