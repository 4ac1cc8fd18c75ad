
/*
 * What the workers count (core/cargo_metrics.h), in shared memory of nginx's.
 *
 * Memory: there is one, of a size that depends on the machine alone, so that
 * every reload finds it again and the counters go on until nginx ends.
 *
 * Always true: ngx_cargo_metrics is never NULL: before a worker has claimed
 * its slot, and in processes that claim none, it is one that nobody reads.
 */


#ifndef NGX_CARGO_METRICS_H
#define NGX_CARGO_METRICS_H


#include <ngx_config.h>
#include <ngx_core.h>

#include "cargo_metrics.h"


/* where this process counts */
extern cargo_metrics_slot_t  *ngx_cargo_metrics;


/* in the configuration: zone->data is the cargo_metrics_t in a worker */
ngx_shm_zone_t *ngx_cargo_metrics_add(ngx_conf_t *cf, void *tag);

/* when a worker begins and when it ends */
void ngx_cargo_metrics_claim(ngx_shm_zone_t *zone);
void ngx_cargo_metrics_release(void);

/* a change was heard, download counts were written: now */
void ngx_cargo_metrics_changed(void);
void ngx_cargo_metrics_flushed(void);

void ngx_cargo_metrics_sum(ngx_shm_zone_t *zone, cargo_metrics_sum_t *sum);


#define ngx_cargo_count(member, n)                                            \
    cargo_metrics_add(ngx_cargo_metrics, &ngx_cargo_metrics->counters.member, \
                      n)

#define ngx_cargo_observe(member, microseconds)                               \
    cargo_metrics_observe(ngx_cargo_metrics,                                  \
                          &ngx_cargo_metrics->counters.member, microseconds)


#endif /* NGX_CARGO_METRICS_H */
