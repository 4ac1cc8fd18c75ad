
#include "ctl_command.h"

#include <string.h>


#define CTL_ROLES    "reader publisher maintainer admin"

/* what the functions of SQL write into the audit log */
#define CTL_ACTIONS                                                           \
    "publish yank unyank change_version add_owners remove_owners follow "     \
    "unfollow create_token revoke_token revoke_current_token delete_crate "   \
    "delete_version create_registry set_registry create_account grant_role "  \
    "disable_account enable_account create_team delete_team "                 \
    "add_team_member remove_team_member reserve_name release_name "           \
    "restrict_crate allow_reader deny_reader lift_quarantine import_version " \
    "restore"


const ctl_option_t  ctl_options[] = {

    { "--database", "CONNINFO", "CARGO_DATABASE",
      offsetof(ctl_t, database), CTL_VALUE, CTL_OPT_DATABASE, NULL, NULL,
      "libpq connection string or URI of the owner's database" },

    { "--sql", "DIR", "CARGO_SQL",
      offsetof(ctl_t, sql), CTL_VALUE, CTL_OPT_SQL, NULL, NULL,
      "where migrations/ and functions/ are (" CARGO_SQL_DIR ")" },

    { "--name", "TEXT", NULL,
      offsetof(ctl_t, name), CTL_VALUE, CTL_OPT_NAME, "account", NULL,
      "the person's name, or what the machine is" },

    { "--name", "TEXT", NULL,
      offsetof(ctl_t, name), CTL_VALUE, CTL_OPT_NAME, "token", NULL,
      "what the token is for, to tell it from others later" },

    { "--email", "ADDRESS", NULL,
      offsetof(ctl_t, email), CTL_VALUE, CTL_OPT_EMAIL, NULL, NULL,
      "where the account's owner can be reached" },

    { "--service", NULL, NULL,
      offsetof(ctl_t, service), CTL_FLAG, CTL_OPT_SERVICE, NULL, NULL,
      "the account belongs to a machine, not to a person" },

    { "--registry", "NAME", NULL,
      offsetof(ctl_t, registry), CTL_VALUE, CTL_OPT_REGISTRY, "account", NULL,
      "the registry in which the account or team has the role" },

    { "--registry", "NAME", NULL,
      offsetof(ctl_t, registry), CTL_VALUE, CTL_OPT_REGISTRY, "token", NULL,
      "the only registry that the token opens (all)" },

    { "--registry", "NAME", NULL,
      offsetof(ctl_t, registry), CTL_VALUE, CTL_OPT_REGISTRY, "name", NULL,
      "the only registry in which the name is reserved (all)" },

    { "--registry", "NAME", NULL,
      offsetof(ctl_t, registry), CTL_VALUE, CTL_OPT_REGISTRY, "audit", NULL,
      "only what was done in this registry" },

    { "--registry", "NAME", NULL,
      offsetof(ctl_t, registry), CTL_VALUE, CTL_OPT_REGISTRY,
      "crate owner import export rebuild", NULL,
      "the registry that the crates are in" },

    { "--role", "ROLE", NULL,
      offsetof(ctl_t, role), CTL_VALUE, CTL_OPT_ROLE, NULL, CTL_ROLES " none",
      "reader, publisher, maintainer, admin or none" },

    { "--description", "TEXT", NULL,
      offsetof(ctl_t, description), CTL_VALUE, CTL_OPT_DESCRIPTION, NULL, NULL,
      "who the team is" },

    { "--scope", "SCOPE", NULL,
      offsetof(ctl_t, scopes), CTL_LIST, CTL_OPT_SCOPE, NULL,
      "read publish-new publish-update yank change-owners admin",
      "what the token is good for (all that the account may do): read, "
      "publish-new, publish-update, yank, change-owners, admin; several with "
      "commas, or the option again" },

    { "--crate", "PATTERN", NULL,
      offsetof(ctl_t, crates), CTL_LIST, CTL_OPT_CRATE, "token", NULL,
      "the crates that the token is good for (all): name, or prefix*; "
      "several as above" },

    { "--crate", "NAME", NULL,
      offsetof(ctl_t, crates), CTL_LIST, CTL_OPT_CRATE, "audit", NULL,
      "only what was done to this crate" },

    { "--expires", "WHEN", NULL,
      offsetof(ctl_t, expires), CTL_VALUE, CTL_OPT_EXPIRES, NULL, NULL,
      "days from now (90d) or the last day in UTC (2027-01-31)" },

    { "--team", "NAME", NULL,
      offsetof(ctl_t, team), CTL_VALUE, CTL_OPT_TEAM, NULL, NULL,
      "whose members may create such crates (nobody may)" },

    { "--undo", NULL, NULL,
      offsetof(ctl_t, undo), CTL_FLAG, CTL_OPT_UNDO, NULL, NULL,
      "let new projects choose the version again" },

    { "--message", "TEXT", NULL,
      offsetof(ctl_t, message), CTL_VALUE, CTL_OPT_MESSAGE, NULL, NULL,
      "why it is yanked, for those who look the version up" },

    { "--reason", "TEXT", NULL,
      offsetof(ctl_t, reason), CTL_VALUE, CTL_OPT_REASON, NULL, NULL,
      "why it goes; kept with the names of the deleted" },

    { "--force", NULL, NULL,
      offsetof(ctl_t, force), CTL_FLAG, CTL_OPT_FORCE, "crate", NULL,
      "even when other crates depend on it" },

    { "--force", NULL, NULL,
      offsetof(ctl_t, force), CTL_FLAG, CTL_OPT_FORCE, "restore", NULL,
      "even when blobs are damaged or missing: all but these" },

    { "--account", "LOGIN", NULL,
      offsetof(ctl_t, account), CTL_VALUE, CTL_OPT_ACCOUNT, NULL, NULL,
      "only what this account did; of cargoctl itself, cargoctl:ROLE" },

    { "--action", "ACTION", NULL,
      offsetof(ctl_t, action), CTL_VALUE, CTL_OPT_ACTION, NULL, CTL_ACTIONS,
      "only this: " CTL_ACTIONS },

    { "--since", "WHEN", NULL,
      offsetof(ctl_t, since), CTL_VALUE, CTL_OPT_SINCE, NULL, NULL,
      "from then on: 30m, 12h or 7d ago, or the first day in UTC "
      "(2026-11-01)" },

    { "--until", "WHEN", NULL,
      offsetof(ctl_t, until), CTL_VALUE, CTL_OPT_UNTIL, NULL, NULL,
      "before that: as --since, or the last day in UTC" },

    { "--refused", NULL, NULL,
      offsetof(ctl_t, refused), CTL_FLAG, CTL_OPT_REFUSED, NULL, NULL,
      "only what was refused" },

    { "--owner", "LOGIN", NULL,
      offsetof(ctl_t, owner), CTL_VALUE, CTL_OPT_OWNER, NULL, NULL,
      "the account that publishes, and owns the new crates" },

    { "--blobs", "DIR", "CARGO_BLOBS",
      offsetof(ctl_t, blobs), CTL_VALUE, CTL_OPT_BLOBS, NULL, NULL,
      "the store, what cargo_blobs names in nginx.conf" },

    { "--dependencies", "own|crates-io", NULL,
      offsetof(ctl_t, dependencies), CTL_VALUE, CTL_OPT_DEPENDENCIES, NULL,
      "own crates-io",
      "where those live for which Cargo.toml names no registry: in this "
      "registry, or on crates.io (the default)" },

    { "--map", "URL=own|crates-io|URL", NULL,
      offsetof(ctl_t, map), CTL_LIST, CTL_OPT_MAP, NULL, NULL,
      "where dependencies on crates of the registry URL live from now on; "
      "may be given for several" },

    { "--lock", "FILE", NULL,
      offsetof(ctl_t, lock), CTL_VALUE, CTL_OPT_LOCK, NULL, NULL,
      "a Cargo.lock: only the packages in it" },

    { "--url", "URL", NULL,
      offsetof(ctl_t, url), CTL_VALUE, CTL_OPT_URL, NULL, NULL,
      "where the directory will be served, for its config.json" },

    { "--grace", "TIME", NULL,
      offsetof(ctl_t, grace), CTL_VALUE, CTL_OPT_GRACE, NULL, NULL,
      "spare younger files: 30m, 1h (default), 2d; at least 5m" },

    { "--dry-run", NULL, NULL,
      offsetof(ctl_t, dry_run), CTL_FLAG, CTL_OPT_DRY_RUN, "sweep", NULL,
      "say what would be removed and touch nothing" },

    { "--keep", "N", NULL,
      offsetof(ctl_t, keep), CTL_VALUE, CTL_OPT_KEEP, NULL, NULL,
      "then remove all backups but the newest N (none)" },

    { "--at", "NAME", NULL,
      offsetof(ctl_t, at), CTL_VALUE, CTL_OPT_AT, NULL, NULL,
      "the backup of this name, such as 20261121T093231Z (the newest)" },

    { "--dry-run", NULL, NULL,
      offsetof(ctl_t, dry_run), CTL_FLAG, CTL_OPT_DRY_RUN, "restore", NULL,
      "check all of the backup and restore nothing" },

    { "--dry-run", NULL, NULL,
      offsetof(ctl_t, dry_run), CTL_FLAG, CTL_OPT_DRY_RUN, "import rebuild",
      NULL,
      "check all crates and store nothing" },

    { "--quick", NULL, NULL,
      offsetof(ctl_t, quick), CTL_FLAG, CTL_OPT_QUICK, NULL, NULL,
      "compare sizes only, do not read the files" },

    { "--json", NULL, NULL,
      offsetof(ctl_t, json), CTL_FLAG, CTL_OPT_JSON, NULL, NULL,
      "the result as JSON; messages stay on standard error" },

    { "--quiet", NULL, NULL,
      offsetof(ctl_t, quiet), CTL_FLAG, CTL_OPT_QUIET, NULL, NULL,
      "only errors, and what was asked for" },

    { "--help", NULL, NULL,
      offsetof(ctl_t, help), CTL_FLAG, CTL_OPT_HELP, NULL, NULL,
      "the same as the command help" },

    { "--version", NULL, NULL,
      offsetof(ctl_t, version), CTL_FLAG, CTL_OPT_VERSION, NULL, NULL,
      "the same as the command version" },

    { NULL, NULL, NULL, 0, CTL_FLAG, 0, NULL, NULL, NULL }
};


/* for help and completion alone: which there are is decided by SQL */

const ctl_setting_t  ctl_settings[] = {

    { "auth-required", "off",
      "reading needs a token, too" },

    { "require-description", "on",
      "refuse a publish without a description" },

    { "require-license", "on",
      "refuse a publish without a license or license-file" },

    { "allow-wildcard-dependencies", "off",
      "accept dependencies on any version (\"*\")" },

    { "allow-unknown-dependencies", "off",
      "accept dependencies on crates of this registry that it does not have" },

    { "max-dependencies", "500",
      "of a version, at most" },

    { "max-features", "300",
      "of a version, at most" },

    { "max-keywords", "5",
      "of a version, at most" },

    { "max-categories", "5",
      "of a version, at most" },

    { "description-max", "1000",
      "characters of a description, at most" },

    { "new-crates", "publisher",
      "the role that it takes to publish a new crate" },

    { "quarantine-days", "30",
      "how long nobody may take the name of a deleted crate or version" },

    { NULL, NULL, NULL }
};


const char *
ctl_setting_values(const ctl_setting_t *setting)
{
    if (strcmp(setting->standard, "on") == 0
        || strcmp(setting->standard, "off") == 0)
    {
        return "on off";
    }

    return strcmp(setting->name, "new-crates") ? NULL : CTL_ROLES;
}


const ctl_option_t *
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


int
ctl_option_fits(const ctl_option_t *option, const ctl_command_t *command)
{
    size_t       len;
    const char  *word;

    if (!(option->bit & command->options)) {
        return 0;
    }

    for (word = option->of; word && *word; word += len + (word[len] == ' ')) {
        len = strcspn(word, " ");

        if (strlen(command->words[0]) == len
            && strncmp(command->words[0], word, len) == 0)
        {
            return 1;
        }
    }

    return option->of == NULL;
}


int
ctl_option_given(const ctl_option_t *option, const ctl_t *ctl)
{
    const void  *field;

    field = (const char *) ctl + option->offset;

    switch (option->kind) {

    case CTL_FLAG:
        return *(const int *) field;

    case CTL_VALUE:
        return *(const char *const *) field != NULL;

    case CTL_LIST:
        break;
    }

    return ((const ctl_list_t *) field)->count != 0;
}
