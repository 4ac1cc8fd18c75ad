
#include "ngx_http_cargo.h"


/*
 * Refusals of writes that no SQL function has seen: what is no token, no
 * name, no JSON, no crate.  They stand in the audit log like all others.
 */


static void ngx_http_cargo_refusal_told(ngx_http_request_t *r,
    ngx_http_cargo_answer_t *answer);


ngx_int_t
ngx_http_cargo_tell_refusal(ngx_http_request_t *r, ngx_int_t rc)
{
    u_char                 number[NGX_INT_T_LEN];
    ngx_str_t              action, status, detail, *params[5];
    ngx_http_cargo_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);

    if (rc < NGX_HTTP_BAD_REQUEST
        || rc >= NGX_HTTP_INTERNAL_SERVER_ERROR
        || ctx == NULL
        || ctx->route == NULL
        || !ngx_http_cargo_statements[ctx->route->statement].writes
        || ctx->refused)
    {
        return rc;
    }

    ctx->refused = rc;

    action.data = (u_char *) ctx->route->name;
    action.len = ngx_strlen(action.data);

    status.data = number;
    status.len = ngx_sprintf(number, "%i", rc) - number;

    detail = ctx->detail;

    params[0] = &action;
    params[1] = ctx->crate.len ? &ctx->crate : NULL;
    params[2] = ctx->version.len ? &ctx->version : NULL;
    params[3] = &status;
    params[4] = detail.len ? &detail : NULL;

    if (ngx_http_cargo_query(r, NGX_HTTP_CARGO_REFUSE_WRITE, params,
                             ngx_http_cargo_refusal_told)
        == NGX_OK)
    {
        return NGX_OK;
    }

    /* refused all the same, and for this reason, not for the database's */

    ctx->detail = detail;

    return rc;
}


void
ngx_http_cargo_end(ngx_http_request_t *r, ngx_int_t rc)
{
    rc = ngx_http_cargo_tell_refusal(r, rc);

    if (rc != NGX_OK) {
        ngx_http_finalize_request(r, rc);
    }
}


static void
ngx_http_cargo_refusal_told(ngx_http_request_t *r,
    ngx_http_cargo_answer_t *answer)
{
    ngx_http_cargo_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);

    ngx_http_finalize_request(r, ctx->refused);
}
