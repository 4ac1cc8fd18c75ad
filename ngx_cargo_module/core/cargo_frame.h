
/*
 * The body of a publish, split as it arrives: a 32-bit little-endian length,
 * that much JSON, another length, that much .crate (cargo's registry web
 * API).
 *
 * Memory: the JSON text is collected in the arena; crate bytes are handed on
 * as slices of what the caller feeds, never kept.
 *
 * Always true: the JSON is complete before the first crate byte is handed
 * on; at most CARGO_METADATA_MAX bytes of it are kept, whatever the frame
 * claims; all lengths are computed in 64 bits.
 */


#ifndef CARGO_FRAME_H
#define CARGO_FRAME_H


#include "cargo_core.h"


#define CARGO_METADATA_MAX  (1024 * 1024)


/*
 * Called once with n == 0 when the JSON is complete, then with each piece of
 * the .crate in order.  What it returns, if not CARGO_OK, ends the feed.
 */
typedef cargo_rc_t (*cargo_frame_crate_pt)(void *data, cargo_str_t metadata,
    const unsigned char *p, size_t n, cargo_error_t *error);

typedef struct cargo_frame_s  cargo_frame_t;


/* crate_max: the largest .crate accepted, in bytes */
cargo_frame_t *cargo_frame_create(cargo_arena_t *arena, uint64_t crate_max,
    cargo_frame_crate_pt crate, void *data);

/* 413 and 400 with crates.io's wording; further calls repeat the refusal */
cargo_rc_t cargo_frame_feed(cargo_frame_t *frame, const unsigned char *p,
    size_t n, cargo_error_t *error);

/*
 * The body has ended: 400 when it ended inside a length, the JSON or the
 * .crate.  An empty .crate and bytes after it are refused (400) by the feed
 * that sees them, and here again.
 */
cargo_rc_t cargo_frame_end(cargo_frame_t *frame, cargo_error_t *error);


#endif /* CARGO_FRAME_H */
