
/*
 * The registry inside nginx: configuration, the state of a request, and what
 * the files of http/ offer each other.
 *
 * A request is answered in one of three ways: the index and the API have
 * content handlers that ask one SQL function and send what it says; a
 * download is checked before the content phase and then sent by nginx's
 * static handler; errors of any origin get their body from a filter.
 *
 * Memory: all of a request lives in its pool; a job in flight knows the
 * request and is abandoned by a cleanup of that pool.
 *
 * Always true: a handler that fails sets the sentence for the person with
 * ngx_http_cargo_refuse() and returns or finalizes with the status; nothing
 * but the error filter writes error bodies.
 */


#ifndef NGX_HTTP_CARGO_H
#define NGX_HTTP_CARGO_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_cargo_blob.h"
#include "ngx_cargo_pg.h"

#include "cargo_token.h"


typedef enum {
    NGX_HTTP_CARGO_NONE = 0,
    NGX_HTTP_CARGO_INDEX,
    NGX_HTTP_CARGO_API,
    NGX_HTTP_CARGO_DOWNLOAD,
    NGX_HTTP_CARGO_ME
} ngx_http_cargo_endpoint_e;


/* order of ngx_http_cargo_statements[] */
typedef enum {
    NGX_HTTP_CARGO_AUTHENTICATE = 0,
    NGX_HTTP_CARGO_PUBLISH,
    NGX_HTTP_CARGO_YANK,
    NGX_HTTP_CARGO_INDEX_CONFIG,
    NGX_HTTP_CARGO_INDEX_DOCUMENT,
    NGX_HTTP_CARGO_DOWNLOAD_VERSION,
    NGX_HTTP_CARGO_COUNT_DOWNLOADS,
    NGX_HTTP_CARGO_SEARCH_CRATES,
    NGX_HTTP_CARGO_LIST_OWNERS,
    NGX_HTTP_CARGO_ADD_OWNERS,
    NGX_HTTP_CARGO_REMOVE_OWNERS,
    NGX_HTTP_CARGO_SHOW_REGISTRY,
    NGX_HTTP_CARGO_SHOW_CRATE,
    NGX_HTTP_CARGO_SHOW_VERSION,
    NGX_HTTP_CARGO_README,
    NGX_HTTP_CARGO_SHOW_ME
} ngx_http_cargo_statement_e;


#define NGX_HTTP_CARGO_SEGMENTS  4

/* a call of the API */
typedef struct {
    ngx_uint_t                   method;
    ngx_uint_t                   nsegments;
    const char                  *segments[NGX_HTTP_CARGO_SEGMENTS];
    const char                  *methods;       /* all that the path has */
    ngx_http_handler_pt          handler;
    ngx_http_cargo_statement_e   statement;
} ngx_http_cargo_route_t;


typedef struct {
    ngx_str_t                    conninfo;
    ngx_cargo_pg_conf_t          pg;
    ngx_msec_t                   downloads_flush;
    ngx_array_t                  stores;        /* of ngx_str_t */
} ngx_http_cargo_main_conf_t;


typedef struct {
    ngx_http_cargo_endpoint_e    endpoint;

    ngx_http_complex_value_t    *registry;
    ngx_http_complex_value_t    *base_url;
    ngx_array_t                 *index_aliases; /* of complex values */

    ngx_str_t                    blobs;
    ngx_thread_pool_t           *thread_pool;

    off_t                        max_crate_size;
    off_t                        max_unpacked_size;
    ngx_uint_t                   max_archive_entries;

    ngx_http_core_loc_conf_t    *core;

    /* as the location had them before its endpoint changed them */
    ngx_array_t                 *error_pages;
    off_t                        max_body_size;
} ngx_http_cargo_loc_conf_t;


/* what a SQL function has said; body points into the job */
typedef struct {
    ngx_uint_t                   status;
    ngx_str_t                    body;
    ngx_cargo_pg_job_t          *job;
} ngx_http_cargo_answer_t;

typedef void (*ngx_http_cargo_answer_pt)(ngx_http_request_t *r,
    ngx_http_cargo_answer_t *answer);


typedef struct {
    ngx_str_t                    registry;
    ngx_str_t                    base_url;
    ngx_str_t                    crate;
    ngx_str_t                    version;
    ngx_str_t                    name;
    ngx_str_t                    checksum;

    /* API */
    ngx_http_cargo_route_t      *route;
    ngx_str_t                    body;

    /* the query in flight */
    ngx_http_request_t          *request;
    ngx_cargo_pg_job_t          *job;
    ngx_http_cargo_answer_pt     answered;

    /* publish */
    ngx_cargo_blob_upload_t     *upload;
    ngx_http_event_handler_pt    read_body;

    /* download: what came out, the file, and the id to count it by */
    ngx_int_t                    download_status;
    ngx_str_t                    blob;
    ngx_str_t                    version_id;

    ngx_str_t                    detail;        /* of an error */
    ngx_chain_t                 *error_body;

    unsigned                     auth_required:1;
    unsigned                     error_sent:1;
} ngx_http_cargo_ctx_t;


/* a token as the SQL functions take it: its hash as bytea in hex */
typedef struct {
    ngx_str_t                    hash;          /* empty without a token */
    u_char                       text[sizeof("\\x") + 64];
    cargo_error_t                error;         /* status 0: well formed */
} ngx_http_cargo_token_t;


extern ngx_module_t  ngx_http_cargo_module;

extern const ngx_cargo_pg_statement_t  ngx_http_cargo_statements[];


/* ngx_http_cargo_request.c */

/*
 * The request's state, with registry and base URL evaluated.  NULL: no
 * memory.
 */
ngx_http_cargo_ctx_t *ngx_http_cargo_get_ctx(ngx_http_request_t *r);

/*
 * The beginning of a handler for GET and HEAD: makes the state, drops a body.
 * NGX_OK, or a status to return.
 */
ngx_int_t ngx_http_cargo_read_only(ngx_http_request_t *r);

/*
 * Calls a SQL function with one element of params for each of its parameters;
 * NULL is SQL's null.  NGX_OK: answered() will be called, with status 503 when
 * the database did not answer.  Else a status to finalize with.
 */
ngx_int_t ngx_http_cargo_query(ngx_http_request_t *r,
    ngx_http_cargo_statement_e statement, ngx_str_t **params,
    ngx_http_cargo_answer_pt answered);

/* the n-th column of the answer, copied to the request's pool */
ngx_int_t ngx_http_cargo_answer_field(ngx_http_request_t *r,
    ngx_http_cargo_answer_t *answer, ngx_uint_t column, ngx_str_t *value);

ngx_int_t ngx_http_cargo_add_header(ngx_http_request_t *r, const char *name,
    ngx_str_t *value);
void ngx_http_cargo_drop_header(ngx_http_request_t *r, const char *name);

/* a strong one; tag comes without quotes */
ngx_int_t ngx_http_cargo_set_etag(ngx_http_request_t *r, ngx_str_t *tag);

/* sends 200 and finalizes */
void ngx_http_cargo_send(ngx_http_request_t *r, const char *content_type,
    ngx_str_t *body);


/* ngx_http_cargo_uri.c */

/*
 * The part of the URI behind the location's name or, when that is a regular
 * expression, behind the first or the last "/name/"; data is NULL when there
 * is none.
 */
ngx_str_t ngx_http_cargo_uri_after(ngx_http_request_t *r, const char *name,
    ngx_uint_t last);

/*
 * Cuts path at slashes into at most max segments; returns their number, or
 * max + 1 when there are more.  Empty segments count.
 */
ngx_uint_t ngx_http_cargo_split(ngx_str_t path, ngx_str_t *segments,
    ngx_uint_t max);

/* whether the path holds a "%2F", which nginx has decoded by now */
ngx_uint_t ngx_http_cargo_encoded_slash(ngx_http_request_t *r);


/* ngx_http_cargo_token.c */

/*
 * Of the Authorization header.  A value that is no token is hashed like any
 * other, and error says what is wrong with it: a reader is told by the
 * database whether that matters.  NGX_ERROR when there is no memory.
 */
ngx_int_t ngx_http_cargo_token(ngx_http_request_t *r,
    ngx_http_cargo_token_t *token);

/*
 * Looks at the token of a request that wants to write; NGX_OK, or a status
 * to finalize with
 */
ngx_int_t ngx_http_cargo_write_token(ngx_http_request_t *r,
    ngx_http_cargo_token_t *token);


/* ngx_http_cargo_error.c */

ngx_int_t ngx_http_cargo_error_init(ngx_conf_t *cf);

/* remembers the sentence for the error's body; returns status */
ngx_int_t ngx_http_cargo_refuse(ngx_http_request_t *r, ngx_int_t status,
    const char *fmt, ...);
ngx_int_t ngx_http_cargo_refuse_text(ngx_http_request_t *r,
    ngx_int_t status, ngx_str_t *detail);

/* 405, with the header that says what is allowed */
ngx_int_t ngx_http_cargo_not_allowed(ngx_http_request_t *r,
    const char *methods);


/* content handlers */

ngx_int_t ngx_http_cargo_index_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_cargo_api_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_cargo_me_handler(ngx_http_request_t *r);


/* of the API */

ngx_int_t ngx_http_cargo_publish(ngx_http_request_t *r);

/* a call that is one SQL function: its route says which */
ngx_int_t ngx_http_cargo_call(ngx_http_request_t *r);

/* 404 in the words of crates.io */
ngx_int_t ngx_http_cargo_check_crate(ngx_http_request_t *r,
    ngx_str_t *crate);
ngx_int_t ngx_http_cargo_check_version(ngx_http_request_t *r,
    ngx_str_t *crate, ngx_str_t *version);


/* ngx_http_cargo_download.c */

ngx_int_t ngx_http_cargo_download_init(ngx_conf_t *cf);

ngx_int_t ngx_http_cargo_download_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_cargo_download_log_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_cargo_add_variables(ngx_conf_t *cf);

/* makes nginx's static handler send the file that was found */
char *ngx_http_cargo_download_root(ngx_conf_t *cf,
    ngx_http_core_loc_conf_t *clcf);


/* ngx_http_cargo_counts.c */

void ngx_http_cargo_counts_init(ngx_cycle_t *cycle, ngx_msec_t interval);
void ngx_http_cargo_count(ngx_str_t *version_id);


#endif /* NGX_HTTP_CARGO_H */
