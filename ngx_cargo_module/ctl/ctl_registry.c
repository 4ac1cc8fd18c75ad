
#include "cargoctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl_database.h"
#include "ctl_print.h"


static void ctl_registry_print(json_t *registry);
static ctl_rc_t ctl_registry_change(ctl_t *ctl, const char *function,
    const char *done);
static ctl_rc_t ctl_settings_parse(const ctl_t *ctl, json_t *settings);
static char *ctl_setting_key(const char *text, size_t len, char from, char to);
static json_t *ctl_setting_value(const char *text);


ctl_rc_t
ctl_registry_create(ctl_t *ctl)
{
    return ctl_registry_change(ctl,
                               "create_registry($1::text, $2::jsonb)",
                               "created; make accounts for it with "
                               "`cargoctl account create`");
}


ctl_rc_t
ctl_registry_list(ctl_t *ctl)
{
    size_t     i;
    json_t    *body, *registry;
    ctl_rc_t   rc;

    rc = ctl_database_call(ctl, "list_registries()", 0, NULL, &body);
    if (rc != CTL_DONE) {
        return rc;
    }

    if (ctl->json) {
        ctl_print_json(body);

    } else if (json_array_size(body) == 0) {
        ctl_note(ctl, "there are no registries yet: make one with `cargoctl "
                 "registry create`");

    } else {
        json_array_foreach (body, i, registry) {
            ctl_registry_print(registry);
        }
    }

    json_decref(body);

    return CTL_DONE;
}


ctl_rc_t
ctl_registry_set(ctl_t *ctl)
{
    return ctl_registry_change(ctl, "set_registry($1::text, $2::jsonb)",
                               "changed; `cargoctl registry list` shows all "
                               "its settings");
}


/* the settings as `registry set` takes them; SQL decides which there are */

static void
ctl_registry_print(json_t *registry)
{
    char        *name;
    json_t      *value;
    const char  *key;

    (void) printf("%s\n", ctl_json_text(registry, "name"));

    json_object_foreach (registry, key, value) {
        name = ctl_setting_key(key, strlen(key), '_', '-');

        if (json_is_boolean(value)) {
            (void) printf("  %s=%s\n", name, json_is_true(value) ? "on"
                                                                 : "off");

        } else if (json_is_integer(value) && strcmp(key, "id") != 0) {
            (void) printf("  %s=%lld\n", name,
                          (long long) json_integer_value(value));

        } else if (json_is_string(value) && strcmp(key, "name") != 0
                   && strcmp(key, "created_at") != 0)
        {
            (void) printf("  %s=%s\n", name, json_string_value(value));
        }

        free(name);
    }
}


static ctl_rc_t
ctl_registry_change(ctl_t *ctl, const char *function, const char *done)
{
    char        *text;
    json_t      *settings, *body;
    ctl_rc_t     rc;
    const char  *values[2];

    settings = json_object();
    text = NULL;

    rc = ctl_settings_parse(ctl, settings);

    if (rc == CTL_DONE) {
        text = json_dumps(settings, JSON_COMPACT);

        values[0] = ctl->operands[0];
        values[1] = text;

        rc = ctl_database_call(ctl, function, 2, values, &body);
    }

    if (rc == CTL_DONE) {
        ctl_answer(ctl, body, "registry `%s` %s", ctl->operands[0], done);
    }

    free(text);
    json_decref(settings);

    return rc;
}


/* key=value, with either of "-" and "_" in keys */

static ctl_rc_t
ctl_settings_parse(const ctl_t *ctl, json_t *settings)
{
    char        *key;
    size_t       i;
    json_t      *value;
    const char  *equal;

    for (i = 1; i < ctl->noperands; i++) {
        equal = strchr(ctl->operands[i], '=');
        value = equal ? ctl_setting_value(equal + 1) : NULL;

        if (value == NULL || equal == ctl->operands[i]) {
            json_decref(value);
            ctl_error("\"%s\" is not a setting: write key=value, where the "
                      "value is \"on\", \"off\", a number or a role",
                      ctl->operands[i]);
            return CTL_USAGE;
        }

        key = ctl_setting_key(ctl->operands[i],
                              (size_t) (equal - ctl->operands[i]), '-', '_');
        json_object_set_new(settings, key, value);
        free(key);
    }

    return CTL_DONE;
}


/* columns are named with "_", settings, as those of cargo, with "-" */

static char *
ctl_setting_key(const char *text, size_t len, char from, char to)
{
    char  *key, *p;

    key = ctl_printf("%.*s", (int) len, text);

    for (p = key; *p; p++) {
        if (*p == from) {
            *p = to;
        }
    }

    return key;
}


static json_t *
ctl_setting_value(const char *text)
{
    if (strcmp(text, "on") == 0 || strcmp(text, "true") == 0) {
        return json_true();
    }

    if (strcmp(text, "off") == 0 || strcmp(text, "false") == 0) {
        return json_false();
    }

    if (*text && text[strspn(text, "abcdefghijklmnopqrstuvwxyz")] == '\0') {
        return json_string(text);
    }

    if (*text == '\0' || strlen(text) > 9
        || text[strspn(text, "0123456789")] != '\0')
    {
        return NULL;
    }

    return json_integer(strtol(text, NULL, 10));
}
