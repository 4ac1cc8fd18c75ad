
/*
 * Applies the SQL files.  A transaction that finds a table in use is given
 * up and tried again, all of it.
 */


#include "ctl_migrate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl_database.h"
#include "ctl_print.h"


/* tries, about two seconds each */
#define CTL_MIGRATE_TRIES  300


static ctl_rc_t ctl_migrate_compare(ctl_migrate_t *m);
static ctl_rc_t ctl_migrate_compare_row(const ctl_migrate_t *m,
    const PGresult *result, int row);
static ctl_rc_t ctl_migrate_apply(ctl_migrate_t *m, const ctl_file_t *file);
static ctl_rc_t ctl_migrate_replace(ctl_migrate_t *m);
static ctl_rc_t ctl_migrate_finish_restore(const ctl_migrate_t *m);
static ctl_rc_t ctl_migrate_run_file(ctl_migrate_t *m, const char *kind,
    const ctl_file_t *file);
static int ctl_migrate_in_use(ctl_migrate_t *m, const PGresult *result);
static int ctl_migrate_again(ctl_migrate_t *m);
static size_t ctl_migrate_line(const char *text, const PGresult *result);
static ctl_rc_t ctl_migrate_record(ctl_t *ctl, const char *sql, int n,
    const char *const *values);


static const char  ctl_migrate_records[] =
    "create schema if not exists cargo_store;"
    "create table if not exists cargo_store.migrations ("
    "    number int primary key,"
    "    name text not null,"
    "    sha256 text not null,"
    "    applied_at timestamptz not null default now());"
    "create table if not exists cargo_store.functions_state ("
    "    one bool primary key default true check (one),"
    "    sha256 text not null,"
    "    replaced_at timestamptz not null default now());"
    "revoke all on schema cargo_store from public;"
    "revoke all on cargo_store.migrations, cargo_store.functions_state"
    "    from public";


ctl_rc_t
ctl_migrate_tables(ctl_migrate_t *m)
{
    size_t    i;
    ctl_rc_t  rc;

    rc = ctl_database_run(m->ctl, ctl_migrate_records);

    if (rc == CTL_DONE) {
        rc = ctl_migrate_compare(m);
    }

    for (i = m->recorded; rc == CTL_DONE && i < m->migrations.count; i++) {
        do {
            rc = ctl_migrate_apply(m, &m->migrations.files[i]);
        } while (rc != CTL_DONE && ctl_migrate_again(m));
    }

    return rc;
}


static ctl_rc_t
ctl_migrate_compare(ctl_migrate_t *m)
{
    int        row;
    ctl_rc_t   rc;
    PGresult  *result;

    result = ctl_database_query(m->ctl, "select number, name, sha256"
                                        " from cargo_store.migrations"
                                        " order by number", 0, NULL);
    if (result == NULL) {
        return CTL_FAILED;
    }

    rc = CTL_DONE;
    row = PQntuples(result);

    if ((size_t) row > m->migrations.count) {
        ctl_error("the database is newer than this cargoctl: it has migration "
                  "%s (%s), and the last one in %s/migrations is %04u; "
                  "install the version of ngx_cargo that made it",
                  PQgetvalue(result, row - 1, 0),
                  PQgetvalue(result, row - 1, 1), m->ctl->sql,
                  m->migrations.files[m->migrations.count - 1].number);
        rc = CTL_REFUSED;
    }

    for (row = 0; rc == CTL_DONE && row < PQntuples(result); row++) {
        rc = ctl_migrate_compare_row(m, result, row);
    }

    m->recorded = (size_t) PQntuples(result);
    PQclear(result);

    return rc;
}


static ctl_rc_t
ctl_migrate_compare_row(const ctl_migrate_t *m, const PGresult *result,
    int row)
{
    const ctl_file_t  *file;

    file = &m->migrations.files[row];

    if (strtoul(PQgetvalue(result, row, 0), NULL, 10) != file->number) {
        ctl_error("the database says that migration %s was applied and "
                  "nothing of %04u: cargo_store.migrations was changed by "
                  "hand; put it right or restore a backup",
                  PQgetvalue(result, row, 0), file->number);
        return CTL_REFUSED;
    }

    if (strcmp(PQgetvalue(result, row, 2), file->sha256) != 0) {
        ctl_error("%s/migrations/%s is not the file that was applied to this "
                  "database: its SHA-256 is %s, recorded is %s; nothing was "
                  "changed, install the original file again", m->ctl->sql,
                  file->name, file->sha256, PQgetvalue(result, row, 2));
        return CTL_REFUSED;
    }

    return CTL_DONE;
}


static ctl_rc_t
ctl_migrate_apply(ctl_migrate_t *m, const ctl_file_t *file)
{
    char        *number;
    ctl_rc_t     rc;
    const char  *values[3];

    rc = ctl_database_run(m->ctl, "begin");

    if (rc == CTL_DONE) {
        rc = ctl_migrate_run_file(m, "migration", file);
    }

    if (rc != CTL_DONE) {
        return rc;
    }

    number = ctl_printf("%u", file->number);

    values[0] = number;
    values[1] = file->name;
    values[2] = file->sha256;

    rc = ctl_migrate_record(m->ctl, "insert into cargo_store.migrations"
                            " (number, name, sha256) values ($1, $2, $3)",
                            3, values);
    free(number);

    if (rc == CTL_DONE) {
        m->applied++;

        if (m->restored == NULL) {
            ctl_say(m->ctl, "applied %s", file->name);
        }
    }

    return rc;
}


ctl_rc_t
ctl_migrate_functions(ctl_migrate_t *m)
{
    ctl_rc_t  rc;

    do {
        rc = ctl_migrate_replace(m);
    } while (rc != CTL_DONE && ctl_migrate_again(m));

    return rc;
}


/*
 * Tables and functions may depend on each other, so a new migration makes
 * the functions be replaced even when their files have not changed.
 */

static ctl_rc_t
ctl_migrate_replace(ctl_migrate_t *m)
{
    size_t       i;
    ctl_rc_t     rc;
    PGresult    *result;
    const char  *values[1];

    values[0] = m->functions_sha256;

    result = ctl_database_query(m->ctl, "select 1"
                                " from cargo_store.functions_state"
                                " where sha256 = $1", 1, values);
    if (result == NULL) {
        return CTL_FAILED;
    }

    m->replaced = m->applied || m->restored || PQntuples(result) == 0;
    PQclear(result);

    if (!m->replaced) {
        return CTL_DONE;
    }

    rc = ctl_database_run(m->ctl, "begin");

    for (i = 0; rc == CTL_DONE && i < m->functions.count; i++) {
        rc = ctl_migrate_run_file(m, "function file", &m->functions.files[i]);
    }

    if (rc == CTL_DONE && m->restored) {
        rc = ctl_migrate_finish_restore(m);
    }

    if (rc != CTL_DONE) {
        return rc;
    }

    return ctl_migrate_record(m->ctl, "insert into cargo_store.functions_state"
                              " (sha256) values ($1) on conflict (one) do"
                              " update set sha256 = excluded.sha256,"
                              " replaced_at = excluded.replaced_at",
                              1, values);
}


/* in the transaction that lets nginx in */

static ctl_rc_t
ctl_migrate_finish_restore(const ctl_migrate_t *m)
{
    PGresult    *result;
    const char  *values[1];

    values[0] = m->restored;

    result = ctl_database_query(m->ctl, "select cargo_admin.finish_restore("
                                "$1::text)", 1, values);
    PQclear(result);

    return result ? CTL_DONE : CTL_FAILED;
}


static ctl_rc_t
ctl_migrate_run_file(ctl_migrate_t *m, const char *kind,
    const ctl_file_t *file)
{
    char      *what;
    ctl_t     *ctl;
    size_t     line;
    PGresult  *result;

    ctl = m->ctl;
    result = PQexec(ctl->connection, file->text);

    switch (PQresultStatus(result)) {

    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_EMPTY_QUERY:

        PQclear(result);

        if (PQtransactionStatus(ctl->connection) == PQTRANS_INTRANS) {
            return CTL_DONE;
        }

        ctl_error("%s %s ended the transaction it was run in: take its "
                  "`commit` or `rollback` out", kind, file->name);
        return CTL_FAILED;

    default:
        break;
    }

    if (ctl_migrate_in_use(m, result)) {
        PQclear(result);
        return CTL_FAILED;
    }

    line = ctl_migrate_line(file->text, result);

    if (line) {
        what = ctl_printf("%s %s failed at line %zu and nothing of it was "
                          "kept", kind, file->name, line);
    } else {
        what = ctl_printf("%s %s failed and nothing of it was kept", kind,
                          file->name);
    }

    ctl_database_error(ctl, result, what);

    free(what);
    PQclear(result);

    return CTL_FAILED;
}


/* lock timeout, deadlock: nobody is told of it as long as there is hope */

static int
ctl_migrate_in_use(ctl_migrate_t *m, const PGresult *result)
{
    const char  *state;

    state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

    m->busy = state && m->tries < CTL_MIGRATE_TRIES
              && (strcmp(state, "55P03") == 0 || strcmp(state, "40P01") == 0);

    return m->busy;
}


static int
ctl_migrate_again(ctl_migrate_t *m)
{
    if (!m->busy) {
        return 0;
    }

    if (m->tries++ == 0) {
        ctl_note(m->ctl, "another session holds a table: trying again until "
                 "it gives it up; pg_stat_activity says which");
    }

    m->busy = 0;

    /* those who waited behind it go first */
    (void) sleep(1);

    return ctl_database_run(m->ctl, "rollback") == CTL_DONE;
}


/* PostgreSQL counts characters from 1; 0 when it gave no position */

static size_t
ctl_migrate_line(const char *text, const PGresult *result)
{
    size_t       line;
    const char  *position;
    long         left;

    position = PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);
    if (position == NULL) {
        return 0;
    }

    line = 1;

    for (left = strtol(position, NULL, 10); left > 1 && *text; text++) {
        line += *text == '\n';
        left -= ((unsigned char) text[1] & 0xc0) != 0x80;
    }

    return line;
}


/* the last statement of a transaction, and its commit */

static ctl_rc_t
ctl_migrate_record(ctl_t *ctl, const char *sql, int n,
    const char *const *values)
{
    PGresult  *result;

    result = ctl_database_query(ctl, sql, n, values);
    if (result == NULL) {
        return CTL_FAILED;
    }

    PQclear(result);

    return ctl_database_run(ctl, "commit");
}
