
#include "cargo_toml.h"

#include <string.h>


typedef struct {
    const unsigned char  *p;
    const unsigned char  *last;
} cargo_toml_scan_t;


static int cargo_toml_skip_string(cargo_toml_scan_t *scan);
static int cargo_toml_skip_line_string(cargo_toml_scan_t *scan,
    unsigned char quote);
static int cargo_toml_skip_text(cargo_toml_scan_t *scan, unsigned char quote);
static size_t cargo_toml_quotes(const cargo_toml_scan_t *scan,
    unsigned char quote, size_t max);


/*
 * toml++ bounds how deep brackets nest, but a dotted key of a megabyte would
 * make half a million tables, one inside the other, which it can only free by
 * recursion.  The scan need not be right after the first syntax error: there
 * toml++ has stopped.
 */

cargo_rc_t
cargo_toml_check_dots(cargo_str_t text, cargo_error_t *error)
{
    size_t             dots;
    cargo_toml_scan_t  scan;

    if (text.len == 0) {
        return CARGO_OK;
    }

    scan.p = text.data;
    scan.last = text.data + text.len;
    dots = 0;

    while (scan.p < scan.last) {

        switch (*scan.p) {

        case '"':
        case '\'':
            if (!cargo_toml_skip_string(&scan)) {
                return CARGO_OK;
            }

            continue;

        case '#':
            scan.p = memchr(scan.p, '\n', (size_t) (scan.last - scan.p));
            if (scan.p == NULL) {
                return CARGO_OK;
            }

            continue;

        case '.':
            if (++dots > CARGO_TOML_DOTS) {
                return cargo_refuse(error, 400, "a key has more than %u dots; "
                                    "use shorter keys", CARGO_TOML_DOTS);
            }

            break;

        case '\n':
        case '=':
        case ',':
        case '[':
        case ']':
        case '{':
        case '}':
            dots = 0;
            break;
        }

        scan.p++;
    }

    return CARGO_OK;
}


/* 0 when the string does not end */

static int
cargo_toml_skip_string(cargo_toml_scan_t *scan)
{
    size_t         quotes;
    unsigned char  quote;

    quote = *scan->p;
    quotes = cargo_toml_quotes(scan, quote, 3);

    switch (quotes) {

    case 1:
        scan->p++;
        return cargo_toml_skip_line_string(scan, quote);

    case 2:
        scan->p += 2;
        return 1;

    default:
        scan->p += 3;
        return cargo_toml_skip_text(scan, quote);
    }
}


static int
cargo_toml_skip_line_string(cargo_toml_scan_t *scan, unsigned char quote)
{
    for ( /* void */ ; scan->p < scan->last; scan->p++) {

        if (*scan->p == quote) {
            scan->p++;
            return 1;
        }

        if (*scan->p == '\n') {
            return 0;
        }

        if (*scan->p == '\\' && quote == '"') {
            scan->p++;
        }
    }

    return 0;
}


/* up to two quotes before the closing three belong to the text */

static int
cargo_toml_skip_text(cargo_toml_scan_t *scan, unsigned char quote)
{
    size_t  quotes;

    while (scan->p < scan->last) {

        quotes = cargo_toml_quotes(scan, quote, 5);

        if (quotes >= 3) {
            scan->p += quotes;
            return 1;
        }

        if (quotes) {
            scan->p += quotes;
            continue;
        }

        scan->p += (*scan->p == '\\' && quote == '"') ? 2 : 1;
    }

    return 0;
}


static size_t
cargo_toml_quotes(const cargo_toml_scan_t *scan, unsigned char quote,
    size_t max)
{
    size_t  n;

    for (n = 0; n < max; n++) {
        if (scan->p + n >= scan->last || scan->p[n] != quote) {
            break;
        }
    }

    return n;
}
