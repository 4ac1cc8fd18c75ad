
/*
 * The store of .crate files as sweep, check and backup see it:
 * ab/cd/<sha256>.crate below --blobs.
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

/*
 * The file of a blob under its final name, for reading: -1 and errno.  A
 * symbolic link is none, and a FIFO does not make anybody wait.
 */
int ctl_blob_open(int root, const char *checksum);

/*
 * What is wrong with a blob in words, the caller's to free; NULL: nothing.
 * size is -1 when it is not known.  quick: the content is not read.  error:
 * errno when the file could not be opened, else 0.
 */
char *ctl_blob_problem(int root, const char *checksum, long long size,
    int quick, int *error);

/* the SHA-256 of what is left to read: -1 and errno */
int ctl_file_sha256(int fd, char *hex);

void ctl_blob_name(const char *checksum, char *name);
void ctl_blob_path(const char *checksum, char *path);

/* "cannot DO PATH: why", with who has the rights when they are missing */
void ctl_blobs_error(const ctl_t *ctl, const char *action, const char *path,
    int error);


#endif /* CTL_BLOBS_H */
