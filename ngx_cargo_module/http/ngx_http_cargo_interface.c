
#include "ngx_http_cargo.h"


/*
 * Does the database fit this module?  It says with every answer about changes
 * which interfaces it serves: a number that goes up whenever a function that
 * modules call is added or comes to be called otherwise.  A new database
 * serves the old interface too, so that it can be migrated while old workers
 * serve; when it comes to serve it no more, or is the older one, somebody has
 * to be told.
 *
 * Nothing is refused for it: a call that the database does not know does
 * nothing, and what it knows goes on.  The worker that listens tells of it.
 */


typedef enum {
    NGX_HTTP_CARGO_FITS = 0,
    NGX_HTTP_CARGO_DATABASE_OLD,
    NGX_HTTP_CARGO_MODULE_OLD
} ngx_http_cargo_fit_e;


typedef struct {
    const char       *sqlstate;
    const ngx_str_t  *answer;
} ngx_http_cargo_misfit_t;


static void ngx_http_cargo_fit(ngx_http_cargo_fit_e fit);


static const ngx_str_t  ngx_http_cargo_not_ready = ngx_string(
    "the registry's database is not ready: it is being restored, or was not "
    "set up; nothing was changed; try again later, and tell the registry's "
    "administrator if it lasts");

static const ngx_str_t  ngx_http_cargo_upgrading = ngx_string(
    "the registry is being upgraded: its nginx and its database are not of "
    "one version yet; nothing was changed; try again later, and tell the "
    "registry's administrator if it lasts");


/* the last transaction of a restore, as of a first migrate, gives the rights */

static const ngx_http_cargo_misfit_t  ngx_http_cargo_misfits[] = {

    { "3F000", &ngx_http_cargo_not_ready },    /* no such schema */
    { "42501", &ngx_http_cargo_not_ready },    /* no right to it */
    { "42883", &ngx_http_cargo_upgrading },    /* no such function */
    { "42704", &ngx_http_cargo_upgrading },    /* type */
    { "42P01", &ngx_http_cargo_upgrading },    /* table */
    { "42703", &ngx_http_cargo_upgrading },    /* column */

    { NULL, NULL }
};


static ngx_http_cargo_fit_e  ngx_http_cargo_fit_now;
static time_t                ngx_http_cargo_fit_told;


/* what does not say it is older than that: [oldest, newest] */

void
ngx_http_cargo_interface(json_t *answer)
{
    json_t      *interface;
    json_int_t   oldest, newest;

    interface = json_object_get(answer, "interface");

    oldest = json_integer_value(json_array_get(interface, 0));
    newest = json_integer_value(json_array_get(interface, 1));

    if (newest < NGX_HTTP_CARGO_INTERFACE) {
        ngx_http_cargo_fit(NGX_HTTP_CARGO_DATABASE_OLD);

    } else if (oldest > NGX_HTTP_CARGO_INTERFACE) {
        ngx_http_cargo_fit(NGX_HTTP_CARGO_MODULE_OLD);

    } else {
        ngx_http_cargo_fit(NGX_HTTP_CARGO_FITS);
    }
}


const ngx_str_t *
ngx_http_cargo_misfit(ngx_cargo_pg_job_t *job)
{
    const char                     *state;
    const ngx_http_cargo_misfit_t  *misfit;

    if (job->outcome != NGX_CARGO_PG_FAILED) {
        return NULL;
    }

    state = ngx_cargo_pg_sqlstate(job);

    for (misfit = ngx_http_cargo_misfits; misfit->sqlstate; misfit++) {
        if (ngx_strcmp(state, misfit->sqlstate) == 0) {
            return misfit->answer;
        }
    }

    return NULL;
}


/* once a minute: who looks at a log looks at its end */

static void
ngx_http_cargo_fit(ngx_http_cargo_fit_e fit)
{
    if (fit == ngx_http_cargo_fit_now
        && (fit == NGX_HTTP_CARGO_FITS
            || ngx_time() - ngx_http_cargo_fit_told < 60))
    {
        return;
    }

    ngx_http_cargo_fit_now = fit;
    ngx_http_cargo_fit_told = ngx_time();

    switch (fit) {

    case NGX_HTTP_CARGO_DATABASE_OLD:
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "cargo: the database is older than this module or was "
                      "never set up: run \"cargoctl migrate\" of the "
                      "module's version, unless it is being restored at this "
                      "moment; until then requests get 503");
        break;

    case NGX_HTTP_CARGO_MODULE_OLD:
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "cargo: this module is too old for the database, which "
                      "was migrated by a newer version: install that version "
                      "and upgrade nginx; until then requests may get 503");
        break;

    default: /* NGX_HTTP_CARGO_FITS */
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "cargo: the database fits this module again");
        break;
    }
}
