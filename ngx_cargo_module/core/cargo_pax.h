
/*
 * The records of a pax extended header: "25 path=foo-1.0.0/src/a\n".
 *
 * Only path and size mean something here.  The other keys (times, owners,
 * attributes) change nothing that cargo unpacks and are passed over, except
 * those of GNU tar's sparse files, which would.
 *
 * Always true: records are told apart by their lengths and by their
 * newlines alike, since the tar crate goes by the newlines and others go by
 * the lengths: a value with a newline in it could hide a path from one of
 * them.
 */


#ifndef CARGO_PAX_H
#define CARGO_PAX_H


#include "cargo_core.h"


typedef struct {
    cargo_str_t     path;       /* a slice of the text; NULL: not given */
    uint64_t        size;
    unsigned        sized;      /* size was given */
} cargo_pax_t;


/* NULL, or what is wrong with the records */
const char *cargo_pax_read(cargo_pax_t *pax, cargo_str_t text);


#endif /* CARGO_PAX_H */
