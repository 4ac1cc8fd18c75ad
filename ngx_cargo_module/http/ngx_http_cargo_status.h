
/*
 * What is told to those who watch a server: by the location of cargo_status,
 * in the metrics, and in the lines of the error log.
 *
 * Memory: what is sent lives in the pool of its request; of the readiness of
 * a worker all is static, since it outlives the requests that ask.
 *
 * Always true: nothing here waits for the database but a look at whether it
 * is ready, and that for NGX_HTTP_CARGO_READY_TIME at most; no text names a
 * crate, an account or what it takes to connect.
 */


#ifndef NGX_HTTP_CARGO_STATUS_H
#define NGX_HTTP_CARGO_STATUS_H


#include "ngx_http_cargo.h"


/* below the second after which those who ask commonly give up */
#define NGX_HTTP_CARGO_READY_TIME  800


/* a text of any length, in buffers of a chain */
typedef struct {
    ngx_pool_t                  *pool;
    ngx_chain_t                 *first;
    ngx_chain_t                 *last;
    off_t                        length;
    ngx_uint_t                   failed;        /* no memory */
} ngx_http_cargo_text_t;


/* what a question about the database has come to */
typedef enum {
    NGX_HTTP_CARGO_UNASKED = 0,
    NGX_HTTP_CARGO_ANSWERED,
    NGX_HTTP_CARGO_REFUSED_IT,      /* with an error: no such function ... */
    NGX_HTTP_CARGO_AWAY,            /* it takes no connections */
    NGX_HTTP_CARGO_BUSY,            /* others are answered meanwhile */
    NGX_HTTP_CARGO_SILENT
} ngx_http_cargo_asked_e;

/* what is known of this worker's database and store */
typedef struct {
    ngx_http_cargo_asked_e       reads;
    ngx_http_cargo_asked_e       writes;
    ngx_cargo_pg_health_t        write_pool;
    ngx_uint_t                   away_seconds;

    /* of the last answer */
    ngx_uint_t                   schema;        /* number of a migration */
    ngx_uint_t                   read_only;

    ngx_uint_t                   store_silent;  /* seconds */
    ngx_str_t                    store;         /* that is not writable */
    const char                  *store_failed;
    ngx_err_t                    store_err;     /* 0: it is nearly full */
} ngx_http_cargo_ready_t;


/* ngx_http_cargo_endpoint.c: numbers below CARGO_METRICS_ENDPOINTS */

/* of a request in a location of this kind */
ngx_uint_t ngx_http_cargo_endpoint_number(ngx_http_request_t *r,
    ngx_http_cargo_endpoint_e endpoint);

/* NULL: there is none of this number */
const char *ngx_http_cargo_endpoint_name(ngx_uint_t number);


/* ngx_http_cargo_status.c */

void ngx_http_cargo_text(ngx_http_cargo_text_t *text, const char *fmt, ...);

/* the other text at the end; it is not used any more then */
void ngx_http_cargo_text_append(ngx_http_cargo_text_t *text,
    ngx_http_cargo_text_t *other);

/* sends and finalizes */
void ngx_http_cargo_send_text(ngx_http_request_t *r, ngx_uint_t status,
    const char *content_type, ngx_http_cargo_text_t *text);


/* ngx_http_cargo_metrics.c */

void ngx_http_cargo_metrics(ngx_http_request_t *r,
    ngx_http_cargo_text_t *text);


/* ngx_http_cargo_ready.c */

typedef void (*ngx_http_cargo_ready_pt)(ngx_http_request_t *r,
    ngx_http_cargo_ready_t *ready);

/*
 * NGX_OK: done() will be called, perhaps from within; it finalizes the
 * request.  Else a status.
 */
ngx_int_t ngx_http_cargo_ready(ngx_http_request_t *r,
    ngx_http_cargo_ready_pt done);


/* ngx_http_cargo_judge.c */

typedef enum {
    NGX_HTTP_CARGO_READY_ALL = 0,
    NGX_HTTP_CARGO_READY_READS,
    NGX_HTTP_CARGO_READY_WRITES
} ngx_http_cargo_ready_e;

/* says in JSON how it is; returns whether what was asked for is ready */
ngx_uint_t ngx_http_cargo_judge(ngx_http_request_t *r,
    ngx_http_cargo_ready_e which, ngx_http_cargo_ready_t *ready,
    ngx_http_cargo_text_t *text);


#endif /* NGX_HTTP_CARGO_STATUS_H */
