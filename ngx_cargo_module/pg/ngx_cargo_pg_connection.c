
#include "ngx_cargo_pg_private.h"


static ngx_int_t ngx_cargo_pg_watch(ngx_cargo_pg_connection_t *conn,
    ngx_int_t event);
static void ngx_cargo_pg_unwatch(ngx_cargo_pg_connection_t *conn);
static void ngx_cargo_pg_poll(ngx_cargo_pg_connection_t *conn);
static void ngx_cargo_pg_ready(ngx_cargo_pg_connection_t *conn);
static void ngx_cargo_pg_give_up(ngx_cargo_pg_connection_t *conn,
    const char *why);
static void ngx_cargo_pg_event_handler(ngx_event_t *ev);
static void ngx_cargo_pg_read(ngx_cargo_pg_connection_t *conn);
static void ngx_cargo_pg_notifications(ngx_cargo_pg_connection_t *conn);
static void ngx_cargo_pg_timer_handler(ngx_event_t *ev);
static void ngx_cargo_pg_notice(void *data, const char *message);
static char *ngx_cargo_pg_one_line(const char *message, char *line,
    size_t size);


void
ngx_cargo_pg_connect(ngx_cargo_pg_connection_t *conn)
{
    ngx_cargo_pg_conf_t     *conf;
    ngx_cargo_pg_servers_t  *servers;

    conf = conn->pool->conf;

    ngx_log_debug1(NGX_LOG_DEBUG_CORE, conn->pool->log, 0,
                   "cargo pg: connecting (%s)", conn->pool->name);

    servers = conn->pool->servers;

    conn->pg = PQconnectStartParams(servers->keywords,
                                    servers->values[conn->pool->server], 0);

    if (conn->pg == NULL) {
        ngx_cargo_pg_connect_failed(conn->pool, "out of memory");
        return;
    }

    conn->state = NGX_CARGO_PG_CONNECTING;
    conn->timer.handler = ngx_cargo_pg_timer_handler;

    if (PQstatus(conn->pg) == CONNECTION_BAD) {
        ngx_cargo_pg_give_up(conn, PQerrorMessage(conn->pg));
        return;
    }

    (void) PQsetnonblocking(conn->pg, 1);
    (void) PQsetNoticeProcessor(conn->pg, ngx_cargo_pg_notice, conn->pool);

    ngx_add_timer(&conn->timer, conf->connect_timeout);

    if (ngx_cargo_pg_watch(conn, NGX_WRITE_EVENT) != NGX_OK) {
        ngx_cargo_pg_give_up(conn, "no free connection of the worker; see "
                                   "worker_connections");
    }
}


/*
 * Events are level-triggered: PQconsumeInput() does not read until EAGAIN,
 * and with edge-triggered ones the rest of a large result would never come.
 */

static ngx_int_t
ngx_cargo_pg_watch(ngx_cargo_pg_connection_t *conn, ngx_int_t event)
{
    ngx_event_t       *ev;
    ngx_connection_t  *c;

    c = ngx_get_connection(PQsocket(conn->pg), conn->pool->log);
    if (c == NULL) {
        return NGX_ERROR;
    }

    c->data = conn;
    c->log = conn->pool->log;
    c->number = ngx_atomic_fetch_add(ngx_connection_counter, 1);
    c->read->log = c->log;
    c->write->log = c->log;
    c->read->handler = ngx_cargo_pg_event_handler;
    c->write->handler = ngx_cargo_pg_event_handler;

    conn->c = c;

    ev = (event == NGX_READ_EVENT) ? c->read : c->write;

    if (ngx_add_event(ev, event, NGX_LEVEL_EVENT) != NGX_OK) {
        ngx_cargo_pg_unwatch(conn);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * ngx_close_connection() is not for us: the socket is libpq's.  It may have
 * closed it already, and then epoll must not be asked to forget it.
 */

static void
ngx_cargo_pg_unwatch(ngx_cargo_pg_connection_t *conn)
{
    ngx_uint_t         flags;
    ngx_connection_t  *c;

    c = conn->c;
    if (c == NULL) {
        return;
    }

    flags = (PQsocket(conn->pg) == c->fd) ? 0 : NGX_CLOSE_EVENT;

    if (c->read->active) {
        (void) ngx_del_event(c->read, NGX_READ_EVENT, flags);
    }

    if (c->write->active) {
        (void) ngx_del_event(c->write, NGX_WRITE_EVENT, flags);
    }

    if (c->read->posted) {
        ngx_delete_posted_event(c->read);
    }

    if (c->write->posted) {
        ngx_delete_posted_event(c->write);
    }

    c->read->closed = 1;
    c->write->closed = 1;
    c->idle = 0;

    ngx_free_connection(c);
    c->fd = (ngx_socket_t) -1;

    conn->c = NULL;
}


/*
 * PQconnectPoll() may close the socket and open another, which gets the same
 * number while epoll has dropped the registration.  So the registration is
 * undone before each call and made anew after it.
 */

static void
ngx_cargo_pg_poll(ngx_cargo_pg_connection_t *conn)
{
    ngx_int_t                  event;
    PostgresPollingStatusType  status;

    ngx_cargo_pg_unwatch(conn);

    status = PQconnectPoll(conn->pg);

    switch (status) {

    case PGRES_POLLING_OK:
        ngx_cargo_pg_ready(conn);
        return;

    case PGRES_POLLING_READING:
        event = NGX_READ_EVENT;
        break;

    case PGRES_POLLING_WRITING:
        event = NGX_WRITE_EVENT;
        break;

    default:
        ngx_cargo_pg_give_up(conn, PQerrorMessage(conn->pg));
        return;
    }

    if (ngx_cargo_pg_watch(conn, event) != NGX_OK) {
        ngx_cargo_pg_give_up(conn, "no free connection of the worker; see "
                                   "worker_connections");
    }
}


static void
ngx_cargo_pg_ready(ngx_cargo_pg_connection_t *conn)
{
    if (PQserverVersion(conn->pg) < 140000) {
        ngx_cargo_pg_give_up(conn, "the server is older than PostgreSQL 14");
        return;
    }

    if (PQenterPipelineMode(conn->pg) != 1
        || ngx_cargo_pg_watch(conn, NGX_READ_EVENT) != NGX_OK)
    {
        ngx_cargo_pg_give_up(conn, "no free connection of the worker; see "
                                   "worker_connections");
        return;
    }

    ngx_del_timer(&conn->timer);

    conn->state = NGX_CARGO_PG_READY;
    conn->prepared = 0;
    conn->c->idle = 1;

    ngx_cargo_pg_connected(conn->pool);
}


static void
ngx_cargo_pg_give_up(ngx_cargo_pg_connection_t *conn, const char *why)
{
    char  line[512];

    why = ngx_cargo_pg_one_line(why, line, sizeof(line));

    ngx_cargo_pg_close(conn);
    ngx_cargo_pg_connect_failed(conn->pool, why);
}


void
ngx_cargo_pg_close(ngx_cargo_pg_connection_t *conn)
{
    if (conn->pg == NULL) {
        return;
    }

    ngx_cargo_pg_unwatch(conn);

    if (conn->timer.timer_set) {
        ngx_del_timer(&conn->timer);
    }

    PQfinish(conn->pg);

    conn->pg = NULL;
    conn->state = NGX_CARGO_PG_DOWN;
    conn->renew = 0;
}


void
ngx_cargo_pg_broken(ngx_cargo_pg_connection_t *conn, const char *what)
{
    char                 line[512];
    ngx_uint_t           level;
    ngx_queue_t         *q, done;
    ngx_cargo_pg_job_t  *job;

    level = ngx_cargo_pg_complaint(conn->pool, conn->nsent ? NGX_LOG_ERR
                                                           : NGX_LOG_NOTICE);

    ngx_log_error(level, conn->pool->log, 0,
                  "cargo pg: lost a connection to the database (%s) while "
                  "%s, %ui answers outstanding: %s",
                  conn->pool->name, what, conn->nsent,
                  ngx_cargo_pg_one_line(PQerrorMessage(conn->pg), line,
                                        sizeof(line)));

    ngx_cargo_pg_count(conn->pool, &conn->pool->counters->connections_lost);

    ngx_cargo_pg_close(conn);
    ngx_cargo_pg_retry_later(conn->pool);

    ngx_queue_init(&done);

    while (!ngx_queue_empty(&conn->sent)) {
        q = ngx_queue_last(&conn->sent);
        ngx_queue_remove(q);
        conn->nsent--;

        job = ngx_queue_data(q, ngx_cargo_pg_job_t, queue);

        /* a server that stops takes one connection after the other away */

        if (!job->statement->writes && job->handler
            && job->lost++ < conn->pool->nconnections)
        {
            ngx_cargo_pg_put_back(conn->pool, job);
            continue;
        }

        job->outcome = NGX_CARGO_PG_UNAVAILABLE;
        job->maybe_done = 1;
        ngx_queue_insert_head(&done, q);
    }

    ngx_cargo_pg_gauge(conn->pool);
    ngx_cargo_pg_complete(&done);
}


ngx_int_t
ngx_cargo_pg_flush(ngx_cargo_pg_connection_t *conn)
{
    int           rc;
    ngx_event_t  *wev;

    rc = PQflush(conn->pg);
    if (rc < 0) {
        return NGX_ERROR;
    }

    wev = conn->c->write;

    if (rc == 1 && !wev->active) {
        return ngx_add_event(wev, NGX_WRITE_EVENT, NGX_LEVEL_EVENT);
    }

    if (rc == 0 && wev->active) {
        return ngx_del_event(wev, NGX_WRITE_EVENT, 0);
    }

    return NGX_OK;
}


ngx_uint_t
ngx_cargo_pg_gone(ngx_cargo_pg_connection_t *conn)
{
    char        byte;
    ssize_t     n;
    ngx_uint_t  i;

    n = recv(PQsocket(conn->pg), &byte, 1, MSG_PEEK|MSG_DONTWAIT);

    if (n <= 0) {
        return n == 0 || (ngx_socket_errno != NGX_EAGAIN
                          && ngx_socket_errno != NGX_EINTR);
    }

    /* while answers are awaited, their event has to find them in the socket */

    if (conn->nsent) {
        return 0;
    }

    /* at first the last words, then the end */

    for (i = 0; i < 2; i++) {
        if (PQconsumeInput(conn->pg) != 1) {
            return 1;
        }
    }

    return 0;
}


static void
ngx_cargo_pg_event_handler(ngx_event_t *ev)
{
    ngx_connection_t           *c;
    ngx_cargo_pg_connection_t  *conn;

    c = ev->data;
    conn = c->data;

    if (c->close) {
        /* the worker exits; jobs that still come open another connection */
        c->close = 0;

        if (conn->nsent == 0) {
            ngx_cargo_pg_exiting(conn);
        }

        return;
    }

    if (conn->state == NGX_CARGO_PG_CONNECTING) {
        ngx_cargo_pg_poll(conn);
        return;
    }

    if (ev->write) {
        if (ngx_cargo_pg_flush(conn) != NGX_OK) {
            ngx_cargo_pg_broken(conn, "sending");
        }

        return;
    }

    ngx_cargo_pg_read(conn);
}


static void
ngx_cargo_pg_read(ngx_cargo_pg_connection_t *conn)
{
    ngx_int_t             rc;
    ngx_queue_t           done;
    ngx_cargo_pg_pool_t  *pool;

    pool = conn->pool;
    ngx_queue_init(&done);

    rc = ngx_cargo_pg_receive(conn, &done);

    if (!ngx_queue_empty(&done)) {
        ngx_cargo_pg_answered(pool);
    }

    if (pool->notified) {
        ngx_cargo_pg_notifications(conn);
    }

    if (rc != NGX_OK || ngx_cargo_pg_flush(conn) != NGX_OK) {
        ngx_cargo_pg_broken(conn, "receiving");

    } else if (conn->nsent == 0 && conn->renew) {
        ngx_cargo_pg_close(conn);

    } else if (conn->nsent == 0) {
        conn->c->idle = 1;

        if (conn->state == NGX_CARGO_PG_DRAINING) {
            ngx_del_timer(&conn->timer);
            conn->state = NGX_CARGO_PG_READY;
        }

        if (ngx_exiting) {
            ngx_cargo_pg_exiting(conn);
        }
    }

    if (!ngx_queue_empty(&pool->waiting)) {
        ngx_post_event(&pool->dispatch, &ngx_posted_events);
    }

    ngx_cargo_pg_gauge(pool);
    ngx_cargo_pg_complete(&done);
}


static void
ngx_cargo_pg_notifications(ngx_cargo_pg_connection_t *conn)
{
    PGnotify    *notify;
    ngx_uint_t   n;

    for (n = 0; (notify = PQnotifies(conn->pg)) != NULL; n++) {
        PQfreemem(notify);
    }

    if (n) {
        conn->pool->notified();
    }
}


static void
ngx_cargo_pg_timer_handler(ngx_event_t *ev)
{
    ngx_cargo_pg_connection_t  *conn;

    conn = ev->data;

    if (conn->state == NGX_CARGO_PG_CONNECTING) {
        ngx_cargo_pg_give_up(conn, "it did not answer in time; see "
                                   "cargo_postgres_connect_timeout");
        return;
    }

    /* with the power it lost, a server says no goodbye */
    ngx_cargo_pg_next_server(conn->pool);

    ngx_cargo_pg_broken(conn, "waiting for a job that timed out");
}


static void
ngx_cargo_pg_notice(void *data, const char *message)
{
    char                  line[512];
    ngx_cargo_pg_pool_t  *pool = data;

    ngx_log_error(NGX_LOG_INFO, pool->log, 0, "cargo pg: %s",
                  ngx_cargo_pg_one_line(message, line, sizeof(line)));
}


static char *
ngx_cargo_pg_one_line(const char *message, char *line, size_t size)
{
    size_t  i;

    for (i = 0; i < size - 1 && message[i]; i++) {
        line[i] = message[i];

        if (line[i] == '\n') {
            line[i] = ' ';
        }
    }

    while (i && line[i - 1] == ' ') {
        i--;
    }

    line[i] = '\0';

    return line;
}
