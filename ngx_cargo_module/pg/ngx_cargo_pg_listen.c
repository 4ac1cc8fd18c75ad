
#include "ngx_cargo_pg_private.h"


static void ngx_cargo_pg_listen_opened(void);
static void ngx_cargo_pg_listening(ngx_cargo_pg_job_t *job);
static void ngx_cargo_pg_listen_soon(void);
static void ngx_cargo_pg_listen_timer(ngx_event_t *ev);
static void ngx_cargo_pg_listen_ask(void);
static void ngx_cargo_pg_listen_heard(ngx_cargo_pg_job_t *job);


/* one connection: the questions come one at a time, and LISTEN before them */
ngx_cargo_pg_pool_t  ngx_cargo_pg_listen_pool;

static ngx_cargo_pg_listener_t  *ngx_cargo_pg_listener;
static ngx_event_t               ngx_cargo_pg_listen_event;
static ngx_uint_t                ngx_cargo_pg_listen_asked;
static ngx_msec_t                ngx_cargo_pg_listen_answered;
static ngx_uint_t                ngx_cargo_pg_listen_rung;


void
ngx_cargo_pg_listen(ngx_cargo_pg_listener_t *listener)
{
    ngx_event_t  *ev;

    ngx_cargo_pg_listener = listener;

    ngx_cargo_pg_listen_pool.opened = ngx_cargo_pg_listen_opened;
    ngx_cargo_pg_listen_pool.notified = ngx_cargo_pg_listen_soon;

    ev = &ngx_cargo_pg_listen_event;

    ev->handler = ngx_cargo_pg_listen_timer;
    ev->log = ngx_cycle->log;
    ev->data = listener;
    ev->cancelable = 1;

    /* the first turn of the loop waits for events, and looks only here */
    ngx_post_event(ev, &ngx_posted_next_events);
}


static void
ngx_cargo_pg_listen_opened(void)
{
    ngx_cargo_pg_job_t  *job;

    job = ngx_cargo_pg_job_create(ngx_cargo_pg_listener->listen,
                                  ngx_cargo_pg_listening, NULL);
    if (job) {
        (void) ngx_cargo_pg_submit(job);
    }
}


/* what was committed before the LISTEN has rung no bell */

static void
ngx_cargo_pg_listening(ngx_cargo_pg_job_t *job)
{
    if (job->outcome == NGX_CARGO_PG_DONE) {
        ngx_cargo_pg_listen_ask();
    }

    /* a standby takes no LISTEN: then the interval has to do */
}


static void
ngx_cargo_pg_listen_soon(void)
{
    ngx_event_t  *ev;
    ngx_msec_t    since;

    since = ngx_current_msec - ngx_cargo_pg_listen_answered;

    if (since >= ngx_cargo_pg_listener->pause) {
        ngx_cargo_pg_listen_ask();
        return;
    }

    ev = &ngx_cargo_pg_listen_event;

    /* a timer that is set is not moved by less than 300 ms */

    if (ev->timer_set) {
        ngx_del_timer(ev);
    }

    ngx_add_timer(ev, ngx_cargo_pg_listener->pause - since);
}


static void
ngx_cargo_pg_listen_timer(ngx_event_t *ev)
{
    ngx_cargo_pg_listen_ask();
}


static void
ngx_cargo_pg_listen_ask(void)
{
    ngx_event_t         *ev;
    ngx_cargo_pg_job_t  *job;

    if (ngx_exiting) {
        return;
    }

    if (ngx_cargo_pg_listen_asked) {
        ngx_cargo_pg_listen_rung = 1;
        return;
    }

    ev = &ngx_cargo_pg_listen_event;

    ngx_add_timer(ev, ngx_cargo_pg_listener->interval);

    job = ngx_cargo_pg_job_create(ngx_cargo_pg_listener->changes,
                                  ngx_cargo_pg_listen_heard, NULL);
    if (job == NULL) {
        return;
    }

    if (ngx_cargo_pg_job_param(job, 0, ngx_cargo_pg_listener->since())
        != NGX_OK)
    {
        ngx_cargo_pg_job_destroy(job);
        return;
    }

    /* refused while the database is away: the timer goes on */

    if (ngx_cargo_pg_submit(job) == NGX_OK) {
        ngx_cargo_pg_listen_asked = 1;
        ngx_cargo_pg_listen_rung = 0;
    }
}


static void
ngx_cargo_pg_listen_heard(ngx_cargo_pg_job_t *job)
{
    ngx_cargo_pg_pool_t  *pool;

    pool = &ngx_cargo_pg_listen_pool;

    ngx_cargo_pg_listen_asked = 0;
    ngx_cargo_pg_listen_answered = ngx_current_msec;

    if (pool->outage && job->outcome == NGX_CARGO_PG_DONE) {
        pool->outage = 0;

        ngx_log_error(NGX_LOG_NOTICE, pool->log, 0,
                      "cargo pg: changes are heard of again");
    }

    ngx_cargo_pg_listener->heard(job);

    if (ngx_cargo_pg_listen_rung) {
        ngx_cargo_pg_listen_soon();
    }
}


ngx_uint_t
ngx_cargo_pg_complaint(ngx_cargo_pg_pool_t *pool, ngx_uint_t level)
{
    if (pool != &ngx_cargo_pg_listen_pool || level > NGX_LOG_ERR) {
        return level;
    }

    if (pool->outage) {
        return NGX_LOG_INFO;
    }

    pool->outage = 1;

    return level;
}
