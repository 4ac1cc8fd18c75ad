
#include "archive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>


/*
 * The input is a tar, which is wrapped into gzip, stored, so that changes of
 * it reach the reader.  libFuzzer's changes are mended for the same reason:
 * the checksums of the headers are right again, mostly.
 */


#define BLOCK     512
#define TAR_MAX   (32 * 1024)

/* a stored block of deflate */
#define STORED    5

static void wrap(const unsigned char *data, size_t size);
static void put(const void *data, size_t len);
static void put_little_endian(uint32_t value, unsigned bytes);


static size_t         gzip_len;
static unsigned char  gzip[TAR_MAX + 64];


int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    cargo_str_t  text;

    if (size > TAR_MAX) {
        return 0;
    }

    wrap(data, size);

    text.data = gzip;
    text.len = gzip_len;

    (void) archive_check(data, size, text, 0);

    return 0;
}


static void
wrap(const unsigned char *data, size_t size)
{
    gzip_len = 0;

    put("\x1f\x8b\x08\0\0\0\0\0\0\xff\1", 11);
    put_little_endian((uint32_t) size | (uint32_t) ~size << 16, 4);
    put(data, size);
    put_little_endian((uint32_t) crc32(0, data, (uInt) size), 4);
    put_little_endian((uint32_t) size, 4);
}


static void
put(const void *data, size_t len)
{
    if (len) {
        memcpy(gzip + gzip_len, data, len);
    }

    gzip_len += len;
}


static void
put_little_endian(uint32_t value, unsigned bytes)
{
    while (bytes--) {
        gzip[gzip_len++] = (unsigned char) value;
        value >>= 8;
    }
}


#ifdef FUZZ_MUTATE


typedef struct {
    size_t          offset;
    size_t          len;
} field_t;


size_t LLVMFuzzerMutate(unsigned char *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(unsigned char *data, size_t size, size_t max,
    unsigned seed);
static size_t mutate_header(unsigned char *data, size_t size);
static size_t mutate_entries(unsigned char *data, size_t size, size_t max);
static size_t entry_at(const unsigned char *data, size_t size, size_t n);
static size_t entry_end(const unsigned char *data, size_t size, size_t at);
static void mend(unsigned char *data, size_t size);


static const field_t  fields[] = {
    { 0, 100 }, { 100, 8 }, { 124, 12 }, { 156, 1 }, { 157, 100 },
    { 257, 8 }, { 345, 155 }, { 500, 12 }
};


size_t
LLVMFuzzerCustomMutator(unsigned char *data, size_t size, size_t max,
    unsigned seed)
{
    srand(seed);

    switch (rand() % 4) {

    case 0:
        size = LLVMFuzzerMutate(data, size, max);
        break;

    case 1:
        size = mutate_entries(data, size, max);
        break;

    default:
        size = mutate_header(data, size);
    }

    if (rand() % 8) {
        mend(data, size);
    }

    return size;
}


static size_t
mutate_header(unsigned char *data, size_t size)
{
    size_t          at, len;
    unsigned char   text[256];
    const field_t  *field;

    at = entry_at(data, size, (size_t) rand() % 8);

    if (at + BLOCK > size) {
        return LLVMFuzzerMutate(data, size, size);
    }

    field = &fields[(size_t) rand() % (sizeof(fields) / sizeof(fields[0]))];

    memcpy(text, data + at + field->offset, field->len);
    len = strnlen((char *) text, field->len);
    len = LLVMFuzzerMutate(text, len ? len : 1, field->len);

    memset(data + at + field->offset, 0, field->len);
    memcpy(data + at + field->offset, text, len);

    return size;
}


/* copies one entry to the place of another, or takes it out */

static size_t
mutate_entries(unsigned char *data, size_t size, size_t max)
{
    size_t          from, end, to;
    unsigned char   entry[TAR_MAX];

    from = entry_at(data, size, (size_t) rand() % 8);
    end = entry_end(data, size, from);

    memcpy(entry, data + from, end - from);

    if (rand() % 2) {
        memmove(data + from, data + end, size - end);
        size -= end - from;
    }

    to = entry_at(data, size, (size_t) rand() % 8);

    if (size + end - from <= max && rand() % 4) {
        memmove(data + to + (end - from), data + to, size - to);
        memcpy(data + to, entry, end - from);
        size += end - from;
    }

    return size;
}


/* where the n-th entry begins, or the last one that there is */

static size_t
entry_at(const unsigned char *data, size_t size, size_t n)
{
    size_t  at, next;

    at = 0;

    while (n--) {
        next = entry_end(data, size, at);

        if (next >= size) {
            break;
        }

        at = next;
    }

    return at;
}


static size_t
entry_end(const unsigned char *data, size_t size, size_t at)
{
    char    digits[13];
    size_t  len;

    if (at + BLOCK > size) {
        return size;
    }

    memcpy(digits, data + at + 124, 12);
    digits[12] = '\0';

    len = (size_t) strtoul(digits, NULL, 8);

    if (len > size - at - BLOCK) {
        return size;
    }

    len = (len + BLOCK - 1) / BLOCK * BLOCK;

    return len > size - at - BLOCK ? size : at + BLOCK + len;
}


static void
mend(unsigned char *data, size_t size)
{
    size_t    at, i;
    unsigned  sum;

    for (at = 0; at + BLOCK <= size; at = entry_end(data, size, at)) {

        if (data[at] == '\0' && data[at + 124] == '\0') {
            continue;
        }

        memset(data + at + 148, ' ', 8);

        for (sum = 0, i = 0; i < BLOCK; i++) {
            sum += data[at + i];
        }

        (void) snprintf((char *) data + at + 148, 8, "%06o", sum);
    }
}


#endif /* FUZZ_MUTATE */
