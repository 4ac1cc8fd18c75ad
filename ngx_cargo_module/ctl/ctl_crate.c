
#include "cargoctl.h"

#include <string.h>

#include "ctl_database.h"
#include "ctl_print.h"


static ctl_rc_t ctl_crate_call(ctl_t *ctl, const char *function,
    const char *third, json_t **body);
static ctl_rc_t ctl_crate_public(ctl_t *ctl);


static const ctl_column_t  ctl_crate_columns[] = {
    { "name",        "NAME",       CTL_TEXT },
    { "max_version", "NEWEST",     CTL_TEXT },
    { "versions",    "VERSIONS",   CTL_TEXT },
    { "restricted",  "RESTRICTED", CTL_TEXT },
    { "owners",      "OWNERS",     CTL_TEXT },
    { "readers",     "READERS",    CTL_TEXT },
    { NULL, NULL, CTL_TEXT }
};


ctl_rc_t
ctl_crate_list(ctl_t *ctl)
{
    json_t    *body;
    ctl_rc_t   rc;

    rc = ctl_database_call(ctl, "list_crates($1::text)", 1, &ctl->registry,
                           &body);

    if (rc == CTL_DONE) {
        ctl_print_list(ctl, body, ctl_crate_columns, "there are no crates in "
                       "this registry yet");
        json_decref(body);
    }

    return rc;
}


ctl_rc_t
ctl_crate_show(ctl_t *ctl)
{
    json_t    *body;
    ctl_rc_t   rc;

    rc = ctl_crate_call(ctl, "show_crate($1::text, $2::text)", NULL, &body);
    if (rc != CTL_DONE) {
        return rc;
    }

    if (ctl->json) {
        ctl_print_json(body);
    } else {
        ctl_print_object(body, ctl_crate_columns);
    }

    json_decref(body);

    return CTL_DONE;
}


ctl_rc_t
ctl_crate_restrict(ctl_t *ctl)
{
    json_t    *body;
    ctl_rc_t   rc;

    rc = ctl_crate_call(ctl, "restrict_crate($1::text, $2::text, true)", NULL,
                        &body);
    if (rc != CTL_DONE) {
        return rc;
    }

    ctl_answer(ctl, body, "crate `%s` is restricted: only its owners, those "
               "allowed with `cargoctl crate allow`, maintainers and admins "
               "of registry `%s` see it", ctl->operands[0], ctl->registry);

    return ctl_crate_public(ctl);
}


ctl_rc_t
ctl_crate_open(ctl_t *ctl)
{
    json_t    *body;
    ctl_rc_t   rc;

    rc = ctl_crate_call(ctl, "restrict_crate($1::text, $2::text, false)", NULL,
                        &body);

    if (rc == CTL_DONE) {
        ctl_answer(ctl, body, "crate `%s` is open to all who may read "
                   "registry `%s`; those allowed are kept, should it be "
                   "restricted again", ctl->operands[0], ctl->registry);
    }

    return rc;
}


ctl_rc_t
ctl_crate_allow(ctl_t *ctl)
{
    json_t    *body;
    ctl_rc_t   rc;

    rc = ctl_crate_call(ctl, "allow_reader($1::text, $2::text, $3::text)",
                        ctl->operands[1], &body);
    if (rc != CTL_DONE) {
        return rc;
    }

    if (json_is_true(json_object_get(body, "restricted"))) {
        ctl_answer(ctl, body, "`%s` may read crate `%s` in registry `%s`",
                   ctl->operands[1], ctl->operands[0], ctl->registry);

    } else {
        ctl_answer(ctl, body, "`%s` may read crate `%s` in registry `%s` once "
                   "it is restricted; now all readers may",
                   ctl->operands[1], ctl->operands[0], ctl->registry);
    }

    return CTL_DONE;
}


ctl_rc_t
ctl_crate_deny(ctl_t *ctl)
{
    json_t    *body;
    ctl_rc_t   rc;

    rc = ctl_crate_call(ctl, "deny_reader($1::text, $2::text, $3::text)",
                        ctl->operands[1], &body);

    if (rc == CTL_DONE) {
        ctl_answer(ctl, body, "`%s` is not among those allowed to read crate "
                   "`%s` in registry `%s` any more", ctl->operands[1],
                   ctl->operands[0], ctl->registry);
    }

    return rc;
}


static ctl_rc_t
ctl_crate_call(ctl_t *ctl, const char *function, const char *third,
    json_t **body)
{
    const char  *values[3];

    values[0] = ctl->registry;
    values[1] = ctl->operands[0];
    values[2] = third;

    return ctl_database_call(ctl, function, third ? 3 : 2, values, body);
}


/* cargo sends a token for reads when the registry's config.json asks for it */

static ctl_rc_t
ctl_crate_public(ctl_t *ctl)
{
    size_t     i;
    json_t    *body, *registry;
    ctl_rc_t   rc;

    rc = ctl_database_call(ctl, "list_registries()", 0, NULL, &body);
    if (rc != CTL_DONE) {
        return rc;
    }

    json_array_foreach (body, i, registry) {

        if (strcmp(ctl_json_text(registry, "name"), ctl->registry) == 0
            && json_is_false(json_object_get(registry, "auth_required")))
        {
            ctl_note(ctl, "note: registry `%s` is public, and cargo sends no "
                     "token to read a public registry, so cargo finds the "
                     "crate for nobody; `cargoctl registry set %s "
                     "auth-required=on` makes it private", ctl->registry,
                     ctl->registry);
        }
    }

    json_decref(body);

    return CTL_DONE;
}
