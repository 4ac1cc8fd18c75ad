
#include "ngx_http_cargo.h"


/* of a hash, or a login: what is left of a key of the kind "s" */
#define NGX_HTTP_CARGO_CREDENTIAL                                             \
    (CARGO_ZONE_KEY - 3 - 2 * NGX_HTTP_CARGO_PART)

_Static_assert(NGX_HTTP_CARGO_VERSION
               <= CARGO_ZONE_KEY - 3 - 2 * NGX_HTTP_CARGO_PART,
               "a key has room for all parts of a file's name");


static ngx_int_t ngx_http_cargo_key_caller(ngx_http_cargo_key_t *key,
    u_char kind, ngx_http_cargo_question_t *q);
static u_char *ngx_http_cargo_key_begin(ngx_http_cargo_key_t *key, u_char kind,
    ngx_str_t *registry);
static u_char *ngx_http_cargo_key_part(u_char *p, ngx_str_t *part);
static void ngx_http_cargo_key_end(ngx_http_cargo_key_t *key, u_char *p);
static ngx_int_t ngx_http_cargo_key_next(ngx_str_t *rest, ngx_str_t *part);
static ngx_int_t ngx_http_cargo_key_credential(ngx_str_t *rest,
    ngx_str_t *credential);


const cargo_str_t  ngx_http_cargo_group_all = cargo_string("p");


ngx_int_t
ngx_http_cargo_group_registry(ngx_http_cargo_key_t *key, ngx_str_t *registry,
    cargo_str_t *group)
{
    if (registry->len > NGX_HTTP_CARGO_PART) {
        return NGX_DECLINED;
    }

    key->registry[0] = 'p';
    ngx_memcpy(&key->registry[1], registry->data, registry->len);

    group->data = key->registry;
    group->len = 1 + registry->len;

    return NGX_OK;
}


ngx_int_t
ngx_http_cargo_group_crate(ngx_http_cargo_key_t *key, ngx_str_t *registry,
    ngx_str_t *crate, cargo_str_t *group)
{
    u_char       *p;
    cargo_str_t   name;

    if (registry->len > NGX_HTTP_CARGO_PART
        || crate->len > NGX_HTTP_CARGO_PART)
    {
        return NGX_DECLINED;
    }

    name.data = crate->data;
    name.len = crate->len;

    p = key->crate;
    *p++ = 'c';
    p = ngx_cpymem(p, registry->data, registry->len);
    *p++ = '\0';
    cargo_name_canonical(name, p);

    group->data = key->crate;
    group->len = p + crate->len - key->crate;

    return NGX_OK;
}


ngx_int_t
ngx_http_cargo_key_access(ngx_http_cargo_key_t *key,
    ngx_http_cargo_question_t *q)
{
    return ngx_http_cargo_key_caller(key, 'a', q);
}


ngx_int_t
ngx_http_cargo_key_writer(ngx_http_cargo_key_t *key,
    ngx_http_cargo_question_t *q)
{
    return ngx_http_cargo_key_caller(key, 'w', q);
}


ngx_int_t
ngx_http_cargo_key_thing(ngx_http_cargo_key_t *key,
    ngx_http_cargo_question_t *q)
{
    u_char  *p;

    if (q->registry.len > NGX_HTTP_CARGO_PART
        || q->crate.len > NGX_HTTP_CARGO_PART
        || q->version.len > NGX_HTTP_CARGO_VERSION)
    {
        return NGX_DECLINED;
    }

    if (q->kind == NGX_HTTP_CARGO_READ_DOCUMENT) {
        p = ngx_http_cargo_key_begin(key, 'd', &q->registry);
        p = ngx_http_cargo_key_part(p, &q->crate);

    } else {
        p = ngx_http_cargo_key_begin(key, 'f', &q->registry);
        p = ngx_http_cargo_key_part(p, &q->crate);
        p = ngx_http_cargo_key_part(p, &q->version);
    }

    ngx_http_cargo_key_end(key, p);

    return NGX_OK;
}


ngx_int_t
ngx_http_cargo_key_sight(ngx_http_cargo_key_t *key,
    ngx_http_cargo_question_t *q)
{
    u_char  *p;

    if (q->registry.len > NGX_HTTP_CARGO_PART
        || q->credential.len > NGX_HTTP_CARGO_CREDENTIAL
        || q->crate.len > NGX_HTTP_CARGO_PART)
    {
        return NGX_DECLINED;
    }

    p = ngx_http_cargo_key_begin(key, 's', &q->registry);
    p = ngx_http_cargo_key_part(p, &q->credential);
    p = ngx_http_cargo_key_part(p, &q->crate);
    ngx_http_cargo_key_end(key, p);

    return NGX_OK;
}


void
ngx_http_cargo_key_groups(ngx_http_cargo_key_t *key,
    ngx_http_cargo_question_t *q)
{
    u_char        kind;
    cargo_str_t  *groups;

    kind = key->text[0];
    groups = key->zone.groups;

    ngx_memzero(groups, CARGO_ZONE_GROUPS * sizeof(cargo_str_t));

    /* what is too long has no key */

    if (kind == 'a' || kind == 's' || kind == 'w') {
        (void) ngx_http_cargo_group_registry(key, &q->registry, &groups[0]);
        groups[1] = ngx_http_cargo_group_all;
    }

    if (kind != 'a' && kind != 'w') {
        (void) ngx_http_cargo_group_crate(key, &q->registry, &q->crate,
                                          &groups[2]);
    }
}


ngx_int_t
ngx_http_cargo_key_question(ngx_http_cargo_key_t *key, size_t len,
    ngx_http_cargo_question_t *q)
{
    ngx_int_t  rc;
    ngx_str_t  rest;

    ngx_memzero(q, sizeof(ngx_http_cargo_question_t));

    if (len == 0) {
        return NGX_DECLINED;
    }

    rest.data = key->text + 1;
    rest.len = len - 1;
    rc = ngx_http_cargo_key_next(&rest, &q->registry);

    switch (key->text[0]) {

    case 'a':
        rc |= ngx_http_cargo_key_credential(&rest, &q->credential);
        break;

    case 'd':
        q->kind = NGX_HTTP_CARGO_READ_DOCUMENT;
        rc |= ngx_http_cargo_key_next(&rest, &q->crate);
        break;

    case 'f':
        q->kind = NGX_HTTP_CARGO_READ_FILE;
        rc |= ngx_http_cargo_key_next(&rest, &q->crate);
        rc |= ngx_http_cargo_key_next(&rest, &q->version);
        break;

    case 's':
        rc |= ngx_http_cargo_key_credential(&rest, &q->credential);
        rc |= ngx_http_cargo_key_next(&rest, &q->crate);
        break;

    default:
        return NGX_DECLINED;
    }

    if (rc != NGX_OK || rest.data != NULL
        || q->registry.len > NGX_HTTP_CARGO_PART
        || q->crate.len > NGX_HTTP_CARGO_PART)
    {
        return NGX_DECLINED;
    }

    ngx_http_cargo_key_end(key, key->text + len);
    ngx_http_cargo_key_groups(key, q);

    return NGX_OK;
}


ngx_int_t
ngx_http_cargo_generations(ngx_cargo_shm_t *shm, ngx_http_cargo_question_t *q,
    ngx_http_cargo_generations_t *generations)
{
    ngx_http_cargo_key_t  key;

    if (ngx_http_cargo_key_access(&key, q) != NGX_OK) {
        return NGX_DECLINED;
    }

    if (q->kind == NGX_HTTP_CARGO_READ_CONFIG) {
        ngx_http_cargo_key_groups(&key, q);
        cargo_zone_generation(&shm->zone, &key.zone, &generations->access);

        generations->thing = generations->access;
        generations->sight = generations->access;

        return NGX_OK;
    }

    if (ngx_http_cargo_key_thing(&key, q) != NGX_OK
        || ngx_http_cargo_key_sight(&key, q) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    /* the sight depends on all groups, the others each on a part of them */

    ngx_http_cargo_key_groups(&key, q);
    cargo_zone_generation(&shm->zone, &key.zone, &generations->sight);

    generations->access = generations->sight;
    cargo_zone_generation_without(&generations->access, 2);

    generations->thing = generations->sight;
    cargo_zone_generation_without(&generations->thing, 0);
    cargo_zone_generation_without(&generations->thing, 1);

    return NGX_OK;
}


static ngx_int_t
ngx_http_cargo_key_caller(ngx_http_cargo_key_t *key, u_char kind,
    ngx_http_cargo_question_t *q)
{
    u_char  *p;

    if (q->registry.len > NGX_HTTP_CARGO_PART
        || q->credential.len > NGX_HTTP_CARGO_CREDENTIAL)
    {
        return NGX_DECLINED;
    }

    p = ngx_http_cargo_key_begin(key, kind, &q->registry);
    p = ngx_http_cargo_key_part(p, &q->credential);
    ngx_http_cargo_key_end(key, p);

    return NGX_OK;
}


static u_char *
ngx_http_cargo_key_begin(ngx_http_cargo_key_t *key, u_char kind,
    ngx_str_t *registry)
{
    key->text[0] = kind;

    return ngx_cpymem(&key->text[1], registry->data, registry->len);
}


static u_char *
ngx_http_cargo_key_part(u_char *p, ngx_str_t *part)
{
    *p++ = '\0';

    return ngx_cpymem(p, part->data, part->len);
}


static void
ngx_http_cargo_key_end(ngx_http_cargo_key_t *key, u_char *p)
{
    key->zone.key.data = key->text;
    key->zone.key.len = p - key->text;
}


/* up to the next NUL, or the end, where rest->data is NULL then */

static ngx_int_t
ngx_http_cargo_key_next(ngx_str_t *rest, ngx_str_t *part)
{
    u_char  *p, *end;

    if (rest->data == NULL) {
        return NGX_DECLINED;
    }

    end = rest->data + rest->len;
    p = ngx_strlchr(rest->data, end, '\0');

    part->data = rest->data;
    part->len = (p ? p : end) - rest->data;

    rest->data = p ? p + 1 : NULL;
    rest->len = p ? end - rest->data : 0;

    return NGX_OK;
}


/* a hash may have a NUL in it */

static ngx_int_t
ngx_http_cargo_key_credential(ngx_str_t *rest, ngx_str_t *credential)
{
    u_char  *hash;

    if (rest->len == 0) {
        return NGX_DECLINED;
    }

    if (rest->data[0] != 't') {
        return (rest->data[0] == 'n' || rest->data[0] == 'l')
               ? ngx_http_cargo_key_next(rest, credential) : NGX_DECLINED;
    }

    if (rest->len < 1 + CARGO_TOKEN_HASH) {
        return NGX_DECLINED;
    }

    hash = rest->data;

    rest->data += CARGO_TOKEN_HASH;
    rest->len -= CARGO_TOKEN_HASH;

    if (rest->len > 1 && rest->data[1] != '\0') {
        return NGX_DECLINED;
    }

    rest->data = rest->len > 1 ? rest->data + 2 : NULL;
    rest->len = rest->len > 1 ? rest->len - 2 : 0;

    credential->data = hash;
    credential->len = 1 + CARGO_TOKEN_HASH;

    return NGX_OK;
}
