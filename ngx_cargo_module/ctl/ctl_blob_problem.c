
/*
 * Whether the blob of a checksum is what its name says.
 */


#include "ctl_blobs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "ctl_print.h"


#define CTL_READ_BUFFER  (256 * 1024)


static char *ctl_blob_content_problem(int fd, const char *checksum,
    long long size, int quick);


int
ctl_blob_open(int root, const char *checksum)
{
    int   fd, dir, error;
    char  name[CTL_BLOB_NAME];

    ctl_blob_name(checksum, name);

    dir = ctl_blobs_dir(root, checksum);
    if (dir == -1) {
        return -1;
    }

    fd = openat(dir, name, O_RDONLY|O_NOFOLLOW|O_NONBLOCK|O_CLOEXEC);
    error = errno;

    (void) close(dir);
    errno = error;

    return fd;
}


char *
ctl_blob_problem(int root, const char *checksum, long long size, int quick,
    int *error)
{
    int    fd;
    char  *problem;

    fd = ctl_blob_open(root, checksum);
    *error = (fd == -1) ? errno : 0;

    if (fd != -1) {
        problem = ctl_blob_content_problem(fd, checksum, size, quick);
        (void) close(fd);
        return problem;
    }

    switch (*error) {

    case ENOENT:
        return ctl_printf("is missing");

    case ELOOP:
        return ctl_printf("is a symbolic link");

    default:
        return ctl_printf("cannot be opened (%s)", strerror(*error));
    }
}


int
ctl_file_sha256(int fd, char *hex)
{
    int                    good, error;
    ssize_t                n;
    EVP_MD_CTX            *md;
    unsigned char          digest[EVP_MAX_MD_SIZE];
    static unsigned char   buffer[CTL_READ_BUFFER];

    n = 0;
    error = 0;

    md = EVP_MD_CTX_new();
    good = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1;

    while (good) {
        n = read(fd, buffer, CTL_READ_BUFFER);

        if (n <= 0) {
            error = errno;
            break;
        }

        good = EVP_DigestUpdate(md, buffer, (size_t) n) == 1;
    }

    good = good && EVP_DigestFinal_ex(md, digest, NULL) == 1;

    EVP_MD_CTX_free(md);

    if (!good) {
        ctl_error("libcrypto cannot compute SHA-256");
        exit(CTL_FAILED);
    }

    if (n < 0) {
        errno = error;
        return -1;
    }

    ctl_hex(digest, CTL_SHA256_HEX / 2, hex);

    return 0;
}


static char *
ctl_blob_content_problem(int fd, const char *checksum, long long size,
    int quick)
{
    char         hex[CTL_SHA256_HEX + 1];
    struct stat  st;

    if (fstat(fd, &st) == -1) {
        return ctl_printf("cannot be examined (%s)", strerror(errno));
    }

    if (!S_ISREG(st.st_mode)) {
        return ctl_printf("is not a regular file");
    }

    if (size != -1 && (long long) st.st_size != size) {
        return ctl_printf("has %lld bytes, published were %lld",
                          (long long) st.st_size, size);
    }

    if (quick) {
        return NULL;
    }

    if (ctl_file_sha256(fd, hex) == -1) {
        return ctl_printf("cannot be read (%s)", strerror(errno));
    }

    if (strcmp(hex, checksum) != 0) {
        return ctl_printf("is corrupt: its SHA-256 is %s", hex);
    }

    return NULL;
}
