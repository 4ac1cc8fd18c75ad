
#include "ngx_http_cargo_status.h"


/*
 * Whether this worker's database and store do their work: looked at when
 * somebody asks, by one question to each pool of connections and one file,
 * and for all who ask meanwhile.  What does not answer in time is not asked
 * again before it has: a database that hangs gets no heap of questions.
 */


/* who asks at this distance of another hears the same */
#define NGX_HTTP_CARGO_READY_AGE  200


typedef struct {
    ngx_http_cargo_statement_e   statement;
    ngx_http_cargo_asked_e       state;
    ngx_uint_t                   asked;         /* it is under way */
    ngx_msec_t                   since;
    ngx_uint_t                   away_seconds;
} ngx_http_cargo_probe_t;


/* of a thread as long as it is busy; the configuration's texts outlive it */
typedef struct {
    ngx_array_t                 *stores;        /* of ngx_str_t */
    off_t                        room;

    ngx_str_t                    store;
    const char                  *failed;
    ngx_err_t                    err;
} ngx_http_cargo_store_probe_t;


/* a request that waits, in a cleanup of its own */
typedef struct {
    ngx_queue_t                  queue;
    ngx_http_request_t          *request;       /* NULL: it does not */
    ngx_http_cargo_ctx_t        *ctx;
    ngx_http_cargo_ready_pt      done;
} ngx_http_cargo_ready_wait_t;


static void ngx_http_cargo_ready_init(void);
static void ngx_http_cargo_ready_leave(void *data);
static void ngx_http_cargo_ready_begin(ngx_http_request_t *r);
static void ngx_http_cargo_ready_ask(ngx_http_cargo_probe_t *probe);
static void ngx_http_cargo_ready_answered(ngx_cargo_pg_job_t *job);
static void ngx_http_cargo_ready_read(ngx_cargo_pg_job_t *job);
static void ngx_http_cargo_ready_store(ngx_http_request_t *r);
static void ngx_http_cargo_ready_thread(void *data, ngx_log_t *log);
static void ngx_http_cargo_ready_thread_done(ngx_event_t *ev);
static void ngx_http_cargo_ready_deadline(ngx_event_t *ev);
static void ngx_http_cargo_ready_step(void);
static ngx_uint_t ngx_http_cargo_ready_waits(ngx_http_cargo_probe_t *probe);
static void ngx_http_cargo_ready_end(void);
static ngx_http_cargo_asked_e ngx_http_cargo_ready_state(
    ngx_http_cargo_probe_t *probe);


static ngx_http_cargo_probe_t  ngx_http_cargo_reads = {
    .statement = NGX_HTTP_CARGO_READY_TO_READ
};

static ngx_http_cargo_probe_t  ngx_http_cargo_writes = {
    .statement = NGX_HTTP_CARGO_READY_TO_WRITE
};

static ngx_thread_task_t      *ngx_http_cargo_store_task;
static ngx_uint_t              ngx_http_cargo_store_busy;
static ngx_msec_t              ngx_http_cargo_store_since;

static ngx_http_cargo_ready_t  ngx_http_cargo_known;
static ngx_queue_t             ngx_http_cargo_waiting;
static ngx_event_t             ngx_http_cargo_deadline;
static ngx_uint_t              ngx_http_cargo_looking;
static ngx_uint_t              ngx_http_cargo_looked;
static ngx_msec_t              ngx_http_cargo_looked_at;


ngx_int_t
ngx_http_cargo_ready(ngx_http_request_t *r, ngx_http_cargo_ready_pt done)
{
    ngx_http_cleanup_t           *cln;
    ngx_http_cargo_ready_wait_t  *wait;

    if (ngx_http_cargo_looked
        && !ngx_http_cargo_looking
        && ngx_current_msec - ngx_http_cargo_looked_at
           < NGX_HTTP_CARGO_READY_AGE)
    {
        done(r, &ngx_http_cargo_known);
        return NGX_OK;
    }

    cln = ngx_http_cleanup_add(r, sizeof(ngx_http_cargo_ready_wait_t));
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_cargo_ready_init();

    cln->handler = ngx_http_cargo_ready_leave;
    wait = cln->data;

    wait->request = r;
    wait->ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);
    wait->done = done;
    ngx_queue_insert_tail(&ngx_http_cargo_waiting, &wait->queue);

    ngx_http_cargo_wait(r);

    if (!ngx_http_cargo_looking) {
        ngx_http_cargo_ready_begin(r);
    }

    return NGX_OK;
}


static void
ngx_http_cargo_ready_init(void)
{
    if (ngx_http_cargo_deadline.handler) {
        return;
    }

    ngx_queue_init(&ngx_http_cargo_waiting);

    ngx_http_cargo_deadline.handler = ngx_http_cargo_ready_deadline;
    ngx_http_cargo_deadline.log = ngx_cycle->log;

    /* the timer wants a connection to log */
    ngx_http_cargo_deadline.data = &ngx_http_cargo_deadline;
}


static void
ngx_http_cargo_ready_leave(void *data)
{
    ngx_http_cargo_ready_wait_t  *wait = data;

    if (wait->request) {
        ngx_queue_remove(&wait->queue);
        wait->request = NULL;
    }
}


static void
ngx_http_cargo_ready_begin(ngx_http_request_t *r)
{
    ngx_http_cargo_looking = 1;

    ngx_add_timer(&ngx_http_cargo_deadline, NGX_HTTP_CARGO_READY_TIME);

    ngx_http_cargo_ready_ask(&ngx_http_cargo_reads);
    ngx_http_cargo_ready_ask(&ngx_http_cargo_writes);
    ngx_http_cargo_ready_store(r);

    /* not now: the handler of this request has not returned */
    ngx_post_event(&ngx_http_cargo_deadline, &ngx_posted_events);
}


static void
ngx_http_cargo_ready_ask(ngx_http_cargo_probe_t *probe)
{
    ngx_cargo_pg_job_t              *job;
    ngx_cargo_pg_health_t            health;
    const ngx_cargo_pg_statement_t  *statement;

    statement = &ngx_http_cargo_statements[probe->statement];

    ngx_cargo_pg_health(statement, &health);

    if (health.down) {
        probe->state = NGX_HTTP_CARGO_AWAY;
        probe->away_seconds = (ngx_current_msec - health.down_since) / 1000;
    }

    if (probe->asked || health.down) {
        return;
    }

    probe->state = NGX_HTTP_CARGO_UNASKED;

    job = ngx_cargo_pg_job_create(statement, ngx_http_cargo_ready_answered,
                                  probe);
    if (job == NULL) {
        return;
    }

    probe->since = ngx_current_msec;
    probe->asked = (ngx_cargo_pg_submit(job) == NGX_OK);
}


static void
ngx_http_cargo_ready_answered(ngx_cargo_pg_job_t *job)
{
    ngx_http_cargo_probe_t  *probe;

    probe = job->data;
    probe->asked = 0;

    switch (job->outcome) {

    case NGX_CARGO_PG_DONE:
        probe->state = NGX_HTTP_CARGO_ANSWERED;
        ngx_http_cargo_ready_read(job);
        break;

    case NGX_CARGO_PG_FAILED:
        probe->state = NGX_HTTP_CARGO_REFUSED_IT;
        break;

    default:
        probe->state = NGX_HTTP_CARGO_SILENT;
        break;
    }

    ngx_http_cargo_ready_step();
}


/* {"schema": 8, "read_only": false} */

static void
ngx_http_cargo_ready_read(ngx_cargo_pg_job_t *job)
{
    json_t     *answer;
    ngx_str_t   body;

    body = ngx_cargo_pg_field(job, NGX_HTTP_CARGO_COLUMN_BODY);
    answer = json_loadb((char *) body.data, body.len, 0, NULL);

    ngx_http_cargo_known.schema =
                    json_integer_value(json_object_get(answer, "schema"));
    ngx_http_cargo_known.read_only =
                    json_is_true(json_object_get(answer, "read_only"));

    json_decref(answer);
}


static void
ngx_http_cargo_ready_store(ngx_http_request_t *r)
{
    ngx_thread_task_t             *task;
    ngx_http_cargo_loc_conf_t     *lcf;
    ngx_http_cargo_main_conf_t    *mcf;
    ngx_http_cargo_store_probe_t  *probe;

    if (ngx_http_cargo_store_busy) {
        return;
    }

    if (ngx_http_cargo_store_task == NULL) {
        ngx_http_cargo_store_task = ngx_thread_task_alloc(ngx_cycle->pool,
                                       sizeof(ngx_http_cargo_store_probe_t));
        if (ngx_http_cargo_store_task == NULL) {
            return;
        }
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_cargo_module);
    lcf = ngx_http_get_module_loc_conf(r, ngx_http_cargo_module);

    task = ngx_http_cargo_store_task;
    probe = task->ctx;

    probe->stores = &mcf->stores;
    probe->room = lcf->max_crate_size;

    task->handler = ngx_http_cargo_ready_thread;
    task->event.handler = ngx_http_cargo_ready_thread_done;
    task->event.data = probe;
    task->event.log = ngx_cycle->log;

    ngx_http_cargo_store_since = ngx_current_msec;
    ngx_http_cargo_store_busy = (ngx_cargo_threads_post(lcf->thread_pool, task)
                                 == NGX_OK);
}


static void
ngx_http_cargo_ready_thread(void *data, ngx_log_t *log)
{
    ngx_http_cargo_store_probe_t  *probe = data;

    ngx_str_t   *store;
    ngx_uint_t   i;

    probe->failed = NULL;
    store = probe->stores->elts;

    for (i = 0; i < probe->stores->nelts && probe->failed == NULL; i++) {
        probe->store = store[i];
        probe->failed = ngx_cargo_blob_try_store(&store[i], probe->room,
                                                 &probe->err);
    }
}


static void
ngx_http_cargo_ready_thread_done(ngx_event_t *ev)
{
    ngx_http_cargo_store_probe_t  *probe = ev->data;

    ngx_http_cargo_store_busy = 0;

    ngx_http_cargo_known.store = probe->store;
    ngx_http_cargo_known.store_failed = probe->failed;
    ngx_http_cargo_known.store_err = probe->err;

    ngx_http_cargo_ready_step();
}


static void
ngx_http_cargo_ready_deadline(ngx_event_t *ev)
{
    if (ev->timedout) {
        ev->timedout = 0;
        ngx_http_cargo_ready_end();
        return;
    }

    ngx_http_cargo_ready_step();
}


static void
ngx_http_cargo_ready_step(void)
{
    if (!ngx_http_cargo_looking) {
        return;
    }

    if (!ngx_http_cargo_store_busy
        && !ngx_http_cargo_ready_waits(&ngx_http_cargo_reads)
        && !ngx_http_cargo_ready_waits(&ngx_http_cargo_writes))
    {
        ngx_http_cargo_ready_end();
    }
}


/* nothing more is learnt before the next attempt to connect */

static ngx_uint_t
ngx_http_cargo_ready_waits(ngx_http_cargo_probe_t *probe)
{
    ngx_cargo_pg_health_t  health;

    ngx_cargo_pg_health(&ngx_http_cargo_statements[probe->statement],
                        &health);

    return probe->asked && !health.down;
}


static void
ngx_http_cargo_ready_end(void)
{
    ngx_queue_t                  *q;
    ngx_connection_t             *c;
    ngx_http_request_t           *r;
    ngx_http_cargo_ready_t       *known;
    ngx_http_cargo_ready_wait_t  *wait;

    known = &ngx_http_cargo_known;

    if (ngx_http_cargo_deadline.timer_set) {
        ngx_del_timer(&ngx_http_cargo_deadline);
    }

    known->reads = ngx_http_cargo_ready_state(&ngx_http_cargo_reads);
    known->writes = ngx_http_cargo_ready_state(&ngx_http_cargo_writes);
    known->away_seconds = ngx_max(ngx_http_cargo_reads.away_seconds,
                                  ngx_http_cargo_writes.away_seconds);

    ngx_cargo_pg_health(
               &ngx_http_cargo_statements[NGX_HTTP_CARGO_READY_TO_WRITE],
               &known->write_pool);

    known->store_silent = ngx_http_cargo_store_busy
        ? 1 + (ngx_current_msec - ngx_http_cargo_store_since) / 1000 : 0;

    ngx_http_cargo_looking = 0;
    ngx_http_cargo_looked = 1;
    ngx_http_cargo_looked_at = ngx_current_msec;

    while (!ngx_queue_empty(&ngx_http_cargo_waiting)) {
        q = ngx_queue_head(&ngx_http_cargo_waiting);
        wait = ngx_queue_data(q, ngx_http_cargo_ready_wait_t, queue);

        r = wait->request;
        c = r->connection;

        ngx_queue_remove(q);
        wait->request = NULL;

        if (ngx_http_cargo_waited(r, wait->ctx)) {
            wait->done(r, known);
            ngx_http_run_posted_requests(c);
        }
    }
}


/* one that is late has others before it, which may be answered all the time */

static ngx_http_cargo_asked_e
ngx_http_cargo_ready_state(ngx_http_cargo_probe_t *probe)
{
    ngx_cargo_pg_health_t  health;

    ngx_cargo_pg_health(&ngx_http_cargo_statements[probe->statement],
                        &health);

    if (health.down) {
        probe->away_seconds = (ngx_current_msec - health.down_since) / 1000;
        return NGX_HTTP_CARGO_AWAY;
    }

    probe->away_seconds = 0;

    if (!probe->asked) {
        return probe->state;
    }

    if (health.answered
        && ngx_current_msec - health.answered < NGX_HTTP_CARGO_READY_TIME)
    {
        return NGX_HTTP_CARGO_BUSY;
    }

    return NGX_HTTP_CARGO_SILENT;
}
