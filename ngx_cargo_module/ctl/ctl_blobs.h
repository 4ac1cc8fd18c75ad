
/*
 * The store of .crate files as sweep and check see it: ab/cd/<sha256>.crate
 * below --blobs.
 *
 * Always true: a symbolic link below the root is never followed; the file
 * descriptors handed out are the caller's to close.
 */


#ifndef CTL_BLOBS_H
#define CTL_BLOBS_H


#include "cargoctl.h"
#include "ctl_files.h"


/* "<sha256>.crate" and a NUL; "ab/cd/" before it for a path */
#define CTL_BLOB_NAME  (CTL_SHA256_HEX + 7)
#define CTL_BLOB_PATH  (CTL_BLOB_NAME + 6)


/* -1, said, when it cannot be opened */
int ctl_blobs_open(const ctl_t *ctl);

/* a directory below another: -1 and errno */
int ctl_blobs_subdir(int dir, const char *name);

/* ab/cd of a checksum: -1 and errno */
int ctl_blobs_dir(int root, const char *checksum);

/* 1 and the checksum when a file of this name is a blob */
int ctl_blob_checksum(const char *name, char *checksum);

void ctl_blob_name(const char *checksum, char *name);
void ctl_blob_path(const char *checksum, char *path);

/* "cannot DO PATH: why", with who has the rights when they are missing */
void ctl_blobs_error(const ctl_t *ctl, const char *action, const char *path,
    int error);


#endif /* CTL_BLOBS_H */
