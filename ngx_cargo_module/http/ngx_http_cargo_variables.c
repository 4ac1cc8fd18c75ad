
#include "ngx_http_cargo.h"


static ngx_int_t ngx_http_cargo_text_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_cargo_endpoint_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static const char *ngx_http_cargo_endpoint_name(ngx_http_request_t *r);


static ngx_http_variable_t  ngx_http_cargo_variables[] = {

    { ngx_string("cargo_blob"), NULL, ngx_http_cargo_text_variable,
      offsetof(ngx_http_cargo_ctx_t, blob), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("cargo_account"), NULL, ngx_http_cargo_text_variable,
      offsetof(ngx_http_cargo_ctx_t, account), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("cargo_token_name"), NULL, ngx_http_cargo_text_variable,
      offsetof(ngx_http_cargo_ctx_t, token_name), NGX_HTTP_VAR_NOCACHEABLE,
      0 },

    { ngx_string("cargo_crate"), NULL, ngx_http_cargo_text_variable,
      offsetof(ngx_http_cargo_ctx_t, crate), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("cargo_version"), NULL, ngx_http_cargo_text_variable,
      offsetof(ngx_http_cargo_ctx_t, version), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("cargo_endpoint"), NULL, ngx_http_cargo_endpoint_variable,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_http_cargo_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_cargo_variables; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_cargo_text_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t             *text;
    ngx_http_cargo_ctx_t  *ctx;

    ctx = ngx_http_cargo_find_ctx(r);
    text = ctx ? (ngx_str_t *) ((char *) ctx + data) : NULL;

    if (text == NULL || text->len == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->valid = 1;
    v->no_cacheable = 1;
    v->not_found = 0;
    v->len = text->len;
    v->data = text->data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_cargo_endpoint_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    const char  *name;

    name = ngx_http_cargo_endpoint_name(r);

    if (name == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->valid = 1;
    v->no_cacheable = 1;
    v->not_found = 0;
    v->len = ngx_strlen(name);
    v->data = (u_char *) name;

    return NGX_OK;
}


/* of the location, so that what others have refused there has one too */

static const char *
ngx_http_cargo_endpoint_name(ngx_http_request_t *r)
{
    ngx_str_t                      segments[NGX_HTTP_CARGO_SEGMENTS];
    ngx_uint_t                     methods;
    ngx_http_cargo_loc_conf_t     *lcf;
    const ngx_http_cargo_route_t  *route;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_cargo_module);

    switch (lcf->endpoint) {

    case NGX_HTTP_CARGO_INDEX:
        return ngx_http_cargo_is_config(r) ? "config" : "index";

    case NGX_HTTP_CARGO_DOWNLOAD:
        return "download";

    case NGX_HTTP_CARGO_ME:
        return "login_page";

    case NGX_HTTP_CARGO_API:
        route = ngx_http_cargo_find_route(r, segments, &methods);
        return route ? route->name : "unknown";

    default: /* NGX_HTTP_CARGO_NONE */
        return NULL;
    }
}
