
/*
 * The directory of backups: which there are, and what is none.
 */


#include "ctl_backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ctl_print.h"


#define CTL_BACKUP_TEXT                                                       \
    "Backups of a Cargo registry, made by `cargoctl backup`; `cargoctl "      \
    "restore` reads\nthem, and man cargoctl tells about both.\n"


static ctl_rc_t ctl_backup_open(ctl_backup_t *backup, ctl_t *ctl, int lock);
static ctl_rc_t ctl_backup_outside(const ctl_backup_t *backup);
static ctl_rc_t ctl_backup_mark(const ctl_backup_t *backup);
static ctl_rc_t ctl_backup_pool(ctl_backup_t *backup, int make);
static ctl_rc_t ctl_backup_tidy(const ctl_backup_t *backup);
static ctl_rc_t ctl_backup_tidy_pool(const ctl_backup_t *backup);
static ctl_rc_t ctl_backup_empty(const ctl_backup_t *backup, int *empty);
static ctl_rc_t ctl_backup_each(const ctl_backup_t *backup, int complete,
    json_t *names);
static int ctl_backup_is_name(const char *text);
static int ctl_backup_by_name(const void *a, const void *b);


ctl_rc_t
ctl_backup_open_writing(ctl_backup_t *backup, ctl_t *ctl)
{
    ctl_rc_t  rc;

    /* private crates, addresses and hashes of tokens are nobody's business */
    (void) umask(077);

    if (mkdir(ctl->operands[0], 0700) == -1 && errno != EEXIST) {
        ctl_error("cannot make %s: %s", ctl->operands[0], strerror(errno));
        return CTL_REFUSED;
    }

    rc = ctl_backup_open(backup, ctl, LOCK_EX);

    if (rc == CTL_DONE) {
        rc = ctl_backup_outside(backup);
    }

    if (rc == CTL_DONE) {
        rc = ctl_backup_mark(backup);
    }

    if (rc == CTL_DONE) {
        rc = ctl_backup_pool(backup, 1);
    }

    if (rc == CTL_DONE) {
        rc = ctl_backup_tidy(backup);
    }

    return (rc == CTL_DONE) ? ctl_backup_tidy_pool(backup) : rc;
}


ctl_rc_t
ctl_backup_open_reading(ctl_backup_t *backup, ctl_t *ctl)
{
    ctl_rc_t  rc;

    rc = ctl_backup_open(backup, ctl, LOCK_SH);

    if (rc == CTL_DONE
        && faccessat(backup->dir, CTL_BACKUP_MARK, F_OK, 0) == -1)
    {
        ctl_error("%s is no directory of `cargoctl backup`: it has no file "
                  CTL_BACKUP_MARK, backup->path);
        return CTL_REFUSED;
    }

    return (rc == CTL_DONE) ? ctl_backup_pool(backup, 0) : rc;
}


void
ctl_backup_close(ctl_backup_t *backup)
{
    ctl_store_close(&backup->pool);

    if (backup->at != -1) {
        (void) close(backup->at);
    }

    if (backup->dir != -1) {
        (void) close(backup->dir);
    }

    json_decref(backup->manifest);
    json_decref(backup->migrations);
    json_decref(backup->missing);
    free(backup->blobs);
    free(backup->pool_path);
}


ctl_rc_t
ctl_backup_begin(ctl_backup_t *backup)
{
    int              rc;
    time_t           now;
    struct tm        tm;
    struct timespec  moment = { 0, 50000000 };

    /* one in a second, so that names are times */

    do {
        now = time(NULL);

        if (gmtime_r(&now, &tm) == NULL
            || strftime(backup->name, CTL_BACKUP_NAME, "%Y%m%dT%H%M%SZ", &tm)
               == 0)
        {
            ctl_error("the clock is wrong: %lld s since 1970",
                      (long long) now);
            return CTL_FAILED;
        }

        rc = mkdirat(backup->dir, backup->name, 0700);

    } while (rc == -1 && errno == EEXIST && nanosleep(&moment, NULL) == 0);

    backup->at = (rc == 0) ? ctl_blobs_subdir(backup->dir, backup->name) : -1;

    return (backup->at != -1) ? CTL_DONE
                              : ctl_backup_error(backup, "make", backup->name);
}


ctl_rc_t
ctl_backup_find(ctl_backup_t *backup, const char *name)
{
    char      *some;
    size_t     n;
    json_t    *names;
    ctl_rc_t   rc;

    names = json_array();
    rc = ctl_backup_names(backup, names);
    n = json_array_size(names);

    if (rc == CTL_DONE && n == 0) {
        ctl_error("%s holds no backup that is complete", backup->path);
        rc = CTL_REFUSED;

    } else if (rc == CTL_DONE) {

        while (name && n
               && strcmp(json_string_value(json_array_get(names, n - 1)), name)
                  != 0)
        {
            n--;
        }

        if (n == 0) {
            some = ctl_json_words(names, ", ");
            ctl_error("%s holds no complete backup \"%s\"; there are: %s",
                      backup->path, name, some);
            free(some);
            rc = CTL_REFUSED;
        }
    }

    if (rc == CTL_DONE) {
        rc = ctl_backup_read_manifest(backup, json_string_value(
                                                json_array_get(names, n - 1)));
    }

    json_decref(names);

    return rc;
}


ctl_rc_t
ctl_backup_names(const ctl_backup_t *backup, json_t *names)
{
    return ctl_backup_each(backup, 1, names);
}


ctl_rc_t
ctl_backup_remove(const ctl_backup_t *backup, const char *name)
{
    int     dir;
    size_t  i;

    static const char *const  files[] = {
        CTL_BACKUP_MANIFEST, CTL_BACKUP_MANIFEST ".new", CTL_BACKUP_LIST,
        CTL_BACKUP_DUMP
    };

    dir = ctl_blobs_subdir(backup->dir, name);

    if (dir == -1) {
        return ctl_backup_error(backup, "open", name);
    }

    for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (unlinkat(dir, files[i], 0) == -1 && errno != ENOENT) {
            (void) close(dir);
            return ctl_backup_error(backup, "remove what is in", name);
        }
    }

    (void) close(dir);

    if (unlinkat(backup->dir, name, AT_REMOVEDIR) == -1) {
        return ctl_backup_error(backup, "remove", name);
    }

    return CTL_DONE;
}


ctl_rc_t
ctl_backup_error(const ctl_backup_t *backup, const char *action,
    const char *file)
{
    ctl_error("cannot %s %s/%s: %s", action, backup->path, file,
              strerror(errno));

    return CTL_FAILED;
}


static ctl_rc_t
ctl_backup_open(ctl_backup_t *backup, ctl_t *ctl, int lock)
{
    memset(backup, 0, sizeof(ctl_backup_t));

    backup->ctl = ctl;
    backup->path = ctl->operands[0];
    backup->pool.root = -1;
    backup->at = -1;
    backup->missing = json_array();
    backup->migrations = json_array();
    backup->dir = open(backup->path, O_RDONLY|O_DIRECTORY|O_CLOEXEC);

    if (backup->dir == -1) {
        ctl_error("cannot open %s: %s", backup->path, strerror(errno));
        return CTL_REFUSED;
    }

    if (flock(backup->dir, lock|LOCK_NB) == -1) {
        ctl_error(errno == EWOULDBLOCK
                  ? "another backup or restore is at work in %s: let it end"
                  : "%s cannot be locked; its file system has to know flock()",
                  backup->path);
        return CTL_REFUSED;
    }

    return CTL_DONE;
}


/* what is in the store is served, swept and given to nginx's user */

static ctl_rc_t
ctl_backup_outside(const ctl_backup_t *backup)
{
    int          fd, up;
    ctl_rc_t     rc;
    struct stat  store, st, parent;

    if (stat(backup->ctl->blobs, &store) == -1) {
        ctl_blobs_error(backup->ctl, "open", "", errno);
        return CTL_REFUSED;
    }

    rc = CTL_DONE;
    fd = ctl_blobs_subdir(backup->dir, ".");

    while (fd != -1 && rc == CTL_DONE && fstat(fd, &st) == 0) {

        if (st.st_dev == store.st_dev && st.st_ino == store.st_ino) {
            ctl_error("%s lies in the store, %s: choose a directory outside "
                      "of it, best on another disk", backup->path,
                      backup->ctl->blobs);
            rc = CTL_REFUSED;
        }

        up = openat(fd, "..", O_RDONLY|O_DIRECTORY|O_CLOEXEC);
        (void) close(fd);
        fd = up;

        if (fd != -1 && fstat(fd, &parent) == 0
            && parent.st_dev == st.st_dev && parent.st_ino == st.st_ino)
        {
            break;
        }
    }

    if (fd != -1) {
        (void) close(fd);
    }

    return rc;
}


static ctl_rc_t
ctl_backup_mark(const ctl_backup_t *backup)
{
    int       fd, empty, written;
    ctl_rc_t  rc;

    if (faccessat(backup->dir, CTL_BACKUP_MARK, F_OK, 0) == 0) {
        return CTL_DONE;
    }

    rc = ctl_backup_empty(backup, &empty);

    if (rc == CTL_DONE && !empty) {
        ctl_error("%s holds other things and no backups: name an empty "
                  "directory, or one that is to be made", backup->path);
        rc = CTL_REFUSED;
    }

    if (rc != CTL_DONE) {
        return rc;
    }

    fd = openat(backup->dir, CTL_BACKUP_MARK, O_WRONLY|O_CREAT|O_CLOEXEC,
                0600);
    written = fd != -1
              && write(fd, CTL_BACKUP_TEXT, sizeof(CTL_BACKUP_TEXT) - 1)
                 == (ssize_t) sizeof(CTL_BACKUP_TEXT) - 1;

    if (fd != -1) {
        (void) close(fd);
    }

    return written ? CTL_DONE
                   : ctl_backup_error(backup, "write", CTL_BACKUP_MARK);
}


static ctl_rc_t
ctl_backup_pool(ctl_backup_t *backup, int make)
{
    ctl_store_t  *pool;

    pool = &backup->pool;

    if (make
        && ((mkdirat(backup->dir, CTL_BACKUP_BLOBS, 0700) == -1
             && errno != EEXIST)
            || (mkdirat(backup->dir, CTL_BACKUP_BLOBS "/tmp", 0700) == -1
                && errno != EEXIST)))
    {
        return ctl_backup_error(backup, "make", CTL_BACKUP_BLOBS);
    }

    backup->pool_path = ctl_printf("%s/" CTL_BACKUP_BLOBS, backup->path);

    pool->ctl = backup->ctl;
    pool->path.data = (unsigned char *) backup->pool_path;
    pool->path.len = strlen(backup->pool_path);
    pool->root = ctl_blobs_subdir(backup->dir, CTL_BACKUP_BLOBS);

    return (pool->root != -1)
           ? CTL_DONE : ctl_backup_error(backup, "open", CTL_BACKUP_BLOBS);
}


/* the directory is locked: who began these is gone */

static ctl_rc_t
ctl_backup_tidy(const ctl_backup_t *backup)
{
    size_t     i;
    json_t    *names, *name;
    ctl_rc_t   rc;

    names = json_array();
    rc = ctl_backup_each(backup, 0, names);

    json_array_foreach (names, i, name) {
        if (rc == CTL_DONE) {
            rc = ctl_backup_remove(backup, json_string_value(name));
            ctl_note(backup->ctl, "took away %s, a backup that was not ended",
                     json_string_value(name));
        }
    }

    json_decref(names);

    return rc;
}


static ctl_rc_t
ctl_backup_tidy_pool(const ctl_backup_t *backup)
{
    int             fd;
    DIR            *dir;
    ctl_rc_t        rc;
    struct dirent  *entry;

    fd = ctl_blobs_subdir(backup->pool.root, "tmp");
    dir = (fd == -1) ? NULL : fdopendir(fd);

    if (dir == NULL) {
        return ctl_backup_error(backup, "read", CTL_BACKUP_BLOBS "/tmp");
    }

    rc = CTL_DONE;

    while (rc == CTL_DONE && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.' && unlinkat(fd, entry->d_name, 0) == -1) {
            rc = ctl_backup_error(backup, "empty", CTL_BACKUP_BLOBS "/tmp");
        }
    }

    (void) closedir(dir);

    return rc;
}


static ctl_rc_t
ctl_backup_empty(const ctl_backup_t *backup, int *empty)
{
    int             fd;
    DIR            *dir;
    struct dirent  *entry;

    fd = ctl_blobs_subdir(backup->dir, ".");
    dir = (fd == -1) ? NULL : fdopendir(fd);

    if (dir == NULL) {
        return ctl_backup_error(backup, "read", "");
    }

    *empty = 1;

    while ((entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0
            && strcmp(entry->d_name, "..") != 0
            && strcmp(entry->d_name, "lost+found") != 0)
        {
            *empty = 0;
        }
    }

    (void) closedir(dir);

    return CTL_DONE;
}


/* names of backups that have a manifest, or have none */

static ctl_rc_t
ctl_backup_each(const ctl_backup_t *backup, int complete, json_t *names)
{
    int              i, n, has;
    char            *manifest;
    struct dirent  **entries;

    n = scandirat(backup->dir, ".", &entries, NULL, NULL);

    if (n < 0) {
        return ctl_backup_error(backup, "read", "");
    }

    qsort(entries, (size_t) n, sizeof(struct dirent *), ctl_backup_by_name);

    for (i = 0; i < n; i++) {

        if (ctl_backup_is_name(entries[i]->d_name)) {
            manifest = ctl_printf("%s/" CTL_BACKUP_MANIFEST,
                                  entries[i]->d_name);
            has = faccessat(backup->dir, manifest, F_OK, 0) == 0;
            free(manifest);

            if (has == complete) {
                json_array_append_new(names, json_string(entries[i]->d_name));
            }
        }

        free(entries[i]);
    }

    free(entries);

    return CTL_DONE;
}


static int
ctl_backup_is_name(const char *text)
{
    size_t             i;
    static const char  form[] = "00000000T000000Z";

    for (i = 0; i < sizeof(form) && text[i]; i++) {
        if (form[i] == '0' ? (text[i] < '0' || text[i] > '9')
                           : text[i] != form[i])
        {
            return 0;
        }
    }

    return text[i] == '\0' && i == sizeof(form) - 1;
}


static int
ctl_backup_by_name(const void *a, const void *b)
{
    const struct dirent  *one = *(struct dirent *const *) a;
    const struct dirent  *other = *(struct dirent *const *) b;

    return strcmp(one->d_name, other->d_name);
}
