
/*
 * A process that works on a zone goes one instruction at a time, and after
 * each the zone is what it would be if the process were killed there: on a
 * copy of it the lock is taken away, and the copy has to be sound, hold
 * nothing but what was stored in whole, and have lost no counter.
 *
 * Skipped where ptrace(2) is forbidden.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cargo_zone_private.h"
#include "single_step.h"


#define KEYS     3
#define NOW      1000
#define ID       7
#define BATCH    4

#define count_of(array)  (sizeof(array) / sizeof((array)[0]))


typedef struct {
    const char          *name;
    void               (*before)(void);
    void               (*work)(void);
    int                  changes;   /* links: some states are to be reset */
} operation_t;


typedef struct {
    const operation_t   *operation;
    unsigned             resets;
} trace_t;


/* what the process has for itself, but others can see */
typedef struct {
    cargo_zone_count_t   counts[BATCH];
    cargo_zone_value_t   value;
} shared_t;


static void fill_zone(void);
static void step_through(const operation_t *operation);
static void check_state(void *data);
static void check_entries(const operation_t *operation);
static void check_counters(const operation_t *operation);

static void hit(void);
static void hit_again(void);
static void replace_small(void);
static void replace_large(void);
static void give_up_storing(void);
static void fill_up(void);
static void evict(void);
static void pin_and_copy(void);
static void give_up_replaced(void);
static void collect(void);
static void invalidate(void);
static void count_new(void);
static void count_more(void);
static void take(void);

static cargo_rc_t store(unsigned k, unsigned version, int64_t now);
static cargo_rc_t fetch(cargo_zone_t *z, unsigned k, int64_t now, int body,
    cargo_zone_value_t *value);
static cargo_zone_key_t key_of(unsigned k, char *text);
static size_t contents(unsigned k, unsigned version);
static void *shared_memory(size_t size);
static void lock(void *mutex);
static void no_lock(void *mutex);
static void failed(const operation_t *operation, const char *reason);


static const operation_t  operations[] = {
    { "hit", NULL, hit, 0 },
    { "hit, moved in the order", NULL, hit_again, 1 },
    { "replace a small entry", NULL, replace_small, 1 },
    { "replace by a large entry", NULL, replace_large, 1 },
    { "give up storing", NULL, give_up_storing, 1 },
    { "evict", fill_up, evict, 1 },
    { "pin and copy", NULL, pin_and_copy, 0 },
    { "give up what was replaced", NULL, give_up_replaced, 1 },
    { "collect", NULL, collect, 1 },
    { "invalidate", NULL, invalidate, 0 },
    { "count a new id", NULL, count_new, 0 },
    { "count a known id", NULL, count_more, 0 },
    { "take counters", NULL, take, 0 }
};

static void           *region;
static void           *image;
static size_t          size;
static shared_t       *shared;
static unsigned        states;
static unsigned        locks_left;
static cargo_zone_t    zone;
static cargo_zone_t    copy;
static unsigned char   buffer[CARGO_ZONE_COPY];
static unsigned char   body[64 * 1024];
static unsigned char   expected[64 * 1024];


int
main(void)
{
    size_t  i;

    size = (cargo_zone_size_min() + 63) & ~(size_t) 63;
    region = shared_memory(size);
    image = shared_memory(size);
    shared = shared_memory(sizeof(shared_t));

    copy.lock = no_lock;
    copy.unlock = no_lock;
    zone.lock = lock;
    zone.unlock = no_lock;

    for (i = 0; i < count_of(operations); i++) {
        fill_zone();

        if (operations[i].before) {
            operations[i].before();
        }

        states = 0;
        step_through(&operations[i]);
        printf("ok %zu - %s: %u states\n", i + 1, operations[i].name, states);
    }

    printf("1..%zu\n", i);

    return 0;
}


/* entries 0 to 2 in version 1, entry 1 pinned and replaced by version 2 */

static void
fill_zone(void)
{
    unsigned             k;
    const unsigned char  seed[CARGO_SIPHASH_KEY] = "sixteen bytes ..";

    memset(region, 0, size);
    memset(shared, 0, sizeof(shared_t));

    if (cargo_zone_create(&zone, region, size, seed) != 0) {
        failed(NULL, "no zone");
    }

    for (k = 0; k < KEYS; k++) {
        if (store(k, 1, NOW) != CARGO_OK) {
            failed(NULL, "no room");
        }
    }

    if (fetch(&zone, 1, NOW, 0, &shared->value) != CARGO_OK
        || !cargo_zone_pinned(&shared->value, 0)
        || store(1, 2, NOW) != CARGO_OK
        || !cargo_zone_count(&zone, ID, 5))
    {
        failed(NULL, "cannot be filled");
    }
}


static void
step_through(const operation_t *operation)
{
    trace_t      trace;
    const char  *reason;

    trace.operation = operation;
    trace.resets = 0;

    reason = single_step(operation->work, check_state, &trace);

    if (reason == single_step_forbidden) {
        printf("1..0 # SKIP %s\n", reason);
        exit(0);
    }

    if (reason) {
        failed(operation, reason);
    }

    if (operation->changes != (trace.resets != 0)) {
        failed(operation, "changes links and is not expected to, or the "
                          "other way around");
    }
}


static void
check_state(void *data)
{
    trace_t            *trace;
    const char         *error;
    const operation_t  *operation;

    trace = data;
    operation = trace->operation;

    states++;
    memcpy(image, region, size);

    if (cargo_zone_attach(&copy, image, size) != 0) {
        failed(operation, "cannot be attached to");
    }

    trace->resets += copy.header->changing;

    error = cargo_zone_verify(&copy);
    if (error) {
        failed(operation, error);
    }

    check_entries(operation);
    check_counters(operation);
}


static void
check_entries(const operation_t *operation)
{
    size_t               len;
    unsigned             k, version;
    cargo_zone_value_t   value;

    for (k = 0; k < KEYS; k++) {
        if (fetch(&copy, k, NOW, 0, &value) != CARGO_OK) {
            continue;
        }

        memcpy(&version, value.head, sizeof(unsigned));
        len = contents(k, version);

        if (value.head_len != sizeof(unsigned) || value.body_len[0] != len) {
            failed(operation, "an entry that was never stored");
        }

        if (cargo_zone_pinned(&value, 0)) {
            if (cargo_zone_copy(&copy, &value, 0, body) != CARGO_OK) {
                failed(operation, "a body that cannot be read");
            }

        } else {
            memcpy(body, buffer, len);
        }

        if (memcmp(body, expected, len) != 0) {
            failed(operation, "a body that is not whole");
        }
    }
}


/* 5 to begin with; an operation counts 1 or takes all */

static void
check_counters(const operation_t *operation)
{
    size_t              i, n;
    uint64_t            inside, taken;
    cargo_zone_count_t  counts[BATCH];

    n = cargo_zone_take_counts(&copy, counts, BATCH);
    inside = 0;

    for (i = 0; i < n; i++) {
        if (counts[i].id == ID) {
            inside += counts[i].count;

        } else if (counts[i].id != ID + 1 || counts[i].count != 1) {
            failed(operation, "a counter that was never counted");
        }
    }

    taken = shared->counts[0].count;

    if (inside != 5 && inside != 6 && !(inside == 0 && taken == 5)) {
        failed(operation, "a counter is lost");
    }
}


static void
hit(void)
{
    cargo_zone_value_t  value;

    if (fetch(&zone, 2, NOW, 0, &value) != CARGO_OK) {
        _exit(1);
    }
}


static void
hit_again(void)
{
    cargo_zone_value_t  value;

    if (fetch(&zone, 0, NOW + 1, 0, &value) != CARGO_OK) {
        _exit(1);
    }
}


static void
replace_small(void)
{
    if (store(2, 2, NOW + 1) != CARGO_OK) {
        _exit(1);
    }
}


static void
replace_large(void)
{
    if (store(1, 3, NOW + 1) != CARGO_OK) {
        _exit(1);
    }
}


/* while the second piece is awaited, all is invalidated */

static void
give_up_storing(void)
{
    locks_left = 2;

    if (store(1, 3, NOW + 1) != CARGO_REFUSED) {
        _exit(1);
    }
}


static void
fill_up(void)
{
    unsigned            k;
    cargo_zone_stats_t  stats;

    for (k = KEYS; /* void */ ; k++) {
        cargo_zone_stats(&zone, &stats);

        if (stats.chunks_free < 3) {
            return;
        }

        (void) store(k, 1, NOW);
    }
}


static void
evict(void)
{
    cargo_zone_stats_t  stats;

    (void) store(0, 2, NOW + 1);
    (void) store(1, 3, NOW + 1);
    cargo_zone_stats(&zone, &stats);

    if (stats.evictions == 0) {
        _exit(1);
    }
}


static void
pin_and_copy(void)
{
    cargo_zone_value_t  value;

    if (fetch(&zone, 1, NOW, 0, &value) != CARGO_OK
        || cargo_zone_copy(&zone, &value, 0, body) != CARGO_OK)
    {
        _exit(1);
    }
}


static void
give_up_replaced(void)
{
    if (cargo_zone_copy(&zone, &shared->value, 0, NULL) != CARGO_OK) {
        _exit(1);
    }
}


static void
collect(void)
{
    cargo_zone_stats_t  stats;

    (void) store(2, 2, NOW + CARGO_ZONE_PIN_TIME + 1);
    cargo_zone_stats(&zone, &stats);

    if (stats.detached) {
        _exit(1);
    }
}


static void
invalidate(void)
{
    char              text[16];
    cargo_zone_key_t  key;

    key = key_of(0, text);
    cargo_zone_invalidate(&zone, key.groups[0]);
    cargo_zone_invalidate_all(&zone);
}


static void
count_new(void)
{
    if (!cargo_zone_count(&zone, ID + 1, 1)) {
        _exit(1);
    }
}


static void
count_more(void)
{
    if (!cargo_zone_count(&zone, ID, 1)) {
        _exit(1);
    }
}


static void
take(void)
{
    if (cargo_zone_take_counts(&zone, shared->counts, BATCH) != 1) {
        _exit(1);
    }
}


static cargo_rc_t
store(unsigned k, unsigned version, int64_t now)
{
    char                     text[16];
    cargo_str_t              head, bodies[CARGO_ZONE_BODIES];
    cargo_zone_key_t         key;
    cargo_zone_generation_t  generation;

    key = key_of(k, text);

    head.data = (unsigned char *) &version;
    head.len = sizeof(unsigned);
    bodies[0].data = expected;
    bodies[0].len = contents(k, version);
    bodies[1].data = NULL;
    bodies[1].len = 0;

    cargo_zone_generation(&zone, &key, &generation);

    return cargo_zone_store(&zone, &key, &generation, now, head, bodies);
}


static cargo_rc_t
fetch(cargo_zone_t *z, unsigned k, int64_t now, int i,
    cargo_zone_value_t *value)
{
    char              text[16];
    cargo_zone_key_t  key;

    key = key_of(k, text);

    return cargo_zone_fetch(z, &key, now, i, buffer, value);
}


static cargo_zone_key_t
key_of(unsigned k, char *text)
{
    cargo_zone_key_t  key;

    memset(&key, 0, sizeof(cargo_zone_key_t));

    key.key.data = (unsigned char *) text;
    key.key.len = 2;
    text[0] = (char) ('a' + k % 26);
    text[1] = (char) ('a' + k / 26);
    key.groups[0] = key.key;

    return key;
}


/* into expected; entry 1 is longer than what is copied at once */

static size_t
contents(unsigned k, unsigned version)
{
    size_t  len;

    len = (k == 1 ? 7000 : 900) + version;
    memset(expected, (int) (k * 16 + version), len);

    return len;
}


static void *
shared_memory(size_t n)
{
    void  *p;

    p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
             0);

    if (p == MAP_FAILED) {
        failed(NULL, strerror(errno));
    }

    return p;
}


static void
lock(void *mutex)
{
    (void) mutex;

    if (locks_left && --locks_left == 0) {
        cargo_zone_invalidate_all(&zone);
    }
}


/* no one else is there; what the dead one held has been taken away */

static void
no_lock(void *mutex)
{
    (void) mutex;
}


static void
failed(const operation_t *operation, const char *reason)
{
    printf("not ok 1 - %s, state %u: %s\n1..1\n",
           operation ? operation->name : "set up", states, reason);
    exit(1);
}
