
#include "ngx_http_cargo_status.h"


static ngx_int_t ngx_http_cargo_text_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_cargo_endpoint_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);


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
    const char                 *name;
    ngx_http_cargo_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_cargo_module);

    if (lcf->endpoint == NGX_HTTP_CARGO_NONE) {
        v->not_found = 1;
        return NGX_OK;
    }

    name = ngx_http_cargo_endpoint_name(
                        ngx_http_cargo_endpoint_number(r, lcf->endpoint));

    v->valid = 1;
    v->no_cacheable = 1;
    v->not_found = 0;
    v->len = ngx_strlen(name);
    v->data = (u_char *) name;

    return NGX_OK;
}
