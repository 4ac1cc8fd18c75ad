
/*
 * The directory of an export.
 */


#include "ctl_export.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cargo_blob.h"
#include "ctl_blobs.h"
#include "ctl_print.h"


/* what is being written; a killed export may leave it */
#define CTL_EXPORT_TMP     ".cargoctl-export"

#define CTL_EXPORT_BUFFER  65536


static ctl_rc_t ctl_export_usable(const ctl_export_t *to);
static int ctl_export_open_blob(ctl_export_t *to, const char *checksum,
    long long size, char **reason);
static int ctl_export_same(const ctl_export_t *to, const char *name, int blob,
    const char *checksum);
static int ctl_export_place(ctl_export_t *to, const char *name, int blob,
    const char *checksum, char **reason);
static int ctl_export_copy(const ctl_export_t *to, int blob,
    const char *checksum, char **reason);
static int ctl_export_read(int from, int fd, char *checksum);
static ctl_rc_t ctl_export_write(ctl_export_t *to, const char *path,
    const char *text, size_t len);
static int ctl_export_unchanged(const ctl_export_t *to, const char *path,
    const char *text, size_t len);
static int ctl_export_make_dirs(const ctl_export_t *to, char *path);
static char *ctl_export_index_path(const char *crate);
static void ctl_export_walk(ctl_export_t *to, int fd, const char *path);
static int ctl_export_is_crate(const char *name);


ctl_rc_t
ctl_export_open(ctl_export_t *to)
{
    ctl_rc_t  rc;

    if (mkdir(to->path, 0755) == -1 && errno != EEXIST) {
        ctl_error("cannot make %s: %s", to->path, strerror(errno));
        return CTL_REFUSED;
    }

    to->dir = open(to->path, O_RDONLY|O_DIRECTORY|O_CLOEXEC);

    if (to->dir == -1) {
        ctl_error("cannot open %s: %s", to->path, strerror(errno));
        return CTL_REFUSED;
    }

    if (flock(to->dir, LOCK_EX|LOCK_NB) == -1 && errno == EWOULDBLOCK) {
        ctl_error("another export writes to %s: let it end", to->path);
        return CTL_REFUSED;
    }

    rc = ctl_export_usable(to);

    /* first of all, since it is what an older export is known by */

    if (rc == CTL_DONE && mkdirat(to->dir, "index", 0755) == -1
        && errno != EEXIST)
    {
        ctl_error("cannot make %s/index: %s", to->path, strerror(errno));
        rc = CTL_REFUSED;
    }

    return rc;
}


ctl_rc_t
ctl_export_blob(ctl_export_t *to, const char *crate, const char *version,
    const char *checksum, long long size)
{
    int    blob, placed;
    char  *name, *reason;

    reason = NULL;
    name = ctl_printf("%s-%s.crate", crate, version);

    blob = ctl_export_open_blob(to, checksum, size, &reason);
    placed = (blob == -1) ? -1
                          : ctl_export_place(to, name, blob, checksum,
                                             &reason);

    if (blob != -1) {
        (void) close(blob);
    }

    if (placed == 0) {
        json_object_set_new(to->files, name, json_null());

    } else if (reason) {
        json_array_append_new(to->missing,
                              json_pack("{s:s, s:s, s:s}", "crate", crate,
                                        "version", version, "reason",
                                        reason));

    } else {
        ctl_error("cannot write %s/%s: %s", to->path, name, strerror(errno));
    }

    placed = (placed == 0) ? CTL_DONE : reason ? CTL_REFUSED : CTL_FAILED;

    free(reason);
    free(name);

    return (ctl_rc_t) placed;
}


ctl_rc_t
ctl_export_document(ctl_export_t *to, const char *crate, const char *text,
    size_t len)
{
    char      *path;
    ctl_rc_t   rc;

    path = ctl_export_index_path(crate);

    rc = ctl_export_write(to, path, text, len);
    free(path);

    return rc;
}


/* no "api": there is nothing behind a directory that answers */

ctl_rc_t
ctl_export_config(ctl_export_t *to)
{
    char      *dl, *text;
    json_t    *config;
    size_t     len;
    ctl_rc_t   rc;

    len = strlen(to->ctl->url);

    while (len && to->ctl->url[len - 1] == '/') {
        len--;
    }

    dl = ctl_printf("%.*s/{crate}-{version}.crate", (int) len, to->ctl->url);
    config = json_pack("{s:s}", "dl", dl);
    text = config ? json_dumps(config, JSON_COMPACT) : NULL;

    if (text) {
        rc = ctl_export_write(to, "index/config.json", text, strlen(text));

    } else {
        ctl_error("--url is not UTF-8");
        rc = CTL_USAGE;
    }

    free(dl);
    free(text);
    json_decref(config);

    return rc;
}


void
ctl_export_strangers(ctl_export_t *to)
{
    int  fd;

    fd = ctl_blobs_subdir(to->dir, ".");

    if (fd != -1) {
        ctl_export_walk(to, fd, "");
    }
}


/* empty, or with an index and otherwise nothing but crates */

static ctl_rc_t
ctl_export_usable(const ctl_export_t *to)
{
    int             fd, index, crates;
    DIR            *dir;
    char           *other;
    struct dirent  *entry;

    fd = ctl_blobs_subdir(to->dir, ".");
    dir = (fd == -1) ? NULL : fdopendir(fd);

    if (dir == NULL) {
        ctl_error("cannot read %s: %s", to->path, strerror(errno));
        return CTL_REFUSED;
    }

    index = 0;
    crates = 0;
    other = NULL;

    while (other == NULL && (entry = readdir(dir)) != NULL) {

        if (strcmp(entry->d_name, "index") == 0) {
            index = 1;

        } else if (ctl_export_is_crate(entry->d_name)) {
            crates = 1;

        } else if (strcmp(entry->d_name, ".") != 0
                   && strcmp(entry->d_name, "..") != 0
                   && strcmp(entry->d_name, CTL_EXPORT_TMP) != 0)
        {
            other = ctl_printf("%s", entry->d_name);
        }
    }

    (void) closedir(dir);

    if (other || (crates && !index)) {
        ctl_error("%s holds other things%s%s; name an empty directory, one "
                  "that is not there yet, or an older export", to->path,
                  other ? ", such as " : "", other ? other : "");
        free(other);
        return CTL_REFUSED;
    }

    return CTL_DONE;
}


/* -1 with a reason when the store does not have it as it was published */

static int
ctl_export_open_blob(ctl_export_t *to, const char *checksum, long long size,
    char **reason)
{
    int          fd, dir;
    char         name[CTL_BLOB_NAME];
    struct stat  st;

    ctl_blob_name(checksum, name);

    fd = -1;
    dir = ctl_blobs_dir(to->root, checksum);

    if (dir != -1) {
        fd = openat(dir, name, O_RDONLY|O_NOFOLLOW|O_NONBLOCK|O_CLOEXEC);
    }

    if (fd == -1) {
        *reason = ctl_printf("its blob in %s cannot be opened: %s",
                             to->ctl->blobs, strerror(errno));

    } else if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)
               || (long long) st.st_size != size)
    {
        *reason = ctl_printf("its blob in %s is not what was published",
                             to->ctl->blobs);
        (void) close(fd);
        fd = -1;
    }

    if (dir != -1) {
        (void) close(dir);
    }

    return fd;
}


/* 1 when the file is there already: a link to the blob, or a copy of it */

static int
ctl_export_same(const ctl_export_t *to, const char *name, int blob,
    const char *checksum)
{
    int          fd, same;
    char         found[CARGO_BLOB_HEX + 1];
    struct stat  st, other;

    if (fstat(blob, &st) == -1
        || fstatat(to->dir, name, &other, AT_SYMLINK_NOFOLLOW) == -1
        || !S_ISREG(other.st_mode) || st.st_size != other.st_size)
    {
        return 0;
    }

    if (st.st_dev == other.st_dev && st.st_ino == other.st_ino) {
        return 1;
    }

    fd = openat(to->dir, name, O_RDONLY|O_NOFOLLOW|O_CLOEXEC);

    if (fd == -1) {
        return 0;
    }

    same = ctl_export_read(fd, -1, found) == 0 && strcmp(found, checksum) == 0;

    (void) close(fd);

    return same;
}


/*
 * A link where the file system allows it, else a copy; -1 with a reason when
 * the blob is to blame, or with errno.
 */

static int
ctl_export_place(ctl_export_t *to, const char *name, int blob,
    const char *checksum, char **reason)
{
    char  path[CTL_BLOB_PATH];

    if (ctl_export_same(to, name, blob, checksum)) {
        return 0;
    }

    (void) unlinkat(to->dir, CTL_EXPORT_TMP, 0);

    ctl_blob_path(checksum, path);

    if (linkat(to->root, path, to->dir, CTL_EXPORT_TMP, 0) == -1
        && ctl_export_copy(to, blob, checksum, reason) == -1)
    {
        return -1;
    }

    if (renameat(to->dir, CTL_EXPORT_TMP, to->dir, name) == -1) {
        return -1;
    }

    to->written++;

    return 0;
}


static int
ctl_export_copy(const ctl_export_t *to, int blob, const char *checksum,
    char **reason)
{
    int   fd, rc, error;
    char  found[CARGO_BLOB_HEX + 1];

    fd = openat(to->dir, CTL_EXPORT_TMP,
                O_WRONLY|O_CREAT|O_EXCL|O_NOFOLLOW|O_CLOEXEC, 0644);

    if (fd == -1) {
        return -1;
    }

    rc = ctl_export_read(blob, fd, found);

    if (rc == 0 && strcmp(found, checksum) != 0) {
        *reason = ctl_printf("its blob in %s is corrupt: its SHA-256 is %s",
                             to->ctl->blobs, found);
        rc = -1;
    }

    error = errno;

    if (close(fd) == -1 && rc == 0) {
        error = errno;
        rc = -1;
    }

    if (rc == -1) {
        (void) unlinkat(to->dir, CTL_EXPORT_TMP, 0);
    }

    errno = error;

    return rc;
}


/* hashes a file and, unless fd is -1, copies it: -1 and errno */

static int
ctl_export_read(int from, int fd, char *checksum)
{
    int                   rc;
    off_t                 offset;
    ssize_t               n;
    cargo_str_t           nowhere = { 0, NULL };
    cargo_blob_t          blob;
    static unsigned char  buffer[CTL_EXPORT_BUFFER];

    rc = cargo_blob_open(&blob, NULL, nowhere);

    for (offset = 0; rc == 0; offset += n) {

        n = pread(from, buffer, sizeof(buffer), offset);

        if (n == 0) {
            break;
        }

        if (n == -1 || (fd != -1 && write(fd, buffer, (size_t) n) != n)
            || cargo_blob_write(&blob, buffer, (size_t) n) != 0)
        {
            rc = -1;
        }
    }

    if (rc == 0) {
        rc = cargo_blob_checksum(&blob, checksum);
    }

    cargo_blob_drop(&blob);

    return rc;
}


static ctl_rc_t
ctl_export_write(ctl_export_t *to, const char *path, const char *text,
    size_t len)
{
    int   fd, good;
    char *copy;

    json_object_set_new(to->files, path, json_null());

    if (ctl_export_unchanged(to, path, text, len)) {
        return CTL_DONE;
    }

    copy = ctl_printf("%s", path);
    good = ctl_export_make_dirs(to, copy) == 0;
    free(copy);

    (void) unlinkat(to->dir, CTL_EXPORT_TMP, 0);

    fd = good ? openat(to->dir, CTL_EXPORT_TMP,
                       O_WRONLY|O_CREAT|O_EXCL|O_NOFOLLOW|O_CLOEXEC, 0644)
              : -1;

    good = (fd != -1) && write(fd, text, len) == (ssize_t) len;

    if (fd != -1 && close(fd) == -1) {
        good = 0;
    }

    if (!good || renameat(to->dir, CTL_EXPORT_TMP, to->dir, path) == -1) {
        ctl_error("cannot write %s/%s: %s", to->path, path, strerror(errno));
        return CTL_FAILED;
    }

    to->written++;

    return CTL_DONE;
}


/* a web server's validators change only when the document does */

static int
ctl_export_unchanged(const ctl_export_t *to, const char *path,
    const char *text, size_t len)
{
    int          fd, same;
    char        *found;
    struct stat  st;

    fd = openat(to->dir, path, O_RDONLY|O_NOFOLLOW|O_NONBLOCK|O_CLOEXEC);

    if (fd == -1) {
        return 0;
    }

    same = fstat(fd, &st) == 0 && S_ISREG(st.st_mode)
           && (size_t) st.st_size == len;

    if (same) {
        found = ctl_alloc(len);
        same = pread(fd, found, len, 0) == (ssize_t) len
               && memcmp(found, text, len) == 0;
        free(found);
    }

    (void) close(fd);

    return same;
}


static int
ctl_export_make_dirs(const ctl_export_t *to, char *path)
{
    int    rc;
    char  *slash;

    for (slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        rc = mkdirat(to->dir, path, 0755);
        *slash = '/';

        if (rc == -1 && errno != EEXIST) {
            return -1;
        }
    }

    return 0;
}


static char *
ctl_export_index_path(const char *crate)
{
    char    *path, *p;
    size_t   len;

    len = strlen(crate);

    path = (len < 3) ? ctl_printf("index/%zu/%s", len, crate)
           : (len == 3) ? ctl_printf("index/3/%.1s/%s", crate, crate)
           : ctl_printf("index/%.2s/%.2s/%s", crate, crate + 2, crate);

    for (p = path; *p; p++) {
        *p = (char) tolower((unsigned char) *p);
    }

    return path;
}


/* closes fd */

static void
ctl_export_walk(ctl_export_t *to, int fd, const char *path)
{
    int             below;
    DIR            *dir;
    char           *name;
    struct dirent  *entry;

    dir = fdopendir(fd);

    if (dir == NULL) {
        (void) close(fd);
        return;
    }

    while ((entry = readdir(dir)) != NULL) {

        if (entry->d_name[0] == '.') {
            continue;
        }

        name = ctl_printf("%s%s%s", path, *path ? "/" : "", entry->d_name);
        below = ctl_blobs_subdir(dirfd(dir), entry->d_name);

        if (below != -1) {
            ctl_export_walk(to, below, name);

        } else if (json_object_get(to->files, name) == NULL
                   && strcmp(name, "index/config.json") != 0)
        {
            json_array_append_new(to->strangers, json_string(name));
        }

        free(name);
    }

    (void) closedir(dir);
}


static int
ctl_export_is_crate(const char *name)
{
    size_t  len;

    len = strlen(name);

    return len > 6 && name[0] != '.' && strcmp(name + len - 6, ".crate") == 0;
}
