
#include "cargo_metrics.h"

#include <string.h>


static int cargo_metrics_take(cargo_metrics_slot_t *slot, uint64_t owner,
    cargo_metrics_alive_pt alive);
static void cargo_metrics_add_all(uint64_t *to, const uint64_t *from,
    size_t size);


/* those that say something of their own; of the rest the class does */

static const char *const  cargo_metrics_codes[CARGO_METRICS_CODES] = {
    "other", "1xx", "2xx", "3xx", "4xx", "5xx",
    "200", "204", "206", "304",
    "400", "401", "403", "404", "405", "408", "409", "413", "416", "422",
    "429", "499",
    "500", "503", "504"
};

#define CARGO_METRICS_STATUS_MAX  504

static const unsigned char
    cargo_metrics_of_status[CARGO_METRICS_STATUS_MAX + 1] =
{
    [200] = 6, [204] = 7, [206] = 8, [304] = 9,
    [400] = 10, [401] = 11, [403] = 12, [404] = 13, [405] = 14, [408] = 15,
    [409] = 16, [413] = 17, [416] = 18, [422] = 19, [429] = 20, [499] = 21,
    [500] = 22, [503] = 23, [504] = 24
};


/* nginx's clock has milliseconds */

static const uint64_t  cargo_metrics_bounds[CARGO_METRICS_BUCKETS - 1] = {
    1000, 2000, 5000, 10000, 25000, 50000, 100000, 250000, 500000,
    1000000, 2500000, 5000000, 10000000, 30000000
};

static const char *const  cargo_metrics_bound_names[CARGO_METRICS_BUCKETS] = {
    "0.001", "0.002", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5",
    "1", "2.5", "5", "10", "30", "+Inf"
};


size_t
cargo_metrics_size(size_t nslots)
{
    return sizeof(cargo_metrics_t) + nslots * sizeof(cargo_metrics_slot_t);
}


void
cargo_metrics_init(cargo_metrics_t *metrics, size_t nslots)
{
    metrics->slots[nslots - 1].shared = 1;
    metrics->nslots = nslots;
}


cargo_metrics_slot_t *
cargo_metrics_claim(cargo_metrics_t *metrics, uint64_t owner,
    cargo_metrics_alive_pt alive)
{
    size_t                 i;
    cargo_metrics_slot_t  *slot;

    for (i = 0; i < metrics->nslots - 1; i++) {
        slot = &metrics->slots[i];

        if (cargo_metrics_take(slot, owner, alive)) {
            memset(slot->gauges, 0, sizeof(slot->gauges));
            break;
        }
    }

    return &metrics->slots[i];
}


static int
cargo_metrics_take(cargo_metrics_slot_t *slot, uint64_t owner,
    cargo_metrics_alive_pt alive)
{
    uint64_t  was;

    was = __atomic_load_n(&slot->owner, __ATOMIC_RELAXED);

    /* a process that has this id has only inherited the slot of another */

    if (was && was != owner && alive(was)) {
        return 0;
    }

    return __atomic_compare_exchange_n(&slot->owner, &was, owner, 0,
                                       __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}


void
cargo_metrics_release(cargo_metrics_slot_t *slot, uint64_t owner)
{
    if (slot->owner == owner) {
        memset(slot->gauges, 0, sizeof(slot->gauges));
        __atomic_store_n(&slot->owner, 0, __ATOMIC_RELEASE);
    }
}


void
cargo_metrics_sum(cargo_metrics_t *metrics, cargo_metrics_sum_t *sum,
    cargo_metrics_alive_pt alive)
{
    size_t                 i;
    uint64_t               owner;
    cargo_metrics_slot_t  *slot;

    memset(sum, 0, sizeof(cargo_metrics_sum_t));

    for (i = 0; i < metrics->nslots; i++) {
        slot = &metrics->slots[i];
        owner = __atomic_load_n(&slot->owner, __ATOMIC_RELAXED);

        cargo_metrics_add_all((uint64_t *) &sum->counters,
                              (const uint64_t *) &slot->counters,
                              sizeof(cargo_metrics_counters_t));

        if (owner && alive(owner)) {
            sum->workers++;
            cargo_metrics_add_all((uint64_t *) sum->gauges,
                                  (const uint64_t *) slot->gauges,
                                  sizeof(slot->gauges));
        }
    }
}


/* they are made of nothing but uint64_t */

static void
cargo_metrics_add_all(uint64_t *to, const uint64_t *from, size_t size)
{
    size_t  i;

    for (i = 0; i < size / sizeof(uint64_t); i++) {
        to[i] += __atomic_load_n(&from[i], __ATOMIC_RELAXED);
    }
}


unsigned
cargo_metrics_code(unsigned status)
{
    if (status <= CARGO_METRICS_STATUS_MAX && cargo_metrics_of_status[status])
    {
        return cargo_metrics_of_status[status];
    }

    return (status >= 100 && status < 600) ? status / 100 : 0;
}


const char *
cargo_metrics_code_name(unsigned code)
{
    return cargo_metrics_codes[code];
}


const char *
cargo_metrics_bound_name(unsigned i)
{
    return cargo_metrics_bound_names[i];
}


unsigned
cargo_metrics_bucket(uint64_t microseconds)
{
    unsigned  i;

    for (i = 0; i < CARGO_METRICS_BUCKETS - 1; i++) {
        if (microseconds <= cargo_metrics_bounds[i]) {
            break;
        }
    }

    return i;
}
