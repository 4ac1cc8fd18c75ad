
/*
 * backup --keep: what is older goes, and the blobs that only it had.
 */


#include "ctl_backup.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl_print.h"


static ctl_rc_t ctl_keep_lists(ctl_backup_t *backup, const json_t *names,
    size_t first);
static ctl_rc_t ctl_keep_blobs(ctl_backup_t *backup, int fd, int depth,
    size_t *removed);
static ctl_rc_t ctl_keep_entry(ctl_backup_t *backup, int fd, int depth,
    const char *name, size_t *removed);
static int ctl_keep_compare(const void *a, const void *b);


ctl_rc_t
ctl_backup_keep(ctl_backup_t *backup, size_t keep, size_t *removed,
    size_t *blobs)
{
    size_t     i, n;
    json_t    *names;
    ctl_rc_t   rc;

    *removed = 0;
    *blobs = 0;

    names = json_array();
    rc = ctl_backup_names(backup, names);

    n = json_array_size(names);
    n = (n > keep) ? n - keep : 0;

    /* all lists are read before anything is removed */

    if (rc == CTL_DONE && n) {
        rc = ctl_keep_lists(backup, names, n);
    }

    for (i = 0; rc == CTL_DONE && i < n; i++) {
        rc = ctl_backup_remove(backup,
                               json_string_value(json_array_get(names, i)));
        *removed += (rc == CTL_DONE);
    }

    json_decref(names);

    if (rc == CTL_DONE && n) {
        rc = ctl_keep_blobs(backup, ctl_blobs_subdir(backup->pool.root, "."),
                            0, blobs);
    }

    return rc;
}


/* of all that stay, in place of that of this one; sorted */

static ctl_rc_t
ctl_keep_lists(ctl_backup_t *backup, const json_t *names, size_t first)
{
    size_t        i;
    json_t       *own;
    ctl_rc_t      rc;
    ctl_backup_t  all;

    all = *backup;
    all.at = -1;
    all.blobs = NULL;
    all.nblobs = 0;

    own = json_incref(backup->manifest);
    rc = CTL_DONE;

    for (i = first; rc == CTL_DONE && i < json_array_size(names); i++) {

        rc = ctl_backup_read_manifest(&all, json_string_value(
                                                json_array_get(names, i)));
        if (rc == CTL_DONE) {
            rc = ctl_backup_read_list(&all, all.name, all.manifest);
        }
    }

    if (all.at != -1) {
        (void) close(all.at);
    }

    json_decref(all.manifest);
    backup->manifest = own;

    free(backup->blobs);
    backup->blobs = all.blobs;

    qsort(all.blobs, all.nblobs, sizeof(ctl_backup_blob_t), ctl_keep_compare);
    backup->nblobs_kept = all.nblobs;

    return rc;
}


/* closes fd */

static ctl_rc_t
ctl_keep_blobs(ctl_backup_t *backup, int fd, int depth, size_t *removed)
{
    DIR            *dir;
    ctl_rc_t        rc;
    struct dirent  *entry;

    dir = (fd == -1) ? NULL : fdopendir(fd);

    if (dir == NULL) {
        return ctl_backup_error(backup, "read", CTL_BACKUP_BLOBS);
    }

    rc = CTL_DONE;

    while (rc == CTL_DONE && (entry = readdir(dir)) != NULL) {
        rc = ctl_keep_entry(backup, dirfd(dir), depth, entry->d_name, removed);
    }

    (void) closedir(dir);

    return rc;
}


static ctl_rc_t
ctl_keep_entry(ctl_backup_t *backup, int fd, int depth, const char *name,
    size_t *removed)
{
    ctl_backup_blob_t  key;

    if (depth < 2) {
        return (strlen(name) == 2 && strspn(name, "0123456789abcdef") == 2)
               ? ctl_keep_blobs(backup, ctl_blobs_subdir(fd, name), depth + 1,
                                removed)
               : CTL_DONE;
    }

    if (!ctl_blob_checksum(name, key.checksum)
        || (backup->nblobs_kept
            && bsearch(&key, backup->blobs, backup->nblobs_kept,
                       sizeof(ctl_backup_blob_t), ctl_keep_compare)))
    {
        return CTL_DONE;
    }

    if (unlinkat(fd, name, 0) == -1) {
        return ctl_backup_error(backup, "remove from " CTL_BACKUP_BLOBS, name);
    }

    (*removed)++;

    return CTL_DONE;
}


static int
ctl_keep_compare(const void *a, const void *b)
{
    const ctl_backup_blob_t  *one = a, *other = b;

    return strcmp(one->checksum, other->checksum);
}
