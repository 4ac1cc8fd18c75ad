
#include "ngx_http_cargo_conf.h"


static ngx_int_t ngx_http_cargo_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_cargo_add_handler(ngx_conf_t *cf, ngx_uint_t phase,
    ngx_http_handler_pt handler);
static ngx_int_t ngx_http_cargo_init_module(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_cargo_init_process(ngx_cycle_t *cycle);
static void ngx_http_cargo_exit_process(ngx_cycle_t *cycle);


static ngx_conf_num_bounds_t  ngx_http_cargo_queue_bounds = {
    ngx_conf_check_num_bounds, 1, 1000000
};

static ngx_conf_num_bounds_t  ngx_http_cargo_entries_bounds = {
    ngx_conf_check_num_bounds, 1, 1000000
};


static ngx_str_t  ngx_http_cargo_request = ngx_string("request");
static ngx_str_t  ngx_http_cargo_request_uri = ngx_string("request_uri");
static ngx_str_t  ngx_http_cargo_request_id = ngx_string("request_id");


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

    { ngx_string("cargo_postgres_listen"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_cargo_postgres_listen,
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

    { ngx_string("cargo_zone"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1234|NGX_CONF_TAKE5,
      ngx_http_cargo_zone,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
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

    { ngx_string("cargo_user"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_set_complex_value_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_cargo_loc_conf_t, user),
      NULL },

    { ngx_string("cargo_user_from"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_cargo_user_from,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("cargo_token"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_set_complex_value_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_cargo_loc_conf_t, token),
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

    { ngx_string("cargo_status"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_cargo_endpoint,
      NGX_HTTP_LOC_CONF_OFFSET,
      NGX_HTTP_CARGO_STATUS,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_cargo_module_ctx = {
    ngx_http_cargo_add_variables,          /* preconfiguration */
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


static ngx_int_t
ngx_http_cargo_init(ngx_conf_t *cf)
{
    ngx_http_cargo_main_conf_t  *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_cargo_module);

    if (mcf->conninfo.data == NULL) {
        return NGX_OK;
    }

    mcf->request_variable = ngx_http_get_variable_index(cf,
                                                 &ngx_http_cargo_request);
    mcf->request_uri_variable = ngx_http_get_variable_index(cf,
                                                 &ngx_http_cargo_request_uri);
    mcf->request_id_variable = ngx_http_get_variable_index(cf,
                                                 &ngx_http_cargo_request_id);

    if (mcf->request_variable == NGX_ERROR
        || mcf->request_uri_variable == NGX_ERROR
        || mcf->request_id_variable == NGX_ERROR
        || ngx_http_cargo_add_handler(cf, NGX_HTTP_SERVER_REWRITE_PHASE,
                                      ngx_http_cargo_secret_early_handler)
           != NGX_OK
        || ngx_http_cargo_add_handler(cf, NGX_HTTP_REWRITE_PHASE,
                                      ngx_http_cargo_secret_handler)
           != NGX_OK
        || ngx_http_cargo_add_handler(cf, NGX_HTTP_PRECONTENT_PHASE,
                                      ngx_http_cargo_download_handler)
           != NGX_OK
        || ngx_http_cargo_add_handler(cf, NGX_HTTP_LOG_PHASE,
                                      ngx_http_cargo_download_log_handler)
           != NGX_OK
        || ngx_http_cargo_add_handler(cf, NGX_HTTP_LOG_PHASE,
                                      ngx_http_cargo_measure_handler)
           != NGX_OK
        || ngx_http_cargo_add_handler(cf, NGX_HTTP_LOG_PHASE,
                                      ngx_http_cargo_secret_log_handler)
           != NGX_OK
        || ngx_http_cargo_download_init(cf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_cargo_error_init(cf);
}


/*
 * Before all others that are there: nginx runs the handlers of a phase from
 * the last to the first, but those of the log phase from the first to the
 * last, and the one that writes the access log is the first.
 */

static ngx_int_t
ngx_http_cargo_add_handler(ngx_conf_t *cf, ngx_uint_t phase,
    ngx_http_handler_pt handler)
{
    ngx_array_t                *handlers;
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    handlers = &cmcf->phases[phase].handlers;

    h = ngx_array_push(handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    if (phase == NGX_HTTP_LOG_PHASE) {
        h = handlers->elts;
        ngx_memmove(h + 1, h, (handlers->nelts - 1)
                              * sizeof(ngx_http_handler_pt));
    }

    *h = handler;

    return NGX_OK;
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
            != NGX_OK
            && ngx_is_init_cycle(cycle->old_cycle))
        {
            return NGX_ERROR;
        }

        /* an error at a reload would end the master: uploads fail instead */
    }

    ngx_http_cargo_snapshot_load(mcf, ccf->user, cycle->log);

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

    ngx_cargo_metrics_claim(mcf->metrics);
    ngx_cargo_threads_init(cycle);

    if (ngx_cargo_pg_init_worker(cycle, &mcf->pg, ngx_cargo_metrics)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_cargo_counts_init(cycle, mcf->shm, mcf->downloads_flush);

    if (ngx_process == NGX_PROCESS_SINGLE || ngx_worker == 0) {
        ngx_http_cargo_changes_init(mcf->shm);

        return ngx_http_cargo_snapshot_init(cycle, mcf);
    }

    return NGX_OK;
}


static void
ngx_http_cargo_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_cargo_main_conf_t  *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_cargo_module);

    if (mcf && mcf->conninfo.data) {
        ngx_cargo_threads_exit();
        ngx_cargo_snapshot_exit();
        ngx_cargo_pg_exit_worker();
        ngx_cargo_metrics_release();
    }
}
