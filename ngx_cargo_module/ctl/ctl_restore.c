
/*
 * restore: a backup into an empty database and a store.
 *
 * All of the backup is read and checked before anything is changed.  Blobs go
 * first, as in a publish.  The schema cargo_restore stands in the database
 * from the first change to the transaction that lets nginx in: as long as it
 * is there, what else is there came from a restore that was interrupted, and
 * the next one begins anew.
 */


#include "ctl_backup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl_copy.h"
#include "ctl_database.h"
#include "ctl_migrate.h"
#include "ctl_print.h"
#include "ctl_tool.h"


#define CTL_RESTORE_DROP                                                      \
    "drop schema if exists cargo, cargo_admin, cargo_store cascade"


static ctl_rc_t ctl_restore_run(ctl_backup_t *backup);
static ctl_rc_t ctl_restore_check(ctl_backup_t *backup,
    ctl_migrate_t *migrate);
static ctl_rc_t ctl_restore_missing(const ctl_backup_t *backup);
static ctl_rc_t ctl_restore_migrations(const ctl_backup_t *backup,
    const ctl_migrate_t *migrate);
static ctl_rc_t ctl_restore_blobs_good(ctl_backup_t *backup);
static ctl_rc_t ctl_restore_server(const ctl_backup_t *backup);
static ctl_rc_t ctl_restore_empty(ctl_t *ctl);
static ctl_rc_t ctl_restore_refuse(ctl_t *ctl);
static ctl_rc_t ctl_restore_blobs(ctl_backup_t *backup, ctl_store_t *store);
static ctl_rc_t ctl_restore_database(ctl_backup_t *backup,
    ctl_migrate_t *migrate);
static ctl_rc_t ctl_restore_dump(const ctl_backup_t *backup);
static ctl_rc_t ctl_restore_statistics(ctl_t *ctl);


ctl_rc_t
ctl_restore(ctl_t *ctl)
{
    ctl_rc_t      rc;
    ctl_backup_t  backup;

    rc = ctl_backup_open_reading(&backup, ctl);

    if (rc == CTL_DONE) {
        rc = ctl_backup_find(&backup, ctl->at);
    }

    if (rc == CTL_DONE) {
        rc = ctl_restore_run(&backup);
    }

    ctl_progress_end();
    ctl_backup_close(&backup);

    if (rc != CTL_DONE || ctl->dry_run) {
        return rc;
    }

    ctl_database_close(ctl);

    return ctl_check(ctl);
}


static ctl_rc_t
ctl_restore_run(ctl_backup_t *backup)
{
    ctl_t          *ctl;
    ctl_rc_t        rc;
    ctl_store_t     store;
    ctl_migrate_t   migrate;

    ctl = backup->ctl;
    store.root = -1;

    memset(&migrate, 0, sizeof(ctl_migrate_t));
    migrate.ctl = ctl;
    migrate.restored = backup->name;

    rc = ctl_restore_check(backup, &migrate);

    if (rc == CTL_DONE && ctl->dry_run) {
        ctl_say(ctl, "backup %s in %s is good, and could be restored: the "
                "database and %zu blob%s", backup->name, backup->path,
                backup->nblobs, (backup->nblobs == 1) ? "" : "s");

    } else if (rc == CTL_DONE
               && (rc = ctl_store_open(&store, ctl)) == CTL_DONE
               && (rc = ctl_restore_blobs(backup, &store)) == CTL_DONE
               && (rc = ctl_restore_database(backup, &migrate)) == CTL_DONE)
    {
        ctl_say(ctl, "restored backup %s into database \"%s\" and %s: %zu "
                "blob%s, %zu of them copied", backup->name,
                PQdb(ctl->connection), ctl->blobs, backup->nblobs,
                (backup->nblobs == 1) ? "" : "s", backup->copied);
    }

    ctl_store_close(&store);
    ctl_migrate_free(&migrate);

    return rc;
}


static ctl_rc_t
ctl_restore_check(ctl_backup_t *backup, ctl_migrate_t *migrate)
{
    ctl_rc_t  rc;

    if ((rc = ctl_restore_missing(backup)) != CTL_DONE
        || (rc = ctl_migrate_files(migrate)) != CTL_DONE
        || (rc = ctl_restore_migrations(backup, migrate)) != CTL_DONE
        || (rc = ctl_database_open(backup->ctl)) != CTL_DONE
        || (rc = ctl_restore_server(backup)) != CTL_DONE
        || (rc = ctl_migrate_begin(backup->ctl)) != CTL_DONE
        || (rc = ctl_restore_empty(backup->ctl)) != CTL_DONE
        || (rc = ctl_backup_check_dump(backup)) != CTL_DONE
        || (rc = ctl_backup_read_list(backup, backup->name, backup->manifest))
           != CTL_DONE)
    {
        return rc;
    }

    return ctl_restore_blobs_good(backup);
}


static ctl_rc_t
ctl_restore_missing(const ctl_backup_t *backup)
{
    size_t   i;
    json_t  *missing, *one;

    missing = json_object_get(backup->manifest, "missing");

    json_array_foreach (missing, i, one) {
        ctl_error("not in the backup: %s, which %s when it was made",
                  ctl_json_text(one, "versions"),
                  ctl_json_text(one, "problem"));
    }

    if (json_array_size(missing) == 0 || backup->ctl->force) {
        return CTL_DONE;
    }

    ctl_error("backup %s was made of a store that was damaged: with --force "
              "all else is restored", backup->name);

    return CTL_REFUSED;
}


static ctl_rc_t
ctl_restore_migrations(const ctl_backup_t *backup,
    const ctl_migrate_t *migrate)
{
    size_t             i;
    json_t            *list, *one;
    const ctl_file_t  *file;

    list = json_object_get(backup->manifest, "migrations");

    json_array_foreach (list, i, one) {

        file = (i < migrate->migrations.count)
               ? &migrate->migrations.files[i] : NULL;

        if (file == NULL
            || strcmp(file->sha256, ctl_json_text(one, "sha256")) != 0)
        {
            ctl_error("backup %s has the migration %s, and %s/migrations has "
                      "%s: install the version of ngx_cargo that made it (%s) "
                      "or a newer one", backup->name,
                      ctl_json_text(one, "name"), backup->ctl->sql,
                      file ? "another file in its place" : "not",
                      ctl_json_text(backup->manifest, "cargoctl"));
            return CTL_REFUSED;
        }
    }

    return CTL_DONE;
}


static ctl_rc_t
ctl_restore_server(const ctl_backup_t *backup)
{
    int          major, server, made;
    ctl_rc_t     rc;

    rc = ctl_tool_version(backup->ctl, "pg_restore", &major);
    if (rc != CTL_DONE) {
        return rc;
    }

    server = PQserverVersion(backup->ctl->connection) / 10000;
    made = (int) json_integer_value(json_object_get(backup->manifest,
                                                    "postgresql"));

    if (server < made) {
        ctl_error("the server is PostgreSQL %d and backup %s is of "
                  "PostgreSQL %d: restore it to that version or a newer one",
                  server, backup->name, made);
        return CTL_REFUSED;
    }

    if (major < server) {
        ctl_error("pg_restore in PATH is that of PostgreSQL %d and the server "
                  "is PostgreSQL %d: install the client programs of version "
                  "%d or newer, and put them first in PATH", major, server,
                  server);
        return CTL_REFUSED;
    }

    return CTL_DONE;
}


/* what migrate has made, and nobody has used, is as good as nothing */

static ctl_rc_t
ctl_restore_empty(ctl_t *ctl)
{
    int       yes;
    ctl_rc_t  rc;

    rc = ctl_database_ask(ctl, "select to_regnamespace('cargo_restore')"
                               " is not null", &yes);

    if (rc == CTL_DONE && yes) {
        ctl_note(ctl, "a restore into database \"%s\" was interrupted: it "
                 "begins anew", PQdb(ctl->connection));
        return CTL_DONE;
    }

    if (rc == CTL_DONE) {
        rc = ctl_database_ask(ctl, "select to_regclass("
                                   "'cargo_store.registries') is not null",
                              &yes);
    }

    if (rc == CTL_DONE && yes) {
        rc = ctl_database_ask(ctl, "select exists (select from"
                                   " cargo_store.registries) or exists"
                                   " (select from cargo_store.accounts)",
                              &yes);
    }

    return (rc == CTL_DONE && yes) ? ctl_restore_refuse(ctl) : rc;
}


static ctl_rc_t
ctl_restore_refuse(ctl_t *ctl)
{
    PGresult  *result;

    result = ctl_database_query(ctl, "select coalesce(string_agg(name, ', '"
                                " order by name), 'none') from"
                                " cargo_store.registries", 0, NULL);
    if (result == NULL) {
        return CTL_FAILED;
    }

    ctl_error("database \"%s\" is in use (registries: %s), and a restore "
              "would put an end to what is in it: make a new one with "
              "createdb and name that, or drop this one first; nothing was "
              "changed", PQdb(ctl->connection), PQgetvalue(result, 0, 0));
    PQclear(result);

    return CTL_REFUSED;
}


static ctl_rc_t
ctl_restore_blobs_good(ctl_backup_t *backup)
{
    int          error;
    char        *problem, path[CTL_BLOB_PATH];
    size_t       i, bad;
    const char  *checksum;

    for (bad = 0, i = 0; i < backup->nblobs; i++) {

        checksum = backup->blobs[i].checksum;

        ctl_progress(backup->ctl, "%zu of %zu blobs of the backup checked", i,
                     backup->nblobs);

        problem = ctl_blob_problem(backup->pool.root, checksum, -1, 0, &error);

        if (problem) {
            bad++;
            backup->blobs[i].bad = 1;
            ctl_blob_path(checksum, path);
            ctl_error("%s/%s %s", backup->pool_path, path, problem);
            free(problem);
        }
    }

    if (bad == 0 || backup->ctl->force) {
        return CTL_DONE;
    }

    ctl_error("%zu blob%s of backup %s %s damaged; nothing was changed, with "
              "--force all else is restored", bad, (bad == 1) ? "" : "s",
              backup->name, (bad == 1) ? "is" : "are");

    return CTL_REFUSED;
}


/* names are contents, so those that the store has are right, or replaced */

static ctl_rc_t
ctl_restore_blobs(ctl_backup_t *backup, ctl_store_t *store)
{
    int                       error;
    char                     *problem;
    size_t                    i;
    ctl_rc_t                  rc;
    const ctl_backup_blob_t  *blob;

    for (i = 0; i < backup->nblobs; i++) {

        blob = &backup->blobs[i];

        ctl_progress(backup->ctl, "%zu of %zu blobs, %zu of them copied", i,
                     backup->nblobs, backup->copied);

        problem = ctl_blob_problem(store->root, blob->checksum, -1, 0, &error);

        if (problem == NULL || blob->bad) {
            free(problem);
            continue;
        }

        free(problem);

        rc = ctl_copy_blob(backup->pool.root, store, blob->checksum, -1,
                           &problem);

        if (rc == CTL_DONE && problem) {
            ctl_error("%s/%s.crate %s since it was checked",
                      backup->pool_path, blob->checksum, problem);
            free(problem);
            rc = CTL_FAILED;
        }

        if (rc != CTL_DONE) {
            return rc;
        }

        backup->copied++;
    }

    return CTL_DONE;
}


/*
 * The migrations are for what a dump of schemas does not hold: the role of
 * nginx and the rights on the database.
 */

static ctl_rc_t
ctl_restore_database(ctl_backup_t *backup, ctl_migrate_t *migrate)
{
    ctl_t     *ctl;
    ctl_rc_t   rc;

    ctl = backup->ctl;

    /* nobody is served whom it would keep waiting: autovacuum gives way */

    if ((rc = ctl_database_run(ctl, "set lock_timeout = '10s'")) != CTL_DONE
        || (rc = ctl_database_run(ctl, "create schema if not exists"
                                       " cargo_restore")) != CTL_DONE
        || (rc = ctl_database_run(ctl, CTL_RESTORE_DROP)) != CTL_DONE
        || (rc = ctl_migrate_tables(migrate)) != CTL_DONE
        || (rc = ctl_database_run(ctl, CTL_RESTORE_DROP)) != CTL_DONE
        || (rc = ctl_restore_dump(backup)) != CTL_DONE
        || (rc = ctl_migrate_tables(migrate)) != CTL_DONE
        || (rc = ctl_migrate_functions(migrate)) != CTL_DONE
        || (rc = ctl_migrate_documents(ctl)) != CTL_DONE)
    {
        return rc;
    }

    return ctl_restore_statistics(ctl);
}


static ctl_rc_t
ctl_restore_dump(const ctl_backup_t *backup)
{
    char        *file, *database;
    ctl_rc_t     rc;
    const char  *args[8];

    file = ctl_printf("%s/%s/" CTL_BACKUP_DUMP, backup->path, backup->name);
    database = ctl_tool_database(backup->ctl);

    args[0] = "pg_restore";
    args[1] = database;
    args[2] = "--single-transaction";
    args[3] = "--no-owner";
    args[4] = "--no-privileges";
    args[5] = "--no-password";
    args[6] = file;
    args[7] = NULL;

    ctl_progress(backup->ctl, "restoring the database");

    rc = ctl_tool_run(backup->ctl, args);

    free(file);
    free(database);

    return rc;
}


/* plans without them can be a hundred times slower, until autovacuum comes */

static ctl_rc_t
ctl_restore_statistics(ctl_t *ctl)
{
    char       *sql;
    ctl_rc_t    rc;
    PGresult   *result;

    result = ctl_database_query(ctl, "select string_agg(format('analyze %s',"
                                " oid::regclass), ';') from pg_class where"
                                " relnamespace = 'cargo_store'::regnamespace"
                                " and relkind = 'r'", 0, NULL);
    if (result == NULL) {
        return CTL_FAILED;
    }

    sql = ctl_printf("%s", PQgetvalue(result, 0, 0));
    PQclear(result);

    ctl_progress(ctl, "reading the tables for the planner");

    rc = ctl_database_run(ctl, sql);
    free(sql);

    return rc;
}
