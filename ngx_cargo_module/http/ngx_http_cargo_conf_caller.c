
#include "ngx_http_cargo_conf.h"


static ngx_uint_t ngx_http_cargo_has_variable(ngx_str_t *value,
    ngx_str_t *names);


/* what every client can send as it likes */

static ngx_str_t  ngx_http_cargo_client_variables[] = {
    ngx_string("http_"),
    ngx_string("arg_"),
    ngx_string("cookie_"),
    ngx_null_string
};

/* the same, unless a password has been asked for */

static ngx_str_t  ngx_http_cargo_password_variables[] = {
    ngx_string("remote_user"),
    ngx_null_string
};


char *
ngx_http_cargo_user_from(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_cargo_loc_conf_t *lcf = conf;

    ngx_int_t    rc;
    ngx_str_t   *value;
    ngx_cidr_t  *cidr;
    ngx_uint_t   i;

    if (lcf->user_from == NGX_CONF_UNSET_PTR) {
        lcf->user_from = ngx_array_create(cf->pool, 4, sizeof(ngx_cidr_t));
        if (lcf->user_from == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        cidr = ngx_array_push(lcf->user_from);
        if (cidr == NULL) {
            return NGX_CONF_ERROR;
        }

        if (ngx_strcmp(value[i].data, "unix:") == 0) {
            cidr->family = AF_UNIX;
            continue;
        }

        rc = ngx_ptocidr(&value[i], cidr);

        if (rc == NGX_ERROR) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "cargo_user_from \"%V\" is neither an "
                               "address nor a CIDR nor \"unix:\"", &value[i]);
            return NGX_CONF_ERROR;
        }

        if (rc == NGX_DONE) {
            ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                               "low address bits of %V are meaningless",
                               &value[i]);
        }
    }

    return NGX_CONF_OK;
}


void
ngx_http_cargo_merge_caller(ngx_http_cargo_loc_conf_t *conf,
    ngx_http_cargo_loc_conf_t *prev)
{
    if (conf->token == NULL) {
        conf->token = prev->token;
    }

    if (conf->user == NULL) {
        conf->user = prev->user;
    }

    ngx_conf_merge_ptr_value(conf->user_from, prev->user_from, NULL);
}


char *
ngx_http_cargo_check_caller(ngx_conf_t *cf, ngx_http_cargo_loc_conf_t *conf)
{
    if (conf->user == NULL) {
        return NGX_CONF_OK;
    }

    if (conf->core->satisfy == NGX_HTTP_SATISFY_ANY
        && ngx_http_cargo_has_variable(&conf->user->value,
                                       ngx_http_cargo_password_variables))
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "cargo_user \"%V\" in location \"%V\" cannot be used "
                      "with \"satisfy any\": whom another rule lets in is "
                      "asked for no password, and may send any name",
                      &conf->user->value, &conf->core->name);
        return NGX_CONF_ERROR;
    }

    if (conf->user_from
        || !ngx_http_cargo_has_variable(&conf->user->value,
                                        ngx_http_cargo_client_variables))
    {
        return NGX_CONF_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "cargo_user \"%V\" in location \"%V\" is what any client "
                  "may send; say with \"cargo_user_from\" which proxies are "
                  "believed", &conf->user->value, &conf->core->name);

    return NGX_CONF_ERROR;
}


/* names: of variables, or how they begin */

static ngx_uint_t
ngx_http_cargo_has_variable(ngx_str_t *value, ngx_str_t *names)
{
    u_char     *p, *last;
    ngx_str_t  *name;

    last = value->data + value->len;

    for (p = value->data; p < last; p++) {

        if (*p != '$') {
            continue;
        }

        p += (p + 1 < last && p[1] == '{') ? 2 : 1;

        for (name = names; name->len; name++) {

            if ((size_t) (last - p) >= name->len
                && ngx_strncasecmp(p, name->data, name->len) == 0)
            {
                return 1;
            }
        }
    }

    return 0;
}
