
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "cargo_zone_private.h"


/*
 * The input is a program: operations on a zone, each compared with a model of
 * it.  A store gives up the lock in between; there another operation may come
 * in, as one of another process would.
 */


#define OPERATIONS  512
#define VERIFY      16          /* operations between two looks at all of it */
#define KEYS        12
#define GROUPS      6
#define IDS         8
#define BODY_MAX    20000       /* more than the zone takes */
#define ALL         GROUPS


typedef struct {
    uint32_t              groups;       /* a bit for each */
    uint64_t              generations[GROUPS + 1];
} state_t;

/* an entry that has to be there, unless something was evicted since */
typedef struct {
    int                   there;
    state_t               state;
    uint64_t              evictions;
    int64_t               stored;
    size_t                len[CARGO_ZONE_BODIES];
    const unsigned char  *data[CARGO_ZONE_BODIES];
} model_t;

typedef struct {
    int                   held;
    int                   lost;         /* may be */
    int                   body;
    size_t                len;
    int64_t               since;
    const unsigned char  *data;
    cargo_zone_value_t    value;
} pin_t;


static void begin(void);
static void set_up(void);
static void zone_lock(void *mutex);
static void zone_unlock(void *mutex);
static void operation(void);
static void store(void);
static void check_refused(const state_t *state, int64_t began,
    uint64_t refusals, uint64_t before);
static void fetch(void);
static void check_value(unsigned n, const cargo_zone_value_t *value);
static void unpin(void);
static void invalidate(void);
static void walk(void);
static void count(void);
static void take_counts(void);
static void pass_time(void);
static void die(void);
static cargo_zone_key_t key_of(unsigned n, uint32_t groups);
static state_t state_of(uint32_t groups);
static int current(const state_t *state);
static int must_be_there(unsigned n);
static unsigned take(unsigned n);


static const size_t  lengths[] = {
    0, 0, 1, 100, 300, 511, 512, 513, 1024, 4095, 4096, 4097, 8192, 9000,
    14000, BODY_MAX
};

static const cargo_str_t  names[KEYS] = {
    cargo_string(""), cargo_string("a"), cargo_string("b"),
    cargo_string("main\0serde"), cargo_string("main\0serde_json"),
    cargo_string("3/f/foo"), cargo_string("0"), cargo_string("1"),
    cargo_string("2"), cargo_string("3"), cargo_string("4"),
    cargo_string("as long as the head of an entry may be, for it is one too, "
                 "as long as the head of an entry may be, for it is")
};

static const cargo_str_t  group_names[GROUPS] = {
    cargo_string("crate"), cargo_string("registry"), cargo_string("people"),
    cargo_string("a"), cargo_string("b"), cargo_string("c\0")
};

static const unsigned char  *program, *program_end;
static model_t               model[KEYS];
static uint64_t              counts[IDS], generations[GROUPS + 1], resets;
static pin_t                 pin;
static int64_t               now, began;
static int                   locked, storing, nested;
static cargo_zone_t          zone;
static size_t                zone_size;
static void                 *region;
static unsigned char         pattern[BODY_MAX + 512];
static unsigned char         buffer[BODY_MAX];


int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    unsigned            n;
    cargo_zone_stats_t  all;

    program = data;
    program_end = data + size;

    begin();

    for (n = 1; program < program_end && n <= OPERATIONS; n++) {
        operation();

        fuzz_check(!locked && !storing);

        if (n % VERIFY == 0) {
            fuzz_check(cargo_zone_verify(&zone) == NULL);
        }
    }

    unpin();
    walk();

    program = program_end;
    take_counts();

    fuzz_check(cargo_zone_verify(&zone) == NULL);
    cargo_zone_stats(&zone, &all);
    fuzz_check(all.resets == resets && all.detached == 0 && !all.counters_used);
    return 0;
}


static void
begin(void)
{
    static const unsigned char  seed[] = "sixteen bytes ..";

    if (region == NULL) {
        set_up();
    }

    /* nothing but the first bytes may be relied upon */
    memset(region, 0, sizeof(uint64_t));

    memset(&zone, 0, sizeof(zone));
    memset(model, 0, sizeof(model));
    memset(counts, 0, sizeof(counts));
    memset(generations, 0, sizeof(generations));
    memset(&pin, 0, sizeof(pin));

    zone.lock = zone_lock;
    zone.unlock = zone_unlock;
    zone.mutex = &locked;

    now = 1000;
    resets = 0;

    fuzz_check(cargo_zone_create(&zone, region, zone_size, seed) == 0);
}


static void
set_up(void)
{
    size_t    i;
    uint32_t  x;

    zone_size = (cargo_zone_size_min() + CARGO_ZONE_ALIGN - 1)
                & ~(size_t) (CARGO_ZONE_ALIGN - 1);

    region = aligned_alloc(CARGO_ZONE_ALIGN, zone_size);
    fuzz_check(region != NULL);
    memset(region, 0xa5, zone_size);

    for (x = 1, i = 0; i < sizeof(pattern); i++) {
        x = x * 1664525 + 1013904223;
        pattern[i] = (unsigned char) (x >> 24);
    }
}


static void
zone_lock(void *mutex)
{
    fuzz_check(mutex == &locked && !locked);

    if (storing && !nested && take(4) == 1) {
        storing = 0;
        nested = 1;
        operation();
        nested = 0;
        storing = 1;
    }

    locked = 1;
}


static void
zone_unlock(void *mutex)
{
    fuzz_check(mutex == &locked && locked);
    locked = 0;
}


static void
operation(void)
{
    static void  (*const operations[])(void) = {
        store, store, store, store, store, fetch, fetch, fetch, fetch,
        unpin, invalidate, walk, count, take_counts, pass_time, die
    };

    operations[take(sizeof(operations) / sizeof(operations[0]))]();
}


static void
store(void)
{
    int                      was_nested;
    size_t                   i;
    uint64_t                 refusals, before;
    unsigned                 n;
    model_t                  entry;
    cargo_rc_t               rc;
    cargo_str_t              bodies[CARGO_ZONE_BODIES];
    cargo_zone_key_t         key;
    cargo_zone_generation_t  generation;

    memset(&entry, 0, sizeof(entry));

    n = take(KEYS);
    entry.state = state_of(take(1u << GROUPS));
    key = key_of(n, entry.state.groups);

    for (i = 0; i < CARGO_ZONE_BODIES; i++) {
        bodies[i].len = lengths[take(sizeof(lengths) / sizeof(lengths[0]))];
        bodies[i].data = pattern + take(256) + i;
        entry.len[i] = bodies[i].len;
        entry.data[i] = bodies[i].data;
    }

    entry.there = 1;
    entry.stored = now;
    began = nested ? began : now;

    cargo_zone_generation(&zone, &key, &generation);
    refusals = zone.header->stats.refusals;
    before = resets;

    was_nested = nested;
    storing = !nested;
    rc = cargo_zone_store(&zone, &key, &generation, now, key.key, bodies);
    storing = 0;
    nested = was_nested;

    fuzz_check(rc == CARGO_OK || rc == CARGO_REFUSED);

    if (rc == CARGO_REFUSED) {
        check_refused(&entry.state, entry.stored, refusals, before);
        return;
    }

    fuzz_check(current(&entry.state));

    /* time may pass while it is being stored; what was given counts */
    entry.evictions = zone.header->stats.evictions;
    model[n] = entry;
}


/* began: when; what takes too long to store is given up */

static void
check_refused(const state_t *state, int64_t began, uint64_t refusals,
    uint64_t before)
{
    fuzz_check(resets != before || !current(state) || now != began
               || zone.header->stats.refusals > refusals);
}


static void
fetch(void)
{
    int                 body, peek;
    unsigned            n;
    cargo_rc_t          rc;
    cargo_zone_key_t    key;
    cargo_zone_value_t  value;

    n = take(KEYS);
    body = (int) take(CARGO_ZONE_BODIES + 1) - 1;
    peek = (int) take(2);

    unpin();

    key = key_of(n, 0);
    rc = peek ? cargo_zone_peek(&zone, &key, now, body, buffer, &value)
              : cargo_zone_fetch(&zone, &key, now, body, buffer, &value);

    if (rc != CARGO_OK) {
        fuzz_check(rc == CARGO_REFUSED && !must_be_there(n));
        return;
    }

    check_value(n, &value);
    fuzz_check(peek || value.used == now);

    if (body == -1) {
        return;
    }

    fuzz_check(cargo_zone_pinned(&value, body)
               == (model[n].len[body] > CARGO_ZONE_COPY));

    if (!cargo_zone_pinned(&value, body)) {
        fuzz_check(!memcmp(buffer, model[n].data[body], model[n].len[body]));
        return;
    }

    pin.held = 1;
    /* to a store() that began so long ago it is one of a clock set back */
    pin.lost = nested && now - began > CARGO_ZONE_PIN_TIME;
    pin.body = body;
    pin.since = now;
    pin.value = value;
    pin.len = model[n].len[body];
    pin.data = model[n].data[body];
}


static void
check_value(unsigned n, const cargo_zone_value_t *value)
{
    size_t  i;

    fuzz_check(model[n].there && current(&model[n].state));
    fuzz_check(value->head_len == names[n].len);
    fuzz_check(memcmp(value->head, names[n].data, names[n].len) == 0);
    fuzz_check(value->stored == model[n].stored);

    for (i = 0; i < CARGO_ZONE_BODIES; i++) {
        fuzz_check(value->body_len[i] == model[n].len[i]);
    }
}


/* a pin holds what it pinned, or says that it has lost it */

static void
unpin(void)
{
    cargo_rc_t      rc;
    unsigned char  *dst;

    if (!pin.held) {
        return;
    }

    pin.held = 0;
    dst = take(4) ? buffer : NULL;

    rc = cargo_zone_copy(&zone, &pin.value, pin.body, dst);
    fuzz_check(rc == CARGO_OK || (rc == CARGO_REFUSED && pin.lost));

    if (rc == CARGO_OK && dst) {
        fuzz_check(memcmp(buffer, pin.data, pin.len) == 0);
    }

    fuzz_check(cargo_zone_copy(&zone, &pin.value, pin.body, dst)
               == CARGO_REFUSED);
}


static void
invalidate(void)
{
    unsigned  group;

    group = take(GROUPS + 1);
    generations[group]++;

    if (group == ALL) {
        cargo_zone_invalidate_all(&zone);

    } else {
        cargo_zone_invalidate(&zone, group_names[group]);
    }
}


/* each entry once, and all that must be there */

static void
walk(void)
{
    size_t              len;
    unsigned            n, seen;
    uint32_t            position;
    unsigned char       key[CARGO_ZONE_KEY];
    cargo_zone_value_t  value;

    position = 0;
    seen = 0;

    while (cargo_zone_walk(&zone, &position, key, &len, &value) == CARGO_OK) {

        for (n = 0; n < KEYS; n++) {
            if (names[n].len == len && memcmp(names[n].data, key, len) == 0) {
                break;
            }
        }

        fuzz_check(n < KEYS && !(seen & 1u << n));
        seen |= 1u << n;

        check_value(n, &value);
    }

    fuzz_check(position == 0);

    for (n = 0; n < KEYS; n++) {
        fuzz_check((seen & 1u << n) || !must_be_there(n));
    }
}


/* a row has more places than there are ids here */

static void
count(void)
{
    unsigned  id, n;

    id = take(IDS + 1);
    n = take(256);

    fuzz_check(cargo_zone_count(&zone, id, n) == (id != 0));

    if (id) {
        counts[id - 1] += n;
    }
}


static void
take_counts(void)
{
    size_t              i, n, max;
    cargo_zone_count_t  taken[IDS + 1];

    max = program < program_end ? 1 + take(IDS) : IDS + 1;
    n = cargo_zone_take_counts(&zone, taken, max);

    fuzz_check(n <= max);

    for (i = 0; i < n; i++) {
        fuzz_check(taken[i].id >= 1 && taken[i].id <= IDS);
        fuzz_check(taken[i].count && taken[i].count == counts[taken[i].id - 1]);
        counts[taken[i].id - 1] = 0;
    }

    for (i = 0; n < max && i < IDS; i++) {
        fuzz_check(counts[i] == 0);
    }
}


/* also back */

static void
pass_time(void)
{
    now += (int64_t) take(128) - 16;

    if (now - pin.since >= CARGO_ZONE_PIN_TIME || now < pin.since) {
        pin.lost = 1;
    }
}


/* as a process does that is killed in the middle of a change */

static void
die(void)
{
    unsigned              n;
    cargo_zone_header_t  *header;

    header = zone.header;
    n = take(256);

    header->changing = 1;
    header->free = n;
    header->order.newest = n * 2;
    header->order.oldest = n / 2;
    header->detached.newest = n;
    zone.buckets[n & header->bucket_mask] = n;

    for (n = 0; n < KEYS; n++) {
        model[n].there = 0;
    }

    pin.lost = 1;
    resets++;

    /* whoever comes next finds it, if only by the lock */

    cargo_zone_lock(&zone);
    fuzz_check(header->stats.resets == resets && header->stats.entries == 0);
    cargo_zone_unlock(&zone);
}


static cargo_zone_key_t
key_of(unsigned n, uint32_t groups)
{
    size_t            i, count;
    cargo_zone_key_t  key;

    memset(&key, 0, sizeof(key));
    key.key = names[n];
    count = 0;

    for (i = 0; i < GROUPS; i++) {
        if (groups & 1u << i) {
            key.groups[count++] = group_names[i];
        }
    }

    return key;
}


/* of as many groups as an entry may have */

static state_t
state_of(uint32_t groups)
{
    size_t    i, count;
    state_t   state;

    state.groups = 0;
    count = 0;

    for (i = 0; i < GROUPS && count < CARGO_ZONE_GROUPS; i++) {
        if (groups & 1u << i) {
            state.groups |= 1u << i;
            count++;
        }
    }

    memcpy(state.generations, generations, sizeof(generations));

    return state;
}


static int
current(const state_t *state)
{
    size_t  i;

    for (i = 0; i < GROUPS; i++) {
        if ((state->groups & 1u << i)
            && state->generations[i] != generations[i])
        {
            return 0;
        }
    }

    return state->generations[ALL] == generations[ALL];
}


static int
must_be_there(unsigned n)
{
    return model[n].there && current(&model[n].state)
           && model[n].evictions == zone.header->stats.evictions;
}


static unsigned
take(unsigned n)
{
    return program < program_end ? *program++ % n : 0;
}
