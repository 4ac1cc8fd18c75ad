
#include "tarball.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ZLIB_CONST
#include <zlib.h>


static void tarball_reserve(tarball_t *tar, size_t len);


void
tarball_free(tarball_t *tar)
{
    free(tar->data);
    memset(tar, 0, sizeof(tarball_t));
}


void
tarball_append(tarball_t *tar, const void *data, size_t len)
{
    tarball_reserve(tar, len);

    if (len) {
        memcpy(tar->data + tar->len, data, len);
    }

    tar->len += len;
}


void
tarball_pad(tarball_t *tar)
{
    size_t  len;

    len = -tar->len % TARBALL_BLOCK;

    tarball_reserve(tar, len);
    memset(tar->data + tar->len, 0, len);
    tar->len += len;
}


unsigned char *
tarball_header(tarball_t *tar, char type, const char *path, uint64_t size)
{
    size_t          len;
    unsigned char  *header;

    tarball_reserve(tar, TARBALL_BLOCK);

    header = tar->data + tar->len;
    tar->len += TARBALL_BLOCK;

    len = strlen(path);

    memset(header, 0, TARBALL_BLOCK);
    memcpy(header, path, len < 100 ? len : 100);
    memcpy(header + 100, "0000644", 8);
    memcpy(header + 108, "0000000", 8);
    memcpy(header + 116, "0000000", 8);
    (void) snprintf((char *) header + 124, 12, "%011" PRIo64, size);
    memcpy(header + 136, "10706053410", 12);
    header[156] = (unsigned char) type;
    memcpy(header + 257, "ustar  ", 8);

    tarball_checksum(header);

    return header;
}


void
tarball_checksum(unsigned char *header)
{
    size_t    i;
    unsigned  sum;

    memset(header + 148, ' ', 8);

    for (sum = 0, i = 0; i < TARBALL_BLOCK; i++) {
        sum += header[i];
    }

    (void) snprintf((char *) header + 148, 8, "%06o", sum);
}


void
tarball_entry(tarball_t *tar, char type, const char *path, const void *data,
    size_t len)
{
    (void) tarball_header(tar, type, path, len);
    tarball_append(tar, data, len);
    tarball_pad(tar);
}


void
tarball_file(tarball_t *tar, const char *path, const char *text)
{
    tarball_entry(tar, '0', path, text, strlen(text));
}


void
tarball_pax(tarball_t *tar, const char *key, const char *value)
{
    int     len, digits;
    char   *record;
    size_t  room;

    room = strlen(key) + strlen(value) + 32;
    record = malloc(room);
    if (record == NULL) {
        abort();
    }

    /* the length counts its own digits */

    for (digits = 1, len = 0; digits < 6; digits++) {
        len = (int) (strlen(key) + strlen(value)) + digits + 3;

        if (snprintf(record, room, "%d %s=%s\n", len, key, value) == len) {
            break;
        }
    }

    tarball_entry(tar, 'x', "PaxHeaders/entry", record, (size_t) len);

    free(record);
}


void
tarball_end(tarball_t *tar)
{
    static const unsigned char  zeros[2 * TARBALL_BLOCK];

    tarball_append(tar, zeros, sizeof(zeros));
}


void
tarball_gzip(tarball_t *gzip, const void *data, size_t len)
{
    z_stream  stream;

    memset(&stream, 0, sizeof(stream));

    if (deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY)
        != Z_OK)
    {
        abort();
    }

    tarball_reserve(gzip, deflateBound(&stream, len));

    stream.next_in = data;
    stream.avail_in = (uInt) len;
    stream.next_out = gzip->data + gzip->len;
    stream.avail_out = (uInt) (gzip->room - gzip->len);

    if (deflate(&stream, Z_FINISH) != Z_STREAM_END) {
        abort();
    }

    gzip->len = gzip->room - stream.avail_out;

    (void) deflateEnd(&stream);
}


static void
tarball_reserve(tarball_t *tar, size_t len)
{
    if (tar->room - tar->len >= len && tar->data) {
        return;
    }

    tar->room = tar->len + len + 4096;
    tar->data = realloc(tar->data, tar->room);

    if (tar->data == NULL) {
        abort();
    }
}
