
#include "ngx_http_cargo.h"

#include <jansson.h>

#include "cargo_frame.h"


#define NGX_HTTP_CARGO_CRATE_MAX     (10 * 1024 * 1024)

/* what every cargo agrees to unpack */
#define NGX_HTTP_CARGO_UNPACKED_MAX  (512 * 1024 * 1024)

#define NGX_HTTP_CARGO_ENTRIES_MAX   65536


static char *ngx_http_cargo_postgres(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_cargo_postgres_connections(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static char *ngx_http_cargo_index_alias(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_cargo_blobs(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_cargo_thread_pool(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_cargo_endpoint(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

static ngx_int_t ngx_http_cargo_init_variables(ngx_conf_t *cf);
static void *ngx_http_cargo_create_main_conf(ngx_conf_t *cf);
static char *ngx_http_cargo_init_main_conf(ngx_conf_t *cf, void *conf);
static void *ngx_http_cargo_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_cargo_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static char *ngx_http_cargo_merge_endpoint(ngx_conf_t *cf,
    ngx_http_cargo_loc_conf_t *conf, ngx_http_cargo_loc_conf_t *prev);
static char *ngx_http_cargo_check_endpoint(ngx_conf_t *cf,
    ngx_http_cargo_loc_conf_t *conf);
static ngx_int_t ngx_http_cargo_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_cargo_init_module(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_cargo_init_process(ngx_cycle_t *cycle);
static void ngx_http_cargo_exit_process(ngx_cycle_t *cycle);


static ngx_conf_num_bounds_t  ngx_http_cargo_queue_bounds = {
    ngx_conf_check_num_bounds, 1, 1000000
};

static ngx_conf_num_bounds_t  ngx_http_cargo_entries_bounds = {
    ngx_conf_check_num_bounds, 1, 1000000
};


static ngx_command_t  ngx_http_cargo_commands[] = {

    { ngx_string("cargo_postgres"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_cargo_postgres,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("cargo_postgres_connections"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE12,
      ngx_http_cargo_postgres_connections,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("cargo_postgres_queue"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_cargo_main_conf_t, pg.queue),
      &ngx_http_cargo_queue_bounds },

    { ngx_string("cargo_postgres_timeout"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_cargo_main_conf_t, pg.timeout),
      NULL },

    { ngx_string("cargo_postgres_connect_timeout"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_cargo_main_conf_t, pg.connect_timeout),
      NULL },

    { ngx_string("cargo_postgres_prepare"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_cargo_main_conf_t, pg.prepare),
      NULL },

    { ngx_string("cargo_downloads_flush"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_cargo_main_conf_t, downloads_flush),
      NULL },

    { ngx_string("cargo_registry"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_set_complex_value_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_cargo_loc_conf_t, registry),
      NULL },

    { ngx_string("cargo_base_url"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_set_complex_value_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_cargo_loc_conf_t, base_url),
      NULL },

    { ngx_string("cargo_index_alias"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_cargo_index_alias,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("cargo_blobs"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_cargo_blobs,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("cargo_thread_pool"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_cargo_thread_pool,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("cargo_max_crate_size"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_off_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_cargo_loc_conf_t, max_crate_size),
      NULL },

    { ngx_string("cargo_max_unpacked_size"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_off_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_cargo_loc_conf_t, max_unpacked_size),
      NULL },

    { ngx_string("cargo_max_archive_entries"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_cargo_loc_conf_t, max_archive_entries),
      &ngx_http_cargo_entries_bounds },

    { ngx_string("cargo_index"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_cargo_endpoint,
      NGX_HTTP_LOC_CONF_OFFSET,
      NGX_HTTP_CARGO_INDEX,
      NULL },

    { ngx_string("cargo_api"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_cargo_endpoint,
      NGX_HTTP_LOC_CONF_OFFSET,
      NGX_HTTP_CARGO_API,
      NULL },

    { ngx_string("cargo_download"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_cargo_endpoint,
      NGX_HTTP_LOC_CONF_OFFSET,
      NGX_HTTP_CARGO_DOWNLOAD,
      NULL },

    { ngx_string("cargo_me"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_cargo_endpoint,
      NGX_HTTP_LOC_CONF_OFFSET,
      NGX_HTTP_CARGO_ME,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_cargo_module_ctx = {
    ngx_http_cargo_init_variables,         /* preconfiguration */
    ngx_http_cargo_init,                   /* postconfiguration */

    ngx_http_cargo_create_main_conf,       /* create main configuration */
    ngx_http_cargo_init_main_conf,         /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_cargo_create_loc_conf,        /* create location configuration */
    ngx_http_cargo_merge_loc_conf          /* merge location configuration */
};


ngx_module_t  ngx_http_cargo_module = {
    NGX_MODULE_V1,
    &ngx_http_cargo_module_ctx,            /* module context */
    ngx_http_cargo_commands,               /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_http_cargo_init_module,            /* init module */
    ngx_http_cargo_init_process,           /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_cargo_exit_process,           /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_str_t  ngx_http_cargo_default_base_url =
    ngx_string("$scheme://$http_host");

static ngx_str_t  ngx_http_cargo_default_thread_pool = ngx_string("default");


/* directives */


static char *
ngx_http_cargo_postgres(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_cargo_main_conf_t *mcf = conf;

    ngx_str_t  *value;

    if (mcf->conninfo.data) {
        return "is duplicate";
    }

    value = cf->args->elts;
    mcf->conninfo = value[1];

    return ngx_cargo_pg_parse_conninfo(cf, &mcf->pg, &mcf->conninfo);
}


static char *
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


static char *
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


static char *
ngx_http_cargo_blobs(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_cargo_loc_conf_t *lcf = conf;

    ngx_str_t                   *value, *store;
    ngx_http_cargo_main_conf_t  *mcf;

    if (lcf->blobs.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

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


static char *
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


static char *
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

    case NGX_HTTP_CARGO_API:
        clcf->handler = ngx_http_cargo_api_handler;
        return ngx_http_cargo_download_root(cf, clcf);

    default: /* NGX_HTTP_CARGO_DOWNLOAD */
        return ngx_http_cargo_download_root(cf, clcf);
    }
}


/* configuration */


static ngx_int_t
ngx_http_cargo_init_variables(ngx_conf_t *cf)
{
    return ngx_http_cargo_add_variables(cf);
}


static void *
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
     *     mcf->pg.keywords = NULL;
     *     mcf->pg.values = NULL;
     */

    mcf->pg.statements = ngx_http_cargo_statements;
    mcf->pg.nstatements = ngx_http_cargo_nstatements;

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


static char *
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

    return NGX_CONF_OK;
}


static void *
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
     *     lcf->blobs = { 0, NULL };
     *     lcf->core = NULL;
     */

    lcf->index_aliases = NGX_CONF_UNSET_PTR;
    lcf->thread_pool = NGX_CONF_UNSET_PTR;
    lcf->max_crate_size = NGX_CONF_UNSET;
    lcf->max_unpacked_size = NGX_CONF_UNSET;
    lcf->max_archive_entries = NGX_CONF_UNSET_UINT;

    return lcf;
}


static char *
ngx_http_cargo_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_cargo_loc_conf_t *prev = parent;
    ngx_http_cargo_loc_conf_t *conf = child;

    ngx_http_compile_complex_value_t  ccv;

    conf->core = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (conf->registry == NULL) {
        conf->registry = prev->registry;
    }

    if (conf->base_url == NULL) {
        conf->base_url = prev->base_url;
    }

    if (conf->base_url == NULL) {
        conf->base_url = ngx_palloc(cf->pool,
                                    sizeof(ngx_http_complex_value_t));
        if (conf->base_url == NULL) {
            return NGX_CONF_ERROR;
        }

        ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

        ccv.cf = cf;
        ccv.value = &ngx_http_cargo_default_base_url;
        ccv.complex_value = conf->base_url;

        if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    ngx_conf_merge_str_value(conf->blobs, prev->blobs, "");
    ngx_conf_merge_ptr_value(conf->index_aliases, prev->index_aliases, NULL);
    ngx_conf_merge_ptr_value(conf->thread_pool, prev->thread_pool, NULL);
    ngx_conf_merge_off_value(conf->max_crate_size, prev->max_crate_size,
                             NGX_HTTP_CARGO_CRATE_MAX);
    ngx_conf_merge_off_value(conf->max_unpacked_size,
                             prev->max_unpacked_size,
                             NGX_HTTP_CARGO_UNPACKED_MAX);
    ngx_conf_merge_uint_value(conf->max_archive_entries,
                              prev->max_archive_entries,
                              NGX_HTTP_CARGO_ENTRIES_MAX);

    return ngx_http_cargo_merge_endpoint(cf, conf, prev);
}


static char *
ngx_http_cargo_merge_endpoint(ngx_conf_t *cf, ngx_http_cargo_loc_conf_t *conf,
    ngx_http_cargo_loc_conf_t *prev)
{
    off_t                      needed;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = conf->core;

    if (conf->endpoint == NGX_HTTP_CARGO_NONE
        && clcf->noname
        && prev->endpoint != NGX_HTTP_CARGO_NONE)
    {
        /* "if" and "limit_except" are parts of the location */

        conf->endpoint = prev->endpoint;
        clcf->handler = prev->core->handler;
        clcf->root = prev->core->root;
        clcf->alias = prev->core->alias;
        clcf->root_lengths = prev->core->root_lengths;
        clcf->root_values = prev->core->root_values;
        clcf->etag = prev->core->etag;
    }

    if (conf->endpoint == NGX_HTTP_CARGO_NONE) {
        return NGX_CONF_OK;
    }

    /*
     * Error pages for people, inherited from the site that the registry is a
     * part of, would only hide from cargo what has happened.
     */

    if (prev->core && clcf->error_pages == prev->core->error_pages) {
        clcf->error_pages = NULL;
    }

    /* nginx's default of 1m is too small for the crates that are allowed */

    needed = conf->max_crate_size + CARGO_METADATA_MAX + 8;

    if (conf->endpoint == NGX_HTTP_CARGO_API
        && clcf->client_max_body_size != 0
        && clcf->client_max_body_size < needed
        && (prev->core == NULL
            || clcf->client_max_body_size
               == prev->core->client_max_body_size))
    {
        clcf->client_max_body_size = needed;
    }

    if (conf->endpoint == NGX_HTTP_CARGO_API && conf->thread_pool == NULL) {
        conf->thread_pool = ngx_thread_pool_add(cf,
                                       &ngx_http_cargo_default_thread_pool);
        if (conf->thread_pool == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    return ngx_http_cargo_check_endpoint(cf, conf);
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

    return NGX_CONF_OK;
}


/* initialisation */


static ngx_int_t
ngx_http_cargo_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt         *h;
    ngx_http_core_main_conf_t   *cmcf;
    ngx_http_cargo_main_conf_t  *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_cargo_module);

    if (mcf->conninfo.data == NULL) {
        return NGX_OK;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PRECONTENT_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_cargo_download_handler;

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_LOG_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_cargo_download_log_handler;

    if (ngx_http_cargo_download_init(cf) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_cargo_error_init(cf);
}


static ngx_int_t
ngx_http_cargo_init_module(ngx_cycle_t *cycle)
{
    ngx_str_t                   *store;
    ngx_uint_t                   i;
    ngx_core_conf_t             *ccf;
    ngx_http_cargo_main_conf_t  *mcf;

    /* jansson's hash seed, before there are threads */
    json_object_seed(0);

    mcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_cargo_module);
    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    if (mcf == NULL) {
        return NGX_OK;
    }

    store = mcf->stores.elts;

    for (i = 0; i < mcf->stores.nelts; i++) {
        if (ngx_cargo_blob_init_store(cycle, &store[i], ccf->user)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_cargo_init_process(ngx_cycle_t *cycle)
{
    ngx_http_cargo_main_conf_t  *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_cargo_module);

    /* the cache manager and loader come by here too */

    if (mcf == NULL
        || mcf->conninfo.data == NULL
        || (ngx_process != NGX_PROCESS_WORKER
            && ngx_process != NGX_PROCESS_SINGLE))
    {
        return NGX_OK;
    }

    ngx_http_cargo_counts_init(cycle, mcf->downloads_flush);

    return ngx_cargo_pg_init_worker(cycle, &mcf->pg);
}


static void
ngx_http_cargo_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_cargo_main_conf_t  *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_cargo_module);

    if (mcf && mcf->conninfo.data) {
        ngx_cargo_pg_exit_worker();
    }
}
