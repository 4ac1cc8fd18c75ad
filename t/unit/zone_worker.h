
/*
 * A process of test_zone_kill.c, which hammers a zone until it is killed, and
 * the model that it keeps.
 *
 * The model: entry k holds version v of a document, and its contents follow
 * from k and v.  Whoever stores takes the generation first and a new version
 * then, as one would read a database; whoever invalidates notes the newest
 * version before and publishes it after.  So a reader that saw version d
 * published before it began must find one above d, or none.
 *
 * Always true: all of zone_model_t is in memory that the processes share, and
 * a process may end between any two instructions.
 */


#ifndef ZONE_WORKER_H
#define ZONE_WORKER_H


#include <sys/types.h>

#include "cargo_zone_private.h"


#define ZONE_WORKERS  4
#define ZONE_KEYS     128
#define ZONE_IDS      200
#define ZONE_BATCH    64

#define zone_add(p, n)  __atomic_fetch_add(p, n, __ATOMIC_SEQ_CST)
#define zone_load(p)    __atomic_load_n(p, __ATOMIC_SEQ_CST)
#define zone_put(p, n)  __atomic_store_n(p, n, __ATOMIC_SEQ_CST)


/* what a process that takes counters was about to account for */
typedef struct {
    uint64_t            taking;
    uint64_t            done;
    cargo_zone_count_t  counts[ZONE_BATCH];
} zone_journal_t;


typedef struct {
    pid_t               parent;
    pid_t               holder;         /* of the lock */
    int64_t             now;

    uint64_t            versions[ZONE_KEYS];
    uint64_t            invalidated[ZONE_KEYS];

    uint64_t            started[ZONE_IDS];
    uint64_t            counted[ZONE_IDS];
    uint64_t            taken[ZONE_IDS];
    zone_journal_t      journals[ZONE_WORKERS];

    uint64_t            reads;
    uint64_t            copies;
    uint64_t            worthless;
    uint64_t            stores;
    uint64_t            walks;

    int                 failed;
    char                failure[256];
} zone_model_t;


/* does not return; the zone is attached to, and its mutex is model->holder */
void zone_worker_run(cargo_zone_t *zone, zone_model_t *model,
    zone_journal_t *journal, uint64_t seed);

/*
 * A lock is a word with the holder's pid, so that it can be taken from one
 * who died with it, as nginx's master does.
 */
void zone_worker_lock(void *model);
void zone_worker_unlock(void *model);

uint64_t zone_worker_random(uint64_t *state, uint64_t below);

/* ends the process with a reason: the parent's is the result of the test */
void zone_worker_failed(zone_model_t *model, const char *format, ...)
    __attribute__((format(printf, 2, 3), noreturn));


#endif /* ZONE_WORKER_H */
