
/*
 * What fails fails for everybody: of one kind of fault a log gets a line every
 * CARGO_RATELIMIT_SECONDS, and the next one says how many were left out.
 *
 * Memory: the limits belong to the caller, and are zeros to begin with; a
 * kind is kept as a pointer and lives as long as they do.
 *
 * Always true: a kind that was not seen for that long is told at once; when
 * there are more kinds at a time than room, the one told longest ago is
 * forgotten, so that too much may be told, never too little.
 */


#ifndef CARGO_RATELIMIT_H
#define CARGO_RATELIMIT_H


#include <stdint.h>
#include <time.h>


#define CARGO_RATELIMIT_SECONDS  5
#define CARGO_RATELIMIT_KINDS    16


typedef struct {
    const char                  *kind;      /* NULL: free */
    uint32_t                     code;
    time_t                       told;
    uint32_t                     untold;
} cargo_ratelimit_kind_t;


typedef struct {
    cargo_ratelimit_kind_t       kinds[CARGO_RATELIMIT_KINDS];
    char                         note[64];
} cargo_ratelimit_t;


/*
 * NULL: not now.  Else what to end the line with: "" or how many like it were
 * left out since the last one, good until the next call.  A clock that was set
 * back is no reason to be silent.
 */
const char *cargo_ratelimit(cargo_ratelimit_t *limit, const char *kind,
    uint32_t code, time_t now);


#endif /* CARGO_RATELIMIT_H */
