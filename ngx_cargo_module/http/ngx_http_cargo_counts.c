
#include "ngx_http_cargo.h"


/*
 * Downloads are counted in shared memory, by version, and sent to the
 * database in batches by whichever worker comes first.  A batch that could
 * not be sent is put back; a batch whose fate is unknown is dropped, so that
 * nothing is counted twice.  The counts outlive a reload and a worker, but
 * not nginx: a worker that exits sends what there is first.
 */


#define NGX_HTTP_CARGO_BATCH_MAX  4096


typedef struct {
    size_t                       n;
    cargo_zone_count_t           counts[NGX_HTTP_CARGO_BATCH_MAX];
} ngx_http_cargo_batch_t;


static void ngx_http_cargo_counts_no_room(void);
static void ngx_http_cargo_counts_timer(ngx_event_t *ev);
static void ngx_http_cargo_counts_exit(void);
static void ngx_http_cargo_counts_flush(void);
static ngx_int_t ngx_http_cargo_counts_send(ngx_http_cargo_batch_t *batch);
static ngx_int_t ngx_http_cargo_counts_params(ngx_cargo_pg_job_t *job,
    ngx_http_cargo_batch_t *batch);
static void ngx_http_cargo_counts_flushed(ngx_cargo_pg_job_t *job);
static void ngx_http_cargo_counts_put_back(ngx_http_cargo_batch_t *batch);


static ngx_cargo_shm_t  *ngx_http_cargo_counts_shm;
static ngx_uint_t        ngx_http_cargo_counts_sent;    /* batches */
static ngx_msec_t        ngx_http_cargo_counts_interval;
static ngx_event_t       ngx_http_cargo_counts_event;


void
ngx_http_cargo_counts_init(ngx_cycle_t *cycle, ngx_cargo_shm_t *shm,
    ngx_msec_t interval)
{
    ngx_http_cargo_counts_shm = shm;
    ngx_http_cargo_counts_interval = interval;

    ngx_http_cargo_counts_event.handler = ngx_http_cargo_counts_timer;
    ngx_http_cargo_counts_event.log = cycle->log;
    ngx_http_cargo_counts_event.cancelable = 1;

    /* the timer wants a connection to log */
    ngx_http_cargo_counts_event.data = &ngx_http_cargo_counts_event;

    ngx_cargo_pg_on_exit(ngx_http_cargo_counts_exit);

    /* whoever counts: some of it is what other workers have left */
    ngx_add_timer(&ngx_http_cargo_counts_event, interval);
}


void
ngx_http_cargo_count(uint64_t version_id)
{
    cargo_zone_t  *zone;

    zone = &ngx_http_cargo_counts_shm->zone;

    if (!cargo_zone_count(zone, version_id, 1)) {
        ngx_http_cargo_counts_flush();

        if (!cargo_zone_count(zone, version_id, 1)) {
            ngx_http_cargo_counts_no_room();
        }
    }

    if (ngx_exiting) {
        ngx_http_cargo_counts_exit();
    }
}


/* once a second: the log must not make it worse */

static void
ngx_http_cargo_counts_no_room(void)
{
    static time_t  logged;

    ngx_cargo_count(downloads_lost, 1);

    if (logged != ngx_time()) {
        logged = ngx_time();

        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "cargo: a download is not counted, nor are others until "
                      "the database takes counts again: there is no room for "
                      "more in cargo_zone");
    }
}


static void
ngx_http_cargo_counts_timer(ngx_event_t *ev)
{
    if (ngx_exiting) {
        return;
    }

    ngx_add_timer(ev, ngx_http_cargo_counts_interval);

    if (ngx_http_cargo_counts_sent == 0) {
        ngx_http_cargo_counts_flush();
    }
}


/* what is left then goes when the batch is answered that is under way */

static void
ngx_http_cargo_counts_exit(void)
{
    if (ngx_http_cargo_counts_sent == 0) {
        ngx_http_cargo_counts_flush();
    }
}


static void
ngx_http_cargo_counts_flush(void)
{
    ngx_http_cargo_batch_t  *batch;

    batch = ngx_alloc(sizeof(ngx_http_cargo_batch_t), ngx_cycle->log);
    if (batch == NULL) {
        return;
    }

    batch->n = cargo_zone_take_counts(&ngx_http_cargo_counts_shm->zone,
                                      batch->counts,
                                      NGX_HTTP_CARGO_BATCH_MAX);

    if (batch->n && ngx_http_cargo_counts_send(batch) == NGX_OK) {
        ngx_http_cargo_counts_sent++;
        return;
    }

    if (batch->n) {
        ngx_cargo_count(flushes_failed, 1);
    }

    ngx_http_cargo_counts_put_back(batch);
    ngx_free(batch);
}


static ngx_int_t
ngx_http_cargo_counts_send(ngx_http_cargo_batch_t *batch)
{
    ngx_cargo_pg_job_t  *job;

    job = ngx_cargo_pg_job_create(
                   &ngx_http_cargo_statements[NGX_HTTP_CARGO_COUNT_DOWNLOADS],
                   ngx_http_cargo_counts_flushed, batch);

    if (job == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_cargo_counts_params(job, batch) != NGX_OK) {
        ngx_cargo_pg_job_destroy(job);
        return NGX_ERROR;
    }

    return ngx_cargo_pg_submit(job);
}


/* two arrays of the same length */

static ngx_int_t
ngx_http_cargo_counts_params(ngx_cargo_pg_job_t *job,
    ngx_http_cargo_batch_t *batch)
{
    u_char     *p, *q;
    size_t      i;
    ngx_str_t   ids, counts;

    ids.data = ngx_palloc(job->pool, batch->n * (NGX_INT64_LEN + 1) + 2);
    counts.data = ngx_palloc(job->pool, batch->n * (NGX_INT64_LEN + 1) + 2);

    if (ids.data == NULL || counts.data == NULL) {
        return NGX_ERROR;
    }

    p = ids.data;
    q = counts.data;

    for (i = 0; i < batch->n; i++) {
        p = ngx_sprintf(p, "%c%uL", i ? ',' : '{', batch->counts[i].id);
        q = ngx_sprintf(q, "%c%uL", i ? ',' : '{', batch->counts[i].count);
    }

    *p++ = '}';
    *q++ = '}';

    ids.len = p - ids.data;
    counts.len = q - counts.data;

    if (ngx_cargo_pg_job_param(job, 0, &ids) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_cargo_pg_job_param(job, 1, &counts);
}


static void
ngx_http_cargo_counts_flushed(ngx_cargo_pg_job_t *job)
{
    ngx_http_cargo_batch_t  *batch;

    batch = job->data;
    ngx_http_cargo_counts_sent--;

    if (job->outcome == NGX_CARGO_PG_DONE) {
        ngx_cargo_metrics_flushed();

    } else {
        ngx_cargo_count(flushes_failed, 1);
    }

    if (job->outcome != NGX_CARGO_PG_DONE) {

        if (job->maybe_done) {
            ngx_cargo_count(downloads_lost, batch->n);
            ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                          "cargo: the download counts of %uz versions may "
                          "be lost", batch->n);
        } else {
            ngx_http_cargo_counts_put_back(batch);
        }

    } else if (ngx_exiting || batch->n == NGX_HTTP_CARGO_BATCH_MAX) {
        /* there is more */
        ngx_http_cargo_counts_flush();
    }

    ngx_free(batch);
}


static void
ngx_http_cargo_counts_put_back(ngx_http_cargo_batch_t *batch)
{
    size_t  i, lost;

    lost = 0;

    for (i = 0; i < batch->n; i++) {
        if (!cargo_zone_count(&ngx_http_cargo_counts_shm->zone,
                              batch->counts[i].id, batch->counts[i].count))
        {
            lost++;
        }
    }

    if (lost) {
        ngx_cargo_count(downloads_lost, lost);

        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "cargo: the download counts of %uz versions are lost: "
                      "there is no room for more in cargo_zone", lost);
    }
}
