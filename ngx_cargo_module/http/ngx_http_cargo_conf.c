
#include "ngx_http_cargo_conf.h"

#include "cargo_frame.h"


/* nginx's own, of client_max_body_size */
#define NGX_HTTP_CARGO_BODY_DEFAULT  (1 * 1024 * 1024)


static char *ngx_http_cargo_merge_base_url(ngx_conf_t *cf,
    ngx_http_cargo_loc_conf_t *conf, ngx_http_cargo_loc_conf_t *prev);
static char *ngx_http_cargo_check_base_url(ngx_conf_t *cf,
    ngx_http_complex_value_t *url);
static char *ngx_http_cargo_merge_endpoint(ngx_conf_t *cf,
    ngx_http_cargo_loc_conf_t *conf, ngx_http_cargo_loc_conf_t *prev);
static void ngx_http_cargo_merge_part(ngx_http_cargo_loc_conf_t *conf,
    ngx_http_cargo_loc_conf_t *prev);
static void ngx_http_cargo_adjust_core(ngx_http_cargo_loc_conf_t *conf,
    ngx_http_cargo_loc_conf_t *prev);
static char *ngx_http_cargo_check_endpoint(ngx_conf_t *cf,
    ngx_http_cargo_loc_conf_t *conf);


static ngx_str_t  ngx_http_cargo_default_base_url =
    ngx_string("$scheme://$http_host");

static ngx_str_t  ngx_http_cargo_default_zone = ngx_string("cargo:16m");


char *
ngx_http_cargo_index_alias(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_cargo_loc_conf_t *lcf = conf;

    ngx_str_t                         *value;
    ngx_uint_t                         i;
    ngx_http_complex_value_t          *cv;
    ngx_http_compile_complex_value_t   ccv;

    if (lcf->index_aliases == NGX_CONF_UNSET_PTR) {
        lcf->index_aliases = ngx_array_create(cf->pool, 4,
                                           sizeof(ngx_http_complex_value_t));
        if (lcf->index_aliases == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        cv = ngx_array_push(lcf->index_aliases);
        if (cv == NULL) {
            return NGX_CONF_ERROR;
        }

        ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

        ccv.cf = cf;
        ccv.value = &value[i];
        ccv.complex_value = cv;

        if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


char *
ngx_http_cargo_blobs(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_cargo_loc_conf_t *lcf = conf;

    ngx_str_t                   *value, *store;
    ngx_http_cargo_main_conf_t  *mcf;

    if (lcf->blobs.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_http_script_variables_count(&value[1])) {
        return "takes no variables: registries may share a directory";
    }

    if (value[1].len > 1 && value[1].data[value[1].len - 1] == '/') {
        value[1].data[--value[1].len] = '\0';
    }

    if (ngx_conf_full_name(cf->cycle, &value[1], 0) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    lcf->blobs = value[1];

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_cargo_module);

    store = ngx_array_push(&mcf->stores);
    if (store == NULL) {
        return NGX_CONF_ERROR;
    }

    *store = value[1];

    return NGX_CONF_OK;
}


char *
ngx_http_cargo_thread_pool(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_cargo_loc_conf_t *lcf = conf;

    ngx_str_t  *value;

    if (lcf->thread_pool != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    lcf->thread_pool = ngx_thread_pool_add(cf, &value[1]);

    return lcf->thread_pool ? NGX_CONF_OK : NGX_CONF_ERROR;
}


char *
ngx_http_cargo_endpoint(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_cargo_loc_conf_t *lcf = conf;

    ngx_http_core_loc_conf_t  *clcf;

    if (lcf->endpoint != NGX_HTTP_CARGO_NONE) {
        return "cannot stand beside another cargo handler in one location";
    }

    lcf->endpoint = cmd->offset;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    switch (lcf->endpoint) {

    case NGX_HTTP_CARGO_INDEX:
        clcf->handler = ngx_http_cargo_index_handler;
        return NGX_CONF_OK;

    case NGX_HTTP_CARGO_ME:
        clcf->handler = ngx_http_cargo_me_handler;
        return NGX_CONF_OK;

    case NGX_HTTP_CARGO_STATUS:
        clcf->handler = ngx_http_cargo_status_handler;
        return NGX_CONF_OK;

    case NGX_HTTP_CARGO_API:
        clcf->handler = ngx_http_cargo_api_handler;
        return ngx_http_cargo_download_root(cf, clcf);

    default: /* NGX_HTTP_CARGO_DOWNLOAD */
        return ngx_http_cargo_download_root(cf, clcf);
    }
}


void *
ngx_http_cargo_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_cargo_main_conf_t  *mcf;

    mcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_cargo_main_conf_t));
    if (mcf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     mcf->conninfo = { 0, NULL };
     *     mcf->pg.servers.n = 0;
     *     mcf->pg.listen_servers.n = 0;
     *     mcf->shm = NULL;
     *     mcf->metrics = NULL;
     */

    mcf->pg.statements = ngx_http_cargo_statements;

    mcf->pg.read_connections = NGX_CONF_UNSET_UINT;
    mcf->pg.write_connections = NGX_CONF_UNSET_UINT;
    mcf->pg.queue = NGX_CONF_UNSET_UINT;
    mcf->pg.timeout = NGX_CONF_UNSET_MSEC;
    mcf->pg.connect_timeout = NGX_CONF_UNSET_MSEC;
    mcf->pg.prepare = NGX_CONF_UNSET;
    mcf->downloads_flush = NGX_CONF_UNSET_MSEC;

    if (ngx_array_init(&mcf->stores, cf->pool, 4, sizeof(ngx_str_t))
        != NGX_OK)
    {
        return NULL;
    }

    return mcf;
}


char *
ngx_http_cargo_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_cargo_main_conf_t *mcf = conf;

    ngx_conf_init_uint_value(mcf->pg.read_connections, 2);
    ngx_conf_init_uint_value(mcf->pg.write_connections, 2);
    ngx_conf_init_uint_value(mcf->pg.queue, 1024);
    ngx_conf_init_msec_value(mcf->pg.timeout, 5000);
    ngx_conf_init_msec_value(mcf->pg.connect_timeout, 5000);
    ngx_conf_init_value(mcf->pg.prepare, 1);
    ngx_conf_init_msec_value(mcf->downloads_flush, 10000);

    if (mcf->conninfo.data == NULL) {
        return NGX_CONF_OK;
    }

    mcf->metrics = ngx_cargo_metrics_add(cf, &ngx_http_cargo_module);
    if (mcf->metrics == NULL) {
        return NGX_CONF_ERROR;
    }

    if (mcf->shm) {
        return NGX_CONF_OK;
    }

    return ngx_cargo_shm_add(cf, &mcf->shm, &ngx_http_cargo_default_zone, 1,
                             &ngx_http_cargo_module);
}


void *
ngx_http_cargo_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_cargo_loc_conf_t  *lcf;

    lcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_cargo_loc_conf_t));
    if (lcf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     lcf->endpoint = NGX_HTTP_CARGO_NONE;
     *     lcf->registry = NULL;
     *     lcf->base_url = NULL;
     *     lcf->token = NULL;
     *     lcf->user = NULL;
     *     lcf->blobs = { 0, NULL };
     *     lcf->core = NULL;
     *     lcf->error_pages = NULL;
     *     lcf->max_body_size = 0;
     */

    lcf->index_aliases = NGX_CONF_UNSET_PTR;
    lcf->user_from = NGX_CONF_UNSET_PTR;
    lcf->thread_pool = NGX_CONF_UNSET_PTR;
    lcf->max_crate_size = NGX_CONF_UNSET;
    lcf->max_unpacked_size = NGX_CONF_UNSET;
    lcf->max_archive_entries = NGX_CONF_UNSET_UINT;

    return lcf;
}


char *
ngx_http_cargo_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_cargo_loc_conf_t *prev = parent;
    ngx_http_cargo_loc_conf_t *conf = child;

    conf->core = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (conf->registry == NULL) {
        conf->registry = prev->registry;
    }

    if (ngx_http_cargo_merge_base_url(cf, conf, prev) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    ngx_http_cargo_merge_caller(conf, prev);

    ngx_conf_merge_str_value(conf->blobs, prev->blobs, "");
    ngx_conf_merge_ptr_value(conf->index_aliases, prev->index_aliases, NULL);
    ngx_conf_merge_ptr_value(conf->thread_pool, prev->thread_pool, NULL);
    ngx_conf_merge_off_value(conf->max_crate_size, prev->max_crate_size,
                             CARGO_DEFAULT_CRATE_MAX);
    ngx_conf_merge_off_value(conf->max_unpacked_size,
                             prev->max_unpacked_size,
                             CARGO_DEFAULT_UNPACKED_MAX);
    ngx_conf_merge_uint_value(conf->max_archive_entries,
                              prev->max_archive_entries,
                              CARGO_DEFAULT_ENTRIES_MAX);

    return ngx_http_cargo_merge_endpoint(cf, conf, prev);
}


static char *
ngx_http_cargo_merge_base_url(ngx_conf_t *cf, ngx_http_cargo_loc_conf_t *conf,
    ngx_http_cargo_loc_conf_t *prev)
{
    ngx_http_compile_complex_value_t  ccv;

    if (conf->base_url == NULL) {
        conf->base_url = prev->base_url;
    }

    if (conf->base_url) {
        return ngx_http_cargo_check_base_url(cf, conf->base_url);
    }

    conf->base_url = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (conf->base_url == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &ngx_http_cargo_default_base_url;
    ccv.complex_value = conf->base_url;

    return ngx_http_compile_complex_value(&ccv) == NGX_OK ? NGX_CONF_OK
                                                          : NGX_CONF_ERROR;
}


static char *
ngx_http_cargo_check_base_url(ngx_conf_t *cf, ngx_http_complex_value_t *url)
{
    if (url->lengths
        || ngx_strncasecmp(url->value.data, (u_char *) "https://", 8) == 0
        || ngx_strncasecmp(url->value.data, (u_char *) "http://", 7) == 0)
    {
        return NGX_CONF_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "cargo_base_url \"%V\" must begin with \"https://\" or "
                  "\"http://\": it is what cargo is told", &url->value);

    return NGX_CONF_ERROR;
}


static char *
ngx_http_cargo_merge_endpoint(ngx_conf_t *cf, ngx_http_cargo_loc_conf_t *conf,
    ngx_http_cargo_loc_conf_t *prev)
{
    if (conf->endpoint != NGX_HTTP_CARGO_NONE) {
        ngx_http_cargo_adjust_core(conf, prev);

    } else if (conf->core->noname && prev->endpoint != NGX_HTTP_CARGO_NONE) {
        ngx_http_cargo_merge_part(conf, prev);

    } else {
        return NGX_CONF_OK;
    }

    return ngx_http_cargo_check_endpoint(cf, conf);
}


/* "if" and "limit_except" are parts of the location */

static void
ngx_http_cargo_merge_part(ngx_http_cargo_loc_conf_t *conf,
    ngx_http_cargo_loc_conf_t *prev)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = conf->core;

    conf->endpoint = prev->endpoint;
    conf->error_pages = prev->error_pages;
    conf->max_body_size = prev->max_body_size;

    clcf->handler = prev->core->handler;
    clcf->root = prev->core->root;
    clcf->alias = prev->core->alias;
    clcf->root_lengths = prev->core->root_lengths;
    clcf->root_values = prev->core->root_values;
    clcf->etag = prev->core->etag;

    /* the core has merged these before the location's were adjusted */

    if (clcf->error_pages == prev->error_pages) {
        clcf->error_pages = prev->core->error_pages;
    }

    if (clcf->client_max_body_size == prev->max_body_size) {
        clcf->client_max_body_size = prev->core->client_max_body_size;
    }
}


static void
ngx_http_cargo_adjust_core(ngx_http_cargo_loc_conf_t *conf,
    ngx_http_cargo_loc_conf_t *prev)
{
    off_t                      needed;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = conf->core;

    conf->error_pages = clcf->error_pages;
    conf->max_body_size = clcf->client_max_body_size;

    /*
     * Error pages for people, inherited from the site that the registry is a
     * part of, would only hide from cargo what has happened.
     */

    if (prev->core && clcf->error_pages == prev->core->error_pages) {
        clcf->error_pages = NULL;
    }

    /* too small for the crates that are allowed; what is set is respected */

    needed = conf->max_crate_size + CARGO_METADATA_MAX + 8;

    if (conf->endpoint == NGX_HTTP_CARGO_API
        && clcf->client_max_body_size == NGX_HTTP_CARGO_BODY_DEFAULT
        && clcf->client_max_body_size < needed)
    {
        clcf->client_max_body_size = needed;
    }
}


static char *
ngx_http_cargo_check_endpoint(ngx_conf_t *cf, ngx_http_cargo_loc_conf_t *conf)
{
    ngx_http_cargo_main_conf_t  *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_cargo_module);

    if (mcf->conninfo.data == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "location \"%V\" needs \"cargo_postgres\" in the http "
                      "block", &conf->core->name);
        return NGX_CONF_ERROR;
    }

    if (conf->endpoint == NGX_HTTP_CARGO_STATUS) {
        return NGX_CONF_OK;
    }

    if (conf->registry == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "location \"%V\" needs \"cargo_registry\": the name "
                      "of a registry made with \"cargoctl registry create\"",
                      &conf->core->name);
        return NGX_CONF_ERROR;
    }

    if (conf->blobs.len == 0
        && (conf->endpoint == NGX_HTTP_CARGO_API
            || conf->endpoint == NGX_HTTP_CARGO_DOWNLOAD))
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "location \"%V\" needs \"cargo_blobs\": the directory "
                      "of the crate files", &conf->core->name);
        return NGX_CONF_ERROR;
    }

    return ngx_http_cargo_check_caller(cf, conf);
}
