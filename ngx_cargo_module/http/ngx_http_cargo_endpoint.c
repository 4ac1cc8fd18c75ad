
#include "ngx_http_cargo_status.h"


/*
 * The calls by number and name, for the access log and the metrics, and the
 * one place where requests are counted.
 */


typedef enum {
    NGX_HTTP_CARGO_NUMBER_CONFIG = 0,
    NGX_HTTP_CARGO_NUMBER_INDEX,
    NGX_HTTP_CARGO_NUMBER_DOWNLOAD,
    NGX_HTTP_CARGO_NUMBER_LOGIN_PAGE,
    NGX_HTTP_CARGO_NUMBER_STATUS,
    NGX_HTTP_CARGO_NUMBER_UNKNOWN,
    NGX_HTTP_CARGO_NUMBERS              /* the routes of the API follow */
} ngx_http_cargo_number_e;


static ngx_uint_t ngx_http_cargo_route_number(ngx_http_request_t *r);


static const char *const  ngx_http_cargo_names[NGX_HTTP_CARGO_NUMBERS] = {
    "config", "index", "download", "login_page", "status", "unknown"
};


/* of the location, so that what others have refused there has one too */

ngx_uint_t
ngx_http_cargo_endpoint_number(ngx_http_request_t *r,
    ngx_http_cargo_endpoint_e endpoint)
{
    switch (endpoint) {

    case NGX_HTTP_CARGO_INDEX:
        return ngx_http_cargo_is_config(r)
               ? NGX_HTTP_CARGO_NUMBER_CONFIG : NGX_HTTP_CARGO_NUMBER_INDEX;

    case NGX_HTTP_CARGO_DOWNLOAD:
        return NGX_HTTP_CARGO_NUMBER_DOWNLOAD;

    case NGX_HTTP_CARGO_ME:
        return NGX_HTTP_CARGO_NUMBER_LOGIN_PAGE;

    case NGX_HTTP_CARGO_STATUS:
        return NGX_HTTP_CARGO_NUMBER_STATUS;

    default: /* NGX_HTTP_CARGO_API */
        return ngx_http_cargo_route_number(r);
    }
}


static ngx_uint_t
ngx_http_cargo_route_number(ngx_http_request_t *r)
{
    ngx_str_t                      segments[NGX_HTTP_CARGO_SEGMENTS];
    ngx_uint_t                     methods;
    ngx_http_cargo_ctx_t          *ctx;
    const ngx_http_cargo_route_t  *route;

    ctx = ngx_http_cargo_find_ctx(r);
    route = ctx ? ctx->route : NULL;

    if (route == NULL) {
        route = ngx_http_cargo_find_route(r, segments, &methods);
    }

    if (route == NULL) {
        return NGX_HTTP_CARGO_NUMBER_UNKNOWN;
    }

    /* two URLs of one thing */

    if (route->handler == ngx_http_cargo_download_url) {
        return NGX_HTTP_CARGO_NUMBER_DOWNLOAD;
    }

    return NGX_HTTP_CARGO_NUMBERS + (route - ngx_http_cargo_routes);
}


const char *
ngx_http_cargo_endpoint_name(ngx_uint_t number)
{
    ngx_uint_t  i;

    if (number < NGX_HTTP_CARGO_NUMBERS) {
        return ngx_http_cargo_names[number];
    }

    for (i = 0; ngx_http_cargo_routes[i].handler; i++) {
        if (i == number - NGX_HTTP_CARGO_NUMBERS) {
            return ngx_http_cargo_routes[i].name;
        }
    }

    return NULL;
}


ngx_int_t
ngx_http_cargo_measure_handler(ngx_http_request_t *r)
{
    ngx_uint_t                  number, status;
    ngx_time_t                 *now;
    ngx_msec_int_t              ms;
    ngx_http_cargo_ctx_t       *ctx;
    ngx_http_cargo_loc_conf_t  *lcf;
    ngx_http_cargo_endpoint_e   endpoint;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_cargo_module);
    endpoint = lcf->endpoint;

    if (endpoint == NGX_HTTP_CARGO_NONE) {

        /* an error page of elsewhere does not hide where the error was */

        ctx = r->internal ? ngx_http_cargo_find_ctx(r) : NULL;

        if (ctx == NULL || ctx->endpoint == NGX_HTTP_CARGO_NONE) {
            return NGX_OK;
        }

        endpoint = ctx->endpoint;
    }

    number = ngx_http_cargo_endpoint_number(r, endpoint);
    status = r->err_status ? r->err_status : r->headers_out.status;

    /* as $request_time has it */

    now = ngx_timeofday();
    ms = (ngx_msec_int_t) ((now->sec - r->start_sec) * 1000
                           + (now->msec - r->start_msec));

    ngx_cargo_count(requests[number][cargo_metrics_code(status)], 1);
    ngx_cargo_observe(durations[number], (uint64_t) ngx_max(ms, 0) * 1000);

    return NGX_OK;
}
