
#include "ctl_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl_print.h"


#define CTL_HELP_COLUMNS  79
#define CTL_HELP_INDENT   23


static ctl_rc_t ctl_help_all(void);
static void ctl_help_exits(void);
static void ctl_help_group(const char *group);
static void ctl_help_command(const ctl_command_t *command);
static void ctl_help_options(const ctl_command_t *command, uint64_t bits);
static void ctl_help_settings(void);
static void ctl_help_line(const char *line, int indent);
static const char *ctl_help_break(const char *line);
static void ctl_help_words(const char *text);


const char *const  ctl_exits[] = {
    "done",
    "refused, or something wrong was found",
    "the command line makes no sense",
    "the database cannot be reached, or failed",
    NULL
};


/* of the command that the operands name, of a group, or of all */

ctl_rc_t
ctl_help(ctl_t *ctl)
{
    const ctl_command_t  *command;

    if (ctl->noperands == 0) {
        return ctl_help_all();
    }

    if (ctl->noperands == 1 && ctl_command_group(ctl->operands[0])) {
        ctl_help_group(ctl->operands[0]);
        return CTL_DONE;
    }

    command = ctl_command_find(ctl);

    if (command == NULL) {
        return ctl_unknown_command(ctl);
    }

    ctl_help_command(command);

    return CTL_DONE;
}


ctl_rc_t
ctl_version(ctl_t *ctl)
{
    (void) ctl;
    (void) printf("cargoctl %s (libpq %d.%d)\n", CARGO_VERSION,
                  PQlibVersion() / 10000, PQlibVersion() % 10000);

    return CTL_DONE;
}


static ctl_rc_t
ctl_help_all(void)
{
    char                 *words;
    const ctl_command_t  *command;

    (void) puts("cargoctl administers the registries of ngx_cargo, their "
                "database and store.\n\nCommands:");

    for (command = ctl_commands; command->run; command++) {
        words = ctl_command_words(command);
        (void) printf("  %-16s %s\n", words, command->summary);
        free(words);
    }

    (void) puts("\nOptions of all commands (`cargoctl help COMMAND` explains "
                "the others):");
    ctl_help_options(NULL, CTL_OPT_GENERAL);

    (void) puts("\nWithout --database and CARGO_DATABASE, libpq's own "
                "environment counts (PGHOST,\nPGDATABASE, PGUSER, PGPASSFILE "
                "...), which is the better place for a password.\n\n"
                "Exit codes:");
    ctl_help_exits();

    return CTL_DONE;
}


static void
ctl_help_exits(void)
{
    size_t  i;

    for (i = 0; ctl_exits[i]; i++) {
        (void) printf("  %zu  %s\n", i, ctl_exits[i]);
    }
}


static void
ctl_help_group(const char *group)
{
    char                 *line;
    const ctl_command_t  *command;

    (void) printf("Commands that begin with \"%s\":\n", group);

    for (command = ctl_commands; command->run; command++) {

        if (strcmp(command->words[0], group) != 0) {
            continue;
        }

        line = ctl_command_line(command);
        ctl_help_line(line + sizeof("cargoctl ") - 1, 2);
        (void) printf("      %s\n", command->summary);
        free(line);
    }

    (void) printf("\n`cargoctl help %s COMMAND` explains the options of "
                  "one.\n", group);
}


static void
ctl_help_command(const ctl_command_t *command)
{
    char  *line, *usage;

    line = ctl_command_line(command);
    usage = ctl_printf("usage: %s", line);

    ctl_help_line(usage, 0);
    (void) printf("\n%s\n", command->summary);

    free(usage);
    free(line);

    if (strstr(command->operands, "KEY=VALUE")) {
        ctl_help_settings();
    }

    if (command->options) {
        (void) puts("\nOptions:");
        ctl_help_options(command, command->options);
    }
}


static void
ctl_help_options(const ctl_command_t *command, uint64_t bits)
{
    char                *name;
    const ctl_option_t  *option;

    for (option = ctl_options; option->name; option++) {

        if (!(option->bit & bits)
            || (command && !ctl_option_fits(option, command)))
        {
            continue;
        }

        name = ctl_printf("%s%s%s", option->name, option->value ? " " : "",
                          option->value ? option->value : "");

        if (printf("  %-20s", name) >= CTL_HELP_INDENT) {
            (void) printf("\n%*s", CTL_HELP_INDENT, "");
        } else {
            (void) printf(" ");
        }

        free(name);
        ctl_help_words(option->summary);

        if (option->environment) {
            (void) printf("%*s(environment: %s)\n", CTL_HELP_INDENT, "",
                          option->environment);
        }
    }
}


static void
ctl_help_settings(void)
{
    const ctl_setting_t  *setting;

    (void) puts("\nSettings and their defaults:");

    for (setting = ctl_settings; setting->name; setting++) {
        (void) printf("  %s=%s\n      %s\n", setting->name, setting->standard,
                      setting->summary);
    }
}


/* broken between options, never inside "--name TEXT" or brackets */

static void
ctl_help_line(const char *line, int indent)
{
    int          column;
    size_t       len;
    const char  *end;

    column = printf("%*s", indent, "");

    while (*line) {
        end = ctl_help_break(line);
        len = end ? (size_t) (end - line) : strlen(line);

        if (column > indent && column + (int) len + 1 > CTL_HELP_COLUMNS) {
            column = printf("\n%*s", indent + 8, "") - 1;
        } else if (column > indent) {
            column += printf(" ");
        }

        column += printf("%.*s", (int) len, line);
        line += len + (end != NULL);
    }

    (void) printf("\n");
}


static const char *
ctl_help_break(const char *line)
{
    const char  *option, *optional;

    option = strstr(line, " --");
    optional = strstr(line, " [");

    if (option && (optional == NULL || option < optional)) {
        return option;
    }

    return optional;
}


static void
ctl_help_words(const char *text)
{
    int     column;
    size_t  len;

    for (column = CTL_HELP_INDENT; *text; text += len + (text[len] == ' ')) {
        len = strcspn(text, " ");

        if (column + (int) len + 1 > CTL_HELP_COLUMNS) {
            column = printf("\n%*s", CTL_HELP_INDENT, "") - 1;

        } else if (column > CTL_HELP_INDENT) {
            column += printf(" ");
        }

        column += printf("%.*s", (int) len, text);
    }

    (void) printf("\n");
}
