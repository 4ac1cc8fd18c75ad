
#include "ngx_http_cargo.h"


#define NGX_HTTP_CARGO_NO_DATABASE                                            \
    "the registry's database does not answer; nothing was changed; try "      \
    "again later, and tell the registry's administrator if it lasts"

/* as ngx_http_cargo_query_params() gives them */
#define NGX_HTTP_CARGO_CALLER  "$1, row($2, $3, $4)::cargo.caller"


static ngx_int_t ngx_http_cargo_query_caller(ngx_http_request_t *r,
    ngx_cargo_pg_job_t *job);
static void ngx_http_cargo_answered(ngx_cargo_pg_job_t *job);
static ngx_str_t ngx_http_cargo_lack(ngx_cargo_pg_job_t *job);
static void ngx_http_cargo_recognised(ngx_http_request_t *r,
    ngx_cargo_pg_job_t *job);
static ngx_uint_t ngx_http_cargo_may_pass(const char *sqlstate);


const ngx_cargo_pg_statement_t  ngx_http_cargo_statements[] = {

    { "cargo_authenticate",
      "select * from cargo.authenticate(" NGX_HTTP_CARGO_CALLER
      ", $5)", 5, 0 },

    { "cargo_publish",
      "select * from cargo.publish(" NGX_HTTP_CARGO_CALLER
      ", $5, $6, $7, $8, $9, $10, false)", 10, 1 },

    { "cargo_yank",
      "select * from cargo.yank(" NGX_HTTP_CARGO_CALLER
      ", $5, $6, $7)", 7, 1 },

    { "cargo_change_version",
      "select * from cargo.change_version(" NGX_HTTP_CARGO_CALLER
      ", $5, $6, $7, $8)", 8, 1 },

    { "cargo_index_config",
      "select * from cargo.index_config(" NGX_HTTP_CARGO_CALLER
      ")", 4, 0 },

    { "cargo_index_documents",
      "select * from cargo.index_documents(" NGX_HTTP_CARGO_CALLER
      ", $5)", 5, 0 },

    { "cargo_download",
      "select * from cargo.download(" NGX_HTTP_CARGO_CALLER
      ", $5, $6)", 6, 0 },

    { "cargo_count_downloads",
      "select * from cargo.count_downloads($1, $2)", 2, 1 },

    { "cargo_search_crates",
      "select * from cargo.search_crates(" NGX_HTTP_CARGO_CALLER
      ", $5)", 5, 0 },

    { "cargo_add_owners",
      "select * from cargo.add_owners(" NGX_HTTP_CARGO_CALLER
      ", $5, $6)", 6, 1 },

    { "cargo_remove_owners",
      "select * from cargo.remove_owners(" NGX_HTTP_CARGO_CALLER
      ", $5, $6)", 6, 1 },

    { "cargo_show_registry",
      "select * from cargo.show_registry(" NGX_HTTP_CARGO_CALLER
      ", $5, $6, $7, $8)", 8, 0 },

    { "cargo_show_crate",
      "select * from cargo.show_crate(" NGX_HTTP_CARGO_CALLER
      ", $5, $6, $7, $8)", 8, 0 },

    { "cargo_show_version",
      "select * from cargo.show_version(" NGX_HTTP_CARGO_CALLER
      ", $5, $6, $7, $8, $9)", 9, 0 },

    { "cargo_readme",
      "select * from cargo.readme(" NGX_HTTP_CARGO_CALLER
      ", $5, $6)", 6, 0 },

    { "cargo_show_me",
      "select * from cargo.show_me(" NGX_HTTP_CARGO_CALLER
      ", $5, $6, $7, $8)", 8, 0 },

    { "cargo_create_token",
      "select * from cargo.create_token(" NGX_HTTP_CARGO_CALLER
      ", $5, $6)", 6, 1 },

    { "cargo_revoke_token",
      "select * from cargo.revoke_token(" NGX_HTTP_CARGO_CALLER
      ", $5)", 5, 1 },

    { "cargo_delete_crate",
      "select * from cargo.delete_crate(" NGX_HTTP_CARGO_CALLER
      ", $5, $6)", 6, 1 },

    { "cargo_delete_version",
      "select * from cargo.delete_version(" NGX_HTTP_CARGO_CALLER
      ", $5, $6, $7)", 7, 1 },

    { "cargo_follow_crate",
      "select * from cargo.follow_crate(" NGX_HTTP_CARGO_CALLER
      ", $5, $6)", 6, 1 },

    { "cargo_refuse_write",
      "select * from cargo.refuse_write(" NGX_HTTP_CARGO_CALLER
      ", $5, $6, $7, $8, $9)", 9, 1 },

    { "cargo_ring", "select * from cargo.ring()", 0, 0 },

    { "cargo_listen", "listen cargo_changes", 0, 0, 1 },

    { "cargo_changes", "select * from cargo.changes($1)", 1, 0, 1 },

    { "cargo_ready", "select * from cargo.ready()", 0, 0 },

    { "cargo_ready_to_write", "select * from cargo.ready()", 0, 1 }
};

/* each has a bit of a connection's bitmap */

_Static_assert(sizeof(ngx_http_cargo_statements)
               / sizeof(ngx_cargo_pg_statement_t)
               <= NGX_CARGO_PG_STATEMENTS, "too many statements");


ngx_int_t
ngx_http_cargo_query(ngx_http_request_t *r,
    ngx_http_cargo_statement_e statement, ngx_str_t **params,
    ngx_http_cargo_answer_pt answered)
{
    ngx_int_t              rc;
    ngx_str_t              sentence;
    ngx_cargo_pg_job_t    *job;
    ngx_http_cargo_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);

    job = ngx_cargo_pg_job_create(&ngx_http_cargo_statements[statement],
                                  ngx_http_cargo_answered, ctx);
    if (job == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_cargo_query_params(r, job, params) != NGX_OK) {
        ngx_cargo_pg_job_destroy(job);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_cargo_pg_submit(job);

    if (rc != NGX_OK) {
        sentence = ngx_http_cargo_not_taken(rc);

        return ngx_http_cargo_refuse_text(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                                          &sentence);
    }

    ctx->request = r;
    ctx->job = job;
    ctx->answered = answered;

    ngx_http_cargo_wait(r);

    return NGX_OK;
}


ngx_str_t
ngx_http_cargo_not_taken(ngx_int_t rc)
{
    ngx_str_t  sentence;

    if (rc == NGX_BUSY) {
        ngx_str_set(&sentence, "the registry is overloaded; try again in a "
                               "moment");
    } else {
        ngx_str_set(&sentence, NGX_HTTP_CARGO_NO_DATABASE);
    }

    return sentence;
}


/* a client that goes away ends the wait, also if it is gone already */

void
ngx_http_cargo_wait(ngx_http_request_t *r)
{
    if (r->discard_body) {
        return;
    }

    r->read_event_handler = ngx_http_test_reading;

    if (r->connection->read->ready) {
        ngx_post_event(r->connection->read, &ngx_posted_events);
    }
}


ngx_uint_t
ngx_http_cargo_waited(ngx_http_request_t *r, ngx_http_cargo_ctx_t *ctx)
{
    if (ngx_http_get_module_ctx(r, ngx_http_cargo_module) != ctx) {
        return 0;
    }

    ngx_http_set_log_request(r->connection->log, r);

    if (!r->discard_body) {
        r->read_event_handler = ngx_http_block_reading;
    }

    return 1;
}


void
ngx_http_cargo_refuse_answer(ngx_http_request_t *r,
    ngx_http_cargo_answer_t *answer)
{
    ngx_http_finalize_request(r, ngx_http_cargo_refuse_text(r, answer->status,
                                                            &answer->body));
}


ngx_int_t
ngx_http_cargo_query_params(ngx_http_request_t *r, ngx_cargo_pg_job_t *job,
    ngx_str_t **params)
{
    ngx_str_t             *value;
    ngx_uint_t             i;
    ngx_http_cargo_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);

    if (ngx_http_cargo_query_caller(r, job) != NGX_OK) {
        return NGX_ERROR;
    }

    for (i = NGX_HTTP_CARGO_CALLER_PARAMS; i < job->statement->params; i++) {

        value = params[i - NGX_HTTP_CARGO_CALLER_PARAMS];

        /* the database may log what it is asked */

        if (value
            && (r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))
            && ngx_http_cargo_mask(r, &ctx->secret, value) != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (ngx_cargo_pg_job_param(job, i, value) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_cargo_query_caller(ngx_http_request_t *r, ngx_cargo_pg_job_t *job)
{
    u_char                    hex[sizeof("\\x") + 2 * CARGO_TOKEN_HASH];
    ngx_str_t                 registry, token, login;
    ngx_http_cargo_ctx_t     *ctx;
    ngx_http_cargo_caller_t  *caller;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);

    caller = ngx_http_cargo_caller(r);
    if (caller == NULL) {
        return NGX_ERROR;
    }

    registry = ctx->registry;
    ngx_str_null(&token);
    ngx_str_null(&login);

    switch (caller->by) {

    case NGX_HTTP_CARGO_BY_HEADER:
    case NGX_HTTP_CARGO_BY_URL:
        token.data = hex;
        token.len = ngx_hex_dump(ngx_cpymem(hex, "\\x", 2),
                                 caller->credential.data + 1,
                                 CARGO_TOKEN_HASH)
                    - hex;
        break;

    case NGX_HTTP_CARGO_BY_LOGIN:
        login.data = caller->credential.data + 1;
        login.len = caller->credential.len - 1;
        break;

    default: /* NGX_HTTP_CARGO_NOBODY */
        break;
    }

    if (ngx_http_cargo_mask(r, &ctx->secret, &registry) != NGX_OK
        || ngx_cargo_pg_job_param(job, 0, &registry) != NGX_OK
        || ngx_cargo_pg_job_param(job, 1, token.len ? &token : NULL) != NGX_OK
        || ngx_cargo_pg_job_param(job, 2, login.len ? &login : NULL) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_cargo_pg_job_param(job, 3, &caller->address);
}


static void
ngx_http_cargo_answered(ngx_cargo_pg_job_t *job)
{
    ngx_connection_t         *c;
    ngx_http_request_t       *r;
    ngx_http_cargo_ctx_t     *ctx;
    ngx_http_cargo_answer_t   answer;

    ctx = job->data;
    r = ctx->request;
    c = r->connection;

    ctx->job = NULL;

    if (!ngx_http_cargo_waited(r, ctx)) {
        return;
    }

    ngx_http_cargo_read_answer(job,
                               r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD),
                               &answer);
    ngx_http_cargo_recognised(r, job);
    ngx_http_cargo_written(r, job, answer.status);

    ctx->answered(r, &answer);

    ngx_http_run_posted_requests(c);
}


void
ngx_http_cargo_read_answer(ngx_cargo_pg_job_t *job, ngx_uint_t reads,
    ngx_http_cargo_answer_t *answer)
{
    ngx_str_t         status;
    ngx_int_t         n;
    const ngx_str_t  *why;

    answer->job = job;

    status = ngx_cargo_pg_field(job, NGX_HTTP_CARGO_COLUMN_STATUS);
    answer->body = ngx_cargo_pg_field(job, NGX_HTTP_CARGO_COLUMN_BODY);

    n = ngx_atoi(status.data, status.len);
    if (n != NGX_ERROR) {
        answer->status = n;
        return;
    }

    if (job->outcome == NGX_CARGO_PG_FAILED
        && !ngx_http_cargo_may_pass(ngx_cargo_pg_sqlstate(job)))
    {
        why = ngx_http_cargo_misfit(job);

        if (why) {
            answer->status = NGX_HTTP_SERVICE_UNAVAILABLE;
            answer->body = *why;
            return;
        }

        answer->status = NGX_HTTP_INTERNAL_SERVER_ERROR;
        ngx_str_set(&answer->body,
                    "the registry's database refused the request; nothing "
                    "was changed; the error log of nginx says why");
        return;
    }

    answer->status = NGX_HTTP_SERVICE_UNAVAILABLE;

    if (job->maybe_done && !reads) {
        ngx_str_set(&answer->body,
                    "the registry lost its database before it heard whether "
                    "this was done; look whether it was, or just try again");
        return;
    }

    answer->body = ngx_http_cargo_lack(job);
}


/* what a database that answers lacks, and one that does not */

static ngx_str_t
ngx_http_cargo_lack(ngx_cargo_pg_job_t *job)
{
    ngx_str_t    sentence;
    const char  *state;

    ngx_str_set(&sentence, NGX_HTTP_CARGO_NO_DATABASE);

    if (job->outcome != NGX_CARGO_PG_FAILED) {
        return sentence;
    }

    state = ngx_cargo_pg_sqlstate(job);

    if (ngx_strcmp(state, "53100") == 0) {
        ngx_str_set(&sentence,
                    "the registry's database has no room left; nothing was "
                    "changed; tell the registry's administrator, then try "
                    "again");

    } else if (ngx_strcmp(state, "25006") == 0) {
        ngx_str_set(&sentence,
                    "the registry's database takes no changes now; nothing "
                    "was changed; try again later, and tell the registry's "
                    "administrator if it lasts");
    }

    return sentence;
}


/* for the access log: without memory it has to do without */

static void
ngx_http_cargo_recognised(ngx_http_request_t *r, ngx_cargo_pg_job_t *job)
{
    ngx_http_cargo_ctx_t  *ctx;

    /* a failure says nothing of him, and an earlier answer did */

    if (job->outcome != NGX_CARGO_PG_DONE) {
        return;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);

    if (ngx_http_cargo_read_copy(r, &ctx->account,
                   ngx_cargo_pg_field(job, NGX_HTTP_CARGO_COLUMN_ACCOUNT))
        != NGX_OK
        || ngx_http_cargo_read_copy(r, &ctx->token_name,
                   ngx_cargo_pg_field(job, NGX_HTTP_CARGO_COLUMN_TOKEN_NAME))
           != NGX_OK)
    {
        ctx->account.len = 0;
        ctx->token_name.len = 0;
    }
}


/*
 * Classes of SQLSTATE: connection (of a pooler), rollback, resources,
 * intervention; read-only, lock timeout.
 */

static ngx_uint_t
ngx_http_cargo_may_pass(const char *sqlstate)
{
    return ngx_strncmp(sqlstate, "08", 2) == 0
           || ngx_strncmp(sqlstate, "40", 2) == 0
           || ngx_strncmp(sqlstate, "53", 2) == 0
           || ngx_strncmp(sqlstate, "57", 2) == 0
           || ngx_strcmp(sqlstate, "25006") == 0
           || ngx_strcmp(sqlstate, "55P03") == 0;
}
