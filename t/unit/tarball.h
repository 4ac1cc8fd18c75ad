
/*
 * Writes .crate files for the tests, correct ones and, by giving the parts
 * one by one, any kind of incorrect one.
 *
 * Memory: a tarball_t owns its bytes; tarball_free() ends it.
 */


#ifndef TARBALL_H
#define TARBALL_H


#include <stddef.h>
#include <stdint.h>


#define TARBALL_BLOCK  512


typedef struct {
    size_t          len;
    size_t          room;
    unsigned char  *data;
} tarball_t;


void tarball_free(tarball_t *tar);
void tarball_append(tarball_t *tar, const void *data, size_t len);

/* zeros up to the next block */
void tarball_pad(tarball_t *tar);

/* a header in GNU tar's format; it moves with the next append */
unsigned char *tarball_header(tarball_t *tar, char type, const char *path,
    uint64_t size);

/* after a change to the header */
void tarball_checksum(unsigned char *header);

/* header, content and padding */
void tarball_entry(tarball_t *tar, char type, const char *path,
    const void *data, size_t len);

/* the same with text, for regular files */
void tarball_file(tarball_t *tar, const char *path, const char *text);

/* a pax header ('x') with one record, whose length it computes */
void tarball_pax(tarball_t *tar, const char *key, const char *value);

/* the two blocks of zeros */
void tarball_end(tarball_t *tar);

/* appends gzip of the data to the first */
void tarball_gzip(tarball_t *gzip, const void *data, size_t len);


#endif /* TARBALL_H */
