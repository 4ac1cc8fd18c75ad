
#include "ctl_versions.h"

#include <stdlib.h>
#include <string.h>

#include "cargo_name.h"
#include "ctl_database.h"
#include "ctl_print.h"


#define CTL_VERSIONS_PAGE  "100"

/* how PL/pgSQL says it */
#define CTL_NO_DATA_FOUND  "P0002"


static PGresult *ctl_versions_page(ctl_t *ctl, const char *after,
    const char *max);
static unsigned char ctl_name_fold(char c);


ctl_rc_t
ctl_versions_open(ctl_t *ctl)
{
    ctl_rc_t     rc;
    PGresult    *result;
    const char  *state, *values[1];

    rc = ctl_database_open(ctl);
    if (rc != CTL_DONE) {
        return rc;
    }

    values[0] = ctl->registry;

    result = PQexecParams(ctl->connection, "select from"
                          " cargo_admin.export_versions($1::text, null, 0)", 1,
                          NULL, values, NULL, NULL, 0);

    state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

    if (PQresultStatus(result) == PGRES_TUPLES_OK) {
        rc = CTL_DONE;

    } else if (state && strcmp(state, CTL_NO_DATA_FOUND) == 0) {
        ctl_error("%s", PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
        rc = CTL_REFUSED;

    } else {
        ctl_database_error(ctl, result, NULL);
        rc = CTL_FAILED;
    }

    PQclear(result);

    return rc;
}


PGresult *
ctl_versions_after(ctl_t *ctl, const char *after)
{
    return ctl_versions_page(ctl, after, CTL_VERSIONS_PAGE);
}


/*
 * Asks for the one that follows the last text before the name: '~' is greater
 * than all that names are made of, and nothing of that lies between a
 * character and its predecessor.
 */

PGresult *
ctl_versions_of(ctl_t *ctl, const char *name)
{
    char         *before;
    size_t        last;
    PGresult     *page;
    cargo_str_t   text;

    text.data = (unsigned char *) (uintptr_t) name;
    text.len = strlen(name);
    last = text.len - 1;

    before = ctl_printf("%s~", name);
    cargo_name_canonical(text, (unsigned char *) before);
    before[last]--;

    page = ctl_versions_page(ctl, before, "1");
    free(before);

    if (page && PQntuples(page)
        && ctl_names_compare(PQgetvalue(page, 0, CTL_VERSION_CRATE), name)
           != 0)
    {
        PQclear(page);
        page = PQmakeEmptyPGresult(ctl->connection, PGRES_TUPLES_OK);
    }

    return page;
}


int
ctl_names_compare(const char *a, const char *b)
{
    while (*a && ctl_name_fold(*a) == ctl_name_fold(*b)) {
        a++;
        b++;
    }

    return (int) ctl_name_fold(*a) - (int) ctl_name_fold(*b);
}


static PGresult *
ctl_versions_page(ctl_t *ctl, const char *after, const char *max)
{
    const char  *values[3];

    values[0] = ctl->registry;
    values[1] = after;
    values[2] = max;

    return ctl_database_query(ctl, "select crate, version, checksum, size,"
                              " line from cargo_admin.export_versions("
                              "$1::text, $2::text, $3::integer)", 3, values);
}


static unsigned char
ctl_name_fold(char c)
{
    unsigned char  folded;
    cargo_str_t    name;

    name.data = (unsigned char *) &c;
    name.len = 1;

    cargo_name_canonical(name, &folded);

    return folded;
}
