
#include "ngx_cargo_shm.h"

#include <openssl/rand.h>

#include "cargo_siphash.h"


#define NGX_CARGO_SHM_LEASE         5000
#define NGX_CARGO_SHM_STALE         (60 * 60)
#define NGX_CARGO_SHM_STALE_ACCESS  (5 * 60)

/* the listener asks once a second */
#define NGX_CARGO_SHM_LEASE_MIN     2000
#define NGX_CARGO_SHM_LEASE_MAX     60000

/* of this the cache can be made, whatever nginx's slab takes for itself */
#define NGX_CARGO_SHM_SIZE_MIN      (256 * 1024)


static char *ngx_cargo_shm_name(ngx_str_t *arg, ngx_str_t *name,
    ssize_t *size);
static char *ngx_cargo_shm_option(ngx_conf_t *cf, ngx_cargo_shm_t *shm,
    ngx_str_t *arg);
static char *ngx_cargo_shm_time(ngx_cargo_shm_t *shm, ngx_str_t *arg);
static char *ngx_cargo_shm_snapshot(ngx_conf_t *cf, ngx_cargo_shm_t *shm,
    ngx_str_t *path);
static ngx_int_t ngx_cargo_shm_init_zone(ngx_shm_zone_t *shm_zone,
    void *data);
static ngx_int_t ngx_cargo_shm_make(ngx_shm_zone_t *shm_zone,
    ngx_cargo_shm_t *shm);
static void ngx_cargo_shm_lock(void *mutex);
static void ngx_cargo_shm_unlock(void *mutex);


char *
ngx_cargo_shm_add(ngx_conf_t *cf, ngx_cargo_shm_t **pshm, ngx_str_t *args,
    ngx_uint_t nargs, void *tag)
{
    char             *error;
    ssize_t           size;
    ngx_str_t         name;
    ngx_uint_t        i;
    ngx_cargo_shm_t  *shm;

    error = ngx_cargo_shm_name(&args[0], &name, &size);
    if (error != NGX_CONF_OK) {
        return error;
    }

    shm = ngx_pcalloc(cf->pool, sizeof(ngx_cargo_shm_t));
    if (shm == NULL) {
        return NGX_CONF_ERROR;
    }

    shm->lease = NGX_CARGO_SHM_LEASE;
    shm->stale = NGX_CARGO_SHM_STALE;
    shm->stale_access = NGX_CARGO_SHM_STALE_ACCESS;

    for (i = 1; i < nargs; i++) {
        error = ngx_cargo_shm_option(cf, shm, &args[i]);
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
ngx_cargo_shm_name(ngx_str_t *arg, ngx_str_t *name, ssize_t *size)
{
    u_char     *colon;
    ngx_str_t   s;

    colon = ngx_strlchr(arg->data, arg->data + arg->len, ':');

    if (colon == NULL || colon == arg->data) {
        return "takes a name and a size first, as in \"cargo:16m\"";
    }

    name->data = arg->data;
    name->len = colon - arg->data;
    s.data = colon + 1;
    s.len = arg->data + arg->len - s.data;

    *size = ngx_parse_size(&s);

    return *size < NGX_CARGO_SHM_SIZE_MIN ? "takes a size of 256k or more"
                                          : NGX_CONF_OK;
}


static char *
ngx_cargo_shm_option(ngx_conf_t *cf, ngx_cargo_shm_t *shm, ngx_str_t *arg)
{
    ngx_str_t  path;

    if (ngx_strncmp(arg->data, "snapshot=", 9) != 0) {
        return ngx_cargo_shm_time(shm, arg);
    }

    path.data = arg->data + 9;
    path.len = arg->len - 9;

    return ngx_cargo_shm_snapshot(cf, shm, &path);
}


static char *
ngx_cargo_shm_time(ngx_cargo_shm_t *shm, ngx_str_t *arg)
{
    u_char     *equal;
    time_t     *time;
    ngx_int_t   n;
    ngx_str_t   s;

    equal = ngx_strlchr(arg->data, arg->data + arg->len, '=');
    s.data = equal ? equal + 1 : arg->data;
    s.len = arg->data + arg->len - s.data;

    if (ngx_strncmp(arg->data, "lease=", 6) == 0) {
        n = ngx_parse_time(&s, 0);

        if (n == NGX_ERROR
            || n < NGX_CARGO_SHM_LEASE_MIN || n > NGX_CARGO_SHM_LEASE_MAX)
        {
            return "takes a lease of 2s to 60s";
        }

        shm->lease = n;

        return NGX_CONF_OK;
    }

    if (ngx_strncmp(arg->data, "stale=", 6) == 0) {
        time = &shm->stale;

    } else if (ngx_strncmp(arg->data, "stale_access=", 13) == 0) {
        time = &shm->stale_access;

    } else {
        return "takes name:size, lease=TIME, stale=TIME, stale_access=TIME, "
               "snapshot=PATH";
    }

    *time = ngx_parse_time(&s, 1);

    return *time == (time_t) NGX_ERROR ? "takes times such as \"stale=1h\""
                                       : NGX_CONF_OK;
}


/* of a full name there is always a directory */

static char *
ngx_cargo_shm_snapshot(ngx_conf_t *cf, ngx_cargo_shm_t *shm, ngx_str_t *path)
{
    u_char           *slash;
    ngx_str_t        *dir, *tmp;
    ngx_file_info_t   fi;

    if (shm->snapshot.len) {
        return "takes one snapshot=PATH";
    }

    if (path->len == 0 || path->data[path->len - 1] == '/') {
        return "takes the path of a file, as in "
               "\"snapshot=/var/lib/cargo-registry/snapshot\"";
    }

    if (ngx_conf_full_name(cf->cycle, path, 0) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    tmp = &shm->snapshot_tmp;
    dir = &shm->snapshot_dir;

    tmp->data = ngx_pnalloc(cf->pool, path->len + sizeof(".tmp"));
    dir->data = ngx_pnalloc(cf->pool, path->len + 1);

    if (tmp->data == NULL || dir->data == NULL) {
        return NGX_CONF_ERROR;
    }

    tmp->len = ngx_sprintf(tmp->data, "%V.tmp%Z", path) - tmp->data - 1;
    (void) ngx_sprintf(dir->data, "%V%Z", path);

    slash = (u_char *) strrchr((char *) dir->data, '/');
    slash += (slash == dir->data);
    *slash = '\0';
    dir->len = slash - dir->data;

    if (ngx_file_info(dir->data, &fi) == NGX_FILE_ERROR || !ngx_is_dir(&fi)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "cargo_zone: there is no directory \"%V\" for the "
                           "snapshot; make it, and give it to the user of "
                           "the workers", dir);
        return NGX_CONF_ERROR;
    }

    if (ngx_file_info(path->data, &fi) != NGX_FILE_ERROR
        && !ngx_is_file(&fi))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "cargo_zone: the snapshot \"%V\" is something else "
                           "than a file", path);
        return NGX_CONF_ERROR;
    }

    shm->snapshot = *path;
    shm->threads = ngx_thread_pool_add(cf, NULL);

    return shm->threads ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static ngx_int_t
ngx_cargo_shm_init_zone(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_cargo_shm_t  *shm = shm_zone->data;

    ngx_slab_pool_t  *shpool;

    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    shm->zone.lock = ngx_cargo_shm_lock;
    shm->zone.unlock = ngx_cargo_shm_unlock;
    shm->zone.mutex = &shpool->mutex;

    if (data == NULL && !shm_zone->shm.exists) {
        return ngx_cargo_shm_make(shm_zone, shm);
    }

    shm->state = shpool->data;

    if (cargo_zone_attach(&shm->zone, shm->state->region, shm->state->size)
        != 0)
    {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "cargo_zone \"%V\" was made by another version of the "
                      "module: stop nginx and start it again",
                      &shm_zone->shm.name);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * Of nginx's slab only two allocations are made, once: the state, and all
 * pages that are left for the cache, which divides them itself.
 */

static ngx_int_t
ngx_cargo_shm_make(ngx_shm_zone_t *shm_zone, ngx_cargo_shm_t *shm)
{
    u_char                  seed[CARGO_SIPHASH_KEY];
    ngx_slab_pool_t        *shpool;
    ngx_cargo_shm_state_t  *state;

    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;
    shpool->log_nomem = 0;

    state = ngx_slab_calloc(shpool, sizeof(ngx_cargo_shm_state_t));

    if (state) {
        state->size = shpool->pfree * ngx_pagesize;
        state->region = ngx_slab_alloc(shpool, state->size);
    }

    if (state == NULL || state->region == NULL
        || RAND_bytes(seed, sizeof(seed)) != 1)
    {
        return NGX_ERROR;
    }

    /* of a new cache the first bytes are 0 */
    ngx_memzero(state->region, ngx_pagesize);

    if (cargo_zone_create(&shm->zone, state->region, state->size, seed) != 0) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "cargo_zone \"%V\" is too small", &shm_zone->shm.name);
        return NGX_ERROR;
    }

    shm->state = state;
    shm->made = 1;
    shpool->data = state;

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
    ngx_msec_t  lease;

    lease = shm->state->lease;

    return lease && (ngx_msec_int_t) (lease - ngx_current_msec) > 0;
}


ngx_uint_t
ngx_cargo_shm_recent(time_t stored)
{
    time_t  age;

    age = ngx_time() - stored;

    return age >= 0 && age < NGX_CARGO_SHM_LEASE_MIN / 1000;
}


ngx_uint_t
ngx_cargo_shm_usable(ngx_cargo_shm_t *shm, time_t stored, time_t age)
{
    return ngx_time() - ngx_max((time_t) shm->state->confirmed, stored) <= age;
}


/* a worker that exits may answer later than the next one, which asked later */

void
ngx_cargo_shm_renew(ngx_cargo_shm_t *shm, ngx_str_t *since, ngx_msec_t asked,
    time_t confirmed)
{
    ngx_msec_t              lease;
    ngx_cargo_shm_state_t  *state;

    state = shm->state;
    lease = asked + shm->lease;

    ngx_cargo_shm_lock(shm->zone.mutex);

    if (since->len <= NGX_CARGO_SHM_SINCE
        && (state->lease == 0
            || (ngx_msec_int_t) (lease - state->lease) > 0))
    {
        ngx_memcpy(state->since, since->data, since->len);
        state->since_len = since->len;
        state->lease = lease;
        state->confirmed = confirmed;
        state->asked = asked;
    }

    ngx_cargo_shm_unlock(shm->zone.mutex);
}


/* one clock may have been set, and the other may have stood still */

ngx_int_t
ngx_cargo_shm_age(ngx_cargo_shm_t *shm, int64_t *age)
{
    int64_t     by_clock;
    ngx_uint_t  never;

    ngx_cargo_shm_lock(shm->zone.mutex);

    never = (shm->state->confirmed == 0);
    by_clock = ngx_time() - (time_t) shm->state->confirmed;
    *age = (ngx_msec_int_t) (ngx_current_msec - shm->state->asked);

    ngx_cargo_shm_unlock(shm->zone.mutex);

    *age = ngx_max((*age + 999) / 1000, by_clock);

    return never ? NGX_DECLINED : NGX_OK;
}


void
ngx_cargo_shm_set_age(ngx_cargo_shm_t *shm, int64_t age)
{
    time_t  confirmed;

    confirmed = ngx_time() - age;

    if (confirmed > 0) {
        shm->state->confirmed = confirmed;
        shm->state->asked = ngx_current_msec - (ngx_msec_t) age * 1000;
    }
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
