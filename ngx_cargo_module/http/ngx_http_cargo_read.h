
/*
 * Reads of the index and of files, from the cache in shared memory as long as
 * it is in step with the database, else from the database, which is asked
 * once for all who ask the same at the same time.
 *
 * Five kinds of entries, by the first byte of their keys, whose parts are
 * separated by NUL:
 *
 *   a  registry, credential                 may it read here, as whom
 *   d  registry, name in the index          a document, or that there is none
 *   f  registry, crate, version             a file, or that there is none
 *   s  registry, credential, crate          does it see the crate
 *   w  registry, credential                 it may write, or could just now
 *
 * What a read needs is an "a", then a "d" or an "f", and when that is
 * restricted or the credential is limited, an "s".  Names in keys are as the
 * client spells them, since the sentences quote them.
 *
 * Memory: what is handed to a request is copied into its pool.
 *
 * Always true: an entry is stored under the generations that were taken
 * before the question; "d" and "f" hold nothing that is not for everybody who
 * sees the crate; a registry that does not exist has no entries.
 */


#ifndef NGX_HTTP_CARGO_READ_H
#define NGX_HTTP_CARGO_READ_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_cargo_blob.h"
#include "ngx_cargo_pg.h"
#include "ngx_cargo_shm.h"


/*
 * The first bytes of SHA-256, and base64url of them, since over HTTP/2
 * each character of a tag is coded bit by bit, twice in a 304.
 */
#define NGX_HTTP_CARGO_TAG_HASH  12
#define NGX_HTTP_CARGO_TAG       16

#define NGX_HTTP_CARGO_DATE     (sizeof("Mon, 28 Sep 1970 06:00:00 GMT") - 1)

/* longer ones are no registry's, no version's, and not cached */
#define NGX_HTTP_CARGO_PART     64
#define NGX_HTTP_CARGO_VERSION  104


/* shorter documents have no gzip form */
#define NGX_HTTP_CARGO_GZIP_MIN  512


/* order of the statements that answer them */
typedef enum {
    NGX_HTTP_CARGO_READ_CONFIG = 0,
    NGX_HTTP_CARGO_READ_DOCUMENT,
    NGX_HTTP_CARGO_READ_FILE
} ngx_http_cargo_read_e;


/*
 * Which entries are answers: all while the lease holds; without it those that
 * were stored a moment ago, so that the database is not asked by everybody;
 * and when it does not answer those within the bounds of cargo_zone.
 */
typedef enum {
    NGX_HTTP_CARGO_TRUST_ALL = 0,
    NGX_HTTP_CARGO_TRUST_RECENT,
    NGX_HTTP_CARGO_TRUST_STALE
} ngx_http_cargo_trust_e;


typedef struct {
    ngx_http_cargo_read_e        kind;
    ngx_str_t                    registry;
    ngx_str_t                    credential;
    ngx_str_t                    crate;
    ngx_str_t                    version;
} ngx_http_cargo_question_t;


/* heads of entries; body 0 of each: the sentence of a refusal, at its end */

typedef struct {
    int64_t                      expires;       /* seconds; 0: never */
    int64_t                      touched;       /* the token was, by us */
    uint16_t                     status;
    uint16_t                     account;       /* lengths in body 0 */
    uint16_t                     token_name;
    uint8_t                      private;       /* no one without a token */
    uint8_t                      limited;       /* to some crates */
} ngx_http_cargo_access_t;

/* of a document or of a file */
typedef struct {
    int64_t                      modified;      /* seconds */
    uint64_t                     version_id;
    uint16_t                     status;        /* 200 or 404 */
    uint8_t                      restricted;

    union {
        struct {
            u_char               tag[NGX_HTTP_CARGO_TAG];
            u_char               date[NGX_HTTP_CARGO_DATE];
        } document;

        u_char                   checksum[NGX_CARGO_BLOB_HEX];
    };
} ngx_http_cargo_thing_t;

typedef struct {
    uint8_t                      sees;
} ngx_http_cargo_sight_t;


/* a key and the groups it depends on, with room for their bytes */
typedef struct {
    cargo_zone_key_t             zone;
    u_char                       text[CARGO_ZONE_KEY];
    u_char                       registry[1 + NGX_HTTP_CARGO_PART];
    u_char                       crate[2 + 2 * NGX_HTTP_CARGO_PART];
} ngx_http_cargo_key_t;


/* of the entries that an answer makes, taken before the question */
typedef struct {
    cargo_zone_generation_t      access;
    cargo_zone_generation_t      thing;
    cargo_zone_generation_t      sight;
} ngx_http_cargo_generations_t;


/* what the database has said; texts point into the job */
typedef struct {
    ngx_uint_t                   status;
    ngx_str_t                    body;
    ngx_str_t                    account;
    ngx_str_t                    token_name;

    ngx_http_cargo_access_t      access;
    ngx_http_cargo_thing_t       thing;

    unsigned                     registry:1;    /* there is one */
    unsigned                     granted:1;     /* it may be read */
    unsigned                     hidden:1;
} ngx_http_cargo_said_t;


typedef struct ngx_http_cargo_flight_s  ngx_http_cargo_flight_t;
typedef struct ngx_http_cargo_writer_s  ngx_http_cargo_writer_t;

typedef void (*ngx_http_cargo_read_pt)(ngx_http_request_t *r);

/* of a request: what it asks, how it waits, and the answer */
typedef struct {
    ngx_http_cargo_question_t    question;

    ngx_http_request_t          *request;
    ngx_http_cargo_flight_t     *flight;        /* NULL: it does not wait */
    ngx_http_cargo_read_pt       answered;
    ngx_queue_t                  queue;

    ngx_uint_t                   status;        /* 200, or of a refusal */
    ngx_str_t                    sentence;

    ngx_http_cargo_thing_t       thing;
    ngx_str_t                    body;
    size_t                       length;        /* of it, if it is wanted */

    unsigned                     private:1;     /* not for everybody */
    unsigned                     limited:1;
    unsigned                     gzip:1;        /* the form that is sent */
    unsigned                     forms:1;       /* it has both, or will */
    unsigned                     not_modified:1;
} ngx_http_cargo_read_t;


/* ngx_http_cargo_read.c */

/*
 * NGX_OK: ctx->read has the answer; NGX_AGAIN: answered() will be called when
 * it has.  Else a status to finalize with.  No answer of the database is one
 * too: 503.
 */
ngx_int_t ngx_http_cargo_read(ngx_http_request_t *r,
    ngx_http_cargo_read_e kind, ngx_http_cargo_read_pt answered);

/* a request that waits has its answer; answered() is called */
void ngx_http_cargo_read_said(ngx_http_cargo_read_t *read,
    ngx_http_cargo_said_t *said);


/* whether the database answers: the status of what it was asked */
void ngx_http_cargo_read_heard(ngx_uint_t status);

ngx_int_t ngx_http_cargo_read_copy(ngx_http_request_t *r, ngx_str_t *dst,
    ngx_str_t src);

/*
 * Which body of a document that is there is to be sent, -1: none.  Sets what
 * follows from the request's validators and what it accepts.
 */
int ngx_http_cargo_wanted_body(ngx_http_request_t *r, const size_t *lengths);


/* ngx_http_cargo_zone.c */

/* NGX_OK: ctx->read has the answer; NGX_DECLINED: it is not all there */
ngx_int_t ngx_http_cargo_read_zone(ngx_http_request_t *r,
    ngx_http_cargo_trust_e trust);


/* ngx_http_cargo_keys.c: groups */

/* NGX_DECLINED: it is too long to be cached; crate: canonical or not */
ngx_int_t ngx_http_cargo_group_registry(ngx_http_cargo_key_t *key,
    ngx_str_t *registry, cargo_str_t *group);
ngx_int_t ngx_http_cargo_group_crate(ngx_http_cargo_key_t *key,
    ngx_str_t *registry, ngx_str_t *crate, cargo_str_t *group);

/* the permissions in all registries */
extern const cargo_str_t  ngx_http_cargo_group_all;

/* keys: text alone, for fetching; NGX_DECLINED: too long to be cached */
ngx_int_t ngx_http_cargo_key_access(ngx_http_cargo_key_t *key,
    ngx_http_cargo_question_t *q);
ngx_int_t ngx_http_cargo_key_thing(ngx_http_cargo_key_t *key,
    ngx_http_cargo_question_t *q);
ngx_int_t ngx_http_cargo_key_sight(ngx_http_cargo_key_t *key,
    ngx_http_cargo_question_t *q);
ngx_int_t ngx_http_cargo_key_writer(ngx_http_cargo_key_t *key,
    ngx_http_cargo_question_t *q);

/* the groups of what begins with the byte that the key does */
void ngx_http_cargo_key_groups(ngx_http_cargo_key_t *key,
    ngx_http_cargo_question_t *q);

/*
 * The other way round: what key->text, of so many bytes, asks, with its parts
 * in it, and the groups.  NGX_DECLINED: it is no key of ours.
 */
ngx_int_t ngx_http_cargo_key_question(ngx_http_cargo_key_t *key, size_t len,
    ngx_http_cargo_question_t *q);

/* NGX_DECLINED: nothing of this is cached */
ngx_int_t ngx_http_cargo_generations(ngx_cargo_shm_t *shm,
    ngx_http_cargo_question_t *q, ngx_http_cargo_generations_t *generations);


/* ngx_http_cargo_flight.c */

/*
 * The request waits for the answer to its question, from a query of its own
 * or one that is under way; with background nobody waits, and there is one
 * afterwards.  NGX_OK, else what submitting the query returned, or NGX_ERROR.
 */
ngx_int_t ngx_http_cargo_flight_join(ngx_http_request_t *r,
    ngx_uint_t background);

/* the request goes away */
void ngx_http_cargo_flight_leave(ngx_http_cargo_read_t *read);


/* ngx_http_cargo_fill.c */

void ngx_http_cargo_said(ngx_cargo_pg_job_t *job, ngx_http_cargo_read_e kind,
    ngx_http_cargo_said_t *said);

void ngx_http_cargo_fill(ngx_cargo_shm_t *shm, ngx_http_cargo_question_t *q,
    ngx_http_cargo_generations_t *generations, time_t asked,
    ngx_http_cargo_said_t *said);

void ngx_http_cargo_store_thing(ngx_cargo_shm_t *shm,
    ngx_http_cargo_key_t *key, cargo_zone_generation_t *generation,
    time_t stored, ngx_http_cargo_thing_t *thing, ngx_str_t *body,
    ngx_str_t *gzip);


/* ngx_http_cargo_gzip.c */

/*
 * Of a document that was found without a gzip form, by a client that takes
 * one: made now and sent, or for a long one in a thread, for those to come;
 * and stored, as old as it is.  key: of the document, value: what was found.
 */
void ngx_http_cargo_gzip(ngx_http_request_t *r, ngx_http_cargo_key_t *key,
    cargo_zone_value_t *value);


/* ngx_http_cargo_validators.c */

/* whether the request has any that is ours to judge */
ngx_uint_t ngx_http_cargo_conditional(ngx_http_request_t *r);

/* what the client has is this; *gzip: which form it has, or would be sent */
ngx_uint_t ngx_http_cargo_not_modified(ngx_http_request_t *r, ngx_str_t *tag,
    time_t modified, ngx_uint_t *gzip);

/* whether the client takes a gzip form */
ngx_uint_t ngx_http_cargo_takes_gzip(ngx_http_request_t *r);


/* ngx_http_cargo_writer.c */

/*
 * NGX_OK: the caller was let in to publish a moment ago; account and token
 * name are set.  Else he has to be asked for, and kept when he is let in.
 */
ngx_int_t ngx_http_cargo_writer_known(ngx_http_request_t *r);
void ngx_http_cargo_writer_keep(ngx_http_request_t *r);


#endif /* NGX_HTTP_CARGO_READ_H */
