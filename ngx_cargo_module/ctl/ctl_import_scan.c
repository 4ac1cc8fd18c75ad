
/*
 * The scan of an import: which files are crates, which are index documents.
 */


#include "ctl_import.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cargo_archive.h"
#include "cargo_json.h"
#include "cargo_name.h"
#include "ctl_print.h"


/* deeper than any mirror, and a bound for the open directories */
#define CTL_SCAN_DEPTH  64


static ctl_rc_t ctl_scan_dir(ctl_import_t *import, int fd, const char *path,
    unsigned depth);
static ctl_rc_t ctl_scan_entry(ctl_import_t *import, int dir,
    const char *name, const char *path, unsigned depth);
static ctl_rc_t ctl_scan_subdir(ctl_import_t *import, int dir,
    const char *name, const char *path, unsigned depth);
static void ctl_scan_file(ctl_import_t *import, int dir, const char *name,
    const char *path);
static int ctl_scan_is_crate(const char *name);
static void ctl_scan_crate(ctl_import_t *import, int fd, const char *name,
    const char *path);
static int ctl_scan_is_index(const char *path);
static void ctl_scan_index(ctl_import_t *import, int fd, const char *name,
    const char *path);
static int ctl_scan_line(ctl_import_t *import, const ctl_index_line_t *where,
    const char *file, const char *text);
static void ctl_scan_add_file(ctl_import_t *import, cargo_str_t name,
    cargo_str_t version, const char *path);
static void ctl_scan_time(ctl_import_t *import, int fd);
static void *ctl_scan_room(void *array, size_t count, size_t size);
static const char *ctl_scan_keep(ctl_import_t *import, const char *text);


ctl_rc_t
ctl_import_scan(ctl_import_t *import)
{
    ctl_rc_t     rc;

    import->dir = open(import->source, O_RDONLY|O_DIRECTORY|O_CLOEXEC);

    if (import->dir == -1) {
        ctl_error("cannot open %s: %s", import->source, strerror(errno));
        return CTL_REFUSED;
    }

    rc = ctl_import_scan_below(import, import->dir, "");

    ctl_progress_end();

    return rc;
}


ctl_rc_t
ctl_import_scan_below(ctl_import_t *import, int dir, const char *path)
{
    return ctl_scan_subdir(import, dir, ".", path, 0);
}


/* closes fd */

static ctl_rc_t
ctl_scan_dir(ctl_import_t *import, int fd, const char *path, unsigned depth)
{
    DIR            *dir;
    char           *below;
    ctl_rc_t        rc;
    struct dirent  *entry;

    dir = fdopendir(fd);

    if (dir == NULL) {
        ctl_error("cannot read %s/%s: %s", import->source, path,
                  strerror(errno));
        (void) close(fd);
        return CTL_FAILED;
    }

    rc = CTL_DONE;
    errno = 0;

    while (rc == CTL_DONE && (entry = readdir(dir)) != NULL) {

        /* what tools keep for themselves: .git, .cache */

        if (entry->d_name[0] != '.') {
            below = ctl_printf("%s%s%s", path, *path ? "/" : "",
                               entry->d_name);
            rc = ctl_scan_entry(import, dirfd(dir), entry->d_name, below,
                                depth);
            free(below);
        }

        errno = 0;
    }

    if (rc == CTL_DONE && errno) {
        ctl_error("cannot read %s/%s: %s", import->source, path,
                  strerror(errno));
        rc = CTL_FAILED;
    }

    (void) closedir(dir);

    return rc;
}


/* links to files are followed, links to directories may go round in circles */

static ctl_rc_t
ctl_scan_entry(ctl_import_t *import, int dir, const char *name,
    const char *path, unsigned depth)
{
    struct stat  st;

    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0
        && S_ISDIR(st.st_mode))
    {
        /* trash/ of sweep, tmp/ of uploads */

        if (import->scan == CTL_SCAN_BLOBS && strlen(name) != 2) {
            return CTL_DONE;
        }

        return ctl_scan_subdir(import, dir, name, path, depth);
    }

    if (fstatat(dir, name, &st, 0) == 0 && S_ISREG(st.st_mode)) {
        ctl_scan_file(import, dir, name, path);

    } else if (ctl_scan_is_crate(name)) {
        ctl_import_refuse(import, path, NULL, NULL, "it is not a regular file");

    } else {
        import->others++;
    }

    return CTL_DONE;
}


static ctl_rc_t
ctl_scan_subdir(ctl_import_t *import, int dir, const char *name,
    const char *path, unsigned depth)
{
    int  fd;

    if (depth == CTL_SCAN_DEPTH) {
        ctl_import_refuse(import, path, NULL, NULL, "it lies too deep");
        return CTL_DONE;
    }

    fd = openat(dir, name, O_RDONLY|O_DIRECTORY|O_NOFOLLOW|O_CLOEXEC);

    if (fd == -1) {
        ctl_import_refuse(import, path, NULL, NULL, strerror(errno));
        return CTL_DONE;
    }

    return ctl_scan_dir(import, fd, path, depth + 1);
}


static void
ctl_scan_file(ctl_import_t *import, int dir, const char *name,
    const char *path)
{
    int  fd, crate;

    crate = ctl_scan_is_crate(name);

    if (import->scan == CTL_SCAN_LINES
        ? (crate || !ctl_scan_is_index(path))
        : (!crate && (import->scan == CTL_SCAN_BLOBS
                      || !ctl_scan_is_index(path))))
    {
        import->others += import->scan != CTL_SCAN_LINES
                          && strcmp(name, "config.json") != 0;
        return;
    }

    fd = openat(dir, name, O_RDONLY|O_NONBLOCK|O_CLOEXEC);

    if (fd == -1) {
        ctl_import_refuse(import, path, NULL, NULL, strerror(errno));
        return;
    }

    if (crate) {
        ctl_scan_crate(import, fd, name, path);
        (void) close(fd);

    } else {
        ctl_scan_index(import, fd, name, path);
    }

    ctl_progress(import->ctl, "%zu crates and %zu index lines found",
                 import->nfiles, import->nlines);
}


/* a mirror of crates.io's paths has serde/1.0.0/download */

static int
ctl_scan_is_crate(const char *name)
{
    size_t  len;

    len = strlen(name);

    return (len > 6 && strcmp(name + len - 6, ".crate") == 0)
           || strcmp(name, "download") == 0;
}


static void
ctl_scan_crate(ctl_import_t *import, int fd, const char *name,
    const char *path)
{
    ssize_t         n;
    cargo_rc_t      rc;
    cargo_str_t     crate, version;
    cargo_arena_t  *arena;
    cargo_error_t   error;
    unsigned char   start[CARGO_ARCHIVE_PEEK];

    n = pread(fd, start, sizeof(start), 0);

    if (n == -1) {
        ctl_import_refuse(import, path, NULL, NULL, strerror(errno));
        return;
    }

    /* anything may be called "download" */

    if (strcmp(name, "download") == 0
        && (n < 2 || start[0] != 0x1f || start[1] != 0x8b))
    {
        import->others++;
        return;
    }

    arena = cargo_arena_create(NULL);
    rc = arena ? cargo_archive_peek(arena, start, (size_t) n, &crate,
                                    &version, &error)
               : CARGO_NO_MEMORY;

    if (rc == CARGO_OK) {
        ctl_scan_add_file(import, crate, version, path);
        ctl_scan_time(import, fd);

    } else {
        ctl_import_refuse(import, path, NULL, NULL,
                          rc == CARGO_REFUSED ? error.detail
                                              : "out of memory");
    }

    if (arena) {
        cargo_arena_destroy(arena);
    }
}


/* "se/rd/serde" at its end, as the sparse protocol and the git index have it */

static int
ctl_scan_is_index(const char *path)
{
    size_t          parts;
    const char     *p, *name;
    cargo_str_t     text, crate;
    cargo_error_t   error;

    name = strrchr(path, '/');

    if (name == NULL) {
        return 0;
    }

    parts = (strlen(name + 1) < 3) ? 2 : 3;

    for (p = path + strlen(path); p > path; p--) {
        if (p[-1] == '/' && --parts == 0) {
            break;
        }
    }

    text.data = (unsigned char *) (uintptr_t) p;
    text.len = strlen(p);

    return cargo_name_of_index_path(text, &crate, &error) == CARGO_OK;
}


/* closes fd; a file whose first line is none of an index is something else */

static void
ctl_scan_index(ctl_import_t *import, int fd, const char *name,
    const char *path)
{
    FILE              *in;
    char              *text, *where;
    size_t             room;
    ssize_t            n;
    ctl_index_line_t   line;

    in = fdopen(fd, "r");

    if (in == NULL) {
        ctl_import_refuse(import, path, NULL, NULL, strerror(errno));
        (void) close(fd);
        return;
    }

    memset(&line, 0, sizeof(ctl_index_line_t));
    text = NULL;
    room = 0;

    while ((n = getline(&text, &room, in)) > 0) {

        line.number++;
        line.len = (size_t) n;

        if (strspn(text, " \t\r\n") == (size_t) n) {
            /* cargo skips empty lines */

        } else if (ctl_scan_line(import, &line, name, text)) {
            line.path = line.path ? line.path : ctl_scan_keep(import, path);
            import->lines[import->nlines++].path = line.path;

        } else if (line.number == 1) {
            import->others++;
            break;

        } else {
            where = ctl_printf("%s:%lu", path, line.number);
            ctl_import_refuse(import, where, NULL, NULL, "this is not a line "
                              "of the crate's index: JSON with name, vers and "
                              "cksum");
            free(where);
        }

        line.offset += n;
    }

    if (ferror(in)) {
        ctl_import_refuse(import, path, NULL, NULL, strerror(errno));
    }

    free(text);
    (void) fclose(in);
}


/* the new one is behind the last */

static int
ctl_scan_line(ctl_import_t *import, const ctl_index_line_t *where,
    const char *file, const char *text)
{
    int                good;
    json_t            *json;
    const char        *name, *version;
    ctl_index_line_t  *line;

    json = json_loadb(text, where->len, 0, NULL);

    name = json_string_value(json_object_get(json, "name"));
    version = json_string_value(json_object_get(json, "vers"));

    good = name && version && strcasecmp(name, file) == 0
           && json_is_string(json_object_get(json, "cksum"));

    if (good) {
        import->lines = ctl_scan_room(import->lines, import->nlines,
                                      sizeof(ctl_index_line_t));
        line = &import->lines[import->nlines];

        *line = *where;
        line->name = ctl_scan_keep(import, name);
        line->version = ctl_scan_keep(import, version);
        line->checksum = import->rebuild
                         ? ctl_scan_keep(import, ctl_json_text(json, "cksum"))
                         : NULL;
    }

    json_decref(json);

    return good;
}


static void
ctl_scan_add_file(ctl_import_t *import, cargo_str_t name, cargo_str_t version,
    const char *path)
{
    ctl_crate_file_t  *file;

    import->files = ctl_scan_room(import->files, import->nfiles,
                                  sizeof(ctl_crate_file_t));
    file = &import->files[import->nfiles++];

    name = cargo_arena_copy(import->arena, name.data, name.len);
    version = cargo_arena_copy(import->arena, version.data, version.len);

    file->name = (char *) name.data;
    file->version = (char *) version.data;
    file->path = ctl_scan_keep(import, path);
    file->line = NULL;
    file->modified = 0;
    file->twin = 0;

    if (file->name == NULL || file->version == NULL) {
        ctl_error("out of memory");
        exit(CTL_FAILED);
    }
}


/* when it was published, as far as the store knows */

static void
ctl_scan_time(ctl_import_t *import, int fd)
{
    struct stat  st;

    if (import->rebuild && fstat(fd, &st) == 0) {
        import->files[import->nfiles - 1].modified
                  = st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec;
    }
}


/* for one more; doubles at powers of two */

static void *
ctl_scan_room(void *array, size_t count, size_t size)
{
    if (count & (count - 1)) {
        return array;
    }

    return ctl_realloc(array, (count ? 2 * count : 1) * size);
}


static const char *
ctl_scan_keep(ctl_import_t *import, const char *text)
{
    cargo_str_t  copy;

    copy = cargo_arena_copy(import->arena, text, strlen(text));

    if (copy.data == NULL) {
        ctl_error("out of memory");
        exit(CTL_FAILED);
    }

    return (char *) copy.data;
}
