
#include "ctl_blobs.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl_print.h"


int
ctl_blobs_open(const ctl_t *ctl)
{
    int  root;

    root = open(ctl->blobs, O_RDONLY|O_DIRECTORY|O_CLOEXEC);

    if (root == -1) {
        ctl_blobs_error(ctl, "open", "", errno);
    }

    return root;
}


int
ctl_blobs_subdir(int dir, const char *name)
{
    return openat(dir, name, O_RDONLY|O_DIRECTORY|O_NOFOLLOW|O_CLOEXEC);
}


int
ctl_blobs_dir(int root, const char *checksum)
{
    int   fd, dir, error;
    char  name[3];

    (void) snprintf(name, sizeof(name), "%.2s", checksum);

    dir = ctl_blobs_subdir(root, name);
    if (dir == -1) {
        return -1;
    }

    (void) snprintf(name, sizeof(name), "%.2s", checksum + 2);

    fd = ctl_blobs_subdir(dir, name);
    error = errno;

    (void) close(dir);
    errno = error;

    return fd;
}


int
ctl_blob_checksum(const char *name, char *checksum)
{
    if (strspn(name, "0123456789abcdef") != CTL_SHA256_HEX
        || strcmp(name + CTL_SHA256_HEX, ".crate") != 0)
    {
        return 0;
    }

    memcpy(checksum, name, CTL_SHA256_HEX);
    checksum[CTL_SHA256_HEX] = '\0';

    return 1;
}


void
ctl_blob_name(const char *checksum, char *name)
{
    (void) snprintf(name, CTL_BLOB_NAME, "%s.crate", checksum);
}


void
ctl_blob_path(const char *checksum, char *path)
{
    (void) snprintf(path, CTL_BLOB_PATH, "%.2s/%.2s/%s.crate", checksum,
                    checksum + 2, checksum);
}


void
ctl_blobs_error(const ctl_t *ctl, const char *action, const char *path,
    int error)
{
    char           *who;
    struct stat     st;
    struct passwd  *owner;

    who = NULL;

    if ((error == EACCES || error == EPERM) && stat(ctl->blobs, &st) == 0) {
        owner = getpwuid(st.st_uid);
        who = ctl_printf("; run cargoctl as the owner of the store, %s",
                         owner ? owner->pw_name : "whose account is gone");
    }

    ctl_error("cannot %s %s%s%s: %s%s", action, ctl->blobs, *path ? "/" : "",
              path, strerror(error),
              who ? who
                  : (*path ? "" : "; --blobs or CARGO_BLOBS is to name the "
                                  "directory that cargo_blobs names in "
                                  "nginx.conf"));
    free(who);
}
