
#include "ngx_cargo_metrics.h"


/* more workers than processors, and some that a reload leaves to their end */
#define NGX_CARGO_METRICS_SLOTS_MIN  64
#define NGX_CARGO_METRICS_PER_CPU    4

/* what nginx's slab takes for itself, with room to spare */
#define NGX_CARGO_METRICS_OVERHEAD   (16 * 4096)


static ngx_int_t ngx_cargo_metrics_init_zone(ngx_shm_zone_t *zone,
    void *data);
static size_t ngx_cargo_metrics_slots(void);
static int ngx_cargo_metrics_alive(uint64_t owner);


static cargo_metrics_slot_t  ngx_cargo_metrics_nobody;
static cargo_metrics_t      *ngx_cargo_metrics_all;

cargo_metrics_slot_t  *ngx_cargo_metrics = &ngx_cargo_metrics_nobody;


ngx_shm_zone_t *
ngx_cargo_metrics_add(ngx_conf_t *cf, void *tag)
{
    size_t           size;
    ngx_shm_zone_t  *zone;

    static ngx_str_t  name = ngx_string("cargo_metrics_" CARGO_METRICS_LAYOUT);

    size = cargo_metrics_size(ngx_cargo_metrics_slots());

    /* the slab has a table entry for every page */
    size += size / 64 + NGX_CARGO_METRICS_OVERHEAD;

    zone = ngx_shared_memory_add(cf, &name, size, tag);

    if (zone) {
        zone->init = ngx_cargo_metrics_init_zone;
    }

    return zone;
}


static ngx_int_t
ngx_cargo_metrics_init_zone(ngx_shm_zone_t *zone, void *data)
{
    size_t            n;
    ngx_slab_pool_t  *shpool;

    shpool = (ngx_slab_pool_t *) zone->shm.addr;

    if (data || zone->shm.exists) {
        zone->data = shpool->data;
        return NGX_OK;
    }

    /* whole pages of a new mapping: zeros, which nobody has to write */

    n = ngx_cargo_metrics_slots();
    zone->data = ngx_slab_alloc(shpool, cargo_metrics_size(n));

    if (zone->data == NULL) {
        return NGX_ERROR;
    }

#if (NGX_DEBUG_MALLOC)
    ngx_memzero(zone->data, cargo_metrics_size(n));
#endif

    cargo_metrics_init(zone->data, n);
    shpool->data = zone->data;

    return NGX_OK;
}


static size_t
ngx_cargo_metrics_slots(void)
{
    return ngx_max(NGX_CARGO_METRICS_SLOTS_MIN,
                   (size_t) ngx_ncpu * NGX_CARGO_METRICS_PER_CPU);
}


void
ngx_cargo_metrics_claim(ngx_shm_zone_t *zone)
{
    ngx_cargo_metrics_all = zone->data;
    ngx_cargo_metrics = cargo_metrics_claim(zone->data, ngx_pid,
                                            ngx_cargo_metrics_alive);
}


void
ngx_cargo_metrics_changed(void)
{
    ngx_cargo_count(changes, 1);
    ngx_cargo_metrics_all->changed = ngx_time();
}


void
ngx_cargo_metrics_flushed(void)
{
    ngx_cargo_count(flushes, 1);
    ngx_cargo_metrics_all->flushed = ngx_time();
}


void
ngx_cargo_metrics_release(void)
{
    cargo_metrics_release(ngx_cargo_metrics, ngx_pid);

    ngx_cargo_metrics = &ngx_cargo_metrics_nobody;
}


void
ngx_cargo_metrics_sum(ngx_shm_zone_t *zone, cargo_metrics_sum_t *sum)
{
    cargo_metrics_sum(zone->data, sum, ngx_cargo_metrics_alive);
}


static int
ngx_cargo_metrics_alive(uint64_t owner)
{
    return kill((pid_t) owner, 0) == 0 || ngx_errno != NGX_ESRCH;
}
