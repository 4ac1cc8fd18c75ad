
/*
 * What the workers of a server count, for whoever watches it: requests and
 * how long they took, what became of the jobs of PostgreSQL, stages of a
 * publish.
 *
 * Every worker has a slot of its own, so that nothing on the way of a request
 * is locked, nor shared with another processor.  Slots are summed when
 * somebody looks.  What is in them are counters, which go on whoever has the
 * slot, and gauges, which are of the worker that has it now.
 *
 * Memory: cargo_metrics_t and its slots are the caller's, shared by all
 * processes, zeros at first.
 *
 * Always true: a slot belongs to one live process or to none; that of one
 * that was killed is taken over by the next that comes.  When there is none
 * left, processes share the last one, which has no gauges, and count in it
 * atomically.  Names come from tables here and in the program, never from a
 * client, so the number of series has a bound.
 */


#ifndef CARGO_METRICS_H
#define CARGO_METRICS_H


#include <stddef.h>
#include <stdint.h>


/* in the name of the shared memory: another one with every other layout */
#define CARGO_METRICS_LAYOUT     "1"

#define CARGO_METRICS_ENDPOINTS  64
#define CARGO_METRICS_CODES      25     /* of cargo_metrics_code_name() */
#define CARGO_METRICS_BUCKETS    15     /* the last one: all that is above */


typedef enum {
    CARGO_METRICS_READS = 0,
    CARGO_METRICS_WRITES,
    CARGO_METRICS_CHANGES,
    CARGO_METRICS_POOLS
} cargo_metrics_pool_e;


typedef enum {
    CARGO_METRICS_DONE = 0,
    CARGO_METRICS_FAILED,
    CARGO_METRICS_TIMED_OUT,
    CARGO_METRICS_UNAVAILABLE,
    CARGO_METRICS_REFUSED,              /* not even queued */
    CARGO_METRICS_OUTCOMES
} cargo_metrics_outcome_e;


typedef enum {
    CARGO_METRICS_CONNECTING = 0,
    CARGO_METRICS_READY,
    CARGO_METRICS_DRAINING,
    CARGO_METRICS_STATES
} cargo_metrics_state_e;


typedef enum {
    CARGO_METRICS_RECEIVE = 0,
    CARGO_METRICS_CHECK,
    CARGO_METRICS_STORE,
    CARGO_METRICS_DATABASE,
    CARGO_METRICS_STAGES
} cargo_metrics_stage_e;


typedef struct {
    uint64_t                   buckets[CARGO_METRICS_BUCKETS];
    uint64_t                   sum;     /* microseconds */
} cargo_metrics_histogram_t;


/* a pool of connections, as it is now */
typedef struct {
    uint64_t                   connections[CARGO_METRICS_STATES];
    uint64_t                   waiting; /* jobs */
    uint64_t                   sent;
    uint64_t                   down;    /* 1: no connection, and none comes */
} cargo_metrics_gauges_t;


typedef struct {
    uint64_t                   connects;
    uint64_t                   connects_failed;
    uint64_t                   connections_lost;
    uint64_t                   jobs[CARGO_METRICS_OUTCOMES];
    cargo_metrics_histogram_t  durations;
} cargo_metrics_pool_t;


typedef struct {
    uint64_t                   requests[CARGO_METRICS_ENDPOINTS]
                                       [CARGO_METRICS_CODES];
    cargo_metrics_histogram_t  durations[CARGO_METRICS_ENDPOINTS];

    cargo_metrics_histogram_t  stages[CARGO_METRICS_STAGES];
    cargo_metrics_pool_t       pools[CARGO_METRICS_POOLS];

    uint64_t                   asked;   /* reads that memory did not answer */
    uint64_t                   stale;   /* reads of what may be out of date */
    uint64_t                   changes; /* heard */
    uint64_t                   flushes;
    uint64_t                   flushes_failed;
    uint64_t                   downloads_lost;      /* versions of a batch */
} cargo_metrics_counters_t;


typedef struct {
    uint64_t                   owner;   /* process id; 0: none */
    uint64_t                   shared;  /* by all who found no other */
    cargo_metrics_gauges_t     gauges[CARGO_METRICS_POOLS];

    /* at a line of the processor's cache, as the slot is */
    _Alignas(64) cargo_metrics_counters_t  counters;
} cargo_metrics_slot_t;


typedef struct {
    uint64_t                   nslots;

    /* seconds since 1970; 0: not yet */
    uint64_t                   changed; /* the last change was heard */
    uint64_t                   flushed; /* download counts were written */

    cargo_metrics_slot_t       slots[];
} cargo_metrics_t;


/* the sum of all slots, gauges only of those whose owners live */
typedef struct {
    uint64_t                   workers;
    cargo_metrics_gauges_t     gauges[CARGO_METRICS_POOLS];
    cargo_metrics_counters_t   counters;
} cargo_metrics_sum_t;


/* whether there is a process of this id */
typedef int (*cargo_metrics_alive_pt)(uint64_t owner);


/* bytes of a cargo_metrics_t with so many slots, one of them to be shared */
size_t cargo_metrics_size(size_t nslots);
void cargo_metrics_init(cargo_metrics_t *metrics, size_t nslots);

/* never NULL; its gauges are 0 */
cargo_metrics_slot_t *cargo_metrics_claim(cargo_metrics_t *metrics,
    uint64_t owner, cargo_metrics_alive_pt alive);
void cargo_metrics_release(cargo_metrics_slot_t *slot, uint64_t owner);

void cargo_metrics_sum(cargo_metrics_t *metrics, cargo_metrics_sum_t *sum,
    cargo_metrics_alive_pt alive);


/* index of an HTTP status, and its name: "404", or "4xx" of a rare one */
unsigned cargo_metrics_code(unsigned status);
const char *cargo_metrics_code_name(unsigned code);

/* the bucket that counts it, and the seconds up to which that does */
unsigned cargo_metrics_bucket(uint64_t microseconds);
const char *cargo_metrics_bound_name(unsigned bucket);


/* a reader in another process finds the old value or the new one */

static inline void
cargo_metrics_add(const cargo_metrics_slot_t *slot, uint64_t *counter,
    uint64_t n)
{
    if (slot->shared) {
        (void) __atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
        return;
    }

    __atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}


static inline void
cargo_metrics_observe(const cargo_metrics_slot_t *slot,
    cargo_metrics_histogram_t *histogram, uint64_t microseconds)
{
    unsigned  i;

    i = cargo_metrics_bucket(microseconds);

    cargo_metrics_add(slot, &histogram->buckets[i], 1);
    cargo_metrics_add(slot, &histogram->sum, microseconds);
}


#endif /* CARGO_METRICS_H */
