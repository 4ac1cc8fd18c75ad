
#include "ngx_http_cargo.h"


/* seconds between two uses of a token that the database is told of */
#define NGX_HTTP_CARGO_TOUCH  60

/* an entry that changes between two looks at it is then asked for */
#define NGX_HTTP_CARGO_TRIES  4


/*
 * Who asked last, and what he may: most of those who ask next are the same,
 * and within a second another look would not even count as a use.
 */
typedef struct {
    ngx_cargo_shm_t     *shm;           /* NULL: nobody */
    time_t               fetched;
    size_t               key_len;
    u_char               key[CARGO_ZONE_KEY];
    cargo_zone_value_t   value;
    u_char               text[CARGO_ZONE_COPY];
} ngx_http_cargo_last_t;


static ngx_int_t ngx_http_cargo_zone_access(ngx_http_request_t *r,
    ngx_cargo_shm_t *shm, ngx_http_cargo_trust_e trust);
static ngx_uint_t ngx_http_cargo_zone_is_last(ngx_cargo_shm_t *shm,
    cargo_str_t key);
static ngx_int_t ngx_http_cargo_zone_fetch_last(ngx_cargo_shm_t *shm,
    cargo_zone_key_t *key);
static ngx_uint_t ngx_http_cargo_zone_holds(ngx_cargo_shm_t *shm,
    cargo_zone_value_t *value, ngx_http_cargo_trust_e trust, time_t age);
static time_t ngx_http_cargo_zone_age(ngx_cargo_shm_t *shm,
    ngx_http_cargo_question_t *q);
static ngx_int_t ngx_http_cargo_zone_names(ngx_http_request_t *r,
    u_char *text, size_t len, ngx_http_cargo_access_t *access);
static ngx_int_t ngx_http_cargo_zone_sight(ngx_http_request_t *r,
    ngx_cargo_shm_t *shm, ngx_http_cargo_trust_e trust);
static ngx_int_t ngx_http_cargo_zone_thing(ngx_http_request_t *r,
    ngx_cargo_shm_t *shm, ngx_http_cargo_trust_e trust);
static int ngx_http_cargo_zone_first_body(ngx_http_request_t *r,
    ngx_http_cargo_read_t *read);
static ngx_int_t ngx_http_cargo_zone_body(ngx_http_request_t *r,
    ngx_cargo_shm_t *shm, ngx_http_cargo_key_t *key,
    cargo_zone_value_t *value, int body, u_char *buffer);
static void ngx_http_cargo_zone_release(ngx_cargo_shm_t *shm,
    cargo_zone_value_t *value, int body);


/* of sentences, which are short */
static u_char  ngx_http_cargo_zone_text[CARGO_ZONE_COPY];

static ngx_http_cargo_last_t  ngx_http_cargo_last;


ngx_int_t
ngx_http_cargo_read_zone(ngx_http_request_t *r, ngx_http_cargo_trust_e trust)
{
    ngx_int_t                    rc;
    ngx_cargo_shm_t             *shm;
    ngx_http_cargo_ctx_t        *ctx;
    ngx_http_cargo_read_t       *read;
    ngx_http_cargo_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_cargo_module);
    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);

    shm = mcf->shm;
    read = &ctx->read;

    rc = ngx_http_cargo_zone_access(r, shm, trust);

    if (rc != NGX_OK
        || read->status != NGX_HTTP_OK
        || read->question.kind == NGX_HTTP_CARGO_READ_CONFIG)
    {
        return rc;
    }

    rc = ngx_http_cargo_zone_thing(r, shm, trust);

    if (rc == NGX_OK && !read->thing.restricted && !read->limited) {
        return NGX_OK;
    }

    /* of what is hidden from all who have asked there is nothing else */

    switch (ngx_http_cargo_zone_sight(r, shm, trust)) {

    case NGX_OK:
        return rc;

    case NGX_ABORT:
        return NGX_OK;

    default: /* NGX_DECLINED */
        return NGX_DECLINED;
    }
}


static ngx_int_t
ngx_http_cargo_zone_access(ngx_http_request_t *r, ngx_cargo_shm_t *shm,
    ngx_http_cargo_trust_e trust)
{
    ngx_http_cargo_key_t      key;
    ngx_http_cargo_ctx_t     *ctx;
    ngx_http_cargo_last_t    *last;
    ngx_http_cargo_read_t    *read;
    ngx_http_cargo_access_t   access;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);
    read = &ctx->read;
    last = &ngx_http_cargo_last;

    if (ngx_http_cargo_key_access(&key, &read->question) != NGX_OK) {
        return NGX_DECLINED;
    }

    /* an answer since then may be newer, which only matters to these */

    if ((trust != NGX_HTTP_CARGO_TRUST_ALL
         || read->question.kind == NGX_HTTP_CARGO_READ_CONFIG
         || !ngx_http_cargo_zone_is_last(shm, key.zone.key))
        && ngx_http_cargo_zone_fetch_last(shm, &key.zone) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    ngx_memcpy(&access, last->value.head, sizeof(ngx_http_cargo_access_t));

    if ((access.expires && access.expires <= ngx_time())
        || !ngx_http_cargo_zone_holds(shm, &last->value, trust,
                          ngx_http_cargo_zone_age(shm, &read->question))
        || ngx_http_cargo_zone_names(r, last->text, last->value.body_len[0],
                                     &access)
           != NGX_OK)
    {
        return NGX_DECLINED;
    }

    read->status = access.status;
    read->private = access.private;
    read->limited = access.limited;

    if (read->question.kind == NGX_HTTP_CARGO_READ_CONFIG
        && ctx->account.len
        && read->question.credential.data[0] == 't'
        && trust == NGX_HTTP_CARGO_TRUST_ALL
        && ngx_time() - access.touched >= NGX_HTTP_CARGO_TOUCH)
    {
        (void) ngx_http_cargo_flight_join(r, 1);
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_cargo_zone_is_last(ngx_cargo_shm_t *shm, cargo_str_t key)
{
    ngx_http_cargo_last_t  *last;

    last = &ngx_http_cargo_last;

    return last->shm == shm
           && last->fetched == ngx_time()
           && last->key_len == key.len
           && ngx_memcmp(last->key, key.data, key.len) == 0
           && cargo_zone_still(&shm->zone, &last->value);
}


static ngx_int_t
ngx_http_cargo_zone_fetch_last(ngx_cargo_shm_t *shm, cargo_zone_key_t *key)
{
    ngx_http_cargo_last_t  *last;

    last = &ngx_http_cargo_last;
    last->shm = NULL;

    if (cargo_zone_fetch(&shm->zone, key, ngx_time(), 0, last->text,
                         &last->value)
        != CARGO_OK)
    {
        return NGX_DECLINED;
    }

    last->shm = shm;
    last->fetched = ngx_time();
    last->key_len = key->key.len;
    ngx_memcpy(last->key, key->key.data, key->key.len);

    return NGX_OK;
}


static ngx_uint_t
ngx_http_cargo_zone_holds(ngx_cargo_shm_t *shm, cargo_zone_value_t *value,
    ngx_http_cargo_trust_e trust, time_t age)
{
    switch (trust) {

    case NGX_HTTP_CARGO_TRUST_ALL:
        return 1;

    case NGX_HTTP_CARGO_TRUST_RECENT:
        return ngx_cargo_shm_recent(value->stored);

    default: /* NGX_HTTP_CARGO_TRUST_STALE */
        return ngx_cargo_shm_usable(shm, value->stored, age);
    }
}


/* who is nobody has no rights that could have been taken from him */

static time_t
ngx_http_cargo_zone_age(ngx_cargo_shm_t *shm, ngx_http_cargo_question_t *q)
{
    return q->credential.data[0] == 'n' ? shm->stale : shm->stale_access;
}


/* account, token and sentence, one behind the other */

static ngx_int_t
ngx_http_cargo_zone_names(ngx_http_request_t *r, u_char *text, size_t len,
    ngx_http_cargo_access_t *access)
{
    u_char                *p;
    ngx_http_cargo_ctx_t  *ctx;

    if (len == 0) {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);

    ngx_memcpy(p, text, len);

    ctx->account.data = p;
    ctx->account.len = access->account;

    p += access->account;

    ctx->token_name.data = p;
    ctx->token_name.len = access->token_name;

    p += access->token_name;

    ctx->read.sentence.data = p;
    ctx->read.sentence.len = len - access->account - access->token_name;

    return NGX_OK;
}


/* NGX_OK: it sees the crate, NGX_ABORT: it does not, and read says so */

static ngx_int_t
ngx_http_cargo_zone_sight(ngx_http_request_t *r, ngx_cargo_shm_t *shm,
    ngx_http_cargo_trust_e trust)
{
    ngx_str_t                sentence;
    cargo_zone_value_t       value;
    ngx_http_cargo_key_t     key;
    ngx_http_cargo_ctx_t    *ctx;
    ngx_http_cargo_read_t   *read;
    ngx_http_cargo_sight_t   sight;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);
    read = &ctx->read;

    if (ngx_http_cargo_key_sight(&key, &read->question) != NGX_OK
        || cargo_zone_fetch(&shm->zone, &key.zone, ngx_time(), 0,
                            ngx_http_cargo_zone_text, &value)
           != CARGO_OK
        || !ngx_http_cargo_zone_holds(shm, &value, trust,
                          ngx_http_cargo_zone_age(shm, &read->question)))
    {
        return NGX_DECLINED;
    }

    ngx_memcpy(&sight, value.head, sizeof(ngx_http_cargo_sight_t));

    if (sight.sees) {
        read->private |= read->thing.restricted;
        return NGX_OK;
    }

    sentence.data = ngx_http_cargo_zone_text;
    sentence.len = value.body_len[0];

    read->status = NGX_HTTP_NOT_FOUND;

    return ngx_http_cargo_read_copy(r, &read->sentence, sentence) == NGX_OK
           ? NGX_ABORT : NGX_DECLINED;
}


static ngx_int_t
ngx_http_cargo_zone_thing(ngx_http_request_t *r, ngx_cargo_shm_t *shm,
    ngx_http_cargo_trust_e trust)
{
    int                     body, wanted;
    u_char                 *copy;
    ngx_uint_t              i;
    cargo_zone_value_t      value;
    ngx_http_cargo_key_t    key;
    ngx_http_cargo_ctx_t   *ctx;
    ngx_http_cargo_read_t  *read;

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);
    read = &ctx->read;
    copy = NULL;

    if (ngx_http_cargo_key_thing(&key, &read->question) != NGX_OK) {
        return NGX_DECLINED;
    }

    body = ngx_http_cargo_zone_first_body(r, read);

    for (i = 0; i < NGX_HTTP_CARGO_TRIES; i++) {

        if (body >= 0 && copy == NULL) {
            copy = ngx_palloc(r->pool, CARGO_ZONE_COPY);
            if (copy == NULL) {
                return NGX_DECLINED;
            }
        }

        if (cargo_zone_fetch(&shm->zone, &key.zone, ngx_time(), body, copy,
                             &value)
            != CARGO_OK)
        {
            return NGX_DECLINED;
        }

        if (!ngx_http_cargo_zone_holds(shm, &value, trust, shm->stale)) {
            ngx_http_cargo_zone_release(shm, &value, body);
            return NGX_DECLINED;
        }

        ngx_memcpy(&read->thing, value.head, sizeof(ngx_http_cargo_thing_t));

        wanted = (read->thing.status == NGX_HTTP_OK)
                 ? ngx_http_cargo_wanted_body(r, value.body_len) : 0;

        if (wanted == body) {
            return ngx_http_cargo_zone_body(r, shm, &key, &value, body, copy);
        }

        ngx_http_cargo_zone_release(shm, &value, body);

        if (wanted == -1) {
            return NGX_OK;
        }

        body = wanted;
    }

    return NGX_DECLINED;
}


/* what will be wanted most likely: looking again costs less than a copy */

static int
ngx_http_cargo_zone_first_body(ngx_http_request_t *r,
    ngx_http_cargo_read_t *read)
{
    if (read->question.kind == NGX_HTTP_CARGO_READ_FILE
        || r->method == NGX_HTTP_HEAD
        || ngx_http_cargo_conditional(r))
    {
        return -1;
    }

    return ngx_http_cargo_takes_gzip(r) ? 1 : 0;
}


static ngx_int_t
ngx_http_cargo_zone_body(ngx_http_request_t *r, ngx_cargo_shm_t *shm,
    ngx_http_cargo_key_t *key, cargo_zone_value_t *value, int body,
    u_char *buffer)
{
    ngx_str_t              *text;
    ngx_http_cargo_ctx_t   *ctx;
    ngx_http_cargo_read_t  *read;

    if (body == -1) {
        return NGX_OK;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);
    read = &ctx->read;

    if (cargo_zone_pinned(value, body)) {
        buffer = ngx_pnalloc(r->pool, value->body_len[body]);

        if (cargo_zone_copy(&shm->zone, value, body, buffer) != CARGO_OK
            || buffer == NULL)
        {
            return NGX_DECLINED;
        }
    }

    read->status = read->thing.status;

    text = (read->status == NGX_HTTP_OK) ? &read->body : &read->sentence;

    text->data = buffer;
    text->len = value->body_len[body];

    if (read->status == NGX_HTTP_OK && body == 0) {
        ngx_http_cargo_gzip(r, key, value);
    }

    return NGX_OK;
}


static void
ngx_http_cargo_zone_release(ngx_cargo_shm_t *shm, cargo_zone_value_t *value,
    int body)
{
    if (cargo_zone_pinned(value, body)) {
        (void) cargo_zone_copy(&shm->zone, value, body, NULL);
    }
}
