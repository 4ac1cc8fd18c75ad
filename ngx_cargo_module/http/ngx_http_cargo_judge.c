
#include "ngx_http_cargo_status.h"


/*
 * What it means for users that a part does not do its work, in words for who
 * is on call.  Reads are ready as long as there is an answer for most of
 * them; writes when all is there that a publish needs.
 */


typedef struct {
    ngx_http_cargo_ready_t      *ready;
    ngx_http_cargo_text_t        text;          /* the reasons, in JSON */

    ngx_uint_t                   fresh;         /* memory is in step */
    ngx_int_t                    serves;        /* it answers: seconds more */
    ngx_int_t                    silent;        /* no changes: seconds */
} ngx_http_cargo_judge_t;


static void ngx_http_cargo_judge_memory(ngx_http_request_t *r,
    ngx_http_cargo_judge_t *j);
static ngx_uint_t ngx_http_cargo_judge_reads(ngx_http_cargo_judge_t *j);
static ngx_uint_t ngx_http_cargo_judge_writes(ngx_http_cargo_judge_t *j);
static ngx_uint_t ngx_http_cargo_judge_database(ngx_http_cargo_judge_t *j,
    ngx_http_cargo_asked_e asked, const char *what);
static ngx_uint_t ngx_http_cargo_judge_schema(ngx_http_cargo_judge_t *j);
static ngx_uint_t ngx_http_cargo_judge_store(ngx_http_cargo_judge_t *j);
static void ngx_http_cargo_reason(ngx_http_cargo_judge_t *j,
    const char *fmt, ...);


ngx_uint_t
ngx_http_cargo_judge(ngx_http_request_t *r, ngx_http_cargo_ready_e which,
    ngx_http_cargo_ready_t *ready, ngx_http_cargo_text_t *text)
{
    ngx_uint_t              reads, writes, ok;
    ngx_http_cargo_judge_t  read, write;

    ngx_memzero(&read, sizeof(ngx_http_cargo_judge_t));

    read.ready = ready;
    read.text.pool = r->pool;

    ngx_http_cargo_judge_memory(r, &read);

    write = read;

    reads = ngx_http_cargo_judge_reads(&read);
    writes = ngx_http_cargo_judge_writes(&write);

    ok = (reads || which == NGX_HTTP_CARGO_READY_WRITES)
         && (writes || which == NGX_HTTP_CARGO_READY_READS);

    ngx_http_cargo_text(text, "{\n  \"ready\": %s,\n  \"reads\": {\n"
                              "    \"ready\": %s,\n    \"reasons\": [",
                        ok ? "true" : "false", reads ? "true" : "false");
    ngx_http_cargo_text_append(text, &read.text);

    ngx_http_cargo_text(text, "]\n  },\n  \"writes\": {\n"
                              "    \"ready\": %s,\n    \"reasons\": [",
                        writes ? "true" : "false");
    ngx_http_cargo_text_append(text, &write.text);

    ngx_http_cargo_text(text, "]\n  }\n}\n");

    return ok;
}


static void
ngx_http_cargo_judge_memory(ngx_http_request_t *r, ngx_http_cargo_judge_t *j)
{
    time_t                       confirmed;
    ngx_cargo_shm_t             *shm;
    cargo_zone_stats_t           stats;
    ngx_http_cargo_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_cargo_module);
    shm = mcf->shm;

    cargo_zone_stats(&shm->zone, &stats);
    confirmed = shm->state->confirmed;

    j->fresh = ngx_cargo_shm_fresh(shm);
    j->silent = confirmed ? ngx_time() - confirmed : -1;

    if (stats.entries && confirmed) {
        j->serves = confirmed + shm->stale - ngx_time();
    }
}


static ngx_uint_t
ngx_http_cargo_judge_reads(ngx_http_cargo_judge_t *j)
{
    if (ngx_http_cargo_judge_database(j, j->ready->reads, "reads")) {

        if (j->silent == -1) {
            ngx_http_cargo_reason(j, "the log of changes has not been read "
                                  "yet: all reads ask the database");

        } else if (!j->fresh) {
            ngx_http_cargo_reason(j, "the log of changes has not been read "
                                  "for %i s: all reads ask the database; see "
                                  "cargo_postgres_listen", j->silent);
        }

        return 1;
    }

    if (j->serves > 0) {
        ngx_http_cargo_reason(j, "what is in memory is served for %i s more, "
                              "what is not is answered with 503", j->serves);
        return 1;
    }

    ngx_http_cargo_reason(j, "nothing in memory may be served without it");

    return 0;
}


static ngx_uint_t
ngx_http_cargo_judge_writes(ngx_http_cargo_judge_t *j)
{
    ngx_uint_t  database, schema, store;

    database = ngx_http_cargo_judge_database(j, j->ready->writes, "writes");
    schema = database ? ngx_http_cargo_judge_schema(j) : 0;
    store = ngx_http_cargo_judge_store(j);

    if (database && j->ready->write_pool.full) {
        ngx_http_cargo_reason(j, "%ui writes wait for a connection, more are "
                              "answered with 503; see cargo_postgres_queue "
                              "and cargo_postgres_connections",
                              j->ready->write_pool.waiting);
        database = 0;
    }

    return database && schema && store;
}


static ngx_uint_t
ngx_http_cargo_judge_database(ngx_http_cargo_judge_t *j,
    ngx_http_cargo_asked_e asked, const char *what)
{
    switch (asked) {

    case NGX_HTTP_CARGO_ANSWERED:
    case NGX_HTTP_CARGO_BUSY:
        return 1;

    case NGX_HTTP_CARGO_REFUSED_IT:
        ngx_http_cargo_reason(j, "the database does not know this module's "
                              "functions, or refuses them: run \\\"cargoctl "
                              "migrate\\\"; nginx's error log says more");
        return 0;

    case NGX_HTTP_CARGO_AWAY:
        ngx_http_cargo_reason(j, "the database takes no connections for %s "
                              "(%ui s now): is it running, and does it let "
                              "cargo_web in? nginx's error log says more",
                              what, j->ready->away_seconds);
        return 0;

    case NGX_HTTP_CARGO_SILENT:
        ngx_http_cargo_reason(j, "the database does not answer %s: it hangs, "
                              "or the network to it does", what);
        return 0;

    default: /* NGX_HTTP_CARGO_UNASKED */
        ngx_http_cargo_reason(j, "the database could not be asked: too many "
                              "%s wait for it, or there is no memory", what);
        return 0;
    }
}


/* of a database that is ahead the old functions are still there */

static ngx_uint_t
ngx_http_cargo_judge_schema(ngx_http_cargo_judge_t *j)
{
    if (j->ready->read_only) {
        ngx_http_cargo_reason(j, "the database takes no writes: it is a "
                              "standby, or set to read-only");
        return 0;
    }

    if (j->ready->schema < NGX_HTTP_CARGO_SCHEMA) {
        ngx_http_cargo_reason(j, "the database is at migration %ui, this "
                              "module needs %ui: run its \\\"cargoctl "
                              "migrate\\\"", j->ready->schema,
                              (ngx_uint_t) NGX_HTTP_CARGO_SCHEMA);
        return 0;
    }

    if (j->ready->schema > NGX_HTTP_CARGO_SCHEMA) {
        ngx_http_cargo_reason(j, "the database is at migration %ui, this "
                              "module is of %ui: install the module that "
                              "migrated it, soon", j->ready->schema,
                              (ngx_uint_t) NGX_HTTP_CARGO_SCHEMA);
    }

    return 1;
}


static ngx_uint_t
ngx_http_cargo_judge_store(ngx_http_cargo_judge_t *j)
{
    ngx_str_t                store;
    ngx_http_cargo_ready_t  *ready;

    ready = j->ready;

    if (ready->store_silent) {
        ngx_http_cargo_reason(j, "the directory of cargo_blobs does not "
                              "answer for %ui s", ready->store_silent);
        return 0;
    }

    if (ready->store_failed == NULL) {
        return 1;
    }

    store = ngx_http_cargo_escape_json(j->text.pool, &ready->store);

    if (ready->store_err) {
        ngx_http_cargo_reason(j, "cargo_blobs: %s of \\\"%V\\\" failed: %s",
                              ready->store_failed, &store,
                              strerror(ready->store_err));
    } else {
        ngx_http_cargo_reason(j, "cargo_blobs: \\\"%V\\\" has no room for a "
                              "crate of cargo_max_crate_size", &store);
    }

    return 0;
}


/* fmt is JSON already */

static void
ngx_http_cargo_reason(ngx_http_cargo_judge_t *j, const char *fmt, ...)
{
    u_char      text[512], *last;
    va_list     args;
    ngx_str_t   reason;

    va_start(args, fmt);
    last = ngx_vslprintf(text, text + sizeof(text), fmt, args);
    va_end(args);

    reason.data = text;
    reason.len = last - text;

    ngx_http_cargo_text(&j->text, "%s\n      \"%V\"",
                        j->text.length ? "," : "", &reason);
}
