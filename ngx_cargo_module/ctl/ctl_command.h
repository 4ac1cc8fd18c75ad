
/*
 * The commands and options of cargoctl: what the command line is parsed by,
 * and what the help prints.
 *
 * Memory: the tables are static; a usage line is the caller's to free.
 *
 * Always true: both tables end with a row of NULLs; rows of one option's name
 * have the same bit, value and offset.
 */


#ifndef CTL_COMMAND_H
#define CTL_COMMAND_H


#include "cargoctl.h"


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
#define CTL_VERSION   0x8000

#define CTL_COMMON    (CTL_DATABASE|CTL_JSON|CTL_QUIET)
#define CTL_GENERAL   (CTL_COMMON|CTL_HELP|CTL_VERSION)


typedef struct {
    const char     *name;
    const char     *value;      /* NULL: the option takes none */
    const char     *environment;
    size_t          offset;     /* in ctl_t, const char * or int */
    unsigned        bit;
    const char     *of;         /* first word of the commands the text is for */
    const char     *summary;
} ctl_option_t;

typedef struct {
    const char     *words[CTL_WORDS];
    const char     *operands;
    size_t          min;
    size_t          max;
    unsigned        options;
    unsigned        required;   /* for the usage line: run() checks it */
    ctl_rc_t      (*run)(ctl_t *ctl);
    const char     *summary;
} ctl_command_t;


extern const ctl_option_t   ctl_options[];
extern const ctl_command_t  ctl_commands[];


/* leaves the operands alone in ctl->operands; NULL: there is none */
const ctl_command_t *ctl_command_find(ctl_t *ctl);

/* 1 when commands begin with this word and another one has to follow it */
int ctl_command_group(const char *word);

/* the usage line, without the options that every command has */
char *ctl_command_line(const ctl_command_t *command);

/* CTL_USAGE, said */
ctl_rc_t ctl_unknown_command(const ctl_t *ctl);

ctl_rc_t ctl_help(ctl_t *ctl);
ctl_rc_t ctl_version(ctl_t *ctl);


#endif /* CTL_COMMAND_H */
