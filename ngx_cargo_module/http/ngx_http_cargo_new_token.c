
#include "ngx_http_cargo.h"


/*
 * A token is made here and its hash stored there: the database never sees
 * the text, which leaves in the answer and is kept nowhere.
 */


static ngx_int_t ngx_http_cargo_with_token(ngx_http_request_t *r,
    ngx_str_t *answer, ngx_str_t *body);


ngx_int_t
ngx_http_cargo_new_token(ngx_http_request_t *r, ngx_str_t *hash)
{
    cargo_str_t            token;
    ngx_http_cargo_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);

    token.len = CARGO_TOKEN_LEN;
    token.data = ngx_pnalloc(r->pool, CARGO_TOKEN_LEN + 1);

    if (token.data == NULL
        || cargo_token_generate((char *) token.data) == -1)
    {
        return NGX_ERROR;
    }

    /* the cleanup of the request wipes it */

    ctx->new_token.data = token.data;
    ctx->new_token.len = token.len;

    return ngx_http_cargo_hash(r->pool, token, hash);
}


void
ngx_http_cargo_send_new_token(ngx_http_request_t *r,
    ngx_http_cargo_answer_t *answer)
{
    ngx_str_t  body, value;

    ngx_str_set(&value, "no-store");

    if (ngx_http_cargo_with_token(r, &answer->body, &body) != NGX_OK
        || ngx_http_cargo_add_header(r, "Cache-Control", &value) != NGX_OK)
    {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    ngx_http_cargo_send(r, "application/json", &body);
}


static ngx_int_t
ngx_http_cargo_with_token(ngx_http_request_t *r, ngx_str_t *answer,
    ngx_str_t *body)
{
    char                  *dump;
    json_t                *json, *object;
    ngx_http_cargo_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);

    dump = NULL;
    json = json_loadb((char *) answer->data, answer->len, 0, NULL);
    object = json_object_get(json, "api_token");

    if (json_object_set_new(object, "token",
                            json_stringn((char *) ctx->new_token.data,
                                         ctx->new_token.len))
        == 0)
    {
        dump = json_dumps(json, JSON_COMPACT);
    }

    json_decref(json);

    if (dump == NULL) {
        return NGX_ERROR;
    }

    body->len = ngx_strlen(dump);
    body->data = ngx_pnalloc(r->pool, body->len);

    if (body->data) {
        ngx_memcpy(body->data, dump, body->len);
    }

    ngx_explicit_memzero(dump, body->len);
    free(dump);

    return body->data ? NGX_OK : NGX_ERROR;
}
