
/*
 * The cache in shared memory: entries under keys, with a small head and up to
 * two bodies (a document and its gzip form), the oldest unused ones first to
 * go; generations that make entries worthless at once; and counters.
 *
 * It knows nothing of what it holds, of nginx, or of HTTP: a region of memory
 * and a lock is all it needs, so that processes which are killed at random can
 * be tried on it alone.
 *
 *   header | generations | counters | buckets | links | chunks
 *
 * All chunks have one size, and an entry is a chain of them: no allocation
 * can fail for want of a run of them, every eviction helps, and every link is
 * a number that can be checked.  (Not nginx's slab: a worker that dies in the
 * middle of ngx_slab_alloc() leaves behind what nobody can repair.)
 *
 * Memory: the region belongs to the caller, is mapped by all processes (the
 * addresses may differ) and outlives a reload; a cargo_zone_t belongs to one
 * process.
 *
 * Always true: under the lock nothing is allocated or logged, and nothing
 * longer than CARGO_ZONE_COPY is copied at a time; chunks are written only
 * under it, so that a process which comes back after an hour writes into
 * nobody's entry; who changes links sets `changing` before the first and
 * clears it after the last of them, and who takes the lock and finds it set
 * empties the cache: after a kill -9 entries are lost, but never wrong.
 * Counters and generations survive that.  A body is handed out only if it was
 * whole to the end.
 */


#ifndef CARGO_ZONE_H
#define CARGO_ZONE_H


#include "cargo_core.h"


#define CARGO_ZONE_CHUNK     512        /* bytes, without its link */
#define CARGO_ZONE_COPY      4096       /* what is copied under the lock */
#define CARGO_ZONE_KEY       256        /* longest key */
#define CARGO_ZONE_HEAD      112        /* longest head */
#define CARGO_ZONE_BODIES    2
#define CARGO_ZONE_GROUPS    3          /* generations an entry depends on */
#define CARGO_ZONE_ALIGN     64         /* of the region: a cache line */

/* after so many seconds a pin belongs to a process that is no more */
#define CARGO_ZONE_PIN_TIME  60


typedef struct cargo_zone_header_s   cargo_zone_header_t;
typedef struct cargo_zone_counter_s  cargo_zone_counter_t;
typedef struct cargo_zone_link_s     cargo_zone_link_t;
typedef union cargo_zone_chunk_u     cargo_zone_chunk_t;

/* lock, unlock and mutex are the caller's; the rest is set by create() */
typedef struct {
    void                 (*lock)(void *mutex);
    void                 (*unlock)(void *mutex);
    void                  *mutex;

    /* private: where the parts are in this process */
    cargo_zone_header_t   *header;
    uint64_t              *generations;
    cargo_zone_counter_t  *counters;
    uint32_t              *buckets;
    cargo_zone_link_t     *links;
    cargo_zone_chunk_t    *chunks;
} cargo_zone_t;


/*
 * What an entry is found by, and the groups whose invalidation ends it (a
 * crate, the permissions of a registry ...): names of groups are any bytes.
 */
typedef struct {
    cargo_str_t            key;
    cargo_str_t            groups[CARGO_ZONE_GROUPS];   /* len 0: none */
} cargo_zone_key_t;


typedef struct {
    unsigned char          head[CARGO_ZONE_HEAD];
    size_t                 head_len;
    size_t                 body_len[CARGO_ZONE_BODIES];
    int64_t                stored;      /* seconds, as given to store() */
    int64_t                used;        /* likewise, as given to fetch() */

    /* private: the pin */
    uint32_t               entry;
    uint32_t               serial;
    uint32_t               epoch;

    /* private: what it depends on */
    uint16_t               slots[CARGO_ZONE_GROUPS];
    uint64_t               generations[CARGO_ZONE_GROUPS + 1];
} cargo_zone_value_t;


/* to be taken before the question, and given to store() with the answer */
typedef struct {
    uint64_t               values[CARGO_ZONE_GROUPS + 1];
} cargo_zone_generation_t;


typedef struct {
    uint64_t               id;          /* not 0 */
    uint64_t               count;
} cargo_zone_count_t;


typedef struct {
    uint64_t               hits;
    uint64_t               misses;
    uint64_t               stores;
    uint64_t               invalidations;
    uint64_t               evictions;
    uint64_t               refusals;    /* too large, or all pinned */
    uint64_t               resets;      /* a process died in a change */
    uint32_t               entries;     /* with those of old generations */
    uint32_t               detached;    /* being stored, or gone but pinned */
    uint32_t               chunks;
    uint32_t               chunks_free;
    uint32_t               counters;
    uint32_t               counters_used;
} cargo_zone_stats_t;


/* smallest region that is of any use */
size_t cargo_zone_size_min(void);

/*
 * Makes a zone of the region, whose first bytes are 0 then, or finds the one
 * that is there already, which is not changed by that.  seed: random, for the
 * hash (CARGO_SIPHASH_KEY bytes), used when it is made.  -1 when size is too
 * small, the region not aligned, or what is there has another layout or size;
 * attach() makes none and fails in its place.
 */
int cargo_zone_create(cargo_zone_t *zone, void *region, size_t size,
    const unsigned char *seed);
int cargo_zone_attach(cargo_zone_t *zone, void *region, size_t size);

/*
 * CARGO_OK: value is filled.  With body >= 0 and a body of at most
 * CARGO_ZONE_COPY bytes, this is in buffer (CARGO_ZONE_COPY bytes) already;
 * a longer one is pinned, and cargo_zone_copy() has to be called, once.
 * body -1: the head alone, nothing is pinned.  CARGO_REFUSED: not there, or
 * of an older generation.  The key alone counts, not its groups.  now:
 * seconds, may stand still or go back, never matters but for the order of
 * eviction and the age of pins.
 */
cargo_rc_t cargo_zone_fetch(cargo_zone_t *zone, const cargo_zone_key_t *key,
    int64_t now, int body, unsigned char *buffer, cargo_zone_value_t *value);

/* the same, but it is no use of the entry: for writing the cache to disk */
cargo_rc_t cargo_zone_peek(cargo_zone_t *zone, const cargo_zone_key_t *key,
    int64_t now, int body, unsigned char *buffer, cargo_zone_value_t *value);

/*
 * 1 as long as nothing that this value depends on has been invalidated since
 * it was fetched: whoever keeps it need not take the lock to have it again.
 */
int cargo_zone_still(const cargo_zone_t *zone,
    const cargo_zone_value_t *value);

/* 1 when this body has been pinned by fetch and must be copied */
int cargo_zone_pinned(const cargo_zone_value_t *value, int body);

/*
 * Copies the pinned body outside of the lock and gives it up.  CARGO_REFUSED:
 * it went away meanwhile, what was copied is worthless.  dst NULL: only give
 * it up.  One that was replaced or invalidated since fetch() is still whole,
 * and CARGO_OK.
 */
cargo_rc_t cargo_zone_copy(cargo_zone_t *zone, cargo_zone_value_t *value,
    int body, unsigned char *dst);

void cargo_zone_generation(cargo_zone_t *zone, const cargo_zone_key_t *key,
    cargo_zone_generation_t *generation);

/* makes of it what a key without this group would have been given */
void cargo_zone_generation_without(cargo_zone_generation_t *generation,
    size_t group);

/*
 * Stores or replaces an entry.  CARGO_REFUSED: a group was invalidated since
 * the generation was taken, key or head is too long, the bodies take more
 * than an eighth of the chunks, or everything is pinned.  The bodies are
 * copied in pieces of CARGO_ZONE_COPY bytes, with the lock given up in
 * between; a process that dies there leaves chunks on a list that is
 * collected by a store() after CARGO_ZONE_PIN_TIME.  bodies: of
 * CARGO_ZONE_BODIES, len 0: none.
 */
cargo_rc_t cargo_zone_store(cargo_zone_t *zone, const cargo_zone_key_t *key,
    const cargo_zone_generation_t *generation, int64_t now, cargo_str_t head,
    const cargo_str_t *bodies);

/* every entry that depends on the group is gone, also those being stored */
void cargo_zone_invalidate(cargo_zone_t *zone, cargo_str_t group);
void cargo_zone_invalidate_all(cargo_zone_t *zone);

/*
 * The next entry of a generation that holds; position 0 begins, and is 0
 * again at the end, with CARGO_REFUSED.  For writing the cache to disk:
 * nothing is pinned, nor moved in the order of use.  Entries come as they lie
 * in memory, not in the order of use, which changes too quickly to be
 * followed: so the walk ends, however busy the cache is, and sees each entry
 * that was there all the time once, and one stored meanwhile twice at most
 * for each time.  key: CARGO_ZONE_KEY bytes of the caller's.
 */
cargo_rc_t cargo_zone_walk(cargo_zone_t *zone, uint32_t *position,
    unsigned char *key, size_t *key_len, cargo_zone_value_t *value);

/*
 * 0: no room for another id; the caller counts otherwise.  An id has 16 places
 * where it may be, so the first is refused before all counters are used.
 */
int cargo_zone_count(cargo_zone_t *zone, uint64_t id, uint64_t n);

/*
 * Takes out up to max counters that are not 0; returns how many, fewer than
 * max after a look at all.  Each is in counts before it is 0.
 */
size_t cargo_zone_take_counts(cargo_zone_t *zone, cargo_zone_count_t *counts,
    size_t max);

void cargo_zone_stats(cargo_zone_t *zone, cargo_zone_stats_t *stats);

/*
 * For tests: walks all that is linked, under the lock, and says what is wrong
 * (a chunk in two chains or in none, a cycle, a number out of bounds, a count
 * that does not add up); NULL: it is sound.
 */
const char *cargo_zone_verify(cargo_zone_t *zone);


#endif /* CARGO_ZONE_H */
