
/*
 * The file of a crate that is imported: its bytes to whom they concern, and
 * into the store.
 */


#include "ctl_import.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl_print.h"


static ctl_rc_t ctl_file_keep(ctl_import_crate_t *crate, cargo_blob_t *blob);
static ctl_rc_t ctl_file_failed(const ctl_import_crate_t *crate,
    const cargo_blob_t *blob);


ctl_rc_t
ctl_import_open(ctl_import_crate_t *crate)
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


ctl_rc_t
ctl_import_hash(ctl_import_crate_t *crate)
{
    ctl_rc_t      rc;
    cargo_str_t   nowhere = { 0, NULL };
    cargo_blob_t  blob;

    if (cargo_blob_open(&blob, crate->arena, nowhere) != 0) {
        rc = ctl_file_failed(crate, &blob);

    } else {
        rc = ctl_import_read(crate, &blob, NULL);
    }

    if (rc == CTL_DONE && cargo_blob_checksum(&blob, crate->checksum) != 0) {
        rc = ctl_file_failed(crate, &blob);
    }

    crate->size = (long long) blob.size;
    cargo_blob_drop(&blob);

    return rc;
}


ctl_rc_t
ctl_import_read(ctl_import_crate_t *crate, cargo_blob_t *blob,
    cargo_archive_t *archive)
{
    off_t       offset;
    ssize_t     n;
    cargo_rc_t  rc;

    for (offset = 0; /* void */ ; offset += n) {

        n = pread(crate->fd, crate->buffer, CTL_IMPORT_BUFFER, offset);

        if (n == -1) {
            (void) cargo_refuse(&crate->error, 500, "%s", strerror(errno));
            return CTL_REFUSED;
        }

        if (n == 0) {
            return CTL_DONE;
        }

        if (blob && cargo_blob_write(blob, crate->buffer, (size_t) n) != 0) {
            return ctl_file_failed(crate, blob);
        }

        rc = archive ? cargo_archive_feed(archive, crate->buffer, (size_t) n,
                                          &crate->error)
                     : CARGO_OK;

        if (rc != CARGO_OK) {
            return ctl_import_result(crate, rc);
        }
    }
}


ctl_rc_t
ctl_import_store(ctl_import_crate_t *crate)
{
    int                 opened;
    ctl_rc_t            rc;
    cargo_blob_t        blob;
    const ctl_store_t  *store;

    store = &crate->import->store;

    if (crate->import->ctl->dry_run || crate->import->rebuild) {
        return CTL_DONE;
    }

    rc = ctl_store_enter(store);
    if (rc != CTL_DONE) {
        return rc;
    }

    opened = cargo_blob_open(&blob, crate->arena, store->path);
    ctl_store_leave(store);

    rc = (opened == 0) ? ctl_import_read(crate, &blob, NULL)
                       : ctl_file_failed(crate, &blob);

    if (rc == CTL_DONE) {
        rc = ctl_file_keep(crate, &blob);
    }

    if (rc != CTL_DONE) {
        cargo_blob_drop(&blob);
    }

    return rc;
}


static ctl_rc_t
ctl_file_keep(ctl_import_crate_t *crate, cargo_blob_t *blob)
{
    int                 kept;
    char                checksum[CARGO_BLOB_HEX + 1];
    ctl_rc_t            rc;
    const ctl_store_t  *store;

    store = &crate->import->store;

    if (cargo_blob_checksum(blob, checksum) != 0) {
        return ctl_file_failed(crate, blob);
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

    return (kept == 0) ? CTL_DONE : ctl_file_failed(crate, blob);
}


static ctl_rc_t
ctl_file_failed(const ctl_import_crate_t *crate, const cargo_blob_t *blob)
{
    ctl_error("cannot store %s in %s: %s: %s", crate->file->path,
              crate->import->ctl->blobs, blob->failed, strerror(blob->err));

    return CTL_FAILED;
}
