
#include "cargo_pax.h"

#include <string.h>


static int cargo_pax_record(cargo_str_t *text, cargo_str_t *key,
    cargo_str_t *value);
static const char *cargo_pax_take(cargo_pax_t *pax, cargo_str_t key,
    cargo_str_t value);
static int cargo_pax_number(cargo_str_t text, uint64_t *number);


static const cargo_str_t  cargo_pax_path = cargo_string("path");
static const cargo_str_t  cargo_pax_size = cargo_string("size");
static const cargo_str_t  cargo_pax_sparse = cargo_string("GNU.sparse.");


const char *
cargo_pax_read(cargo_pax_t *pax, cargo_str_t text)
{
    const char   *reason;
    cargo_str_t   key, value;

    memset(pax, 0, sizeof(cargo_pax_t));

    while (text.len) {
        if (!cargo_pax_record(&text, &key, &value)) {
            return "it has a pax header with a malformed record";
        }

        reason = cargo_pax_take(pax, key, value);
        if (reason) {
            return reason;
        }
    }

    return NULL;
}


/* takes the first record off the text */

static int
cargo_pax_record(cargo_str_t *text, cargo_str_t *key, cargo_str_t *value)
{
    uint64_t              size;
    cargo_str_t           line, length;
    const unsigned char  *newline, *space, *equals;

    line = *text;

    newline = memchr(line.data, '\n', line.len);
    if (newline == NULL) {
        return 0;
    }

    line.len = (size_t) (newline - line.data);

    space = memchr(line.data, ' ', line.len);
    if (space == NULL) {
        return 0;
    }

    length.data = line.data;
    length.len = (size_t) (space - line.data);

    if (!cargo_pax_number(length, &size) || size != line.len + 1) {
        return 0;
    }

    key->data = line.data + length.len + 1;

    equals = memchr(key->data, '=', line.len - length.len - 1);
    if (equals == NULL) {
        return 0;
    }

    key->len = (size_t) (equals - key->data);

    value->data = key->data + key->len + 1;
    value->len = line.len - length.len - key->len - 2;

    text->data += line.len + 1;
    text->len -= line.len + 1;

    return 1;
}


static const char *
cargo_pax_take(cargo_pax_t *pax, cargo_str_t key, cargo_str_t value)
{
    if (cargo_str_equal(key, cargo_pax_path)) {

        /* of two paths the tar crate takes the first and POSIX the last */

        if (pax->path.data || value.len == 0) {
            return "it has a pax header with an empty path or with two";
        }

        pax->path = value;
        return NULL;
    }

    if (cargo_str_equal(key, cargo_pax_size)) {
        if (pax->sized || !cargo_pax_number(value, &pax->size)) {
            return "it has a pax header with two sizes or with one that is "
                   "not a number";
        }

        pax->sized = 1;
        return NULL;
    }

    if (key.len >= cargo_pax_sparse.len
        && memcmp(key.data, cargo_pax_sparse.data, cargo_pax_sparse.len) == 0)
    {
        return "it has a sparse file, which cargo does not unpack; build it "
               "without --sparse";
    }

    return NULL;
}


static int
cargo_pax_number(cargo_str_t text, uint64_t *number)
{
    size_t  i;

    /* 18 digits fit in 63 bits */

    if (text.len == 0 || text.len > 18) {
        return 0;
    }

    *number = 0;

    for (i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return 0;
        }

        *number = *number * 10 + (uint64_t) (text.data[i] - '0');
    }

    return 1;
}
