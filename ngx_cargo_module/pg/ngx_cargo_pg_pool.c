
#include "ngx_cargo_pg_private.h"


/*
 * A read waits for a read at most; a write may hold locks, and what stands
 * behind it in a pipeline would wait for them too.
 */
#define NGX_CARGO_PG_READ_DEPTH    32
#define NGX_CARGO_PG_WRITE_DEPTH   1

/* one attempt a second and worker is little enough, and ends an outage soon */
#define NGX_CARGO_PG_BACKOFF_MIN   100
#define NGX_CARGO_PG_BACKOFF_MAX   1000


static ngx_cargo_pg_connection_t *ngx_cargo_pg_least_busy(
    ngx_cargo_pg_pool_t *pool, ngx_uint_t depth);
static void ngx_cargo_pg_open_another(ngx_cargo_pg_pool_t *pool);
static ngx_uint_t ngx_cargo_pg_alive(ngx_cargo_pg_pool_t *pool);
static void ngx_cargo_pg_exit_event(ngx_event_t *ev);
static void ngx_cargo_pg_dispatch_handler(ngx_event_t *ev);
static void ngx_cargo_pg_fail_waiting(ngx_cargo_pg_pool_t *pool);


static ngx_cargo_pg_pool_t  ngx_cargo_pg_read_pool;
static ngx_cargo_pg_pool_t  ngx_cargo_pg_write_pool;

static void  (*ngx_cargo_pg_exit_handler)(void);


ngx_int_t
ngx_cargo_pg_init_worker(ngx_cycle_t *cycle, ngx_cargo_pg_conf_t *pcf,
    cargo_metrics_slot_t *slot)
{
    ngx_cargo_pg_pool_t  *pool;

    pool = &ngx_cargo_pg_read_pool;
    pool->name = "reads";
    pool->depth = NGX_CARGO_PG_READ_DEPTH;
    ngx_cargo_pg_count_into(pool, slot, CARGO_METRICS_READS);

    if (ngx_cargo_pg_pool_init(pool, cycle, pcf, pcf->read_connections)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    pool = &ngx_cargo_pg_write_pool;
    pool->name = "writes";
    pool->depth = NGX_CARGO_PG_WRITE_DEPTH;
    ngx_cargo_pg_count_into(pool, slot, CARGO_METRICS_WRITES);

    if (ngx_cargo_pg_pool_init(pool, cycle, pcf, pcf->write_connections)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    pool = &ngx_cargo_pg_listen_pool;
    pool->name = "changes";
    pool->depth = NGX_CARGO_PG_READ_DEPTH;
    ngx_cargo_pg_count_into(pool, slot, CARGO_METRICS_CHANGES);

    if (ngx_cargo_pg_pool_init(pool, cycle, pcf, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    if (pcf->listen_servers.n) {
        pool->servers = &pcf->listen_servers;
    }

    return NGX_OK;
}


ngx_int_t
ngx_cargo_pg_pool_init(ngx_cargo_pg_pool_t *pool, ngx_cycle_t *cycle,
    ngx_cargo_pg_conf_t *conf, ngx_uint_t n)
{
    ngx_uint_t                  i;
    ngx_cargo_pg_connection_t  *conn;

    pool->conf = conf;
    pool->log = cycle->log;
    pool->servers = &conf->servers;

    ngx_queue_init(&pool->waiting);

    pool->dispatch.handler = ngx_cargo_pg_dispatch_handler;
    pool->dispatch.data = pool;
    pool->dispatch.log = cycle->log;

    pool->backoff.handler = ngx_cargo_pg_dispatch_handler;
    pool->backoff.data = pool;
    pool->backoff.log = cycle->log;
    pool->backoff.cancelable = 1;

    pool->connections = ngx_pcalloc(cycle->pool,
                                    n * sizeof(ngx_cargo_pg_connection_t));
    if (pool->connections == NULL) {
        return NGX_ERROR;
    }

    pool->nconnections = n;

    for (i = 0; i < n; i++) {
        conn = &pool->connections[i];

        conn->pool = pool;
        conn->timer.data = conn;
        conn->timer.log = cycle->log;
        conn->timer.cancelable = 1;

        ngx_queue_init(&conn->sent);
    }

    return NGX_OK;
}


void
ngx_cargo_pg_exit_worker(void)
{
    ngx_uint_t            i, j;
    ngx_cargo_pg_pool_t  *pools[3];

    pools[0] = &ngx_cargo_pg_read_pool;
    pools[1] = &ngx_cargo_pg_write_pool;
    pools[2] = &ngx_cargo_pg_listen_pool;

    for (i = 0; i < 3; i++) {
        for (j = 0; j < pools[i]->nconnections; j++) {
            ngx_cargo_pg_close(&pools[i]->connections[j]);
        }
    }
}


/*
 * nginx tells a worker's modules that it will exit by calling the handlers of
 * idle connections only; there may be none of ours, so one stands for them.
 * It has no socket: -1 would mean that it is free.
 */

void
ngx_cargo_pg_on_exit(void (*handler)(void))
{
    ngx_connection_t  *c;

    c = ngx_get_connection(0, ngx_cycle->log);
    if (c == NULL) {
        return;
    }

    c->fd = (ngx_socket_t) -2;
    c->idle = 1;
    c->log = ngx_cycle->log;
    c->read->log = c->log;
    c->read->handler = ngx_cargo_pg_exit_event;

    ngx_cargo_pg_exit_handler = handler;
}


static void
ngx_cargo_pg_exit_event(ngx_event_t *ev)
{
    ngx_connection_t  *c;

    c = ev->data;

    /* the number is an index in there, with some of the event methods */
    c->fd = 0;

    ngx_free_connection(c);
    c->fd = (ngx_socket_t) -1;

    ngx_cargo_pg_exit_handler();
}


void
ngx_cargo_pg_exiting(ngx_cargo_pg_connection_t *conn)
{
    if (ngx_queue_empty(&conn->pool->waiting)) {
        ngx_cargo_pg_close(conn);
    }
}


ngx_cargo_pg_pool_t *
ngx_cargo_pg_pool_of(const ngx_cargo_pg_statement_t *statement)
{
    if (statement->listens) {
        return &ngx_cargo_pg_listen_pool;
    }

    return statement->writes ? &ngx_cargo_pg_write_pool
                             : &ngx_cargo_pg_read_pool;
}


/*
 * Short outages are waited out: the restart of a database then costs its
 * users a moment, not an error.  When it has been away for longer than a job
 * may take, waiting has no point.
 */

ngx_int_t
ngx_cargo_pg_submit(ngx_cargo_pg_job_t *job)
{
    ngx_cargo_pg_pool_t  *pool;

    pool = ngx_cargo_pg_pool_of(job->statement);

    if (pool->down
        && ngx_current_msec - pool->down_since > pool->conf->timeout)
    {
        ngx_cargo_pg_count_refused(pool);
        ngx_cargo_pg_job_destroy(job);
        return NGX_DECLINED;
    }

    if (pool->nwaiting >= pool->conf->queue) {

        /* once a second: the log must not make it worse */

        if (pool->full_logged != ngx_time()) {
            pool->full_logged = ngx_time();

            ngx_log_error(NGX_LOG_ERR, pool->log, 0,
                          "cargo pg: %ui %s wait already, more are refused; "
                          "see cargo_postgres_queue and "
                          "cargo_postgres_connections",
                          pool->nwaiting, pool->name);
        }

        ngx_cargo_pg_count_refused(pool);
        ngx_cargo_pg_job_destroy(job);
        return NGX_BUSY;
    }

    job->connections = pool;
    job->submitted = ngx_current_msec;
    ngx_queue_insert_tail(&pool->waiting, &job->queue);
    pool->nwaiting++;

    ngx_add_timer(&job->timer, pool->conf->timeout);

    /*
     * Once for all jobs that this turn of the event loop brings.  What comes
     * when the worker is told to exit comes between two turns, and the next
     * one would sleep over it.
     */

    ngx_post_event(&pool->dispatch, ngx_exiting ? &ngx_posted_next_events
                                                : &ngx_posted_events);

    return NGX_OK;
}


static void
ngx_cargo_pg_dispatch_handler(ngx_event_t *ev)
{
    ngx_cargo_pg_dispatch(ev->data);
}


/*
 * What still grows waits for a connection that has nothing else to do, which
 * makes it one query instead of several; all else waits in a connection, and
 * has another one opened, so that the next ones need not.  Nobody overtakes.
 */

void
ngx_cargo_pg_dispatch(ngx_cargo_pg_pool_t *pool)
{
    ngx_uint_t                  i, crowded;
    ngx_cargo_pg_job_t         *job;
    ngx_cargo_pg_connection_t  *conn;

    crowded = 0;

    while (!ngx_queue_empty(&pool->waiting)) {

        job = ngx_queue_data(ngx_queue_head(&pool->waiting),
                             ngx_cargo_pg_job_t, queue);

        conn = ngx_cargo_pg_least_busy(pool, job->grows ? 1 : pool->depth);

        if (conn == NULL || conn->nsent) {
            crowded = 1;
        }

        if (conn == NULL) {
            break;
        }

        /* a write has one try, a read few: not where they cannot succeed */

        if ((job->statement->writes || job->retried)
            && ngx_cargo_pg_gone(conn))
        {
            ngx_cargo_pg_broken(conn, "about to send");
            continue;
        }

        ngx_queue_remove(&job->queue);
        pool->nwaiting--;

        if (ngx_cargo_pg_send(conn, job) != NGX_OK) {
            ngx_cargo_pg_broken(conn, "sending");
        }
    }

    for (i = 0; i < pool->nconnections; i++) {
        conn = &pool->connections[i];

        if (conn->nsent && ngx_cargo_pg_flush(conn) != NGX_OK) {
            ngx_cargo_pg_broken(conn, "sending");
        }
    }

    /* while it is down, jobs are refused: none would wait and bring this on */

    if (crowded || (pool->down && !ngx_exiting)) {
        ngx_cargo_pg_open_another(pool);
    }

    ngx_cargo_pg_gauge(pool);
}


static ngx_cargo_pg_connection_t *
ngx_cargo_pg_least_busy(ngx_cargo_pg_pool_t *pool, ngx_uint_t depth)
{
    ngx_uint_t                  i;
    ngx_cargo_pg_connection_t  *conn, *best;

    best = NULL;

    for (i = 0; i < pool->nconnections; i++) {
        conn = &pool->connections[i];

        if (conn->state == NGX_CARGO_PG_READY
            && conn->nsent < depth
            && (best == NULL || conn->nsent < best->nsent))
        {
            best = conn;
        }
    }

    return best;
}


static void
ngx_cargo_pg_open_another(ngx_cargo_pg_pool_t *pool)
{
    ngx_uint_t                  i;
    ngx_cargo_pg_connection_t  *conn, *down;

    if (pool->backoff.timer_set) {
        return;
    }

    down = NULL;

    for (i = 0; i < pool->nconnections; i++) {
        conn = &pool->connections[i];

        if (conn->state == NGX_CARGO_PG_CONNECTING) {
            return;
        }

        if (conn->state == NGX_CARGO_PG_DOWN) {
            down = conn;
        }
    }

    if (down) {
        ngx_cargo_pg_connect(down);
    }
}


static ngx_uint_t
ngx_cargo_pg_alive(ngx_cargo_pg_pool_t *pool)
{
    ngx_uint_t  i;

    for (i = 0; i < pool->nconnections; i++) {
        if (pool->connections[i].state == NGX_CARGO_PG_READY
            || pool->connections[i].state == NGX_CARGO_PG_DRAINING)
        {
            return 1;
        }
    }

    return 0;
}


void
ngx_cargo_pg_complete(ngx_queue_t *done)
{
    ngx_queue_t         *q;
    ngx_cargo_pg_job_t  *job;

    while (!ngx_queue_empty(done)) {
        q = ngx_queue_head(done);
        ngx_queue_remove(q);

        job = ngx_queue_data(q, ngx_cargo_pg_job_t, queue);

        if (job->timer.timer_set) {
            ngx_del_timer(&job->timer);
        }

        ngx_cargo_pg_count_job(ngx_cargo_pg_pool_of(job->statement), job);

        if (job->handler) {
            job->handler(job);
        }

        ngx_cargo_pg_job_destroy(job);
    }
}


void
ngx_cargo_pg_put_back(ngx_cargo_pg_pool_t *pool, ngx_cargo_pg_job_t *job)
{
    PQclear(job->result);

    job->result = NULL;
    job->outcome = NGX_CARGO_PG_DONE;
    job->connection = NULL;
    job->preparing = 0;
    job->retried = 1;

    ngx_queue_insert_head(&pool->waiting, &job->queue);
    pool->nwaiting++;

    ngx_post_event(&pool->dispatch, &ngx_posted_events);
}


void
ngx_cargo_pg_connected(ngx_cargo_pg_pool_t *pool)
{
    pool->down = 0;
    pool->refused = 0;
    pool->why_len = 0;

    ngx_cargo_pg_count(pool, &pool->counters->connects);
    ngx_cargo_pg_gauge(pool);

    if (pool->complained) {
        pool->complained = 0;

        ngx_log_error(NGX_LOG_NOTICE, pool->log, 0,
                      "cargo pg: connected to the database again (%s)",
                      pool->name);
    }

    if (pool->opened) {
        pool->opened();
    }

    ngx_post_event(&pool->dispatch, &ngx_posted_events);
}


/* not on connecting: a server that accepts and dies must not be hammered */

void
ngx_cargo_pg_answered(ngx_cargo_pg_pool_t *pool)
{
    pool->delay = 0;
    pool->answered = ngx_current_msec;
}


/* a failure when every server has refused, one after the other */

void
ngx_cargo_pg_connect_failed(ngx_cargo_pg_pool_t *pool, const char *why)
{
    u_char      *p, *last;
    ngx_uint_t   level;

    ngx_cargo_pg_count(pool, &pool->counters->connects_failed);

    p = pool->why + pool->why_len;
    last = pool->why + NGX_CARGO_PG_WHY;

    p = ngx_slprintf(p, last, "%s%s", pool->why_len ? "; " : "", why);
    pool->why_len = p - pool->why;

    ngx_cargo_pg_next_server(pool);

    if (++pool->refused < pool->servers->n) {
        ngx_post_event(&pool->dispatch, &ngx_posted_events);
        return;
    }

    if (!pool->complained) {
        pool->complained = 1;

        level = ngx_cargo_pg_complaint(pool, NGX_LOG_ERR);

        ngx_log_error(level, pool->log, 0,
                      "cargo pg: cannot connect to the database (%s): %*s; "
                      "trying again until it is there",
                      pool->name, pool->why_len, pool->why);
    }

    pool->refused = 0;
    pool->why_len = 0;

    /* a server that has no room for one more still serves the others */

    if (!pool->down && !ngx_cargo_pg_alive(pool)) {
        pool->down = 1;
        pool->down_since = ngx_current_msec;
    }

    ngx_cargo_pg_retry_later(pool);
    ngx_cargo_pg_gauge(pool);

    if (pool->down
        && ngx_current_msec - pool->down_since > pool->conf->timeout)
    {
        ngx_cargo_pg_fail_waiting(pool);
    }
}


void
ngx_cargo_pg_next_server(ngx_cargo_pg_pool_t *pool)
{
    pool->server = (pool->server + 1) % pool->servers->n;
}


void
ngx_cargo_pg_retry_later(ngx_cargo_pg_pool_t *pool)
{
    ngx_msec_t  quarter;

    if (pool->backoff.timer_set) {
        return;
    }

    pool->delay = pool->delay ? ngx_min(pool->delay * 2,
                                        NGX_CARGO_PG_BACKOFF_MAX)
                              : NGX_CARGO_PG_BACKOFF_MIN;

    quarter = pool->delay / 4;

    ngx_add_timer(&pool->backoff,
                  pool->delay - quarter + ngx_random() % (2 * quarter));
}


static void
ngx_cargo_pg_fail_waiting(ngx_cargo_pg_pool_t *pool)
{
    ngx_queue_t         *q, done;
    ngx_cargo_pg_job_t  *job;

    ngx_queue_init(&done);

    while (!ngx_queue_empty(&pool->waiting)) {
        q = ngx_queue_head(&pool->waiting);
        ngx_queue_remove(q);
        pool->nwaiting--;

        job = ngx_queue_data(q, ngx_cargo_pg_job_t, queue);
        job->outcome = NGX_CARGO_PG_UNAVAILABLE;

        /* the handler of one may abandon others: they wait no more */
        job->connections = NULL;

        ngx_queue_insert_tail(&done, q);
    }

    ngx_cargo_pg_gauge(pool);
    ngx_cargo_pg_complete(&done);
}
