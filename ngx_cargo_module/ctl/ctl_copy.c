
#include "ctl_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cargo_blob.h"
#include "ctl_print.h"


#define CTL_COPY_BUFFER  (256 * 1024)


typedef struct {
    const ctl_store_t  *to;
    cargo_arena_t      *arena;
    cargo_blob_t        blob;
    int                 fd;
    const char         *checksum;
    char               *problem;
} ctl_copy_t;


static int ctl_copy_open(int from, const char *checksum);
static ctl_rc_t ctl_copy_file(ctl_copy_t *copy);
static ctl_rc_t ctl_copy_content(ctl_copy_t *copy);
static ctl_rc_t ctl_copy_keep(ctl_copy_t *copy);
static ctl_rc_t ctl_copy_time(const ctl_copy_t *copy);
static ctl_rc_t ctl_copy_failed(const ctl_copy_t *copy);


ctl_rc_t
ctl_copy_blob(int from, const ctl_store_t *to, const char *checksum,
    long long size, char **problem)
{
    ctl_rc_t     rc;
    ctl_copy_t   copy;
    struct stat  st;

    memset(&copy, 0, sizeof(ctl_copy_t));

    copy.to = to;
    copy.checksum = checksum;
    copy.fd = ctl_copy_open(from, checksum);

    rc = CTL_DONE;

    if (copy.fd == -1) {
        copy.problem = (errno == ENOENT)
                       ? ctl_printf("is missing")
                       : ctl_printf("cannot be opened (%s)", strerror(errno));

    } else if (fstat(copy.fd, &st) == -1 || !S_ISREG(st.st_mode)) {
        copy.problem = ctl_printf("is not a regular file");

    } else if (size != -1 && (long long) st.st_size != size) {
        copy.problem = ctl_printf("has %lld bytes, published were %lld",
                                  (long long) st.st_size, size);

    } else {
        rc = ctl_copy_file(&copy);
    }

    if (copy.fd != -1) {
        (void) close(copy.fd);
    }

    *problem = copy.problem;

    return rc;
}


static int
ctl_copy_open(int from, const char *checksum)
{
    int   fd, trash, error;
    char  name[CTL_BLOB_NAME];

    fd = ctl_blob_open(from, checksum);

    if (fd != -1 || errno != ENOENT) {
        return fd;
    }

    trash = ctl_blobs_subdir(from, "trash");
    if (trash == -1) {
        return -1;
    }

    ctl_blob_name(checksum, name);

    fd = openat(trash, name, O_RDONLY|O_NOFOLLOW|O_NONBLOCK|O_CLOEXEC);
    error = errno;

    (void) close(trash);
    errno = error;

    return fd;
}


static ctl_rc_t
ctl_copy_file(ctl_copy_t *copy)
{
    int       opened;
    ctl_rc_t  rc;

    copy->arena = cargo_arena_create(NULL);

    if (copy->arena == NULL) {
        ctl_error("out of memory");
        return CTL_FAILED;
    }

    rc = ctl_store_enter(copy->to);

    if (rc == CTL_DONE) {
        opened = cargo_blob_open(&copy->blob, copy->arena, copy->to->path);
        ctl_store_leave(copy->to);

        rc = (opened == 0) ? ctl_copy_content(copy) : ctl_copy_failed(copy);

        if (rc == CTL_DONE && copy->problem == NULL) {
            rc = ctl_copy_keep(copy);
        } else {
            cargo_blob_drop(&copy->blob);
        }
    }

    cargo_arena_destroy(copy->arena);

    return rc;
}


static ctl_rc_t
ctl_copy_content(ctl_copy_t *copy)
{
    char                   checksum[CARGO_BLOB_HEX + 1];
    ssize_t                n;
    static unsigned char   buffer[CTL_COPY_BUFFER];

    while ((n = read(copy->fd, buffer, CTL_COPY_BUFFER)) > 0) {
        if (cargo_blob_write(&copy->blob, buffer, (size_t) n) != 0) {
            return ctl_copy_failed(copy);
        }
    }

    if (n == -1) {
        copy->problem = ctl_printf("cannot be read (%s)", strerror(errno));
        return CTL_DONE;
    }

    if (cargo_blob_checksum(&copy->blob, checksum) != 0) {
        return ctl_copy_failed(copy);
    }

    if (strcmp(checksum, copy->checksum) != 0) {
        copy->problem = ctl_printf("is corrupt: its SHA-256 is %s", checksum);
    }

    return CTL_DONE;
}


static ctl_rc_t
ctl_copy_keep(ctl_copy_t *copy)
{
    int       kept;
    ctl_rc_t  rc;

    rc = ctl_store_enter(copy->to);
    if (rc != CTL_DONE) {
        cargo_blob_drop(&copy->blob);
        return rc;
    }

    kept = cargo_blob_keep(&copy->blob, copy->arena, copy->to->path,
                           copy->checksum);
    rc = (kept == 0) ? ctl_copy_time(copy) : ctl_copy_failed(copy);

    ctl_store_leave(copy->to);

    return rc;
}


/* a rebuild takes it for the time of the publish */

static ctl_rc_t
ctl_copy_time(const ctl_copy_t *copy)
{
    char             path[CTL_BLOB_PATH];
    struct stat      st;
    struct timespec  times[2];

    ctl_blob_path(copy->checksum, path);

    if (fstat(copy->fd, &st) == 0) {
        times[0] = st.st_atim;
        times[1] = st.st_mtim;

        if (utimensat(copy->to->root, path, times, AT_SYMLINK_NOFOLLOW) == 0) {
            return CTL_DONE;
        }
    }

    ctl_error("cannot set the time of %.*s/%s: %s", (int) copy->to->path.len,
              copy->to->path.data, path, strerror(errno));

    return CTL_FAILED;
}


static ctl_rc_t
ctl_copy_failed(const ctl_copy_t *copy)
{
    ctl_error("cannot write to %.*s: %s: %s", (int) copy->to->path.len,
              copy->to->path.data, copy->blob.failed,
              strerror(copy->blob.err));

    return CTL_FAILED;
}
