
#include "ngx_http_cargo.h"


static ngx_int_t ngx_http_cargo_set_yanked(ngx_http_request_t *r,
    const char *yanked);
static void ngx_http_cargo_yanked(ngx_http_request_t *r,
    ngx_http_cargo_answer_t *answer);


ngx_int_t
ngx_http_cargo_yank(ngx_http_request_t *r)
{
    return ngx_http_cargo_set_yanked(r, "true");
}


ngx_int_t
ngx_http_cargo_unyank(ngx_http_request_t *r)
{
    return ngx_http_cargo_set_yanked(r, "false");
}


static ngx_int_t
ngx_http_cargo_set_yanked(ngx_http_request_t *r, const char *yanked)
{
    ngx_int_t                rc;
    ngx_str_t                value, *params[5];
    ngx_http_cargo_ctx_t    *ctx;
    ngx_http_cargo_token_t   token;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_cargo_write_token(r, &token);
    if (rc != NGX_OK) {
        return rc;
    }

    value.data = (u_char *) yanked;
    value.len = ngx_strlen(yanked);

    params[0] = &ctx->registry;
    params[1] = token.hash.len ? &token.hash : NULL;
    params[2] = &ctx->crate;
    params[3] = &ctx->version;
    params[4] = &value;

    return ngx_http_cargo_query(r, NGX_HTTP_CARGO_YANK, params,
                                ngx_http_cargo_yanked);
}


static void
ngx_http_cargo_yanked(ngx_http_request_t *r, ngx_http_cargo_answer_t *answer)
{
    if (answer->status != NGX_HTTP_OK) {
        ngx_http_finalize_request(r, ngx_http_cargo_refuse_text(r,
                                          answer->status, &answer->body));
        return;
    }

    ngx_http_cargo_send(r, "application/json", &answer->body);
}
