
/*
 * One crate of an import: what a publish would check is checked, then its
 * blob is stored, then the database hears of it.
 */


#include "ctl_import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cargo_archive.h"
#include "cargo_json.h"
#include "ctl_print.h"
#include "ctl_versions.h"


#define CTL_TAKE_BUFFER  (128 * 1024)


static ctl_rc_t ctl_take(ctl_import_crate_t *crate);
static ctl_rc_t ctl_take_open(ctl_import_crate_t *crate);
static ctl_rc_t ctl_take_hash(ctl_import_crate_t *crate);
static ctl_rc_t ctl_take_read(ctl_import_crate_t *crate,
    cargo_blob_t *blob, cargo_archive_t *archive);
static ctl_rc_t ctl_take_describe(ctl_import_crate_t *crate);
static int ctl_take_same(const ctl_import_crate_t *crate);
static ctl_rc_t ctl_take_known(ctl_import_crate_t *crate, int *known);
static int ctl_take_again(const ctl_import_t *import,
    const ctl_crate_file_t *file);
static ctl_rc_t ctl_take_there(ctl_import_crate_t *crate);
static ctl_rc_t ctl_take_find(ctl_import_t *import, const char *name);
static ctl_rc_t ctl_take_check(ctl_import_crate_t *crate);
static ctl_rc_t ctl_take_archive(ctl_import_crate_t *crate,
    cargo_str_t keep, cargo_archive_t **archive);
static ctl_rc_t ctl_take_readme(ctl_import_crate_t *crate);
static ctl_rc_t ctl_take_render(ctl_import_crate_t *crate);
static ctl_rc_t ctl_take_store(ctl_import_crate_t *crate);
static ctl_rc_t ctl_take_keep(ctl_import_crate_t *crate,
    cargo_blob_t *blob);
static ctl_rc_t ctl_take_finish(ctl_import_crate_t *crate);
static ctl_rc_t ctl_take_result(ctl_import_crate_t *crate, cargo_rc_t rc);
static ctl_rc_t ctl_take_blob_failed(const ctl_import_crate_t *crate,
    const cargo_blob_t *blob);


ctl_rc_t
ctl_import_crate(ctl_import_t *import, const ctl_crate_file_t *file)
{
    ctl_rc_t            rc;
    ctl_import_crate_t  crate;

    memset(&crate, 0, sizeof(ctl_import_crate_t));

    crate.import = import;
    crate.file = file;
    crate.fd = -1;
    crate.arena = cargo_arena_create(NULL);
    crate.buffer = crate.arena ? cargo_arena_alloc(crate.arena,
                                                   CTL_TAKE_BUFFER)
                               : NULL;

    rc = crate.buffer ? ctl_take(&crate)
                      : ctl_take_result(&crate, CARGO_NO_MEMORY);

    if (rc == CTL_REFUSED) {
        ctl_import_refuse(import, file->path, file->name, file->version,
                          crate.error.detail);

    } else if (rc == CTL_DONE && !ctl_take_again(import, file)) {
        import->last = file;
        memcpy(import->last_checksum, crate.checksum, sizeof(crate.checksum));
    }

    if (crate.fd != -1) {
        (void) close(crate.fd);
    }

    json_decref(crate.line);
    json_decref(crate.release);

    if (crate.arena) {
        cargo_arena_destroy(crate.arena);
    }

    return rc;
}


static ctl_rc_t
ctl_take(ctl_import_crate_t *crate)
{
    int       known;
    ctl_rc_t  rc;

    if ((rc = ctl_take_open(crate)) != CTL_DONE
        || (rc = ctl_take_hash(crate)) != CTL_DONE
        || (rc = ctl_import_read_line(crate)) != CTL_DONE
        || (rc = ctl_take_known(crate, &known)) != CTL_DONE)
    {
        return rc;
    }

    rc = known ? CTL_REFUSED : ctl_take_describe(crate);

    /* what was let in once is not judged again, but it may be told apart */

    if (known
        || (crate->there
            && (rc == CTL_REFUSED
                || (rc == CTL_DONE && ctl_take_same(crate)))))
    {
        crate->import->there++;
        return CTL_DONE;
    }

    if (rc == CTL_DONE && crate->there == NULL) {
        rc = ctl_take_store(crate);
    }

    return (rc == CTL_DONE) ? ctl_take_finish(crate) : rc;
}


static ctl_rc_t
ctl_take_open(ctl_import_crate_t *crate)
{
    struct stat  st;

    crate->fd = openat(crate->import->dir, crate->file->path,
                       O_RDONLY|O_NONBLOCK|O_CLOEXEC);

    if (crate->fd == -1 || fstat(crate->fd, &st) == -1) {
        (void) cargo_refuse(&crate->error, 500, "%s", strerror(errno));
        return CTL_REFUSED;
    }

    crate->size = (long long) st.st_size;

    if (crate->size > CARGO_DEFAULT_CRATE_MAX) {
        (void) cargo_refuse(&crate->error, 413, "it has %lld bytes; a crate "
                            "may have %d", crate->size,
                            CARGO_DEFAULT_CRATE_MAX);
        return CTL_REFUSED;
    }

    return CTL_DONE;
}


static ctl_rc_t
ctl_take_hash(ctl_import_crate_t *crate)
{
    ctl_rc_t      rc;
    cargo_str_t   nowhere = { 0, NULL };
    cargo_blob_t  blob;

    if (cargo_blob_open(&blob, crate->arena, nowhere) != 0) {
        rc = ctl_take_blob_failed(crate, &blob);

    } else {
        rc = ctl_take_read(crate, &blob, NULL);
    }

    if (rc == CTL_DONE && cargo_blob_checksum(&blob, crate->checksum) != 0) {
        rc = ctl_take_blob_failed(crate, &blob);
    }

    crate->size = (long long) blob.size;
    cargo_blob_drop(&blob);

    return rc;
}


/* the whole file to one or both of them, either may be NULL */

static ctl_rc_t
ctl_take_read(ctl_import_crate_t *crate, cargo_blob_t *blob,
    cargo_archive_t *archive)
{
    off_t       offset;
    ssize_t     n;
    cargo_rc_t  rc;

    for (offset = 0; /* void */ ; offset += n) {

        n = pread(crate->fd, crate->buffer, CTL_TAKE_BUFFER, offset);

        if (n == -1) {
            (void) cargo_refuse(&crate->error, 500, "%s", strerror(errno));
            return CTL_REFUSED;
        }

        if (n == 0) {
            return CTL_DONE;
        }

        if (blob && cargo_blob_write(blob, crate->buffer, (size_t) n) != 0) {
            return ctl_take_blob_failed(crate, blob);
        }

        rc = archive ? cargo_archive_feed(archive, crate->buffer, (size_t) n,
                                          &crate->error)
                     : CARGO_OK;

        if (rc != CARGO_OK) {
            return ctl_take_result(crate, rc);
        }
    }
}


static ctl_rc_t
ctl_take_describe(ctl_import_crate_t *crate)
{
    ctl_rc_t  rc;

    if ((rc = ctl_take_check(crate)) != CTL_DONE
        || (rc = ctl_take_readme(crate)) != CTL_DONE)
    {
        return rc;
    }

    return ctl_take_render(crate);
}


/* the database finds out whether it matters when they are not */

static int
ctl_take_same(const ctl_import_crate_t *crate)
{
    int          same;
    char        *line;
    cargo_str_t  head, tail;

    head = crate->rendered.head;
    tail = crate->rendered.tail;

    line = ctl_printf("%.*s%s%.*s", (int) head.len, head.data,
                      crate->yanked ? "true" : "false", (int) tail.len,
                      tail.data);
    same = strcmp(line, crate->there) == 0;
    free(line);

    return same;
}


/* 1 when the version was taken already: this file of it has to be equal */

static ctl_rc_t
ctl_take_known(ctl_import_crate_t *crate, int *known)
{
    const ctl_crate_file_t  *file;

    file = crate->file;

    *known = ctl_take_again(crate->import, file);

    if (!*known) {
        return ctl_take_there(crate);
    }

    if (strcmp(crate->import->last_checksum, crate->checksum) == 0) {
        return CTL_DONE;
    }

    (void) cargo_refuse(&crate->error, 409, "it is %s %s with other contents "
                        "than %s, which was taken", file->name, file->version,
                        crate->import->last->path);
    return CTL_REFUSED;
}


/* 1 when the last version that was taken is this one */

static int
ctl_take_again(const ctl_import_t *import, const ctl_crate_file_t *file)
{
    return import->last && strcmp(import->last->name, file->name) == 0
           && strcmp(import->last->version, file->version) == 0;
}


/* finds what the registry has as we want it, but perhaps for its line */

static ctl_rc_t
ctl_take_there(ctl_import_crate_t *crate)
{
    int            row, yanked;
    json_t        *line;
    ctl_rc_t       rc;
    PGresult      *versions;
    const char    *text;
    ctl_import_t  *import;

    import = crate->import;

    rc = ctl_take_find(import, crate->file->name);
    if (rc != CTL_DONE) {
        return rc;
    }

    versions = import->versions;

    for (row = 0; row < PQntuples(versions); row++) {

        if (strcmp(PQgetvalue(versions, row, CTL_VERSION_NUM),
                   crate->file->version) != 0
            || strcmp(PQgetvalue(versions, row, CTL_VERSION_CHECKSUM),
                      crate->checksum) != 0)
        {
            continue;
        }

        text = PQgetvalue(versions, row, CTL_VERSION_LINE);
        line = json_loads(text, 0, NULL);
        yanked = json_is_true(json_object_get(line, "yanked"));
        json_decref(line);

        if (crate->line == NULL) {
            crate->yanked = yanked;
        }

        if (crate->yanked == yanked
            && ctl_store_has(&import->store, crate->checksum, crate->size))
        {
            crate->there = text;
        }
    }

    return CTL_DONE;
}


static ctl_rc_t
ctl_take_find(ctl_import_t *import, const char *name)
{
    if (import->crate && ctl_names_compare(import->crate, name) == 0) {
        return CTL_DONE;
    }

    PQclear(import->versions);

    import->crate = name;
    import->versions = ctl_versions_of(import->ctl, name);

    return import->versions ? CTL_DONE : CTL_FAILED;
}


static ctl_rc_t
ctl_take_check(ctl_import_crate_t *crate)
{
    ctl_rc_t            rc;
    cargo_str_t         none = { 0, NULL };
    cargo_archive_t    *archive;
    cargo_own_index_t   own = { NULL, 0 };

    rc = ctl_take_archive(crate, none, &archive);

    if (rc == CTL_DONE) {
        rc = ctl_take_result(crate,
                              cargo_release_of_archive(archive, &own,
                                                       &crate->release,
                                                       &crate->error));
    }

    if (archive) {
        cargo_archive_destroy(archive);
    }

    if (rc == CTL_DONE
        && (strcmp(ctl_json_text(crate->release, "name"), crate->file->name)
            != 0
            || strcmp(ctl_json_text(crate->release, "vers"),
                      crate->file->version) != 0))
    {
        (void) cargo_refuse(&crate->error, 400, "its Cargo.toml is that of %s "
                            "%s, but it unpacks to %s-%s",
                            ctl_json_text(crate->release, "name"),
                            ctl_json_text(crate->release, "vers"),
                            crate->file->name, crate->file->version);
        rc = CTL_REFUSED;
    }

    return rc;
}


/* walks through the file; the archive is the caller's to destroy */

static ctl_rc_t
ctl_take_archive(ctl_import_crate_t *crate, cargo_str_t keep,
    cargo_archive_t **archive)
{
    cargo_str_t                          root;
    static const cargo_archive_limits_t  limits = {
        CARGO_DEFAULT_UNPACKED_MAX, CARGO_DEFAULT_ENTRIES_MAX
    };

    root = cargo_arena_printf(crate->arena, "%s-%s", crate->file->name,
                              crate->file->version);

    *archive = root.data ? cargo_archive_create(crate->arena, &limits, root)
                         : NULL;

    if (*archive == NULL) {
        return ctl_take_result(crate, CARGO_NO_MEMORY);
    }

    cargo_archive_keep(*archive, keep);

    return ctl_take_read(crate, NULL, *archive);
}


/* cargo would send it with a publish; its name is known only now */

static ctl_rc_t
ctl_take_readme(ctl_import_crate_t *crate)
{
    json_t           *value;
    ctl_rc_t          rc;
    cargo_str_t       file, text = { 0, NULL };
    cargo_archive_t  *archive;

    file = cargo_json_text(json_object_get(crate->release, "readme_file"));

    if (file.data) {
        rc = ctl_take_archive(crate, file, &archive);

        if (rc == CTL_DONE) {
            text = cargo_archive_kept(archive);
        }

        if (archive) {
            cargo_archive_destroy(archive);
        }

        if (rc != CTL_DONE) {
            return rc;
        }
    }

    if (text.data && (!cargo_utf8_valid(text.data, text.len)
                      || memchr(text.data, '\0', text.len)))
    {
        text.data = NULL;
    }

    value = cargo_json_of_text(text);

    return ctl_take_result(crate, cargo_json_put(crate->release, "readme",
                                                  value));
}


static ctl_rc_t
ctl_take_render(ctl_import_crate_t *crate)
{
    cargo_rc_t   rc;
    cargo_str_t  checksum;

    checksum.data = (unsigned char *) crate->checksum;
    checksum.len = CARGO_BLOB_HEX;

    rc = ctl_import_map(crate);

    if (rc == CARGO_OK) {
        rc = cargo_release_render(crate->arena, crate->release, checksum,
                                  crate->pubtime, &crate->rendered,
                                  &crate->error);
    }

    return ctl_take_result(crate, rc);
}


static ctl_rc_t
ctl_take_store(ctl_import_crate_t *crate)
{
    int                 opened;
    ctl_rc_t            rc;
    cargo_blob_t        blob;
    const ctl_store_t  *store;

    store = &crate->import->store;

    if (crate->import->ctl->dry_run) {
        return CTL_DONE;
    }

    rc = ctl_store_enter(store);
    if (rc != CTL_DONE) {
        return rc;
    }

    opened = cargo_blob_open(&blob, crate->arena, store->path);
    ctl_store_leave(store);

    rc = (opened == 0) ? ctl_take_read(crate, &blob, NULL)
                       : ctl_take_blob_failed(crate, &blob);

    if (rc == CTL_DONE) {
        rc = ctl_take_keep(crate, &blob);
    }

    if (rc != CTL_DONE) {
        cargo_blob_drop(&blob);
    }

    return rc;
}


static ctl_rc_t
ctl_take_keep(ctl_import_crate_t *crate, cargo_blob_t *blob)
{
    int                 kept;
    char                checksum[CARGO_BLOB_HEX + 1];
    ctl_rc_t            rc;
    const ctl_store_t  *store;

    store = &crate->import->store;

    if (cargo_blob_checksum(blob, checksum) != 0) {
        return ctl_take_blob_failed(crate, blob);
    }

    if (strcmp(checksum, crate->checksum) != 0) {
        (void) cargo_refuse(&crate->error, 409, "it changed while it was "
                            "read");
        return CTL_REFUSED;
    }

    rc = ctl_store_enter(store);
    if (rc != CTL_DONE) {
        return rc;
    }

    kept = cargo_blob_keep(blob, crate->arena, store->path, checksum);
    ctl_store_leave(store);

    return (kept == 0) ? CTL_DONE : ctl_take_blob_failed(crate, blob);
}


static ctl_rc_t
ctl_take_finish(ctl_import_crate_t *crate)
{
    int       imported;
    ctl_rc_t  rc;

    rc = ctl_import_publish(crate, &imported);

    if (rc != CTL_DONE) {
        return rc;
    }

    if (imported) {
        crate->import->imported++;
        crate->import->yanked += crate->yanked != 0;

    } else {
        crate->import->there++;
    }

    return CTL_DONE;
}


static ctl_rc_t
ctl_take_result(ctl_import_crate_t *crate, cargo_rc_t rc)
{
    if (rc == CARGO_NO_MEMORY) {
        ctl_error("out of memory at %s", crate->file->path);
        return CTL_FAILED;
    }

    return (rc == CARGO_OK) ? CTL_DONE : CTL_REFUSED;
}


static ctl_rc_t
ctl_take_blob_failed(const ctl_import_crate_t *crate,
    const cargo_blob_t *blob)
{
    ctl_error("cannot store %s in %s: %s: %s", crate->file->path,
              crate->import->ctl->blobs, blob->failed, strerror(blob->err));

    return CTL_FAILED;
}
