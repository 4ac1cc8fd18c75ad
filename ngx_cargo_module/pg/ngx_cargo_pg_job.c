
#include "ngx_cargo_pg_private.h"


#define NGX_CARGO_PG_JOB_POOL  1024


ngx_cargo_pg_job_t *
ngx_cargo_pg_job_create(const ngx_cargo_pg_statement_t *statement,
    ngx_cargo_pg_handler_pt handler, void *data)
{
    ngx_pool_t          *pool;
    ngx_cargo_pg_job_t  *job;

    /* the log of a client's connection would not live long enough */

    pool = ngx_create_pool(NGX_CARGO_PG_JOB_POOL, ngx_cycle->log);
    if (pool == NULL) {
        return NULL;
    }

    job = ngx_pcalloc(pool, sizeof(ngx_cargo_pg_job_t));
    if (job == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    job->pool = pool;
    job->statement = statement;
    job->handler = handler;
    job->data = data;

    job->timer.handler = ngx_cargo_pg_job_timer;
    job->timer.data = job;
    job->timer.log = ngx_cycle->log;

    /* nobody waits for it when the worker exits */
    job->timer.cancelable = statement->listens;

    return job;
}


ngx_int_t
ngx_cargo_pg_job_param(ngx_cargo_pg_job_t *job, ngx_uint_t i,
    ngx_str_t *value)
{
    u_char  *p;

    if (value == NULL) {
        job->values[i] = NULL;
        return NGX_OK;
    }

    p = ngx_pnalloc(job->pool, value->len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    *ngx_cpymem(p, value->data, value->len) = '\0';
    job->values[i] = (const char *) p;

    return NGX_OK;
}


void
ngx_cargo_pg_job_destroy(ngx_cargo_pg_job_t *job)
{
    if (job->timer.timer_set) {
        ngx_del_timer(&job->timer);
    }

    PQclear(job->result);

    ngx_destroy_pool(job->pool);
}


void
ngx_cargo_pg_job_abandon(ngx_cargo_pg_job_t *job)
{
    job->handler = NULL;

    if (job->connection == NULL && job->connections) {
        ngx_queue_remove(&job->queue);
        job->connections->nwaiting--;
        ngx_cargo_pg_gauge(job->connections);

        ngx_cargo_pg_job_destroy(job);
    }
}


ngx_str_t
ngx_cargo_pg_field(ngx_cargo_pg_job_t *job, ngx_uint_t column)
{
    ngx_str_t  value;

    ngx_str_null(&value);

    if (job->outcome != NGX_CARGO_PG_DONE
        || (int) job->row >= PQntuples(job->result)
        || (int) column >= PQnfields(job->result)
        || PQgetisnull(job->result, (int) job->row, (int) column))
    {
        return value;
    }

    value.data = (u_char *) PQgetvalue(job->result, (int) job->row,
                                       (int) column);
    value.len = PQgetlength(job->result, (int) job->row, (int) column);

    return value;
}


const char *
ngx_cargo_pg_sqlstate(ngx_cargo_pg_job_t *job)
{
    const char  *state;

    state = PQresultErrorField(job->result, PG_DIAG_SQLSTATE);

    return state ? state : "";
}


/*
 * The owner gets its answer in time.  What was sent cannot be taken back: the
 * job stays with the connection, without a handler, until it is answered.
 */

void
ngx_cargo_pg_job_timer(ngx_event_t *ev)
{
    ngx_uint_t                  level;
    const char                 *note;
    ngx_cargo_pg_job_t         *job;
    ngx_cargo_pg_handler_pt     handler;
    ngx_cargo_pg_connection_t  *conn;
    static cargo_ratelimit_t    limit;

    job = ev->data;
    conn = job->connection;
    handler = job->handler;

    /* an outage is in the log already */
    level = (conn == NULL && job->connections->down) ? NGX_LOG_INFO
                                                     : NGX_LOG_ERR;

    job->handler = NULL;
    job->outcome = NGX_CARGO_PG_TIMED_OUT;
    job->maybe_done = (conn != NULL);

    level = ngx_cargo_pg_complaint(job->connections, level);

    note = cargo_ratelimit(&limit, job->statement->name,
                           level + (conn ? 100 : 0), ngx_time());

    if (note) {
        ngx_log_error(level, ev->log, 0,
                      "cargo pg: %s took longer than %M ms (%s)%s",
                      job->statement->name, job->connections->conf->timeout,
                      conn ? "in the database" : "waiting for a connection",
                      note);
    }

    ngx_cargo_pg_count_job(job->connections, job);

    if (conn == NULL) {
        ngx_queue_remove(&job->queue);
        job->connections->nwaiting--;

    } else if (conn->state == NGX_CARGO_PG_READY) {
        conn->state = NGX_CARGO_PG_DRAINING;
        ngx_add_timer(&conn->timer, conn->pool->conf->timeout);
    }

    ngx_cargo_pg_gauge(job->connections);

    if (handler) {
        handler(job);
    }

    if (conn == NULL) {
        ngx_cargo_pg_job_destroy(job);
    }
}
