
#include "ngx_http_cargo.h"


static void ngx_http_cargo_not_our_token(ngx_http_request_t *r,
    ngx_http_cargo_token_t *token);


ngx_int_t
ngx_http_cargo_token(ngx_http_request_t *r, ngx_http_cargo_token_t *token)
{
    u_char           hash[CARGO_TOKEN_HASH];
    cargo_rc_t       rc;
    cargo_str_t      header, text;
    cargo_arena_t   *arena;

    token->hash.len = 0;
    token->error.status = 0;

    if (r->headers_in.authorization == NULL) {
        return NGX_OK;
    }

    header.len = r->headers_in.authorization->value.len;
    header.data = r->headers_in.authorization->value.data;

    arena = cargo_arena_create(NULL);
    if (arena == NULL) {
        return NGX_ERROR;
    }

    rc = cargo_token_of_authorization(arena, header, &text, &token->error);

    if (rc == CARGO_REFUSED) {
        text = header;

    } else if (rc == CARGO_OK && !cargo_token_wellformed(text)) {
        ngx_http_cargo_not_our_token(r, token);
    }

    if (rc == CARGO_NO_MEMORY || cargo_token_hash(text, hash) == -1) {
        cargo_arena_destroy(arena);
        return NGX_ERROR;
    }

    cargo_arena_destroy(arena);

    token->hash.data = token->text;
    token->hash.len = ngx_hex_dump(ngx_cpymem(token->text, "\\x", 2), hash,
                                   CARGO_TOKEN_HASH)
                      - token->text;

    return NGX_OK;
}


static void
ngx_http_cargo_not_our_token(ngx_http_request_t *r,
    ngx_http_cargo_token_t *token)
{
    ngx_http_cargo_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);

    (void) cargo_refuse(&token->error, NGX_HTTP_FORBIDDEN,
                        "authentication failed: this is not a token of this "
                        "registry; see %.*s/me, then run `cargo login`",
                        (int) ctx->base_url.len, ctx->base_url.data);
}


ngx_int_t
ngx_http_cargo_write_token(ngx_http_request_t *r,
    ngx_http_cargo_token_t *token)
{
    if (ngx_http_cargo_token(r, token) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (token->error.status) {
        return ngx_http_cargo_refuse(r, token->error.status, "%s",
                                     token->error.detail);
    }

    return NGX_OK;
}
