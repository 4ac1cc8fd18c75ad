
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
    CTL_ALL,            /* null: no limit */
    CTL_TIME,           /* UTC, without seconds */
    CTL_SECONDS         /* UTC, with them */
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

/* what was done, or what the database answered with --json; drops body */
void ctl_answer(const ctl_t *ctl, json_t *body, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* replaces the line before; only on a terminal, a few times a second */
void ctl_progress(const ctl_t *ctl, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void ctl_progress_end(void);

void ctl_print_json(const json_t *value);

/*
 * A table, or the sentence when there are no rows; JSON with --json.  Rows
 * are objects, columns end with a NULL key.
 */
void ctl_print_list(const ctl_t *ctl, const json_t *rows,
    const ctl_column_t *columns, const char *none);

/*
 * A page of a table: widths has a number for each column, at first all 0,
 * when the titles are printed; it grows, so that pages are aligned alike.
 */
void ctl_print_page(const json_t *rows, const ctl_column_t *columns,
    size_t *widths);

/* a row alone, a line for each column */
void ctl_print_object(const json_t *row, const ctl_column_t *columns);

/* a string's text, or "" */
const char *ctl_json_text(const json_t *object, const char *key);

/* the strings of an array joined, the caller's to free; "" when it is none */
char *ctl_json_words(const json_t *array, const char *separator);

/* the first five of them, and how many there are more */
char *ctl_json_some(const json_t *array);

/* CTL_REFUSED, said, when standard output took not all of it */
ctl_rc_t ctl_print_flush(void);

/* 1 when nobody reads standard output any more; the rest of it is dropped */
int ctl_print_closed(void);

void *ctl_alloc(size_t size);
void *ctl_realloc(void *p, size_t size);
char *ctl_printf(const char *format, ...)
    __attribute__((format(printf, 1, 2)));


#endif /* CTL_PRINT_H */
