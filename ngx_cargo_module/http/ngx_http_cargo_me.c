
#include "ngx_http_cargo.h"


static const char  ngx_http_cargo_me_page[] =
    "<!DOCTYPE html>\n"
    "<html lang=\"en\">\n"
    "<head><meta charset=\"utf-8\"><title>Cargo registry: token</title>\n"
    "<meta name=\"viewport\" content=\"width=device-width\"></head>\n"
    "<body>\n"
    "<h1>A token for this registry</h1>\n"
    "<p>Ask the administrator of this registry for an account and a token. "
    "On the server it is made with</p>\n"
    "<pre>cargoctl token create YOUR-LOGIN --name YOUR-COMPUTER</pre>\n"
    "<p>It is shown once. Give it to cargo:</p>\n"
    "<pre>cargo login --registry NAME</pre>\n"
    "<p>where NAME is what your <code>.cargo/config.toml</code> calls this "
    "registry:</p>\n"
    "<pre>[registries.NAME]\n"
    "index = \"sparse+%s/index/\"\n"
    "credential-provider = [\"cargo:token\"]</pre>\n"
    "</body>\n"
    "</html>\n";


ngx_int_t
ngx_http_cargo_me_handler(ngx_http_request_t *r)
{
    u_char                *p;
    size_t                 len;
    ngx_int_t              rc;
    ngx_str_t              page, url;
    ngx_http_cargo_ctx_t  *ctx;

    rc = ngx_http_cargo_read_only(r);
    if (rc != NGX_OK) {
        return rc;
    }

    ctx = ngx_http_cargo_get_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* the host in it is the client's own word */

    len = ctx->base_url.len
          + ngx_escape_html(NULL, ctx->base_url.data, ctx->base_url.len);

    url.data = ngx_pnalloc(r->pool, len + 1);
    page.data = ngx_pnalloc(r->pool, len + sizeof(ngx_http_cargo_me_page));

    if (url.data == NULL || page.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = (u_char *) ngx_escape_html(url.data, ctx->base_url.data,
                                   ctx->base_url.len);
    *p = '\0';

    page.len = ngx_sprintf(page.data, ngx_http_cargo_me_page, url.data)
               - page.data;

    r->main->count++;
    ngx_http_cargo_send(r, "text/html; charset=utf-8", &page);

    return NGX_DONE;
}
