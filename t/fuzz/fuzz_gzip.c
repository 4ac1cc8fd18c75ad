
#include "archive.h"


/* the bytes as they are: gzip's own checksums let few changes through */

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    cargo_str_t  gzip;

    gzip.data = (unsigned char *) (uintptr_t) data;
    gzip.len = size;

    (void) archive_check(data, size, gzip, size <= 512);

    return 0;
}
