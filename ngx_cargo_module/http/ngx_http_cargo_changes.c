
#include "ngx_http_cargo.h"


/*
 * What keeps the cache in step: the log of changes that one worker reads for
 * all, and the writes of this server, which are not waited for to come back
 * from there.
 */


#define NGX_HTTP_CARGO_CHANGES_INTERVAL  1000

/* where very much is written, bells would keep the database busy */
#define NGX_HTTP_CARGO_CHANGES_PAUSE     20


static ngx_str_t *ngx_http_cargo_changes_since(void);
static void ngx_http_cargo_changes_heard(ngx_cargo_pg_job_t *job);
static ngx_int_t ngx_http_cargo_changes_apply(json_t *answer);
static ngx_int_t ngx_http_cargo_changes_list(json_t *list);
static ngx_uint_t ngx_http_cargo_changes_known(int64_t id);
static int ngx_libc_cdecl ngx_http_cargo_changes_compare(const void *one,
    const void *two);
static void ngx_http_cargo_change(json_t *change);
static ngx_str_t ngx_http_cargo_change_name(json_t *change, size_t i);
static void ngx_http_cargo_ring(void);
static void ngx_http_cargo_rung(ngx_cargo_pg_job_t *job);
static void ngx_http_cargo_ring_timer(ngx_event_t *ev);
static void ngx_http_cargo_invalidate_registry(cargo_zone_t *zone,
    ngx_str_t *registry);
static void ngx_http_cargo_invalidate_crate(cargo_zone_t *zone,
    ngx_str_t *registry, ngx_str_t *crate);


static ngx_cargo_pg_listener_t  ngx_http_cargo_listener = {
    .interval = NGX_HTTP_CARGO_CHANGES_INTERVAL,
    .pause = NGX_HTTP_CARGO_CHANGES_PAUSE,
    .since = ngx_http_cargo_changes_since,
    .heard = ngx_http_cargo_changes_heard
};

static ngx_cargo_shm_t  *ngx_http_cargo_changes_shm;

/* of the question that is under way */
static ngx_msec_t   ngx_http_cargo_changes_asked;
static time_t       ngx_http_cargo_changes_time;
static ngx_str_t    ngx_http_cargo_changes_text;
static u_char       ngx_http_cargo_changes_buffer[NGX_CARGO_SHM_SINCE];

/* of the last answer, in order: what the next one tells again */
static int64_t     *ngx_http_cargo_changes_ids;
static size_t       ngx_http_cargo_changes_nids;

static ngx_event_t  ngx_http_cargo_ring_event;
static ngx_uint_t   ngx_http_cargo_ringing;
static ngx_uint_t   ngx_http_cargo_ring_again;


void
ngx_http_cargo_changes_init(ngx_cargo_shm_t *shm)
{
    ngx_http_cargo_changes_shm = shm;

    ngx_http_cargo_listener.listen =
                           &ngx_http_cargo_statements[NGX_HTTP_CARGO_LISTEN];
    ngx_http_cargo_listener.changes =
                           &ngx_http_cargo_statements[NGX_HTTP_CARGO_CHANGES];

    ngx_cargo_pg_listen(&ngx_http_cargo_listener);
}


static ngx_str_t *
ngx_http_cargo_changes_since(void)
{
    ngx_http_cargo_changes_asked = ngx_current_msec;
    ngx_http_cargo_changes_time = ngx_time();

    ngx_http_cargo_changes_text =
                     ngx_cargo_shm_since(ngx_http_cargo_changes_shm,
                                         ngx_http_cargo_changes_buffer);

    return ngx_http_cargo_changes_text.len ? &ngx_http_cargo_changes_text
                                           : NULL;
}


static void
ngx_http_cargo_changes_heard(ngx_cargo_pg_job_t *job)
{
    json_t     *answer;
    ngx_str_t   body;

    if (job->outcome != NGX_CARGO_PG_DONE) {
        if (ngx_http_cargo_misfit(job)) {
            ngx_http_cargo_interface(NULL);
        }

        return;
    }

    body = ngx_cargo_pg_field(job, NGX_HTTP_CARGO_COLUMN_BODY);
    answer = json_loadb((char *) body.data, body.len, 0, NULL);

    if (ngx_http_cargo_changes_apply(answer) != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "cargo: cargo.changes() gave an answer that cannot be "
                      "read; is the database migrated with the cargoctl of "
                      "this module?");
    }

    ngx_http_cargo_interface(answer);

    json_decref(answer);
}


static ngx_int_t
ngx_http_cargo_changes_apply(json_t *answer)
{
    json_t     *next;
    ngx_str_t   since;

    next = json_object_get(answer, "next");

    if (!json_is_string(next)) {
        return NGX_ERROR;
    }

    if (json_is_true(json_object_get(answer, "all"))) {
        cargo_zone_invalidate_all(&ngx_http_cargo_changes_shm->zone);
    }

    if (ngx_http_cargo_changes_list(json_object_get(answer, "changes"))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    since.data = (u_char *) json_string_value(next);
    since.len = json_string_length(next);

    ngx_cargo_shm_renew(ngx_http_cargo_changes_shm, &since,
                        ngx_http_cargo_changes_asked,
                        ngx_http_cargo_changes_time);

    return NGX_OK;
}


static ngx_int_t
ngx_http_cargo_changes_list(json_t *list)
{
    json_t   *change;
    size_t    i, n;
    int64_t  *ids;

    if (!json_is_array(list)) {
        return NGX_ERROR;
    }

    n = json_array_size(list);
    ids = NULL;

    if (n) {
        ids = ngx_alloc(n * sizeof(int64_t), ngx_cycle->log);
        if (ids == NULL) {
            return NGX_ERROR;
        }
    }

    for (i = 0; i < n; i++) {
        change = json_array_get(list, i);
        ids[i] = json_integer_value(json_array_get(change, 0));

        if (!ngx_http_cargo_changes_known(ids[i])) {
            ngx_http_cargo_change(change);
        }
    }

    if (n) {
        ngx_qsort(ids, n, sizeof(int64_t), ngx_http_cargo_changes_compare);
    }

    ngx_free(ngx_http_cargo_changes_ids);

    ngx_http_cargo_changes_ids = ids;
    ngx_http_cargo_changes_nids = n;

    return NGX_OK;
}


static ngx_uint_t
ngx_http_cargo_changes_known(int64_t id)
{
    return ngx_http_cargo_changes_nids
           && bsearch(&id, ngx_http_cargo_changes_ids,
                      ngx_http_cargo_changes_nids, sizeof(int64_t),
                      ngx_http_cargo_changes_compare)
              != NULL;
}


static int ngx_libc_cdecl
ngx_http_cargo_changes_compare(const void *one, const void *two)
{
    const int64_t  *a = one;
    const int64_t  *b = two;

    return (*a > *b) - (*a < *b);
}


/* [id, registry, crate], of which both may be null */

static void
ngx_http_cargo_change(json_t *change)
{
    ngx_str_t      registry, crate;
    cargo_zone_t  *zone;

    ngx_cargo_metrics_changed();

    zone = &ngx_http_cargo_changes_shm->zone;

    registry = ngx_http_cargo_change_name(change, 1);
    crate = ngx_http_cargo_change_name(change, 2);

    if (registry.data == NULL) {
        cargo_zone_invalidate(zone, ngx_http_cargo_group_all);
        ngx_cargo_snapshot_soon();

    } else if (crate.data == NULL) {
        ngx_http_cargo_invalidate_registry(zone, &registry);
        ngx_cargo_snapshot_soon();

    } else {
        ngx_http_cargo_invalidate_crate(zone, &registry, &crate);
    }
}


static ngx_str_t
ngx_http_cargo_change_name(json_t *change, size_t i)
{
    json_t     *value;
    ngx_str_t   name;

    value = json_array_get(change, i);

    name.data = (u_char *) json_string_value(value);
    name.len = json_string_length(value);

    return name;
}


void
ngx_http_cargo_written(ngx_http_request_t *r, ngx_cargo_pg_job_t *job,
    ngx_uint_t status)
{
    cargo_zone_t                *zone;
    ngx_http_cargo_ctx_t        *ctx;
    ngx_http_cargo_main_conf_t  *mcf;

    if (!job->statement->writes
        || (status >= NGX_HTTP_SPECIAL_RESPONSE && !job->maybe_done))
    {
        return;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_cargo_module);
    ctx = ngx_http_get_module_ctx(r, ngx_http_cargo_module);

    zone = &mcf->shm->zone;

    switch (job->statement - ngx_http_cargo_statements) {

    case NGX_HTTP_CARGO_CREATE_TOKEN:
    case NGX_HTTP_CARGO_REVOKE_TOKEN:
        /* it may be good for all registries */
        cargo_zone_invalidate(zone, ngx_http_cargo_group_all);
        return;

    case NGX_HTTP_CARGO_ADD_OWNERS:
    case NGX_HTTP_CARGO_REMOVE_OWNERS:
    case NGX_HTTP_CARGO_DELETE_CRATE:
    case NGX_HTTP_CARGO_DELETE_VERSION:
        ngx_http_cargo_invalidate_registry(zone, &ctx->registry);
        break;

    case NGX_HTTP_CARGO_PUBLISH:
        ngx_http_cargo_ring();

        /*
         * What may have been published, but was not acknowledged, is told
         * of by the log; until that can be read, the document is as good as
         * any other.
         */

        if (job->maybe_done) {
            return;
        }

        break;

    default:
        break;
    }

    ngx_http_cargo_invalidate_crate(zone, &ctx->registry, &ctx->crate);
}


/*
 * A bell tells of all that was committed before it was sent: who comes while
 * one is under way, or in the pause after it, shares the next one.  What no
 * bell tells of is found when the log is read next.
 */

static void
ngx_http_cargo_ring(void)
{
    ngx_cargo_pg_job_t  *job;

    if (ngx_http_cargo_ringing || ngx_http_cargo_ring_event.timer_set) {
        ngx_http_cargo_ring_again = 1;
        return;
    }

    ngx_http_cargo_ring_again = 0;

    job = ngx_cargo_pg_job_create(
                              &ngx_http_cargo_statements[NGX_HTTP_CARGO_RING],
                              ngx_http_cargo_rung, NULL);

    if (job && ngx_cargo_pg_submit(job) == NGX_OK) {
        ngx_http_cargo_ringing = 1;
    }
}


/* not cancelable: a worker that exits rings for those who wait */

static void
ngx_http_cargo_rung(ngx_cargo_pg_job_t *job)
{
    ngx_event_t  *ev;

    ngx_http_cargo_ringing = 0;

    ev = &ngx_http_cargo_ring_event;

    ev->handler = ngx_http_cargo_ring_timer;
    ev->log = ngx_cycle->log;
    ev->data = ev;

    ngx_add_timer(ev, NGX_HTTP_CARGO_CHANGES_PAUSE);
}


static void
ngx_http_cargo_ring_timer(ngx_event_t *ev)
{
    if (ngx_http_cargo_ring_again) {
        ngx_http_cargo_ring();
    }
}


/* a name that is too long is in no key */

static void
ngx_http_cargo_invalidate_registry(cargo_zone_t *zone, ngx_str_t *registry)
{
    cargo_str_t           group;
    ngx_http_cargo_key_t  key;

    if (ngx_http_cargo_group_registry(&key, registry, &group) == NGX_OK) {
        cargo_zone_invalidate(zone, group);
    }
}


static void
ngx_http_cargo_invalidate_crate(cargo_zone_t *zone, ngx_str_t *registry,
    ngx_str_t *crate)
{
    cargo_str_t           group;
    ngx_http_cargo_key_t  key;

    if (ngx_http_cargo_group_crate(&key, registry, crate, &group) == NGX_OK) {
        cargo_zone_invalidate(zone, group);
    }
}
