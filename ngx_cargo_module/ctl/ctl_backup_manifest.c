
/*
 * The manifest of a backup and the list of its blobs.
 */


#include "ctl_backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl_print.h"


/* in blobs.sha256, from the directory of the backup */
#define CTL_BACKUP_LINE  "%s  ../" CTL_BACKUP_BLOBS "/%s\n"


static json_t *ctl_backup_file(const ctl_backup_t *backup, const char *file);
static ctl_rc_t ctl_backup_write(ctl_backup_t *backup, const char *file,
    const char *text);
static ctl_rc_t ctl_backup_damaged(const ctl_backup_t *backup,
    const char *name, const char *file, const char *why);
static ctl_rc_t ctl_backup_verify(const ctl_backup_t *backup, int dir,
    const char *name, const json_t *entry);
static const char *ctl_backup_fault(int fd, const json_t *entry);


ctl_rc_t
ctl_backup_write_list(ctl_backup_t *backup)
{
    int      fd, good;
    char     path[CTL_BLOB_PATH];
    FILE    *out;
    size_t   i;

    fd = openat(backup->at, CTL_BACKUP_LIST,
                O_WRONLY|O_CREAT|O_EXCL|O_CLOEXEC, 0600);
    out = (fd == -1) ? NULL : fdopen(fd, "w");
    good = (out != NULL);

    for (i = 0; good && i < backup->nblobs; i++) {
        if (!backup->blobs[i].bad) {
            ctl_blob_path(backup->blobs[i].checksum, path);
            good = fprintf(out, CTL_BACKUP_LINE, backup->blobs[i].checksum,
                           path) > 0;
        }
    }

    good = good && fflush(out) == 0 && fsync(fd) == 0;
    good = (out == NULL || fclose(out) == 0) && good;

    return good ? CTL_DONE
                : ctl_backup_error(backup, "write", CTL_BACKUP_LIST);
}


ctl_rc_t
ctl_backup_write_manifest(ctl_backup_t *backup)
{
    char      *text;
    json_t    *dump, *list;
    PGconn    *connection;
    ctl_rc_t   rc;

    connection = backup->ctl->connection;
    dump = ctl_backup_file(backup, CTL_BACKUP_DUMP);
    list = ctl_backup_file(backup, CTL_BACKUP_LIST);

    if (dump == NULL || list == NULL) {
        json_decref(dump);
        json_decref(list);
        return CTL_FAILED;
    }

    backup->manifest = json_pack("{s:i, s:s, s:s, s:s, s:i, s:O, s:o, s:o, "
                                 "s:I, s:O}",
                                 "format", CTL_BACKUP_FORMAT,
                                 "name", backup->name,
                                 "cargoctl", CARGO_VERSION,
                                 "database", PQdb(connection),
                                 "postgresql",
                                 PQserverVersion(connection) / 10000,
                                 "migrations", backup->migrations,
                                 "dump", dump, "list", list,
                                 "blobs", (json_int_t)
                                 (backup->nblobs
                                  - json_array_size(backup->missing)),
                                 "missing", backup->missing);

    text = json_dumps(backup->manifest, JSON_INDENT(2));
    rc = ctl_backup_write(backup, CTL_BACKUP_MANIFEST, text);
    free(text);

    return rc;
}


ctl_rc_t
ctl_backup_read_manifest(ctl_backup_t *backup, const char *name)
{
    int           fd;
    json_t       *manifest;
    json_int_t    format;
    json_error_t  error;

    json_decref(backup->manifest);
    backup->manifest = NULL;

    if (backup->at != -1) {
        (void) close(backup->at);
    }

    (void) snprintf(backup->name, CTL_BACKUP_NAME, "%s", name);

    backup->at = ctl_blobs_subdir(backup->dir, name);
    fd = (backup->at == -1) ? -1
         : openat(backup->at, CTL_BACKUP_MANIFEST, O_RDONLY|O_CLOEXEC);

    if (fd == -1) {
        (void) ctl_backup_error(backup, "open the manifest of", name);
        return CTL_REFUSED;
    }

    manifest = json_loadfd(fd, 0, &error);
    (void) close(fd);

    if (manifest == NULL) {
        return ctl_backup_damaged(backup, name, CTL_BACKUP_MANIFEST,
                                  error.text);
    }

    backup->manifest = manifest;

    format = json_integer_value(json_object_get(manifest, "format"));

    if (format > CTL_BACKUP_FORMAT) {
        ctl_error("backup %s in %s was made by a newer cargoctl (%s): restore "
                  "it with that one", name, backup->path,
                  ctl_json_text(manifest, "cargoctl"));
        return CTL_REFUSED;
    }

    if (format < 1 || strcmp(ctl_json_text(manifest, "name"), name) != 0
        || json_array_size(json_object_get(manifest, "migrations")) == 0
        || !json_is_integer(json_object_get(manifest, "blobs"))
        || !json_is_array(json_object_get(manifest, "missing")))
    {
        return ctl_backup_damaged(backup, name, CTL_BACKUP_MANIFEST,
                                  "it is not what backup wrote");
    }

    return CTL_DONE;
}


ctl_rc_t
ctl_backup_check_dump(const ctl_backup_t *backup)
{
    return ctl_backup_verify(backup, backup->at, backup->name,
                             json_object_get(backup->manifest, "dump"));
}


/* adds to backup->blobs, whatever is in there already */

ctl_rc_t
ctl_backup_read_list(ctl_backup_t *backup, const char *name,
    const json_t *manifest)
{
    int                 dir, fd;
    char               *line;
    FILE               *in;
    size_t              n, room, before;
    ctl_rc_t            rc;
    const json_t       *entry;
    ctl_backup_blob_t  *blob;

    entry = json_object_get(manifest, "list");
    dir = ctl_blobs_subdir(backup->dir, name);
    rc = ctl_backup_verify(backup, dir, name, entry);

    fd = (rc == CTL_DONE)
         ? openat(dir, ctl_json_text(entry, "file"), O_RDONLY|O_CLOEXEC) : -1;
    in = (fd == -1) ? NULL : fdopen(fd, "r");

    n = (size_t) json_integer_value(json_object_get(manifest, "blobs"));
    before = backup->nblobs;

    backup->blobs = ctl_realloc(backup->blobs,
                                (before + n) * sizeof(ctl_backup_blob_t));
    line = NULL;
    room = 0;

    while (in && backup->nblobs < before + n && getline(&line, &room, in) > 0)
    {
        blob = &backup->blobs[backup->nblobs];
        blob->size = -1;
        blob->bad = 0;

        if (strspn(line, "0123456789abcdef") != CTL_SHA256_HEX) {
            break;
        }

        memcpy(blob->checksum, line, CTL_SHA256_HEX);
        blob->checksum[CTL_SHA256_HEX] = '\0';
        backup->nblobs++;
    }

    free(line);

    if (in) {
        (void) fclose(in);
    }

    if (dir != -1) {
        (void) close(dir);
    }

    if (rc == CTL_DONE && backup->nblobs != before + n) {
        rc = ctl_backup_damaged(backup, name, ctl_json_text(entry, "file"),
                                "it is not the list that it should be");
    }

    return rc;
}


/* {file, size, sha256} of what was written */

static json_t *
ctl_backup_file(const ctl_backup_t *backup, const char *file)
{
    int          fd;
    char         hex[CTL_SHA256_HEX + 1];
    json_t      *entry;
    struct stat  st;

    fd = openat(backup->at, file, O_RDONLY|O_CLOEXEC);
    entry = NULL;

    if (fd != -1 && fsync(fd) == 0 && fstat(fd, &st) == 0
        && ctl_file_sha256(fd, hex) == 0)
    {
        entry = json_pack("{s:s, s:I, s:s}", "file", file, "size",
                          (json_int_t) st.st_size, "sha256", hex);
    } else {
        (void) ctl_backup_error(backup, "read", file);
    }

    if (fd != -1) {
        (void) close(fd);
    }

    return entry;
}


static ctl_rc_t
ctl_backup_write(ctl_backup_t *backup, const char *file, const char *text)
{
    int    fd, good;
    char  *new;
    FILE  *out;

    new = ctl_printf("%s.new", file);
    fd = openat(backup->at, new, O_WRONLY|O_CREAT|O_EXCL|O_CLOEXEC, 0600);
    out = (fd == -1) ? NULL : fdopen(fd, "w");

    good = out && fprintf(out, "%s\n", text) > 0 && fflush(out) == 0
           && fsync(fd) == 0;
    good = (out == NULL || fclose(out) == 0) && good;

    good = good && fsync(backup->at) == 0
           && renameat(backup->at, new, backup->at, file) == 0
           && fsync(backup->at) == 0 && fsync(backup->dir) == 0;
    free(new);

    return good ? CTL_DONE : ctl_backup_error(backup, "write", file);
}


static ctl_rc_t
ctl_backup_damaged(const ctl_backup_t *backup, const char *name,
    const char *file, const char *why)
{
    ctl_error("%s/%s/%s is damaged: %s; nothing was changed, take another "
              "backup (--at)", backup->path, name, file, why);

    return CTL_REFUSED;
}


static ctl_rc_t
ctl_backup_verify(const ctl_backup_t *backup, int dir, const char *name,
    const json_t *entry)
{
    int          fd;
    ctl_rc_t     rc;
    const char  *file, *fault;

    file = ctl_json_text(entry, "file");

    if (strchr(file, '/')) {
        return ctl_backup_damaged(backup, name, file,
                                  "its name leads out of the backup");
    }

    fd = dir == -1 ? -1 : openat(dir, file, O_RDONLY|O_NOFOLLOW|O_CLOEXEC);
    fault = ctl_backup_fault(fd, entry);
    rc = fault ? ctl_backup_damaged(backup, name, file, fault) : CTL_DONE;

    if (fd != -1) {
        (void) close(fd);
    }

    return rc;
}


static const char *
ctl_backup_fault(int fd, const json_t *entry)
{
    char         hex[CTL_SHA256_HEX + 1];
    struct stat  st;

    if (fd == -1 || fstat(fd, &st) == -1) {
        return strerror(errno);
    }

    if ((json_int_t) st.st_size
        != json_integer_value(json_object_get(entry, "size")))
    {
        return "its size is wrong";
    }

    if (ctl_file_sha256(fd, hex) == -1) {
        return strerror(errno);
    }

    if (strcmp(hex, ctl_json_text(entry, "sha256")) != 0) {
        return "its SHA-256 is wrong";
    }

    return NULL;
}
