
#include "ngx_cargo_shm.h"

#include <openssl/rand.h>

#include "cargo_siphash.h"


#define NGX_CARGO_SHM_LEASE  5
#define NGX_CARGO_SHM_STALE  (60 * 60)


static char *ngx_cargo_shm_argument(ngx_conf_t *cf, ngx_cargo_shm_t *shm,
    ngx_str_t *value);
static ngx_int_t ngx_cargo_shm_init_zone(ngx_shm_zone_t *shm_zone,
    void *data);
static ngx_int_t ngx_cargo_shm_make(ngx_shm_zone_t *shm_zone,
    ngx_cargo_shm_t *shm);
static void ngx_cargo_shm_lock(void *mutex);
static void ngx_cargo_shm_unlock(void *mutex);


char *
ngx_cargo_shm_add(ngx_conf_t *cf, ngx_cargo_shm_t **pshm, void *tag)
{
    u_char           *colon;
    char             *error;
    ssize_t           size;
    ngx_str_t        *value, name, s;
    ngx_uint_t        i;
    ngx_cargo_shm_t  *shm;

    if (*pshm) {
        return "is duplicate";
    }

    value = cf->args->elts;
    colon = ngx_strlchr(value[1].data, value[1].data + value[1].len, ':');

    if (colon == NULL || colon == value[1].data) {
        return "takes name:size";
    }

    name.data = value[1].data;
    name.len = colon - value[1].data;
    s.data = colon + 1;
    s.len = value[1].data + value[1].len - s.data;

    size = ngx_parse_size(&s);

    if (size < (ssize_t) (256 * 1024)) {
        return "takes a size of 256k or more";
    }

    shm = ngx_pcalloc(cf->pool, sizeof(ngx_cargo_shm_t));
    if (shm == NULL) {
        return NGX_CONF_ERROR;
    }

    shm->lease = NGX_CARGO_SHM_LEASE;
    shm->stale = NGX_CARGO_SHM_STALE;

    for (i = 2; i < cf->args->nelts; i++) {
        error = ngx_cargo_shm_argument(cf, shm, &value[i]);
        if (error != NGX_CONF_OK) {
            return error;
        }
    }

    shm->shm_zone = ngx_shared_memory_add(cf, &name, size, tag);
    if (shm->shm_zone == NULL) {
        return NGX_CONF_ERROR;
    }

    shm->shm_zone->init = ngx_cargo_shm_init_zone;
    shm->shm_zone->data = shm;

    *pshm = shm;

    return NGX_CONF_OK;
}


static char *
ngx_cargo_shm_argument(ngx_conf_t *cf, ngx_cargo_shm_t *shm,
    ngx_str_t *value)
{
    time_t     *time;
    ngx_str_t   s;

    if (ngx_strncmp(value->data, "snapshot=", 9) == 0) {
        shm->snapshot.data = value->data + 9;
        shm->snapshot.len = value->len - 9;

        return ngx_conf_full_name(cf->cycle, &shm->snapshot, 0) == NGX_OK
               ? NGX_CONF_OK : NGX_CONF_ERROR;
    }

    if (ngx_strncmp(value->data, "lease=", 6) == 0) {
        time = &shm->lease;

    } else if (ngx_strncmp(value->data, "stale=", 6) == 0) {
        time = &shm->stale;

    } else {
        return "takes name:size, lease=TIME, stale=TIME and snapshot=PATH";
    }

    s.data = value->data + 6;
    s.len = value->len - 6;

    *time = ngx_parse_time(&s, 1);

    if (*time == (time_t) NGX_ERROR
        || (time == &shm->lease && (*time < 2 || *time > 60)))
    {
        return "takes times such as lease=5s (2 to 60 seconds) and stale=1h";
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_cargo_shm_init_zone(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_cargo_shm_t  *shm = shm_zone->data;
    ngx_cargo_shm_t  *old = data;

    shm->zone.lock = ngx_cargo_shm_lock;
    shm->zone.unlock = ngx_cargo_shm_unlock;
    shm->zone.mutex = &((ngx_slab_pool_t *) shm_zone->shm.addr)->mutex;

    if (old) {
        shm->zone.header = old->zone.header;
        shm->state = old->state;

        return NGX_OK;
    }

    return ngx_cargo_shm_make(shm_zone, shm);
}


/*
 * Of nginx's slab only two allocations are made, once: the state, and all
 * pages that are left for the cache, which divides them itself.
 */

static ngx_int_t
ngx_cargo_shm_make(ngx_shm_zone_t *shm_zone, ngx_cargo_shm_t *shm)
{
    void             *region;
    size_t            size;
    u_char            seed[CARGO_SIPHASH_KEY];
    ngx_slab_pool_t  *shpool;

    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;
    shpool->log_nomem = 0;

    shm->state = ngx_slab_calloc(shpool, sizeof(ngx_cargo_shm_state_t));

    size = shpool->pfree * ngx_pagesize;
    region = size ? ngx_slab_alloc(shpool, size) : NULL;

    if (shm->state == NULL || region == NULL
        || RAND_bytes(seed, sizeof(seed)) != 1
        || cargo_zone_create(&shm->zone, region, size, seed) != 0)
    {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "cargo_zone \"%V\" is too small", &shm_zone->shm.name);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_cargo_shm_lock(void *mutex)
{
    ngx_shmtx_lock(mutex);
}


static void
ngx_cargo_shm_unlock(void *mutex)
{
    ngx_shmtx_unlock(mutex);
}


ngx_uint_t
ngx_cargo_shm_fresh(ngx_cargo_shm_t *shm)
{
    return ngx_time() < (time_t) shm->state->lease;
}


ngx_uint_t
ngx_cargo_shm_usable(ngx_cargo_shm_t *shm)
{
    return ngx_time() - (time_t) shm->state->confirmed <= shm->stale;
}


void
ngx_cargo_shm_renew(ngx_cargo_shm_t *shm, ngx_str_t *since)
{
    if (since->len > NGX_CARGO_SHM_SINCE) {
        return;
    }

    ngx_cargo_shm_lock(shm->zone.mutex);

    ngx_memcpy(shm->state->since, since->data, since->len);
    shm->state->since_len = since->len;

    ngx_cargo_shm_unlock(shm->zone.mutex);

    shm->state->confirmed = ngx_time();
    shm->state->lease = ngx_time() + shm->lease;
}


ngx_str_t
ngx_cargo_shm_since(ngx_cargo_shm_t *shm, u_char *buffer)
{
    ngx_str_t  since;

    ngx_cargo_shm_lock(shm->zone.mutex);

    since.data = buffer;
    since.len = shm->state->since_len;
    ngx_memcpy(buffer, shm->state->since, since.len);

    ngx_cargo_shm_unlock(shm->zone.mutex);

    return since;
}
