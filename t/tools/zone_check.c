
/*
 * usage: zone_check FILE
 *
 * Is the cache sound that is in this copy of nginx's shared memory?  0: yes,
 * and says what is in it; 1: no, and says what is wrong; 2: the copy was made
 * in the middle of a change, or it cannot be read.
 */


#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cargo_zone_private.h"


#define PAGE  4096


static unsigned char *read_copy(const char *path, size_t *size);
static int report(unsigned char *copy, size_t size, const char *path);
static int find_zone(cargo_zone_t *zone, unsigned char *copy, size_t size);
static void no_lock(void *mutex);


int
main(int argc, char **argv)
{
    int             rc;
    size_t          size;
    unsigned char  *copy;

    copy = (argc == 2) ? read_copy(argv[1], &size) : NULL;

    if (copy == NULL) {
        fprintf(stderr, "usage: zone_check FILE (of whole pages)\n");
        return 2;
    }

    rc = report(copy, size, argv[1]);

    free(copy);

    return rc;
}


static int
report(unsigned char *copy, size_t size, const char *path)
{
    const char          *error;
    cargo_zone_t         zone;
    cargo_zone_stats_t   stats;

    zone.lock = no_lock;
    zone.unlock = no_lock;
    zone.mutex = NULL;

    if (find_zone(&zone, copy, size) != 0) {
        fprintf(stderr, "there is no cargo_zone in %s\n", path);
        return 2;
    }

    if (zone.header->changing) {
        /* whoever takes the lock next would empty it */
        fprintf(stderr, "in the middle of a change\n");
        return 2;
    }

    error = cargo_zone_verify(&zone);

    if (error) {
        printf("%s\n", error);
        return 1;
    }

    cargo_zone_stats(&zone, &stats);

    printf("sound: %" PRIu32 " entries, %" PRIu32 " of %" PRIu32
           " chunks free, %" PRIu64 " resets\n", stats.entries,
           stats.chunks_free, stats.chunks, stats.resets);

    return 0;
}


static unsigned char *
read_copy(const char *path, size_t *size)
{
    long            end;
    FILE           *file;
    unsigned char  *copy;

    copy = NULL;
    file = fopen(path, "rb");

    if (file == NULL) {
        return NULL;
    }

    if (fseek(file, 0, SEEK_END) == 0
        && (end = ftell(file)) > 0 && end % PAGE == 0
        && fseek(file, 0, SEEK_SET) == 0)
    {
        *size = (size_t) end;
        copy = aligned_alloc(PAGE, *size);

        if (copy && fread(copy, *size, 1, file) != 1) {
            free(copy);
            copy = NULL;
        }
    }

    (void) fclose(file);

    return copy;
}


/* nginx's slab gives it whole pages, behind its own */

static int
find_zone(cargo_zone_t *zone, unsigned char *copy, size_t size)
{
    size_t                at;
    cargo_zone_header_t  *header;

    for (at = 0; at < size; at += PAGE) {
        header = (void *) (copy + at);

        if (header->size <= size - at
            && cargo_zone_attach(zone, header, (size_t) header->size) == 0)
        {
            return 0;
        }
    }

    return -1;
}


static void
no_lock(void *mutex)
{
    (void) mutex;
}
