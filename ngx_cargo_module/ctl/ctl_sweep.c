
/*
 * sweep: removes blobs that no version refers to.
 *
 * A publish renames its file over the final name, so that it is fresh, and
 * commits its row after that.  Between our look at the database and the
 * removal a publish may come to rely on the file; therefore it is moved to
 * trash/ first, and whoever came before the move is seen afterwards: by the
 * file's time of modification or, once committed, in the database.  Then it
 * is put back.  Whoever comes after the move brings a file of his own.
 *
 * Always true: at any moment a blob that a version refers to is under its
 * final name or in trash/, and a later sweep brings it back from there.
 */


#include "cargoctl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl_blobs.h"
#include "ctl_database.h"
#include "ctl_print.h"
#include "ctl_trash.h"


#define CTL_GRACE_DEFAULT  "1h"

/* longer than a publish takes from the rename to the commit */
#define CTL_GRACE_MIN      300


static ctl_rc_t ctl_grace_parse(const char *text, time_t *grace);
static ctl_rc_t ctl_sweep_begin(ctl_sweep_t *sweep);
static ctl_rc_t ctl_sweep_all(ctl_sweep_t *sweep, time_t grace);
static ctl_rc_t ctl_sweep_store(ctl_sweep_t *sweep);
static ctl_rc_t ctl_sweep_walk(ctl_sweep_t *sweep, int fd, size_t depth,
    char *prefix);
static ctl_rc_t ctl_sweep_entry(ctl_sweep_t *sweep, int fd, size_t depth,
    char *prefix, const char *name);
static ctl_rc_t ctl_sweep_file(ctl_sweep_t *sweep, int fd, const char *prefix,
    const char *name);
static ctl_rc_t ctl_sweep_tmp(ctl_sweep_t *sweep);
static ctl_rc_t ctl_sweep_upload(ctl_sweep_t *sweep, int tmp,
    const char *name);
static void ctl_sweep_report(const ctl_sweep_t *sweep);
static char *ctl_sweep_counts(const ctl_sweep_t *sweep);


ctl_rc_t
ctl_sweep(ctl_t *ctl)
{
    time_t       grace;
    ctl_rc_t     rc;
    ctl_sweep_t  sweep;

    rc = ctl_grace_parse(ctl->grace ? ctl->grace : CTL_GRACE_DEFAULT, &grace);
    if (rc != CTL_DONE) {
        return rc;
    }

    memset(&sweep, 0, sizeof(ctl_sweep_t));

    sweep.ctl = ctl;
    sweep.trash = -1;
    sweep.root = ctl_blobs_open(ctl);

    if (sweep.root == -1) {
        return CTL_REFUSED;
    }

    sweep.removed = json_array();
    sweep.restored = json_array();

    rc = ctl_database_open(ctl);

    if (rc == CTL_DONE) {
        rc = ctl_sweep_begin(&sweep);
    }

    if (rc == CTL_DONE) {
        rc = ctl_sweep_all(&sweep, grace);
        ctl_progress_end();
        ctl_sweep_report(&sweep);
    }

    ctl_trash_close(&sweep);
    (void) close(sweep.root);

    json_decref(sweep.removed);
    json_decref(sweep.restored);

    return rc;
}


static ctl_rc_t
ctl_grace_parse(const char *text, time_t *grace)
{
    char                 *end;
    size_t                unit;
    static const char     units[] = "smhd";
    static const time_t   seconds[] = { 1, 60, 60 * 60, 24 * 60 * 60 };

    *grace = (time_t) strtol(text, &end, 10);
    unit = strcspn(units, end);

    if (text[0] < '0' || text[0] > '9' || *grace > 99999
        || strlen(end) != 1 || units[unit] == '\0')
    {
        ctl_error("\"%s\" is not a time: write a number and s, m, h or d, as "
                  "in --grace 1h", text);
        return CTL_USAGE;
    }

    *grace *= seconds[unit];

    if (*grace < CTL_GRACE_MIN) {
        ctl_error("--grace %s is too short: a publish that is going on at "
                  "this moment could lose its file; %dm is the least", text,
                  CTL_GRACE_MIN / 60);
        return CTL_USAGE;
    }

    return CTL_DONE;
}


/* what would make the answers of the database worthless */

static ctl_rc_t
ctl_sweep_begin(ctl_sweep_t *sweep)
{
    int       yes;
    ctl_rc_t  rc;

    rc = ctl_database_ask(sweep->ctl, "select pg_is_in_recovery()", &yes);

    if (rc == CTL_DONE && yes) {
        ctl_error("this server is a standby, which may not know yet what was "
                  "published last: connect to the primary");
        return CTL_REFUSED;
    }

    if (rc == CTL_DONE) {
        rc = ctl_database_ask(sweep->ctl, "select pg_try_advisory_lock("
                              CTL_LOCK_SWEEP ")", &yes);
    }

    if (rc == CTL_DONE && !yes) {
        ctl_error("another sweep or a backup is at work with this database: "
                  "let it end");
        return CTL_REFUSED;
    }

    if (rc == CTL_DONE) {
        rc = ctl_database_ask(sweep->ctl, "select not exists (select from"
                              " cargo_admin.version_blobs(0::bigint, 1))",
                              &sweep->nothing_published);
    }

    return rc;
}


static ctl_rc_t
ctl_sweep_all(ctl_sweep_t *sweep, time_t grace)
{
    ctl_rc_t  rc;

    rc = ctl_trash_open(sweep, grace);

    if (rc == CTL_DONE) {
        rc = ctl_trash_empty(sweep);
    }

    if (rc == CTL_DONE) {
        rc = ctl_sweep_store(sweep);
    }

    if (rc == CTL_DONE) {
        rc = ctl_trash_batch(sweep);
    }

    if (rc == CTL_DONE) {
        rc = ctl_sweep_tmp(sweep);
    }

    return rc;
}


static ctl_rc_t
ctl_sweep_store(ctl_sweep_t *sweep)
{
    int   fd;
    char  prefix[5];

    fd = ctl_blobs_subdir(sweep->root, ".");

    if (fd == -1) {
        ctl_blobs_error(sweep->ctl, "open", ".", errno);
        return CTL_REFUSED;
    }

    prefix[0] = '\0';

    return ctl_sweep_walk(sweep, fd, 0, prefix);
}


/* depth 0: "ab"; 1: "cd"; 2: blobs.  Closes fd. */

static ctl_rc_t
ctl_sweep_walk(ctl_sweep_t *sweep, int fd, size_t depth, char *prefix)
{
    DIR            *dir;
    ctl_rc_t        rc;
    struct dirent  *entry;

    dir = fdopendir(fd);

    if (dir == NULL) {
        ctl_blobs_error(sweep->ctl, "read", prefix, errno);
        (void) close(fd);
        return CTL_REFUSED;
    }

    rc = CTL_DONE;

    while (rc == CTL_DONE && (entry = readdir(dir)) != NULL) {

        if (entry->d_name[0] == '.'
            || (depth == 0 && (strcmp(entry->d_name, "tmp") == 0
                               || strcmp(entry->d_name, "trash") == 0)))
        {
            continue;
        }

        rc = ctl_sweep_entry(sweep, fd, depth, prefix, entry->d_name);
    }

    (void) closedir(dir);

    return rc;
}


static ctl_rc_t
ctl_sweep_entry(ctl_sweep_t *sweep, int fd, size_t depth, char *prefix,
    const char *name)
{
    int       subdir;
    ctl_rc_t  rc;

    if (depth == 2) {
        return ctl_sweep_file(sweep, fd, prefix, name);
    }

    if (strlen(name) != 2 || strspn(name, "0123456789abcdef") != 2) {
        sweep->strange++;
        return CTL_DONE;
    }

    subdir = ctl_blobs_subdir(fd, name);

    if (subdir == -1 && (errno == ENOTDIR || errno == ELOOP)) {
        sweep->strange++;
        return CTL_DONE;
    }

    memcpy(prefix + 2 * depth, name, 3);

    if (subdir == -1) {
        ctl_blobs_error(sweep->ctl, "open", prefix, errno);
        return CTL_REFUSED;
    }

    rc = ctl_sweep_walk(sweep, subdir, depth + 1, prefix);

    prefix[2 * depth] = '\0';

    return rc;
}


static ctl_rc_t
ctl_sweep_file(ctl_sweep_t *sweep, int fd, const char *prefix,
    const char *name)
{
    char               checksum[CTL_SHA256_HEX + 1];
    struct stat        st;
    ctl_candidate_t   *candidate;

    if (!ctl_blob_checksum(name, checksum)
        || strncmp(checksum, prefix, 4) != 0
        || fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == -1
        || !S_ISREG(st.st_mode))
    {
        sweep->strange++;
        return CTL_DONE;
    }

    sweep->looked++;
    ctl_progress(sweep->ctl, "%lld blobs looked at, %zu removed",
                 sweep->looked, json_array_size(sweep->removed));

    if (st.st_mtime >= sweep->fresh) {
        sweep->spared++;
        return CTL_DONE;
    }

    candidate = &sweep->batch[sweep->count++];
    memcpy(candidate->checksum, checksum, sizeof(checksum));
    candidate->size = (long long) st.st_size;

    return (sweep->count == CTL_SWEEP_BATCH) ? ctl_trash_batch(sweep)
                                             : CTL_DONE;
}


/* uploads that a worker left behind when it died */

static ctl_rc_t
ctl_sweep_tmp(ctl_sweep_t *sweep)
{
    DIR            *dir;
    int             fd;
    ctl_rc_t        rc;
    struct dirent  *entry;

    fd = ctl_blobs_subdir(sweep->root, "tmp");

    if (fd == -1 && errno == ENOENT) {
        return CTL_DONE;
    }

    dir = (fd == -1) ? NULL : fdopendir(fd);

    if (dir == NULL) {
        ctl_blobs_error(sweep->ctl, "read", "tmp", errno);
        return CTL_REFUSED;
    }

    rc = CTL_DONE;

    while (rc == CTL_DONE && (entry = readdir(dir)) != NULL) {
        rc = ctl_sweep_upload(sweep, fd, entry->d_name);
    }

    (void) closedir(dir);

    return rc;
}


static ctl_rc_t
ctl_sweep_upload(ctl_sweep_t *sweep, int tmp, const char *name)
{
    char         *path;
    ctl_rc_t      rc;
    struct stat   st;

    if (fstatat(tmp, name, &st, AT_SYMLINK_NOFOLLOW) == -1
        || !S_ISREG(st.st_mode))
    {
        return CTL_DONE;
    }

    if (st.st_mtime >= sweep->fresh) {
        sweep->spared++;
        return CTL_DONE;
    }

    rc = CTL_DONE;
    path = ctl_printf("tmp/%s", name);

    if (!sweep->ctl->dry_run && unlinkat(tmp, name, 0) == -1
        && errno != ENOENT)
    {
        ctl_blobs_error(sweep->ctl, "remove", path, errno);
        rc = CTL_REFUSED;

    } else {
        ctl_say(sweep->ctl, "%s %s, an abandoned upload",
                sweep->ctl->dry_run ? "would remove" : "removed", path);
        sweep->uploads++;
    }

    free(path);

    return rc;
}


static void
ctl_sweep_report(const ctl_sweep_t *sweep)
{
    char    *counts;
    json_t  *report;

    counts = ctl_sweep_counts(sweep);
    ctl_say(sweep->ctl, "looked at %lld blob%s in %s: %s", sweep->looked,
            (sweep->looked == 1) ? "" : "s", sweep->ctl->blobs, counts);
    free(counts);

    if (sweep->strange) {
        ctl_note(sweep->ctl, "left alone: %lld %s of %s that %s",
                 sweep->strange, (sweep->strange == 1) ? "entry" : "entries",
                 sweep->ctl->blobs,
                 (sweep->strange == 1) ? "is no blob" : "are not blobs");
    }

    if (!sweep->ctl->json) {
        return;
    }

    report = json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:O, s:O}",
                       "dry_run", sweep->ctl->dry_run,
                       "looked_at", (json_int_t) sweep->looked,
                       "bytes", (json_int_t) sweep->bytes,
                       "uploads", (json_int_t) sweep->uploads,
                       "spared", (json_int_t) sweep->spared,
                       "left_alone", (json_int_t) sweep->strange,
                       "removed", sweep->removed,
                       "put_back", sweep->restored);
    ctl_print_json(report);
    json_decref(report);
}


/* a count of 0 would only raise questions */

static char *
ctl_sweep_counts(const ctl_sweep_t *sweep)
{
    char        *removed, *uploads, *restored, *spared, *counts;
    size_t       n;
    const char  *verb, *grace;

    verb = sweep->ctl->dry_run ? "would remove" : "removed";
    grace = sweep->ctl->grace ? sweep->ctl->grace : CTL_GRACE_DEFAULT;
    uploads = NULL;
    restored = NULL;
    spared = NULL;

    n = json_array_size(sweep->removed);
    removed = n ? ctl_printf("%s %zu that no version refers to (%lld bytes)",
                             verb, n, sweep->bytes)
                : ctl_printf("%s none", verb);

    if (sweep->uploads) {
        uploads = ctl_printf(", %s %lld abandoned upload%s", verb,
                             sweep->uploads, (sweep->uploads == 1) ? "" : "s");
    }

    n = json_array_size(sweep->restored);
    if (n) {
        restored = ctl_printf(", put %zu back", n);
    }

    if (sweep->spared) {
        spared = ctl_printf(", spared %lld younger than %s (--grace)",
                            sweep->spared, grace);
    }

    counts = ctl_printf("%s%s%s%s", removed, uploads ? uploads : "",
                        restored ? restored : "", spared ? spared : "");

    free(removed);
    free(uploads);
    free(restored);
    free(spared);

    return counts;
}
