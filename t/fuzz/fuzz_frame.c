
#include "fuzz.h"

#include <string.h>

#include "cargo_frame.h"


#define CRATE_MAX  4096


/* what the frame handed on */
typedef struct {
    size_t          size;       /* of the whole body */
    size_t          begun;
    size_t          len;
    unsigned char   crate[CRATE_MAX];
    cargo_str_t     metadata;
    cargo_rc_t      rc;
    cargo_error_t   error;
} sink_t;


static void run(cargo_arena_t *arena, sink_t *sink, cargo_str_t body,
    fuzz_cut_t cut);
static cargo_rc_t take(void *data, cargo_str_t metadata,
    const unsigned char *p, size_t n, cargo_error_t *error);
static void check_round_trip(const sink_t *sink, cargo_str_t body);
static uint32_t length(const unsigned char *p);


int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    fuzz_cut_t      cut;
    cargo_str_t     body;
    static sink_t   whole, other;
    cargo_arena_t  *arena, *second;

    body.data = (unsigned char *) (uintptr_t) data;
    body.len = size;

    arena = fuzz_begin(data, size, 2 * CARGO_METADATA_MAX + 32 * 1024);

    run(arena, &whole, body, FUZZ_WHOLE);

    if (size >= 4 && length(data) > CARGO_METADATA_MAX) {
        fuzz_check(whole.rc == CARGO_REFUSED && whole.error.status == 413);
    }

    if (whole.rc == CARGO_OK) {
        check_round_trip(&whole, body);
    }

    for (cut = FUZZ_BYTES; cut <= FUZZ_PIECES; cut++) {
        second = fuzz_arena();

        run(second, &other, body, cut);

        fuzz_check(other.rc == whole.rc && other.begun == whole.begun);
        fuzz_check(whole.rc == CARGO_OK
                   || fuzz_same_error(&whole.error, &other.error));

        /* how much comes out before a refusal may differ */

        if (whole.rc == CARGO_OK) {
            fuzz_check(cargo_str_equal(whole.metadata, other.metadata));
            fuzz_check(whole.len == other.len
                       && memcmp(whole.crate, other.crate, whole.len) == 0);
        }

        cargo_arena_destroy(second);
    }

    fuzz_end(arena);

    return 0;
}


static void
run(cargo_arena_t *arena, sink_t *sink, cargo_str_t body, fuzz_cut_t cut)
{
    size_t          n;
    cargo_rc_t      rc;
    cargo_error_t   error;
    cargo_frame_t  *frame;

    sink->size = body.len;
    sink->begun = 0;
    sink->len = 0;

    frame = cargo_frame_create(arena, CRATE_MAX, take, sink);
    fuzz_check(frame != NULL);

    sink->rc = CARGO_OK;

    while (body.len && sink->rc == CARGO_OK) {
        n = fuzz_cut(cut, body.len);
        sink->rc = cargo_frame_feed(frame, body.data, n, &sink->error);
        body.data += n;
        body.len -= n;
    }

    rc = cargo_frame_end(frame, &error);

    if (sink->rc == CARGO_OK) {
        sink->rc = rc;
        sink->error = error;

    } else {
        fuzz_check(rc == sink->rc && fuzz_same_error(&error, &sink->error));
    }

    fuzz_check_result(sink->rc, &sink->error);
}


static cargo_rc_t
take(void *data, cargo_str_t metadata, const unsigned char *p, size_t n,
    cargo_error_t *error)
{
    sink_t  *sink = data;

    (void) error;

    fuzz_check(metadata.len <= CARGO_METADATA_MAX);
    fuzz_check(metadata.data[metadata.len] == '\0');

    if (n == 0) {
        fuzz_check(sink->begun == 0 && sink->len == 0);
        sink->begun = 1;
        sink->metadata = metadata;
        return CARGO_OK;
    }

    fuzz_check(sink->begun == 1);
    fuzz_check(sink->len + n <= CRATE_MAX && sink->len + n <= sink->size);

    memcpy(sink->crate + sink->len, p, n);
    sink->len += n;

    return CARGO_OK;
}


static void
check_round_trip(const sink_t *sink, cargo_str_t body)
{
    size_t  len;

    len = sink->metadata.len;

    fuzz_check(sink->begun == 1 && sink->len > 0);
    fuzz_check(body.len == 4 + len + 4 + sink->len);
    fuzz_check(length(body.data) == len);
    fuzz_check(length(body.data + 4 + len) == sink->len);
    fuzz_check(memcmp(body.data + 4, sink->metadata.data, len) == 0);
    fuzz_check(memcmp(body.data + 8 + len, sink->crate, sink->len) == 0);
}


static uint32_t
length(const unsigned char *p)
{
    return p[0] | (uint32_t) p[1] << 8 | (uint32_t) p[2] << 16
           | (uint32_t) p[3] << 24;
}
