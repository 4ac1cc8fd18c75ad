
/*
 * Cases for what reads a release from text, be it the JSON that cargo sends
 * or the manifest in the archive: both end in the same JSON and in the same
 * refusals.
 */


#ifndef UNIT_READER_H
#define UNIT_READER_H


#include "unit.h"


/* release and error as the function under test leaves them */
typedef cargo_rc_t (*reader_pt)(const char *text, json_t **release,
    cargo_error_t *error);

typedef struct {
    const char  *text;
    const char  *expected;
} reader_case_t;


/* expected: the release's deps */
void reader_reads_deps(reader_pt read, const reader_case_t *cases, size_t n);

void reader_accepts(reader_pt read, const char *const *texts, size_t n);

/* expected: the whole detail of a 400 */
void reader_refuses(reader_pt read, const reader_case_t *cases, size_t n);


#endif /* UNIT_READER_H */
