
/*
 * The steps of a migrate, which a restore takes too: the SQL files, the
 * lock, the tables, the functions with the rights of nginx.
 *
 * Memory: the files are the caller's until ctl_migrate_free().
 *
 * Always true: whoever returns something other than CTL_DONE has said why;
 * until ctl_migrate_functions() nginx has no rights in a new database.
 */


#ifndef CTL_MIGRATE_H
#define CTL_MIGRATE_H


#include "cargoctl.h"
#include "ctl_files.h"


typedef struct {
    ctl_t         *ctl;
    ctl_files_t    migrations;
    ctl_files_t    functions;
    char           functions_sha256[CTL_SHA256_HEX + 1];
    size_t         recorded;    /* migrations that the database had */
    size_t         applied;     /* by this run */
    int            replaced;
    unsigned       tries;       /* that found a table in use */
    int            busy;        /* the last one did */
    const char    *restored;    /* the backup that it is of; NULL: none */
} ctl_migrate_t;


ctl_rc_t ctl_migrate_files(ctl_migrate_t *m);
void ctl_migrate_free(ctl_migrate_t *m);

/* one at a time: waits for another one to end; then set lock_timeout */
ctl_rc_t ctl_migrate_begin(ctl_t *ctl);

ctl_rc_t ctl_migrate_tables(ctl_migrate_t *m);
ctl_rc_t ctl_migrate_functions(ctl_migrate_t *m);

/* the index documents that migrations do not store, a few at a time */
ctl_rc_t ctl_migrate_documents(ctl_t *ctl);


#endif /* CTL_MIGRATE_H */
