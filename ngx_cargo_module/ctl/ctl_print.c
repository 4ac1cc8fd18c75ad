
#include "ctl_print.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>


#define CTL_PROGRESS_NS  200000000L

/* as many of a list as a sentence can name */
#define CTL_SOME         5


static void ctl_print_line(FILE *out, const char *prefix, const char *format,
    va_list args);
static void ctl_print_table(const json_t *rows, const ctl_column_t *columns);
static char *ctl_vprintf(const char *format, va_list args);
static char *ctl_cell(const json_t *row, const ctl_column_t *column);
static char *ctl_cell_pairs(json_t *object);
static void ctl_print_cell(const char *text, size_t width, int last);
static size_t ctl_text_width(const char *text);
static void ctl_make_printable(char *text, int lines);


static int  ctl_progress_shown;


void
ctl_error(const char *format, ...)
{
    va_list  args;

    va_start(args, format);
    ctl_print_line(stderr, "cargoctl: ", format, args);
    va_end(args);
}


void
ctl_say(const ctl_t *ctl, const char *format, ...)
{
    va_list  args;

    if (ctl->quiet || ctl->json) {
        return;
    }

    va_start(args, format);
    ctl_print_line(stdout, "", format, args);
    va_end(args);
}


void
ctl_note(const ctl_t *ctl, const char *format, ...)
{
    va_list  args;

    if (ctl->quiet) {
        return;
    }

    va_start(args, format);
    ctl_print_line(stderr, "", format, args);
    va_end(args);
}


void
ctl_answer(const ctl_t *ctl, json_t *body, const char *format, ...)
{
    va_list  args;

    if (ctl->json) {
        ctl_print_json(body);

    } else if (!ctl->quiet) {
        va_start(args, format);
        ctl_print_line(stdout, "", format, args);
        va_end(args);
    }

    json_decref(body);
}


void
ctl_progress(const ctl_t *ctl, const char *format, ...)
{
    va_list                 args;
    struct timespec         now;
    static struct timespec  last;

    if (ctl->quiet || !isatty(STDERR_FILENO)) {
        return;
    }

    (void) clock_gettime(CLOCK_MONOTONIC, &now);

    if (now.tv_sec - last.tv_sec < 2
        && (now.tv_sec - last.tv_sec) * 1000000000L
           + now.tv_nsec - last.tv_nsec < CTL_PROGRESS_NS)
    {
        return;
    }

    last = now;
    ctl_progress_shown = 1;

    (void) fputs("\r\033[K", stderr);

    va_start(args, format);
    (void) vfprintf(stderr, format, args);
    va_end(args);

    (void) fflush(stderr);
}


void
ctl_progress_end(void)
{
    if (ctl_progress_shown) {
        (void) fputs("\r\033[K", stderr);
        ctl_progress_shown = 0;
    }
}


void
ctl_print_json(const json_t *value)
{
    (void) json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
    (void) putchar('\n');
}


void
ctl_print_page(const json_t *rows, const ctl_column_t *columns, size_t *widths)
{
    int       titles;
    char    **cells, *cell;
    size_t    nrows, ncolumns, row, column;

    titles = (widths[0] == 0);
    nrows = json_array_size(rows) + (size_t) titles;

    for (ncolumns = 0; columns[ncolumns].key; ncolumns++) { /* void */ }

    cells = ctl_alloc(nrows * ncolumns * sizeof(char *));

    for (row = 0; row < nrows; row++) {
        for (column = 0; column < ncolumns; column++) {

            cell = (titles && row == 0)
                   ? ctl_printf("%s", columns[column].title)
                   : ctl_cell(json_array_get(rows, row - (size_t) titles),
                              &columns[column]);

            if (ctl_text_width(cell) > widths[column]) {
                widths[column] = ctl_text_width(cell);
            }

            cells[row * ncolumns + column] = cell;
        }
    }

    for (row = 0; row < nrows; row++) {
        for (column = 0; column < ncolumns; column++) {
            cell = cells[row * ncolumns + column];
            ctl_print_cell(cell, widths[column], column == ncolumns - 1);
            free(cell);
        }
    }

    free(cells);
}


void
ctl_print_list(const ctl_t *ctl, const json_t *rows,
    const ctl_column_t *columns, const char *none)
{
    if (ctl->json) {
        ctl_print_json(rows);

    } else if (json_array_size(rows) == 0) {
        ctl_note(ctl, "%s", none);

    } else {
        ctl_print_table(rows, columns);
    }
}


static void
ctl_print_table(const json_t *rows, const ctl_column_t *columns)
{
    size_t  n, *widths;

    n = 0;

    do {
        n++;
    } while (columns[n].key);

    widths = ctl_alloc(n * sizeof(size_t));
    memset(widths, 0, n * sizeof(size_t));

    ctl_print_page(rows, columns, widths);
    free(widths);
}


void
ctl_print_object(const json_t *row, const ctl_column_t *columns)
{
    char                *cell;
    size_t               width;
    const ctl_column_t  *column;

    for (width = 0, column = columns; column->key; column++) {
        if (strlen(column->title) > width) {
            width = strlen(column->title);
        }
    }

    for (column = columns; column->key; column++) {
        cell = ctl_cell(row, column);
        ctl_print_cell(column->title, width, 0);
        ctl_print_cell(cell, 0, 1);
        free(cell);
    }
}


const char *
ctl_json_text(const json_t *object, const char *key)
{
    const char  *text;

    text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}


char *
ctl_json_words(const json_t *array, const char *separator)
{
    char    *text, *longer;
    size_t   i;
    json_t  *value;

    text = ctl_printf("%s", "");

    json_array_foreach (array, i, value) {
        longer = ctl_printf("%s%s%s", text, *text ? separator : "",
                            json_string_value(value));
        free(text);
        text = longer;
    }

    return text;
}


char *
ctl_json_some(const json_t *array)
{
    char    *text, *longer;
    size_t   n;
    json_t  *some;

    some = json_array();

    for (n = 0; n < CTL_SOME && n < json_array_size(array); n++) {
        json_array_append(some, json_array_get(array, n));
    }

    text = ctl_json_words(some, ", ");
    json_decref(some);

    if (n < json_array_size(array)) {
        longer = ctl_printf("%s and %zu more", text,
                            json_array_size(array) - n);
        free(text);
        text = longer;
    }

    return text;
}


ctl_rc_t
ctl_print_flush(void)
{
    int  rc;

    errno = 0;
    rc = fflush(stdout);

    if (rc == 0 && !ferror(stdout)) {
        return CTL_DONE;
    }

    ctl_error("standard output did not take the result: %s; what was done "
              "stays done", errno ? strerror(errno) : "is there space left?");

    return CTL_REFUSED;
}


/* a write that failed earlier has left no errno, so the pipe is asked */

int
ctl_print_closed(void)
{
    struct pollfd  out;

    (void) fflush(stdout);

    out.fd = STDOUT_FILENO;
    out.events = POLLOUT;
    out.revents = 0;

    if (!ferror(stdout) || poll(&out, 1, 0) != 1 || !(out.revents & POLLERR)) {
        return 0;
    }

    __fpurge(stdout);
    clearerr(stdout);

    return 1;
}


void *
ctl_alloc(size_t size)
{
    return ctl_realloc(NULL, size);
}


void *
ctl_realloc(void *p, size_t size)
{
    p = realloc(p, size ? size : 1);
    if (p == NULL) {
        ctl_error("out of memory (%zu bytes wanted)", size);
        exit(CTL_FAILED);
    }

    return p;
}


char *
ctl_printf(const char *format, ...)
{
    char     *text;
    va_list   args;

    va_start(args, format);
    text = ctl_vprintf(format, args);
    va_end(args);

    return text;
}


static void
ctl_print_line(FILE *out, const char *prefix, const char *format, va_list args)
{
    char  *text;

    text = ctl_vprintf(format, args);

    ctl_make_printable(text, 1);
    ctl_progress_end();

    (void) fprintf(out, "%s%s\n", prefix, text);

    free(text);
}


static char *
ctl_vprintf(const char *format, va_list args)
{
    int       n;
    char     *text;
    va_list   again;

    va_copy(again, args);
    n = vsnprintf(NULL, 0, format, again);
    va_end(again);

    text = ctl_alloc(n < 0 ? 1 : (size_t) n + 1);
    text[0] = '\0';

    if (n > 0) {
        (void) vsnprintf(text, (size_t) n + 1, format, args);
    }

    return text;
}


static char *
ctl_cell(const json_t *row, const ctl_column_t *column)
{
    char    *text;
    json_t  *value;

    value = json_object_get(row, column->key);

    if (json_is_integer(value)) {
        return ctl_printf("%lld", (long long) json_integer_value(value));
    }

    if (json_is_object(value)) {
        return ctl_cell_pairs(value);
    }

    if (json_array_size(value)) {
        text = ctl_json_words(value, " ");
        ctl_make_printable(text, 0);
        return text;
    }

    if (json_is_boolean(value)) {
        return ctl_printf("%s", json_is_true(value) ? "yes" : "no");
    }

    if (!json_is_string(value)) {
        return ctl_printf("%s", column->kind == CTL_ALL ? "all" : "-");
    }

    text = ctl_printf("%s", json_string_value(value));
    ctl_make_printable(text, 0);

    /* "2026-11-21T03:37:35.1+00:00" */
    if ((column->kind == CTL_TIME || column->kind == CTL_SECONDS)
        && strlen(text) > 19 && text[10] == 'T')
    {
        text[10] = ' ';
        text[column->kind == CTL_TIME ? 16 : 19] = '\0';
    }

    return text;
}


/* {"main": "reader", "test": "admin"}: "main:reader test:admin" */

static char *
ctl_cell_pairs(json_t *object)
{
    char        *text, *longer;
    json_t      *value;
    const char  *key;

    text = ctl_printf("%s", json_object_size(object) ? "" : "-");

    json_object_foreach (object, key, value) {
        longer = ctl_printf("%s%s%s:%s", text, *text ? " " : "", key,
                            ctl_json_text(object, key));
        free(text);
        text = longer;
    }

    ctl_make_printable(text, 0);

    return text;
}


static void
ctl_print_cell(const char *text, size_t width, int last)
{
    size_t  have;

    (void) fputs(text, stdout);

    if (last) {
        (void) putchar('\n');
        return;
    }

    for (have = ctl_text_width(text); have < width + 2; have++) {
        (void) putchar(' ');
    }
}


static size_t
ctl_text_width(const char *text)
{
    size_t  n;

    for (n = 0; *text; text++) {
        n += ((unsigned char) *text & 0xc0) != 0x80;
    }

    return n;
}


static void
ctl_make_printable(char *text, int lines)
{
    unsigned char  *p;

    for (p = (unsigned char *) text; *p; p++) {
        if ((*p < 0x20 && !(lines && *p == '\n')) || *p == 0x7f) {
            *p = '?';

        } else if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0) {
            /* the control characters above ASCII, which are two bytes */
            *p = '?';
            p[1] = '?';
        }
    }
}
