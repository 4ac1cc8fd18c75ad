
#include "ngx_http_cargo_status.h"


/*
 * The text format of Prometheus, version 0.0.4.  Every name begins with
 * "ngx_cargo_" and is written down here whole, for who looks for it.
 */


#ifndef CARGO_VERSION
#define CARGO_VERSION  "0.1.0"
#endif


#define NGX_HTTP_CARGO_COUNTER    "counter"
#define NGX_HTTP_CARGO_GAUGE      "gauge"
#define NGX_HTTP_CARGO_HISTOGRAM  "histogram"


static void ngx_http_cargo_metric(ngx_http_cargo_text_t *text,
    const char *name, const char *type, const char *help);
static void ngx_http_cargo_number_of(ngx_http_cargo_text_t *text,
    const char *name, const char *type, const char *help, int64_t value);
static void ngx_http_cargo_histogram(ngx_http_cargo_text_t *text,
    const char *name, const char *label, const char *value,
    cargo_metrics_histogram_t *histogram);
static void ngx_http_cargo_metrics_requests(ngx_http_cargo_text_t *text,
    cargo_metrics_counters_t *counters);
static void ngx_http_cargo_metrics_publish(ngx_http_cargo_text_t *text,
    cargo_metrics_counters_t *counters);
static void ngx_http_cargo_metrics_cache(ngx_http_cargo_text_t *text,
    ngx_cargo_shm_t *shm, cargo_metrics_counters_t *counters);
static void ngx_http_cargo_metrics_changes(ngx_http_cargo_text_t *text,
    ngx_cargo_shm_t *shm, cargo_metrics_t *all,
    cargo_metrics_counters_t *counters);
static void ngx_http_cargo_metrics_downloads(ngx_http_cargo_text_t *text,
    ngx_cargo_shm_t *shm, cargo_metrics_t *all,
    cargo_metrics_counters_t *counters);
static void ngx_http_cargo_metrics_pools(ngx_http_cargo_text_t *text,
    cargo_metrics_gauges_t *gauges);
static void ngx_http_cargo_metrics_jobs(ngx_http_cargo_text_t *text,
    cargo_metrics_pool_t *pools);


static const char *const  ngx_http_cargo_pools[CARGO_METRICS_POOLS] = {
    "reads", "writes", "changes"
};

static const char *const  ngx_http_cargo_states[CARGO_METRICS_STATES] = {
    "connecting", "ready", "draining"
};

static const char *const  ngx_http_cargo_outcomes[CARGO_METRICS_OUTCOMES] = {
    "done", "failed", "timed_out", "unavailable", "refused"
};

static const char *const  ngx_http_cargo_stages[CARGO_METRICS_STAGES] = {
    "receive", "check", "store", "database"
};


void
ngx_http_cargo_metrics(ngx_http_request_t *r, ngx_http_cargo_text_t *text)
{
    cargo_metrics_t             *all;
    cargo_metrics_sum_t         *sum;
    ngx_http_cargo_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_cargo_module);

    sum = ngx_palloc(r->pool, sizeof(cargo_metrics_sum_t));
    if (sum == NULL) {
        text->failed = 1;
        return;
    }

    ngx_cargo_metrics_sum(mcf->metrics, sum);
    all = mcf->metrics->data;

    ngx_http_cargo_metric(text, "ngx_cargo_build_info", NGX_HTTP_CARGO_GAUGE,
                          "What is running; always 1.");
    ngx_http_cargo_text(text, "ngx_cargo_build_info{version=\"%s\","
                              "nginx=\"%s\",libpq=\"%d.%d\","
                              "schema=\"%d\"} 1\n",
                        CARGO_VERSION, NGINX_VERSION,
                        PQlibVersion() / 10000, PQlibVersion() % 10000,
                        NGX_HTTP_CARGO_SCHEMA);

    ngx_http_cargo_number_of(text, "ngx_cargo_workers", NGX_HTTP_CARGO_GAUGE,
                             "Workers that run, also those that finish after "
                             "a reload.", sum->workers);

    ngx_http_cargo_metrics_requests(text, &sum->counters);
    ngx_http_cargo_metrics_publish(text, &sum->counters);
    ngx_http_cargo_metrics_cache(text, mcf->shm, &sum->counters);
    ngx_http_cargo_metrics_changes(text, mcf->shm, all, &sum->counters);
    ngx_http_cargo_metrics_downloads(text, mcf->shm, all, &sum->counters);
    ngx_http_cargo_metrics_pools(text, sum->gauges);
    ngx_http_cargo_metrics_jobs(text, sum->counters.pools);
}


static void
ngx_http_cargo_metric(ngx_http_cargo_text_t *text, const char *name,
    const char *type, const char *help)
{
    ngx_http_cargo_text(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name,
                        type);
}


static void
ngx_http_cargo_number_of(ngx_http_cargo_text_t *text, const char *name,
    const char *type, const char *help, int64_t value)
{
    ngx_http_cargo_metric(text, name, type, help);
    ngx_http_cargo_text(text, "%s %L\n", name, value);
}


static void
ngx_http_cargo_histogram(ngx_http_cargo_text_t *text, const char *name,
    const char *label, const char *value, cargo_metrics_histogram_t *histogram)
{
    uint64_t    n;
    ngx_uint_t  i;

    n = 0;

    for (i = 0; i < CARGO_METRICS_BUCKETS; i++) {
        n += histogram->buckets[i];

        ngx_http_cargo_text(text, "%s_bucket{%s=\"%s\",le=\"%s\"} %uL\n",
                            name, label, value, cargo_metrics_bound_name(i),
                            n);
    }

    ngx_http_cargo_text(text, "%s_sum{%s=\"%s\"} %uL.%06uL\n"
                              "%s_count{%s=\"%s\"} %uL\n",
                        name, label, value, histogram->sum / 1000000,
                        histogram->sum % 1000000, name, label, value, n);
}


/* of what was never asked for there are no series */

static void
ngx_http_cargo_metrics_requests(ngx_http_cargo_text_t *text,
    cargo_metrics_counters_t *counters)
{
    uint64_t     n;
    ngx_uint_t   i, code;
    const char  *endpoint;

    ngx_http_cargo_metric(text, "ngx_cargo_requests_total",
                          NGX_HTTP_CARGO_COUNTER,
                          "Requests by call and status, whoever answered.");

    for (i = 0; (endpoint = ngx_http_cargo_endpoint_name(i)) != NULL; i++) {
        for (code = 0; code < CARGO_METRICS_CODES; code++) {

            n = counters->requests[i][code];

            if (n) {
                ngx_http_cargo_text(text, "ngx_cargo_requests_total"
                                    "{endpoint=\"%s\",code=\"%s\"} %uL\n",
                                    endpoint, cargo_metrics_code_name(code),
                                    n);
            }
        }
    }

    ngx_http_cargo_metric(text, "ngx_cargo_request_duration_seconds",
                          NGX_HTTP_CARGO_HISTOGRAM,
                          "From the first byte of a request to the last one "
                          "sent, as nginx's request_time.");

    for (i = 0; (endpoint = ngx_http_cargo_endpoint_name(i)) != NULL; i++) {
        for (code = 0; code < CARGO_METRICS_CODES; code++) {
            if (counters->requests[i][code]) {
                ngx_http_cargo_histogram(text,
                                         "ngx_cargo_request_duration_seconds",
                                         "endpoint", endpoint,
                                         &counters->durations[i]);
                break;
            }
        }
    }
}


static void
ngx_http_cargo_metrics_publish(ngx_http_cargo_text_t *text,
    cargo_metrics_counters_t *counters)
{
    ngx_uint_t  i;

    ngx_http_cargo_metric(text, "ngx_cargo_publish_stage_duration_seconds",
                          NGX_HTTP_CARGO_HISTOGRAM,
                          "Uploads: receive the body, check the archive, "
                          "store the file, tell the database.");

    for (i = 0; i < CARGO_METRICS_STAGES; i++) {
        ngx_http_cargo_histogram(text,
                                 "ngx_cargo_publish_stage_duration_seconds",
                                 "stage", ngx_http_cargo_stages[i],
                                 &counters->stages[i]);
    }
}


static void
ngx_http_cargo_metrics_cache(ngx_http_cargo_text_t *text,
    ngx_cargo_shm_t *shm, cargo_metrics_counters_t *counters)
{
    cargo_zone_stats_t  stats;

    cargo_zone_stats(&shm->zone, &stats);

    ngx_http_cargo_number_of(text, "ngx_cargo_cache_hits_total",
        NGX_HTTP_CARGO_COUNTER,
        "Entries of cargo_zone that were found; a read needs one to three.",
        stats.hits);
    ngx_http_cargo_number_of(text, "ngx_cargo_cache_misses_total",
        NGX_HTTP_CARGO_COUNTER,
        "Entries of cargo_zone that were not found.", stats.misses);
    ngx_http_cargo_number_of(text, "ngx_cargo_cache_stores_total",
        NGX_HTTP_CARGO_COUNTER, "Entries that were put into cargo_zone.",
        stats.stores);
    ngx_http_cargo_number_of(text, "ngx_cargo_cache_evictions_total",
        NGX_HTTP_CARGO_COUNTER, "Entries that went to make room for others.",
        stats.evictions);
    ngx_http_cargo_number_of(text, "ngx_cargo_cache_refusals_total",
        NGX_HTTP_CARGO_COUNTER, "Entries that were too large for cargo_zone.",
        stats.refusals);
    ngx_http_cargo_number_of(text, "ngx_cargo_cache_resets_total",
        NGX_HTTP_CARGO_COUNTER,
        "Times that all was dropped, since a worker died in a change of it.",
        stats.resets);
    ngx_http_cargo_number_of(text, "ngx_cargo_cache_entries",
        NGX_HTTP_CARGO_GAUGE, "Entries in cargo_zone.", stats.entries);
    ngx_http_cargo_number_of(text, "ngx_cargo_cache_bytes",
        NGX_HTTP_CARGO_GAUGE, "Memory of cargo_zone that holds entries.",
        (int64_t) (stats.chunks - stats.chunks_free) * CARGO_ZONE_CHUNK);
    ngx_http_cargo_number_of(text, "ngx_cargo_cache_size_bytes",
        NGX_HTTP_CARGO_GAUGE, "Memory of cargo_zone for entries.",
        (int64_t) stats.chunks * CARGO_ZONE_CHUNK);
    ngx_http_cargo_number_of(text, "ngx_cargo_reads_asked_total",
        NGX_HTTP_CARGO_COUNTER,
        "Reads that waited for the database, alone or with others.",
        counters->asked);
    ngx_http_cargo_number_of(text, "ngx_cargo_reads_stale_total",
        NGX_HTTP_CARGO_COUNTER,
        "Reads that were answered from memory, the database being away.",
        counters->stale);
}


static void
ngx_http_cargo_metrics_changes(ngx_http_cargo_text_t *text,
    ngx_cargo_shm_t *shm, cargo_metrics_t *all,
    cargo_metrics_counters_t *counters)
{
    ngx_msec_int_t  left;

    left = shm->state->lease
           ? (ngx_msec_int_t) (shm->state->lease - ngx_current_msec) : 0;

    ngx_http_cargo_number_of(text, "ngx_cargo_changes_heard_total",
        NGX_HTTP_CARGO_COUNTER, "Changes that were read in the log of them.",
        counters->changes);
    ngx_http_cargo_number_of(text,
        "ngx_cargo_changes_last_timestamp_seconds", NGX_HTTP_CARGO_GAUGE,
        "When the last change was heard; 0: none yet.", all->changed);
    ngx_http_cargo_number_of(text,
        "ngx_cargo_changes_read_timestamp_seconds", NGX_HTTP_CARGO_GAUGE,
        "When the log of changes was read last; 0: not yet.",
        shm->state->confirmed);

    ngx_http_cargo_metric(text, "ngx_cargo_changes_lag_seconds",
        NGX_HTTP_CARGO_GAUGE,
        "How long ago the log of changes was read; not there: never.");

    if (shm->state->confirmed) {
        ngx_http_cargo_text(text, "ngx_cargo_changes_lag_seconds %T\n",
                            ngx_time() - (time_t) shm->state->confirmed);
    }

    ngx_http_cargo_metric(text, "ngx_cargo_lease_seconds",
        NGX_HTTP_CARGO_GAUGE,
        "How long memory is still believed without reading the log; 0: it is "
        "not.");
    left = ngx_max(left, 0);
    ngx_http_cargo_text(text, "ngx_cargo_lease_seconds %M.%03M\n",
                        (ngx_msec_t) left / 1000, (ngx_msec_t) left % 1000);
}


static void
ngx_http_cargo_metrics_downloads(ngx_http_cargo_text_t *text,
    ngx_cargo_shm_t *shm, cargo_metrics_t *all,
    cargo_metrics_counters_t *counters)
{
    cargo_zone_stats_t  stats;

    cargo_zone_stats(&shm->zone, &stats);

    ngx_http_cargo_number_of(text, "ngx_cargo_downloads_pending",
        NGX_HTTP_CARGO_GAUGE,
        "Versions with downloads that are not in the database yet.",
        stats.counters_used);
    ngx_http_cargo_number_of(text, "ngx_cargo_downloads_flushes_total",
        NGX_HTTP_CARGO_COUNTER,
        "Batches of download counts that the database took.",
        counters->flushes);
    ngx_http_cargo_number_of(text, "ngx_cargo_downloads_flushes_failed_total",
        NGX_HTTP_CARGO_COUNTER,
        "Batches that it did not, and which are tried again when that is "
        "safe.", counters->flushes_failed);
    ngx_http_cargo_number_of(text, "ngx_cargo_downloads_lost_total",
        NGX_HTTP_CARGO_COUNTER,
        "Versions some of whose downloads may never have been counted.",
        counters->downloads_lost);
    ngx_http_cargo_number_of(text,
        "ngx_cargo_downloads_flushed_timestamp_seconds",
        NGX_HTTP_CARGO_GAUGE,
        "When the database took a batch last; 0: not yet.", all->flushed);
}


static void
ngx_http_cargo_metrics_pools(ngx_http_cargo_text_t *text,
    cargo_metrics_gauges_t *gauges)
{
    ngx_uint_t  i, state;

    ngx_http_cargo_metric(text, "ngx_cargo_postgres_connections",
                          NGX_HTTP_CARGO_GAUGE,
                          "Connections to the database, of all workers.");

    for (i = 0; i < CARGO_METRICS_POOLS; i++) {
        for (state = 0; state < CARGO_METRICS_STATES; state++) {
            ngx_http_cargo_text(text, "ngx_cargo_postgres_connections"
                                "{pool=\"%s\",state=\"%s\"} %uL\n",
                                ngx_http_cargo_pools[i],
                                ngx_http_cargo_states[state],
                                gauges[i].connections[state]);
        }
    }

    ngx_http_cargo_metric(text, "ngx_cargo_postgres_jobs_waiting",
                          NGX_HTTP_CARGO_GAUGE,
                          "Questions that wait for a connection.");

    for (i = 0; i < CARGO_METRICS_POOLS; i++) {
        ngx_http_cargo_text(text, "ngx_cargo_postgres_jobs_waiting"
                            "{pool=\"%s\"} %uL\n", ngx_http_cargo_pools[i],
                            gauges[i].waiting);
    }

    ngx_http_cargo_metric(text, "ngx_cargo_postgres_jobs_sent",
                          NGX_HTTP_CARGO_GAUGE,
                          "Questions that the database is to answer.");

    for (i = 0; i < CARGO_METRICS_POOLS; i++) {
        ngx_http_cargo_text(text, "ngx_cargo_postgres_jobs_sent"
                            "{pool=\"%s\"} %uL\n", ngx_http_cargo_pools[i],
                            gauges[i].sent);
    }

    ngx_http_cargo_metric(text, "ngx_cargo_postgres_workers_without",
                          NGX_HTTP_CARGO_GAUGE,
                          "Workers that have no connection and get none.");

    for (i = 0; i < CARGO_METRICS_POOLS; i++) {
        ngx_http_cargo_text(text, "ngx_cargo_postgres_workers_without"
                            "{pool=\"%s\"} %uL\n", ngx_http_cargo_pools[i],
                            gauges[i].down);
    }
}


static void
ngx_http_cargo_metrics_jobs(ngx_http_cargo_text_t *text,
    cargo_metrics_pool_t *pools)
{
    ngx_uint_t  i, outcome;

    ngx_http_cargo_metric(text, "ngx_cargo_postgres_connects_total",
                          NGX_HTTP_CARGO_COUNTER,
                          "Attempts to connect, and connections lost.");

    for (i = 0; i < CARGO_METRICS_POOLS; i++) {
        ngx_http_cargo_text(text,
            "ngx_cargo_postgres_connects_total"
            "{pool=\"%s\",outcome=\"done\"} %uL\n"
            "ngx_cargo_postgres_connects_total"
            "{pool=\"%s\",outcome=\"failed\"} %uL\n"
            "ngx_cargo_postgres_connects_total"
            "{pool=\"%s\",outcome=\"lost\"} %uL\n",
            ngx_http_cargo_pools[i], pools[i].connects,
            ngx_http_cargo_pools[i], pools[i].connects_failed,
            ngx_http_cargo_pools[i], pools[i].connections_lost);
    }

    ngx_http_cargo_metric(text, "ngx_cargo_postgres_jobs_total",
                          NGX_HTTP_CARGO_COUNTER,
                          "Questions to the database, by what became of "
                          "them; refused: not asked, 503 at once.");

    for (i = 0; i < CARGO_METRICS_POOLS; i++) {
        for (outcome = 0; outcome < CARGO_METRICS_OUTCOMES; outcome++) {
            ngx_http_cargo_text(text, "ngx_cargo_postgres_jobs_total"
                                "{pool=\"%s\",outcome=\"%s\"} %uL\n",
                                ngx_http_cargo_pools[i],
                                ngx_http_cargo_outcomes[outcome],
                                pools[i].jobs[outcome]);
        }
    }

    ngx_http_cargo_metric(text, "ngx_cargo_postgres_job_duration_seconds",
                          NGX_HTTP_CARGO_HISTOGRAM,
                          "From the question to the answer, the wait for a "
                          "connection included.");

    for (i = 0; i < CARGO_METRICS_POOLS; i++) {
        ngx_http_cargo_histogram(text,
                                 "ngx_cargo_postgres_job_duration_seconds",
                                 "pool", ngx_http_cargo_pools[i],
                                 &pools[i].durations);
    }
}
