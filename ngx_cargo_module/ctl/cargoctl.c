
#include "cargoctl.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl_command.h"
#include "ctl_database.h"
#include "ctl_print.h"


static ctl_rc_t ctl_run(ctl_t *ctl, uint64_t given);
static ctl_rc_t ctl_parse(ctl_t *ctl, int argc, char **argv, uint64_t *given);
static ctl_rc_t ctl_parse_option(ctl_t *ctl, char ***arg, uint64_t *given);
static void ctl_option_set(ctl_t *ctl, const ctl_option_t *option,
    const char *value);
static ctl_rc_t ctl_command_check(const ctl_t *ctl,
    const ctl_command_t *command, uint64_t given);
static void ctl_environment(ctl_t *ctl);


int
main(int argc, char **argv)
{
    ctl_t      ctl;
    ctl_rc_t   rc;
    uint64_t   given;

    memset(&ctl, 0, sizeof(ctl_t));

    /* what was begun is ended, and a token that nobody reads is told of */
    (void) signal(SIGPIPE, SIG_IGN);

    rc = ctl_parse(&ctl, argc, argv, &given);

    if (rc == CTL_DONE) {
        rc = ctl_run(&ctl, given);
    }

    ctl_database_close(&ctl);
    free(ctl.operands);
    free(ctl.scopes.items);
    free(ctl.crates.items);
    free(ctl.map.items);

    if (rc == CTL_DONE && !ctl_print_closed()) {
        rc = ctl_print_flush();
    }

    return (int) rc;
}


static ctl_rc_t
ctl_run(ctl_t *ctl, uint64_t given)
{
    ctl_rc_t              rc;
    const ctl_command_t  *command;

    if (ctl->help) {
        return ctl_help(ctl);
    }

    if (ctl->version && ctl->noperands) {
        ctl_error("--version shows the version of cargoctl and goes alone: "
                  "the version of a crate is written without it");
        return CTL_USAGE;
    }

    if (ctl->version) {
        return ctl_version(ctl);
    }

    if (ctl->noperands == 1 && ctl_command_group(ctl->operands[0])) {
        ctl_error("say what to do with \"%s\":", ctl->operands[0]);
        (void) dup2(STDERR_FILENO, STDOUT_FILENO);
        (void) ctl_help(ctl);
        return CTL_USAGE;
    }

    command = ctl_command_find(ctl);
    if (command == NULL) {
        return ctl_unknown_command(ctl);
    }

    rc = ctl_command_check(ctl, command, given);

    return (rc == CTL_DONE) ? command->run(ctl) : rc;
}


static ctl_rc_t
ctl_parse(ctl_t *ctl, int argc, char **argv, uint64_t *given)
{
    int        operands_only;
    char     **arg;
    ctl_rc_t   rc;

    *given = 0;
    operands_only = 0;
    ctl->operands = ctl_alloc((size_t) argc * sizeof(char *));

    for (arg = argv + 1; argc && *arg; arg++) {

        if (operands_only || **arg != '-' || strcmp(*arg, "-") == 0) {
            ctl->operands[ctl->noperands++] = *arg;

        } else if (strcmp(*arg, "--") == 0) {
            operands_only = 1;

        } else {
            rc = ctl_parse_option(ctl, &arg, given);
            if (rc != CTL_DONE) {
                return rc;
            }
        }
    }

    ctl_environment(ctl);

    return CTL_DONE;
}


/* "--name value" or "--name=value"; arg ends up at the last part */

static ctl_rc_t
ctl_parse_option(ctl_t *ctl, char ***arg, uint64_t *given)
{
    int                  len;
    const char          *text, *value;
    const ctl_option_t  *option;

    text = strcmp(**arg, "-h") ? **arg : "--help";
    len = (int) strcspn(text, "=");
    value = text[len] ? text + len + 1 : NULL;
    option = ctl_option_find(text, (size_t) len);

    if (option == NULL) {
        ctl_error("there is no option %.*s: see `cargoctl help`", len, text);
        return CTL_USAGE;
    }

    *given |= option->bit;

    if (option->kind == CTL_FLAG) {
        if (value) {
            ctl_error("%s takes no value", option->name);
            return CTL_USAGE;
        }

        ctl_option_set(ctl, option, NULL);
        return CTL_DONE;
    }

    if (value == NULL && (*arg)[1]) {
        value = *++*arg;
    }

    if (value == NULL || *value == '\0') {
        ctl_error("%s wants a value: %s %s", option->name, option->name,
                  option->value);
        return CTL_USAGE;
    }

    ctl_option_set(ctl, option, value);

    return CTL_DONE;
}


static void
ctl_option_set(ctl_t *ctl, const ctl_option_t *option, const char *value)
{
    void        *field;
    ctl_list_t  *list;

    field = (char *) ctl + option->offset;

    switch (option->kind) {

    case CTL_FLAG:
        *(int *) field = 1;
        break;

    case CTL_VALUE:
        *(const char **) field = value;
        break;

    case CTL_LIST:
        list = field;
        list->items = ctl_realloc(list->items,
                                  (list->count + 1) * sizeof(char *));
        list->items[list->count++] = value;
        break;
    }
}


static ctl_rc_t
ctl_command_check(const ctl_t *ctl, const ctl_command_t *command,
    uint64_t given)
{
    char                *line;
    ctl_rc_t             rc;
    const ctl_option_t  *option;

    rc = CTL_USAGE;
    line = ctl_command_line(command);

    for (option = ctl_options; option->name; option++) {
        if (given & option->bit & ~command->options) {
            ctl_error("%s means nothing here; usage: %s", option->name, line);
            goto done;
        }
    }

    if (ctl->noperands < command->min) {
        ctl_error("something is missing; usage: %s", line);
        goto done;
    }

    if (ctl->noperands > command->max) {
        ctl_error("\"%s\" is too much; usage: %s",
                  ctl->operands[command->max], line);
        goto done;
    }

    for (option = ctl_options; option->name; option++) {
        if ((option->bit & command->required)
            && ctl_option_fits(option, command)
            && !ctl_option_given(option, ctl))
        {
            ctl_error("%s%s%s is missing, %s; usage: %s", option->name,
                      option->environment ? " or " : "",
                      option->environment ? option->environment : "",
                      option->summary, line);
            goto done;
        }
    }

    rc = CTL_DONE;

done:

    free(line);

    return rc;
}


static void
ctl_environment(ctl_t *ctl)
{
    const char          *value, **target;
    const ctl_option_t  *option;

    for (option = ctl_options; option->name; option++) {
        if (option->environment == NULL) {
            continue;
        }

        target = (const char **) ((char *) ctl + option->offset);
        value = getenv(option->environment);

        if (*target == NULL && value && *value) {
            *target = value;
        }
    }

    if (ctl->sql == NULL) {
        ctl->sql = CARGO_SQL_DIR;
    }
}
