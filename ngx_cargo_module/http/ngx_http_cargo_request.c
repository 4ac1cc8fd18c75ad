
#include "ngx_http_cargo.h"


#define NGX_HTTP_CARGO_NO_DATABASE                                            \
    "the registry's database does not answer; nothing was changed; try "      \
    "again later, and tell the registry's administrator if it lasts"


static void ngx_http_cargo_cleanup(void *data);
static ngx_int_t ngx_http_cargo_evaluate(ngx_http_request_t *r,
    ngx_http_cargo_ctx_t *ctx);
static ngx_int_t ngx_http_cargo_add_host(ngx_http_request_t *r,
    ngx_str_t *url);
static void ngx_http_cargo_answered(ngx_cargo_pg_job_t *job);
static void ngx_http_cargo_read_answer(ngx_http_request_t *r,
    ngx_cargo_pg_job_t *job, ngx_http_cargo_answer_t *answer);
static ngx_uint_t ngx_http_cargo_may_pass(const char *sqlstate);
static ngx_uint_t ngx_http_cargo_not_migrated(const char *sqlstate);


const ngx_cargo_pg_statement_t  ngx_http_cargo_statements[] = {

    { "cargo_authenticate",
      "select * from cargo.authenticate($1, $2, $3)", 3, 0 },

    { "cargo_publish",
      "select * from cargo.publish($1, $2, $3, $4, $5, $6, $7, $8)", 8, 1 },

    { "cargo_yank",
      "select * from cargo.yank($1, $2, $3, $4, $5)", 5, 1 },

    { "cargo_index_config",
      "select * from cargo.index_config($1, $2)", 2, 0 },

    { "cargo_index_document",
      "select * from cargo.index_document($1, $2, $3)", 3, 0 },

    { "cargo_download",
      "select * from cargo.download($1, $2, $3, $4, $5)", 5, 0 },

    { "cargo_count_downloads",
      "select * from cargo.count_downloads($1, $2)", 2, 1 },

    { "cargo_search_crates",
      "select * from cargo.search_crates($1, $2, $3)", 3, 0 },

    { "cargo_list_owners",
      "select * from cargo.list_owners($1, $2, $3, $4)", 4, 0 },

    { "cargo_add_owners",
      "select * from cargo.add_owners($1, $2, $3, $4)", 4, 1 },

    { "cargo_remove_owners",
      "select * from cargo.remove_owners($1, $2, $3, $4)", 4, 1 },

    { "cargo_show_registry",
      "select * from cargo.show_registry($1, $2, $3, $4, $5, $6)", 6, 0 },

    { "cargo_show_crate",
      "select * from cargo.show_crate($1, $2, $3, $4, $5, $6)", 6, 0 },

    { "cargo_show_version",
      "select * from cargo.show_version($1, $2, $3, $4, $5, $6, $7)", 7, 0 },

    { "cargo_readme",
      "select * from cargo.readme($1, $2, $3, $4)", 4, 0 },

    { "cargo_show_me",
      "select * from cargo.show_me($1, $2, $3)", 3, 0 }
};

/* each has a bit of a connection's bitmap */

_Static_assert(sizeof(ngx_http_cargo_statements)
               / sizeof(ngx_cargo_pg_statement_t)
               <= NGX_CARGO_PG_STATEMENTS, "too many statements");


ngx_http_cargo_ctx_t *
ngx_http_cargo_get_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t    *cln;
    ngx_http_cargo_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);
    if (ctx) {
        return ctx;
    }

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_cargo_ctx_t));
    if (ctx == NULL) {
        return NULL;
    }

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_cargo_cleanup;
    cln->data = ctx;

    if (ngx_http_cargo_evaluate(r, ctx) != NGX_OK) {
        return NULL;
    }

    ngx_http_set_ctx(r, ctx, ngx_http_cargo_module);

    return ctx;
}


static void
ngx_http_cargo_cleanup(void *data)
{
    ngx_http_cargo_ctx_t  *ctx = data;

    if (ctx->job) {
        ngx_cargo_pg_job_abandon(ctx->job);
        ctx->job = NULL;
    }

    if (ctx->upload) {
        ngx_cargo_blob_upload_destroy(ctx->upload);
        ctx->upload = NULL;
    }
}


static ngx_int_t
ngx_http_cargo_evaluate(ngx_http_request_t *r, ngx_http_cargo_ctx_t *ctx)
{
    ngx_http_cargo_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_cargo_module);

    if (ngx_http_complex_value(r, lcf->registry, &ctx->registry) != NGX_OK
        || ngx_http_complex_value(r, lcf->base_url, &ctx->base_url) != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* a name out of the URI may be anything, and the database takes UTF-8 */

    if (!cargo_utf8_valid(ctx->registry.data, ctx->registry.len)) {
        ctx->registry.len = 0;
    }

    while (ctx->base_url.len
           && ctx->base_url.data[ctx->base_url.len - 1] == '/')
    {
        ctx->base_url.len--;
    }

    if (ctx->base_url.len
        && ctx->base_url.data[ctx->base_url.len - 1] == ':')
    {
        return ngx_http_cargo_add_host(r, &ctx->base_url);
    }

    return NGX_OK;
}


/* "http://" and no name: the client sent no Host, as HTTP/3 does not */

static ngx_int_t
ngx_http_cargo_add_host(ngx_http_request_t *r, ngx_str_t *url)
{
    u_char                    *p;
    ngx_str_t                 *host;
    ngx_http_core_srv_conf_t  *cscf;

    cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);

    host = r->headers_in.server.len ? &r->headers_in.server
                                    : &cscf->server_name;

    p = ngx_pnalloc(r->pool, url->len + 2 + host->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    url->len = ngx_sprintf(p, "%V//%V", url, host) - p;
    url->data = p;

    return NGX_OK;
}


ngx_int_t
ngx_http_cargo_read_only(ngx_http_request_t *r)
{
    if (ngx_http_cargo_get_ctx(r) == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return ngx_http_cargo_not_allowed(r, "GET, HEAD");
    }

    return ngx_http_discard_request_body(r);
}


ngx_int_t
ngx_http_cargo_query(ngx_http_request_t *r,
    ngx_http_cargo_statement_e statement, ngx_str_t **params,
    ngx_http_cargo_answer_pt answered)
{
    ngx_int_t              rc;
    ngx_uint_t             i;
    ngx_cargo_pg_job_t    *job;
    ngx_http_cargo_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);

    job = ngx_cargo_pg_job_create(&ngx_http_cargo_statements[statement],
                                  ngx_http_cargo_answered, ctx);
    if (job == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    for (i = 0; i < job->statement->params; i++) {
        if (ngx_cargo_pg_job_param(job, i, params[i]) != NGX_OK) {
            ngx_cargo_pg_job_destroy(job);
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    rc = ngx_cargo_pg_submit(job);

    if (rc != NGX_OK) {
        return ngx_http_cargo_refuse(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                                     rc == NGX_BUSY
                                     ? "the registry is overloaded; try "
                                       "again in a moment"
                                     : NGX_HTTP_CARGO_NO_DATABASE);
    }

    ctx->request = r;
    ctx->job = job;
    ctx->answered = answered;

    /* a client that goes away ends the wait, also if it is gone already */

    if (!r->discard_body) {
        r->read_event_handler = ngx_http_test_reading;

        if (r->connection->read->ready) {
            ngx_post_event(r->connection->read, &ngx_posted_events);
        }
    }

    return NGX_OK;
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

    if (ngx_http_get_module_ctx(r, ngx_http_cargo_module) != ctx) {
        /* "post_action" has sent the request elsewhere */
        return;
    }

    ngx_http_set_log_request(c->log, r);

    if (!r->discard_body) {
        r->read_event_handler = ngx_http_block_reading;
    }

    ngx_http_cargo_read_answer(r, job, &answer);

    ctx->answered(r, &answer);

    ngx_http_run_posted_requests(c);
}


static void
ngx_http_cargo_read_answer(ngx_http_request_t *r, ngx_cargo_pg_job_t *job,
    ngx_http_cargo_answer_t *answer)
{
    ngx_str_t  status;
    ngx_int_t  n;

    answer->job = job;

    status = ngx_cargo_pg_field(job, 0);
    answer->body = ngx_cargo_pg_field(job, 1);

    n = ngx_atoi(status.data, status.len);
    if (n != NGX_ERROR) {
        answer->status = n;
        return;
    }

    if (job->outcome == NGX_CARGO_PG_FAILED
        && !ngx_http_cargo_may_pass(ngx_cargo_pg_sqlstate(job)))
    {
        if (ngx_http_cargo_not_migrated(ngx_cargo_pg_sqlstate(job))) {
            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                          "cargo: the database is not the one that this "
                          "module needs: run \"cargoctl migrate\"");
        }

        answer->status = NGX_HTTP_INTERNAL_SERVER_ERROR;
        ngx_str_set(&answer->body,
                    "the registry's database refused the request; nothing "
                    "was changed; the error log of nginx says why");
        return;
    }

    answer->status = NGX_HTTP_SERVICE_UNAVAILABLE;

    if (job->maybe_done && !(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        ngx_str_set(&answer->body,
                    "the registry lost its database before it heard whether "
                    "this was done; look whether it was, or just try again");
        return;
    }

    ngx_str_set(&answer->body, NGX_HTTP_CARGO_NO_DATABASE);
}


/* classes of SQLSTATE: rollback, resources, intervention; lock timeout */

static ngx_uint_t
ngx_http_cargo_may_pass(const char *sqlstate)
{
    return ngx_strncmp(sqlstate, "40", 2) == 0
           || ngx_strncmp(sqlstate, "53", 2) == 0
           || ngx_strncmp(sqlstate, "57", 2) == 0
           || ngx_strcmp(sqlstate, "55P03") == 0;
}


/* no such schema, function, table, column */

static ngx_uint_t
ngx_http_cargo_not_migrated(const char *sqlstate)
{
    return ngx_strcmp(sqlstate, "3F000") == 0
           || ngx_strcmp(sqlstate, "42883") == 0
           || ngx_strcmp(sqlstate, "42P01") == 0
           || ngx_strcmp(sqlstate, "42703") == 0;
}


ngx_int_t
ngx_http_cargo_answer_field(ngx_http_request_t *r,
    ngx_http_cargo_answer_t *answer, ngx_uint_t column, ngx_str_t *value)
{
    ngx_str_t  field;

    field = ngx_cargo_pg_field(answer->job, column);

    value->len = field.len;
    value->data = ngx_pstrdup(r->pool, &field);

    return value->data ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_http_cargo_add_header(ngx_http_request_t *r, const char *name,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
#if (nginx_version >= 1023000)
    h->next = NULL;
#endif
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->value = *value;

    return NGX_OK;
}


void
ngx_http_cargo_drop_header(ngx_http_request_t *r, const char *name)
{
    size_t            len;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    len = ngx_strlen(name);

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].key.len == len
                && ngx_strncasecmp(h[i].key.data, (u_char *) name, len) == 0)
            {
                h[i].hash = 0;
            }
        }
    }
}


ngx_int_t
ngx_http_cargo_set_etag(ngx_http_request_t *r, ngx_str_t *tag)
{
    u_char     *p;
    ngx_str_t   value;

    value.len = tag->len + 2;
    value.data = ngx_pnalloc(r->pool, value.len);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    p = value.data;
    *p++ = '"';
    p = ngx_cpymem(p, tag->data, tag->len);
    *p = '"';

    if (ngx_http_cargo_add_header(r, "ETag", &value) != NGX_OK) {
        return NGX_ERROR;
    }

    /* the last one pushed is the last of its part of the list */

    r->headers_out.etag = (ngx_table_elt_t *) r->headers_out.headers.last->elts
                          + r->headers_out.headers.last->nelts - 1;

    return NGX_OK;
}


void
ngx_http_cargo_send(ngx_http_request_t *r, const char *content_type,
    ngx_str_t *body)
{
    ngx_int_t    rc;
    ngx_buf_t   *b;
    ngx_chain_t  out;

    b = ngx_create_temp_buf(r->pool, body->len ? body->len : 1);
    if (b == NULL) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    b->last = ngx_cpymem(b->last, body->data, body->len);
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;
    b->sync = (body->len == 0);

    out.buf = b;
    out.next = NULL;

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = body->len;
    r->headers_out.content_type.data = (u_char *) content_type;
    r->headers_out.content_type.len = ngx_strlen(content_type);
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        ngx_http_finalize_request(r, rc);
        return;
    }

    ngx_http_finalize_request(r, ngx_http_output_filter(r, &out));
}
