
#include "ctl_command.h"

#include <stdlib.h>
#include <string.h>

#include "ctl_print.h"


static size_t ctl_command_words(const ctl_command_t *command,
    const ctl_t *ctl);
static char *ctl_command_option(const ctl_command_t *command,
    const ctl_option_t *option);


const ctl_option_t  ctl_options[] = {

    { "--database", "CONNINFO", "CARGO_DATABASE",
      offsetof(ctl_t, database), CTL_DATABASE, NULL,
      "libpq connection string or URI of the owner's database" },

    { "--sql", "DIR", "CARGO_SQL",
      offsetof(ctl_t, sql), CTL_SQL, NULL,
      "where migrations/ and functions/ are (" CARGO_SQL_DIR ")" },

    { "--blobs", "DIR", "CARGO_BLOBS",
      offsetof(ctl_t, blobs), CTL_BLOBS, NULL,
      "the store, what cargo_blobs names in nginx.conf" },

    { "--name", "TEXT", NULL,
      offsetof(ctl_t, name), CTL_NAME, "account",
      "the person's name, or what the machine is" },

    { "--name", "TEXT", NULL,
      offsetof(ctl_t, name), CTL_NAME, "token",
      "what the token is for, to tell it from others later" },

    { "--email", "ADDRESS", NULL,
      offsetof(ctl_t, email), CTL_EMAIL, NULL,
      "where the account's owner can be reached" },

    { "--service", NULL, NULL,
      offsetof(ctl_t, service), CTL_SERVICE, NULL,
      "the account belongs to a machine, not to a person" },

    { "--registry", "NAME", NULL,
      offsetof(ctl_t, registry), CTL_REGISTRY, "account",
      "the registry in which the account has the role" },

    { "--registry", "NAME", NULL,
      offsetof(ctl_t, registry), CTL_REGISTRY, "token",
      "the only registry that the token opens (all)" },

    { "--role", "ROLE", NULL,
      offsetof(ctl_t, role), CTL_ROLE, NULL,
      "reader, publisher, maintainer, admin or none" },

    { "--expires", "WHEN", NULL,
      offsetof(ctl_t, expires), CTL_EXPIRES, NULL,
      "days from now (90d) or the last day in UTC (2027-01-31)" },

    { "--grace", "TIME", NULL,
      offsetof(ctl_t, grace), CTL_GRACE, NULL,
      "spare younger files: 30m, 1h (default), 2d; at least 5m" },

    { "--dry-run", NULL, NULL,
      offsetof(ctl_t, dry_run), CTL_DRY_RUN, NULL,
      "say what would be removed and touch nothing" },

    { "--quick", NULL, NULL,
      offsetof(ctl_t, quick), CTL_QUICK, NULL,
      "compare sizes only, do not read the files" },

    { "--json", NULL, NULL,
      offsetof(ctl_t, json), CTL_JSON, NULL,
      "the result as JSON; messages stay on standard error" },

    { "--quiet", NULL, NULL,
      offsetof(ctl_t, quiet), CTL_QUIET, NULL,
      "only errors, and what was asked for" },

    { "--help", NULL, NULL,
      offsetof(ctl_t, help), CTL_HELP, NULL,
      "the same as the command help" },

    { "--version", NULL, NULL,
      offsetof(ctl_t, version), CTL_VERSION, NULL,
      "the same as the command version" },

    { NULL, NULL, NULL, 0, 0, NULL, NULL }
};


const ctl_command_t  ctl_commands[] = {

    { { "migrate", NULL }, "", 0, 0,
      CTL_COMMON|CTL_SQL, 0, ctl_migrate,
      "set up a database, or bring it up to date" },

    { { "registry", "create" }, "NAME [KEY=VALUE ...]", 1, CTL_ANY,
      CTL_COMMON, 0, ctl_registry_create,
      "make a registry; values are on, off or a number" },

    { { "registry", "list" }, "", 0, 0,
      CTL_COMMON, 0, ctl_registry_list,
      "show all registries and their settings" },

    { { "registry", "set" }, "NAME KEY=VALUE ...", 2, CTL_ANY,
      CTL_COMMON, 0, ctl_registry_set,
      "change settings of a registry" },

    { { "account", "create" }, "LOGIN", 1, 1,
      CTL_COMMON|CTL_NAME|CTL_EMAIL|CTL_SERVICE|CTL_REGISTRY|CTL_ROLE, 0,
      ctl_account_create,
      "make an account, with a role in a registry or without" },

    { { "account", "list" }, "", 0, 0,
      CTL_COMMON, 0, ctl_account_list,
      "show all accounts and their roles" },

    { { "account", "grant" }, "LOGIN", 1, 1,
      CTL_COMMON|CTL_REGISTRY|CTL_ROLE, CTL_REGISTRY|CTL_ROLE,
      ctl_account_grant,
      "give an account another role in a registry" },

    { { "account", "disable" }, "LOGIN", 1, 1,
      CTL_COMMON, 0, ctl_account_disable,
      "refuse all tokens of an account, until it is enabled" },

    { { "account", "enable" }, "LOGIN", 1, 1,
      CTL_COMMON, 0, ctl_account_enable,
      "let a disabled account in again" },

    { { "token", "create" }, "LOGIN", 1, 1,
      CTL_COMMON|CTL_NAME|CTL_REGISTRY|CTL_EXPIRES, CTL_NAME, ctl_token_create,
      "make a token and print its text, once" },

    { { "token", "list" }, "[LOGIN]", 0, 1,
      CTL_COMMON, 0, ctl_token_list,
      "show all tokens, or those of an account" },

    { { "token", "revoke" }, "ID", 1, 1,
      CTL_COMMON, 0, ctl_token_revoke,
      "refuse a token from now on" },

    { { "sweep", NULL }, "", 0, 0,
      CTL_COMMON|CTL_BLOBS|CTL_GRACE|CTL_DRY_RUN, CTL_BLOBS, ctl_sweep,
      "remove blobs that no version refers to" },

    { { "check", NULL }, "", 0, 0,
      CTL_COMMON|CTL_BLOBS|CTL_QUICK, CTL_BLOBS, ctl_check,
      "compare the blob of every version with what was published" },

    { { "help", NULL }, "[COMMAND]", 0, CTL_WORDS,
      0, 0, ctl_help,
      "show this, or a command and its options" },

    { { "version", NULL }, "", 0, 0,
      0, 0, ctl_version,
      "show the version" },

    { { NULL, NULL }, NULL, 0, 0, 0, 0, NULL, NULL }
};


const ctl_command_t *
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


int
ctl_command_group(const char *word)
{
    const ctl_command_t  *command;

    for (command = ctl_commands; command->run; command++) {
        if (command->words[1] && strcmp(command->words[0], word) == 0) {
            return 1;
        }
    }

    return 0;
}


char *
ctl_command_line(const ctl_command_t *command)
{
    char                *line, *longer, *text;
    const ctl_option_t  *option;

    line = ctl_printf("cargoctl %s%s%s%s%s", command->words[0],
                      command->words[1] ? " " : "",
                      command->words[1] ? command->words[1] : "",
                      *command->operands ? " " : "", command->operands);

    for (option = ctl_options; option->name; option++) {
        text = ctl_command_option(command, option);

        if (text) {
            longer = ctl_printf("%s %s", line, text);
            free(text);
            free(line);
            line = longer;
        }
    }

    return line;
}


ctl_rc_t
ctl_unknown_command(const ctl_t *ctl)
{
    if (ctl->noperands == 0) {
        ctl_error("say what to do: see `cargoctl help`");

    } else {
        ctl_error("there is no command \"%s%s%s\": see `cargoctl help%s%s`",
                  ctl->operands[0], ctl->noperands > 1 ? " " : "",
                  ctl->noperands > 1 ? ctl->operands[1] : "",
                  ctl_command_group(ctl->operands[0]) ? " " : "",
                  ctl_command_group(ctl->operands[0]) ? ctl->operands[0]
                                                      : "");
    }

    return CTL_USAGE;
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


/* "--name TEXT", in brackets unless it is required; NULL: not of this one */

static char *
ctl_command_option(const ctl_command_t *command, const ctl_option_t *option)
{
    int  required;

    if (!(option->bit & command->options & ~CTL_COMMON)
        || (option->of && strcmp(option->of, command->words[0]) != 0))
    {
        return NULL;
    }

    required = (option->bit & command->required) != 0;

    return ctl_printf("%s%s%s%s%s", required ? "" : "[", option->name,
                      option->value ? " " : "",
                      option->value ? option->value : "",
                      required ? "" : "]");
}
