
#include "cargoctl.h"

#include <stdio.h>
#include <stdlib.h>

#include "ctl_database.h"
#include "ctl_print.h"


static ctl_rc_t ctl_owner_change(ctl_t *ctl, const char *function,
    const char *done);


ctl_rc_t
ctl_owner_list(ctl_t *ctl)
{
    size_t       i;
    json_t      *body, *owners, *owner;
    ctl_rc_t     rc;
    const char  *values[2];

    values[0] = ctl->registry;
    values[1] = ctl->operands[0];

    rc = ctl_database_call(ctl, "show_crate($1::text, $2::text)", 2, values,
                           &body);
    if (rc != CTL_DONE) {
        return rc;
    }

    owners = json_object_get(body, "owners");

    if (ctl->json) {
        ctl_print_json(owners);

    } else {
        json_array_foreach (owners, i, owner) {
            (void) puts(json_string_value(owner));
        }
    }

    json_decref(body);

    return CTL_DONE;
}


ctl_rc_t
ctl_owner_add(ctl_t *ctl)
{
    return ctl_owner_change(ctl, "add_owners($1::text, $2::text, $3::text[])",
                            "added");
}


ctl_rc_t
ctl_owner_remove(ctl_t *ctl)
{
    return ctl_owner_change(ctl,
                            "remove_owners($1::text, $2::text, $3::text[])",
                            "removed");
}


static ctl_rc_t
ctl_owner_change(ctl_t *ctl, const char *function, const char *done)
{
    char        *principals, *owners;
    json_t      *body;
    ctl_rc_t     rc;
    const char  *values[3];

    principals = ctl_database_array(ctl->operands + 1, ctl->noperands - 1, 0);

    values[0] = ctl->registry;
    values[1] = ctl->operands[0];
    values[2] = principals;

    rc = ctl_database_call(ctl, function, 3, values, &body);
    free(principals);

    if (rc != CTL_DONE) {
        return rc;
    }

    owners = ctl_json_words(json_object_get(body, "owners"), ", ");
    ctl_answer(ctl, body, "%s; the owners of `%s` in registry `%s` are now: "
               "%s", done, ctl->operands[0], ctl->registry, owners);
    free(owners);

    return CTL_DONE;
}
