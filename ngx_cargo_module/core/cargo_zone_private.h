
/*
 * What the files of the zone share: how it lies in memory, and what they do
 * with it under the lock.
 *
 * An entry is a chain of chunks: the first holds cargo_zone_entry_t, key and
 * head, and the bodies follow without a gap.  It is in one of three states:
 *
 *   linked      in its bucket and in the order of use
 *   pending     being stored; in the list of the detached
 *   dead        replaced while someone copies from it; likewise
 *
 * Always true: numbers of chunks take the place of pointers; the serial of a
 * chunk is not 0 if and only if an entry begins there, and no two entries
 * since the last reset have the same; so epoch and serial tell whether
 * something is still what it was before the lock was given up.
 */


#ifndef CARGO_ZONE_PRIVATE_H
#define CARGO_ZONE_PRIVATE_H


#include "cargo_siphash.h"
#include "cargo_zone.h"


#define CARGO_ZONE_NONE        UINT32_MAX   /* no chunk */
#define CARGO_ZONE_CHUNKS_MIN  256
#define CARGO_ZONE_SHARE       8            /* of the chunks, for an entry */

/* under one lock */
#define CARGO_ZONE_EVICTIONS   32

/*
 * With 200,000 crates an invalidation takes fifty others with it, which is
 * nothing, and the table stays in the processor's cache.  Two more: of an
 * entry with fewer groups, never invalidated, and of all entries.
 */
#define CARGO_ZONE_SLOTS       4096
#define CARGO_ZONE_SLOT_NONE   CARGO_ZONE_SLOTS
#define CARGO_ZONE_SLOT_ALL    (CARGO_ZONE_SLOTS + 1)
#define CARGO_ZONE_SLOTS_ALL   (CARGO_ZONE_SLOTS + 2)

/* places of a counter, a row: four lines of the processor's cache */
#define CARGO_ZONE_WAYS        16

/* for verify(): a serial that has been met */
#define CARGO_ZONE_MARK        UINT32_C(0x80000000)


typedef enum {
    CARGO_ZONE_LINKED = 1,
    CARGO_ZONE_PENDING,
    CARGO_ZONE_DEAD
} cargo_zone_state_t;


typedef struct {
    uint32_t              newest;
    uint32_t              oldest;
} cargo_zone_list_t;


/* in this order: what a miss touches, what a hit does, what the rest does */
typedef struct {
    uint64_t              hash;
    uint32_t              bucket_next;
    uint16_t              key_len;
    uint16_t              head_len;
    uint64_t              generations[CARGO_ZONE_GROUPS + 1];
    uint16_t              slots[CARGO_ZONE_GROUPS];
    uint16_t              body_offset[CARGO_ZONE_BODIES];
    uint32_t              body_chunk[CARGO_ZONE_BODIES];
    uint64_t              body_len[CARGO_ZONE_BODIES];
    int64_t               stored;
    int64_t               used;
    int64_t               pinned;       /* when the last one did */
    uint32_t              pins;
    uint32_t              state;
    uint32_t              newer;
    uint32_t              older;
    uint32_t              last;         /* chunk of the chain */
    uint32_t              chunks;       /* in the chain */
} cargo_zone_entry_t;


/*
 * Of each chunk, but not in it: eight of them are in one line of the
 * processor's cache, so that a chain is known before its first byte has come
 * from memory.
 */
struct cargo_zone_link_s {
    uint32_t              next;
    uint32_t              serial;
};


union cargo_zone_chunk_u {
    cargo_zone_entry_t    entry;
    unsigned char         data[CARGO_ZONE_CHUNK];
};


_Static_assert(sizeof(cargo_zone_entry_t) + CARGO_ZONE_KEY + CARGO_ZONE_HEAD
               <= CARGO_ZONE_CHUNK, "key and head are in the first chunk");


/* free when count is 0, whatever id is */
struct cargo_zone_counter_s {
    uint64_t              id;
    uint64_t              count;
};


struct cargo_zone_header_s {
    uint64_t              magic;        /* set last */
    uint64_t              layout;
    uint64_t              size;
    unsigned char         seed[CARGO_SIPHASH_KEY];

    uint32_t              chunks;
    uint32_t              bucket_mask;
    uint32_t              row_mask;     /* of counters */
    uint32_t              row_next;     /* where take_counts() goes on */

    uint32_t              changing;
    uint32_t              epoch;        /* changes with every reset */
    uint32_t              serial;

    uint32_t              free;
    uint32_t              free_count;
    uint32_t              fresh;        /* from here none was ever used */

    cargo_zone_list_t     order;        /* of use */
    cargo_zone_list_t     detached;     /* by when they were detached */

    cargo_zone_stats_t    stats;
};


/* takes the lock, and empties the cache when a process died in a change */
void cargo_zone_lock(cargo_zone_t *zone);
void cargo_zone_unlock(cargo_zone_t *zone);

/* where the generations of the key's groups are */
void cargo_zone_slots(const cargo_zone_t *zone, const cargo_zone_key_t *key,
    uint16_t *slots);

/* 1 when none of the groups, nor all, was invalidated since */
int cargo_zone_current(const cargo_zone_t *zone, const uint16_t *slots,
    const uint64_t *generations);

/*
 * Copies len bytes of a chain.  0: it is not one any more, as may happen
 * outside of the lock.
 */
int cargo_zone_read(const cargo_zone_t *zone, uint32_t chunk, size_t offset,
    unsigned char *dst, uint64_t len);

/* the linked entry with this key, or CARGO_ZONE_NONE */
uint32_t cargo_zone_find(const cargo_zone_t *zone, uint64_t hash,
    cargo_str_t key);

/* 1 when someone copies from it who may still be alive */
int cargo_zone_in_use(const cargo_zone_entry_t *entry, int64_t now);

uint32_t cargo_zone_counters_used(const cargo_zone_t *zone);


/* between cargo_zone_change() and cargo_zone_changed(): */

/* a pending entry into its bucket and the order of use */
void cargo_zone_link(cargo_zone_t *zone, uint32_t i);

/* a linked entry out of them; freed now, or when no one copies from it */
void cargo_zone_drop(cargo_zone_t *zone, uint32_t i, int64_t now);

void cargo_zone_detach(cargo_zone_t *zone, uint32_t i,
    cargo_zone_state_t state, int64_t now);
void cargo_zone_free_detached(cargo_zone_t *zone, uint32_t i);

/* makes the linked entry the one that was used last */
void cargo_zone_touch(cargo_zone_t *zone, uint32_t i);

/* collects and evicts until n chunks can be allocated; 0: they cannot */
int cargo_zone_reserve(cargo_zone_t *zone, uint32_t n, int64_t now);
uint32_t cargo_zone_alloc(cargo_zone_t *zone);


/*
 * A process can only be killed between two instructions, and what it stored
 * before is then stored for all: it is the compiler that must keep the order.
 */

static inline void
cargo_zone_change(cargo_zone_t *zone)
{
    __atomic_store_n(&zone->header->changing, 1, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}


static inline void
cargo_zone_changed(cargo_zone_t *zone)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    __atomic_store_n(&zone->header->changing, 0, __ATOMIC_RELAXED);
}


static inline cargo_zone_entry_t *
cargo_zone_entry(const cargo_zone_t *zone, uint32_t chunk)
{
    return &zone->chunks[chunk].entry;
}


static inline unsigned char *
cargo_zone_key(const cargo_zone_t *zone, uint32_t chunk)
{
    return zone->chunks[chunk].data + sizeof(cargo_zone_entry_t);
}


#endif /* CARGO_ZONE_PRIVATE_H */
