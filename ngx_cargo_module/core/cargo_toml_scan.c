
#include "cargo_toml.h"

#include <string.h>


typedef enum {
    CARGO_SCAN_GOING = 0,
    CARGO_SCAN_END,             /* of the text, or at a syntax error */
    CARGO_SCAN_DOTS,
    CARGO_SCAN_VALUES
} cargo_toml_state_t;


typedef struct {
    const unsigned char  *p;
    const unsigned char  *last;
    unsigned              dots;     /* in the key that is being read */
    unsigned              values;
} cargo_toml_scan_t;


static cargo_toml_state_t cargo_toml_scan_next(cargo_toml_scan_t *scan);
static cargo_toml_state_t cargo_toml_scan_string(cargo_toml_scan_t *scan);
static cargo_toml_state_t cargo_toml_scan_line_string(cargo_toml_scan_t *scan,
    unsigned char quote);
static cargo_toml_state_t cargo_toml_scan_text(cargo_toml_scan_t *scan,
    unsigned char quote);
static size_t cargo_toml_quotes(const cargo_toml_scan_t *scan,
    unsigned char quote, size_t max);


/*
 * toml++ bounds how deep brackets nest, but a dotted key of a megabyte would
 * make half a million tables, one inside the other, which it can only free by
 * recursion.  A megabyte of "{}," would become more than 100.
 *
 * The scan need not be right after the first syntax error: there toml++ has
 * stopped.
 */

cargo_rc_t
cargo_toml_scan(cargo_str_t text, cargo_error_t *error)
{
    cargo_toml_scan_t   scan;
    cargo_toml_state_t  state;

    if (text.len == 0) {
        return CARGO_OK;
    }

    scan.p = text.data;
    scan.last = text.data + text.len;
    scan.dots = 0;
    scan.values = 0;

    do {
        state = cargo_toml_scan_next(&scan);
    } while (state == CARGO_SCAN_GOING);

    if (state == CARGO_SCAN_DOTS) {
        return cargo_refuse(error, 400, "a key has more than %u dots; use "
                            "shorter keys", CARGO_TOML_DOTS);
    }

    if (state == CARGO_SCAN_VALUES) {
        return cargo_refuse(error, 400, "it has more than %u values",
                            CARGO_TOML_VALUES);
    }

    return CARGO_OK;
}


static cargo_toml_state_t
cargo_toml_scan_next(cargo_toml_scan_t *scan)
{
    if (scan->p == scan->last) {
        return CARGO_SCAN_END;
    }

    switch (*scan->p) {

    case '"':
    case '\'':
        return cargo_toml_scan_string(scan);

    case '#':
        scan->p = memchr(scan->p, '\n', (size_t) (scan->last - scan->p));
        return scan->p ? CARGO_SCAN_GOING : CARGO_SCAN_END;

    case '.':
        if (++scan->dots > CARGO_TOML_DOTS) {
            return CARGO_SCAN_DOTS;
        }

        scan->values++;
        break;

    case '=':
    case ',':
    case '[':
    case '{':
        scan->values++;
        /* fall through */

    case '\n':
    case ']':
    case '}':
        scan->dots = 0;
        break;
    }

    scan->p++;

    return (scan->values > CARGO_TOML_VALUES) ? CARGO_SCAN_VALUES
                                              : CARGO_SCAN_GOING;
}


static cargo_toml_state_t
cargo_toml_scan_string(cargo_toml_scan_t *scan)
{
    size_t         quotes;
    unsigned char  quote;

    quote = *scan->p;
    quotes = cargo_toml_quotes(scan, quote, 3);
    scan->p += quotes;

    switch (quotes) {

    case 1:
        return cargo_toml_scan_line_string(scan, quote);

    case 2:
        return CARGO_SCAN_GOING;

    default:
        return cargo_toml_scan_text(scan, quote);
    }
}


static cargo_toml_state_t
cargo_toml_scan_line_string(cargo_toml_scan_t *scan, unsigned char quote)
{
    while (scan->p < scan->last && *scan->p != '\n') {

        if (*scan->p == quote) {
            scan->p++;
            return CARGO_SCAN_GOING;
        }

        if (*scan->p++ == '\\' && quote == '"' && scan->p < scan->last) {
            scan->p++;
        }
    }

    return CARGO_SCAN_END;
}


/* up to two quotes before the closing three belong to the text */

static cargo_toml_state_t
cargo_toml_scan_text(cargo_toml_scan_t *scan, unsigned char quote)
{
    size_t  quotes;

    while (scan->p < scan->last) {

        quotes = cargo_toml_quotes(scan, quote, 5);

        if (quotes) {
            scan->p += quotes;

            if (quotes >= 3) {
                return CARGO_SCAN_GOING;
            }

            continue;
        }

        if (*scan->p++ == '\\' && quote == '"' && scan->p < scan->last) {
            scan->p++;
        }
    }

    return CARGO_SCAN_END;
}


static size_t
cargo_toml_quotes(const cargo_toml_scan_t *scan, unsigned char quote,
    size_t max)
{
    size_t  n;

    for (n = 0; n < max && n < (size_t) (scan->last - scan->p); n++) {
        if (scan->p[n] != quote) {
            break;
        }
    }

    return n;
}
