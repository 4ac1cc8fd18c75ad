
/*
 * A directory of backups, as backup writes and restore reads it:
 *
 *     BACKUP                        says what the directory is
 *     blobs/ab/cd/<sha256>.crate    the blobs of all backups, each once
 *     20261121T093231Z/             one backup, by its time in UTC
 *         database.dump             of pg_dump, in its custom format
 *         blobs.sha256              its blobs, as sha256sum -c reads them
 *         manifest.json             what belongs to it, with checksums
 *
 * Memory: a ctl_backup_t belongs to the caller, who closes it with
 * ctl_backup_close().
 *
 * Always true: the manifest is written last, and a backup without it is none;
 * a backup holds its directory locked, alone when it writes.  Whoever returns
 * something other than CTL_DONE has said why.
 */


#ifndef CTL_BACKUP_H
#define CTL_BACKUP_H


#include "cargoctl.h"
#include "ctl_blobs.h"
#include "ctl_store.h"


#define CTL_BACKUP_MARK      "BACKUP"
#define CTL_BACKUP_BLOBS     "blobs"
#define CTL_BACKUP_DUMP      "database.dump"
#define CTL_BACKUP_LIST      "blobs.sha256"
#define CTL_BACKUP_MANIFEST  "manifest.json"
#define CTL_BACKUP_FORMAT    1

/* "20261121T093231Z" and a NUL */
#define CTL_BACKUP_NAME      17


typedef struct {
    char             checksum[CTL_SHA256_HEX + 1];
    int              bad;           /* not to be had */
    long long        size;          /* -1: not known */
} ctl_backup_blob_t;

typedef struct {
    ctl_t                *ctl;
    const char           *path;
    int                   dir;          /* locked */
    int                   at;           /* the backup's own directory */
    char                  name[CTL_BACKUP_NAME];
    ctl_store_t           pool;
    char                 *pool_path;

    /* by checksum */
    ctl_backup_blob_t    *blobs;
    size_t                nblobs;
    size_t                nblobs_kept;  /* once older ones are removed */

    json_t               *manifest;
    json_t               *migrations;   /* {name, sha256} */
    json_t               *missing;      /* {blob, problem, versions} */
    size_t                copied;
    long long             bytes;        /* of those copied */
} ctl_backup_t;


/* ctl_backup_dir.c: makes the directory, takes away what was left undone */
ctl_rc_t ctl_backup_open_writing(ctl_backup_t *backup, ctl_t *ctl);
ctl_rc_t ctl_backup_open_reading(ctl_backup_t *backup, ctl_t *ctl);
void ctl_backup_close(ctl_backup_t *backup);

/* makes the directory of a new backup */
ctl_rc_t ctl_backup_begin(ctl_backup_t *backup);

/* the one that is wanted (NULL: the newest), with its manifest */
ctl_rc_t ctl_backup_find(ctl_backup_t *backup, const char *name);

/* the names of all that are complete, in order of time */
ctl_rc_t ctl_backup_names(const ctl_backup_t *backup, json_t *names);

/* first the manifest, so that what is half gone is none */
ctl_rc_t ctl_backup_remove(const ctl_backup_t *backup, const char *name);

/* the sentence for errno */
ctl_rc_t ctl_backup_error(const ctl_backup_t *backup, const char *action,
    const char *file);

/* ctl_backup_manifest.c */
ctl_rc_t ctl_backup_write_list(ctl_backup_t *backup);
ctl_rc_t ctl_backup_write_manifest(ctl_backup_t *backup);

/* nothing can be read of it but what the checksums say was written */
ctl_rc_t ctl_backup_read_manifest(ctl_backup_t *backup, const char *name);
ctl_rc_t ctl_backup_check_dump(const ctl_backup_t *backup);
ctl_rc_t ctl_backup_read_list(ctl_backup_t *backup, const char *name,
    const json_t *manifest);

/* ctl_backup_keep.c: removes all but the newest, and blobs that none has */
ctl_rc_t ctl_backup_keep(ctl_backup_t *backup, size_t keep, size_t *removed,
    size_t *blobs);


#endif /* CTL_BACKUP_H */
