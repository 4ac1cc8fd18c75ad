
#include "cargo_tar_header.h"

#include <string.h>


/* POSIX.1-2008, pax, "ustar Interchange Format" */
typedef struct {
    unsigned char   name[100];
    unsigned char   mode[8];
    unsigned char   uid[8];
    unsigned char   gid[8];
    unsigned char   size[12];
    unsigned char   mtime[12];
    unsigned char   checksum[8];
    unsigned char   type;
    unsigned char   link[100];
    unsigned char   magic[8];           /* and version */
    unsigned char   owner[32];
    unsigned char   group[32];
    unsigned char   device[16];
    unsigned char   prefix[155];        /* ustar only */
    unsigned char   padding[12];
} cargo_tar_block_t;

_Static_assert(sizeof(cargo_tar_block_t) == CARGO_TAR_BLOCK, "tar block");


static int cargo_tar_checksum_valid(const unsigned char *p);
static int cargo_tar_number(const unsigned char *p, size_t len,
    uint64_t *number);
static int cargo_tar_number_binary(const unsigned char *p, size_t len,
    uint64_t *number);
static int cargo_tar_append(cargo_str_t *path, const unsigned char *field,
    size_t size);


static const unsigned char  cargo_tar_ustar[] = "ustar\0" "00";
static const unsigned char  cargo_tar_gnu[] = "ustar  ";


const char *
cargo_tar_header_read(cargo_tar_header_t *header,
    const unsigned char block[CARGO_TAR_BLOCK])
{
    int                ustar;
    cargo_tar_block_t  fields;

    memcpy(&fields, block, CARGO_TAR_BLOCK);

    ustar = (memcmp(fields.magic, cargo_tar_ustar, sizeof(fields.magic)) == 0);

    if (!ustar
        && memcmp(fields.magic, cargo_tar_gnu, sizeof(fields.magic)) != 0)
    {
        return "it has a header that is neither ustar nor GNU tar";
    }

    if (!cargo_tar_checksum_valid(block)) {
        return "it has a header with a wrong checksum";
    }

    if (!cargo_tar_number(fields.size, sizeof(fields.size), &header->size)) {
        return "it has a header with a size that is not a number";
    }

    header->type = fields.type ? fields.type : CARGO_TAR_FILE;
    header->path.data = header->text;
    header->path.len = 0;

    if (ustar && fields.prefix[0]) {
        if (!cargo_tar_append(&header->path, fields.prefix,
                              sizeof(fields.prefix)))
        {
            return "it has a NUL inside of a name";
        }

        header->text[header->path.len++] = '/';
    }

    if (!cargo_tar_append(&header->path, fields.name, sizeof(fields.name))) {
        return "it has a NUL inside of a name";
    }

    return NULL;
}


const char *
cargo_tar_type_name(unsigned char type)
{
    switch (type) {
    case '1':
        return "Link";
    case '2':
        return "Symlink";
    case '3':
        return "Char";
    case '4':
        return "Block";
    case '6':
        return "Fifo";
    case '7':
        return "Continuous";
    case 'K':
        return "GNULongLink";
    case 'S':
        return "GNUSparse";
    case 'g':
        return "XGlobalHeader";
    default:
        return NULL;
    }
}


/* the sum of all bytes, those of the checksum itself counted as spaces */

static int
cargo_tar_checksum_valid(const unsigned char *p)
{
    size_t    i, at, end;
    uint64_t  sum, stated;

    at = offsetof(cargo_tar_block_t, checksum);
    end = offsetof(cargo_tar_block_t, type);
    sum = 0;

    for (i = 0; i < CARGO_TAR_BLOCK; i++) {
        sum += (i >= at && i < end) ? ' ' : p[i];
    }

    return cargo_tar_number(p + at, end - at, &stated) && stated == sum;
}


/* octal digits after spaces, if any, and before spaces and NULs, if any */

static int
cargo_tar_number(const unsigned char *p, size_t len, uint64_t *number)
{
    size_t  i, digits;

    if (p[0] & 0x80) {
        return cargo_tar_number_binary(p, len, number);
    }

    for (i = 0; i < len && p[i] == ' '; i++) { /* void */ }

    digits = i;
    *number = 0;

    /* at most 12 digits, 36 bits */

    for ( /* void */ ; i < len && p[i] >= '0' && p[i] <= '7'; i++) {
        *number = *number * 8 + (uint64_t) (p[i] - '0');
    }

    if (i == digits) {
        return 0;
    }

    for ( /* void */ ; i < len; i++) {
        if (p[i] != ' ' && p[i] != '\0') {
            return 0;
        }
    }

    return 1;
}


/*
 * GNU tar's base-256: big-endian after a first byte of 0x80.  Readers differ
 * in what they make of more than 63 bits and of negative numbers (0xff).
 */

static int
cargo_tar_number_binary(const unsigned char *p, size_t len, uint64_t *number)
{
    size_t  i;

    if (p[0] != 0x80) {
        return 0;
    }

    *number = 0;

    for (i = 1; i < len; i++) {
        if (*number >> 55) {
            return 0;
        }

        *number = *number << 8 | p[i];
    }

    return 1;
}


/* 0 when something follows the NUL that ends the text in the field */

static int
cargo_tar_append(cargo_str_t *path, const unsigned char *field, size_t size)
{
    size_t  i, len;

    for (len = 0; len < size && field[len]; len++) { /* void */ }

    for (i = len; i < size; i++) {
        if (field[i]) {
            return 0;
        }
    }

    memcpy(path->data + path->len, field, len);
    path->len += len;

    return 1;
}
