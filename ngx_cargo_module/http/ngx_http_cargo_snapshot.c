
#include "ngx_http_cargo.h"

#include <openssl/evp.h>


/*
 * What the entries of the cache are in the snapshot: their heads, number by
 * number, and the question whether what was read could ever have been stored.
 *
 *   a     expires 8, touched 8, status 2, account 2, token_name 2, private 1,
 *         limited 1
 *   d, f  modified 8, version_id 8, status 2, restricted 1, tag
 *   s     sees 1
 */


#define NGX_HTTP_CARGO_HEAD_ACCESS  (8 + 8 + 2 + 2 + 2 + 1 + 1)
#define NGX_HTTP_CARGO_HEAD_THING   (8 + 8 + 2 + 1 + NGX_CARGO_BLOB_HEX)
#define NGX_HTTP_CARGO_HEAD_SIGHT   1

/* of the year 9999: later ones have no Last-Modified */
#define NGX_HTTP_CARGO_LAST_TIME    253402300799

_Static_assert(NGX_HTTP_CARGO_HEAD_THING <= CARGO_ZONE_HEAD
               && NGX_HTTP_CARGO_HEAD_ACCESS <= CARGO_ZONE_HEAD,
               "heads have room");


static ngx_int_t ngx_http_cargo_snapshot_source(
    ngx_http_cargo_main_conf_t *mcf, ngx_log_t *log);
static ngx_int_t ngx_http_cargo_snapshot_server(EVP_MD_CTX *md,
    const char **keywords, const char **values);
static ngx_uint_t ngx_http_cargo_snapshot_pack(ngx_cargo_shm_t *shm,
    cargo_snapshot_entry_t *entry, u_char *head);
static ngx_uint_t ngx_http_cargo_snapshot_kept(ngx_cargo_shm_t *shm,
    cargo_str_t key);
static ngx_uint_t ngx_http_cargo_snapshot_unpack(ngx_cargo_shm_t *shm,
    cargo_snapshot_entry_t *entry, cargo_zone_key_t *key);
static ngx_uint_t ngx_http_cargo_snapshot_access(
    cargo_snapshot_entry_t *entry);
static ngx_uint_t ngx_http_cargo_snapshot_thing(
    cargo_snapshot_entry_t *entry, ngx_http_cargo_read_e kind);
static ngx_uint_t ngx_http_cargo_snapshot_sight(
    cargo_snapshot_entry_t *entry);
static ngx_uint_t ngx_http_cargo_snapshot_tag(u_char *p);
static ngx_uint_t ngx_http_cargo_snapshot_hex(u_char *p);


static ngx_cargo_snapshot_t  ngx_http_cargo_snapshot = {
    .pack = ngx_http_cargo_snapshot_pack,
    .unpack = ngx_http_cargo_snapshot_unpack
};

/* of the entry that is read */
static ngx_http_cargo_key_t  ngx_http_cargo_snapshot_key;

static union {
    ngx_http_cargo_access_t  access;
    ngx_http_cargo_thing_t   thing;
    ngx_http_cargo_sight_t   sight;
} ngx_http_cargo_snapshot_head;


void
ngx_http_cargo_snapshot_load(ngx_http_cargo_main_conf_t *mcf, ngx_uid_t user,
    ngx_log_t *log)
{
    if (mcf->shm == NULL || !mcf->shm->snapshot.len || !mcf->shm->made
        || ngx_test_config
        || ngx_http_cargo_snapshot_source(mcf, log) != NGX_OK)
    {
        return;
    }

    ngx_cargo_snapshot_load(mcf->shm, &ngx_http_cargo_snapshot, user, log);
}


ngx_int_t
ngx_http_cargo_snapshot_init(ngx_cycle_t *cycle,
    ngx_http_cargo_main_conf_t *mcf)
{
    if (!mcf->shm->snapshot.len) {
        return NGX_OK;
    }

    if (ngx_http_cargo_snapshot_source(mcf, cycle->log) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_cargo_snapshot_init(cycle, mcf->shm, &ngx_http_cargo_snapshot);
}


/* what a database is found by: of another one nothing is true */

static ngx_int_t
ngx_http_cargo_snapshot_source(ngx_http_cargo_main_conf_t *mcf,
    ngx_log_t *log)
{
    u_char                   hash[EVP_MAX_MD_SIZE];
    EVP_MD_CTX              *md;
    ngx_int_t                rc;
    ngx_uint_t               i;
    ngx_cargo_pg_servers_t  *servers;

    servers = &mcf->pg.servers;

    md = EVP_MD_CTX_new();
    rc = (md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1) ? NGX_OK
                                                                : NGX_ERROR;

    for (i = 0; rc == NGX_OK && i < servers->n; i++) {
        rc = ngx_http_cargo_snapshot_server(md, servers->keywords,
                                            servers->values[i]);
    }

    if (rc == NGX_OK && EVP_DigestFinal_ex(md, hash, NULL) == 1) {
        ngx_memcpy(ngx_http_cargo_snapshot.source, hash,
                   CARGO_SNAPSHOT_SOURCE);

    } else {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "cargo_zone: no snapshot: OpenSSL has no SHA-256");
        rc = NGX_ERROR;
    }

    EVP_MD_CTX_free(md);

    return rc;
}


static ngx_int_t
ngx_http_cargo_snapshot_server(EVP_MD_CTX *md, const char **keywords,
    const char **values)
{
    ngx_uint_t   i, j;
    const char  *value;

    static const char *const  names[] = {
        "host", "hostaddr", "port", "dbname", "service"
    };

    for (i = 0; keywords[i]; i++) {
        value = values[i];

        for (j = 0; j < sizeof(names) / sizeof(names[0]); j++) {
            if (value && ngx_strcmp(keywords[i], names[j]) == 0
                && (EVP_DigestUpdate(md, names[j], ngx_strlen(names[j]) + 1)
                    != 1
                    || EVP_DigestUpdate(md, value, ngx_strlen(value) + 1)
                       != 1))
            {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_cargo_snapshot_pack(ngx_cargo_shm_t *shm,
    cargo_snapshot_entry_t *entry, u_char *head)
{
    u_char                  *p;
    ngx_http_cargo_thing_t   thing;
    ngx_http_cargo_access_t  access;

    if (!ngx_http_cargo_snapshot_kept(shm, entry->key)) {
        return 0;
    }

    p = head;

    switch (entry->key.data[0]) {

    case 'a':
        ngx_memcpy(&access, entry->head.data, sizeof(access));

        p = cargo_snapshot_put(p, access.expires, 8);
        p = cargo_snapshot_put(p, access.touched, 8);
        p = cargo_snapshot_put(p, access.status, 2);
        p = cargo_snapshot_put(p, access.account, 2);
        p = cargo_snapshot_put(p, access.token_name, 2);
        *p++ = access.private;
        *p++ = access.limited;
        break;

    case 's':
        *p++ = ((ngx_http_cargo_sight_t *) (void *) entry->head.data)->sees;
        break;

    default: /* 'd', 'f' */
        ngx_memcpy(&thing, entry->head.data, sizeof(thing));

        p = cargo_snapshot_put(p, thing.modified, 8);
        p = cargo_snapshot_put(p, thing.version_id, 8);
        p = cargo_snapshot_put(p, thing.status, 2);
        *p++ = thing.restricted;
        p = ngx_cpymem(p, thing.checksum, NGX_CARGO_BLOB_HEX);
        break;
    }

    entry->head.data = head;
    entry->head.len = p - head;

    return 1;
}


/* verdicts on who has proved himself are no use without a bound for them */

static ngx_uint_t
ngx_http_cargo_snapshot_kept(ngx_cargo_shm_t *shm, cargo_str_t key)
{
    u_char  *p;

    if (shm->stale_access || (key.data[0] != 'a' && key.data[0] != 's')) {
        return 1;
    }

    p = ngx_strlchr(key.data, key.data + key.len, '\0');

    return p && p + 1 < key.data + key.len && p[1] == 'n';
}


static ngx_uint_t
ngx_http_cargo_snapshot_unpack(ngx_cargo_shm_t *shm,
    cargo_snapshot_entry_t *entry, cargo_zone_key_t *key)
{
    ngx_uint_t                  good;
    ngx_http_cargo_key_t       *k;
    ngx_http_cargo_question_t   q;

    k = &ngx_http_cargo_snapshot_key;
    ngx_memcpy(k->text, entry->key.data, entry->key.len);

    if (ngx_http_cargo_key_question(k, entry->key.len, &q) != NGX_OK
        || !ngx_http_cargo_snapshot_kept(shm, entry->key))
    {
        return 0;
    }

    ngx_memzero(&ngx_http_cargo_snapshot_head,
                sizeof(ngx_http_cargo_snapshot_head));

    switch (k->text[0]) {

    case 'a':
        good = ngx_http_cargo_snapshot_access(entry);
        entry->head.len = sizeof(ngx_http_cargo_access_t);
        break;

    case 's':
        good = ngx_http_cargo_snapshot_sight(entry);
        entry->head.len = sizeof(ngx_http_cargo_sight_t);
        break;

    default: /* 'd', 'f' */
        good = ngx_http_cargo_snapshot_thing(entry, q.kind);
        entry->head.len = sizeof(ngx_http_cargo_thing_t);
        break;
    }

    entry->head.data = (u_char *) &ngx_http_cargo_snapshot_head;
    *key = k->zone;

    return good;
}


static ngx_uint_t
ngx_http_cargo_snapshot_access(cargo_snapshot_entry_t *entry)
{
    const u_char             *p;
    uint64_t                  expires, touched, status, account, token_name;
    ngx_http_cargo_access_t  *access;

    if (entry->head.len != NGX_HTTP_CARGO_HEAD_ACCESS) {
        return 0;
    }

    p = cargo_snapshot_get(entry->head.data, &expires, 8);
    p = cargo_snapshot_get(p, &touched, 8);
    p = cargo_snapshot_get(p, &status, 2);
    p = cargo_snapshot_get(p, &account, 2);
    p = cargo_snapshot_get(p, &token_name, 2);

    access = &ngx_http_cargo_snapshot_head.access;

    access->expires = expires;
    access->touched = touched;
    access->status = status;
    access->account = account;
    access->token_name = token_name;
    access->private = p[0];
    access->limited = p[1];

    return (status == NGX_HTTP_OK
            || (status >= NGX_HTTP_BAD_REQUEST
                && status < NGX_HTTP_INTERNAL_SERVER_ERROR))
           && access->private <= 1 && access->limited <= 1
           && account + token_name <= entry->bodies[0].len
           && entry->bodies[0].len <= CARGO_ZONE_COPY
           && entry->bodies[1].len == 0;
}


static ngx_uint_t
ngx_http_cargo_snapshot_thing(cargo_snapshot_entry_t *entry,
    ngx_http_cargo_read_e kind)
{
    const u_char            *p;
    uint64_t                 modified, version_id, status;
    ngx_http_cargo_thing_t  *thing;

    if (entry->head.len != NGX_HTTP_CARGO_HEAD_THING) {
        return 0;
    }

    p = cargo_snapshot_get(entry->head.data, &modified, 8);
    p = cargo_snapshot_get(p, &version_id, 8);
    p = cargo_snapshot_get(p, &status, 2);

    thing = &ngx_http_cargo_snapshot_head.thing;

    thing->modified = modified;
    thing->version_id = version_id;
    thing->status = status;
    thing->restricted = *p++;
    ngx_memcpy(thing->checksum, p, NGX_CARGO_BLOB_HEX);

    if (thing->restricted > 1 || modified > NGX_HTTP_CARGO_LAST_TIME) {
        return 0;
    }

    if (status == NGX_HTTP_NOT_FOUND) {
        return entry->bodies[1].len == 0;
    }

    if (kind == NGX_HTTP_CARGO_READ_DOCUMENT) {
        (void) ngx_http_time(thing->document.date, thing->modified);

        return status == NGX_HTTP_OK
               && ngx_http_cargo_snapshot_tag(thing->document.tag);
    }

    return status == NGX_HTTP_OK
           && ngx_http_cargo_snapshot_hex(thing->checksum);
}


static ngx_uint_t
ngx_http_cargo_snapshot_sight(cargo_snapshot_entry_t *entry)
{
    if (entry->head.len != NGX_HTTP_CARGO_HEAD_SIGHT) {
        return 0;
    }

    ngx_http_cargo_snapshot_head.sight.sees = entry->head.data[0];

    return entry->head.data[0] <= 1
           && entry->bodies[0].len <= CARGO_ZONE_COPY
           && entry->bodies[1].len == 0;
}


/* it becomes a part of a header */

static ngx_uint_t
ngx_http_cargo_snapshot_tag(u_char *p)
{
    size_t  i;

    for (i = 0; i < NGX_HTTP_CARGO_TAG; i++) {
        if (!((p[i] >= '0' && p[i] <= '9') || (p[i] >= 'a' && p[i] <= 'z')
              || (p[i] >= 'A' && p[i] <= 'Z') || p[i] == '-' || p[i] == '_'))
        {
            return 0;
        }
    }

    return 1;
}


/* it becomes a part of a path */

static ngx_uint_t
ngx_http_cargo_snapshot_hex(u_char *p)
{
    size_t  i;

    for (i = 0; i < NGX_CARGO_BLOB_HEX; i++) {
        if (!((p[i] >= '0' && p[i] <= '9') || (p[i] >= 'a' && p[i] <= 'f'))) {
            return 0;
        }
    }

    return 1;
}
