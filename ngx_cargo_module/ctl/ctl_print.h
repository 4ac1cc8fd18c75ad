
/*
 * What cargoctl says: sentences, aligned tables, JSON, progress.
 *
 * Always true: nothing printed holds a control character that came from the
 * database or the file system.
 */


#ifndef CTL_PRINT_H
#define CTL_PRINT_H


#include "cargoctl.h"


typedef enum {
    CTL_TEXT = 0,
    CTL_TIME            /* UTC, without seconds */
} ctl_column_kind_t;

typedef struct {
    const char         *key;
    const char         *title;
    ctl_column_kind_t   kind;
} ctl_column_t;


/* on standard error, after "cargoctl: " */
void ctl_error(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* what was done: on standard output, unless --quiet or --json */
void ctl_say(const ctl_t *ctl, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* what goes with a result: on standard error, unless --quiet */
void ctl_note(const ctl_t *ctl, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* replaces the line before; only on a terminal, a few times a second */
void ctl_progress(const ctl_t *ctl, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void ctl_progress_end(void);

void ctl_print_json(const json_t *value);

/* rows: objects; columns end with a NULL key */
void ctl_print_table(const json_t *rows, const ctl_column_t *columns);

/* the table, or the sentence when there are no rows; JSON with --json */
void ctl_print_list(const ctl_t *ctl, const json_t *rows,
    const ctl_column_t *columns, const char *none);

/* a string's text, or "" */
const char *ctl_json_text(const json_t *object, const char *key);

/* CTL_REFUSED, said, when standard output took not all of it */
ctl_rc_t ctl_print_flush(void);

void *ctl_alloc(size_t size);
char *ctl_printf(const char *format, ...)
    __attribute__((format(printf, 1, 2)));


#endif /* CTL_PRINT_H */
