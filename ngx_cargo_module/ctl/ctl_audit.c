
/*
 * audit: the log of writes, page by page, as it may be long.
 */


#include "cargoctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl_audit.h"
#include "ctl_command.h"
#include "ctl_database.h"
#include "ctl_print.h"
#include "ctl_time.h"


#define CTL_AUDIT_PAGE  500


static ctl_rc_t ctl_audit_check_action(const ctl_t *ctl);
static json_t *ctl_audit_filter(const ctl_t *ctl, const char *since,
    const char *until);
static ctl_rc_t ctl_audit_pages(ctl_t *ctl, const char *filter);
static ctl_rc_t ctl_audit_page(ctl_t *ctl, const char *filter, long long after,
    json_t **rows);
static void ctl_audit_lines(const json_t *rows);
static json_t *ctl_audit_cells(const json_t *rows);
static char *ctl_audit_who(const json_t *row);
static char *ctl_audit_what(const json_t *row);
static const char *ctl_audit_subject(const json_t *object);
static char *ctl_audit_result(const json_t *row);


static const ctl_column_t  ctl_audit_columns[] = {
    { "created_at", "TIME",   CTL_SECONDS },
    { "who",        "WHO",    CTL_TEXT },
    { "address",    "FROM",   CTL_TEXT },
    { "action",     "ACTION", CTL_TEXT },
    { "what",       "WHAT",   CTL_TEXT },
    { "result",     "RESULT", CTL_TEXT },
    { NULL, NULL, CTL_TEXT }
};


ctl_rc_t
ctl_audit(ctl_t *ctl)
{
    char       *text, since[CTL_TIMESTAMP], until[CTL_TIMESTAMP];
    json_t     *filter;
    ctl_rc_t    rc;

    rc = ctl_audit_check_action(ctl);

    if (rc == CTL_DONE) {
        rc = ctl_time_gone(ctl->since, 0, since);
    }

    if (rc == CTL_DONE) {
        rc = ctl_time_gone(ctl->until, 1, until);
    }

    if (rc == CTL_DONE) {
        rc = ctl_database_open(ctl);
    }

    if (rc != CTL_DONE) {
        return rc;
    }

    filter = ctl_audit_filter(ctl, since, until);
    text = json_dumps(filter, JSON_COMPACT);
    json_decref(filter);

    if (text == NULL) {
        ctl_error("what to look for is not UTF-8");
        return CTL_USAGE;
    }

    rc = ctl_audit_pages(ctl, text);
    free(text);

    return rc;
}


static ctl_rc_t
ctl_audit_check_action(const ctl_t *ctl)
{
    size_t       len;
    const char  *word, *actions;

    actions = ctl_option_find("--action", sizeof("--action") - 1)->values;

    if (ctl->action == NULL) {
        return CTL_DONE;
    }

    for (word = actions; *word; word += len + (word[len] == ' ')) {
        len = strcspn(word, " ");

        if (strlen(ctl->action) == len
            && strncmp(ctl->action, word, len) == 0)
        {
            return CTL_DONE;
        }
    }

    ctl_error("there is no action \"%s\"; there are: %s", ctl->action,
              actions);

    return CTL_USAGE;
}


static json_t *
ctl_audit_filter(const ctl_t *ctl, const char *since, const char *until)
{
    size_t       n;
    const char  *crate;

    n = ctl->crates.count;
    crate = n ? ctl->crates.items[n - 1] : NULL;

    return json_pack("{s:s*, s:s*, s:s*, s:s*, s:s*, s:s*, s:o*}",
                     "registry", ctl->registry,
                     "account", ctl->account,
                     "crate", crate,
                     "action", ctl->action,
                     "since", *since ? since : NULL,
                     "until", *until ? until : NULL,
                     "refused", ctl->refused ? json_true() : NULL);
}


static ctl_rc_t
ctl_audit_pages(ctl_t *ctl, const char *filter)
{
    size_t     n, widths[sizeof(ctl_audit_columns) / sizeof(ctl_column_t)];
    json_t    *rows, *cells;
    ctl_rc_t   rc;
    long long  after;

    after = 0;
    memset(widths, 0, sizeof(widths));

    do {
        rc = ctl_audit_page(ctl, filter, after, &rows);
        if (rc != CTL_DONE) {
            return rc;
        }

        n = json_array_size(rows);

        if (n == 0 && after == 0 && !ctl->json) {
            ctl_note(ctl, "nothing of that kind has been logged");
        }

        if (n) {
            after = (long long) json_integer_value(
                        json_object_get(json_array_get(rows, n - 1), "id"));
        }

        if (ctl->json) {
            ctl_audit_lines(rows);

        } else if (n) {
            cells = ctl_audit_cells(rows);
            ctl_print_page(cells, ctl_audit_columns, widths);
            json_decref(cells);
        }

        json_decref(rows);

    } while (n == CTL_AUDIT_PAGE && !ctl_print_closed() && !ferror(stdout));

    return CTL_DONE;
}


static ctl_rc_t
ctl_audit_page(ctl_t *ctl, const char *filter, long long after, json_t **rows)
{
    int          row;
    char        *from, *max;
    json_t      *object;
    ctl_rc_t     rc;
    PGresult    *page;
    const char  *values[3];

    from = ctl_printf("%lld", after);
    max = ctl_printf("%d", CTL_AUDIT_PAGE);

    values[0] = filter;
    values[1] = from;
    values[2] = max;

    page = ctl_database_query(ctl, "select entry from cargo_admin.list_audit("
                              "$1::jsonb, $2::bigint, $3::integer) entry", 3,
                              values);
    free(from);
    free(max);

    if (page == NULL) {
        return CTL_FAILED;
    }

    rc = CTL_DONE;
    *rows = json_array();

    for (row = 0; rc == CTL_DONE && row < PQntuples(page); row++) {
        object = json_loads(PQgetvalue(page, row, 0), 0, NULL);

        if (json_array_append_new(*rows, object) != 0) {
            ctl_error("cargo_admin.list_audit gave no answer that can be "
                      "read: run `cargoctl migrate`");
            json_decref(*rows);
            rc = CTL_FAILED;
        }
    }

    PQclear(page);

    return rc;
}


static void
ctl_audit_lines(const json_t *rows)
{
    size_t   i;
    json_t  *row;

    json_array_foreach (rows, i, row) {
        (void) json_dumpf(row, stdout, JSON_COMPACT);
        (void) putchar('\n');
    }
}


static json_t *
ctl_audit_cells(const json_t *rows)
{
    char    *who, *what, *result;
    size_t   i;
    json_t  *row, *cells;

    cells = json_array();

    json_array_foreach (rows, i, row) {
        who = ctl_audit_who(row);
        what = ctl_audit_what(row);
        result = ctl_audit_result(row);

        json_array_append_new(cells,
            json_pack("{s:O, s:s, s:O*, s:O*, s:s, s:s}",
                      "created_at", json_object_get(row, "created_at"),
                      "who", who,
                      "address", json_object_get(row, "address"),
                      "action", json_object_get(row, "action"),
                      "what", what,
                      "result", result));
        free(who);
        free(what);
        free(result);
    }

    return cells;
}


static char *
ctl_audit_who(const json_t *row)
{
    const char  *account, *token;

    account = ctl_json_text(row, "account");
    token = ctl_json_text(row, "token_name");

    return ctl_printf("%s%s%s%s", *account ? account : "-",
                      *token ? " (" : "", token, *token ? ")" : "");
}


/* "main/serde 1.0.0", or whom or what else it was done to */

static char *
ctl_audit_what(const json_t *row)
{
    const char  *registry, *subject, *version;

    registry = ctl_json_text(row, "registry");
    subject = ctl_json_text(row, "crate");
    version = ctl_json_text(row, "version");

    if (*subject == '\0') {
        subject = ctl_audit_subject(json_object_get(row, "after"));
    }

    if (*subject == '\0') {
        subject = ctl_audit_subject(json_object_get(row, "before"));
    }

    if (*subject == '\0' || strcmp(subject, registry) == 0) {
        return ctl_printf("%s", *registry ? registry : "-");
    }

    return ctl_printf("%s%s%s%s%s", registry, *registry ? "/" : "", subject,
                      *version ? " " : "", version);
}


/* of an account or its token the login, of a name its pattern */

static const char *
ctl_audit_subject(const json_t *object)
{
    size_t       i;
    const char  *text;

    static const char *const  keys[] = { "login", "pattern", "name" };

    for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        text = ctl_json_text(object, keys[i]);

        if (*text) {
            return text;
        }
    }

    return "";
}


static char *
ctl_audit_result(const json_t *row)
{
    char       *change, *text;
    long long   status;

    status = (long long) json_integer_value(json_object_get(row, "status"));

    if (status < 400) {
        change = ctl_audit_change(json_object_get(row, "before"),
                                  json_object_get(row, "after"));
        text = ctl_printf("done%s%s", *change ? ": " : "", change);
        free(change);

        return text;
    }

    return ctl_printf("refused (%lld): %s", status,
                      ctl_json_text(row, "detail"));
}
