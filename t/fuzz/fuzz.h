
/*
 * What the fuzz targets share.  A target is one file, fuzz_NAME.c, with the
 * one function that libFuzzer calls; "make fuzz" builds it with libFuzzer,
 * and "make test" with replay.c, which runs it over corpus/NAME.
 *
 * A target asserts properties by fuzz_check(), and not only that nothing
 * crashes: what was read and written again is the same, how the input is cut
 * makes no difference, two ways to the same answer agree.
 *
 * Memory: fuzz_begin() makes an arena that fails the run when it grows beyond
 * its limit, and fuzz_end() fails it unless all was given back; jansson's is
 * counted by itself, and must be given back as well.
 *
 * Always true: a target depends on its input alone, so that each finding
 * reproduces; what is random in it comes from fuzz_random(), whose seed is
 * the input.
 */


#ifndef FUZZ_H
#define FUZZ_H


#include <jansson.h>

#include "cargo_core.h"
#include "cargo_release.h"


#define fuzz_check(condition)                                                 \
    ((condition) ? (void) 0 : fuzz_failed(#condition, __FILE__, __LINE__))

#define fuzz_text(literal)                                                    \
    ((cargo_str_t) { sizeof(literal) - 1, (unsigned char *) literal })


int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

_Noreturn void fuzz_failed(const char *condition, const char *file, int line);

/* max: bytes that the target may have at a time */
cargo_arena_t *fuzz_begin(const unsigned char *data, size_t size, size_t max);
void fuzz_end(cargo_arena_t *arena);

/* a second arena, within the same limit; ends by cargo_arena_destroy() */
cargo_arena_t *fuzz_arena(void);

/* 0 to n - 1; n is not 0 */
size_t fuzz_random(size_t n);

/* how much of what is left to feed next, by the way of cutting */
typedef enum {
    FUZZ_WHOLE = 0,
    FUZZ_BYTES,             /* one by one */
    FUZZ_PIECES             /* of random sizes */
} fuzz_cut_t;

size_t fuzz_cut(fuzz_cut_t cut, size_t left);

/*
 * A copy in a block of its own, so that reading past its end is seen: an arena
 * shares its blocks out, and rounds up.  It is there until fuzz_end().
 */
cargo_str_t fuzz_copy(const void *data, size_t len);

/* takes the next line off rest, as such a copy; data is NULL after the last */
cargo_str_t fuzz_line(cargo_str_t *rest);

/* CARGO_OK or CARGO_REFUSED, and then with a sentence that may be shown */
void fuzz_check_result(cargo_rc_t rc, const cargo_error_t *error);
int fuzz_same_error(const cargo_error_t *a, const cargo_error_t *b);

/*
 * A release is read again from what it was rendered to, and is the same; its
 * index line is one line of JSON that says what the release says.
 */
void fuzz_check_release(cargo_arena_t *arena, json_t *release);

/* the index URLs of the registry that releases are read for */
extern const cargo_own_index_t  fuzz_own;


#endif /* FUZZ_H */
