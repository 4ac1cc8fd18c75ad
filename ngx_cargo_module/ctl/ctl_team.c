
#include "cargoctl.h"

#include "ctl_database.h"
#include "ctl_print.h"


ctl_rc_t
ctl_team_create(ctl_t *ctl)
{
    json_t      *body;
    ctl_rc_t     rc;
    const char  *values[2];

    values[0] = ctl->operands[0];
    values[1] = ctl->description;

    rc = ctl_database_call(ctl, "create_team($1::text, $2::text)", 2, values,
                           &body);

    if (rc == CTL_DONE) {
        ctl_answer(ctl, body, "team `%s` created; add members with `cargoctl "
                   "team add`, and give it a role with `cargoctl account "
                   "grant team:%s`", ctl_json_text(body, "name"),
                   ctl_json_text(body, "name"));
    }

    return rc;
}


ctl_rc_t
ctl_team_list(ctl_t *ctl)
{
    json_t    *body;
    ctl_rc_t   rc;

    static const ctl_column_t  columns[] = {
        { "name",        "NAME",        CTL_TEXT },
        { "roles",       "ROLES",       CTL_TEXT },
        { "members",     "MEMBERS",     CTL_TEXT },
        { "description", "DESCRIPTION", CTL_TEXT },
        { NULL, NULL, CTL_TEXT }
    };

    rc = ctl_database_call(ctl, "list_teams()", 0, NULL, &body);

    if (rc == CTL_DONE) {
        ctl_print_list(ctl, body, columns, "there are no teams yet: make one "
                       "with `cargoctl team create`");
        json_decref(body);
    }

    return rc;
}


ctl_rc_t
ctl_team_add(ctl_t *ctl)
{
    json_t    *body;
    ctl_rc_t   rc;

    rc = ctl_database_call(ctl, "add_team_member($1::text, $2::text)", 2,
                           ctl->operands, &body);

    if (rc == CTL_DONE) {
        ctl_answer(ctl, body, "account `%s` is a member of team `%s`",
                   ctl->operands[1], ctl_json_text(body, "name"));
    }

    return rc;
}


ctl_rc_t
ctl_team_remove(ctl_t *ctl)
{
    json_t    *body;
    ctl_rc_t   rc;

    rc = ctl_database_call(ctl, "remove_team_member($1::text, $2::text)", 2,
                           ctl->operands, &body);

    if (rc == CTL_DONE) {
        ctl_answer(ctl, body, "account `%s` is no member of team `%s` any "
                   "more", ctl->operands[1], ctl_json_text(body, "name"));
    }

    return rc;
}


ctl_rc_t
ctl_team_delete(ctl_t *ctl)
{
    json_t    *body;
    ctl_rc_t   rc;

    rc = ctl_database_call(ctl, "delete_team($1::text)", 1, ctl->operands,
                           &body);

    if (rc == CTL_DONE) {
        ctl_answer(ctl, body, "team `%s` is deleted; its members keep the "
                   "roles of their own", ctl_json_text(body, "name"));
    }

    return rc;
}
