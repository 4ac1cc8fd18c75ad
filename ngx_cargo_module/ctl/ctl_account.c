
#include "cargoctl.h"

#include <stdlib.h>
#include <string.h>

#include "ctl_database.h"
#include "ctl_print.h"


static ctl_rc_t ctl_account_set_disabled(ctl_t *ctl, const char *disabled,
    const char *said);


ctl_rc_t
ctl_account_create(ctl_t *ctl)
{
    json_t      *body;
    ctl_rc_t     rc;
    const char  *values[6];

    if ((ctl->registry == NULL) != (ctl->role == NULL)) {
        ctl_error("--registry and --role go together: an account has a role "
                  "in a registry");
        return CTL_USAGE;
    }

    values[0] = ctl->operands[0];
    values[1] = ctl->name;
    values[2] = ctl->email;
    values[3] = ctl->service ? "service" : "person";
    values[4] = ctl->registry;
    values[5] = ctl->role;

    rc = ctl_database_call(ctl, "create_account($1::text, $2::text, $3::text,"
                           " $4::text, $5::text, $6::text)", 6, values, &body);
    if (rc != CTL_DONE) {
        return rc;
    }

    if (ctl->role) {
        ctl_answer(ctl, body, "account `%s` created, %s in registry `%s`; "
                   "give it a token with `cargoctl token create`",
                   ctl->operands[0], ctl->role, ctl->registry);

    } else {
        ctl_answer(ctl, body, "account `%s` created; it may do nothing yet: "
                   "give it a role with `cargoctl account grant`",
                   ctl->operands[0]);
    }

    return CTL_DONE;
}


ctl_rc_t
ctl_account_list(ctl_t *ctl)
{
    json_t    *body;
    ctl_rc_t   rc;

    static const ctl_column_t  columns[] = {
        { "id",          "ID",       CTL_TEXT },
        { "login",       "LOGIN",    CTL_TEXT },
        { "kind",        "KIND",     CTL_TEXT },
        { "name",        "NAME",     CTL_TEXT },
        { "email",       "EMAIL",    CTL_TEXT },
        { "roles",       "ROLES",    CTL_TEXT },
        { "disabled_at", "DISABLED", CTL_TIME },
        { NULL, NULL, CTL_TEXT }
    };

    rc = ctl_database_call(ctl, "list_accounts()", 0, NULL, &body);
    if (rc != CTL_DONE) {
        return rc;
    }

    ctl_print_list(ctl, body, columns, "there are no accounts yet: make one "
                   "with `cargoctl account create`");
    json_decref(body);

    return CTL_DONE;
}


ctl_rc_t
ctl_account_grant(ctl_t *ctl)
{
    json_t      *body;
    ctl_rc_t     rc;
    const char  *values[3];

    values[0] = ctl->operands[0];
    values[1] = ctl->registry;
    values[2] = ctl->role;

    rc = ctl_database_call(ctl, "grant_role($1::text, $2::text, $3::text)",
                           3, values, &body);
    if (rc != CTL_DONE) {
        return rc;
    }

    if (strcmp(ctl->role, "none") == 0) {
        ctl_answer(ctl, body, "`%s` has no role in registry `%s` any more",
                   ctl->operands[0], ctl->registry);

    } else {
        ctl_answer(ctl, body, "`%s` is now %s in registry `%s`",
                   ctl->operands[0], ctl->role, ctl->registry);
    }

    return CTL_DONE;
}


ctl_rc_t
ctl_account_disable(ctl_t *ctl)
{
    return ctl_account_set_disabled(ctl, "true", "disabled: none of its "
                                    "tokens is let in any more");
}


ctl_rc_t
ctl_account_enable(ctl_t *ctl)
{
    return ctl_account_set_disabled(ctl, "false", "enabled: its tokens are "
                                    "let in again");
}


static ctl_rc_t
ctl_account_set_disabled(ctl_t *ctl, const char *disabled, const char *said)
{
    char        *some;
    json_t      *body, *crates;
    ctl_rc_t     rc;
    const char  *values[2];

    values[0] = ctl->operands[0];
    values[1] = disabled;

    rc = ctl_database_call(ctl, "disable_account($1::text, $2::boolean)", 2,
                           values, &body);

    if (rc != CTL_DONE) {
        return rc;
    }

    crates = json_incref(json_object_get(body, "ownerless_crates"));
    ctl_answer(ctl, body, "account `%s` is %s", ctl->operands[0], said);

    if (json_array_size(crates)) {
        some = ctl_json_some(crates);
        ctl_note(ctl, "%zu of its crates %s no individual owner now whose "
                 "account is enabled: %s; add one with `cargoctl owner add`",
                 json_array_size(crates),
                 (json_array_size(crates) == 1) ? "has" : "have", some);
        free(some);
    }

    json_decref(crates);

    return CTL_DONE;
}
