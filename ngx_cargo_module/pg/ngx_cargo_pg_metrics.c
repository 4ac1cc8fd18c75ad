
#include "ngx_cargo_pg_private.h"


/*
 * What a pool shows of itself: to other processes in its slot, and to this
 * worker when it is asked how the database does.
 */


static cargo_metrics_outcome_e ngx_cargo_pg_outcome(ngx_cargo_pg_job_t *job);


void
ngx_cargo_pg_count_into(ngx_cargo_pg_pool_t *pool,
    cargo_metrics_slot_t *slot, cargo_metrics_pool_e which)
{
    pool->slot = slot;
    pool->gauges = &slot->gauges[which];
    pool->counters = &slot->counters.pools[which];
}


void
ngx_cargo_pg_count_job(ngx_cargo_pg_pool_t *pool, ngx_cargo_pg_job_t *job)
{
    if (job->counted) {
        return;
    }

    job->counted = 1;

    ngx_cargo_pg_count(pool, &pool->counters->jobs[ngx_cargo_pg_outcome(job)]);

    cargo_metrics_observe(pool->slot, &pool->counters->durations,
                          (uint64_t) (ngx_current_msec - job->submitted)
                          * 1000);
}


static cargo_metrics_outcome_e
ngx_cargo_pg_outcome(ngx_cargo_pg_job_t *job)
{
    switch (job->outcome) {

    case NGX_CARGO_PG_DONE:
        return CARGO_METRICS_DONE;

    case NGX_CARGO_PG_FAILED:
        return CARGO_METRICS_FAILED;

    case NGX_CARGO_PG_TIMED_OUT:
        return CARGO_METRICS_TIMED_OUT;

    default: /* NGX_CARGO_PG_UNAVAILABLE */
        return CARGO_METRICS_UNAVAILABLE;
    }
}


void
ngx_cargo_pg_count_refused(ngx_cargo_pg_pool_t *pool)
{
    ngx_cargo_pg_count(pool, &pool->counters->jobs[CARGO_METRICS_REFUSED]);
}


void
ngx_cargo_pg_count(ngx_cargo_pg_pool_t *pool, uint64_t *counter)
{
    cargo_metrics_add(pool->slot, counter, 1);
}


void
ngx_cargo_pg_gauge(ngx_cargo_pg_pool_t *pool)
{
    ngx_uint_t                  i;
    cargo_metrics_gauges_t      gauges;
    ngx_cargo_pg_connection_t  *conn;

    /* of a slot that many share nobody could tell whose they are */

    if (pool->slot->shared) {
        return;
    }

    ngx_memzero(&gauges, sizeof(cargo_metrics_gauges_t));

    for (i = 0; i < pool->nconnections; i++) {
        conn = &pool->connections[i];

        gauges.sent += conn->nsent;

        if (conn->state != NGX_CARGO_PG_DOWN) {
            gauges.connections[conn->state - NGX_CARGO_PG_CONNECTING
                               + CARGO_METRICS_CONNECTING]++;
        }
    }

    gauges.waiting = pool->nwaiting;
    gauges.down = pool->down;

    *pool->gauges = gauges;
}


void
ngx_cargo_pg_health(const ngx_cargo_pg_statement_t *statement,
    ngx_cargo_pg_health_t *health)
{
    ngx_uint_t            i;
    ngx_cargo_pg_pool_t  *pool;

    pool = ngx_cargo_pg_pool_of(statement);

    ngx_memzero(health, sizeof(ngx_cargo_pg_health_t));

    for (i = 0; i < pool->nconnections; i++) {
        health->connected += (pool->connections[i].state
                              == NGX_CARGO_PG_READY);
    }

    health->down = pool->down;
    health->down_since = pool->down_since;
    health->waiting = pool->nwaiting;
    health->full = (pool->nwaiting >= pool->conf->queue);
    health->answered = pool->answered;
}
