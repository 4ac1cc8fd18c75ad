
#include "cargo_archive.h"

#include <string.h>

#define ZLIB_CONST
#include <zlib.h>

#include "cargo_name.h"
#include "cargo_semver.h"
#include "cargo_tar.h"


#define CARGO_PEEK_OUTPUT  16384

/* a window of its own, and 16 for "gzip, and nothing but gzip" */
#define CARGO_PEEK_WINDOW  (15 + 16)


typedef struct {
    cargo_arena_t  *arena;
    cargo_str_t     root;       /* data is NULL until an entry is seen */
} cargo_peek_t;


static cargo_rc_t cargo_peek_inflate(cargo_arena_t *arena,
    const unsigned char *p, size_t n, cargo_str_t *tar, cargo_error_t *error);
static cargo_rc_t cargo_peek_root(cargo_arena_t *arena, cargo_str_t tar,
    cargo_str_t *root, cargo_error_t *error);
static cargo_rc_t cargo_peek_entry(void *data, const cargo_tar_entry_t *entry,
    cargo_error_t *error);
static cargo_rc_t cargo_peek_content(void *data, const unsigned char *p,
    size_t n, cargo_error_t *error);
static int cargo_peek_split(cargo_str_t root, cargo_str_t *name,
    cargo_str_t *version);


cargo_rc_t
cargo_archive_peek(cargo_arena_t *arena, const unsigned char *p, size_t n,
    cargo_str_t *name, cargo_str_t *version, cargo_error_t *error)
{
    cargo_rc_t   rc;
    cargo_str_t  tar, root = { 0, NULL };

    rc = cargo_peek_inflate(arena, p, n, &tar, error);
    if (rc != CARGO_OK) {
        return rc;
    }

    rc = cargo_peek_root(arena, tar, &root, error);
    if (rc != CARGO_OK) {
        return rc;
    }

    if (!cargo_peek_split(root, name, version)) {
        return cargo_refuse(error, 400, "it is not a crate: what it unpacks "
                            "to is not below a directory NAME-VERSION, but "
                            "below `" CARGO_STR_FMT "`", cargo_str_arg(root));
    }

    return CARGO_OK;
}


static cargo_rc_t
cargo_peek_inflate(cargo_arena_t *arena, const unsigned char *p, size_t n,
    cargo_str_t *tar, cargo_error_t *error)
{
    z_stream  stream;

    tar->data = cargo_arena_alloc(arena, CARGO_PEEK_OUTPUT);

    memset(&stream, 0, sizeof(z_stream));

    if (tar->data == NULL
        || inflateInit2(&stream, CARGO_PEEK_WINDOW) != Z_OK)
    {
        return CARGO_NO_MEMORY;
    }

    stream.next_in = p;
    stream.avail_in = (unsigned) n;
    stream.next_out = tar->data;
    stream.avail_out = CARGO_PEEK_OUTPUT;

    /* whatever came out before an error will do */

    (void) inflate(&stream, Z_SYNC_FLUSH);
    (void) inflateEnd(&stream);

    tar->len = CARGO_PEEK_OUTPUT - stream.avail_out;

    if (tar->len == 0) {
        return cargo_refuse(error, 400, "it is not a crate: it does not begin "
                            "with gzip data");
    }

    return CARGO_OK;
}


static cargo_rc_t
cargo_peek_root(cargo_arena_t *arena, cargo_str_t tar, cargo_str_t *root,
    cargo_error_t *error)
{
    cargo_rc_t            rc;
    cargo_tar_t          *reader;
    cargo_peek_t          peek;
    cargo_tar_handler_t   handler;

    peek.arena = arena;
    peek.root.data = NULL;
    peek.root.len = 0;

    handler.entry = cargo_peek_entry;
    handler.content = cargo_peek_content;
    handler.data = &peek;

    reader = cargo_tar_create(arena, CARGO_PEEK_OUTPUT, &handler);
    if (reader == NULL) {
        return CARGO_NO_MEMORY;
    }

    rc = cargo_tar_feed(reader, tar.data, tar.len, error);

    if (peek.root.data) {
        *root = peek.root;
        return CARGO_OK;
    }

    if (rc == CARGO_OK) {
        return cargo_refuse(error, 400, "it is not a crate: it does not begin "
                            "with the header of a tar");
    }

    return rc;
}


/* the first one says all there is to know */

static cargo_rc_t
cargo_peek_entry(void *data, const cargo_tar_entry_t *entry,
    cargo_error_t *error)
{
    size_t                len;
    cargo_peek_t         *peek = data;
    const unsigned char  *slash;

    slash = memchr(entry->path.data, '/', entry->path.len);
    len = slash ? (size_t) (slash - entry->path.data) : entry->path.len;

    peek->root = cargo_arena_copy(peek->arena, entry->path.data, len);

    return peek->root.data ? cargo_refuse(error, 400, "the first is enough")
                           : CARGO_NO_MEMORY;
}


static cargo_rc_t
cargo_peek_content(void *data, const unsigned char *p, size_t n,
    cargo_error_t *error)
{
    (void) data;
    (void) p;
    (void) n;
    (void) error;

    return CARGO_OK;
}


/* names have no dot and versions begin with "X.Y.Z": there is one way only */

static int
cargo_peek_split(cargo_str_t root, cargo_str_t *name, cargo_str_t *version)
{
    size_t  i;

    for (i = 1; i + 1 < root.len; i++) {

        if (root.data[i] != '-') {
            continue;
        }

        name->data = root.data;
        name->len = i;
        version->data = root.data + i + 1;
        version->len = root.len - i - 1;

        if (cargo_name_valid(*name) && cargo_version_valid(*version)) {
            return 1;
        }
    }

    return 0;
}
