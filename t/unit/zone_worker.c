
#define _DEFAULT_SOURCE

#include "zone_worker.h"

#include <inttypes.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>


#define ZONE_CLASSES   4        /* second groups, of every fourth key each */
#define ZONE_DOCUMENT  60000    /* bytes */


/* an entry's head */
typedef struct {
    uint64_t         key;
    uint64_t         version;
} zone_document_t;


typedef struct {
    cargo_zone_t    *zone;
    zone_model_t    *model;
    zone_journal_t  *journal;
    uint64_t         random;
    unsigned char    buffer[CARGO_ZONE_COPY];
    unsigned char    bodies[CARGO_ZONE_BODIES][ZONE_DOCUMENT];
    unsigned char    expected[ZONE_DOCUMENT];
} zone_worker_t;


static void zone_step(void);
static void zone_read_key(uint64_t k, int peek);
static void zone_copy_pinned(const zone_document_t *document, int body,
    cargo_zone_value_t *value);
static void zone_check_document(const zone_document_t *document, int body,
    const unsigned char *p, size_t len);
static void zone_write_key(uint64_t k);
static void zone_invalidate_keys(uint64_t first, uint64_t every,
    const char *group);
static void zone_walk(void);
static void zone_count(uint64_t id);
static void zone_take(void);
static cargo_zone_key_t zone_name(uint64_t k, char *text);
static size_t zone_body_len(const zone_document_t *document, int body);
static void zone_contents(const zone_document_t *document, int body,
    unsigned char *p, size_t len);
static void zone_pause(void);
static uint64_t zone_random(uint64_t below);

/* of this process */
static zone_worker_t  worker;


void
zone_worker_run(cargo_zone_t *zone, zone_model_t *model,
    zone_journal_t *journal, uint64_t seed)
{
    worker.zone = zone;
    worker.model = model;
    worker.journal = journal;
    worker.random = seed;

    for ( ;; ) {
        zone_step();
    }
}


void
zone_worker_lock(void *data)
{
    int            spins;
    pid_t          none, pid;
    zone_model_t  *model;

    model = data;
    pid = getpid();
    spins = 0;

    for ( ;; ) {
        none = 0;

        if (__atomic_compare_exchange_n(&model->holder, &none, pid, 0,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        {
            return;
        }

        if (++spins % 100 == 0) {
            (void) sched_yield();
        }

        if (zone_load(&model->failed)) {
            zone_worker_failed(model, "a process has failed with the lock");
        }
    }
}


void
zone_worker_unlock(void *data)
{
    pid_t          pid;
    zone_model_t  *model;

    model = data;
    pid = getpid();

    if (!__atomic_compare_exchange_n(&model->holder, &pid, 0, 0,
                                     __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
    {
        zone_worker_failed(model, "the lock was taken from one who lives");
    }
}


uint64_t
zone_worker_random(uint64_t *state, uint64_t below)
{
    *state = *state * UINT64_C(6364136223846793005)
             + UINT64_C(1442695040888963407);

    return (*state >> 33) % below;
}


void
zone_worker_failed(zone_model_t *model, const char *format, ...)
{
    va_list  args;

    if (__atomic_exchange_n(&model->failed, 1, __ATOMIC_SEQ_CST) == 0) {
        va_start(args, format);
        (void) vsnprintf(model->failure, sizeof(model->failure), format,
                         args);
        va_end(args);
    }

    if (getpid() == model->parent) {
        printf("not ok 1 - %s\n1..1\n", model->failure);
    }

    _exit(1);
}


static void
zone_step(void)
{
    char      group[32];
    uint64_t  k, what;

    k = zone_random(ZONE_KEYS);
    what = zone_random(1000);

    if (what < 500) {
        zone_read_key(k, what < 50);

    } else if (what < 700) {
        zone_write_key(k);

    } else if (what < 730) {
        (void) snprintf(group, sizeof(group), "crate %" PRIu64, k);
        zone_invalidate_keys(k, ZONE_KEYS, group);

    } else if (what < 733) {
        k %= ZONE_CLASSES;
        (void) snprintf(group, sizeof(group), "class %" PRIu64, k);
        zone_invalidate_keys(k, ZONE_CLASSES, group);

    } else if (what < 734) {
        zone_invalidate_keys(0, 1, NULL);

    } else if (what < 740) {
        zone_walk();

    } else if (what < 980) {
        zone_count(1 + zone_random(ZONE_IDS - 1));

    } else {
        zone_take();
    }
}


static void
zone_read_key(uint64_t k, int peek)
{
    int                 body;
    char                text[32];
    uint64_t            invalidated;
    cargo_rc_t          rc;
    zone_document_t     document;
    cargo_zone_key_t    key;
    cargo_zone_value_t  value;

    key = zone_name(k, text);
    body = (int) zone_random(CARGO_ZONE_BODIES + 1) - 1;

    invalidated = zone_load(&worker.model->invalidated[k]);
    rc = (peek ? cargo_zone_peek
               : cargo_zone_fetch)(worker.zone, &key,
                                   zone_load(&worker.model->now), body,
                                   worker.buffer, &value);
    if (rc != CARGO_OK) {
        return;
    }

    memcpy(&document, value.head, sizeof(zone_document_t));

    if (value.head_len != sizeof(zone_document_t) || document.key != k
        || document.version > zone_load(&worker.model->versions[k])
        || value.body_len[0] != zone_body_len(&document, 0)
        || value.body_len[1] != zone_body_len(&document, 1))
    {
        zone_worker_failed(worker.model, "key %" PRIu64
                           ": what was never stored", k);
    }

    if (document.version <= invalidated) {
        zone_worker_failed(worker.model, "key %" PRIu64 ": version %" PRIu64
                           " after the invalidation of %" PRIu64,
                           k, document.version, invalidated);
    }

    zone_add(&worker.model->reads, 1);

    if (cargo_zone_pinned(&value, body)) {
        zone_copy_pinned(&document, body, &value);

    } else if (body >= 0) {
        zone_check_document(&document, body, worker.buffer,
                            value.body_len[body]);
    }
}


static void
zone_copy_pinned(const zone_document_t *document, int body,
    cargo_zone_value_t *value)
{
    cargo_rc_t  rc;

    zone_add(&worker.model->copies, 1);

    zone_pause();

    rc = cargo_zone_copy(worker.zone, value, body, worker.bodies[0]);

    if (rc == CARGO_OK) {
        zone_check_document(document, body, worker.bodies[0],
                            value->body_len[body]);

    } else {
        zone_add(&worker.model->worthless, 1);
    }
}


static void
zone_check_document(const zone_document_t *document, int body,
    const unsigned char *p, size_t len)
{
    zone_contents(document, body, worker.expected, len);

    if (memcmp(p, worker.expected, len) != 0) {
        zone_worker_failed(worker.model, "key %" PRIu64 " version %" PRIu64
                           ": body %d is not whole",
                           document->key, document->version, body);
    }
}


static void
zone_write_key(uint64_t k)
{
    int                      i;
    char                     text[32], crate[32], class[32];
    zone_document_t               document;
    cargo_str_t              head, bodies[CARGO_ZONE_BODIES];
    cargo_zone_key_t         key;
    cargo_zone_generation_t  generation;

    key = zone_name(k, text);

    key.groups[0].data = (unsigned char *) crate;
    key.groups[0].len = (size_t) snprintf(crate, sizeof(crate),
                                          "crate %" PRIu64, k);
    key.groups[1].data = (unsigned char *) class;
    key.groups[1].len = (size_t) snprintf(class, sizeof(class),
                                          "class %" PRIu64, k % ZONE_CLASSES);

    cargo_zone_generation(worker.zone, &key, &generation);

    zone_pause();

    document.key = k;
    document.version = zone_add(&worker.model->versions[k], 1) + 1;

    for (i = 0; i < CARGO_ZONE_BODIES; i++) {
        bodies[i].data = worker.bodies[i];
        bodies[i].len = zone_body_len(&document, i);
        zone_contents(&document, i, bodies[i].data, bodies[i].len);
    }

    zone_pause();

    head.data = (unsigned char *) &document;
    head.len = sizeof(zone_document_t);

    if (cargo_zone_store(worker.zone, &key, &generation,
                         zone_load(&worker.model->now), head, bodies)
        == CARGO_OK)
    {
        zone_add(&worker.model->stores, 1);
    }
}


/* group NULL: all */

static void
zone_invalidate_keys(uint64_t first, uint64_t every, const char *group)
{
    uint64_t     k, was, *p, newest[ZONE_KEYS];
    cargo_str_t  name;

    for (k = first; k < ZONE_KEYS; k += every) {
        newest[k] = zone_load(&worker.model->versions[k]);
    }

    if (group) {
        name.data = (unsigned char *) group;
        name.len = strlen(group);
        cargo_zone_invalidate(worker.zone, name);

    } else {
        cargo_zone_invalidate_all(worker.zone);
    }

    for (k = first; k < ZONE_KEYS; k += every) {
        p = &worker.model->invalidated[k];
        was = zone_load(p);

        while (was < newest[k]
               && !__atomic_compare_exchange_n(p, &was, newest[k], 0,
                                               __ATOMIC_SEQ_CST,
                                               __ATOMIC_SEQ_CST))
        {
            /* void: was is what another process made of it */
        }
    }
}


static void
zone_walk(void)
{
    char                text[CARGO_ZONE_KEY + 1];
    size_t              len;
    uint32_t            position;
    zone_document_t          document;
    unsigned char       key[CARGO_ZONE_KEY];
    cargo_zone_value_t  value;

    position = 0;

    while (cargo_zone_walk(worker.zone, &position, key, &len, &value)
           == CARGO_OK)
    {
        memcpy(&document, value.head, sizeof(zone_document_t));
        (void) zone_name(document.key, text);

        if (len != strlen(text) || memcmp(key, text, len) != 0
            || value.body_len[0] != zone_body_len(&document, 0))
        {
            zone_worker_failed(worker.model,
                               "a walk meets what was never stored");
        }
    }

    zone_add(&worker.model->walks, 1);
}


static void
zone_count(uint64_t id)
{
    uint64_t  n;

    n = 1 + zone_random(3);

    zone_add(&worker.model->started[id], n);

    if (cargo_zone_count(worker.zone, id, n)) {
        zone_add(&worker.model->counted[id], n);
    }
}


static void
zone_take(void)
{
    size_t           i, n;
    zone_journal_t  *journal;

    journal = worker.journal;

    memset(journal, 0, sizeof(zone_journal_t));
    zone_put(&journal->taking, 1);

    n = cargo_zone_take_counts(worker.zone, journal->counts, ZONE_BATCH);

    for (i = 0; i < n; i++) {
        zone_add(&worker.model->taken[journal->counts[i].id],
                 journal->counts[i].count);
        zone_put(&journal->done, i + 1);
    }

    zone_put(&journal->taking, 0);
}


static cargo_zone_key_t
zone_name(uint64_t k, char *text)
{
    cargo_zone_key_t  key;

    memset(&key, 0, sizeof(cargo_zone_key_t));

    key.key.data = (unsigned char *) text;
    key.key.len = (size_t) snprintf(text, 32, "index/%" PRIu64, k);

    return key;
}


/* half are short, some take a dozen copies under the lock */

static size_t
zone_body_len(const zone_document_t *document, int body)
{
    uint64_t  x;

    x = (document->key * 7919 + document->version)
        * UINT64_C(0x9e3779b97f4a7c15) >> 40;

    if (body) {
        return x % 3 ? zone_body_len(document, 0) / 4 : 0;
    }

    return (size_t) (x >> 4)
           % ((x & 8) ? 600 : (x & 7) ? 8000 : ZONE_DOCUMENT);
}


static void
zone_contents(const zone_document_t *document, int body, unsigned char *p,
    size_t len)
{
    size_t    i, n;
    uint64_t  x;

    x = document->key << 40 | document->version << 1 | (uint64_t) body;

    for (i = 0; i < len; i += n) {
        x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        n = len - i < sizeof(uint64_t) ? len - i : sizeof(uint64_t);
        memcpy(p + i, &x, n);
    }
}


/* where a real process would be busy, so that others come in between */

static void
zone_pause(void)
{
    if (zone_random(20) == 0) {
        (void) usleep((useconds_t) zone_random(1000));
    }
}


static uint64_t
zone_random(uint64_t below)
{
    return zone_worker_random(&worker.random, below);
}
