
#include "ngx_http_cargo.h"


/*
 * Downloads are counted here, by version, and sent to the database in
 * batches.  A batch that could not be sent is kept and sent with the next; a
 * batch whose fate is unknown is dropped, so that nothing is counted twice.
 * A worker that exits sends what it has first.
 */


#define NGX_HTTP_CARGO_BATCH_MAX  4096

#define NGX_HTTP_CARGO_BATCH_POOL  16384


typedef struct {
    ngx_rbtree_node_t            node;      /* key: id of the version */
    ngx_uint_t                   count;
} ngx_http_cargo_count_t;


typedef struct {
    ngx_pool_t                  *pool;
    ngx_rbtree_t                 tree;
    ngx_rbtree_node_t            sentinel;
    ngx_uint_t                   n;
} ngx_http_cargo_batch_t;


static ngx_http_cargo_batch_t *ngx_http_cargo_batch_create(void);
static ngx_int_t ngx_http_cargo_batch_add(ngx_http_cargo_batch_t *batch,
    ngx_rbtree_key_t id, ngx_uint_t count);
static void ngx_http_cargo_counts_timer(ngx_event_t *ev);
static void ngx_http_cargo_counts_flush(void);
static ngx_int_t ngx_http_cargo_counts_params(ngx_cargo_pg_job_t *job,
    ngx_http_cargo_batch_t *batch);
static void ngx_http_cargo_counts_flushed(ngx_cargo_pg_job_t *job);
static void ngx_http_cargo_counts_keep(ngx_http_cargo_batch_t *batch);


static ngx_http_cargo_batch_t  *ngx_http_cargo_counting;
static ngx_http_cargo_batch_t  *ngx_http_cargo_sending;

static ngx_msec_t   ngx_http_cargo_counts_interval;
static ngx_event_t  ngx_http_cargo_counts_event;


void
ngx_http_cargo_counts_init(ngx_cycle_t *cycle, ngx_msec_t interval)
{
    ngx_http_cargo_counts_interval = interval;

    ngx_http_cargo_counts_event.handler = ngx_http_cargo_counts_timer;
    ngx_http_cargo_counts_event.log = cycle->log;
    ngx_http_cargo_counts_event.cancelable = 1;

    /* the timer wants a connection to log */
    ngx_http_cargo_counts_event.data = &ngx_http_cargo_counts_event;

    ngx_cargo_pg_on_exit(ngx_http_cargo_counts_flush);
}


void
ngx_http_cargo_count(ngx_str_t *version_id)
{
    off_t  id;

    id = ngx_atoof(version_id->data, version_id->len);

    if (id == NGX_ERROR) {
        return;
    }

    if (ngx_http_cargo_counting == NULL) {
        ngx_http_cargo_counting = ngx_http_cargo_batch_create();
    }

    if (ngx_http_cargo_counting == NULL
        || ngx_http_cargo_batch_add(ngx_http_cargo_counting,
                                    (ngx_rbtree_key_t) id, 1)
           != NGX_OK)
    {
        return;
    }

    if (ngx_exiting || ngx_http_cargo_counting->n >= NGX_HTTP_CARGO_BATCH_MAX) {
        ngx_http_cargo_counts_flush();

    } else if (!ngx_http_cargo_counts_event.timer_set) {
        ngx_add_timer(&ngx_http_cargo_counts_event,
                      ngx_http_cargo_counts_interval);
    }
}


static ngx_http_cargo_batch_t *
ngx_http_cargo_batch_create(void)
{
    ngx_pool_t              *pool;
    ngx_http_cargo_batch_t  *batch;

    pool = ngx_create_pool(NGX_HTTP_CARGO_BATCH_POOL, ngx_cycle->log);
    if (pool == NULL) {
        return NULL;
    }

    batch = ngx_pcalloc(pool, sizeof(ngx_http_cargo_batch_t));
    if (batch == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    batch->pool = pool;
    ngx_rbtree_init(&batch->tree, &batch->sentinel, ngx_rbtree_insert_value);

    return batch;
}


static ngx_int_t
ngx_http_cargo_batch_add(ngx_http_cargo_batch_t *batch, ngx_rbtree_key_t id,
    ngx_uint_t count)
{
    ngx_rbtree_node_t       *node;
    ngx_http_cargo_count_t  *entry;

    node = batch->tree.root;

    while (node != &batch->sentinel) {

        if (id == node->key) {
            entry = (ngx_http_cargo_count_t *) node;
            entry->count += count;
            return NGX_OK;
        }

        node = (id < node->key) ? node->left : node->right;
    }

    entry = ngx_pcalloc(batch->pool, sizeof(ngx_http_cargo_count_t));
    if (entry == NULL) {
        return NGX_ERROR;
    }

    entry->node.key = id;
    entry->count = count;

    ngx_rbtree_insert(&batch->tree, &entry->node);
    batch->n++;

    return NGX_OK;
}


static void
ngx_http_cargo_counts_timer(ngx_event_t *ev)
{
    ngx_http_cargo_counts_flush();
}


static void
ngx_http_cargo_counts_flush(void)
{
    ngx_int_t            rc;
    ngx_cargo_pg_job_t  *job;

    if (ngx_http_cargo_counting == NULL
        || ngx_http_cargo_counting->n == 0
        || ngx_http_cargo_sending)
    {
        return;
    }

    job = ngx_cargo_pg_job_create(
                   &ngx_http_cargo_statements[NGX_HTTP_CARGO_COUNT_DOWNLOADS],
                   ngx_http_cargo_counts_flushed, NULL);

    if (job == NULL) {
        return;
    }

    rc = ngx_http_cargo_counts_params(job, ngx_http_cargo_counting);

    if (rc != NGX_OK) {
        ngx_cargo_pg_job_destroy(job);

    } else {
        rc = ngx_cargo_pg_submit(job);
    }

    if (rc == NGX_OK) {
        ngx_http_cargo_sending = ngx_http_cargo_counting;
        ngx_http_cargo_counting = NULL;

    } else if (!ngx_exiting && !ngx_http_cargo_counts_event.timer_set) {
        ngx_add_timer(&ngx_http_cargo_counts_event,
                      ngx_http_cargo_counts_interval);
    }
}


/* two arrays of the same length, ordered by id */

static ngx_int_t
ngx_http_cargo_counts_params(ngx_cargo_pg_job_t *job,
    ngx_http_cargo_batch_t *batch)
{
    u_char                  *p, *q;
    ngx_str_t                ids, counts;
    ngx_rbtree_node_t       *node;
    ngx_http_cargo_count_t  *entry;

    ids.data = ngx_palloc(job->pool, batch->n * (NGX_INT64_LEN + 1) + 2);
    counts.data = ngx_palloc(job->pool, batch->n * (NGX_INT64_LEN + 1) + 2);

    if (ids.data == NULL || counts.data == NULL) {
        return NGX_ERROR;
    }

    p = ids.data;
    q = counts.data;

    for (node = ngx_rbtree_min(batch->tree.root, &batch->sentinel);
         node;
         node = ngx_rbtree_next(&batch->tree, node))
    {
        entry = (ngx_http_cargo_count_t *) node;

        p = ngx_sprintf(p, "%c%ui", p == ids.data ? '{' : ',', node->key);
        q = ngx_sprintf(q, "%c%ui", q == counts.data ? '{' : ',',
                        entry->count);
    }

    *p++ = '}';
    *q++ = '}';

    ids.len = p - ids.data;
    counts.len = q - counts.data;

    if (ngx_cargo_pg_job_param(job, 0, &ids) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_cargo_pg_job_param(job, 1, &counts);
}


static void
ngx_http_cargo_counts_flushed(ngx_cargo_pg_job_t *job)
{
    ngx_http_cargo_batch_t  *batch;

    batch = ngx_http_cargo_sending;
    ngx_http_cargo_sending = NULL;

    if (job->outcome != NGX_CARGO_PG_DONE) {

        if (job->maybe_done) {
            ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                          "cargo: the download counts of %ui versions may "
                          "be lost", batch->n);
        } else {
            ngx_http_cargo_counts_keep(batch);
        }
    }

    ngx_destroy_pool(batch->pool);

    if (ngx_http_cargo_counting == NULL) {
        return;
    }

    if (ngx_exiting && job->outcome == NGX_CARGO_PG_DONE) {
        ngx_http_cargo_counts_flush();

    } else if (!ngx_exiting && !ngx_http_cargo_counts_event.timer_set) {
        ngx_add_timer(&ngx_http_cargo_counts_event,
                      ngx_http_cargo_counts_interval);
    }
}


static void
ngx_http_cargo_counts_keep(ngx_http_cargo_batch_t *batch)
{
    ngx_rbtree_node_t       *node;
    ngx_http_cargo_count_t  *entry;

    if (ngx_http_cargo_counting == NULL) {
        ngx_http_cargo_counting = ngx_http_cargo_batch_create();
        if (ngx_http_cargo_counting == NULL) {
            return;
        }
    }

    for (node = ngx_rbtree_min(batch->tree.root, &batch->sentinel);
         node;
         node = ngx_rbtree_next(&batch->tree, node))
    {
        entry = (ngx_http_cargo_count_t *) node;

        if (ngx_http_cargo_batch_add(ngx_http_cargo_counting, node->key,
                                     entry->count)
            != NGX_OK)
        {
            return;
        }
    }
}
