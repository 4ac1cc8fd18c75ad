
#include "cargoctl.h"

#include <stdlib.h>

#include "ctl_database.h"
#include "ctl_print.h"


static char *ctl_name_where(const ctl_t *ctl);


ctl_rc_t
ctl_name_reserve(ctl_t *ctl)
{
    char        *where;
    json_t      *body;
    ctl_rc_t     rc;
    const char  *values[3];

    values[0] = ctl->registry;
    values[1] = ctl->operands[0];
    values[2] = ctl->team;

    rc = ctl_database_call(ctl, "reserve_name($1::text, $2::text, $3::text)",
                           3, values, &body);
    if (rc != CTL_DONE) {
        return rc;
    }

    where = ctl_name_where(ctl);
    ctl_answer(ctl, body, "`%s` is reserved in %s: %s%s may create such "
               "crates; those that exist stay", ctl->operands[0], where,
               ctl->team ? "only members of team " : "nobody",
               ctl->team ? ctl->team : "");
    free(where);

    return CTL_DONE;
}


ctl_rc_t
ctl_name_release(ctl_t *ctl)
{
    char        *where;
    json_t      *body;
    ctl_rc_t     rc;
    const char  *values[2];

    values[0] = ctl->registry;
    values[1] = ctl->operands[0];

    rc = ctl_database_call(ctl, "release_name($1::text, $2::text)", 2, values,
                           &body);
    if (rc != CTL_DONE) {
        return rc;
    }

    where = ctl_name_where(ctl);
    ctl_answer(ctl, body, "the reservation of `%s` in %s is taken back",
               ctl->operands[0], where);
    free(where);

    return CTL_DONE;
}


ctl_rc_t
ctl_name_list(ctl_t *ctl)
{
    json_t    *body;
    ctl_rc_t   rc;

    static const ctl_column_t  columns[] = {
        { "pattern",  "PATTERN",  CTL_TEXT },
        { "registry", "REGISTRY", CTL_ALL },
        { "team",     "TEAM",     CTL_TEXT },
        { NULL, NULL, CTL_TEXT }
    };

    rc = ctl_database_call(ctl, "list_reserved($1::text)", 1, &ctl->registry,
                           &body);

    if (rc == CTL_DONE) {
        ctl_print_list(ctl, body, columns, "no names are reserved: do so with "
                       "`cargoctl name reserve`");
        json_decref(body);
    }

    return rc;
}


static char *
ctl_name_where(const ctl_t *ctl)
{
    return ctl->registry ? ctl_printf("registry `%s`", ctl->registry)
                         : ctl_printf("every registry");
}
