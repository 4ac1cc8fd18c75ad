
#include "cargo_semver.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>


/* the semver crate refuses more */
#define CARGO_COMPARATORS_MAX         32

/* of the text quoted in a refusal, which has to end with the reason */
#define CARGO_REQUIREMENT_QUOTED_MAX  256


typedef enum {
    CARGO_OP_CARET = 0,
    CARGO_OP_TILDE,
    CARGO_OP_EXACT,
    CARGO_OP_GREATER,
    CARGO_OP_GREATER_EQ,
    CARGO_OP_LESS,
    CARGO_OP_LESS_EQ,
    CARGO_OP_WILDCARD
} cargo_op_t;


typedef struct {
    cargo_op_t           op;
    unsigned             parts;     /* numbers given: 1 to 3 */
    cargo_version_t      version;   /* pre only when all are given */
} cargo_comparator_t;


typedef struct {
    unsigned             count;     /* 0: any version, "*" */
    cargo_comparator_t   comparators[CARGO_COMPARATORS_MAX];
} cargo_requirement_t;


static int cargo_requirement_read(cargo_str_t text,
    cargo_requirement_t *requirement);
static int cargo_comparator_read(cargo_str_t *rest,
    cargo_comparator_t *comparator);
static int cargo_comparator_read_op(cargo_str_t *rest, cargo_op_t *op);
static int cargo_comparator_read_parts(cargo_str_t *rest,
    cargo_comparator_t *comparator, int *wildcard);
static int cargo_comparator_read_pre(cargo_str_t *rest,
    cargo_comparator_t *comparator);
static int cargo_wildcard(cargo_str_t *rest);
static void cargo_skip_spaces(cargo_str_t *rest);
static size_t cargo_comparator_write(char *p, size_t size,
    const cargo_comparator_t *comparator);


/* by cargo_op_t */
static const char  *cargo_op_texts[] = {
    "^", "~", "=", ">", ">=", "<", "<=", ""
};


cargo_rc_t
cargo_requirement_normalize(cargo_arena_t *arena, cargo_str_t text,
    cargo_str_t *normalized, cargo_error_t *error)
{
    int                  quoted;
    char                *p, *last;
    size_t               size;
    unsigned             i;
    cargo_requirement_t  requirement;

    if (!cargo_requirement_read(text, &requirement)) {
        quoted = (int) (text.len < CARGO_REQUIREMENT_QUOTED_MAX
                        ? text.len : CARGO_REQUIREMENT_QUOTED_MAX);

        return cargo_refuse(error, 400,
                            "\"%.*s\" is an invalid version requirement",
                            quoted, (const char *) text.data);
    }

    /* '^' and the space after ',' are all that may be added */

    size = text.len + 2 * CARGO_COMPARATORS_MAX + 1;

    p = cargo_arena_alloc(arena, size);
    if (p == NULL) {
        return CARGO_NO_MEMORY;
    }

    normalized->data = (unsigned char *) p;
    last = p + size;

    if (requirement.count == 0) {
        *p++ = '*';
    }

    for (i = 0; i < requirement.count; i++) {
        if (i > 0) {
            *p++ = ',';
            *p++ = ' ';
        }

        p += cargo_comparator_write(p, (size_t) (last - p),
                                    &requirement.comparators[i]);
    }

    *p = '\0';
    normalized->len = (size_t) (p - (char *) normalized->data);

    return CARGO_OK;
}


static int
cargo_requirement_read(cargo_str_t text, cargo_requirement_t *requirement)
{
    requirement->count = 0;

    cargo_skip_spaces(&text);

    if (cargo_wildcard(&text)) {
        cargo_skip_spaces(&text);
        return text.len == 0;
    }

    do {
        cargo_skip_spaces(&text);

        if (requirement->count == CARGO_COMPARATORS_MAX
            || !cargo_comparator_read(&text, &requirement->comparators[
                                                 requirement->count]))
        {
            return 0;
        }

        requirement->count++;

    } while (cargo_semver_char(&text, ','));

    return text.len == 0;
}


static int
cargo_comparator_read(cargo_str_t *rest, cargo_comparator_t *comparator)
{
    int  op_given, wildcard;

    memset(comparator, 0, sizeof(cargo_comparator_t));

    op_given = cargo_comparator_read_op(rest, &comparator->op);

    cargo_skip_spaces(rest);

    if (!cargo_comparator_read_parts(rest, comparator, &wildcard)
        || !cargo_comparator_read_pre(rest, comparator))
    {
        return 0;
    }

    if (wildcard && !op_given) {
        comparator->op = CARGO_OP_WILDCARD;
    }

    cargo_skip_spaces(rest);

    return 1;
}


/* 1 when there is one, 0 when it was left out */

static int
cargo_comparator_read_op(cargo_str_t *rest, cargo_op_t *op)
{
    if (cargo_semver_char(rest, '=')) {
        *op = CARGO_OP_EXACT;
        return 1;
    }

    if (cargo_semver_char(rest, '>')) {
        *op = cargo_semver_char(rest, '=') ? CARGO_OP_GREATER_EQ
                                           : CARGO_OP_GREATER;
        return 1;
    }

    if (cargo_semver_char(rest, '<')) {
        *op = cargo_semver_char(rest, '=') ? CARGO_OP_LESS_EQ : CARGO_OP_LESS;
        return 1;
    }

    if (cargo_semver_char(rest, '~')) {
        *op = CARGO_OP_TILDE;
        return 1;
    }

    *op = CARGO_OP_CARET;

    return cargo_semver_char(rest, '^');
}


/* after a wildcard only another one may stand: "1.*.*" is "1.*" */

static int
cargo_comparator_read_parts(cargo_str_t *rest, cargo_comparator_t *comparator,
    int *wildcard)
{
    *wildcard = 0;

    if (!cargo_semver_number(rest, &comparator->version.major)) {
        return 0;
    }

    comparator->parts = 1;

    if (!cargo_semver_char(rest, '.')) {
        return 1;
    }

    if (cargo_wildcard(rest)) {
        *wildcard = 1;
        return !cargo_semver_char(rest, '.') || cargo_wildcard(rest);
    }

    if (!cargo_semver_number(rest, &comparator->version.minor)) {
        return 0;
    }

    comparator->parts = 2;

    if (!cargo_semver_char(rest, '.')) {
        return 1;
    }

    if (cargo_wildcard(rest)) {
        *wildcard = 1;
        return 1;
    }

    comparator->parts = 3;

    return cargo_semver_number(rest, &comparator->version.patch);
}


static int
cargo_comparator_read_pre(cargo_str_t *rest, cargo_comparator_t *comparator)
{
    if (comparator->parts < 3) {
        return 1;
    }

    if (cargo_semver_char(rest, '-')
        && !cargo_semver_identifiers(rest, 1, &comparator->version.pre))
    {
        return 0;
    }

    return !cargo_semver_char(rest, '+')
           || cargo_semver_identifiers(rest, 0, &comparator->version.build);
}


static int
cargo_wildcard(cargo_str_t *rest)
{
    return cargo_semver_char(rest, '*') || cargo_semver_char(rest, 'x')
           || cargo_semver_char(rest, 'X');
}


static void
cargo_skip_spaces(cargo_str_t *rest)
{
    while (cargo_semver_char(rest, ' ')) { /* void */ }
}


static size_t
cargo_comparator_write(char *p, size_t size,
    const cargo_comparator_t *comparator)
{
    int                     n;
    const char             *op, *wildcard;
    const cargo_version_t  *v;

    v = &comparator->version;
    op = cargo_op_texts[comparator->op];
    wildcard = (comparator->op == CARGO_OP_WILDCARD) ? ".*" : "";

    switch (comparator->parts) {

    case 1:
        n = snprintf(p, size, "%s%" PRIu64 "%s", op, v->major, wildcard);
        break;

    case 2:
        n = snprintf(p, size, "%s%" PRIu64 ".%" PRIu64 "%s", op, v->major,
                     v->minor, wildcard);
        break;

    default: /* 3 */
        n = snprintf(p, size, "%s%" PRIu64 ".%" PRIu64 ".%" PRIu64 "%s%.*s",
                     op, v->major, v->minor, v->patch, v->pre.len ? "-" : "",
                     cargo_str_arg(v->pre));
    }

    return (size_t) n;
}
