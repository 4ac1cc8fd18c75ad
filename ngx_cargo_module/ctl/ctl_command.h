
/*
 * The commands and options of cargoctl: what the command line is parsed by,
 * and what help, manual page and completion print.
 *
 * Memory: the tables are static; a usage line is the caller's to free.
 *
 * Always true: the tables end with a row of NULLs; rows of one option's name
 * have the same bit, kind and offset, and of these only one fits a command.
 */


#ifndef CTL_COMMAND_H
#define CTL_COMMAND_H


#include "cargoctl.h"

#include <stdint.h>


#define CTL_WORDS     2
#define CTL_ANY       ((size_t) -1)

/* options, as bits */
#define CTL_OPT(n)            (UINT64_C(1) << (n))
#define CTL_OPT_DATABASE      CTL_OPT(0)
#define CTL_OPT_SQL           CTL_OPT(1)
#define CTL_OPT_BLOBS         CTL_OPT(2)
#define CTL_OPT_NAME          CTL_OPT(3)
#define CTL_OPT_EMAIL         CTL_OPT(4)
#define CTL_OPT_SERVICE       CTL_OPT(5)
#define CTL_OPT_REGISTRY      CTL_OPT(6)
#define CTL_OPT_ROLE          CTL_OPT(7)
#define CTL_OPT_DESCRIPTION   CTL_OPT(8)
#define CTL_OPT_SCOPE         CTL_OPT(9)
#define CTL_OPT_CRATE         CTL_OPT(10)
#define CTL_OPT_EXPIRES       CTL_OPT(11)
#define CTL_OPT_TEAM          CTL_OPT(12)
#define CTL_OPT_UNDO          CTL_OPT(13)
#define CTL_OPT_MESSAGE       CTL_OPT(14)
#define CTL_OPT_REASON        CTL_OPT(15)
#define CTL_OPT_FORCE         CTL_OPT(16)
#define CTL_OPT_ACCOUNT       CTL_OPT(17)
#define CTL_OPT_ACTION        CTL_OPT(18)
#define CTL_OPT_SINCE         CTL_OPT(19)
#define CTL_OPT_UNTIL         CTL_OPT(20)
#define CTL_OPT_REFUSED       CTL_OPT(21)
#define CTL_OPT_OWNER         CTL_OPT(22)
#define CTL_OPT_DEPENDENCIES  CTL_OPT(23)
#define CTL_OPT_MAP           CTL_OPT(24)
#define CTL_OPT_LOCK          CTL_OPT(25)
#define CTL_OPT_URL           CTL_OPT(26)
#define CTL_OPT_GRACE         CTL_OPT(27)
#define CTL_OPT_DRY_RUN       CTL_OPT(28)
#define CTL_OPT_QUICK         CTL_OPT(29)
#define CTL_OPT_JSON          CTL_OPT(30)
#define CTL_OPT_QUIET         CTL_OPT(31)
#define CTL_OPT_HELP          CTL_OPT(32)
#define CTL_OPT_VERSION       CTL_OPT(33)
#define CTL_OPT_AT            CTL_OPT(34)
#define CTL_OPT_KEEP          CTL_OPT(35)

#define CTL_OPT_COMMON        (CTL_OPT_DATABASE|CTL_OPT_JSON|CTL_OPT_QUIET)
#define CTL_OPT_GENERAL       (CTL_OPT_COMMON|CTL_OPT_HELP|CTL_OPT_VERSION)


/* in ctl_t: an int, a const char *, a ctl_list_t */
typedef enum {
    CTL_FLAG = 0,
    CTL_VALUE,
    CTL_LIST
} ctl_option_kind_t;

typedef struct {
    const char         *name;
    const char         *value;      /* what the help calls it */
    const char         *environment;
    size_t              offset;
    ctl_option_kind_t   kind;
    uint64_t            bit;
    const char         *of;         /* first words of the commands the row is
                                       for; NULL: any */
    const char         *values;     /* the only ones, for the completion */
    const char         *summary;
} ctl_option_t;

typedef struct {
    const char         *words[CTL_WORDS];
    const char         *operands;
    size_t              min;
    size_t              max;
    uint64_t            options;
    uint64_t            required;
    ctl_rc_t          (*run)(ctl_t *ctl);
    const char         *summary;
} ctl_command_t;


typedef struct {
    const char         *name;
    const char         *standard;
    const char         *summary;
} ctl_setting_t;


extern const ctl_option_t   ctl_options[];
extern const ctl_setting_t  ctl_settings[];
extern const ctl_command_t  ctl_commands[];

/* what they mean, by exit code; ends with NULL */
extern const char *const    ctl_exits[];


/* those that there are, for the completion; NULL: a number */
const char *ctl_setting_values(const ctl_setting_t *setting);

/* the first row of the name; NULL: there is none */
const ctl_option_t *ctl_option_find(const char *name, size_t len);

/* 1 when the row is about an option of the command */
int ctl_option_fits(const ctl_option_t *option, const ctl_command_t *command);

/* 1 when it was given, or its environment variable is set */
int ctl_option_given(const ctl_option_t *option, const ctl_t *ctl);

/* leaves the operands alone in ctl->operands; NULL: there is none */
const ctl_command_t *ctl_command_find(ctl_t *ctl);

/* 1 when commands begin with this word and another one has to follow it */
int ctl_command_group(const char *word);

/* "token create", the caller's to free */
char *ctl_command_words(const ctl_command_t *command);

/* the usage line, without the options that every command has */
char *ctl_command_line(const ctl_command_t *command);

/* CTL_USAGE, said */
ctl_rc_t ctl_unknown_command(const ctl_t *ctl);

ctl_rc_t ctl_help(ctl_t *ctl);
ctl_rc_t ctl_version(ctl_t *ctl);
ctl_rc_t ctl_completion(ctl_t *ctl);
ctl_rc_t ctl_man(ctl_t *ctl);


#endif /* CTL_COMMAND_H */
