
/*
 * One blob from one store to another: hashed on its way, made durable under
 * its name, with the time it had.
 */


#ifndef CTL_COPY_H
#define CTL_COPY_H


#include "ctl_blobs.h"
#include "ctl_store.h"


/*
 * problem: in words, the caller's to free, when the blob of from is not what
 * its name says, and nothing was copied; else NULL.  What a sweep that was
 * killed has left in trash/ of from is found as well.  size as in
 * ctl_blob_problem().  CTL_FAILED, said, when it cannot be written.
 */
ctl_rc_t ctl_copy_blob(int from, const ctl_store_t *to, const char *checksum,
    long long size, char **problem);


#endif /* CTL_COPY_H */
