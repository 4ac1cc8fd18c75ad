
#include "ngx_http_cargo_conf.h"


/* the database, and what is remembered of it */


char *
ngx_http_cargo_postgres(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_cargo_main_conf_t *mcf = conf;

    ngx_str_t  *value;

    if (mcf->conninfo.data) {
        return "is duplicate";
    }

    value = cf->args->elts;
    mcf->conninfo = value[1];

    return ngx_cargo_pg_parse_conninfo(cf, &mcf->pg.servers, &mcf->conninfo);
}


char *
ngx_http_cargo_postgres_listen(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_cargo_main_conf_t *mcf = conf;

    ngx_str_t  *value;

    if (mcf->pg.listen_servers.n) {
        return "is duplicate";
    }

    value = cf->args->elts;

    return ngx_cargo_pg_parse_conninfo(cf, &mcf->pg.listen_servers, &value[1]);
}


char *
ngx_http_cargo_postgres_connections(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_cargo_main_conf_t *mcf = conf;

    ngx_int_t    n;
    ngx_str_t   *value;
    ngx_uint_t   i, *count;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "read=", 5) == 0) {
            count = &mcf->pg.read_connections;
            n = ngx_atoi(value[i].data + 5, value[i].len - 5);

        } else if (ngx_strncmp(value[i].data, "write=", 6) == 0) {
            count = &mcf->pg.write_connections;
            n = ngx_atoi(value[i].data + 6, value[i].len - 6);

        } else {
            return "takes read=NUMBER and write=NUMBER";
        }

        if (*count != NGX_CONF_UNSET_UINT) {
            return "is duplicate";
        }

        if (n < 1 || n > 100) {
            return "takes numbers from 1 to 100: connections of each worker";
        }

        *count = n;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_cargo_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_cargo_main_conf_t *mcf = conf;

    ngx_str_t  *value;

    if (mcf->shm) {
        return "is duplicate";
    }

    value = cf->args->elts;

    return ngx_cargo_shm_add(cf, &mcf->shm, &value[1], cf->args->nelts - 1,
                             &ngx_http_cargo_module);
}
