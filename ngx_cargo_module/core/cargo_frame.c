
#include "cargo_frame.h"

#include <inttypes.h>
#include <string.h>


#define CARGO_FRAME_LENGTH  4


typedef enum {
    CARGO_FRAME_METADATA_LENGTH = 0,
    CARGO_FRAME_METADATA,
    CARGO_FRAME_CRATE_LENGTH,
    CARGO_FRAME_CRATE,
    CARGO_FRAME_DONE
} cargo_frame_state_t;


struct cargo_frame_s {
    cargo_arena_t         *arena;
    uint64_t               crate_max;
    cargo_frame_crate_pt   crate;
    void                  *data;

    cargo_frame_state_t    state;
    uint32_t               length;      /* of the part being read */
    uint32_t               seen;        /* of that part */
    size_t                 length_seen;
    unsigned char          length_bytes[CARGO_FRAME_LENGTH];
    cargo_str_t            metadata;

    cargo_rc_t             rc;
    cargo_error_t          error;
};


static cargo_rc_t cargo_frame_read(cargo_frame_t *frame,
    const unsigned char *p, size_t n);
static size_t cargo_frame_read_length(cargo_frame_t *frame,
    const unsigned char *p, size_t n);
static cargo_rc_t cargo_frame_begin_metadata(cargo_frame_t *frame);
static cargo_rc_t cargo_frame_begin_crate(cargo_frame_t *frame);
static cargo_rc_t cargo_frame_take(cargo_frame_t *frame,
    const unsigned char *p, size_t n);
static cargo_rc_t cargo_frame_complete(cargo_frame_t *frame);
static cargo_rc_t cargo_frame_truncated(cargo_frame_t *frame);


cargo_frame_t *
cargo_frame_create(cargo_arena_t *arena, uint64_t crate_max,
    cargo_frame_crate_pt crate, void *data)
{
    cargo_frame_t  *frame;

    frame = cargo_arena_alloc(arena, sizeof(cargo_frame_t));
    if (frame == NULL) {
        return NULL;
    }

    memset(frame, 0, sizeof(cargo_frame_t));

    frame->arena = arena;
    frame->crate_max = crate_max;
    frame->crate = crate;
    frame->data = data;

    return frame;
}


cargo_rc_t
cargo_frame_feed(cargo_frame_t *frame, const unsigned char *p, size_t n,
    cargo_error_t *error)
{
    if (frame->rc == CARGO_OK) {
        frame->rc = cargo_frame_read(frame, p, n);
    }

    if (frame->rc == CARGO_REFUSED) {
        *error = frame->error;
    }

    return frame->rc;
}


cargo_rc_t
cargo_frame_end(cargo_frame_t *frame, cargo_error_t *error)
{
    if (frame->rc == CARGO_OK && frame->state != CARGO_FRAME_DONE) {
        frame->rc = cargo_frame_truncated(frame);
    }

    if (frame->rc == CARGO_REFUSED) {
        *error = frame->error;
    }

    return frame->rc;
}


static cargo_rc_t
cargo_frame_read(cargo_frame_t *frame, const unsigned char *p, size_t n)
{
    size_t      used;
    cargo_rc_t  rc;

    while (n) {
        rc = CARGO_OK;

        switch (frame->state) {

        case CARGO_FRAME_METADATA_LENGTH:
        case CARGO_FRAME_CRATE_LENGTH:
            used = cargo_frame_read_length(frame, p, n);

            if (frame->length_seen < CARGO_FRAME_LENGTH) {
                break;
            }

            rc = (frame->state == CARGO_FRAME_METADATA_LENGTH)
                 ? cargo_frame_begin_metadata(frame)
                 : cargo_frame_begin_crate(frame);
            break;

        case CARGO_FRAME_METADATA:
        case CARGO_FRAME_CRATE:
            used = frame->length - frame->seen;
            used = (n < used) ? n : used;

            rc = cargo_frame_take(frame, p, used);
            break;

        case CARGO_FRAME_DONE:
        default:
            return cargo_refuse(&frame->error, 400,
                                "the request goes on after the tarball; it "
                                "must end with the last byte that the tarball "
                                "length announces");
        }

        if (rc != CARGO_OK) {
            return rc;
        }

        p += used;
        n -= used;
    }

    return CARGO_OK;
}


static size_t
cargo_frame_read_length(cargo_frame_t *frame, const unsigned char *p, size_t n)
{
    size_t  used;

    used = CARGO_FRAME_LENGTH - frame->length_seen;
    used = (n < used) ? n : used;

    memcpy(frame->length_bytes + frame->length_seen, p, used);
    frame->length_seen += used;

    if (frame->length_seen == CARGO_FRAME_LENGTH) {
        frame->seen = 0;
        frame->length = (uint32_t) frame->length_bytes[0]
                        | (uint32_t) frame->length_bytes[1] << 8
                        | (uint32_t) frame->length_bytes[2] << 16
                        | (uint32_t) frame->length_bytes[3] << 24;
    }

    return used;
}


static cargo_rc_t
cargo_frame_begin_metadata(cargo_frame_t *frame)
{
    if (frame->length > CARGO_METADATA_MAX) {
        return cargo_refuse(&frame->error, 413,
                            "JSON metadata blob too large");
    }

    frame->metadata.data = cargo_arena_alloc(frame->arena,
                                             (size_t) frame->length + 1);
    if (frame->metadata.data == NULL) {
        return CARGO_NO_MEMORY;
    }

    frame->metadata.data[frame->length] = '\0';
    frame->metadata.len = frame->length;
    frame->state = CARGO_FRAME_METADATA;

    return (frame->length == 0) ? cargo_frame_complete(frame) : CARGO_OK;
}


static cargo_rc_t
cargo_frame_begin_crate(cargo_frame_t *frame)
{
    if (frame->length > frame->crate_max) {
        return cargo_refuse(&frame->error, 413, "max upload size is: %" PRIu64,
                            frame->crate_max);
    }

    if (frame->length == 0) {
        return cargo_refuse(&frame->error, 400, "uploaded tarball is empty");
    }

    frame->state = CARGO_FRAME_CRATE;

    return CARGO_OK;
}


static cargo_rc_t
cargo_frame_take(cargo_frame_t *frame, const unsigned char *p, size_t n)
{
    cargo_rc_t  rc;

    if (frame->state == CARGO_FRAME_METADATA) {
        memcpy(frame->metadata.data + frame->seen, p, n);

    } else {
        rc = frame->crate(frame->data, frame->metadata, p, n, &frame->error);
        if (rc != CARGO_OK) {
            return rc;
        }
    }

    /* n is at most length - seen */
    frame->seen += (uint32_t) n;

    return (frame->seen == frame->length) ? cargo_frame_complete(frame)
                                          : CARGO_OK;
}


static cargo_rc_t
cargo_frame_complete(cargo_frame_t *frame)
{
    if (frame->state == CARGO_FRAME_CRATE) {
        frame->state = CARGO_FRAME_DONE;
        return CARGO_OK;
    }

    frame->state = CARGO_FRAME_CRATE_LENGTH;
    frame->length_seen = 0;

    return frame->crate(frame->data, frame->metadata, NULL, 0, &frame->error);
}


static cargo_rc_t
cargo_frame_truncated(cargo_frame_t *frame)
{
    switch (frame->state) {

    case CARGO_FRAME_METADATA_LENGTH:
        return cargo_refuse(&frame->error, 400, "invalid metadata length");

    case CARGO_FRAME_METADATA:
        return cargo_refuse(&frame->error, 400,
                            "invalid metadata length for remaining payload: "
                            "%" PRIu32, frame->length);

    case CARGO_FRAME_CRATE_LENGTH:
        return cargo_refuse(&frame->error, 400, "invalid tarball length");

    default:
        return cargo_refuse(&frame->error, 400,
                            "invalid tarball length for remaining payload: "
                            "%" PRIu32, frame->length);
    }
}
