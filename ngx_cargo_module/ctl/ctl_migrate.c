
/*
 * migrate: brings a database to the state of the SQL files.
 *
 * Migrations are applied once, each in its own transaction together with its
 * row in cargo_store.migrations; then all functions are replaced in one
 * transaction.  A session advisory lock lets concurrent runs queue; the
 * later ones find nothing to do.
 *
 * nginx serves meanwhile: who waits for a table in use makes all wait who come
 * after, so none is waited for longer than they wait (cargo_web's lock_timeout
 * is 2 s); the transaction is given up then, and tried again.
 *
 * A migration that needs several tables for itself locks them all before it
 * begins, and only for what takes no longer with more crates: registries first,
 * since that is what requests begin with, so that those under way have ended
 * and the others hold nothing; then versions, crate_downloads and crates, in
 * the order in which downloads are counted; then the rest.
 */


#include "cargoctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl_database.h"
#include "ctl_migrate.h"
#include "ctl_print.h"


#define CTL_NUMBER_DIGITS  4


static ctl_rc_t ctl_migrate_number(ctl_file_t *file, unsigned number);
static ctl_rc_t ctl_migrate_database(ctl_migrate_t *m);
static ctl_rc_t ctl_migrate_restoring(ctl_t *ctl);
static void ctl_migrate_report(const ctl_migrate_t *m);


ctl_rc_t
ctl_migrate(ctl_t *ctl)
{
    ctl_rc_t       rc;
    ctl_migrate_t  m;

    memset(&m, 0, sizeof(ctl_migrate_t));
    m.ctl = ctl;

    rc = ctl_migrate_files(&m);

    if (rc == CTL_DONE) {
        rc = ctl_database_open(ctl);
    }

    if (rc == CTL_DONE) {
        rc = ctl_migrate_database(&m);
    }

    if (rc == CTL_DONE) {
        rc = ctl_migrate_documents(ctl);
    }

    if (rc == CTL_DONE) {
        ctl_migrate_report(&m);
    }

    ctl_migrate_free(&m);

    return rc;
}


void
ctl_migrate_free(ctl_migrate_t *m)
{
    ctl_files_free(&m->migrations);
    ctl_files_free(&m->functions);
}


ctl_rc_t
ctl_migrate_files(ctl_migrate_t *m)
{
    unsigned  i;
    ctl_rc_t  rc;

    rc = ctl_files_read(m->ctl->sql, "migrations", &m->migrations);

    if (rc == CTL_DONE && m->migrations.count == 0) {
        ctl_error("%s/migrations holds no migrations: say with --sql or "
                  "CARGO_SQL where the SQL files of ngx_cargo are",
                  m->ctl->sql);
        rc = CTL_REFUSED;
    }

    for (i = 0; rc == CTL_DONE && i < m->migrations.count; i++) {
        rc = ctl_migrate_number(&m->migrations.files[i], i + 1);
    }

    if (rc == CTL_DONE) {
        rc = ctl_files_read(m->ctl->sql, "functions", &m->functions);
    }

    ctl_files_sha256(&m->functions, m->functions_sha256);

    return rc;
}


/* numbers without a gap: a file that is missing must not go unnoticed */

static ctl_rc_t
ctl_migrate_number(ctl_file_t *file, unsigned number)
{
    if (strspn(file->name, "0123456789") != CTL_NUMBER_DIGITS
        || file->name[CTL_NUMBER_DIGITS] != '_')
    {
        ctl_error("%s is not the name of a migration (NNNN_name.sql): rename "
                  "or remove it", file->name);
        return CTL_REFUSED;
    }

    file->number = (unsigned) strtoul(file->name, NULL, 10);

    if (file->number != number) {
        ctl_error("the migrations are not complete: where %04u was expected "
                  "there is %s; install the SQL files of ngx_cargo again",
                  number, file->name);
        return CTL_REFUSED;
    }

    return CTL_DONE;
}


static ctl_rc_t
ctl_migrate_database(ctl_migrate_t *m)
{
    ctl_rc_t  rc;

    rc = ctl_migrate_begin(m->ctl);

    if (rc == CTL_DONE) {
        rc = ctl_migrate_restoring(m->ctl);
    }

    /* more than deadlock_timeout, after which an autovacuum gives way */

    if (rc == CTL_DONE) {
        rc = ctl_database_run(m->ctl, "set lock_timeout = '1200ms'");
    }

    if (rc == CTL_DONE) {
        rc = ctl_migrate_tables(m);
    }

    if (rc == CTL_DONE) {
        rc = ctl_migrate_functions(m);
    }

    return rc;
}


/* nobody shall be let in to what is only a part of it */

static ctl_rc_t
ctl_migrate_restoring(ctl_t *ctl)
{
    int       yes;
    ctl_rc_t  rc;

    rc = ctl_database_ask(ctl, "select to_regnamespace('cargo_restore')"
                               " is not null", &yes);

    if (rc == CTL_DONE && yes) {
        ctl_error("a restore into database \"%s\" was interrupted: run "
                  "`cargoctl restore` again", PQdb(ctl->connection));
        rc = CTL_REFUSED;
    }

    return rc;
}


/* the advisory lock is the session's and goes with it */

ctl_rc_t
ctl_migrate_begin(ctl_t *ctl)
{
    int       yes;
    ctl_rc_t  rc;

    rc = ctl_database_ask(ctl, "select current_setting('server_encoding')"
                               " = 'UTF8'", &yes);

    if (rc == CTL_DONE && !yes) {
        ctl_error("the database's encoding is not UTF8: create it with "
                  "`createdb --encoding=UTF8 --template=template0`");
        rc = CTL_REFUSED;
    }

    if (rc == CTL_DONE) {
        rc = ctl_database_ask(ctl, "select pg_try_advisory_lock("
                                   CTL_LOCK_MIGRATE ")", &yes);
    }

    if (rc == CTL_DONE && !yes) {
        ctl_note(ctl, "another migrate is at work: waiting for it to end");
        rc = ctl_database_run(ctl, "set lock_timeout = '10min';"
                                   "select pg_advisory_lock("
                                   CTL_LOCK_MIGRATE ")");
    }

    return rc;
}


/* a transaction for some crates, whose publishers wait no longer than that */

ctl_rc_t
ctl_migrate_documents(ctl_t *ctl)
{
    PGresult    *result, *next;
    const char  *after;

    after = "0";
    result = NULL;

    for ( ;; ) {
        next = ctl_database_query(ctl, "select cargo_admin.store_documents($1,"
                                       " 100)", 1, &after);
        PQclear(result);

        if (next == NULL) {
            return CTL_FAILED;
        }

        result = next;

        if (PQgetisnull(result, 0, 0)) {
            PQclear(result);
            return CTL_DONE;
        }

        after = PQgetvalue(result, 0, 0);
    }
}


static void
ctl_migrate_report(const ctl_migrate_t *m)
{
    size_t             i;
    json_t            *applied, *report;
    const ctl_file_t  *last;

    last = &m->migrations.files[m->migrations.count - 1];

    if (m->replaced) {
        ctl_say(m->ctl, "replaced all functions (%zu files)",
                m->functions.count);
    }

    if (m->applied == 0 && !m->replaced) {
        ctl_say(m->ctl, "nothing to do: database \"%s\" is at %s and its "
                "functions are those of %s", PQdb(m->ctl->connection),
                last->name, m->ctl->sql);
    } else {
        ctl_say(m->ctl, "database \"%s\" is at %s", PQdb(m->ctl->connection),
                last->name);
    }

    if (!m->ctl->json) {
        return;
    }

    applied = json_array();

    for (i = m->recorded; i < m->migrations.count; i++) {
        last = &m->migrations.files[i];
        json_array_append_new(applied, json_string(last->name));
    }

    report = json_pack("{s:o, s:b, s:i}", "applied", applied,
                       "functions_replaced", m->replaced,
                       "migration", (int) last->number);
    ctl_print_json(report);
    json_decref(report);
}
