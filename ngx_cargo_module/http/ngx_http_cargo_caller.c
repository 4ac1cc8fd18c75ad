
#include "ngx_http_cargo.h"


/*
 * Who calls.  A well-formed token decides, first one in Authorization, then
 * one of cargo_token, which only ever reads.  Without one the login decides
 * that nginx has authenticated: what else stands in Authorization is then
 * meant for whoever did that, a password or a token of others.
 */


static ngx_int_t ngx_http_cargo_plain_token(ngx_http_request_t *r,
    ngx_http_cargo_caller_t *caller);
static ngx_int_t ngx_http_cargo_find_caller(ngx_http_request_t *r,
    ngx_http_cargo_caller_t *caller, cargo_arena_t *arena);
static ngx_int_t ngx_http_cargo_by_nothing_good(ngx_http_request_t *r,
    ngx_http_cargo_caller_t *caller, cargo_str_t header, cargo_str_t url,
    cargo_error_t *error);
static ngx_int_t ngx_http_cargo_authorization(ngx_http_request_t *r,
    cargo_arena_t *arena, cargo_str_t *token, cargo_error_t *error);
static ngx_int_t ngx_http_cargo_by_token(ngx_http_cargo_caller_t *caller,
    ngx_http_cargo_credential_e by, cargo_str_t token);
static ngx_int_t ngx_http_cargo_by_login(ngx_http_request_t *r,
    ngx_http_cargo_caller_t *caller, ngx_str_t *login);
static ngx_int_t ngx_http_cargo_by_no_token(ngx_http_request_t *r,
    ngx_http_cargo_caller_t *caller, cargo_error_t *error);
static ngx_int_t ngx_http_cargo_login(ngx_http_request_t *r,
    ngx_str_t *login);
static ngx_uint_t ngx_http_cargo_verified_elsewhere(ngx_http_request_t *r);
static ngx_uint_t ngx_http_cargo_trusted(ngx_http_request_t *r,
    ngx_array_t *from);


ngx_http_cargo_caller_t *
ngx_http_cargo_caller(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    cargo_arena_t            *arena;
    ngx_http_cargo_ctx_t     *ctx;
    ngx_http_cargo_caller_t  *caller;

    ctx = ngx_http_cargo_named_ctx(r);

    if (ctx == NULL || ctx->caller) {
        return ctx ? ctx->caller : NULL;
    }

    caller = &ctx->who;
    caller->address = r->connection->addr_text;

    rc = ngx_http_cargo_plain_token(r, caller);

    if (rc == NGX_DECLINED) {
        arena = cargo_arena_create(NULL);
        if (arena == NULL) {
            return NULL;
        }

        rc = ngx_http_cargo_find_caller(r, caller, arena);

        cargo_arena_destroy(arena);
    }

    if (rc != NGX_OK) {
        return NULL;
    }

    ctx->caller = caller;

    return caller;
}


ngx_int_t
ngx_http_cargo_check_writer(ngx_http_request_t *r)
{
    ngx_http_cargo_caller_t  *caller;

    caller = ngx_http_cargo_caller(r);
    if (caller == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return caller->refused ? ngx_http_cargo_refuse_text(r, caller->refused,
                                                        &caller->refusal)
                           : NGX_OK;
}


ngx_int_t
ngx_http_cargo_hash(ngx_pool_t *pool, cargo_str_t token, ngx_str_t *hash)
{
    u_char  *p, digest[CARGO_TOKEN_HASH];

    p = ngx_pnalloc(pool, sizeof("\\x") + 2 * CARGO_TOKEN_HASH);

    if (p == NULL || cargo_token_hash(token, digest) == -1) {
        return NGX_ERROR;
    }

    hash->data = p;

    p = ngx_cpymem(p, "\\x", 2);
    p = ngx_hex_dump(p, digest, CARGO_TOKEN_HASH);

    hash->len = p - hash->data;

    return NGX_OK;
}


/* what cargo sends, and nothing at all: most callers are found out here */

static ngx_int_t
ngx_http_cargo_plain_token(ngx_http_request_t *r,
    ngx_http_cargo_caller_t *caller)
{
    cargo_str_t                 token;
    ngx_http_cargo_ctx_t       *ctx;
    ngx_http_cargo_loc_conf_t  *lcf;

    if (r->headers_in.authorization == NULL) {
        ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);
        lcf = ngx_http_get_module_loc_conf(r, ngx_http_cargo_module);

        if (ctx->secret.len || lcf->user) {
            return NGX_DECLINED;
        }

        ngx_str_set(&caller->credential, "n");

        return NGX_OK;
    }

    token.data = r->headers_in.authorization->value.data;
    token.len = r->headers_in.authorization->value.len;

    return cargo_token_wellformed(token)
           ? ngx_http_cargo_by_token(caller, NGX_HTTP_CARGO_BY_HEADER, token)
           : NGX_DECLINED;
}


static ngx_int_t
ngx_http_cargo_find_caller(ngx_http_request_t *r,
    ngx_http_cargo_caller_t *caller, cargo_arena_t *arena)
{
    ngx_str_t              login;
    cargo_str_t            header, url;
    cargo_error_t          error;
    ngx_http_cargo_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);

    url.data = ctx->secret.data;
    url.len = (r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD)) ? ctx->secret.len : 0;

    if (ngx_http_cargo_authorization(r, arena, &header, &error) != NGX_OK) {
        return NGX_ERROR;
    }

    if (cargo_token_wellformed(header)) {
        return ngx_http_cargo_by_token(caller, NGX_HTTP_CARGO_BY_HEADER,
                                       header);
    }

    if (cargo_token_wellformed(url)) {
        return ngx_http_cargo_by_token(caller, NGX_HTTP_CARGO_BY_URL, url);
    }

    ngx_str_null(&login);

    if (ngx_http_cargo_login(r, &login) != NGX_OK) {
        return NGX_ERROR;
    }

    if (login.len) {
        return ngx_http_cargo_by_login(r, caller, &login);
    }

    return ngx_http_cargo_by_nothing_good(r, caller, header, url, &error);
}


/* what is no token is one that nobody has: the database says so */

static ngx_int_t
ngx_http_cargo_by_nothing_good(ngx_http_request_t *r,
    ngx_http_cargo_caller_t *caller, cargo_str_t header, cargo_str_t url,
    cargo_error_t *error)
{
    ngx_http_cargo_ctx_t  *ctx;

    if (r->headers_in.authorization) {
        if (ngx_http_cargo_by_no_token(r, caller, error) != NGX_OK) {
            return NGX_ERROR;
        }

        return ngx_http_cargo_by_token(caller, NGX_HTTP_CARGO_BY_HEADER,
                                       header);
    }

    if (url.len) {
        return ngx_http_cargo_by_token(caller, NGX_HTTP_CARGO_BY_URL, url);
    }

    ngx_str_set(&caller->credential, "n");

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);

    if (ctx->secret.len) {
        (void) cargo_refuse(error, NGX_HTTP_FORBIDDEN,
                            "this action requires authentication: a token in "
                            "the URL only reads; run `cargo login` with a "
                            "token that may write");

        return ngx_http_cargo_by_no_token(r, caller, error);
    }

    return NGX_OK;
}


/* a value that is no token is taken as it is */

static ngx_int_t
ngx_http_cargo_authorization(ngx_http_request_t *r, cargo_arena_t *arena,
    cargo_str_t *token, cargo_error_t *error)
{
    cargo_str_t  header;

    error->status = 0;
    token->data = NULL;
    token->len = 0;

    if (r->headers_in.authorization == NULL) {
        return NGX_OK;
    }

    header.len = r->headers_in.authorization->value.len;
    header.data = r->headers_in.authorization->value.data;

    switch (cargo_token_of_authorization(arena, header, token, error)) {

    case CARGO_OK:
        return NGX_OK;

    case CARGO_REFUSED:
        *token = header;
        return NGX_OK;

    default: /* CARGO_NO_MEMORY */
        return NGX_ERROR;
    }
}


static ngx_int_t
ngx_http_cargo_by_token(ngx_http_cargo_caller_t *caller,
    ngx_http_cargo_credential_e by, cargo_str_t token)
{
    if (cargo_token_hash(token, &caller->token[1]) == -1) {
        return NGX_ERROR;
    }

    caller->by = by;
    caller->token[0] = 't';

    caller->credential.data = caller->token;
    caller->credential.len = sizeof(caller->token);

    return NGX_OK;
}


static ngx_int_t
ngx_http_cargo_by_login(ngx_http_request_t *r,
    ngx_http_cargo_caller_t *caller, ngx_str_t *login)
{
    u_char  *p;

    p = ngx_pnalloc(r->pool, 1 + login->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    caller->by = NGX_HTTP_CARGO_BY_LOGIN;

    caller->credential.data = p;
    caller->credential.len = 1 + login->len;

    *p++ = 'l';
    ngx_memcpy(p, login->data, login->len);

    return NGX_OK;
}


static ngx_int_t
ngx_http_cargo_by_no_token(ngx_http_request_t *r,
    ngx_http_cargo_caller_t *caller, cargo_error_t *error)
{
    ngx_str_t              detail;
    ngx_http_cargo_ctx_t  *ctx;

    ctx = ngx_http_cargo_get_ctx(r);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    if (error->status == 0) {
        (void) cargo_refuse(error, NGX_HTTP_FORBIDDEN,
                            "authentication failed: this is not a token of "
                            "this registry; see %.*s/me, then run `cargo "
                            "login`", (int) ctx->shown_url.len,
                            ctx->shown_url.data);
    }

    detail.data = (u_char *) error->detail;
    detail.len = ngx_strlen(error->detail);

    caller->refused = error->status;
    caller->refusal.len = detail.len;
    caller->refusal.data = ngx_pstrdup(r->pool, &detail);

    return caller->refusal.data ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_cargo_login(ngx_http_request_t *r, ngx_str_t *login)
{
    ngx_http_cargo_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_cargo_module);

    if (lcf->user == NULL
        || (lcf->user_from && !ngx_http_cargo_trusted(r, lcf->user_from))
        || ngx_http_cargo_verified_elsewhere(r))
    {
        return NGX_OK;
    }

    if (ngx_http_complex_value(r, lcf->user, login) != NGX_OK) {
        return NGX_ERROR;
    }

    /* the database could not take it; nobody is called like that */

    if (!cargo_utf8_valid(login->data, login->len)
        || ngx_strlchr(login->data, login->data + login->len, '\0'))
    {
        login->len = 0;
    }

    return NGX_OK;
}


/*
 * A certificate is verified by the server{} of the handshake, the default one
 * when the client names none there; it may have another CA than the server{}
 * that the request names, and nginx does not always mind.
 */

static ngx_uint_t
ngx_http_cargo_verified_elsewhere(ngx_http_request_t *r)
{
#if (NGX_HTTP_SSL)

    ngx_str_t  verified;

    return r->connection->ssl != NULL
           && r->http_connection->conf_ctx->srv_conf != r->srv_conf
           && (ngx_ssl_get_client_verify(r->connection, r->pool, &verified)
               != NGX_OK
               || verified.len != sizeof("NONE") - 1
               || ngx_strncmp(verified.data, "NONE", verified.len) != 0);

#else

    return 0;

#endif
}


/* whose word counts is the peer, not the client that realip has put there */

static ngx_uint_t
ngx_http_cargo_trusted(ngx_http_request_t *r, ngx_array_t *from)
{
    ngx_addr_t                  addr;
    ngx_uint_t                  key;
    struct sockaddr             local;
    ngx_http_variable_value_t  *v;

    static ngx_str_t  name = ngx_string("realip_remote_addr");

    key = ngx_hash_key(name.data, name.len);
    v = ngx_http_get_variable(r, &name, key);

    if (v == NULL || v->not_found) {
        return ngx_cidr_match(r->connection->sockaddr, from) == NGX_OK;
    }

    if (v->len >= 5 && ngx_strncmp(v->data, "unix:", 5) == 0) {
        local.sa_family = AF_UNIX;
        return ngx_cidr_match(&local, from) == NGX_OK;
    }

    return ngx_parse_addr(r->pool, &addr, v->data, v->len) == NGX_OK
           && ngx_cidr_match(addr.sockaddr, from) == NGX_OK;
}
