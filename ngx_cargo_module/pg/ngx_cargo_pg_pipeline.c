
#include "ngx_cargo_pg_private.h"

#include <openssl/ssl.h>


static void ngx_cargo_pg_collect(ngx_cargo_pg_connection_t *conn,
    ngx_queue_t *done);
static void ngx_cargo_pg_result(ngx_cargo_pg_connection_t *conn,
    PGresult *result);
static void ngx_cargo_pg_synced(ngx_cargo_pg_connection_t *conn,
    ngx_queue_t *done);
static void ngx_cargo_pg_tell_failed(ngx_cargo_pg_connection_t *conn,
    ngx_cargo_pg_job_t *job);
static ngx_uint_t ngx_cargo_pg_try_again(ngx_cargo_pg_connection_t *conn,
    ngx_cargo_pg_job_t *job);
static void ngx_cargo_pg_renew(ngx_cargo_pg_connection_t *conn);
static ngx_uint_t ngx_cargo_pg_tls_pending(ngx_cargo_pg_connection_t *conn);


ngx_int_t
ngx_cargo_pg_send(ngx_cargo_pg_connection_t *conn, ngx_cargo_pg_job_t *job)
{
    int                              rc, n;
    uint32_t                         bit;
    const ngx_cargo_pg_statement_t  *st;

    st = job->statement;
    n = (int) st->params;
    bit = (uint32_t) 1 << (st - conn->pool->conf->statements);

    /* from here on the connection answers for the job */

    job->connection = conn;
    ngx_queue_insert_tail(&conn->sent, &job->queue);
    conn->nsent++;
    conn->c->idle = 0;

    if (job->sending) {
        job->sending(job);
        job->sending = NULL;
    }

    /* a second try depends on nothing that the session may have lost */

    if (conn->pool->conf->prepare && !job->retried) {

        if (!(conn->prepared & bit)) {
            if (PQsendPrepare(conn->pg, st->name, st->text, 0, NULL) != 1) {
                return NGX_ERROR;
            }

            conn->prepared |= bit;
            job->preparing = 1;
        }

        rc = PQsendQueryPrepared(conn->pg, st->name, n, job->values, NULL,
                                 NULL, 0);

    } else {
        rc = PQsendQueryParams(conn->pg, st->text, n, NULL, job->values, NULL,
                               NULL, 0);
    }

    if (rc != 1 || PQpipelineSync(conn->pg) != 1) {
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_cargo_pg_receive(ngx_cargo_pg_connection_t *conn, ngx_queue_t *done)
{
    do {
        if (PQconsumeInput(conn->pg) != 1) {
            /* what arrived before the end still counts */
            ngx_cargo_pg_collect(conn, done);
            return NGX_ERROR;
        }

        ngx_cargo_pg_collect(conn, done);

    } while (ngx_cargo_pg_tls_pending(conn));

    return PQstatus(conn->pg) == CONNECTION_OK ? NGX_OK : NGX_ERROR;
}


/*
 * Between two commands PQgetResult() returns one NULL; two in a row mean that
 * there is nothing more to be had now.
 */

static void
ngx_cargo_pg_collect(ngx_cargo_pg_connection_t *conn, ngx_queue_t *done)
{
    PGresult    *result;
    ngx_uint_t   nulls;

    nulls = 0;

    while (nulls < 2 && conn->nsent && !PQisBusy(conn->pg)) {

        result = PQgetResult(conn->pg);

        if (result == NULL) {
            nulls++;
            continue;
        }

        nulls = 0;

        if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
            PQclear(result);
            ngx_cargo_pg_synced(conn, done);
            continue;
        }

        ngx_cargo_pg_result(conn, result);
    }
}


static void
ngx_cargo_pg_result(ngx_cargo_pg_connection_t *conn, PGresult *result)
{
    ngx_cargo_pg_job_t  *job;

    job = ngx_queue_data(ngx_queue_head(&conn->sent), ngx_cargo_pg_job_t,
                         queue);

    switch (PQresultStatus(result)) {

    case PGRES_TUPLES_OK:
    case PGRES_FATAL_ERROR:

        if (job->result == NULL) {
            job->result = result;
            return;
        }

        break;

    case PGRES_COMMAND_OK:
        job->preparing = 0;
        break;

    default:
        /* skipped after an error */
        break;
    }

    PQclear(result);
}


static void
ngx_cargo_pg_synced(ngx_cargo_pg_connection_t *conn, ngx_queue_t *done)
{
    ngx_queue_t         *q;
    ngx_cargo_pg_job_t  *job;

    q = ngx_queue_head(&conn->sent);
    ngx_queue_remove(q);
    conn->nsent--;

    job = ngx_queue_data(q, ngx_cargo_pg_job_t, queue);

    /* no result: a command that returns no rows, and no error */

    if (job->result == NULL || PQresultStatus(job->result) == PGRES_TUPLES_OK)
    {
        if (job->outcome != NGX_CARGO_PG_TIMED_OUT) {
            job->outcome = NGX_CARGO_PG_DONE;
        }

        ngx_queue_insert_tail(done, q);
        return;
    }

    job->outcome = NGX_CARGO_PG_FAILED;

    if (ngx_cargo_pg_try_again(conn, job)
        && !job->retried && job->handler)
    {
        ngx_cargo_pg_put_back(conn->pool, job);
        return;
    }

    ngx_cargo_pg_tell_failed(conn, job);

    ngx_queue_insert_tail(done, q);
}


static void
ngx_cargo_pg_tell_failed(ngx_cargo_pg_connection_t *conn,
    ngx_cargo_pg_job_t *job)
{
    uint32_t                  code;
    const char               *note, *message, *state, *p;
    static cargo_ratelimit_t  limit;

    state = ngx_cargo_pg_sqlstate(job);
    code = 0;

    for (p = state; *p; p++) {
        code = (code << 6) + (uint32_t) (*p & 0x3f);
    }

    note = cargo_ratelimit(&limit, job->statement->name, code, ngx_time());

    if (note) {
        message = PQresultErrorField(job->result, PG_DIAG_MESSAGE_PRIMARY);

        ngx_log_error(NGX_LOG_ERR, conn->pool->log, 0,
                      "cargo pg: %s failed: %s %s%s", job->statement->name,
                      state, message ? message : "no message", note);
    }
}


/* errors after which nothing has happened, and which a second try may avoid */

static ngx_uint_t
ngx_cargo_pg_try_again(ngx_cargo_pg_connection_t *conn,
    ngx_cargo_pg_job_t *job)
{
    uint32_t     bit;
    const char  *state;

    state = ngx_cargo_pg_sqlstate(job);
    bit = (uint32_t) 1 << (job->statement - conn->pool->conf->statements);

    if (ngx_strcmp(state, "26000") == 0) {
        /* a pooler or DISCARD took the prepared statement away */
        conn->prepared &= ~bit;
        return 1;
    }

    if (ngx_strcmp(state, "42P05") == 0) {
        /* it had been prepared anew before the last 26000 came back */
        conn->prepared |= bit;
        return 1;
    }

    if (ngx_strcmp(state, "0A000") == 0) {
        /* a migration changed what the cached plan returns */
        ngx_cargo_pg_renew(conn);
        return 1;
    }

    if (ngx_strcmp(state, "25006") == 0 && conn->pool->servers->n > 1) {
        /* it takes writes no more: another may */
        ngx_cargo_pg_renew(conn);
        return 1;
    }

    if (ngx_strcmp(state, "42883") == 0 || ngx_strcmp(state, "XX000") == 0) {
        /* functions were replaced while it was looking them up */
        if (job->preparing) {
            conn->prepared &= ~bit;
        }

        return 1;
    }

    if (job->preparing) {
        conn->prepared &= ~bit;
        return 1;
    }

    /* serialization failure, deadlock */

    return ngx_strcmp(state, "40001") == 0 || ngx_strcmp(state, "40P01") == 0;
}


/*
 * The session ends with its last answer.  A statement cannot be prepared again
 * under its name, and libpq has no way to drop one before PostgreSQL 17.
 */

static void
ngx_cargo_pg_renew(ngx_cargo_pg_connection_t *conn)
{
    conn->renew = 1;

    if (conn->state == NGX_CARGO_PG_READY) {
        conn->state = NGX_CARGO_PG_DRAINING;
        ngx_add_timer(&conn->timer, conn->pool->conf->timeout);
    }
}


/* what OpenSSL has decrypted already does not wake the event loop */

static ngx_uint_t
ngx_cargo_pg_tls_pending(ngx_cargo_pg_connection_t *conn)
{
    SSL  *ssl;

    if (conn->nsent == 0 || !PQsslInUse(conn->pg)) {
        return 0;
    }

    ssl = PQsslStruct(conn->pg, "OpenSSL");

    /* not SSL_has_pending(): half a record would keep the worker spinning */

    return ssl && SSL_pending(ssl) > 0;
}
