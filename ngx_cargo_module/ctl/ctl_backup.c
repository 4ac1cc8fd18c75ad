
/*
 * backup: the database and every blob that it refers to.
 *
 * The dump and the list of blobs are of one snapshot, and blobs are copied
 * after it was taken: a publish stores its blob before its row, so that what
 * the snapshot refers to is in the store, and no sweep runs meanwhile.
 * Whatever is published or deleted in the meantime belongs to the next backup.
 */


#include "ctl_backup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl_copy.h"
#include "ctl_database.h"
#include "ctl_print.h"
#include "ctl_tool.h"


#define CTL_BACKUP_PAGE  "10000"


static ctl_rc_t ctl_backup_keep_option(const ctl_t *ctl, size_t *keep);
static ctl_rc_t ctl_backup_run(ctl_backup_t *backup, size_t keep);
static ctl_rc_t ctl_backup_prepare(ctl_backup_t *backup);
static ctl_rc_t ctl_backup_lock(ctl_t *ctl);
static ctl_rc_t ctl_backup_snapshot(ctl_backup_t *backup);
static ctl_rc_t ctl_backup_migrations(ctl_backup_t *backup);
static ctl_rc_t ctl_backup_rows(ctl_backup_t *backup);
static ctl_rc_t ctl_backup_page(ctl_backup_t *backup, int *rows);
static ctl_rc_t ctl_backup_dump(ctl_backup_t *backup);
static ctl_rc_t ctl_backup_copy(ctl_backup_t *backup, int root);
static ctl_rc_t ctl_backup_miss(ctl_backup_t *backup,
    ctl_backup_blob_t *blob, char *problem);
static ctl_rc_t ctl_backup_report(ctl_backup_t *backup, size_t removed,
    size_t blobs);


ctl_rc_t
ctl_backup(ctl_t *ctl)
{
    size_t        keep;
    ctl_rc_t      rc;
    ctl_backup_t  backup;

    rc = ctl_backup_keep_option(ctl, &keep);

    if (rc != CTL_DONE) {
        return rc;
    }

    rc = ctl_backup_open_writing(&backup, ctl);

    if (rc == CTL_DONE) {
        rc = ctl_backup_run(&backup, keep);
    }

    ctl_backup_close(&backup);

    return rc;
}


static ctl_rc_t
ctl_backup_keep_option(const ctl_t *ctl, size_t *keep)
{
    char  *end;

    *keep = 0;

    if (ctl->keep == NULL) {
        return CTL_DONE;
    }

    *keep = strtoul(ctl->keep, &end, 10);

    if (ctl->keep[0] < '0' || ctl->keep[0] > '9' || *end || *keep == 0
        || *keep > 100000)
    {
        ctl_error("--keep %s makes no sense: write how many backups are to "
                  "stay, this one included, as in --keep 14", ctl->keep);
        return CTL_USAGE;
    }

    return CTL_DONE;
}


static ctl_rc_t
ctl_backup_run(ctl_backup_t *backup, size_t keep)
{
    int       root;
    size_t    removed, blobs;
    ctl_rc_t  rc;

    removed = 0;
    blobs = 0;

    root = ctl_blobs_open(backup->ctl);
    if (root == -1) {
        return CTL_REFUSED;
    }

    if ((rc = ctl_backup_prepare(backup)) == CTL_DONE
        && (rc = ctl_backup_begin(backup)) == CTL_DONE
        && (rc = ctl_backup_snapshot(backup)) == CTL_DONE
        && (rc = ctl_backup_copy(backup, root)) == CTL_DONE
        && (rc = ctl_backup_write_list(backup)) == CTL_DONE
        && (rc = ctl_backup_write_manifest(backup)) == CTL_DONE
        && keep)
    {
        rc = ctl_backup_keep(backup, keep, &removed, &blobs);
    }

    (void) close(root);
    ctl_progress_end();

    if (rc != CTL_DONE) {

        /* what is complete stays, also when older ones could not be removed */

        if (backup->at != -1 && backup->manifest == NULL) {
            (void) ctl_backup_remove(backup, backup->name);
        }

        return rc;
    }

    return ctl_backup_report(backup, removed, blobs);
}


static ctl_rc_t
ctl_backup_prepare(ctl_backup_t *backup)
{
    int       major, yes, server;
    ctl_t    *ctl;
    ctl_rc_t  rc;

    ctl = backup->ctl;

    if ((rc = ctl_database_open(ctl)) != CTL_DONE
        || (rc = ctl_tool_version(ctl, "pg_dump", &major)) != CTL_DONE
        || (rc = ctl_database_ask(ctl, "select pg_is_in_recovery()", &yes))
           != CTL_DONE)
    {
        return rc;
    }

    server = PQserverVersion(ctl->connection) / 10000;

    if (major < server) {
        ctl_error("pg_dump in PATH is that of PostgreSQL %d and the server is "
                  "PostgreSQL %d: install the client programs of version %d "
                  "or newer, and put them first in PATH", major, server,
                  server);
        return CTL_REFUSED;
    }

    if (yes) {
        ctl_error("this server is a standby, and a sweep at the primary would "
                  "not wait for the backup: connect to the primary");
        return CTL_REFUSED;
    }

    return ctl_backup_lock(ctl);
}


/* with other backups, but not with a sweep */

static ctl_rc_t
ctl_backup_lock(ctl_t *ctl)
{
    int       yes;
    ctl_rc_t  rc;

    rc = ctl_database_ask(ctl, "select pg_try_advisory_lock_shared("
                               CTL_LOCK_SWEEP ")", &yes);

    if (rc == CTL_DONE && !yes) {
        ctl_note(ctl, "a sweep is at work: waiting for it to end");
        rc = ctl_database_run(ctl, "select pg_advisory_lock_shared("
                                   CTL_LOCK_SWEEP ")");
    }

    return rc;
}


static ctl_rc_t
ctl_backup_snapshot(ctl_backup_t *backup)
{
    ctl_t     *ctl;
    ctl_rc_t   rc;

    ctl = backup->ctl;

    if ((rc = ctl_database_run(ctl, "begin transaction isolation level"
                                    " repeatable read, read only"))
           != CTL_DONE
        || (rc = ctl_backup_migrations(backup)) != CTL_DONE
        || (rc = ctl_backup_rows(backup)) != CTL_DONE
        || (rc = ctl_backup_dump(backup)) != CTL_DONE)
    {
        return rc;
    }

    return ctl_database_run(ctl, "commit");
}


static ctl_rc_t
ctl_backup_migrations(ctl_backup_t *backup)
{
    int        row;
    PGresult  *result;

    result = ctl_database_query(backup->ctl, "select name, sha256"
                                " from cargo_store.migrations order by number",
                                0, NULL);
    if (result == NULL) {
        return CTL_FAILED;
    }

    for (row = 0; row < PQntuples(result); row++) {
        json_array_append_new(backup->migrations,
                              json_pack("{s:s, s:s}",
                                        "name", PQgetvalue(result, row, 0),
                                        "sha256", PQgetvalue(result, row, 1)));
    }

    PQclear(result);

    return CTL_DONE;
}


static ctl_rc_t
ctl_backup_rows(ctl_backup_t *backup)
{
    int       rows;
    ctl_rc_t  rc;

    rc = ctl_database_run(backup->ctl, "declare blobs no scroll cursor for"
                          " select distinct checksum, size from"
                          " cargo_admin.version_blobs(0::bigint, null::int)"
                          " order by checksum");

    do {
        rows = 0;

        if (rc == CTL_DONE) {
            rc = ctl_backup_page(backup, &rows);
        }

    } while (rows);

    return rc;
}


static ctl_rc_t
ctl_backup_page(ctl_backup_t *backup, int *rows)
{
    int                 row;
    PGresult           *page;
    ctl_backup_blob_t  *blob;

    page = ctl_database_query(backup->ctl, "fetch " CTL_BACKUP_PAGE
                              " from blobs", 0, NULL);
    if (page == NULL) {
        return CTL_FAILED;
    }

    *rows = PQntuples(page);

    backup->blobs = ctl_realloc(backup->blobs,
                                (backup->nblobs + (size_t) *rows)
                                * sizeof(ctl_backup_blob_t));

    for (row = 0; row < *rows; row++) {
        blob = &backup->blobs[backup->nblobs++];

        (void) snprintf(blob->checksum, sizeof(blob->checksum), "%s",
                        PQgetvalue(page, row, 0));
        blob->size = strtoll(PQgetvalue(page, row, 1), NULL, 10);
        blob->bad = 0;
    }

    PQclear(page);

    return CTL_DONE;
}


static ctl_rc_t
ctl_backup_dump(ctl_backup_t *backup)
{
    char        *file, *snapshot;
    ctl_rc_t     rc;
    PGresult    *result;
    const char  *args[9];

    result = ctl_database_query(backup->ctl, "select pg_export_snapshot()", 0,
                                NULL);
    if (result == NULL) {
        return CTL_FAILED;
    }

    snapshot = ctl_printf("--snapshot=%s", PQgetvalue(result, 0, 0));
    file = ctl_printf("--file=%s/%s/" CTL_BACKUP_DUMP, backup->path,
                      backup->name);
    PQclear(result);

    args[0] = "pg_dump";
    args[1] = "--format=custom";
    args[2] = "--no-password";
    args[3] = "--schema=cargo";
    args[4] = "--schema=cargo_admin";
    args[5] = "--schema=cargo_store";
    args[6] = snapshot;
    args[7] = file;
    args[8] = NULL;

    ctl_progress(backup->ctl, "dumping the database");

    rc = ctl_tool_run(backup->ctl, args);

    free(snapshot);
    free(file);

    return rc;
}


static ctl_rc_t
ctl_backup_copy(ctl_backup_t *backup, int root)
{
    char               *problem;
    size_t              i;
    ctl_rc_t            rc;
    ctl_backup_blob_t  *blob;

    for (i = 0; i < backup->nblobs; i++) {

        blob = &backup->blobs[i];

        ctl_progress(backup->ctl, "%zu of %zu blobs, %zu of them copied", i,
                     backup->nblobs, backup->copied);

        if (ctl_store_has(&backup->pool, blob->checksum, blob->size)) {
            continue;
        }

        rc = ctl_copy_blob(root, &backup->pool, blob->checksum, blob->size,
                           &problem);

        if (rc == CTL_DONE && problem) {
            rc = ctl_backup_miss(backup, blob, problem);

        } else if (rc == CTL_DONE) {
            backup->copied++;
            backup->bytes += blob->size;
        }

        if (rc != CTL_DONE) {
            return rc;
        }
    }

    return CTL_DONE;
}


/* frees the problem */

static ctl_rc_t
ctl_backup_miss(ctl_backup_t *backup, ctl_backup_blob_t *blob, char *problem)
{
    char         path[CTL_BLOB_PATH];
    PGresult    *result;
    const char  *values[1];

    blob->bad = 1;
    values[0] = blob->checksum;

    result = ctl_database_query(backup->ctl, "select string_agg(registry"
                                " || ': ' || crate || ' ' || version, ', ')"
                                " from cargo_admin.version_blobs(0::bigint,"
                                " null::int) where checksum = $1", 1, values);

    if (result) {
        ctl_blob_path(blob->checksum, path);
        ctl_error("%s %s (%s)", path, problem, PQgetvalue(result, 0, 0));

        json_array_append_new(backup->missing,
                              json_pack("{s:s, s:s, s:s}", "blob", path,
                                        "problem", problem, "versions",
                                        PQgetvalue(result, 0, 0)));
        PQclear(result);
    }

    free(problem);

    return result ? CTL_DONE : CTL_FAILED;
}


static ctl_rc_t
ctl_backup_report(ctl_backup_t *backup, size_t removed, size_t blobs)
{
    size_t   missing;
    json_t  *report;

    missing = json_array_size(backup->missing);

    if (backup->ctl->json) {
        report = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:O}",
                           "name", backup->name,
                           "blobs", (json_int_t) (backup->nblobs - missing),
                           "copied", (json_int_t) backup->copied,
                           "bytes", (json_int_t) backup->bytes,
                           "backups_removed", (json_int_t) removed,
                           "blobs_removed", (json_int_t) blobs,
                           "missing", backup->missing);
        ctl_print_json(report);
        json_decref(report);
    }

    ctl_say(backup->ctl, "backup %s is in %s: the database and %zu blob%s, %zu "
            "of them new (%lld bytes)", backup->name, backup->path,
            backup->nblobs - missing, backup->nblobs - missing == 1 ? "" : "s",
            backup->copied, backup->bytes);

    if (removed) {
        ctl_say(backup->ctl, "removed %zu older backup%s and %zu blob%s that "
                "no other one has", removed, (removed == 1) ? "" : "s", blobs,
                (blobs == 1) ? "" : "s");
    }

    if (missing) {
        ctl_error("%zu blob%s could not be backed up (see above), all else "
                  "was: bring %s back from an older backup, or delete %s",
                  missing, (missing == 1) ? "" : "s",
                  (missing == 1) ? "it" : "them",
                  (missing == 1) ? "its version" : "their versions");
        return CTL_REFUSED;
    }

    return CTL_DONE;
}
