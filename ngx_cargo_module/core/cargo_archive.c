
#include "cargo_archive.h"

#include <limits.h>
#include <string.h>

#define ZLIB_CONST
#include <zlib.h>

#include "cargo_paths.h"
#include "cargo_tar.h"


#define CARGO_ARCHIVE_OUTPUT  16384

/* the largest window, and 16 for "gzip, and nothing but gzip" */
#define CARGO_ARCHIVE_WINDOW  (15 + 16)


struct cargo_archive_s {
    cargo_arena_t  *arena;
    cargo_str_t     root;
    cargo_tar_t    *tar;
    cargo_paths_t  *paths;

    z_stream        stream;
    unsigned        stream_ended;

    cargo_str_t     manifest;       /* data is NULL until it is found */
    size_t          manifest_size;
    cargo_str_t     manifest_path;

    cargo_str_t     kept;           /* data is NULL until it is found */
    cargo_str_t     kept_path;

    cargo_str_t    *content;        /* of this entry: one of both, or NULL */

    cargo_str_t    *bins;
    size_t          bins_count;

    cargo_rc_t      rc;
    cargo_error_t   error;

    unsigned char   output[CARGO_ARCHIVE_OUTPUT];
};


static cargo_rc_t cargo_archive_read(cargo_archive_t *archive,
    const unsigned char *p, size_t n);
static cargo_rc_t cargo_archive_inflate(cargo_archive_t *archive,
    const unsigned char *p, size_t n);
static cargo_rc_t cargo_archive_inflate_result(cargo_archive_t *archive,
    int result);
static cargo_rc_t cargo_archive_trailing(cargo_archive_t *archive);
static cargo_rc_t cargo_archive_entry(void *data,
    const cargo_tar_entry_t *entry, cargo_error_t *error);
static cargo_rc_t cargo_archive_begin_manifest(cargo_archive_t *archive,
    const cargo_tar_entry_t *entry, cargo_error_t *error);
static cargo_rc_t cargo_archive_begin_kept(cargo_archive_t *archive,
    const cargo_tar_entry_t *entry);
static cargo_rc_t cargo_archive_note_bin(cargo_archive_t *archive,
    const cargo_tar_entry_t *entry);
static int cargo_archive_is_bin(cargo_str_t path);
static int cargo_archive_is_manifest(const cargo_archive_t *archive,
    const cargo_tar_entry_t *entry);
static cargo_str_t cargo_archive_below_root(const cargo_archive_t *archive,
    cargo_str_t path);
static cargo_rc_t cargo_archive_content(void *data, const unsigned char *p,
    size_t n, cargo_error_t *error);
static cargo_rc_t cargo_archive_check_end(cargo_archive_t *archive);
static void *cargo_archive_zalloc(void *arena, unsigned items, unsigned size);
static void cargo_archive_zfree(void *arena, void *p);


static const cargo_str_t  cargo_archive_manifest = cargo_string("Cargo.toml");


cargo_archive_t *
cargo_archive_create(cargo_arena_t *arena,
    const cargo_archive_limits_t *limits, cargo_str_t root)
{
    cargo_archive_t      *archive;
    cargo_tar_handler_t   handler;

    archive = cargo_arena_alloc(arena, sizeof(cargo_archive_t));
    if (archive == NULL) {
        return NULL;
    }

    memset(archive, 0, sizeof(cargo_archive_t));

    handler.entry = cargo_archive_entry;
    handler.content = cargo_archive_content;
    handler.data = archive;

    archive->arena = arena;
    archive->root = cargo_arena_copy(arena, root.data, root.len);
    archive->tar = cargo_tar_create(arena, limits->unpacked_max, &handler);
    archive->paths = cargo_paths_create(arena, root, limits->entries_max);

    if (archive->root.data == NULL || archive->tar == NULL
        || archive->paths == NULL)
    {
        return NULL;
    }

    archive->stream.zalloc = cargo_archive_zalloc;
    archive->stream.zfree = cargo_archive_zfree;
    archive->stream.opaque = arena;

    if (inflateInit2(&archive->stream, CARGO_ARCHIVE_WINDOW) != Z_OK) {
        return NULL;
    }

    return archive;
}


void
cargo_archive_destroy(cargo_archive_t *archive)
{
    (void) inflateEnd(&archive->stream);
}


cargo_rc_t
cargo_archive_feed(cargo_archive_t *archive, const unsigned char *p, size_t n,
    cargo_error_t *error)
{
    if (archive->rc == CARGO_OK) {
        archive->rc = cargo_archive_read(archive, p, n);
    }

    if (archive->rc == CARGO_REFUSED) {
        *error = archive->error;
    }

    return archive->rc;
}


cargo_rc_t
cargo_archive_end(cargo_archive_t *archive, cargo_str_t *manifest,
    cargo_error_t *error)
{
    if (archive->rc == CARGO_OK) {
        archive->rc = cargo_archive_check_end(archive);
    }

    if (archive->rc == CARGO_REFUSED) {
        *error = archive->error;
    }

    if (archive->rc == CARGO_OK) {
        *manifest = archive->manifest;
    }

    return archive->rc;
}


int
cargo_archive_has(const cargo_archive_t *archive, const char *path)
{
    cargo_str_t  text;

    text.data = (unsigned char *) path;
    text.len = strlen(path);

    return cargo_paths_has(archive->paths, text);
}


const cargo_str_t *
cargo_archive_bins(const cargo_archive_t *archive, size_t *count)
{
    *count = archive->bins_count;

    return archive->bins;
}


void
cargo_archive_keep(cargo_archive_t *archive, cargo_str_t path)
{
    archive->kept_path = path;
}


cargo_str_t
cargo_archive_kept(const cargo_archive_t *archive)
{
    return archive->kept;
}


cargo_arena_t *
cargo_archive_arena(const cargo_archive_t *archive)
{
    return archive->arena;
}


/* zlib counts in unsigned int */

static cargo_rc_t
cargo_archive_read(cargo_archive_t *archive, const unsigned char *p, size_t n)
{
    size_t      part;
    cargo_rc_t  rc;

    while (n) {
        if (archive->stream_ended) {
            return cargo_archive_trailing(archive);
        }

        part = (n < UINT_MAX) ? n : UINT_MAX;

        rc = cargo_archive_inflate(archive, p, part);
        if (rc != CARGO_OK) {
            return rc;
        }

        part -= archive->stream.avail_in;
        p += part;
        n -= part;
    }

    return CARGO_OK;
}


/* reads all of p or up to the end of the gzip stream */

static cargo_rc_t
cargo_archive_inflate(cargo_archive_t *archive, const unsigned char *p,
    size_t n)
{
    int         result;
    cargo_rc_t  rc;

    archive->stream.next_in = p;
    archive->stream.avail_in = (unsigned) n;

    do {
        archive->stream.next_out = archive->output;
        archive->stream.avail_out = CARGO_ARCHIVE_OUTPUT;

        result = inflate(&archive->stream, Z_NO_FLUSH);

        /*
         * Before the result: what came out ahead of an error is judged
         * first, however the input was cut.
         */

        rc = cargo_tar_feed(archive->tar, archive->output,
                            CARGO_ARCHIVE_OUTPUT - archive->stream.avail_out,
                            &archive->error);
        if (rc != CARGO_OK) {
            return rc;
        }

        rc = cargo_archive_inflate_result(archive, result);
        if (rc != CARGO_OK || archive->stream_ended) {
            return rc;
        }

    } while (archive->stream.avail_in || archive->stream.avail_out == 0);

    return CARGO_OK;
}


static cargo_rc_t
cargo_archive_inflate_result(cargo_archive_t *archive, int result)
{
    switch (result) {

    case Z_STREAM_END:
        archive->stream_ended = 1;
        return CARGO_OK;

    case Z_OK:
    case Z_BUF_ERROR:       /* no more input, the output just filled */
        return CARGO_OK;

    case Z_MEM_ERROR:
        return CARGO_NO_MEMORY;

    default:
        return cargo_refuse(&archive->error, 400, CARGO_TAR_MALFORMED
                            "its gzip data is damaged; publish again");
    }
}


/* cargo would not read it, other tools would unpack a second member */

static cargo_rc_t
cargo_archive_trailing(cargo_archive_t *archive)
{
    return cargo_refuse(&archive->error, 400, CARGO_TAR_MALFORMED "it has "
                        "data after the end of its gzip stream; a .crate is "
                        "a single gzip member");
}


static cargo_rc_t
cargo_archive_entry(void *data, const cargo_tar_entry_t *entry,
    cargo_error_t *error)
{
    cargo_rc_t         rc;
    cargo_archive_t   *archive;
    cargo_path_kind_t  kind;

    archive = data;
    archive->content = NULL;

    /* first, since two manifests have words of their own */

    rc = cargo_archive_is_manifest(archive, entry)
         ? cargo_archive_begin_manifest(archive, entry, error)
         : cargo_archive_begin_kept(archive, entry);

    if (rc == CARGO_OK) {
        rc = cargo_archive_note_bin(archive, entry);
    }

    if (rc != CARGO_OK) {
        return rc;
    }

    kind = entry->directory ? CARGO_PATH_DIRECTORY : CARGO_PATH_FILE;

    return cargo_paths_add(archive->paths, entry->path, kind, error);
}


static cargo_rc_t
cargo_archive_begin_manifest(cargo_archive_t *archive,
    const cargo_tar_entry_t *entry, cargo_error_t *error)
{
    if (archive->manifest.data) {
        return cargo_refuse(error, 400, "uploaded tarball contains more than "
                            "one `Cargo.toml` manifest file; found `"
                            CARGO_STR_FMT "`, `" CARGO_STR_FMT "`",
                            cargo_str_arg(archive->manifest_path),
                            cargo_str_arg(entry->path));
    }

    if (entry->size > CARGO_MANIFEST_MAX) {
        return cargo_refuse(error, 400, "`" CARGO_STR_FMT "` in the uploaded "
                            "tarball is too large; at most %d bytes are "
                            "allowed", cargo_str_arg(entry->path),
                            CARGO_MANIFEST_MAX);
    }

    archive->manifest_path = cargo_arena_copy(archive->arena,
                                              entry->path.data,
                                              entry->path.len);
    if (archive->manifest_path.data == NULL) {
        return CARGO_NO_MEMORY;
    }

    archive->manifest_size = (size_t) entry->size;
    archive->manifest.data = cargo_arena_alloc(archive->arena,
                                               archive->manifest_size + 1);
    if (archive->manifest.data == NULL) {
        return CARGO_NO_MEMORY;
    }

    archive->manifest.data[archive->manifest_size] = '\0';
    archive->content = &archive->manifest;

    return CARGO_OK;
}


static cargo_rc_t
cargo_archive_begin_kept(cargo_archive_t *archive,
    const cargo_tar_entry_t *entry)
{
    cargo_str_t  name;

    name = cargo_archive_below_root(archive, entry->path);

    if (name.data == NULL || entry->directory
        || archive->kept_path.data == NULL
        || !cargo_str_equal(name, archive->kept_path)
        || entry->size > CARGO_ARCHIVE_KEPT_MAX)
    {
        return CARGO_OK;
    }

    archive->kept.len = 0;
    archive->kept.data = cargo_arena_alloc(archive->arena,
                                           (size_t) entry->size);
    if (archive->kept.data == NULL) {
        return CARGO_NO_MEMORY;
    }

    archive->content = &archive->kept;

    return CARGO_OK;
}


static cargo_rc_t
cargo_archive_note_bin(cargo_archive_t *archive,
    const cargo_tar_entry_t *entry)
{
    cargo_str_t  path;

    path = cargo_archive_below_root(archive, entry->path);

    if (path.data == NULL || entry->directory || !cargo_archive_is_bin(path)
        || archive->bins_count == CARGO_ARCHIVE_BINS_MAX)
    {
        return CARGO_OK;
    }

    if (archive->bins == NULL) {
        archive->bins = cargo_arena_alloc(archive->arena,
                                          CARGO_ARCHIVE_BINS_MAX
                                          * sizeof(cargo_str_t));
        if (archive->bins == NULL) {
            return CARGO_NO_MEMORY;
        }
    }

    path = cargo_arena_copy(archive->arena, path.data, path.len);
    if (path.data == NULL) {
        return CARGO_NO_MEMORY;
    }

    archive->bins[archive->bins_count++] = path;

    return CARGO_OK;
}


static int
cargo_archive_is_bin(cargo_str_t path)
{
    size_t                prefix, suffix;
    const char           *tail;
    const unsigned char  *slash;

    prefix = sizeof("src/bin/") - 1;

    if (path.len <= prefix || memcmp(path.data, "src/bin/", prefix) != 0) {
        return 0;
    }

    path.data += prefix;
    path.len -= prefix;

    slash = memchr(path.data, '/', path.len);
    tail = slash ? "/main.rs" : ".rs";
    suffix = strlen(tail);

    /* "NAME" is not empty, nor is there another directory in it */

    return path.len > suffix
           && memcmp(path.data + path.len - suffix, tail, suffix) == 0
           && (slash == NULL || slash == path.data + path.len - suffix);
}


static int
cargo_archive_is_manifest(const cargo_archive_t *archive,
    const cargo_tar_entry_t *entry)
{
    cargo_str_t  name;

    name = cargo_archive_below_root(archive, entry->path);

    return name.data && !entry->directory
           && cargo_path_equal_folded(name, cargo_archive_manifest);
}


/* data is NULL when the path is not there */

static cargo_str_t
cargo_archive_below_root(const cargo_archive_t *archive, cargo_str_t path)
{
    cargo_str_t  name = { 0, NULL };

    if (path.len > archive->root.len
        && memcmp(path.data, archive->root.data, archive->root.len) == 0
        && path.data[archive->root.len] == '/')
    {
        name.data = path.data + archive->root.len + 1;
        name.len = path.len - archive->root.len - 1;
    }

    return name;
}


static cargo_rc_t
cargo_archive_content(void *data, const unsigned char *p, size_t n,
    cargo_error_t *error)
{
    cargo_archive_t  *archive;

    (void) error;

    archive = data;

    if (archive->content) {
        memcpy(archive->content->data + archive->content->len, p, n);
        archive->content->len += n;
    }

    return CARGO_OK;
}


static cargo_rc_t
cargo_archive_check_end(cargo_archive_t *archive)
{
    cargo_rc_t   rc;
    cargo_str_t  name;

    if (!archive->stream_ended) {
        return cargo_refuse(&archive->error, 400, CARGO_TAR_MALFORMED
                            "its gzip data is cut off; publish again");
    }

    rc = cargo_tar_end(archive->tar, &archive->error);
    if (rc != CARGO_OK) {
        return rc;
    }

    if (archive->manifest.data == NULL) {
        return cargo_refuse(&archive->error, 400, "uploaded tarball is "
                            "missing a `Cargo.toml` manifest file");
    }

    name = cargo_archive_below_root(archive, archive->manifest_path);

    /*
     * crates.io takes "cargo.toml" too, but cargo finds it only where file
     * names ignore case
     */

    if (!cargo_str_equal(name, cargo_archive_manifest)) {
        return cargo_refuse(&archive->error, 400, "uploaded tarball is "
                            "missing a `Cargo.toml` manifest file; `"
                            CARGO_STR_FMT "` was found, but must be named "
                            "`Cargo.toml` with that exact casing",
                            cargo_str_arg(name));
    }

    return CARGO_OK;
}


static void *
cargo_archive_zalloc(void *arena, unsigned items, unsigned size)
{
    return cargo_arena_alloc(arena, (size_t) items * size);
}


/* inflate allocates its state and its window once; both die with the arena */

static void
cargo_archive_zfree(void *arena, void *p)
{
    (void) arena;
    (void) p;
}
