
#include "ctl_database.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ctl_print.h"


#define CTL_POSTGRES_MIN     140000
#define CTL_CONNECT_TIMEOUT  "10"


typedef struct {
    const char  *sqlstate;
    const char  *advice;
    int          setup;     /* no advice to a migrate */
} ctl_sqlstate_t;


static ctl_rc_t ctl_conninfo_check(const ctl_t *ctl);
static const char *ctl_conninfo_value(const PQconninfoOption *options,
    const char *keyword);
static ctl_rc_t ctl_conninfo_refuse(const char *why);
static PGconn *ctl_database_connect(const ctl_t *ctl);
static void ctl_database_unreachable(const ctl_t *ctl);
static void ctl_database_notice(void *data, const PGresult *result);
static void ctl_database_lost(const ctl_t *ctl);
static const char *ctl_database_advice(const char *sqlstate, int migrating);
static char *ctl_libpq_reason(const char *message);


/* what to do next, by SQLSTATE or, with two characters, by its class */

static const ctl_sqlstate_t  ctl_sqlstates[] = {

    { "3F000", "this database has not been set up: run `cargoctl migrate`",
               1 },
    { "42883", "its functions are older than this cargoctl: run `cargoctl "
               "migrate`", 1 },
    { "42P01", "this database has not been set up: run `cargoctl migrate`",
               1 },
    { "42501", "connect as the role that owns the registry's schemas (see "
               "--database)", 0 },
    { "25006", "this is a read-only server: connect to the primary", 0 },
    { "55P03", "another session holds the lock: try again, or look for it in "
               "pg_stat_activity", 0 },
    { "40",    "another session was in the way: try again", 0 },
    { "53",    "the server is short of something: look at its log", 0 },
    { "57",    "the server ended it: look at its log and try again", 0 },

    { NULL, NULL, 0 }
};


/*
 * SQLSTATE class 28 and libpq's own refusals, by their words, as libpq keeps
 * the SQLSTATE of a failed start to itself.
 */

static const char *const  ctl_refusals[] = {
    "authentication failed",
    "pg_hba.conf",
    "no password supplied",
    "is not permitted to log in",
    "FATAL:  role \"",
    NULL
};


ctl_rc_t
ctl_database_open(ctl_t *ctl)
{
    if (ctl_conninfo_check(ctl) != CTL_DONE) {
        return CTL_FAILED;
    }

    ctl->connection = ctl_database_connect(ctl);

    if (PQstatus(ctl->connection) != CONNECTION_OK) {
        ctl_database_unreachable(ctl);
        return CTL_FAILED;
    }

    if (PQserverVersion(ctl->connection) < CTL_POSTGRES_MIN) {
        ctl_error("the server is PostgreSQL %d, and PostgreSQL %d is the "
                  "oldest that will do: upgrade it",
                  PQserverVersion(ctl->connection) / 10000,
                  CTL_POSTGRES_MIN / 10000);
        return CTL_REFUSED;
    }

    (void) PQsetNoticeReceiver(ctl->connection, ctl_database_notice, ctl);

    return ctl_database_run(ctl, "set client_min_messages = warning;"
                                 "set search_path = pg_catalog;"
                                 "set timezone = 'UTC';"
                                 "set datestyle = 'ISO';"
                                 "set statement_timeout = 0;"
                                 "set idle_session_timeout = 0");
}


void
ctl_database_close(ctl_t *ctl)
{
    /* the server ends a session a moment after it was left: not its locks */

    if (PQstatus(ctl->connection) == CONNECTION_OK) {
        PQclear(PQexec(ctl->connection, "select pg_advisory_unlock_all()"));
    }

    PQfinish(ctl->connection);
    ctl->connection = NULL;
}


ctl_rc_t
ctl_database_run(ctl_t *ctl, const char *sql)
{
    ctl_rc_t   rc;
    PGresult  *result;

    rc = CTL_DONE;
    result = PQexec(ctl->connection, sql);

    if (PQresultStatus(result) != PGRES_COMMAND_OK
        && PQresultStatus(result) != PGRES_TUPLES_OK)
    {
        ctl_database_error(ctl, result, NULL);
        rc = CTL_FAILED;
    }

    PQclear(result);

    return rc;
}


PGresult *
ctl_database_query(ctl_t *ctl, const char *sql, int n,
    const char *const *values)
{
    PGresult  *result;

    result = PQexecParams(ctl->connection, sql, n, NULL, values, NULL, NULL,
                          0);

    if (PQresultStatus(result) != PGRES_COMMAND_OK
        && PQresultStatus(result) != PGRES_TUPLES_OK)
    {
        ctl_database_error(ctl, result, NULL);
        PQclear(result);
        return NULL;
    }

    return result;
}


ctl_rc_t
ctl_database_ask(ctl_t *ctl, const char *sql, int *yes)
{
    PGresult  *result;

    result = ctl_database_query(ctl, sql, 0, NULL);
    if (result == NULL) {
        return CTL_FAILED;
    }

    *yes = PQntuples(result) == 1 && strcmp(PQgetvalue(result, 0, 0), "t") == 0;

    PQclear(result);

    return CTL_DONE;
}


ctl_rc_t
ctl_database_call(ctl_t *ctl, const char *function, int n,
    const char *const *values, json_t **body)
{
    char       *sql;
    ctl_rc_t    rc;
    PGresult   *result;

    rc = ctl->connection ? CTL_DONE : ctl_database_open(ctl);
    if (rc != CTL_DONE) {
        return rc;
    }

    sql = ctl_printf("select status, body from cargo_admin.%s", function);
    result = ctl_database_query(ctl, sql, n, values);
    free(sql);

    if (result == NULL) {
        return CTL_FAILED;
    }

    *body = NULL;

    if (PQntuples(result) == 1) {
        ctl->status = ctl_status(result);
        *body = json_loads(PQgetvalue(result, 0, 1), JSON_DECODE_ANY, NULL);
    }

    if (*body == NULL) {
        ctl_error("cargo_admin.%.*s gave no answer that can be read: run "
                  "`cargoctl migrate`", (int) strcspn(function, "("),
                  function);
        rc = CTL_FAILED;

    } else if (ctl->status >= 400) {
        ctl_error("%s", ctl_json_text(*body, "detail"));
        json_decref(*body);
        *body = NULL;
        rc = CTL_REFUSED;

    } else {
        rc = CTL_DONE;
    }

    PQclear(result);

    return rc;
}


int
ctl_status(const PGresult *answer)
{
    return (int) strtol(PQgetvalue(answer, 0, 0), NULL, 10);
}


char *
ctl_database_array(const char *const *items, size_t n, int commas)
{
    char        *text, *p;
    size_t       i, len;
    const char  *s;

    if (n == 0) {
        return NULL;
    }

    for (len = sizeof("{}"), i = 0; i < n; i++) {
        len += 3 * strlen(items[i]) + sizeof("\"\",");
    }

    text = ctl_alloc(len);
    p = text;

    for (i = 0; i < n; i++) {
        *p++ = i ? ',' : '{';
        *p++ = '"';

        for (s = items[i]; *s; s++) {
            if (commas && *s == ',') {
                p = stpcpy(p, "\",");
                *p++ = '"';
                continue;
            }

            if (*s == '"' || *s == '\\') {
                *p++ = '\\';
            }

            *p++ = *s;
        }

        *p++ = '"';
    }

    memcpy(p, "}", sizeof("}"));

    return text;
}


void
ctl_database_error(const ctl_t *ctl, const PGresult *result, const char *what)
{
    const char  *message, *detail, *hint, *sqlstate, *advice;

    message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

    if (message == NULL || PQstatus(ctl->connection) != CONNECTION_OK) {
        ctl_database_lost(ctl);
        return;
    }

    detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
    hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
    sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    advice = hint ? NULL
                  : ctl_database_advice(sqlstate ? sqlstate : "", what != NULL);

    ctl_error("%s: %s%s%s%s%s%s%s", what ? what : "the database refused",
              message,
              detail ? "\n" : "", detail ? detail : "",
              hint ? "\n" : "", hint ? hint : "",
              advice ? "; " : "", advice ? advice : "");
}


/*
 * libpq quotes what it cannot parse, and that may be a piece of a password;
 * so the strings that it would misread are refused here without quoting.
 */

static ctl_rc_t
ctl_conninfo_check(const ctl_t *ctl)
{
    ctl_rc_t           rc;
    const char        *text, *port;
    PQconninfoOption  *options;

    text = ctl->database;

    if (text == NULL || (strchr(text, '=') == NULL
                         && strstr(text, "://") == NULL))
    {
        return CTL_DONE;
    }

    options = PQconninfoParse(text, NULL);
    if (options == NULL) {
        return ctl_conninfo_refuse("libpq cannot read it; quote values that "
                                   "hold spaces, as in key='a b'");
    }

    rc = CTL_DONE;
    port = ctl_conninfo_value(options, "port");

    if (strstr(text, "://")
        && (strchr(ctl_conninfo_value(options, "host"), '@')
            || strchr(ctl_conninfo_value(options, "dbname"), '@')
            || port[strspn(port, "0123456789,")] != '\0'))
    {
        rc = ctl_conninfo_refuse("in a URI, write '@', ':', '/' and '%' of "
                                 "user and password as %40, %3A, %2F and "
                                 "%25");
    }

    PQconninfoFree(options);

    return rc;
}


static const char *
ctl_conninfo_value(const PQconninfoOption *options, const char *keyword)
{
    for ( /* void */ ; options->keyword; options++) {
        if (strcmp(options->keyword, keyword) == 0) {
            return options->val ? options->val : "";
        }
    }

    return "";
}


static ctl_rc_t
ctl_conninfo_refuse(const char *why)
{
    ctl_error("the connection string given with --database or CARGO_DATABASE "
              "is wrong: %s (it is not shown here, as it may hold a password)",
              why);

    return CTL_FAILED;
}


static PGconn *
ctl_database_connect(const ctl_t *ctl)
{
    size_t       n;
    const char  *keywords[6], *values[6];

    n = 0;

    keywords[n] = "fallback_application_name";
    values[n++] = "cargoctl";

    if (getenv("PGCONNECT_TIMEOUT") == NULL) {
        keywords[n] = "connect_timeout";
        values[n++] = CTL_CONNECT_TIMEOUT;
    }

    /* later keywords win: what the string says about the timeout counts */

    if (ctl->database) {
        keywords[n] = "dbname";
        values[n++] = ctl->database;
    }

    keywords[n] = "client_encoding";
    values[n++] = "UTF8";

    keywords[n] = NULL;
    values[n] = NULL;

    return PQconnectdbParams(keywords, values, 1);
}


static void
ctl_database_unreachable(const ctl_t *ctl)
{
    char               *reason;
    const char         *words, *next;
    const char *const  *text;

    reason = ctl_libpq_reason(PQerrorMessage(ctl->connection));

    for (text = ctl_refusals; *text; text++) {
        if (strstr(reason, *text)) {
            break;
        }
    }

    if (*text == NULL) {
        ctl_error("the database cannot be reached: %s; check --database, "
                  "CARGO_DATABASE or the PG* environment, and that the "
                  "server runs", reason);
        free(reason);
        return;
    }

    words = reason;

    while ((next = strstr(words, "FATAL:  ")) != NULL) {
        words = next + sizeof("FATAL:  ") - 1;
    }

    ctl_error("the database let nobody in as \"%s\": %s; see pg_hba.conf and "
              "pg_ident.conf, or --database with another user",
              PQuser(ctl->connection), words);
    free(reason);
}


static void
ctl_database_notice(void *data, const PGresult *result)
{
    const ctl_t  *ctl = data;

    ctl_note(ctl, "warning from the database: %s",
             PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
}


static void
ctl_database_lost(const ctl_t *ctl)
{
    char  *reason;

    reason = ctl_libpq_reason(PQerrorMessage(ctl->connection));

    ctl_error("the database failed: %s; what was being done may or may not "
              "have been done: run the command again", reason);

    free(reason);
}


static const char *
ctl_database_advice(const char *sqlstate, int migrating)
{
    const ctl_sqlstate_t  *s;

    for (s = ctl_sqlstates; s->sqlstate; s++) {
        if (strncmp(s->sqlstate, sqlstate, strlen(s->sqlstate)) == 0) {
            return (migrating && s->setup) ? NULL : s->advice;
        }
    }

    return NULL;
}


/*
 * libpq gives a line for each address it tried, and lines of advice that
 * begin with a tab, which are left out: the rest joined to one.
 */

static char *
ctl_libpq_reason(const char *message)
{
    char    *text, *p;
    size_t   len;

    text = ctl_alloc(2 * strlen(message) + 1);
    p = text;

    for ( /* void */ ; *message; message += len + (message[len] == '\n')) {
        len = strcspn(message, "\n");

        if (len == 0 || *message == '\t') {
            continue;
        }

        if (p != text) {
            *p++ = ';';
            *p++ = ' ';
        }

        memcpy(p, message, len);
        p += len;
    }

    *p = '\0';

    return text;
}
