
/*
 * export: a registry, or what a Cargo.lock needs of it, as a directory:
 *
 *   NAME-VERSION.crate   the files, hard links to the store where that can be
 *   index/ab/cd/name     the index documents
 *   index/config.json    with --url, for a web server
 *
 * Memory: the export belongs to its caller; of the registry a page of crates
 * is held at a time, and the names of all files that were written.
 *
 * Always true: every file appears under its name when it is complete, and a
 * document names only files that are there; a file that is already as it
 * should be is not touched.
 */


#ifndef CTL_EXPORT_H
#define CTL_EXPORT_H


#include "cargoctl.h"


typedef struct {
    ctl_t          *ctl;
    const char     *path;
    int             root;           /* of the store */
    int             dir;

    json_t         *files;          /* their paths below the directory */
    json_t         *missing;        /* {crate, version, reason} */
    json_t         *left_out;       /* of the lock: {..., source} */
    json_t         *strangers;      /* paths of older exports */

    size_t          crates;
    size_t          versions;
    size_t          written;        /* files that were not there like that */
} ctl_export_t;


/* ctl_export_dir.c: all but CTL_DONE is said */

/* makes the directory, or takes an older export; nobody else writes there */
ctl_rc_t ctl_export_open(ctl_export_t *to);

/* CTL_REFUSED is in missing */
ctl_rc_t ctl_export_blob(ctl_export_t *to, const char *crate,
    const char *version, const char *checksum, long long size);

ctl_rc_t ctl_export_document(ctl_export_t *to, const char *crate,
    const char *text, size_t len);
ctl_rc_t ctl_export_config(ctl_export_t *to);

/* finds what is there of crates that are not in this export */
void ctl_export_strangers(ctl_export_t *to);


#endif /* CTL_EXPORT_H */
