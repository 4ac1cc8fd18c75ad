
#include "ctl_command.h"

#include <stdlib.h>
#include <string.h>

#include "ctl_print.h"


static size_t ctl_command_given(const ctl_command_t *command,
    const ctl_t *ctl);
static char *ctl_command_option(const ctl_command_t *command,
    const ctl_option_t *option);


const ctl_command_t  ctl_commands[] = {

    { { "migrate", NULL }, "", 0, 0,
      CTL_OPT_COMMON|CTL_OPT_SQL,
      0, ctl_migrate,
      "set up a database, or bring it up to date" },

    { { "registry", "create" }, "NAME [KEY=VALUE ...]", 1, CTL_ANY,
      CTL_OPT_COMMON,
      0, ctl_registry_create,
      "make a registry" },

    { { "registry", "list" }, "", 0, 0,
      CTL_OPT_COMMON,
      0, ctl_registry_list,
      "show all registries and their settings" },

    { { "registry", "set" }, "NAME KEY=VALUE ...", 2, CTL_ANY,
      CTL_OPT_COMMON,
      0, ctl_registry_set,
      "change settings of a registry" },

    { { "account", "create" }, "LOGIN", 1, 1,
      CTL_OPT_COMMON|CTL_OPT_NAME|CTL_OPT_EMAIL|CTL_OPT_SERVICE|
      CTL_OPT_REGISTRY|CTL_OPT_ROLE,
      0, ctl_account_create,
      "make an account, with a role in a registry or without" },

    { { "account", "list" }, "", 0, 0,
      CTL_OPT_COMMON,
      0, ctl_account_list,
      "show all accounts and their roles" },

    { { "account", "grant" }, "LOGIN|team:NAME", 1, 1,
      CTL_OPT_COMMON|CTL_OPT_REGISTRY|CTL_OPT_ROLE,
      CTL_OPT_REGISTRY|CTL_OPT_ROLE, ctl_account_grant,
      "give an account or a team another role in a registry" },

    { { "account", "disable" }, "LOGIN", 1, 1,
      CTL_OPT_COMMON,
      0, ctl_account_disable,
      "refuse all tokens of an account, until it is enabled" },

    { { "account", "enable" }, "LOGIN", 1, 1,
      CTL_OPT_COMMON,
      0, ctl_account_enable,
      "let a disabled account in again" },

    { { "team", "create" }, "TEAM", 1, 1,
      CTL_OPT_COMMON|CTL_OPT_DESCRIPTION,
      0, ctl_team_create,
      "make a team; as team:TEAM it can have roles and own crates" },

    { { "team", "list" }, "", 0, 0,
      CTL_OPT_COMMON,
      0, ctl_team_list,
      "show all teams, their members and roles" },

    { { "team", "add" }, "TEAM LOGIN", 2, 2,
      CTL_OPT_COMMON,
      0, ctl_team_add,
      "make an account a member of a team" },

    { { "team", "remove" }, "TEAM LOGIN", 2, 2,
      CTL_OPT_COMMON,
      0, ctl_team_remove,
      "end the membership of an account in a team" },

    { { "team", "delete" }, "TEAM", 1, 1,
      CTL_OPT_COMMON,
      0, ctl_team_delete,
      "remove a team, and with it the roles of its members" },

    { { "token", "create" }, "LOGIN", 1, 1,
      CTL_OPT_COMMON|CTL_OPT_NAME|CTL_OPT_REGISTRY|CTL_OPT_SCOPE|CTL_OPT_CRATE|
      CTL_OPT_EXPIRES,
      CTL_OPT_NAME, ctl_token_create,
      "make a token and print its text, once" },

    { { "token", "list" }, "[LOGIN]", 0, 1,
      CTL_OPT_COMMON,
      0, ctl_token_list,
      "show all tokens, or those of an account" },

    { { "token", "revoke" }, "ID", 1, 1,
      CTL_OPT_COMMON,
      0, ctl_token_revoke,
      "refuse a token from now on" },

    { { "name", "reserve" }, "PATTERN", 1, 1,
      CTL_OPT_COMMON|CTL_OPT_REGISTRY|CTL_OPT_TEAM,
      0, ctl_name_reserve,
      "let only a team create crates of this name, or prefix*" },

    { { "name", "release" }, "PATTERN", 1, 1,
      CTL_OPT_COMMON|CTL_OPT_REGISTRY,
      0, ctl_name_release,
      "take a reservation back" },

    { { "name", "list" }, "", 0, 0,
      CTL_OPT_COMMON|CTL_OPT_REGISTRY,
      0, ctl_name_list,
      "show the names that are reserved, and for whom" },

    { { "crate", "list" }, "", 0, 0,
      CTL_OPT_COMMON|CTL_OPT_REGISTRY,
      CTL_OPT_REGISTRY, ctl_crate_list,
      "show all crates of a registry" },

    { { "crate", "show" }, "CRATE", 1, 1,
      CTL_OPT_COMMON|CTL_OPT_REGISTRY,
      CTL_OPT_REGISTRY, ctl_crate_show,
      "show a crate, its owners and who may read it" },

    { { "crate", "restrict" }, "CRATE", 1, 1,
      CTL_OPT_COMMON|CTL_OPT_REGISTRY,
      CTL_OPT_REGISTRY, ctl_crate_restrict,
      "hide a crate from all but its owners and those allowed" },

    { { "crate", "open" }, "CRATE", 1, 1,
      CTL_OPT_COMMON|CTL_OPT_REGISTRY,
      CTL_OPT_REGISTRY, ctl_crate_open,
      "show a restricted crate to all readers again" },

    { { "crate", "allow" }, "CRATE LOGIN|team:NAME", 2, 2,
      CTL_OPT_COMMON|CTL_OPT_REGISTRY,
      CTL_OPT_REGISTRY, ctl_crate_allow,
      "let an account or a team read a restricted crate" },

    { { "crate", "deny" }, "CRATE LOGIN|team:NAME", 2, 2,
      CTL_OPT_COMMON|CTL_OPT_REGISTRY,
      CTL_OPT_REGISTRY, ctl_crate_deny,
      "take that back" },

    { { "crate", "yank" }, "CRATE VERSION", 2, 2,
      CTL_OPT_COMMON|CTL_OPT_REGISTRY|CTL_OPT_UNDO|CTL_OPT_MESSAGE,
      CTL_OPT_REGISTRY, ctl_crate_yank,
      "keep new projects from choosing a version" },

    { { "crate", "delete" }, "CRATE [VERSION]", 1, 2,
      CTL_OPT_COMMON|CTL_OPT_REGISTRY|CTL_OPT_REASON|CTL_OPT_FORCE,
      CTL_OPT_REGISTRY|CTL_OPT_REASON, ctl_crate_delete,
      "remove a crate, or one version of it, for good" },

    { { "crate", "deletions" }, "", 0, 0,
      CTL_OPT_COMMON|CTL_OPT_REGISTRY,
      CTL_OPT_REGISTRY, ctl_crate_deletions,
      "show what was deleted, by whom, why" },

    { { "crate", "release" }, "CRATE [VERSION]", 1, 2,
      CTL_OPT_COMMON|CTL_OPT_REGISTRY,
      CTL_OPT_REGISTRY, ctl_crate_release,
      "let the name of what was deleted be taken before its time" },

    { { "owner", "list" }, "CRATE", 1, 1,
      CTL_OPT_COMMON|CTL_OPT_REGISTRY,
      CTL_OPT_REGISTRY, ctl_owner_list,
      "show the owners of a crate" },

    { { "owner", "add" }, "CRATE LOGIN|team:NAME ...", 2, CTL_ANY,
      CTL_OPT_COMMON|CTL_OPT_REGISTRY,
      CTL_OPT_REGISTRY, ctl_owner_add,
      "make accounts and teams owners of a crate" },

    { { "owner", "remove" }, "CRATE LOGIN|team:NAME ...", 2, CTL_ANY,
      CTL_OPT_COMMON|CTL_OPT_REGISTRY,
      CTL_OPT_REGISTRY, ctl_owner_remove,
      "make them owners no more; one has to stay" },

    { { "audit", NULL }, "", 0, 0,
      CTL_OPT_COMMON|CTL_OPT_REGISTRY|CTL_OPT_ACCOUNT|CTL_OPT_CRATE|
      CTL_OPT_ACTION|CTL_OPT_SINCE|CTL_OPT_UNTIL|CTL_OPT_REFUSED,
      0, ctl_audit,
      "show what was done and what was refused, oldest first" },

    { { "import", NULL }, "DIR", 1, 1,
      CTL_OPT_COMMON|CTL_OPT_REGISTRY|CTL_OPT_OWNER|CTL_OPT_BLOBS|
      CTL_OPT_DEPENDENCIES|CTL_OPT_MAP|CTL_OPT_DRY_RUN,
      CTL_OPT_REGISTRY|CTL_OPT_OWNER|CTL_OPT_BLOBS, ctl_import,
      "publish the .crate files of a directory, mirror or export" },

    { { "export", NULL }, "DIR", 1, 1,
      CTL_OPT_COMMON|CTL_OPT_REGISTRY|CTL_OPT_BLOBS|CTL_OPT_LOCK|CTL_OPT_URL,
      CTL_OPT_REGISTRY|CTL_OPT_BLOBS, ctl_export,
      "write a registry as a directory that cargo reads offline" },

    { { "backup", NULL }, "DIR", 1, 1,
      CTL_OPT_COMMON|CTL_OPT_BLOBS|CTL_OPT_KEEP,
      CTL_OPT_BLOBS, ctl_backup,
      "add the database and its blobs to a directory of backups" },

    { { "restore", NULL }, "DIR", 1, 1,
      CTL_OPT_COMMON|CTL_OPT_SQL|CTL_OPT_BLOBS|CTL_OPT_AT|CTL_OPT_FORCE|
      CTL_OPT_DRY_RUN,
      CTL_OPT_BLOBS, ctl_restore,
      "put a backup into an empty database and a store" },

    { { "rebuild", NULL }, "[INDEX]", 0, 1,
      CTL_OPT_COMMON|CTL_OPT_REGISTRY|CTL_OPT_OWNER|CTL_OPT_BLOBS|
      CTL_OPT_DEPENDENCIES|CTL_OPT_MAP|CTL_OPT_DRY_RUN,
      CTL_OPT_REGISTRY|CTL_OPT_OWNER|CTL_OPT_BLOBS, ctl_rebuild,
      "make a lost registry anew of its blobs and an exported index" },

    { { "sweep", NULL }, "", 0, 0,
      CTL_OPT_COMMON|CTL_OPT_BLOBS|CTL_OPT_GRACE|CTL_OPT_DRY_RUN,
      CTL_OPT_BLOBS, ctl_sweep,
      "remove blobs that no version refers to" },

    { { "check", NULL }, "", 0, 0,
      CTL_OPT_COMMON|CTL_OPT_BLOBS|CTL_OPT_QUICK,
      CTL_OPT_BLOBS, ctl_check,
      "compare the blob of every version with what was published" },

    { { "completion", NULL }, "bash", 1, 1,
      0,
      0, ctl_completion,
      "print the completion of these commands for a shell" },

    { { "man", NULL }, "", 0, 0,
      0,
      0, ctl_man,
      "print the manual page, for man(1)" },

    { { "help", NULL }, "[COMMAND]", 0, CTL_WORDS,
      0,
      0, ctl_help,
      "show this, or a command and its options" },

    { { "version", NULL }, "", 0, 0,
      0,
      0, ctl_version,
      "show the version" },

    { { NULL, NULL }, NULL, 0, 0, 0, 0, NULL, NULL }
};


const ctl_command_t *
ctl_command_find(ctl_t *ctl)
{
    size_t                words;
    const ctl_command_t  *command;

    for (command = ctl_commands; command->run; command++) {
        words = ctl_command_given(command, ctl);

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
ctl_command_words(const ctl_command_t *command)
{
    return ctl_printf("%s%s%s", command->words[0],
                      command->words[1] ? " " : "",
                      command->words[1] ? command->words[1] : "");
}


char *
ctl_command_line(const ctl_command_t *command)
{
    char                *line, *longer, *text;
    const ctl_option_t  *option;

    text = ctl_command_words(command);
    line = ctl_printf("cargoctl %s%s%s", text, *command->operands ? " " : "",
                      command->operands);
    free(text);

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
ctl_command_given(const ctl_command_t *command, const ctl_t *ctl)
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

    if ((option->bit & CTL_OPT_COMMON) || !ctl_option_fits(option, command)) {
        return NULL;
    }

    required = (option->bit & command->required) != 0;

    return ctl_printf("%s%s%s%s%s", required ? "" : "[", option->name,
                      option->value ? " " : "",
                      option->value ? option->value : "",
                      required ? "" : "]");
}
