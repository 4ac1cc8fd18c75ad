
/* for mkostemp() */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "cargo_blob.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>


#define CARGO_BLOB_TMP      "/tmp/upload-XXXXXX"

#define CARGO_BLOB_DIR_LEN  (sizeof("/ab/cd") - 1)


static int cargo_blob_failed(cargo_blob_t *blob, const char *what);
static int cargo_blob_settle(cargo_blob_t *blob, char *path,
    size_t store_len);
static int cargo_blob_make_dirs(cargo_blob_t *blob, char *path,
    size_t store_len);
static int cargo_blob_sync_dirs(cargo_blob_t *blob, char *path,
    size_t store_len);
static int cargo_blob_sync_dir(cargo_blob_t *blob, char *path, size_t len);


int
cargo_blob_open(cargo_blob_t *blob, cargo_arena_t *arena, cargo_str_t store)
{
    memset(blob, 0, sizeof(cargo_blob_t));
    blob->fd = -1;

    blob->digest = EVP_MD_CTX_new();

    if (blob->digest == NULL
        || EVP_DigestInit_ex(blob->digest, EVP_sha256(), NULL) != 1)
    {
        errno = ENOMEM;
        return cargo_blob_failed(blob, "getting memory");
    }

    if (store.data == NULL) {
        return 0;
    }

    blob->path = cargo_arena_alloc(arena, store.len + sizeof(CARGO_BLOB_TMP));

    if (blob->path == NULL) {
        errno = ENOMEM;
        return cargo_blob_failed(blob, "getting memory");
    }

    memcpy(blob->path, store.data, store.len);
    memcpy(blob->path + store.len, CARGO_BLOB_TMP, sizeof(CARGO_BLOB_TMP));

    blob->fd = mkostemp(blob->path, O_CLOEXEC);

    if (blob->fd == -1) {
        return cargo_blob_failed(blob, "creating a file in tmp/");
    }

    return 0;
}


int
cargo_blob_write(cargo_blob_t *blob, const unsigned char *p, size_t n)
{
    ssize_t  written;

    if (EVP_DigestUpdate(blob->digest, p, n) != 1) {
        errno = ENOMEM;
        return cargo_blob_failed(blob, "hashing");
    }

    blob->size += n;

    while (n && blob->fd != -1) {
        written = write(blob->fd, p, n);

        if (written == -1) {
            if (errno == EINTR) {
                continue;
            }

            return cargo_blob_failed(blob, "writing a file in tmp/");
        }

        p += written;
        n -= (size_t) written;
    }

    return 0;
}


int
cargo_blob_checksum(cargo_blob_t *blob, char *checksum)
{
    size_t             i;
    unsigned char      hash[EVP_MAX_MD_SIZE];
    static const char  digits[] = "0123456789abcdef";

    if (EVP_DigestFinal_ex(blob->digest, hash, NULL) != 1) {
        errno = ENOMEM;
        return cargo_blob_failed(blob, "hashing");
    }

    for (i = 0; i < CARGO_BLOB_HEX / 2; i++) {
        checksum[2 * i] = digits[hash[i] >> 4];
        checksum[2 * i + 1] = digits[hash[i] & 0xf];
    }

    checksum[CARGO_BLOB_HEX] = '\0';

    return 0;
}


int
cargo_blob_keep(cargo_blob_t *blob, cargo_arena_t *arena, cargo_str_t store,
    const char *checksum)
{
    int    rc;
    char  *path;

    path = cargo_arena_alloc(arena, store.len + CARGO_BLOB_NAME_LEN + 1);

    if (path == NULL) {
        errno = ENOMEM;
        rc = cargo_blob_failed(blob, "getting memory");

    } else {
        memcpy(path, store.data, store.len);
        *cargo_blob_name((unsigned char *) path + store.len, checksum) = '\0';

        rc = cargo_blob_settle(blob, path, store.len);
    }

    cargo_blob_drop(blob);

    return rc;
}


void
cargo_blob_drop(cargo_blob_t *blob)
{
    if (blob->fd != -1) {
        (void) close(blob->fd);
        blob->fd = -1;

        if (blob->path) {
            (void) unlink(blob->path);
        }
    }

    EVP_MD_CTX_free(blob->digest);
    blob->digest = NULL;
}


unsigned char *
cargo_blob_name(unsigned char *p, const char *checksum)
{
    static const char  suffix[] = ".crate";

    *p++ = '/';
    memcpy(p, checksum, 2);
    p += 2;

    *p++ = '/';
    memcpy(p, checksum + 2, 2);
    p += 2;

    *p++ = '/';
    memcpy(p, checksum, CARGO_BLOB_HEX);
    p += CARGO_BLOB_HEX;

    memcpy(p, suffix, sizeof(suffix) - 1);

    return p + sizeof(suffix) - 1;
}


static int
cargo_blob_failed(cargo_blob_t *blob, const char *what)
{
    blob->err = errno;
    blob->failed = what;

    return -1;
}


/*
 * The order is the promise: content on disk, then the name, then the name on
 * disk, and only then does anybody hear of it.
 */

static int
cargo_blob_settle(cargo_blob_t *blob, char *path, size_t store_len)
{
    if (fchmod(blob->fd, 0644) == -1) {
        return cargo_blob_failed(blob, "setting the mode of a file in tmp/");
    }

    /*
     * Before the content is synced: one commit of the file system's journal
     * then takes both, and the directories are found on disk.
     */
    if (cargo_blob_make_dirs(blob, path, store_len) != 0) {
        return -1;
    }

    if (fsync(blob->fd) == -1) {
        return cargo_blob_failed(blob, "fsync of a file in tmp/");
    }

    if (cargo_blob_sync_dirs(blob, path, store_len) != 0) {
        return -1;
    }

    if (rename(blob->path, path) == -1) {
        return cargo_blob_failed(blob, "renaming a file of tmp/");
    }

    blob->path = NULL;

    return cargo_blob_sync_dir(blob, path, store_len + CARGO_BLOB_DIR_LEN);
}


static int
cargo_blob_make_dirs(cargo_blob_t *blob, char *path, size_t store_len)
{
    int     rc;
    size_t  len;

    /* "/ab", then "/ab/cd" */

    for (len = store_len + 3; len <= store_len + 6; len += 3) {
        path[len] = '\0';
        rc = mkdir(path, 0755);
        path[len] = '/';

        if (rc == -1 && errno != EEXIST) {
            return cargo_blob_failed(blob, "making a directory");
        }
    }

    return 0;
}


/*
 * Also those that were there: somebody else may have made them a moment ago
 * and not have come to this point yet.
 */

static int
cargo_blob_sync_dirs(cargo_blob_t *blob, char *path, size_t store_len)
{
    size_t  len;

    for (len = store_len; len <= store_len + 3; len += 3) {
        if (cargo_blob_sync_dir(blob, path, len) != 0) {
            return -1;
        }
    }

    return 0;
}


static int
cargo_blob_sync_dir(cargo_blob_t *blob, char *path, size_t len)
{
    int   fd, rc;
    char  saved;

    saved = path[len];
    path[len] = '\0';
    fd = open(path, O_RDONLY|O_DIRECTORY|O_CLOEXEC);
    path[len] = saved;

    if (fd == -1) {
        return cargo_blob_failed(blob, "opening a directory");
    }

    rc = fsync(fd);

    if (rc == -1) {
        (void) cargo_blob_failed(blob, "fsync of a directory");
    }

    (void) close(fd);

    return rc;
}
