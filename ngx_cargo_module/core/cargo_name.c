
#include "cargo_name.h"

#include <string.h>

#include "cargo_xid.h"


/* of a name in the text of a refusal, which has to end with the reason */
#define CARGO_NAME_QUOTED_MAX  256

/* the texts are crates.io's: people find them when they search for them */
#define CARGO_NAME_TOO_LONG                                                   \
    "the %s name `" CARGO_STR_FMT "` is too long (max %d characters)"

#define CARGO_NAME_DIGIT                                                      \
    "the name `" CARGO_STR_FMT "` cannot be used as a %s name, "              \
    "the name cannot start with a digit"

#define CARGO_NAME_FIRST                                                      \
    "invalid character `" CARGO_STR_FMT "` in %s name: `" CARGO_STR_FMT "`, " \
    "the first character must be an ASCII character%s"

#define CARGO_NAME_CHARACTER                                                  \
    "invalid character `" CARGO_STR_FMT "` in %s name: `" CARGO_STR_FMT "`, " \
    "characters must be an ASCII alphanumeric characters, `-`, or `_`"

#define CARGO_FEATURE_FIRST                                                   \
    "invalid character `" CARGO_STR_FMT "` in feature `" CARGO_STR_FMT "`, "  \
    "the first character must be a Unicode XID start character or digit "     \
    "(most letters or `_` or `0` to `9`)"

#define CARGO_FEATURE_CHARACTER                                               \
    "invalid character `" CARGO_STR_FMT "` in feature `" CARGO_STR_FMT "`, "  \
    "characters must be Unicode XID characters, `-`, `+`, or `.` "            \
    "(numbers, `+`, `-`, `_`, `.`, or most letters)"


static cargo_rc_t cargo_name_check(cargo_str_t name, const char *what,
    int underscore, cargo_error_t *error);
static cargo_rc_t cargo_name_check_chars(cargo_str_t name, const char *what,
    int underscore, cargo_error_t *error);
static size_t cargo_name_shard(cargo_str_t name, unsigned char *path);
static size_t cargo_name_length(cargo_str_t name);
static cargo_str_t cargo_name_quoted(cargo_str_t name);
static cargo_str_t cargo_name_char_at(cargo_str_t name, size_t at);
static uint32_t cargo_name_decode(cargo_str_t c);
static int cargo_is_of_name(unsigned char c);
static int cargo_is_digit(unsigned char c);
static int cargo_is_letter(unsigned char c);


cargo_rc_t
cargo_name_check_crate(cargo_str_t name, cargo_error_t *error)
{
    return cargo_name_check(name, "crate", 0, error);
}


cargo_rc_t
cargo_name_check_dependency(cargo_str_t name, cargo_error_t *error)
{
    return cargo_name_check(name, "dependency", 0, error);
}


cargo_rc_t
cargo_name_check_alias(cargo_str_t name, cargo_error_t *error)
{
    return cargo_name_check(name, "dependency", 1, error);
}


cargo_rc_t
cargo_name_check_feature(cargo_str_t name, cargo_error_t *error)
{
    size_t       i;
    uint32_t     code;
    cargo_str_t  c;

    if (name.len == 0) {
        return cargo_refuse(error, 400, "feature cannot be empty");
    }

    if (!cargo_utf8_valid(name.data, name.len)) {
        return cargo_refuse(error, 400, "the name of feature `" CARGO_STR_FMT
                            "` must be UTF-8",
                            cargo_str_arg(cargo_name_quoted(name)));
    }

    for (i = 0; i < name.len; i += c.len) {
        c = cargo_name_char_at(name, i);
        code = cargo_name_decode(c);

        if (code == '_' || (code < 0x80 && cargo_is_digit((unsigned char) code))
            || cargo_xid_start(code))
        {
            continue;
        }

        if (i == 0) {
            return cargo_refuse(error, 400, CARGO_FEATURE_FIRST,
                                cargo_str_arg(c),
                                cargo_str_arg(cargo_name_quoted(name)));
        }

        if (code != '+' && code != '-' && code != '.'
            && !cargo_xid_continue(code))
        {
            return cargo_refuse(error, 400, CARGO_FEATURE_CHARACTER,
                                cargo_str_arg(c),
                                cargo_str_arg(cargo_name_quoted(name)));
        }
    }

    return CARGO_OK;
}


cargo_rc_t
cargo_name_check_feature_value(cargo_str_t value, cargo_error_t *error)
{
    cargo_rc_t      rc;
    cargo_str_t     dependency, feature;
    unsigned char  *slash;

    slash = value.len ? memchr(value.data, '/', value.len) : NULL;

    if (slash != NULL) {
        dependency.data = value.data;
        dependency.len = (size_t) (slash - value.data);
        feature.data = slash + 1;
        feature.len = value.len - dependency.len - 1;

        if (dependency.len && dependency.data[dependency.len - 1] == '?') {
            dependency.len--;
        }

        rc = cargo_name_check_alias(dependency, error);
        if (rc != CARGO_OK) {
            return rc;
        }

        return cargo_name_check_feature(feature, error);
    }

    if (value.len >= 4 && memcmp(value.data, "dep:", 4) == 0) {
        dependency.data = value.data + 4;
        dependency.len = value.len - 4;

        return cargo_name_check_alias(dependency, error);
    }

    return cargo_name_check_feature(value, error);
}


int
cargo_name_valid(cargo_str_t name)
{
    cargo_error_t  error;

    return cargo_name_check_crate(name, &error) == CARGO_OK;
}


void
cargo_name_canonical(cargo_str_t name, unsigned char *canonical)
{
    size_t         i;
    unsigned char  c;

    for (i = 0; i < name.len; i++) {
        c = name.data[i];

        if (c >= 'A' && c <= 'Z') {
            c = (unsigned char) (c | 0x20);

        } else if (c == '-') {
            c = '_';
        }

        canonical[i] = c;
    }
}


cargo_rc_t
cargo_name_of_index_path(cargo_str_t path, cargo_str_t *name,
    cargo_error_t *error)
{
    size_t         i, len;
    cargo_str_t    last;
    unsigned char  c, shard[CARGO_INDEX_PATH_MAX - CARGO_NAME_MAX];

    for (i = path.len; i > 0 && path.data[i - 1] != '/'; i--) {
        c = path.data[i - 1];

        if ((c >= 'A' && c <= 'Z') || !cargo_is_of_name(c)) {
            goto refuse;
        }
    }

    last.data = path.data + i;
    last.len = path.len - i;

    if (last.len == 0 || last.len > CARGO_NAME_MAX
        || !cargo_is_letter(last.data[0]))
    {
        goto refuse;
    }

    len = cargo_name_shard(last, shard);

    if (i != len || memcmp(path.data, shard, len) != 0) {
        goto refuse;
    }

    *name = last;

    return CARGO_OK;

refuse:

    return cargo_refuse(error, 404, "no crate has this path in the index");
}


static cargo_rc_t
cargo_name_check(cargo_str_t name, const char *what, int underscore,
    cargo_error_t *error)
{
    if (name.len == 0) {
        return cargo_refuse(error, 400, "%s name cannot be empty", what);
    }

    if (name.len > CARGO_NAME_MAX && cargo_name_length(name) > CARGO_NAME_MAX) {
        return cargo_refuse(error, 400, CARGO_NAME_TOO_LONG, what,
                            cargo_str_arg(cargo_name_quoted(name)),
                            CARGO_NAME_MAX);
    }

    return cargo_name_check_chars(name, what, underscore, error);
}


static cargo_rc_t
cargo_name_check_chars(cargo_str_t name, const char *what, int underscore,
    cargo_error_t *error)
{
    size_t         i;
    unsigned char  c;

    c = name.data[0];

    if (cargo_is_digit(c)) {
        return cargo_refuse(error, 400, CARGO_NAME_DIGIT, cargo_str_arg(name),
                            what);
    }

    if (!cargo_is_letter(c) && !(underscore && c == '_')) {
        return cargo_refuse(error, 400, CARGO_NAME_FIRST,
                            cargo_str_arg(cargo_name_char_at(name, 0)), what,
                            cargo_str_arg(name), underscore ? ", or `_`" : "");
    }

    for (i = 1; i < name.len; i++) {
        c = name.data[i];

        if (!cargo_is_of_name(c)) {
            return cargo_refuse(error, 400, CARGO_NAME_CHARACTER,
                                cargo_str_arg(cargo_name_char_at(name, i)),
                                what, cargo_str_arg(name));
        }
    }

    return CARGO_OK;
}


/* the directories of a valid lower-case name, with the slash at their end */

static size_t
cargo_name_shard(cargo_str_t name, unsigned char *path)
{
    if (name.len <= 2) {
        path[0] = (name.len == 1) ? '1' : '2';
        path[1] = '/';
        return 2;
    }

    if (name.len == 3) {
        path[0] = '3';
        path[1] = '/';
        path[2] = name.data[0];
        path[3] = '/';
        return 4;
    }

    path[0] = name.data[0];
    path[1] = name.data[1];
    path[2] = '/';
    path[3] = name.data[2];
    path[4] = name.data[3];
    path[5] = '/';

    return 6;
}


/* in characters: a name beyond ASCII is refused for that, not as too long */

static size_t
cargo_name_length(cargo_str_t name)
{
    size_t  i, length;

    length = 0;

    for (i = 0; i < name.len; i++) {
        if ((name.data[i] & 0xc0) != 0x80) {
            length++;
        }
    }

    return length;
}


static cargo_str_t
cargo_name_quoted(cargo_str_t name)
{
    if (name.len > CARGO_NAME_QUOTED_MAX) {
        name.len = CARGO_NAME_QUOTED_MAX;

        while (name.len && (name.data[name.len] & 0xc0) == 0x80) {
            name.len--;
        }
    }

    return name;
}


/* the whole character that begins here, as far as the bytes are UTF-8 */

static cargo_str_t
cargo_name_char_at(cargo_str_t name, size_t at)
{
    cargo_str_t  c;

    c.data = name.data + at;
    c.len = 1;

    if (c.data[0] < 0x80) {
        return c;
    }

    while (c.len < 4 && at + c.len < name.len
           && (c.data[c.len] & 0xc0) == 0x80)
    {
        c.len++;
    }

    return c;
}


/* c is well-formed UTF-8: its length says how many bits the first byte has */

static uint32_t
cargo_name_decode(cargo_str_t c)
{
    size_t    i;
    uint32_t  code;

    if (c.len == 1) {
        return c.data[0];
    }

    code = c.data[0] & (0x7fu >> c.len);

    for (i = 1; i < c.len; i++) {
        code = (code << 6) | (c.data[i] & 0x3fu);
    }

    return code;
}


static int
cargo_is_of_name(unsigned char c)
{
    return cargo_is_letter(c) || cargo_is_digit(c) || c == '-' || c == '_';
}


static int
cargo_is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}


static int
cargo_is_letter(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
