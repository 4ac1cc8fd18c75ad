
/*
 * What takes versions and crates away from those who use them, and back.
 */


#include "cargoctl.h"

#include <stdlib.h>
#include <string.h>

#include "ctl_database.h"
#include "ctl_print.h"
#include "ctl_time.h"


static ctl_rc_t ctl_delete_version(ctl_t *ctl);
static void ctl_delete_answer(const ctl_t *ctl, json_t *body);
static char *ctl_delete_until(const char *reserved);


ctl_rc_t
ctl_crate_yank(ctl_t *ctl)
{
    json_t      *body;
    ctl_rc_t     rc;
    const char  *values[5];

    if (ctl->undo && ctl->message) {
        ctl_error("--message says why a version is yanked, so it does not go "
                  "with --undo, which removes it");
        return CTL_USAGE;
    }

    values[0] = ctl->registry;
    values[1] = ctl->operands[0];
    values[2] = ctl->operands[1];
    values[3] = ctl->undo ? "false" : "true";
    values[4] = ctl->message;

    rc = ctl_database_call(ctl, "yank($1::text, $2::text, $3::text,"
                           " $4::boolean, $5::text)", 5, values, &body);

    if (rc == CTL_DONE) {
        ctl_answer(ctl, body, "version %s of crate `%s` in registry `%s` is "
                   "%s", ctl->operands[1], ctl->operands[0], ctl->registry,
                   ctl->undo ? "not yanked any more"
                             : "yanked: only who has it in a Cargo.lock gets "
                               "it");
    }

    return rc;
}


ctl_rc_t
ctl_crate_delete(ctl_t *ctl)
{
    json_t      *body;
    ctl_rc_t     rc;
    const char  *values[4];

    if (ctl->noperands == 2) {
        return ctl_delete_version(ctl);
    }

    values[0] = ctl->registry;
    values[1] = ctl->operands[0];
    values[2] = ctl->reason;
    values[3] = ctl->force ? "true" : "false";

    rc = ctl_database_call(ctl, "delete_crate($1::text, $2::text, $3::text,"
                           " $4::boolean)", 4, values, &body);

    if (rc == CTL_DONE) {
        ctl_delete_answer(ctl, body);

    } else if (rc == CTL_REFUSED && ctl->status == 422) {
        ctl_error("with --force it is deleted nevertheless, and cargo will "
                  "not find it for these any more");
    }

    return rc;
}


ctl_rc_t
ctl_crate_deletions(ctl_t *ctl)
{
    json_t    *body;
    ctl_rc_t   rc;

    static const ctl_column_t  columns[] = {
        { "deleted_at",     "DELETED",        CTL_TIME },
        { "name",           "CRATE",          CTL_TEXT },
        { "version",        "VERSIONS",       CTL_ALL },
        { "deleted_by",     "BY",             CTL_TEXT },
        { "reserved_until", "RESERVED UNTIL", CTL_TIME },
        { "reason",         "REASON",         CTL_TEXT },
        { NULL, NULL, CTL_TEXT }
    };

    rc = ctl_database_call(ctl, "list_deletions($1::text)", 1, &ctl->registry,
                           &body);

    if (rc == CTL_DONE) {
        ctl_print_list(ctl, body, columns, "nothing was ever deleted in this "
                       "registry");
        json_decref(body);
    }

    return rc;
}


ctl_rc_t
ctl_crate_release(ctl_t *ctl)
{
    json_t      *body;
    ctl_rc_t     rc;
    const char  *values[3];

    values[0] = ctl->registry;
    values[1] = ctl->operands[0];
    values[2] = (ctl->noperands == 2) ? ctl->operands[1] : NULL;

    rc = ctl_database_call(ctl, "lift_quarantine($1::text, $2::text,"
                           " $3::text)", 3, values, &body);

    if (rc == CTL_DONE) {
        ctl_answer(ctl, body, "%s%s%s`%s` may be published in registry `%s` "
                   "again", values[2] ? "version " : "",
                   values[2] ? values[2] : "", values[2] ? " of " : "",
                   values[1], ctl->registry);
    }

    return rc;
}


static ctl_rc_t
ctl_delete_version(ctl_t *ctl)
{
    json_t      *body;
    ctl_rc_t     rc;
    const char  *values[4];

    if (ctl->force) {
        ctl_error("--force is for a crate: a version goes whoever depends on "
                  "it");
        return CTL_USAGE;
    }

    values[0] = ctl->registry;
    values[1] = ctl->operands[0];
    values[2] = ctl->operands[1];
    values[3] = ctl->reason;

    rc = ctl_database_call(ctl, "delete_version($1::text, $2::text, $3::text,"
                           " $4::text)", 4, values, &body);

    if (rc == CTL_DONE) {
        ctl_delete_answer(ctl, body);
    }

    return rc;
}


static void
ctl_delete_answer(const ctl_t *ctl, json_t *body)
{
    char        *until;
    const char  *version;

    until = ctl_delete_until(ctl_json_text(body, "reserved_until"));
    version = (ctl->noperands == 2) ? ctl->operands[1] : NULL;

    ctl_answer(ctl, body, "%s%s%s`%s` is deleted from registry `%s`%s%s; "
               "`cargoctl sweep` removes what no version needs any more from "
               "the store", version ? "version " : "crate ",
               version ? version : "", version ? " of crate " : "",
               ctl->operands[0], ctl->registry,
               version ? "" : " with all its versions", until);

    free(until);
}


static char *
ctl_delete_until(const char *reserved)
{
    char       now[CTL_TIMESTAMP];
    ctl_rc_t   rc;

    rc = ctl_time_gone("0m", 0, now);

    /* of a quarantine of 0 days nothing is left; seconds are compared */

    if (rc != CTL_DONE || strlen(reserved) < 19
        || strncmp(reserved, now, 19) <= 0)
    {
        return ctl_printf("%s", "");
    }

    return ctl_printf(", and nobody may publish it again until %.10s %.5s UTC "
                      "or `cargoctl crate release`", reserved, reserved + 11);
}
