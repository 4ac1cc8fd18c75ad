
/*
 * The registry inside nginx: configuration, the state of a request, and what
 * the files of http/ offer each other.
 *
 * A request is answered in one of three ways: the index and the API have
 * content handlers that ask one SQL function and send what it says; a
 * download is checked before the content phase and then sent by nginx's
 * static handler; errors of any origin get their body from a filter.  Who
 * calls is found out once, and goes into every call of a SQL function.
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

#include <jansson.h>

#include "ngx_cargo_blob.h"
#include "ngx_cargo_metrics.h"
#include "ngx_cargo_pg.h"
#include "ngx_cargo_shm.h"
#include "ngx_cargo_snapshot.h"
#include "ngx_cargo_threads.h"

#include "ngx_http_cargo_read.h"

#include "cargo_name.h"
#include "cargo_ratelimit.h"
#include "cargo_semver.h"
#include "cargo_token.h"


/*
 * Of a copy: cargo polls the index for the new version right after a publish;
 * what the bytes of a file are never changes.
 */
typedef enum {
    NGX_HTTP_CARGO_ASK_AGAIN = 0,
    NGX_HTTP_CARGO_IMMUTABLE
} ngx_http_cargo_lifetime_e;


typedef enum {
    NGX_HTTP_CARGO_NONE = 0,
    NGX_HTTP_CARGO_INDEX,
    NGX_HTTP_CARGO_API,
    NGX_HTTP_CARGO_DOWNLOAD,
    NGX_HTTP_CARGO_ME,
    NGX_HTTP_CARGO_STATUS
} ngx_http_cargo_endpoint_e;


/* order of ngx_http_cargo_statements[] */
typedef enum {
    NGX_HTTP_CARGO_AUTHENTICATE = 0,
    NGX_HTTP_CARGO_PUBLISH,
    NGX_HTTP_CARGO_YANK,
    NGX_HTTP_CARGO_CHANGE_VERSION,
    NGX_HTTP_CARGO_INDEX_CONFIG,
    NGX_HTTP_CARGO_INDEX_DOCUMENTS,
    NGX_HTTP_CARGO_DOWNLOAD_VERSION,
    NGX_HTTP_CARGO_COUNT_DOWNLOADS,
    NGX_HTTP_CARGO_SEARCH_CRATES,
    NGX_HTTP_CARGO_ADD_OWNERS,
    NGX_HTTP_CARGO_REMOVE_OWNERS,
    NGX_HTTP_CARGO_SHOW_REGISTRY,
    NGX_HTTP_CARGO_SHOW_CRATE,
    NGX_HTTP_CARGO_SHOW_VERSION,
    NGX_HTTP_CARGO_README,
    NGX_HTTP_CARGO_SHOW_ME,
    NGX_HTTP_CARGO_CREATE_TOKEN,
    NGX_HTTP_CARGO_REVOKE_TOKEN,
    NGX_HTTP_CARGO_DELETE_CRATE,
    NGX_HTTP_CARGO_DELETE_VERSION,
    NGX_HTTP_CARGO_FOLLOW_CRATE,
    NGX_HTTP_CARGO_REFUSE_WRITE,
    NGX_HTTP_CARGO_RING,
    NGX_HTTP_CARGO_LISTEN,
    NGX_HTTP_CARGO_CHANGES,
    NGX_HTTP_CARGO_READY_TO_READ,
    NGX_HTTP_CARGO_READY_TO_WRITE
} ngx_http_cargo_statement_e;


/*
 * Columns that every function but cargo.count_downloads() answers; what it
 * has besides begins at NGX_HTTP_CARGO_COLUMNS.
 */
#define NGX_HTTP_CARGO_COLUMN_STATUS      0
#define NGX_HTTP_CARGO_COLUMN_BODY        1
#define NGX_HTTP_CARGO_COLUMN_ACCOUNT     2
#define NGX_HTTP_CARGO_COLUMN_TOKEN_NAME  3
#define NGX_HTTP_CARGO_COLUMNS            4

/* parameters that it takes first: registry, token, login, address */
#define NGX_HTTP_CARGO_CALLER_PARAMS      4


#define NGX_HTTP_CARGO_SEGMENTS  4

/* a call of the API */
typedef struct {
    ngx_uint_t                   method;
    const char                  *name;      /* in logs, and of an action */
    ngx_http_cargo_statement_e   statement;
    ngx_http_handler_pt          handler;
    const char                  *segments[NGX_HTTP_CARGO_SEGMENTS + 1];
} ngx_http_cargo_route_t;


typedef struct {
    ngx_str_t                    conninfo;
    ngx_cargo_pg_conf_t          pg;
    ngx_cargo_shm_t             *shm;
    ngx_shm_zone_t              *metrics;
    ngx_msec_t                   downloads_flush;
    ngx_array_t                  stores;        /* of ngx_str_t */

    /* of $request and $request_uri, which may hold a token */
    ngx_int_t                    request_variable;
    ngx_int_t                    request_uri_variable;

    ngx_int_t                    request_id_variable;
} ngx_http_cargo_main_conf_t;


typedef struct {
    ngx_http_cargo_endpoint_e    endpoint;

    ngx_http_complex_value_t    *registry;
    ngx_http_complex_value_t    *base_url;
    ngx_array_t                 *index_aliases; /* of complex values */

    ngx_http_complex_value_t    *token;
    ngx_http_complex_value_t    *user;
    ngx_array_t                 *user_from;     /* of ngx_cidr_t */

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


typedef enum {
    NGX_HTTP_CARGO_NOBODY = 0,
    NGX_HTTP_CARGO_BY_HEADER,       /* a token in Authorization */
    NGX_HTTP_CARGO_BY_URL,          /* one of cargo_token */
    NGX_HTTP_CARGO_BY_LOGIN         /* of cargo_user */
} ngx_http_cargo_credential_e;

/*
 * Who calls.  The credential is what the cache knows him by: "t" and the
 * token's hash, "l" and the login that nginx has authenticated, or "n".
 */
typedef struct {
    ngx_http_cargo_credential_e  by;
    ngx_str_t                    credential;
    ngx_str_t                    address;
    u_char                       token[1 + CARGO_TOKEN_HASH];

    /* of a token that cannot be one: what a write is told; 0: it can */
    ngx_int_t                    refused;
    ngx_str_t                    refusal;
} ngx_http_cargo_caller_t;


typedef struct {
    ngx_str_t                    registry;
    ngx_str_t                    base_url;
    ngx_str_t                    shown_url;     /* without a secret in it */
    ngx_str_t                    crate;
    ngx_str_t                    version;
    ngx_str_t                    name;
    ngx_str_t                    checksum;

    ngx_http_cargo_caller_t      who;
    ngx_http_cargo_caller_t     *caller;        /* NULL: not known yet */
    ngx_str_t                    secret;        /* of cargo_token */
    ngx_str_t                    raw_uri;       /* before it was masked */

    /* as the database has recognised the caller */
    ngx_str_t                    account;
    ngx_str_t                    token_name;

    /* API */
    const ngx_http_cargo_route_t *route;
    ngx_str_t                    body;
    ngx_str_t                    new_token;
    ngx_int_t                    refused;       /* told to the database */

    /* the query in flight */
    ngx_http_request_t          *request;
    ngx_cargo_pg_job_t          *job;
    ngx_http_cargo_answer_pt     answered;

    /* of the index, or a download */
    ngx_http_cargo_read_t        read;

    /* publish */
    ngx_http_cargo_writer_t     *writer;
    ngx_cargo_blob_upload_t     *upload;
    ngx_http_event_handler_pt    read_body;

    /* when the stage of a publish began; what came out of a download */
    union {
        ngx_msec_t               stage_began;
        ngx_int_t                download_status;
    };

    /* download: the file, and the id to count it by */
    ngx_str_t                    blob;
    uint64_t                     version_id;

    ngx_str_t                    detail;        /* of an error */
    ngx_chain_t                 *error_body;

    unsigned                     named:1;       /* registry is known */
    unsigned                     evaluated:1;   /* and the rest */
    unsigned                     error_sent:1;
    unsigned                     receiving:1;   /* the body of an upload */
    unsigned                     own_body:1;    /* also of an error */

    /* of the location, which an internal redirect may leave */
    unsigned                     endpoint:4;
} ngx_http_cargo_ctx_t;


extern ngx_module_t  ngx_http_cargo_module;

extern const ngx_cargo_pg_statement_t  ngx_http_cargo_statements[];


/* ngx_http_cargo_request.c */

/*
 * The request's state, with registry and base URL evaluated.  NULL: no
 * memory.
 */
ngx_http_cargo_ctx_t *ngx_http_cargo_get_ctx(ngx_http_request_t *r);

/* the same with the registry alone, which is all that most reads need */
ngx_http_cargo_ctx_t *ngx_http_cargo_named_ctx(ngx_http_request_t *r);

/* the same before variables may be evaluated */
ngx_http_cargo_ctx_t *ngx_http_cargo_make_ctx(ngx_http_request_t *r);

/* what there is of it, also after an internal redirect; NULL: nothing */
ngx_http_cargo_ctx_t *ngx_http_cargo_find_ctx(ngx_http_request_t *r);

/*
 * The beginning of a handler for GET and HEAD: makes the state, drops a body.
 * NGX_OK, or a status to return.
 */
ngx_int_t ngx_http_cargo_read_only(ngx_http_request_t *r);

/* whether the client asks for JSON where it could have something else */
ngx_uint_t ngx_http_cargo_accepts_json(ngx_http_request_t *r);


/* ngx_http_cargo_send.c */

/* the name is a literal */
#define ngx_http_cargo_add_header(r, name, value)                             \
    ngx_http_cargo_push_header(r, name, sizeof(name) - 1, value)

ngx_int_t ngx_http_cargo_push_header(ngx_http_request_t *r, const char *name,
    size_t len, ngx_str_t *value);
void ngx_http_cargo_drop_header(ngx_http_request_t *r, const char *name);

/* the one that was added last */
ngx_table_elt_t *ngx_http_cargo_last_header(ngx_http_request_t *r);

/* a strong one; tag and suffix come without quotes */
ngx_int_t ngx_http_cargo_set_etag(ngx_http_request_t *r, ngx_str_t *tag,
    const char *suffix);

/*
 * Who may keep the answer, everybody, or when it is for those who may read it
 * the caller alone, and for how long.
 */
ngx_int_t ngx_http_cargo_cache_control(ngx_http_request_t *r,
    ngx_uint_t private, ngx_http_cargo_lifetime_e lifetime);

/* both send and finalize */
void ngx_http_cargo_send(ngx_http_request_t *r, const char *content_type,
    ngx_str_t *body);
void ngx_http_cargo_send_no_content(ngx_http_request_t *r);

/* sends {"url": base URL and path}; path needs no escaping */
void ngx_http_cargo_send_url(ngx_http_request_t *r, ngx_str_t *path);

/* text as it stands between quotes in JSON; data is NULL without memory */
ngx_str_t ngx_http_cargo_escape_json(ngx_pool_t *pool, ngx_str_t *text);


/* ngx_http_cargo_query.c */

/*
 * Calls a SQL function for the caller, with one element of params for each
 * parameter behind the first NGX_HTTP_CARGO_CALLER_PARAMS; NULL is SQL's
 * null.  NGX_OK: answered() will be called, with status 503 when the database
 * did not answer.  Else a status to finalize with.
 */
ngx_int_t ngx_http_cargo_query(ngx_http_request_t *r,
    ngx_http_cargo_statement_e statement, ngx_str_t **params,
    ngx_http_cargo_answer_pt answered);

/*
 * The parameters of a function: who calls, then one element of params for
 * each that is left.
 */
ngx_int_t ngx_http_cargo_query_params(ngx_http_request_t *r,
    ngx_cargo_pg_job_t *job, ngx_str_t **params);

/*
 * Status and body; 503 or 500 and a sentence when there is no answer.  reads:
 * it was no write.
 */
void ngx_http_cargo_read_answer(ngx_cargo_pg_job_t *job, ngx_uint_t reads,
    ngx_http_cargo_answer_t *answer);

/* what to say with 503 of a job that was not taken: what submitting it gave */
ngx_str_t ngx_http_cargo_not_taken(ngx_int_t rc);

/*
 * While a request waits, a client that goes away ends it.  The wait is over:
 * 0 when the request has been sent elsewhere by "post_action".
 */
void ngx_http_cargo_wait(ngx_http_request_t *r);
ngx_uint_t ngx_http_cargo_waited(ngx_http_request_t *r,
    ngx_http_cargo_ctx_t *ctx);

/* what was answered is no success: finalizes with it */
void ngx_http_cargo_refuse_answer(ngx_http_request_t *r,
    ngx_http_cargo_answer_t *answer);


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


/* ngx_http_cargo_caller.c */

/* found out once in a request; NULL: no memory */
ngx_http_cargo_caller_t *ngx_http_cargo_caller(ngx_http_request_t *r);

/*
 * Looks at what the caller of a write has sent as a token: NGX_OK, or a
 * status to finalize with.  A reader is told by the database whether it
 * matters.
 */
ngx_int_t ngx_http_cargo_check_writer(ngx_http_request_t *r);

/* the hash of a token as the SQL functions take it: bytea in hex */
ngx_int_t ngx_http_cargo_hash(ngx_pool_t *pool, cargo_str_t token,
    ngx_str_t *hash);


/* ngx_http_cargo_secret.c */

/* in the rewrite phase, before anything may log the request */
ngx_int_t ngx_http_cargo_secret_handler(ngx_http_request_t *r);

/*
 * The same where no location is chosen, or none that was asked what the token
 * is: before that, for the error log, and before anything logs the end.
 */
ngx_int_t ngx_http_cargo_secret_early_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_cargo_secret_log_handler(ngx_http_request_t *r);

/* takes the token of cargo_token out of a text */
ngx_int_t ngx_http_cargo_mask(ngx_http_request_t *r, ngx_str_t *secret,
    ngx_str_t *text);


/* ngx_http_cargo_error.c */

ngx_int_t ngx_http_cargo_error_init(ngx_conf_t *cf);

/* remembers the sentence for the error's body; returns status */
ngx_int_t ngx_http_cargo_refuse(ngx_http_request_t *r, ngx_int_t status,
    const char *fmt, ...);
ngx_int_t ngx_http_cargo_refuse_text(ngx_http_request_t *r,
    ngx_int_t status, ngx_str_t *detail);

/* 405, with the header that says what is allowed; methods: a bitmap */
ngx_int_t ngx_http_cargo_not_allowed(ngx_http_request_t *r,
    ngx_uint_t methods);


/* ngx_http_cargo_refusal.c */

/*
 * A call of the API ends with rc.  When that refuses a write the database is
 * told first, for the audit log: NGX_OK, the request will be finalized then.
 * Else rc.  What a SQL function has refused is in the log already and does
 * not come here.
 */
ngx_int_t ngx_http_cargo_tell_refusal(ngx_http_request_t *r, ngx_int_t rc);

/* the same outside of a handler: finalizes, now or then */
void ngx_http_cargo_end(ngx_http_request_t *r, ngx_int_t rc);


/* content handlers */

ngx_int_t ngx_http_cargo_index_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_cargo_api_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_cargo_me_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_cargo_status_handler(ngx_http_request_t *r);


/* ngx_http_cargo_index.c */

/* whether the request is for config.json */
ngx_uint_t ngx_http_cargo_is_config(ngx_http_request_t *r);


/* ngx_http_cargo_api.c */

/*
 * The call that the request is; NULL: none.  methods: a bitmap of all that
 * its path has, segments: its NGX_HTTP_CARGO_SEGMENTS at most.
 */
const ngx_http_cargo_route_t *ngx_http_cargo_find_route(
    ngx_http_request_t *r, ngx_str_t *segments, ngx_uint_t *methods);

/* of all calls, ended by one without a handler */
extern const ngx_http_cargo_route_t  ngx_http_cargo_routes[];

/* 404 in the words of crates.io */
ngx_int_t ngx_http_cargo_check_crate(ngx_http_request_t *r,
    ngx_str_t *crate);
ngx_int_t ngx_http_cargo_check_version(ngx_http_request_t *r,
    ngx_str_t *crate, ngx_str_t *version);


/* handlers of routes */

ngx_int_t ngx_http_cargo_publish(ngx_http_request_t *r);

/* a call that is one SQL function: its route says which */
ngx_int_t ngx_http_cargo_call(ngx_http_request_t *r);

/* the URL of a crate's file: after ngx_http_cargo_download_handler() */
ngx_int_t ngx_http_cargo_download_url(ngx_http_request_t *r);


/* ngx_http_cargo_json.c */

/* "a=1&b[]=2&b[]=3" as {"a":"1","b[]":["2","3"]}; of two equal the last */
ngx_int_t ngx_http_cargo_json_args(ngx_http_request_t *r, ngx_str_t *text);

/* the body that was read, of at most max bytes; 400, 413 */
ngx_int_t ngx_http_cargo_json_body(ngx_http_request_t *r, size_t max,
    ngx_str_t *text);
ngx_int_t ngx_http_cargo_json_too_large(ngx_http_request_t *r, size_t max);


/* ngx_http_cargo_new_token.c */

/* makes a token; hash: as the SQL function takes it */
ngx_int_t ngx_http_cargo_new_token(ngx_http_request_t *r, ngx_str_t *hash);

/* puts it into the answer, and sends that */
void ngx_http_cargo_send_new_token(ngx_http_request_t *r,
    ngx_http_cargo_answer_t *answer);


/* ngx_http_cargo_download.c */

ngx_int_t ngx_http_cargo_download_init(ngx_conf_t *cf);

ngx_int_t ngx_http_cargo_download_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_cargo_download_log_handler(ngx_http_request_t *r);

/* makes nginx's static handler send the file that was found */
char *ngx_http_cargo_download_root(ngx_conf_t *cf,
    ngx_http_core_loc_conf_t *clcf);


/* ngx_http_cargo_variables.c */

ngx_int_t ngx_http_cargo_add_variables(ngx_conf_t *cf);


/* ngx_http_cargo_endpoint.c: at the end of a request */

ngx_int_t ngx_http_cargo_measure_handler(ngx_http_request_t *r);


/* ngx_http_cargo_log.c */

/* lines of the error log about this request name what it is about */
void ngx_http_cargo_log_request(ngx_http_request_t *r);

/* what is answered with an error: a line, and the id of the request */
ngx_int_t ngx_http_cargo_log_error(ngx_http_request_t *r,
    ngx_http_cargo_ctx_t *ctx);


/* ngx_http_cargo_interface.c */

/* one more whenever ngx_http_cargo_statements[] changes: sql/functions/ too */
#define NGX_HTTP_CARGO_INTERFACE  1

/* what the database said that it serves; NULL: not even that it knows */
void ngx_http_cargo_interface(json_t *answer);

/* the database cannot know what it was asked for: what to answer; or NULL */
const ngx_str_t *ngx_http_cargo_misfit(ngx_cargo_pg_job_t *job);


/* ngx_http_cargo_changes.c */

/* in the one worker that listens for all */
void ngx_http_cargo_changes_init(ngx_cargo_shm_t *shm);

/*
 * A write of this server was answered: what it has changed, or may have, is
 * to be asked for anew before the client hears of it.
 */
void ngx_http_cargo_written(ngx_http_request_t *r, ngx_cargo_pg_job_t *job,
    ngx_uint_t status);


/* ngx_http_cargo_counts.c */

void ngx_http_cargo_counts_init(ngx_cycle_t *cycle, ngx_cargo_shm_t *shm,
    ngx_msec_t interval);
void ngx_http_cargo_count(uint64_t version_id);


/* ngx_http_cargo_snapshot.c: nothing, when no snapshot is configured */

/* user: of the workers */
void ngx_http_cargo_snapshot_load(ngx_http_cargo_main_conf_t *mcf,
    ngx_uid_t user, ngx_log_t *log);

/* in the one worker that writes it */
ngx_int_t ngx_http_cargo_snapshot_init(ngx_cycle_t *cycle,
    ngx_http_cargo_main_conf_t *mcf);


#endif /* NGX_HTTP_CARGO_H */
