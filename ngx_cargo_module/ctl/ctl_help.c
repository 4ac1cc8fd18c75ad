
#include "ctl_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl_print.h"


#define CTL_HELP_COLUMNS  79


typedef struct {
    const char  *setting;       /* with its default */
    const char  *summary;
} ctl_setting_t;


static ctl_rc_t ctl_help_all(void);
static void ctl_help_commands(const char *group);
static void ctl_help_command(const ctl_command_t *command);
static void ctl_help_options(const ctl_command_t *command, unsigned bits);
static void ctl_help_settings(void);
static void ctl_help_line(const char *line, int indent);


/* for the help alone: which there are is decided by SQL */

static const ctl_setting_t  ctl_settings[] = {

    { "auth-required=off",
      "reading needs a token, too" },

    { "require-description=on",
      "refuse a publish without a description" },

    { "require-license=on",
      "refuse a publish without a license or license-file" },

    { "allow-wildcard-dependencies=off",
      "accept dependencies on any version (\"*\")" },

    { "allow-unknown-dependencies=off",
      "accept dependencies on crates of this registry that it does not have" },

    { "max-dependencies=500",
      "of a version, at most" },

    { "max-features=300",
      "of a version, at most" },

    { "max-keywords=5",
      "of a version, at most" },

    { "max-categories=5",
      "of a version, at most" },

    { "description-max=1000",
      "characters of a description, at most" },

    { NULL, NULL }
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
        (void) printf("Commands that begin with \"%s\":\n", ctl->operands[0]);
        ctl_help_commands(ctl->operands[0]);
        (void) printf("\n`cargoctl help %s COMMAND` explains the options of "
                      "one.\n", ctl->operands[0]);
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
    (void) puts("cargoctl administers the registries of ngx_cargo: their "
                "database and their store.\n\nCommands:");
    ctl_help_commands(NULL);

    (void) puts("\nOptions of all commands (`cargoctl help COMMAND` explains "
                "the others):");
    ctl_help_options(NULL, CTL_GENERAL);

    (void) puts("\nWithout --database and CARGO_DATABASE, libpq's own "
                "environment counts (PGHOST,\nPGDATABASE, PGUSER, PGPASSFILE "
                "...), which is the better place for a password.\n\n"
                "Exit codes:\n"
                "  0  done\n"
                "  1  refused, or something wrong was found\n"
                "  2  the command line makes no sense\n"
                "  3  the database cannot be reached, or failed");

    return CTL_DONE;
}


static void
ctl_help_commands(const char *group)
{
    char                 *line;
    const ctl_command_t  *command;

    for (command = ctl_commands; command->run; command++) {

        if (group && strcmp(command->words[0], group) != 0) {
            continue;
        }

        line = ctl_command_line(command);
        ctl_help_line(line + sizeof("cargoctl ") - 1, 2);
        (void) printf("      %s\n", command->summary);
        free(line);
    }
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
ctl_help_options(const ctl_command_t *command, unsigned bits)
{
    char                *name;
    const ctl_option_t  *option;

    for (option = ctl_options; option->name; option++) {

        if (!(option->bit & bits)
            || (option->of && strcmp(option->of, command->words[0]) != 0))
        {
            continue;
        }

        name = ctl_printf("%s%s%s", option->name, option->value ? " " : "",
                          option->value ? option->value : "");
        (void) printf("  %-21s%s\n", name, option->summary);
        free(name);

        if (option->environment) {
            (void) printf("  %-21s(environment: %s)\n", "",
                          option->environment);
        }
    }
}


static void
ctl_help_settings(void)
{
    const ctl_setting_t  *setting;

    (void) puts("\nSettings and their defaults:");

    for (setting = ctl_settings; setting->setting; setting++) {
        (void) printf("  %s\n      %s\n", setting->setting, setting->summary);
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
        end = strstr(line, " [");
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
