
/*
 * man: the manual page in man(7), of the tables of commands, options and
 * settings and of what is written out here.
 */


#include "ctl_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl_print.h"


/* of what is written out here */
#define CTL_MAN_DATE     "2026-11-21"

#define CTL_MAN_COLUMNS  60


static void ctl_man_commands(void);
static void ctl_man_options(void);
static void ctl_man_option(const ctl_option_t *option);
static void ctl_man_settings(void);
static void ctl_man_environment(void);
static void ctl_man_exits(void);
static void ctl_man_term(const char *name, const char *value);
static void ctl_man_text(const char *text);
static void ctl_man_chars(const char *text, size_t len);


static const char  ctl_man_begin[] =
    ".SH NAME\n"
    "cargoctl \\- administer the registries of ngx_cargo\n"
    ".SH SYNOPSIS\n"
    ".B cargoctl\n"
    ".I COMMAND\n"
    "[\\fIOPERAND\\fR ...] [\\fIOPTION\\fR ...]\n"
    ".SH DESCRIPTION\n"
    "ngx_cargo is a registry of Rust crates inside nginx.\n"
    "Its metadata is in a PostgreSQL database, the crate files are in a\n"
    "directory, the store.\n"
    ".B cargoctl\n"
    "sets up the database, administers registries, accounts, teams, tokens\n"
    "and crates in it, and looks after the store.\n"
    "It works on both directly, so it needs no running nginx, and what it\n"
    "does counts for every nginx within a second.\n"
    ".PP\n"
    "A \\fBprincipal\\fR is the login of an account, or\n"
    ".BI team: NAME\n"
    "for a team, which stands for its members of the day.\n"
    "The role of an account in a registry is the highest of its own and\n"
    "those of its teams.\n"
    "A \\fBreader\\fR reads;\n"
    "a \\fBpublisher\\fR also publishes new crates, and new versions of its\n"
    "own;\n"
    "a \\fBmaintainer\\fR also yanks any version, and sees restricted crates;\n"
    "an \\fBadmin\\fR may do everything.\n"
    ".PP\n"
    "A \\fBpattern\\fR is the name of a crate, or the beginning of names and\n"
    "an asterisk.\n"
    "Names are compared as cargo does, without regard to case and to\n"
    "hyphen or underscore.\n"
    ".PP\n"
    "Results go to standard output, all else to standard error.\n"
    "Options may stand anywhere;\n"
    ".B \\-\\-\n"
    "ends them.\n";

static const char  ctl_man_end[] =
    ".SH EXAMPLES\n"
    "A new registry, private, with a team that publishes:\n"
    ".PP\n"
    ".EX\n"
    "cargoctl migrate\n"
    "cargoctl registry create main auth\\-required=on\n"
    "cargoctl account create alice \\-\\-name \\(dqAlice A.\\(dq\n"
    "cargoctl team create core\n"
    "cargoctl team add core alice\n"
    "cargoctl account grant team:core \\-\\-registry main "
    "\\-\\-role publisher\n"
    ".EE\n"
    ".PP\n"
    "A token for a CI that publishes new versions of some crates, for a\n"
    "year:\n"
    ".PP\n"
    ".EX\n"
    "cargoctl account create ci \\-\\-service \\-\\-registry main "
    "\\-\\-role publisher\n"
    "cargoctl token create ci \\-\\-name release \\-\\-expires 365d \\e\n"
    "    \\-\\-scope read,publish\\-update \\-\\-crate \\(aqacme\\-*\\(aq\n"
    ".EE\n"
    ".PP\n"
    "Names that only this team may create, and a crate that only it sees:\n"
    ".PP\n"
    ".EX\n"
    "cargoctl name reserve \\(aqacme\\-*\\(aq \\-\\-team core\n"
    "cargoctl crate restrict acme\\-keys \\-\\-registry main\n"
    "cargoctl crate allow acme\\-keys team:core \\-\\-registry main\n"
    ".EE\n"
    ".PP\n"
    "What was refused in the last day, for a program:\n"
    ".PP\n"
    ".EX\n"
    "cargoctl audit \\-\\-since 1d \\-\\-refused \\-\\-json\n"
    ".EE\n"
    ".PP\n"
    "A backup every night, and the newest one into a new database:\n"
    ".PP\n"
    ".EX\n"
    "cargoctl backup /var/backups/cargo\\-registry \\-\\-keep 14\n"
    "cargoctl restore /var/backups/cargo\\-registry\n"
    ".EE\n"
    ".SH SEE ALSO\n"
    ".BR cargo (1),\n"
    ".BR pg_dump (1),\n"
    ".BR psql (1),\n"
    ".BR nginx (8)\n";


ctl_rc_t
ctl_man(ctl_t *ctl)
{
    (void) ctl;
    (void) printf(".TH CARGOCTL 8 %s \"cargoctl %s\" \"ngx_cargo\"\n",
                  CTL_MAN_DATE, CARGO_VERSION);
    (void) fputs(ctl_man_begin, stdout);

    ctl_man_commands();
    ctl_man_options();
    ctl_man_settings();
    ctl_man_environment();
    ctl_man_exits();

    (void) puts(".SH FILES\n"
                ".TP");
    ctl_man_term(CARGO_SQL_DIR, NULL);
    (void) puts("migrations and functions that\n"
                ".B cargoctl migrate\n"
                "brings the database up to date with");
    (void) fputs(ctl_man_end, stdout);

    return CTL_DONE;
}


static void
ctl_man_commands(void)
{
    char                 *line;
    const ctl_command_t  *command;

    (void) puts(".SH COMMANDS");

    for (command = ctl_commands; command->run; command++) {
        line = ctl_command_line(command);

        (void) puts(".TP");
        ctl_man_term(line + sizeof("cargoctl ") - 1, NULL);
        ctl_man_text(command->summary);

        free(line);
    }
}


static void
ctl_man_options(void)
{
    const char          *name;
    const ctl_option_t  *option;

    (void) puts(".SH OPTIONS");

    for (name = "", option = ctl_options; option->name; option++) {

        if (strcmp(name, option->name) != 0) {
            (void) puts(".TP");
            ctl_man_term(option->name, option->value);

        } else {
            (void) puts(".IP");
        }

        name = option->name;
        ctl_man_option(option);
    }
}


static void
ctl_man_option(const ctl_option_t *option)
{
    const char  *word;

    if (option->of) {
        (void) printf("(");

        for (word = option->of; *word; word++) {
            (void) printf("%s%c", *word == ' ' ? "," : "", *word);
        }

        (void) printf(") ");
    }

    ctl_man_text(option->summary);
}


static void
ctl_man_settings(void)
{
    char                 *line;
    const ctl_setting_t  *setting;

    (void) puts(".SH SETTINGS\n"
                "Of a registry, for\n"
                ".B registry create\n"
                "and\n"
                ".BR \"registry set\" ,\n"
                "with their defaults:");

    for (setting = ctl_settings; setting->name; setting++) {
        line = ctl_printf("%s=%s", setting->name, setting->standard);

        (void) puts(".TP");
        ctl_man_term(line, NULL);
        ctl_man_text(setting->summary);

        free(line);
    }
}


static void
ctl_man_environment(void)
{
    const ctl_option_t  *option;

    (void) puts(".SH ENVIRONMENT");

    for (option = ctl_options; option->name; option++) {
        if (option->environment) {
            (void) puts(".TP");
            ctl_man_term(option->environment, NULL);
            (void) puts("in place of");
            ctl_man_term(option->name, NULL);
        }
    }

    (void) puts(".TP\n"
                ".BR PGHOST \", \" PGDATABASE \", \" PGUSER \", \" PGPASSFILE "
                "\" ...\"\n"
                "count when there is no connection string, as for every "
                "program that uses\n"
                "libpq; they are the better place for a password");
}


static void
ctl_man_exits(void)
{
    size_t  i;

    (void) puts(".SH EXIT STATUS");

    for (i = 0; ctl_exits[i]; i++) {
        (void) printf(".TP\n"
                      ".B %zu\n", i);
        ctl_man_text(ctl_exits[i]);
    }
}


/* a line that is a macro call */

static void
ctl_man_term(const char *name, const char *value)
{
    (void) printf(value ? ".BI \"" : ".B \"");
    ctl_man_chars(name, strlen(name));

    if (value) {
        (void) printf("\" \" ");
        ctl_man_chars(value, strlen(value));
    }

    (void) puts("\"");
}


/* lines of a few words each, and none that looks like a macro call */

static void
ctl_man_text(const char *text)
{
    size_t  len, column;

    for (column = 0; *text; text += len + (text[len] == ' ')) {
        len = strcspn(text, " ");

        if (column) {
            (void) putchar(column + len > CTL_MAN_COLUMNS ? '\n' : ' ');
            column = (column + len > CTL_MAN_COLUMNS) ? 0 : column;
        }

        if (*text == '.' || *text == '\'') {
            (void) fputs("\\&", stdout);
        }

        ctl_man_chars(text, len);
        column += len + 1;
    }

    (void) putchar('\n');
}


/* characters that troff would take for something else */

static void
ctl_man_chars(const char *text, size_t len)
{
    for ( /* void */ ; len; text++, len--) {
        switch (*text) {

        case '-':
            (void) fputs("\\-", stdout);
            break;

        case '\\':
            (void) fputs("\\e", stdout);
            break;

        case '`':
            (void) fputs("\\(ga", stdout);
            break;

        case '\'':
            (void) fputs("\\(aq", stdout);
            break;

        case '"':
            (void) fputs("\\(dq", stdout);
            break;

        default:
            (void) putchar(*text);
        }
    }
}
