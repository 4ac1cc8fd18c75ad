
#include "cargo_tar.h"

#include <inttypes.h>
#include <string.h>

#include "cargo_pax.h"
#include "cargo_tar_header.h"


typedef enum {
    CARGO_TAR_AT_HEADER = 0,
    CARGO_TAR_AT_EXTENSION,
    CARGO_TAR_AT_CONTENT,
    CARGO_TAR_AT_PADDING,
    CARGO_TAR_AT_ZEROS
} cargo_tar_state_t;


struct cargo_tar_s {
    cargo_tar_handler_t   handler;
    uint64_t              size_max;

    cargo_tar_state_t     state;
    uint64_t              offset;       /* bytes read */
    uint64_t              header_offset;
    uint64_t              left;         /* of extension, content or padding */
    size_t                padding;      /* after extension or content */
    size_t                filled;       /* of block or extension */

    /* what extensions say about the entry that follows */
    unsigned              extended;
    unsigned              long_name;
    unsigned              pax;
    unsigned              pax_sized;
    uint64_t              pax_size;
    cargo_str_t           path;         /* NULL: the header's */

    cargo_tar_header_t    header;
    unsigned char         block[CARGO_TAR_BLOCK];
    unsigned char         extension[CARGO_TAR_EXTENSION_MAX];
    unsigned char         path_text[CARGO_TAR_PATH_MAX];
};


static cargo_rc_t cargo_tar_read(cargo_tar_t *tar, const unsigned char *p,
    size_t n, cargo_error_t *error);
static cargo_rc_t cargo_tar_take(cargo_tar_t *tar, const unsigned char *p,
    size_t n, cargo_error_t *error);
static cargo_rc_t cargo_tar_read_block(cargo_tar_t *tar,
    cargo_error_t *error);
static void cargo_tar_expect(cargo_tar_t *tar, cargo_tar_state_t state,
    uint64_t size);
static void cargo_tar_advance(cargo_tar_t *tar);
static cargo_rc_t cargo_tar_begin_extension(cargo_tar_t *tar,
    cargo_error_t *error);
static cargo_rc_t cargo_tar_read_extension(cargo_tar_t *tar,
    cargo_error_t *error);
static const char *cargo_tar_read_pax(cargo_tar_t *tar, cargo_str_t text);
static const char *cargo_tar_set_path(cargo_tar_t *tar, cargo_str_t path);
static cargo_rc_t cargo_tar_begin_entry(cargo_tar_t *tar,
    cargo_error_t *error);
static const char *cargo_tar_check_size(const cargo_tar_t *tar);
static int cargo_tar_all_zero(const unsigned char *p, size_t n);
static cargo_rc_t cargo_tar_unexpected(const cargo_tar_t *tar,
    cargo_str_t path, cargo_error_t *error);
static cargo_rc_t cargo_tar_too_large(const cargo_tar_t *tar,
    cargo_error_t *error);
static cargo_rc_t cargo_tar_malformed(const cargo_tar_t *tar,
    const char *reason, cargo_error_t *error);


cargo_tar_t *
cargo_tar_create(cargo_arena_t *arena, uint64_t size_max,
    const cargo_tar_handler_t *handler)
{
    cargo_tar_t  *tar;

    tar = cargo_arena_alloc(arena, sizeof(cargo_tar_t));
    if (tar == NULL) {
        return NULL;
    }

    memset(tar, 0, sizeof(cargo_tar_t));

    tar->handler = *handler;
    tar->size_max = size_max;

    return tar;
}


cargo_rc_t
cargo_tar_feed(cargo_tar_t *tar, const unsigned char *p, size_t n,
    cargo_error_t *error)
{
    uint64_t    room;
    cargo_rc_t  rc;

    room = tar->size_max - tar->offset;

    rc = cargo_tar_read(tar, p, n < room ? n : (size_t) room, error);

    if (rc == CARGO_OK && n > room) {
        return cargo_tar_too_large(tar, error);
    }

    return rc;
}


cargo_rc_t
cargo_tar_end(const cargo_tar_t *tar, cargo_error_t *error)
{
    if ((tar->state == CARGO_TAR_AT_HEADER || tar->state == CARGO_TAR_AT_ZEROS)
        && tar->filled == 0 && !tar->extended)
    {
        return CARGO_OK;
    }

    return cargo_tar_malformed(tar, "it ends in the middle of an entry",
                               error);
}


static cargo_rc_t
cargo_tar_read(cargo_tar_t *tar, const unsigned char *p, size_t n,
    cargo_error_t *error)
{
    size_t      used;
    uint64_t    wanted;
    cargo_rc_t  rc;

    while (n) {
        wanted = tar->left;

        if (tar->state == CARGO_TAR_AT_HEADER
            || tar->state == CARGO_TAR_AT_ZEROS)
        {
            wanted = CARGO_TAR_BLOCK - tar->filled;
        }

        used = (n < wanted) ? n : (size_t) wanted;

        rc = cargo_tar_take(tar, p, used, error);
        if (rc != CARGO_OK) {
            return rc;
        }

        p += used;
        n -= used;
    }

    return CARGO_OK;
}


/* n is not 0 and not more than what the state still wants */

static cargo_rc_t
cargo_tar_take(cargo_tar_t *tar, const unsigned char *p, size_t n,
    cargo_error_t *error)
{
    cargo_rc_t  rc;

    tar->offset += n;
    rc = CARGO_OK;

    switch (tar->state) {

    case CARGO_TAR_AT_HEADER:
    case CARGO_TAR_AT_ZEROS:
        memcpy(tar->block + tar->filled, p, n);
        tar->filled += n;

        return (tar->filled == CARGO_TAR_BLOCK)
               ? cargo_tar_read_block(tar, error) : CARGO_OK;

    case CARGO_TAR_AT_EXTENSION:
        memcpy(tar->extension + tar->filled, p, n);
        tar->filled += n;

        if (n == tar->left) {
            rc = cargo_tar_read_extension(tar, error);
        }

        break;

    case CARGO_TAR_AT_CONTENT:
        rc = tar->handler.content(tar->handler.data, p, n, error);
        break;

    case CARGO_TAR_AT_PADDING:
        break;
    }

    tar->left -= n;
    cargo_tar_advance(tar);

    return rc;
}


static cargo_rc_t
cargo_tar_read_block(cargo_tar_t *tar, cargo_error_t *error)
{
    const char  *reason;

    tar->filled = 0;

    if (cargo_tar_all_zero(tar->block, CARGO_TAR_BLOCK)) {
        if (tar->extended) {
            return cargo_tar_malformed(tar, "it ends in the middle of an "
                                       "entry", error);
        }

        tar->state = CARGO_TAR_AT_ZEROS;
        return CARGO_OK;
    }

    tar->header_offset = tar->offset - CARGO_TAR_BLOCK;

    if (tar->state == CARGO_TAR_AT_ZEROS) {
        return cargo_tar_malformed(tar, "it has data after the end of the "
                                   "tar", error);
    }

    reason = cargo_tar_header_read(&tar->header, tar->block);
    if (reason) {
        return cargo_tar_malformed(tar, reason, error);
    }

    if (tar->header.size > tar->size_max - tar->offset) {
        return cargo_tar_too_large(tar, error);
    }

    if (tar->header.type == CARGO_TAR_LONG_NAME
        || tar->header.type == CARGO_TAR_PAX)
    {
        return cargo_tar_begin_extension(tar, error);
    }

    return cargo_tar_begin_entry(tar, error);
}


/* what follows the header, up to the next block */

static void
cargo_tar_expect(cargo_tar_t *tar, cargo_tar_state_t state, uint64_t size)
{
    tar->state = state;
    tar->left = size;
    tar->padding = (size_t) (-size % CARGO_TAR_BLOCK);

    cargo_tar_advance(tar);
}


static void
cargo_tar_advance(cargo_tar_t *tar)
{
    if (tar->left == 0 && tar->state != CARGO_TAR_AT_PADDING) {
        tar->state = CARGO_TAR_AT_PADDING;
        tar->left = tar->padding;
    }

    if (tar->left == 0) {
        tar->state = CARGO_TAR_AT_HEADER;
        tar->filled = 0;
    }
}


static cargo_rc_t
cargo_tar_begin_extension(cargo_tar_t *tar, cargo_error_t *error)
{
    unsigned  *seen;

    seen = (tar->header.type == CARGO_TAR_PAX) ? &tar->pax : &tar->long_name;

    if (*seen) {
        return cargo_tar_malformed(tar, "it has two extension headers of one "
                                   "kind for one entry", error);
    }

    if (tar->header.size == 0 || tar->header.size > CARGO_TAR_EXTENSION_MAX) {
        return cargo_tar_malformed(tar, "it has an extension header that is "
                                   "empty or larger than 8192 bytes", error);
    }

    *seen = 1;
    tar->extended = 1;

    cargo_tar_expect(tar, CARGO_TAR_AT_EXTENSION, tar->header.size);

    return CARGO_OK;
}


static cargo_rc_t
cargo_tar_read_extension(cargo_tar_t *tar, cargo_error_t *error)
{
    const char   *reason;
    cargo_str_t   text;

    text.data = tar->extension;
    text.len = tar->filled;

    if (tar->header.type == CARGO_TAR_PAX) {
        reason = cargo_tar_read_pax(tar, text);

    } else {
        /* GNU tar ends the name in a NUL, others do not */

        if (text.data[text.len - 1] == '\0') {
            text.len--;
        }

        reason = cargo_tar_set_path(tar, text);
    }

    return reason ? cargo_tar_malformed(tar, reason, error) : CARGO_OK;
}


static const char *
cargo_tar_read_pax(cargo_tar_t *tar, cargo_str_t text)
{
    const char   *reason;
    cargo_pax_t   pax;

    reason = cargo_pax_read(&pax, text);
    if (reason) {
        return reason;
    }

    tar->pax_sized = pax.sized;
    tar->pax_size = pax.size;

    return pax.path.data ? cargo_tar_set_path(tar, pax.path) : NULL;
}


static const char *
cargo_tar_set_path(cargo_tar_t *tar, cargo_str_t path)
{
    if (tar->path.data) {
        return "it has both a GNU long name and a pax path for one entry";
    }

    if (path.len > CARGO_TAR_PATH_MAX) {
        return "it has a path of more than 1024 bytes";
    }

    memcpy(tar->path_text, path.data, path.len);

    tar->path.data = tar->path_text;
    tar->path.len = path.len;

    return NULL;
}


static cargo_rc_t
cargo_tar_begin_entry(cargo_tar_t *tar, cargo_error_t *error)
{
    cargo_rc_t          rc;
    const char         *reason;
    cargo_tar_entry_t   entry;

    entry.path = tar->path.data ? tar->path : tar->header.path;
    entry.size = tar->header.size;
    entry.directory = (tar->header.type == CARGO_TAR_DIRECTORY);

    if (!entry.directory && tar->header.type != CARGO_TAR_FILE) {
        return cargo_tar_unexpected(tar, entry.path, error);
    }

    reason = cargo_tar_check_size(tar);
    if (reason) {
        return cargo_tar_malformed(tar, reason, error);
    }

    if (entry.directory && entry.path.len
        && entry.path.data[entry.path.len - 1] == '/')
    {
        entry.path.len--;
    }

    rc = tar->handler.entry(tar->handler.data, &entry, error);

    tar->extended = 0;
    tar->long_name = 0;
    tar->pax = 0;
    tar->pax_sized = 0;
    tar->path.data = NULL;

    cargo_tar_expect(tar, CARGO_TAR_AT_CONTENT, entry.size);

    return rc;
}


static const char *
cargo_tar_check_size(const cargo_tar_t *tar)
{
    if (tar->pax_sized && tar->pax_size != tar->header.size) {
        return "it has a pax header with another size than the header that "
               "follows";
    }

    /* some readers would skip so many bytes, others would not */

    if (tar->header.type == CARGO_TAR_DIRECTORY && tar->header.size) {
        return "it has a directory with contents of its own";
    }

    return NULL;
}


static int
cargo_tar_all_zero(const unsigned char *p, size_t n)
{
    return p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}


static cargo_rc_t
cargo_tar_unexpected(const cargo_tar_t *tar, cargo_str_t path,
    cargo_error_t *error)
{
    const char  *name;

    name = cargo_tar_type_name(tar->header.type);

    if (name == NULL) {
        return cargo_refuse(error, 400, "unexpected tar entry type Other(%u) "
                            "found: " CARGO_STR_FMT, tar->header.type,
                            cargo_str_arg(path));
    }

    return cargo_refuse(error, 400, "unexpected tar entry type %s found: "
                        CARGO_STR_FMT, name, cargo_str_arg(path));
}


static cargo_rc_t
cargo_tar_too_large(const cargo_tar_t *tar, cargo_error_t *error)
{
    return cargo_refuse(error, 400, CARGO_TAR_MALFORMED "it unpacks to more "
                        "than %" PRIu64 " bytes", tar->size_max);
}


static cargo_rc_t
cargo_tar_malformed(const cargo_tar_t *tar, const char *reason,
    cargo_error_t *error)
{
    return cargo_refuse(error, 400, CARGO_TAR_MALFORMED "%s (tar header at "
                        "byte %" PRIu64 ")", reason, tar->header_offset);
}
