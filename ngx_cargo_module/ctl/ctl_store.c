
#include "ctl_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl_blobs.h"
#include "ctl_print.h"


static ctl_rc_t ctl_store_prepare(const ctl_store_t *store);
static int ctl_store_empty(const ctl_store_t *store);


ctl_rc_t
ctl_store_open(ctl_store_t *store, ctl_t *ctl)
{
    ctl_rc_t     rc;
    struct stat  st;

    store->ctl = ctl;
    store->path.data = (unsigned char *) (uintptr_t) ctl->blobs;
    store->path.len = strlen(ctl->blobs);

    store->root = ctl_blobs_open(ctl);

    if (store->root == -1) {
        return CTL_REFUSED;
    }

    if (fstat(store->root, &st) == -1) {
        ctl_blobs_error(ctl, "examine", "", errno);
        ctl_store_close(store);
        return CTL_REFUSED;
    }

    store->uid = st.st_uid;
    store->gid = st.st_gid;
    store->foreign = (geteuid() == 0 && st.st_uid != 0);

    rc = ctl->dry_run ? CTL_DONE : ctl_store_prepare(store);

    if (rc != CTL_DONE) {
        ctl_store_close(store);
    }

    return rc;
}


void
ctl_store_close(ctl_store_t *store)
{
    if (store->root != -1) {
        (void) close(store->root);
        store->root = -1;
    }
}


/* the group first: who is not root any more may not change it */

ctl_rc_t
ctl_store_enter(const ctl_store_t *store)
{
    if (!store->foreign) {
        return CTL_DONE;
    }

    if (setegid(store->gid) == -1 || seteuid(store->uid) == -1) {
        ctl_error("cannot write to %s as its owner: %s", store->ctl->blobs,
                  strerror(errno));
        ctl_store_leave(store);
        return CTL_FAILED;
    }

    return CTL_DONE;
}


void
ctl_store_leave(const ctl_store_t *store)
{
    if (store->foreign && (seteuid(0) == -1 || setegid(getgid()) == -1)) {
        ctl_error("cannot be root again: %s", strerror(errno));
        exit(CTL_FAILED);
    }
}


int
ctl_store_has(const ctl_store_t *store, const char *checksum, long long size)
{
    int          found;
    char         path[CTL_BLOB_PATH];
    struct stat  st;

    ctl_blob_path(checksum, path);

    found = fstatat(store->root, path, &st, AT_SYMLINK_NOFOLLOW) == 0;

    return found && S_ISREG(st.st_mode) && (long long) st.st_size == size;
}


/* as nginx does: what is in use for something else is left alone */

static ctl_rc_t
ctl_store_prepare(const ctl_store_t *store)
{
    int       error;
    ctl_rc_t  rc;

    if (faccessat(store->root, "tmp", F_OK, 0) == 0) {
        return CTL_DONE;
    }

    if (!ctl_store_empty(store)) {
        ctl_error("%s holds other things; name the directory that cargo_blobs "
                  "names in nginx.conf, or an empty one", store->ctl->blobs);
        return CTL_REFUSED;
    }

    rc = ctl_store_enter(store);
    if (rc != CTL_DONE) {
        return rc;
    }

    error = (mkdirat(store->root, "tmp", 0755) == -1) ? errno : 0;

    ctl_store_leave(store);

    if (error && error != EEXIST) {
        ctl_blobs_error(store->ctl, "make", "tmp", error);
        return CTL_REFUSED;
    }

    return CTL_DONE;
}


static int
ctl_store_empty(const ctl_store_t *store)
{
    int             fd, empty;
    DIR            *dir;
    struct dirent  *entry;

    fd = ctl_blobs_subdir(store->root, ".");
    dir = (fd == -1) ? NULL : fdopendir(fd);

    if (dir == NULL) {
        return 0;
    }

    empty = 1;

    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.'
            && strcmp(entry->d_name, "lost+found") != 0)
        {
            empty = 0;
        }
    }

    (void) closedir(dir);

    return empty;
}
