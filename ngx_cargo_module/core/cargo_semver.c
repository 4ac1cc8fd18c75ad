
#include "cargo_semver.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>


/* of the text quoted in a refusal, which has to end with the reason */
#define CARGO_VERSION_QUOTED_MAX  256

/* a letter and 20 digits for each of three numbers, '~' or '-' */
#define CARGO_SORT_KEY_NUMBERS    (3 * 21 + 1)


static int cargo_version_read(cargo_str_t text, cargo_version_t *version);
static int cargo_semver_segment(cargo_str_t segment, int pre);
static int cargo_semver_pre_compare(cargo_str_t a, cargo_str_t b);
static cargo_str_t cargo_semver_next(cargo_str_t *identifiers);
static int cargo_semver_numeric(cargo_str_t identifier);
static int cargo_semver_id_compare(cargo_str_t a, cargo_str_t b);
static unsigned char *cargo_sort_key_number(unsigned char *p, uint64_t number);
static unsigned char *cargo_sort_key_id(unsigned char *p,
    cargo_str_t identifier);
static int cargo_order(uint64_t a, uint64_t b);


cargo_rc_t
cargo_version_parse(cargo_str_t text, cargo_version_t *version,
    cargo_error_t *error)
{
    int  quoted;

    if (!cargo_version_read(text, version)) {
        quoted = (int) (text.len < CARGO_VERSION_QUOTED_MAX
                        ? text.len : CARGO_VERSION_QUOTED_MAX);

        return cargo_refuse(error, 400, "\"%.*s\" is an invalid semver version",
                            quoted, (const char *) text.data);
    }

    if (text.len > CARGO_VERSION_MAX) {
        return cargo_refuse(error, 400, "the version number is too long "
                            "(max %d characters)", CARGO_VERSION_MAX);
    }

    return CARGO_OK;
}


int
cargo_version_valid(cargo_str_t text)
{
    cargo_version_t  version;

    return text.len <= CARGO_VERSION_MAX && cargo_version_read(text, &version);
}


int
cargo_version_compare(const cargo_version_t *a, const cargo_version_t *b)
{
    int  order;

    order = cargo_order(a->major, b->major);

    if (order == 0) {
        order = cargo_order(a->minor, b->minor);
    }

    if (order == 0) {
        order = cargo_order(a->patch, b->patch);
    }

    if (order == 0) {
        order = cargo_semver_pre_compare(a->pre, b->pre);
    }

    return order;
}


/*
 * A number is preceded by its length, so that more digits sort later.  An
 * identifier of digits sorts before one of letters ('0' < '1'), which ends in
 * ',', a byte below all that may stand in it; '-' puts a pre-release before
 * its release, '~'.  "1.10.0-rc.2" becomes "a1b10a0-1rc,00012".
 */

cargo_str_t
cargo_version_sort_key(cargo_arena_t *arena, const cargo_version_t *version)
{
    cargo_str_t     key = { 0, NULL };
    cargo_str_t     rest;
    unsigned char  *p;

    /* an identifier of n bytes, n > 0, takes at most n + 4 */
    key.data = cargo_arena_alloc(arena, CARGO_SORT_KEY_NUMBERS
                                        + 5 * version->pre.len + 1);
    if (key.data == NULL) {
        return key;
    }

    p = key.data;
    p = cargo_sort_key_number(p, version->major);
    p = cargo_sort_key_number(p, version->minor);
    p = cargo_sort_key_number(p, version->patch);

    *p++ = version->pre.len ? '-' : '~';

    rest = version->pre;

    while (rest.len) {
        p = cargo_sort_key_id(p, cargo_semver_next(&rest));
    }

    *p = '\0';
    key.len = (size_t) (p - key.data);

    return key;
}


int
cargo_semver_number(cargo_str_t *rest, uint64_t *number)
{
    size_t    i;
    uint64_t  value, digit;

    value = 0;

    for (i = 0; i < rest->len; i++) {
        if (rest->data[i] < '0' || rest->data[i] > '9') {
            break;
        }

        digit = (uint64_t) (rest->data[i] - '0');

        if ((i > 0 && value == 0) || value > (UINT64_MAX - digit) / 10) {
            return 0;
        }

        value = value * 10 + digit;
    }

    if (i == 0) {
        return 0;
    }

    rest->data += i;
    rest->len -= i;
    *number = value;

    return 1;
}


int
cargo_semver_identifiers(cargo_str_t *rest, int pre, cargo_str_t *identifiers)
{
    size_t         i;
    cargo_str_t    segment;
    unsigned char  c;

    segment.data = rest->data;
    segment.len = 0;

    for (i = 0; /* void */ ; i++) {
        c = (i < rest->len) ? rest->data[i] : '\0';

        if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z')
            || (c >= 'a' && c <= 'z') || c == '-')
        {
            segment.len++;
            continue;
        }

        if (!cargo_semver_segment(segment, pre)) {
            return 0;
        }

        if (c != '.') {
            break;
        }

        segment.data = rest->data + i + 1;
        segment.len = 0;
    }

    identifiers->data = rest->data;
    identifiers->len = i;

    rest->data += i;
    rest->len -= i;

    return 1;
}


int
cargo_semver_char(cargo_str_t *rest, unsigned char c)
{
    if (rest->len == 0 || rest->data[0] != c) {
        return 0;
    }

    rest->data++;
    rest->len--;

    return 1;
}


static int
cargo_version_read(cargo_str_t text, cargo_version_t *version)
{
    memset(version, 0, sizeof(cargo_version_t));

    if (!cargo_semver_number(&text, &version->major)
        || !cargo_semver_char(&text, '.')
        || !cargo_semver_number(&text, &version->minor)
        || !cargo_semver_char(&text, '.')
        || !cargo_semver_number(&text, &version->patch))
    {
        return 0;
    }

    if (cargo_semver_char(&text, '-')
        && !cargo_semver_identifiers(&text, 1, &version->pre))
    {
        return 0;
    }

    if (cargo_semver_char(&text, '+')
        && !cargo_semver_identifiers(&text, 0, &version->build))
    {
        return 0;
    }

    return text.len == 0;
}


static int
cargo_semver_segment(cargo_str_t segment, int pre)
{
    if (segment.len == 0) {
        return 0;
    }

    return !pre || segment.len == 1 || segment.data[0] != '0'
           || !cargo_semver_numeric(segment);
}


/* an empty one is that of the release itself */

static int
cargo_semver_pre_compare(cargo_str_t a, cargo_str_t b)
{
    int  order;

    if (a.len == 0 || b.len == 0) {
        return (a.len == 0) - (b.len == 0);
    }

    while (a.len && b.len) {
        order = cargo_semver_id_compare(cargo_semver_next(&a),
                                        cargo_semver_next(&b));
        if (order) {
            return order;
        }
    }

    return (a.len != 0) - (b.len != 0);
}


/* takes the first identifier and its dot off a valid list */

static cargo_str_t
cargo_semver_next(cargo_str_t *identifiers)
{
    cargo_str_t     next;
    unsigned char  *dot;

    next = *identifiers;
    dot = memchr(next.data, '.', next.len);

    if (dot == NULL) {
        identifiers->len = 0;
        return next;
    }

    next.len = (size_t) (dot - next.data);

    identifiers->data += next.len + 1;
    identifiers->len -= next.len + 1;

    return next;
}


static int
cargo_semver_numeric(cargo_str_t identifier)
{
    size_t  i;

    for (i = 0; i < identifier.len; i++) {
        if (identifier.data[i] < '0' || identifier.data[i] > '9') {
            return 0;
        }
    }

    return 1;
}


static int
cargo_semver_id_compare(cargo_str_t a, cargo_str_t b)
{
    int     order, numeric;
    size_t  len;

    numeric = cargo_semver_numeric(a);
    order = cargo_semver_numeric(b) - numeric;

    if (order) {
        return order;
    }

    /* without leading zeros the longer number is the greater one */

    if (numeric && a.len != b.len) {
        return cargo_order(a.len, b.len);
    }

    len = (a.len < b.len) ? a.len : b.len;
    order = memcmp(a.data, b.data, len);

    return order ? order : cargo_order(a.len, b.len);
}


static unsigned char *
cargo_sort_key_number(unsigned char *p, uint64_t number)
{
    int   digits;
    char  text[21];

    digits = snprintf(text, sizeof(text), "%" PRIu64, number);

    *p++ = (unsigned char) ('a' + digits - 1);
    memcpy(p, text, (size_t) digits);

    return p + digits;
}


/* CARGO_VERSION_MAX bounds the length to three digits */

static unsigned char *
cargo_sort_key_id(unsigned char *p, cargo_str_t identifier)
{
    if (cargo_semver_numeric(identifier)) {
        *p++ = '0';
        *p++ = (unsigned char) ('0' + identifier.len / 100);
        *p++ = (unsigned char) ('0' + identifier.len / 10 % 10);
        *p++ = (unsigned char) ('0' + identifier.len % 10);
        memcpy(p, identifier.data, identifier.len);

        return p + identifier.len;
    }

    *p++ = '1';
    memcpy(p, identifier.data, identifier.len);
    p += identifier.len;
    *p++ = ',';

    return p;
}


static int
cargo_order(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}
