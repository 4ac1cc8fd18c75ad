
#include "ngx_http_cargo.h"


/*
 * What the database says: taken apart, and put into the cache.
 */


/* columns of all three functions, and of the last two */
#define NGX_HTTP_CARGO_COLUMN_PRIVATE     NGX_HTTP_CARGO_COLUMNS
#define NGX_HTTP_CARGO_COLUMN_LIMITED     (NGX_HTTP_CARGO_COLUMNS + 1)
#define NGX_HTTP_CARGO_COLUMN_EXPIRES     (NGX_HTTP_CARGO_COLUMNS + 2)
#define NGX_HTTP_CARGO_COLUMN_RESTRICTED  (NGX_HTTP_CARGO_COLUMNS + 3)
#define NGX_HTTP_CARGO_COLUMN_HIDDEN      (NGX_HTTP_CARGO_COLUMNS + 4)

/* of cargo.index_document(), of cargo.download() */
#define NGX_HTTP_CARGO_COLUMN_MODIFIED    (NGX_HTTP_CARGO_COLUMNS + 5)
#define NGX_HTTP_CARGO_COLUMN_CHECKSUM    (NGX_HTTP_CARGO_COLUMNS + 5)
#define NGX_HTTP_CARGO_COLUMN_VERSION_ID  (NGX_HTTP_CARGO_COLUMNS + 6)


static void ngx_http_cargo_said_thing(ngx_cargo_pg_job_t *job,
    ngx_http_cargo_read_e kind, ngx_http_cargo_said_t *said);
static ngx_uint_t ngx_http_cargo_flag(ngx_cargo_pg_job_t *job,
    ngx_uint_t column);
static int64_t ngx_http_cargo_number(ngx_cargo_pg_job_t *job,
    ngx_uint_t column);
static void ngx_http_cargo_fill_thing(ngx_cargo_shm_t *shm,
    ngx_http_cargo_question_t *q, cargo_zone_generation_t *generation,
    time_t asked, ngx_http_cargo_said_t *said);
static void ngx_http_cargo_fill_access(ngx_cargo_shm_t *shm,
    ngx_http_cargo_question_t *q, cargo_zone_generation_t *generation,
    time_t asked, ngx_http_cargo_said_t *said);
static ngx_uint_t ngx_http_cargo_is_known(ngx_cargo_shm_t *shm,
    ngx_http_cargo_question_t *q, ngx_http_cargo_key_t *key, time_t asked,
    ngx_http_cargo_said_t *said, ngx_str_t *body);
static void ngx_http_cargo_fill_sight(ngx_cargo_shm_t *shm,
    ngx_http_cargo_question_t *q, cargo_zone_generation_t *generation,
    time_t asked, ngx_http_cargo_said_t *said);
static void ngx_http_cargo_store(ngx_cargo_shm_t *shm,
    ngx_http_cargo_key_t *key, cargo_zone_generation_t *generation,
    time_t asked, void *head, size_t head_len, ngx_str_t *body,
    ngx_str_t *gzip);


void
ngx_http_cargo_said(ngx_cargo_pg_job_t *job, ngx_http_cargo_read_e kind,
    ngx_http_cargo_said_t *said)
{
    ngx_http_cargo_answer_t  answer;

    ngx_memzero(said, sizeof(ngx_http_cargo_said_t));
    ngx_http_cargo_read_answer(job, 1, &answer);

    said->status = answer.status;
    said->body = answer.body;

    said->registry = ngx_cargo_pg_field(job, NGX_HTTP_CARGO_COLUMN_PRIVATE).len
                     != 0;
    if (!said->registry) {
        return;
    }

    said->account = ngx_cargo_pg_field(job, NGX_HTTP_CARGO_COLUMN_ACCOUNT);
    said->token_name = ngx_cargo_pg_field(job,
                                          NGX_HTTP_CARGO_COLUMN_TOKEN_NAME);

    said->granted = (kind == NGX_HTTP_CARGO_READ_CONFIG)
                    ? said->status == NGX_HTTP_OK
                    : ngx_cargo_pg_field(job, NGX_HTTP_CARGO_COLUMN_HIDDEN).len
                      != 0;

    said->access.status = said->granted ? NGX_HTTP_OK : said->status;
    said->access.account = said->account.len;
    said->access.token_name = said->token_name.len;
    said->access.private = ngx_http_cargo_flag(job,
                                               NGX_HTTP_CARGO_COLUMN_PRIVATE);
    said->access.limited = ngx_http_cargo_flag(job,
                                               NGX_HTTP_CARGO_COLUMN_LIMITED);
    said->access.expires = ngx_http_cargo_number(job,
                                               NGX_HTTP_CARGO_COLUMN_EXPIRES);

    if (said->granted && kind != NGX_HTTP_CARGO_READ_CONFIG) {
        ngx_http_cargo_said_thing(job, kind, said);
    }
}


static void
ngx_http_cargo_said_thing(ngx_cargo_pg_job_t *job, ngx_http_cargo_read_e kind,
    ngx_http_cargo_said_t *said)
{
    u_char                   hash[CARGO_SHA256];
    ngx_str_t                checksum, src, tag;
    cargo_str_t              document;
    ngx_http_cargo_thing_t  *thing;

    thing = &said->thing;

    said->hidden = ngx_http_cargo_flag(job, NGX_HTTP_CARGO_COLUMN_HIDDEN);

    thing->status = said->status;
    thing->restricted = ngx_http_cargo_flag(job,
                                            NGX_HTTP_CARGO_COLUMN_RESTRICTED);

    if (said->status != NGX_HTTP_OK) {
        return;
    }

    if (kind == NGX_HTTP_CARGO_READ_DOCUMENT) {
        thing->modified = ngx_http_cargo_number(job,
                                               NGX_HTTP_CARGO_COLUMN_MODIFIED);

        document.data = said->body.data;
        document.len = said->body.len;

        if (cargo_sha256(document, hash) == -1) {
            said->status = NGX_HTTP_INTERNAL_SERVER_ERROR;
            said->body.len = 0;
            return;
        }

        src.data = hash;
        src.len = NGX_HTTP_CARGO_TAG_HASH;
        tag.data = thing->document.tag;
        ngx_encode_base64url(&tag, &src);

        (void) ngx_http_time(thing->document.date, thing->modified);

        return;
    }

    checksum = ngx_cargo_pg_field(job, NGX_HTTP_CARGO_COLUMN_CHECKSUM);
    thing->version_id = ngx_http_cargo_number(job,
                                            NGX_HTTP_CARGO_COLUMN_VERSION_ID);

    if (checksum.len != NGX_CARGO_BLOB_HEX) {
        said->status = NGX_HTTP_INTERNAL_SERVER_ERROR;
        return;
    }

    ngx_memcpy(thing->checksum, checksum.data, NGX_CARGO_BLOB_HEX);
}


static ngx_uint_t
ngx_http_cargo_flag(ngx_cargo_pg_job_t *job, ngx_uint_t column)
{
    ngx_str_t  field;

    field = ngx_cargo_pg_field(job, column);

    return field.len && field.data[0] == 't';
}


/* 0: null */

static int64_t
ngx_http_cargo_number(ngx_cargo_pg_job_t *job, ngx_uint_t column)
{
    off_t      n;
    ngx_str_t  field;

    field = ngx_cargo_pg_field(job, column);
    n = ngx_atoof(field.data, field.len);

    return n == NGX_ERROR ? 0 : n;
}


void
ngx_http_cargo_fill(ngx_cargo_shm_t *shm, ngx_http_cargo_question_t *q,
    ngx_http_cargo_generations_t *generations, time_t asked,
    ngx_http_cargo_said_t *said)
{
    if (!said->registry || said->status >= NGX_HTTP_INTERNAL_SERVER_ERROR) {
        return;
    }

    ngx_http_cargo_fill_access(shm, q, &generations->access, asked, said);

    if (!said->granted || q->kind == NGX_HTTP_CARGO_READ_CONFIG) {
        return;
    }

    if (!said->hidden) {
        ngx_http_cargo_fill_thing(shm, q, &generations->thing, asked, said);
    }

    if (said->hidden || said->thing.restricted || said->access.limited) {
        ngx_http_cargo_fill_sight(shm, q, &generations->sight, asked, said);
    }
}


static void
ngx_http_cargo_fill_thing(ngx_cargo_shm_t *shm, ngx_http_cargo_question_t *q,
    cargo_zone_generation_t *generation, time_t asked,
    ngx_http_cargo_said_t *said)
{
    ngx_str_t             none;
    ngx_http_cargo_key_t  key;

    if (ngx_http_cargo_key_thing(&key, q) == NGX_OK) {
        ngx_str_null(&none);

        ngx_http_cargo_key_groups(&key, q);
        ngx_http_cargo_store_thing(shm, &key, generation, asked, &said->thing,
                                   &said->body, &none);
    }
}


void
ngx_http_cargo_store_thing(ngx_cargo_shm_t *shm, ngx_http_cargo_key_t *key,
    cargo_zone_generation_t *generation, time_t stored,
    ngx_http_cargo_thing_t *thing, ngx_str_t *body, ngx_str_t *gzip)
{
    ngx_http_cargo_store(shm, key, generation, stored, thing,
                         sizeof(ngx_http_cargo_thing_t), body, gzip);
}


/* names and the sentence are together what a client sends in a header */

static void
ngx_http_cargo_fill_access(ngx_cargo_shm_t *shm, ngx_http_cargo_question_t *q,
    cargo_zone_generation_t *generation, time_t asked,
    ngx_http_cargo_said_t *said)
{
    u_char                *p, text[CARGO_ZONE_COPY];
    ngx_str_t              body, none;
    ngx_http_cargo_key_t   key;

    body.data = text;
    body.len = said->account.len + said->token_name.len;

    if (!said->granted) {
        body.len += said->body.len;
    }

    if (body.len > sizeof(text)
        || ngx_http_cargo_key_access(&key, q) != NGX_OK)
    {
        return;
    }

    p = ngx_cpymem(text, said->account.data, said->account.len);
    p = ngx_cpymem(p, said->token_name.data, said->token_name.len);

    if (!said->granted) {
        ngx_memcpy(p, said->body.data, said->body.len);
    }

    ngx_str_null(&none);

    ngx_http_cargo_key_groups(&key, q);

    if (ngx_http_cargo_is_known(shm, q, &key, asked, said, &body)) {
        return;
    }

    ngx_http_cargo_store(shm, &key, generation, asked, &said->access,
                         sizeof(ngx_http_cargo_access_t), &body, &none);
}


/*
 * Of the three functions only cargo.index_config() notes the token's use.  All
 * of a batch say the same of the caller: the first is enough in a second.
 */

static ngx_uint_t
ngx_http_cargo_is_known(ngx_cargo_shm_t *shm, ngx_http_cargo_question_t *q,
    ngx_http_cargo_key_t *key, time_t asked, ngx_http_cargo_said_t *said,
    ngx_str_t *body)
{
    cargo_zone_value_t        value;
    ngx_http_cargo_access_t   known;
    static u_char             text[CARGO_ZONE_COPY];

    if (q->kind == NGX_HTTP_CARGO_READ_CONFIG) {
        said->access.touched = asked;
        return 0;
    }

    said->access.touched = 0;

    if (cargo_zone_peek(&shm->zone, &key->zone, ngx_time(), 0, text, &value)
        != CARGO_OK)
    {
        return 0;
    }

    ngx_memcpy(&known, value.head, sizeof(ngx_http_cargo_access_t));
    said->access.touched = known.touched;

    return value.stored == asked
           && ngx_memcmp(&known, &said->access,
                         sizeof(ngx_http_cargo_access_t))
              == 0
           && value.body_len[0] == body->len
           && ngx_memcmp(text, body->data, body->len) == 0;
}


static void
ngx_http_cargo_fill_sight(ngx_cargo_shm_t *shm, ngx_http_cargo_question_t *q,
    cargo_zone_generation_t *generation, time_t asked,
    ngx_http_cargo_said_t *said)
{
    ngx_str_t               none, *sentence;
    ngx_http_cargo_key_t    key;
    ngx_http_cargo_sight_t  sight;

    if (ngx_http_cargo_key_sight(&key, q) != NGX_OK) {
        return;
    }

    ngx_str_null(&none);
    ngx_memzero(&sight, sizeof(ngx_http_cargo_sight_t));

    sight.sees = !said->hidden;
    sentence = said->hidden ? &said->body : &none;

    ngx_http_cargo_key_groups(&key, q);
    ngx_http_cargo_store(shm, &key, generation, asked, &sight,
                         sizeof(ngx_http_cargo_sight_t), sentence, &none);
}


/* what does not fit is asked for again */

static void
ngx_http_cargo_store(ngx_cargo_shm_t *shm, ngx_http_cargo_key_t *key,
    cargo_zone_generation_t *generation, time_t asked, void *head,
    size_t head_len, ngx_str_t *body, ngx_str_t *gzip)
{
    cargo_str_t  data, bodies[CARGO_ZONE_BODIES];

    data.data = head;
    data.len = head_len;

    bodies[0].data = body->data;
    bodies[0].len = body->len;
    bodies[1].data = gzip->data;
    bodies[1].len = gzip->len;

    (void) cargo_zone_store(&shm->zone, &key->zone, generation, asked, data,
                            bodies);
}
