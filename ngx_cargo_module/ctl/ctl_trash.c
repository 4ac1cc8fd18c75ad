
#include "ctl_trash.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl_database.h"
#include "ctl_print.h"


#define CTL_TRASH_CLOCK  ".clock"


static ctl_rc_t ctl_trash_make(const ctl_sweep_t *sweep);
static int ctl_trash_clock(const ctl_sweep_t *sweep, time_t *now);
static ctl_rc_t ctl_trash_ask(ctl_sweep_t *sweep);
static void ctl_trash_mark(ctl_sweep_t *sweep, const char *checksum);
static ctl_rc_t ctl_trash_through(ctl_sweep_t *sweep);
static ctl_rc_t ctl_trash_move(const ctl_sweep_t *sweep,
    const ctl_candidate_t *candidate, int *moved);
static ctl_rc_t ctl_trash_settle(ctl_sweep_t *sweep);
static ctl_rc_t ctl_trash_settle_one(ctl_sweep_t *sweep,
    const ctl_candidate_t *candidate, int keep);
static ctl_rc_t ctl_trash_restore(ctl_sweep_t *sweep, const char *checksum);
static int ctl_trash_restore_to(const ctl_sweep_t *sweep, int dir,
    const char *name);
static void ctl_trash_removed(ctl_sweep_t *sweep,
    const ctl_candidate_t *candidate);


ctl_rc_t
ctl_trash_open(ctl_sweep_t *sweep, time_t grace)
{
    time_t    now;
    ctl_rc_t  rc;

    if (sweep->ctl->dry_run) {
        sweep->fresh = time(NULL) - grace;
        return CTL_DONE;
    }

    rc = ctl_trash_make(sweep);
    if (rc != CTL_DONE) {
        return rc;
    }

    sweep->trash = ctl_blobs_subdir(sweep->root, "trash");

    if (sweep->trash == -1) {
        ctl_blobs_error(sweep->ctl, "open", "trash", errno);
        return CTL_REFUSED;
    }

    if (ctl_trash_clock(sweep, &now) != 0) {
        ctl_blobs_error(sweep->ctl, "write to", "trash", errno);
        return CTL_REFUSED;
    }

    sweep->fresh = now - grace;

    return CTL_DONE;
}


void
ctl_trash_close(ctl_sweep_t *sweep)
{
    if (sweep->trash != -1) {
        (void) close(sweep->trash);
        sweep->trash = -1;
    }
}


ctl_rc_t
ctl_trash_empty(ctl_sweep_t *sweep)
{
    DIR              *dir;
    int               fd;
    ctl_rc_t          rc;
    struct dirent    *entry;

    if (sweep->trash == -1) {
        return CTL_DONE;
    }

    fd = ctl_blobs_subdir(sweep->root, "trash");
    dir = (fd == -1) ? NULL : fdopendir(fd);

    if (dir == NULL) {
        ctl_blobs_error(sweep->ctl, "read", "trash", errno);
        return CTL_REFUSED;
    }

    rc = CTL_DONE;

    while (rc == CTL_DONE && (entry = readdir(dir)) != NULL) {

        if (!ctl_blob_checksum(entry->d_name,
                               sweep->batch[sweep->count].checksum))
        {
            sweep->strange += entry->d_name[0] != '.';
            continue;
        }

        if (++sweep->count == CTL_SWEEP_BATCH) {
            rc = ctl_trash_settle(sweep);
        }
    }

    (void) closedir(dir);

    return (rc == CTL_DONE) ? ctl_trash_settle(sweep) : rc;
}


ctl_rc_t
ctl_trash_batch(ctl_sweep_t *sweep)
{
    size_t     i, n;
    ctl_rc_t   rc;
    sigset_t   signals, old;

    rc = ctl_trash_ask(sweep);

    for (n = 0, i = 0; i < sweep->count; i++) {
        if (!sweep->batch[i].referenced) {
            sweep->batch[n++] = sweep->batch[i];
        }
    }

    sweep->count = (rc == CTL_DONE) ? n : 0;

    if (sweep->count && sweep->nothing_published) {
        ctl_error("database \"%s\" knows of no published version, so every "
                  "file in %s would go: is it the database of this store?",
                  PQdb(sweep->ctl->connection), sweep->ctl->blobs);
        sweep->count = 0;
        return CTL_REFUSED;
    }

    if (sweep->ctl->dry_run) {
        for (i = 0; i < sweep->count; i++) {
            ctl_trash_removed(sweep, &sweep->batch[i]);
        }

        sweep->count = 0;
        return rc;
    }

    if (sweep->count == 0) {
        return rc;
    }

    (void) sigemptyset(&signals);
    (void) sigaddset(&signals, SIGINT);
    (void) sigaddset(&signals, SIGTERM);
    (void) sigaddset(&signals, SIGHUP);
    (void) sigprocmask(SIG_BLOCK, &signals, &old);

    rc = ctl_trash_through(sweep);

    (void) sigprocmask(SIG_SETMASK, &old, NULL);

    return rc;
}


/* the store is the web server's, even when root sweeps it */

static ctl_rc_t
ctl_trash_make(const ctl_sweep_t *sweep)
{
    struct stat  st;

    if (mkdirat(sweep->root, "trash", 0755) == -1) {
        if (errno == EEXIST) {
            return CTL_DONE;
        }

        ctl_blobs_error(sweep->ctl, "make", "trash", errno);
        return CTL_REFUSED;
    }

    if (geteuid() == 0
        && (fstat(sweep->root, &st) == -1
            || fchownat(sweep->root, "trash", st.st_uid, st.st_gid,
                        AT_SYMLINK_NOFOLLOW) == -1))
    {
        ctl_blobs_error(sweep->ctl, "hand over", "trash", errno);
        return CTL_REFUSED;
    }

    return CTL_DONE;
}


/* the file system's time: that of a file server may differ from ours */

static int
ctl_trash_clock(const ctl_sweep_t *sweep, time_t *now)
{
    int          fd, rc, error;
    struct stat  st;

    fd = openat(sweep->trash, CTL_TRASH_CLOCK,
                O_WRONLY|O_CREAT|O_NOFOLLOW|O_CLOEXEC, 0644);
    if (fd == -1) {
        *now = 0;
        return -1;
    }

    rc = (futimens(fd, NULL) == 0 && fstat(fd, &st) == 0) ? 0 : -1;
    *now = (rc == 0) ? st.st_mtime : 0;

    error = errno;

    (void) close(fd);
    (void) unlinkat(sweep->trash, CTL_TRASH_CLOCK, 0);

    errno = error;

    return rc;
}


static ctl_rc_t
ctl_trash_ask(ctl_sweep_t *sweep)
{
    int          row;
    char        *list, *p;
    size_t       i;
    PGresult    *result;
    const char  *values[1];

    if (sweep->count == 0) {
        return CTL_DONE;
    }

    list = ctl_alloc(sweep->count * (CTL_SHA256_HEX + 1) + 2);
    p = list;

    for (i = 0; i < sweep->count; i++) {
        *p++ = i ? ',' : '{';
        memcpy(p, sweep->batch[i].checksum, CTL_SHA256_HEX);
        p += CTL_SHA256_HEX;
        sweep->batch[i].referenced = 0;
    }

    memcpy(p, "}", 2);
    values[0] = list;

    result = ctl_database_query(sweep->ctl, "select referenced from"
                                " cargo_admin.referenced_blobs($1::text[])"
                                " as referenced", 1, values);
    free(list);

    if (result == NULL) {
        return CTL_FAILED;
    }

    for (row = 0; row < PQntuples(result); row++) {
        ctl_trash_mark(sweep, PQgetvalue(result, row, 0));
    }

    PQclear(result);

    return CTL_DONE;
}


static void
ctl_trash_mark(ctl_sweep_t *sweep, const char *checksum)
{
    size_t  i;

    for (i = 0; i < sweep->count; i++) {
        if (strcmp(sweep->batch[i].checksum, checksum) == 0) {
            sweep->batch[i].referenced = 1;
        }
    }
}


/* what was moved is settled even when a move fails */

static ctl_rc_t
ctl_trash_through(ctl_sweep_t *sweep)
{
    int       moved;
    size_t    i, n;
    ctl_rc_t  rc, settled;

    rc = CTL_DONE;

    for (n = 0, i = 0; rc == CTL_DONE && i < sweep->count; i++) {
        rc = ctl_trash_move(sweep, &sweep->batch[i], &moved);

        if (moved) {
            sweep->batch[n++] = sweep->batch[i];
        }
    }

    sweep->count = n;
    settled = ctl_trash_settle(sweep);

    return (rc == CTL_DONE) ? settled : rc;
}


static ctl_rc_t
ctl_trash_move(const ctl_sweep_t *sweep, const ctl_candidate_t *candidate,
    int *moved)
{
    int          dir, error;
    char         name[CTL_BLOB_NAME], path[CTL_BLOB_PATH];
    struct stat  st;

    *moved = 0;
    error = 0;

    ctl_blob_name(candidate->checksum, name);
    dir = ctl_blobs_dir(sweep->root, candidate->checksum);

    /* a file that has become fresh would only be missing for a moment */

    if (dir == -1 || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == -1) {
        error = errno;

    } else if (S_ISREG(st.st_mode) && st.st_mtime < sweep->fresh) {

        if (renameat(dir, name, sweep->trash, name) == 0) {
            *moved = 1;
        } else {
            error = errno;
        }
    }

    if (dir != -1) {
        (void) close(dir);
    }

    if (error == 0 || error == ENOENT) {
        return CTL_DONE;
    }

    ctl_blob_path(candidate->checksum, path);
    ctl_blobs_error(sweep->ctl, "move to trash/", path, error);

    return CTL_REFUSED;
}


/* the batch is in trash/; without an answer of the database all goes back */

static ctl_rc_t
ctl_trash_settle(ctl_sweep_t *sweep)
{
    int       keep;
    size_t    i;
    ctl_rc_t  rc, one;

    rc = ctl_trash_ask(sweep);
    keep = (rc != CTL_DONE);

    for (i = 0; i < sweep->count; i++) {
        one = ctl_trash_settle_one(sweep, &sweep->batch[i], keep);

        if (rc == CTL_DONE) {
            rc = one;
        }
    }

    sweep->count = 0;

    return rc;
}


static ctl_rc_t
ctl_trash_settle_one(ctl_sweep_t *sweep, const ctl_candidate_t *candidate,
    int keep)
{
    char              name[CTL_BLOB_NAME];
    struct stat       st;
    ctl_candidate_t   found;

    ctl_blob_name(candidate->checksum, name);

    if (fstatat(sweep->trash, name, &st, AT_SYMLINK_NOFOLLOW) == -1) {
        if (errno == ENOENT) {
            return CTL_DONE;
        }

        ctl_blobs_error(sweep->ctl, "examine in trash/", name, errno);
        return CTL_REFUSED;
    }

    if (!S_ISREG(st.st_mode)) {
        sweep->strange++;
        return CTL_DONE;
    }

    if (keep || candidate->referenced || st.st_mtime >= sweep->fresh) {
        return ctl_trash_restore(sweep, candidate->checksum);
    }

    if (unlinkat(sweep->trash, name, 0) == -1 && errno != ENOENT) {
        ctl_blobs_error(sweep->ctl, "remove from trash/", name, errno);
        return CTL_REFUSED;
    }

    found = *candidate;
    found.size = (long long) st.st_size;
    ctl_trash_removed(sweep, &found);

    return CTL_DONE;
}


static ctl_rc_t
ctl_trash_restore(ctl_sweep_t *sweep, const char *checksum)
{
    int   dir, error;
    char  name[CTL_BLOB_NAME], path[CTL_BLOB_PATH];

    ctl_blob_name(checksum, name);
    ctl_blob_path(checksum, path);

    error = 0;
    dir = ctl_blobs_dir(sweep->root, checksum);

    if (dir == -1 || ctl_trash_restore_to(sweep, dir, name) == -1) {
        error = errno;
    }

    if (dir != -1) {
        (void) close(dir);
    }

    if (error) {
        ctl_blobs_error(sweep->ctl, "put back from trash/", path, error);
        return CTL_REFUSED;
    }

    ctl_say(sweep->ctl, "put back %s, which somebody is using", path);
    json_array_append_new(sweep->restored, json_string(checksum));

    return CTL_DONE;
}


/*
 * A publish may have put its own file there meanwhile; link() leaves it
 * alone.  Where links are not possible (protected_hardlinks, some file
 * systems) rename() is as good, the bytes being the same.
 */

static int
ctl_trash_restore_to(const ctl_sweep_t *sweep, int dir, const char *name)
{
    if (linkat(sweep->trash, name, dir, name, 0) == -1 && errno != EEXIST) {

        if (renameat(sweep->trash, name, dir, name) == -1) {
            return -1;
        }
    }

    if (fsync(dir) == -1) {
        return -1;
    }

    if (unlinkat(sweep->trash, name, 0) == -1 && errno != ENOENT) {
        return -1;
    }

    return 0;
}


static void
ctl_trash_removed(ctl_sweep_t *sweep, const ctl_candidate_t *candidate)
{
    char  path[CTL_BLOB_PATH];

    ctl_blob_path(candidate->checksum, path);

    ctl_say(sweep->ctl, "%s %s (%lld bytes)",
            sweep->ctl->dry_run ? "would remove" : "removed", path,
            candidate->size);

    sweep->bytes += candidate->size;
    json_array_append_new(sweep->removed, json_string(candidate->checksum));
}
