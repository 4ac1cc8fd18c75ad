
/*
 * import: crates from a directory into a registry.
 *
 * The directory is read twice.  The scan finds out which files are crates and
 * which are index documents and remembers where they are; then the crates are
 * taken one after the other, each in a transaction of its own: what was
 * imported stays, whatever happens to the rest.
 *
 * Memory: the set of crates found lives in one arena; of a crate that is being
 * imported all is in another, which ends with it.  Nothing of the contents
 * stays, so that a mirror of hundreds of thousands of versions fits.
 *
 * Always true: the blob of a version is in the store, and on disk, before the
 * version is in the database; a run that was killed is continued by the next
 * one.
 */


#ifndef CTL_IMPORT_H
#define CTL_IMPORT_H


#include "cargoctl.h"

#include <sys/types.h>

#include "cargo_archive.h"
#include "cargo_blob.h"
#include "cargo_core.h"
#include "cargo_dependency.h"
#include "ctl_store.h"


/* what is read of a crate at once */
#define CTL_IMPORT_BUFFER  (128 * 1024)


/* the line of an index that says something of a version */
typedef struct {
    const char           *name;
    const char           *version;
    const char           *path;         /* below the directory */
    off_t                 offset;
    size_t                len;
    unsigned long         number;
    int                   used;
    const char           *checksum;     /* of a rebuild, else NULL */
} ctl_index_line_t;

typedef struct {
    const char           *name;
    const char           *version;
    const char           *path;
    ctl_index_line_t     *line;         /* NULL: there is none */
    long long             modified;     /* of a rebuild in ns, else 0 */
    int                   twin;         /* another file is this version */
} ctl_crate_file_t;

/* what a scan looks for: a rebuild has crates and lines from two places */
typedef enum {
    CTL_SCAN_ALL = 0,
    CTL_SCAN_BLOBS,
    CTL_SCAN_LINES
} ctl_scan_t;

typedef struct {
    ctl_t                *ctl;
    ctl_store_t           store;
    cargo_arena_t        *arena;
    const char           *source;       /* the directory of the crates */
    int                   dir;
    ctl_scan_t            scan;
    int                   rebuild;      /* source is the store */

    ctl_crate_file_t     *files;
    size_t                nfiles;
    ctl_index_line_t     *lines;
    size_t                nlines;
    size_t                others;       /* files that are neither */
    size_t                unnamed;      /* blobs that no line is about */
    int                   stop;         /* the rest would be refused too */

    /* what the registry has of the crate that it is about */
    const char           *crate;
    PGresult             *versions;

    /* the last version that was taken: a second file of it has to be equal */
    const ctl_crate_file_t  *last;
    char                  last_checksum[CARGO_BLOB_HEX + 1];

    size_t                imported;
    size_t                there;
    size_t                yanked;
    json_t               *refused;      /* {file, crate, version, reason} */
    json_t               *differs;      /* "crate version", whose lines do */
    json_t               *warnings;     /* "crate version: text" */
} ctl_import_t;

/* one of them on its way */
typedef struct {
    ctl_import_t            *import;
    const ctl_crate_file_t  *file;
    cargo_arena_t           *arena;
    unsigned char           *buffer;    /* of CTL_IMPORT_BUFFER bytes */
    json_t                  *line;      /* of the index, NULL: none */
    json_t                  *release;
    const char              *there;     /* its line, when all is as we want */
    cargo_rendered_t         rendered;
    cargo_str_t              pubtime;   /* data is NULL: not known */
    int                      yanked;
    int                      fd;
    long long                size;
    char                     checksum[CARGO_BLOB_HEX + 1];
    cargo_error_t            error;
} ctl_import_crate_t;


/* ctl_import_scan.c: all but CTL_DONE is said */
ctl_rc_t ctl_import_scan(ctl_import_t *import);

/* below a directory that is open; paths begin with this one */
ctl_rc_t ctl_import_scan_below(ctl_import_t *import, int dir,
    const char *path);

/* ctl_import_set.c: brings files and lines together and in order */
void ctl_import_sort(ctl_import_t *import);

/* 1 when some version of a crate of this name was found */
int ctl_import_comes(const ctl_import_t *import, const char *name);

/* ctl_import_crate.c: CTL_REFUSED is in import->refused, the rest is said */
ctl_rc_t ctl_import_crate(ctl_import_t *import, const ctl_crate_file_t *file);

/* CTL_REFUSED: by crate->error; out of memory is said */
ctl_rc_t ctl_import_result(ctl_import_crate_t *crate, cargo_rc_t rc);

/*
 * ctl_import_file.c: crate->fd and size, the checksum of what is in it, all
 * of it to a blob and an archive (either may be NULL), and into the store
 * unless this is a rehearsal.  CTL_REFUSED with crate->error.
 */
ctl_rc_t ctl_import_open(ctl_import_crate_t *crate);
ctl_rc_t ctl_import_hash(ctl_import_crate_t *crate);
ctl_rc_t ctl_import_read(ctl_import_crate_t *crate, cargo_blob_t *blob,
    cargo_archive_t *archive);
ctl_rc_t ctl_import_store(ctl_import_crate_t *crate);

/*
 * ctl_import_describe.c: release and rendered, by the archive and the line
 * of the index.  CTL_REFUSED with crate->error.
 */
ctl_rc_t ctl_import_describe(ctl_import_crate_t *crate);

/* ctl_import_release.c */
ctl_rc_t ctl_import_check_options(const ctl_t *ctl);

/* the line of the crate's file: CTL_REFUSED with crate->error */
ctl_rc_t ctl_import_read_line(ctl_import_crate_t *crate);

/* gives the dependencies of the release the registries that were asked for */
cargo_rc_t ctl_import_map(ctl_import_crate_t *crate);

/* before anything is looked at, what all of it would be refused for */
ctl_rc_t ctl_import_check_owner(ctl_t *ctl);

/* CTL_REFUSED with crate->error; *imported: it was not there */
ctl_rc_t ctl_import_publish(ctl_import_crate_t *crate, int *imported);

/* ctl_rebuild.c: in place of ctl_import_scan() and ctl_import_sort() */
ctl_rc_t ctl_rebuild_scan(ctl_import_t *import);
void ctl_rebuild_sort(ctl_import_t *import);

/* CTL_REFUSED with crate->error when the blob is not what its name says */
ctl_rc_t ctl_rebuild_read(ctl_import_crate_t *crate);
void ctl_rebuild_report(const ctl_import_t *import);

/* ctl_import.c */
ctl_rc_t ctl_import_into(ctl_t *ctl, int rebuild);
void ctl_import_refuse(ctl_import_t *import, const char *file,
    const char *name, const char *version, const char *reason);


#endif /* CTL_IMPORT_H */
