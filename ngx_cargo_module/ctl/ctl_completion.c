
/*
 * completion: a script for bash, made from the tables of commands, options
 * and settings.  It needs bash 4.4 and nothing else.
 */


#include "ctl_command.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl_print.h"


static void ctl_completion_values(void);
static void ctl_completion_options(void);
static void ctl_completion_words(void);
static void ctl_completion_operands(void);
static void ctl_completion_settings(void);
static void ctl_completion_row(const char *pattern, const char *reply,
    const char *words);
static int ctl_option_first(const ctl_option_t *option);
static int ctl_command_first(const ctl_command_t *command);


/*
 * bash takes "=" for a word of its own.  cur is what is being typed, prev the
 * option or setting that it may be the value of, words are those typed before
 * that are neither options nor their values.
 */

static const char  ctl_completion_begin[] =
    "# completion of cargoctl for bash, by `cargoctl completion bash`\n"
    "\n"
    "_cargoctl_words()\n"
    "{\n"
    "    mapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$cur\")\n"
    "}\n"
    "\n"
    "_cargoctl_list()\n"
    "{\n"
    "    local last=${cur##*,}\n"
    "\n"
    "    mapfile -t COMPREPLY < <(compgen -P \"${cur%\"$last\"}\" \\\n"
    "        -W \"$1\" -- \"$last\")\n"
    "}\n"
    "\n"
    "_cargoctl_files()\n"
    "{\n"
    "    compopt -o filenames 2>/dev/null\n"
    "    mapfile -t COMPREPLY < <(compgen \"$1\" -- \"$cur\")\n"
    "}\n"
    "\n"
    "_cargoctl()\n"
    "{\n"
    "    local cur prev equal='' help='' words=() i\n"
    "\n"
    "    COMPREPLY=()\n"
    "    cur=${COMP_WORDS[COMP_CWORD]}\n"
    "    prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
    "\n"
    "    if [[ $cur == = ]]; then\n"
    "        cur='' equal=1\n"
    "    elif [[ $prev == = ]]; then\n"
    "        prev=${COMP_WORDS[COMP_CWORD - 2]} equal=1\n"
    "    fi\n"
    "\n";

static const char  ctl_completion_collect[] =
    "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
    "        case ${COMP_WORDS[i]} in\n"
    "            %s)\n"
    "                [[ ${COMP_WORDS[i + 1]} != = ]] || ((++i))\n"
    "                ((++i)) ;;\n"
    "            -*|=) ;;\n"
    "            help) [[ ${words[*]} ]] && words+=(help) || help=1 ;;\n"
    "            *) words+=(\"${COMP_WORDS[i]}\") ;;\n"
    "        esac\n"
    "    done\n"
    "\n";

static const char  ctl_completion_end[] =
    "}\n"
    "\n"
    "complete -F _cargoctl cargoctl\n";


ctl_rc_t
ctl_completion(ctl_t *ctl)
{
    if (strcmp(ctl->operands[0], "bash") != 0) {
        ctl_error("there is no completion for \"%s\", only for bash",
                  ctl->operands[0]);
        return CTL_USAGE;
    }

    (void) fputs(ctl_completion_begin, stdout);
    ctl_completion_values();
    ctl_completion_settings();
    ctl_completion_options();
    ctl_completion_words();
    ctl_completion_operands();
    (void) fputs(ctl_completion_end, stdout);

    return CTL_DONE;
}


/* what follows an option, and which words do */

static void
ctl_completion_values(void)
{
    char                *pattern, *longer;
    const char          *reply, *words;
    const ctl_option_t  *option;

    pattern = ctl_printf("%s", "");

    for (option = ctl_options; option->name; option++) {
        if (option->kind != CTL_FLAG && ctl_option_first(option)) {
            longer = ctl_printf("%s%s%s", pattern, *pattern ? "|" : "",
                                option->name);
            free(pattern);
            pattern = longer;
        }
    }

    (void) printf(ctl_completion_collect, pattern);
    (void) puts("    case $prev in");

    for (option = ctl_options; option->name; option++) {

        if (option->kind == CTL_FLAG || !ctl_option_first(option)) {
            continue;
        }

        words = option->values;

        if (words) {
            reply = option->kind == CTL_LIST ? "list" : "words";

        } else if (strcmp(option->value, "DIR") == 0) {
            reply = "files";
            words = "-d";

        } else if (strcmp(option->value, "FILE") == 0) {
            reply = "files";
            words = "-f";

        } else {
            continue;
        }

        ctl_completion_row(option->name, reply, words);
    }

    (void) printf("        %s) return ;;\n    esac\n\n", pattern);
    free(pattern);
}


/* "auth-required=" is completed as a setting, and then its value */

static void
ctl_completion_settings(void)
{
    const char           *values;
    const ctl_setting_t  *setting;

    (void) puts("    if [[ ${words[0]} == registry && $equal ]]; then\n"
                "        case $prev in");

    for (setting = ctl_settings; setting->name; setting++) {
        values = ctl_setting_values(setting);

        if (values) {
            ctl_completion_row(setting->name, "words", values);
        }
    }

    (void) puts("        esac\n"
                "        return\n"
                "    fi\n");
}


static void
ctl_completion_options(void)
{
    const ctl_option_t   *option;
    const ctl_command_t  *command;

    (void) puts("    if [[ $cur == -* ]]; then\n"
                "        case \"${words[0]} ${words[1]} \" in");

    for (command = ctl_commands; command->run; command++) {
        (void) printf("        \"%s %s%s\"*)\n"
                      "            _cargoctl_words '--help", command->words[0],
                      command->words[1] ? command->words[1] : "",
                      command->words[1] ? " " : "");

        for (option = ctl_options; option->name; option++) {
            if (ctl_option_fits(option, command)) {
                (void) printf("\n                %s", option->name);
            }
        }

        (void) puts("' ;;");
    }

    (void) puts("        *) _cargoctl_words '--help --version' ;;\n"
                "        esac\n"
                "        return\n"
                "    fi\n");
}


static void
ctl_completion_words(void)
{
    const ctl_command_t  *command, *other;

    (void) printf("    case \"${#words[@]} ${words[0]}\" in\n"
                  "        '0 ')\n"
                  "            _cargoctl_words '");

    for (command = ctl_commands; command->run; command++) {
        if (ctl_command_first(command)) {
            (void) printf("\n                %s", command->words[0]);
        }
    }

    (void) puts("' ;;");

    for (command = ctl_commands; command->run; command++) {

        if (command->words[1] == NULL || !ctl_command_first(command)) {
            continue;
        }

        (void) printf("        '1 %s')\n"
                      "            _cargoctl_words '", command->words[0]);

        for (other = command;
             other->run && strcmp(other->words[0], command->words[0]) == 0;
             other++)
        {
            (void) printf("%s%s", other == command ? "" : " ",
                          other->words[1]);
        }

        (void) puts("' ;;");
    }

    (void) puts("    esac\n"
                "\n"
                "    [[ -z $help ]] || return\n");
}


/* an operand in small letters is the only one there is */

static void
ctl_completion_operands(void)
{
    const char           *operands;
    const ctl_setting_t  *setting;
    const ctl_command_t  *command;

    (void) puts("    case \"${#words[@]} ${words[0]} ${words[1]}\" in");

    for (command = ctl_commands; command->run; command++) {
        operands = command->operands;

        if (command->words[1]) {
            continue;
        }

        if (strcmp(operands, "DIR") == 0) {
            (void) printf("        '1 %s ') _cargoctl_files -d ;;\n",
                          command->words[0]);

        } else if (islower((unsigned char) *operands)) {
            (void) printf("        '1 %s ') _cargoctl_words %s ;;\n",
                          command->words[0], operands);
        }
    }

    (void) printf("        [3-9]*' registry create'|[3-9]*' registry set')\n"
                  "            compopt -o nospace 2>/dev/null\n"
                  "            _cargoctl_words '");

    for (setting = ctl_settings; setting->name; setting++) {
        (void) printf("\n                %s=", setting->name);
    }

    (void) puts("' ;;\n"
                "    esac");
}


static void
ctl_completion_row(const char *pattern, const char *reply, const char *words)
{
    (void) printf("        %s)\n"
                  "            _cargoctl_%s '%s'\n"
                  "            return ;;\n", pattern, reply, words);
}


static int
ctl_option_first(const ctl_option_t *option)
{
    return ctl_option_find(option->name, strlen(option->name)) == option;
}


static int
ctl_command_first(const ctl_command_t *command)
{
    return command == ctl_commands
           || strcmp(command[-1].words[0], command->words[0]) != 0;
}
