
#include "cargoctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl_database.h"
#include "ctl_print.h"


#define CTL_WORDS     2
#define CTL_ANY       ((size_t) -1)

/* options, as bits */
#define CTL_DATABASE  0x0001
#define CTL_SQL       0x0002
#define CTL_BLOBS     0x0004
#define CTL_NAME      0x0008
#define CTL_EMAIL     0x0010
#define CTL_SERVICE   0x0020
#define CTL_REGISTRY  0x0040
#define CTL_ROLE      0x0080
#define CTL_EXPIRES   0x0100
#define CTL_GRACE     0x0200
#define CTL_DRY_RUN   0x0400
#define CTL_QUICK     0x0800
#define CTL_JSON      0x1000
#define CTL_QUIET     0x2000
#define CTL_HELP      0x4000

#define CTL_COMMON    (CTL_DATABASE|CTL_JSON|CTL_QUIET)


typedef struct {
    const char     *name;
    const char     *value;      /* NULL: the option takes none */
    const char     *environment;
    size_t          offset;     /* in ctl_t, const char * or int */
    unsigned        bit;
    const char     *summary;
} ctl_option_t;

typedef struct {
    const char     *words[CTL_WORDS];
    const char     *operands;
    size_t          min;
    size_t          max;
    unsigned        options;
    ctl_rc_t      (*run)(ctl_t *ctl);
    const char     *summary;
} ctl_command_t;


static ctl_rc_t ctl_parse(ctl_t *ctl, int argc, char **argv, unsigned *given);
static ctl_rc_t ctl_parse_option(ctl_t *ctl, char ***arg, unsigned *given);
static const ctl_option_t *ctl_option_find(const char *name, size_t len);
static const ctl_command_t *ctl_command_find(ctl_t *ctl);
static size_t ctl_command_words(const ctl_command_t *command,
    const ctl_t *ctl);
static ctl_rc_t ctl_command_check(const ctl_t *ctl,
    const ctl_command_t *command, unsigned given);
static void ctl_environment(ctl_t *ctl);
static ctl_rc_t ctl_unknown_command(const ctl_t *ctl);
static ctl_rc_t ctl_help(ctl_t *ctl);
static void ctl_help_command(const ctl_command_t *command);
static void ctl_help_options(unsigned bits);
static char *ctl_command_line(const ctl_command_t *command);
static ctl_rc_t ctl_version(ctl_t *ctl);


static const ctl_option_t  ctl_options[] = {

    { "--database", "CONNINFO", "CARGO_DATABASE",
      offsetof(ctl_t, database), CTL_DATABASE,
      "libpq connection string or URI of the owner's database" },

    { "--sql", "DIR", "CARGO_SQL",
      offsetof(ctl_t, sql), CTL_SQL,
      "where migrations/ and functions/ are (" CARGO_SQL_DIR ")" },

    { "--blobs", "DIR", "CARGO_BLOBS",
      offsetof(ctl_t, blobs), CTL_BLOBS,
      "the store, what cargo_blobs names in nginx.conf" },

    { "--name", "TEXT", NULL,
      offsetof(ctl_t, name), CTL_NAME,
      "a person's name, or what a token is for" },

    { "--email", "ADDRESS", NULL,
      offsetof(ctl_t, email), CTL_EMAIL,
      "where the account's owner can be reached" },

    { "--service", NULL, NULL,
      offsetof(ctl_t, service), CTL_SERVICE,
      "the account belongs to a machine, not to a person" },

    { "--registry", "NAME", NULL,
      offsetof(ctl_t, registry), CTL_REGISTRY,
      "the registry of the role; the only one a token opens" },

    { "--role", "ROLE", NULL,
      offsetof(ctl_t, role), CTL_ROLE,
      "reader, publisher, maintainer, admin; none takes it away" },

    { "--expires", "WHEN", NULL,
      offsetof(ctl_t, expires), CTL_EXPIRES,
      "days from now (90d) or the last day in UTC (2027-01-31)" },

    { "--grace", "TIME", NULL,
      offsetof(ctl_t, grace), CTL_GRACE,
      "spare files younger than this: 30m, 1h (default), 2d" },

    { "--dry-run", NULL, NULL,
      offsetof(ctl_t, dry_run), CTL_DRY_RUN,
      "say what would be removed and touch nothing" },

    { "--quick", NULL, NULL,
      offsetof(ctl_t, quick), CTL_QUICK,
      "compare sizes only, do not read the files" },

    { "--json", NULL, NULL,
      offsetof(ctl_t, json), CTL_JSON,
      "the result as JSON; messages stay on standard error" },

    { "--quiet", NULL, NULL,
      offsetof(ctl_t, quiet), CTL_QUIET,
      "only errors, and what was asked for" },

    { "--help", NULL, NULL,
      offsetof(ctl_t, help), CTL_HELP,
      "the same as the command help" },

    { NULL, NULL, NULL, 0, 0, NULL }
};


static const ctl_command_t  ctl_commands[] = {

    { { "migrate", NULL }, "", 0, 0,
      CTL_COMMON|CTL_SQL, ctl_migrate,
      "set up a database, or bring it up to date" },

    { { "registry", "create" }, "NAME [KEY=VALUE ...]", 1, CTL_ANY,
      CTL_COMMON, ctl_registry_create,
      "make a registry; values are on, off or a number" },

    { { "registry", "list" }, "", 0, 0,
      CTL_COMMON, ctl_registry_list,
      "show all registries and their settings" },

    { { "registry", "set" }, "NAME KEY=VALUE ...", 2, CTL_ANY,
      CTL_COMMON, ctl_registry_set,
      "change settings of a registry" },

    { { "account", "create" }, "LOGIN", 1, 1,
      CTL_COMMON|CTL_NAME|CTL_EMAIL|CTL_SERVICE|CTL_REGISTRY|CTL_ROLE,
      ctl_account_create,
      "make an account, with a role in a registry or without" },

    { { "account", "list" }, "", 0, 0,
      CTL_COMMON, ctl_account_list,
      "show all accounts and their roles" },

    { { "account", "grant" }, "LOGIN", 1, 1,
      CTL_COMMON|CTL_REGISTRY|CTL_ROLE, ctl_account_grant,
      "give an account another role in a registry" },

    { { "account", "disable" }, "LOGIN", 1, 1,
      CTL_COMMON, ctl_account_disable,
      "refuse all tokens of an account, until it is enabled" },

    { { "account", "enable" }, "LOGIN", 1, 1,
      CTL_COMMON, ctl_account_enable,
      "let a disabled account in again" },

    { { "token", "create" }, "LOGIN", 1, 1,
      CTL_COMMON|CTL_NAME|CTL_REGISTRY|CTL_EXPIRES, ctl_token_create,
      "make a token and print its text, once" },

    { { "token", "list" }, "[LOGIN]", 0, 1,
      CTL_COMMON, ctl_token_list,
      "show all tokens, or those of an account" },

    { { "token", "revoke" }, "ID", 1, 1,
      CTL_COMMON, ctl_token_revoke,
      "refuse a token from now on" },

    { { "sweep", NULL }, "", 0, 0,
      CTL_COMMON|CTL_BLOBS|CTL_GRACE|CTL_DRY_RUN, ctl_sweep,
      "remove blobs that no version refers to" },

    { { "check", NULL }, "", 0, 0,
      CTL_COMMON|CTL_BLOBS|CTL_QUICK, ctl_check,
      "compare the blob of every version with what was published" },

    { { "help", NULL }, "[COMMAND]", 0, CTL_WORDS,
      0, ctl_help,
      "show this, or a command and its options" },

    { { "version", NULL }, "", 0, 0,
      0, ctl_version,
      "show the version" },

    { { NULL, NULL }, NULL, 0, 0, 0, NULL, NULL }
};


int
main(int argc, char **argv)
{
    ctl_t                 ctl;
    ctl_rc_t              rc;
    unsigned              given;
    const ctl_command_t  *command;

    memset(&ctl, 0, sizeof(ctl_t));

    rc = ctl_parse(&ctl, argc, argv, &given);

    if (rc == CTL_DONE && ctl.help) {
        rc = ctl_help(&ctl);

    } else if (rc == CTL_DONE) {
        command = ctl_command_find(&ctl);
        rc = command ? ctl_command_check(&ctl, command, given)
                     : ctl_unknown_command(&ctl);

        if (rc == CTL_DONE) {
            rc = command->run(&ctl);
        }
    }

    ctl_database_close(&ctl);
    free(ctl.operands);

    if (rc == CTL_DONE) {
        rc = ctl_print_flush();
    }

    return (int) rc;
}


static ctl_rc_t
ctl_parse(ctl_t *ctl, int argc, char **argv, unsigned *given)
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
ctl_parse_option(ctl_t *ctl, char ***arg, unsigned *given)
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

    if (option->value == NULL) {
        if (value) {
            ctl_error("%s takes no value", option->name);
            return CTL_USAGE;
        }

        *(int *) ((char *) ctl + option->offset) = 1;
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

    *(const char **) ((char *) ctl + option->offset) = value;

    return CTL_DONE;
}


static const ctl_option_t *
ctl_option_find(const char *name, size_t len)
{
    const ctl_option_t  *option;

    for (option = ctl_options; option->name; option++) {
        if (strlen(option->name) == len
            && strncmp(option->name, name, len) == 0)
        {
            return option;
        }
    }

    return NULL;
}


/* leaves the operands alone in ctl->operands */

static const ctl_command_t *
ctl_command_find(ctl_t *ctl)
{
    size_t                words;
    const ctl_command_t  *command;

    for (command = ctl_commands; command->run; command++) {
        words = ctl_command_words(command, ctl);

        if (words) {
            ctl->noperands -= words;
            memmove(ctl->operands, ctl->operands + words,
                    ctl->noperands * sizeof(char *));
            return command;
        }
    }

    return NULL;
}


/* how many operands are the command's name; 0: another command */

static size_t
ctl_command_words(const ctl_command_t *command, const ctl_t *ctl)
{
    size_t  n;

    for (n = 0; n < CTL_WORDS && command->words[n]; n++) {
        if (n == ctl->noperands
            || strcmp(ctl->operands[n], command->words[n]) != 0)
        {
            return 0;
        }
    }

    return n;
}


static ctl_rc_t
ctl_command_check(const ctl_t *ctl, const ctl_command_t *command,
    unsigned given)
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

    } else if (ctl->noperands > command->max) {
        ctl_error("\"%s\" is too much; usage: %s",
                  ctl->operands[command->max], line);

    } else if ((command->options & CTL_BLOBS) && ctl->blobs == NULL) {
        ctl_error("say with --blobs or CARGO_BLOBS where the store is, the "
                  "directory that cargo_blobs names in nginx.conf");

    } else {
        rc = CTL_DONE;
    }

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


static ctl_rc_t
ctl_unknown_command(const ctl_t *ctl)
{
    if (ctl->noperands == 0) {
        ctl_error("say what to do: see `cargoctl help`");

    } else {
        ctl_error("there is no command \"%s%s%s\": see `cargoctl help`",
                  ctl->operands[0], ctl->noperands > 1 ? " " : "",
                  ctl->noperands > 1 ? ctl->operands[1] : "");
    }

    return CTL_USAGE;
}


/* of the command that the operands name, or of all */

static ctl_rc_t
ctl_help(ctl_t *ctl)
{
    char                 *line;
    const ctl_command_t  *command;

    if (ctl->noperands) {
        command = ctl_command_find(ctl);

        if (command == NULL) {
            return ctl_unknown_command(ctl);
        }

        ctl_help_command(command);

        return CTL_DONE;
    }

    (void) puts("cargoctl administers the registries of ngx_cargo: their "
                "database and their store.\n\nCommands:");

    for (command = ctl_commands; command->run; command++) {
        line = ctl_command_line(command);
        (void) printf("  %s\n      %s\n", line + sizeof("cargoctl ") - 1,
                      command->summary);
        free(line);
    }

    (void) puts("\nOptions:");
    ctl_help_options(~0u);

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
ctl_help_command(const ctl_command_t *command)
{
    char  *line;

    line = ctl_command_line(command);
    (void) printf("usage: %s\n\n%s\n", line, command->summary);
    free(line);

    if (command->options) {
        (void) puts("\nOptions:");
        ctl_help_options(command->options);
    }
}


static void
ctl_help_options(unsigned bits)
{
    char                *name;
    const ctl_option_t  *option;

    for (option = ctl_options; option->name; option++) {
        if (!(option->bit & bits)) {
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


static char *
ctl_command_line(const ctl_command_t *command)
{
    return ctl_printf("cargoctl %s%s%s%s%s", command->words[0],
                      command->words[1] ? " " : "",
                      command->words[1] ? command->words[1] : "",
                      *command->operands ? " " : "", command->operands);
}


static ctl_rc_t
ctl_version(ctl_t *ctl)
{
    (void) ctl;
    (void) printf("cargoctl %s (libpq %d.%d)\n", CARGO_VERSION,
                  PQlibVersion() / 10000, PQlibVersion() % 10000);

    return CTL_DONE;
}
