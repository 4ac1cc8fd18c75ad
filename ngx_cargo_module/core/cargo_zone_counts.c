
#include "cargo_zone_private.h"


static cargo_zone_counter_t *cargo_zone_row(const cargo_zone_t *zone,
    uint32_t row);
static int cargo_zone_row_used(const cargo_zone_counter_t *row);
static size_t cargo_zone_take_row(cargo_zone_t *zone,
    cargo_zone_counter_t *row, cargo_zone_count_t *counts, size_t max);
static void cargo_zone_set(uint64_t *p, uint64_t value);


int
cargo_zone_count(cargo_zone_t *zone, uint64_t id, uint64_t n)
{
    size_t                 i;
    uint64_t               hash;
    cargo_zone_counter_t  *row, *counter;

    if (id == 0) {
        return 0;
    }

    /* ids come from a sequence, not from a client: any spread will do */
    hash = id * UINT64_C(0x9e3779b97f4a7c15) >> 32;

    row = cargo_zone_row(zone, (uint32_t) hash & zone->header->row_mask);
    counter = NULL;

    cargo_zone_lock(zone);

    for (i = 0; i < CARGO_ZONE_WAYS; i++) {
        if (row[i].count == 0) {
            if (counter == NULL) {
                counter = &row[i];
            }

        } else if (row[i].id == id) {
            counter = &row[i];
            break;
        }
    }

    if (counter) {
        cargo_zone_set(&counter->id, id);
        cargo_zone_set(&counter->count, counter->count + n);
    }

    cargo_zone_unlock(zone);

    return counter != NULL;
}


size_t
cargo_zone_take_counts(cargo_zone_t *zone, cargo_zone_count_t *counts,
    size_t max)
{
    size_t                 taken;
    uint32_t               i, first, at;
    cargo_zone_header_t   *header;
    cargo_zone_counter_t  *row;

    header = zone->header;
    first = __atomic_load_n(&header->row_next, __ATOMIC_RELAXED);
    taken = 0;

    for (i = 0; i <= header->row_mask && taken < max; i++) {
        at = (first + i) & header->row_mask;
        row = cargo_zone_row(zone, at);

        if (cargo_zone_row_used(row)) {
            taken += cargo_zone_take_row(zone, row, counts + taken,
                                         max - taken);

            /* where max ends it, the next call begins: none waits for ever */
            __atomic_store_n(&header->row_next, at, __ATOMIC_RELAXED);
        }
    }

    return taken;
}


uint32_t
cargo_zone_counters_used(const cargo_zone_t *zone)
{
    uint32_t  i, n, used;

    n = (zone->header->row_mask + 1) * CARGO_ZONE_WAYS;
    used = 0;

    for (i = 0; i < n; i++) {
        used += __atomic_load_n(&zone->counters[i].count, __ATOMIC_RELAXED)
                != 0;
    }

    return used;
}


static cargo_zone_counter_t *
cargo_zone_row(const cargo_zone_t *zone, uint32_t row)
{
    return &zone->counters[(size_t) row * CARGO_ZONE_WAYS];
}


/* looked at outside of the lock, for there are many and few are used */

static int
cargo_zone_row_used(const cargo_zone_counter_t *row)
{
    size_t  i;

    for (i = 0; i < CARGO_ZONE_WAYS; i++) {
        if (__atomic_load_n(&row[i].count, __ATOMIC_RELAXED)) {
            return 1;
        }
    }

    return 0;
}


static size_t
cargo_zone_take_row(cargo_zone_t *zone, cargo_zone_counter_t *row,
    cargo_zone_count_t *counts, size_t max)
{
    size_t  i, taken;

    taken = 0;

    cargo_zone_lock(zone);

    for (i = 0; i < CARGO_ZONE_WAYS && taken < max; i++) {
        if (row[i].count) {
            cargo_zone_set(&counts[taken].id, row[i].id);
            cargo_zone_set(&counts[taken].count, row[i].count);
            taken++;

            cargo_zone_set(&row[i].count, 0);
        }
    }

    cargo_zone_unlock(zone);

    return taken;
}


/* in the order of the program: a process may be killed after each of them */

static void
cargo_zone_set(uint64_t *p, uint64_t value)
{
    __atomic_store_n(p, value, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}
