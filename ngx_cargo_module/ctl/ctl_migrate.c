
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
 */


#include "cargoctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl_database.h"
#include "ctl_files.h"
#include "ctl_print.h"


#define CTL_NUMBER_DIGITS  4

/* tries, about two seconds each */
#define CTL_MIGRATE_TRIES  300


typedef struct {
    ctl_t         *ctl;
    ctl_files_t    migrations;
    ctl_files_t    functions;
    char           functions_sha256[CTL_SHA256_HEX + 1];
    size_t         recorded;    /* migrations that the database had */
    size_t         applied;     /* by this run */
    int            replaced;
    unsigned       tries;       /* that found a table in use */
    int            busy;        /* the last one did */
} ctl_migrate_t;


static ctl_rc_t ctl_migrate_files(ctl_migrate_t *m);
static ctl_rc_t ctl_migrate_number(ctl_file_t *file, unsigned number);
static ctl_rc_t ctl_migrate_database(ctl_migrate_t *m);
static ctl_rc_t ctl_migrate_begin(ctl_t *ctl);
static ctl_rc_t ctl_migrate_compare(ctl_migrate_t *m);
static ctl_rc_t ctl_migrate_compare_row(const ctl_migrate_t *m,
    const PGresult *result, int row);
static ctl_rc_t ctl_migrate_apply(ctl_migrate_t *m, const ctl_file_t *file);
static ctl_rc_t ctl_migrate_functions(ctl_migrate_t *m);
static ctl_rc_t ctl_migrate_run_file(ctl_migrate_t *m, const char *kind,
    const ctl_file_t *file);
static int ctl_migrate_in_use(ctl_migrate_t *m, const PGresult *result);
static int ctl_migrate_again(ctl_migrate_t *m);
static size_t ctl_migrate_line(const char *text, const PGresult *result);
static ctl_rc_t ctl_migrate_record(ctl_t *ctl, const char *sql, int n,
    const char *const *values);
static ctl_rc_t ctl_migrate_documents(ctl_t *ctl);
static void ctl_migrate_report(const ctl_migrate_t *m);


static const char  ctl_migrate_tables[] =
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

    ctl_files_free(&m.migrations);
    ctl_files_free(&m.functions);

    return rc;
}


static ctl_rc_t
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
    size_t    i;
    ctl_rc_t  rc;

    rc = ctl_migrate_begin(m->ctl);

    if (rc == CTL_DONE) {
        rc = ctl_migrate_compare(m);
    }

    for (i = m->recorded; rc == CTL_DONE && i < m->migrations.count; i++) {
        do {
            rc = ctl_migrate_apply(m, &m->migrations.files[i]);
        } while (rc != CTL_DONE && ctl_migrate_again(m));
    }

    if (rc == CTL_DONE) {
        do {
            rc = ctl_migrate_functions(m);
        } while (rc != CTL_DONE && ctl_migrate_again(m));
    }

    return rc;
}


/* the advisory lock is the session's and goes with it */

static ctl_rc_t
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

    if (rc == CTL_DONE) {
        rc = ctl_database_run(ctl, "set lock_timeout = '1s'");
    }

    if (rc == CTL_DONE) {
        rc = ctl_database_run(ctl, ctl_migrate_tables);
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
        ctl_say(m->ctl, "applied %s", file->name);
    }

    return rc;
}


/*
 * Tables and functions may depend on each other, so a new migration makes
 * the functions be replaced even when their files have not changed.
 */

static ctl_rc_t
ctl_migrate_functions(ctl_migrate_t *m)
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

    m->replaced = m->applied || PQntuples(result) == 0;
    PQclear(result);

    if (!m->replaced) {
        return CTL_DONE;
    }

    rc = ctl_database_run(m->ctl, "begin");

    for (i = 0; rc == CTL_DONE && i < m->functions.count; i++) {
        rc = ctl_migrate_run_file(m, "function file", &m->functions.files[i]);
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


/* a transaction for some crates, whose publishers wait no longer than that */

static ctl_rc_t
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
