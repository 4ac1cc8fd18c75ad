
#include "ctl_audit.h"

#include <stdint.h>
#include <stdlib.h>

#include "ctl_print.h"


static char *ctl_change_of(char *text, const char *key, const json_t *before,
    const json_t *after);
static char *ctl_change_list(char *text, const char *sign,
    const json_t *list, const json_t *other);
static char *ctl_change_add(char *text, char *more);
static char *ctl_change_value(const json_t *value);


char *
ctl_audit_change(const json_t *before, const json_t *after)
{
    char        *text;
    json_t      *value, *former;
    const char  *key;

    text = ctl_printf("%s", "");

    if (json_is_array(before) && json_is_array(after)) {
        return ctl_change_of(text, "", before, after);
    }

    json_object_foreach ((json_t *) (uintptr_t) after, key, value) {
        former = json_object_get(before, key);

        if (former && !json_equal(former, value)) {
            text = ctl_change_of(text, key, former, value);
        }
    }

    return text;
}


static char *
ctl_change_of(char *text, const char *key, const json_t *before,
    const json_t *after)
{
    char  *was, *is;

    if (json_is_array(before) && json_is_array(after)) {

        if (*key) {
            text = ctl_change_add(text, ctl_printf("%s", key));
        }

        text = ctl_change_list(text, "+", after, before);

        return ctl_change_list(text, "-", before, after);
    }

    was = ctl_change_value(before);
    is = ctl_change_value(after);

    text = ctl_change_add(text, ctl_printf("%s %s -> %s", key, was, is));

    free(was);
    free(is);

    return text;
}


/* those that the other list does not have */

static char *
ctl_change_list(char *text, const char *sign, const json_t *list,
    const json_t *other)
{
    char    *shown;
    size_t   i, n;
    json_t  *value;

    json_array_foreach (list, i, value) {

        for (n = 0; n < json_array_size(other); n++) {
            if (json_equal(value, json_array_get(other, n))) {
                break;
            }
        }

        if (n == json_array_size(other)) {
            shown = ctl_change_value(value);
            text = ctl_change_add(text, ctl_printf("%s%s", sign, shown));
            free(shown);
        }
    }

    return text;
}


/* frees both */

static char *
ctl_change_add(char *text, char *more)
{
    char  *longer;

    longer = ctl_printf("%s%s%s", text, *text ? " " : "", more);

    free(text);
    free(more);

    return longer;
}


static char *
ctl_change_value(const json_t *value)
{
    char  *dump, *text;

    if (json_is_string(value)) {
        return ctl_printf("%s", json_string_value(value));
    }

    dump = json_is_null(value) ? NULL
                               : json_dumps(value,
                                            JSON_COMPACT|JSON_ENCODE_ANY);
    text = ctl_printf("%s", dump ? dump : "-");
    free(dump);

    return text;
}
