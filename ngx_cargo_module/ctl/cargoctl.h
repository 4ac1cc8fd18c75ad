
/*
 * cargoctl, the administrator's command: the parsed command line, the exit
 * codes and the commands.
 *
 * Memory: the strings of ctl_t belong to argv and the environment.  A run is
 * short and does one thing, so running out of memory ends it (ctl_alloc).
 *
 * Always true: the domain's rules are SQL functions in schema cargo_admin;
 * cargoctl carries arguments to them and their answers back.  Results go to
 * standard output, everything else to standard error.  Passwords in a
 * connection string are never printed.
 */


#ifndef CARGOCTL_H
#define CARGOCTL_H


/* this header comes first in every file: for openat() and timegm() */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif


#include <jansson.h>
#include <libpq-fe.h>
#include <stddef.h>


#ifndef CARGO_VERSION
#define CARGO_VERSION  "0.1.0"
#endif

#ifndef CARGO_SQL_DIR
#define CARGO_SQL_DIR  "/usr/share/ngx_cargo/sql"
#endif


/* also the exit codes */
typedef enum {
    CTL_DONE = 0,
    CTL_REFUSED,
    CTL_USAGE,
    CTL_FAILED
} ctl_rc_t;


typedef struct {
    const char     *database;
    const char     *sql;
    const char     *blobs;
    const char     *name;
    const char     *email;
    const char     *registry;
    const char     *role;
    const char     *expires;
    const char     *grace;

    int             json;
    int             quiet;
    int             service;
    int             dry_run;
    int             quick;
    int             help;
    int             version;

    char          **operands;
    size_t          noperands;

    PGconn         *connection;
} ctl_t;


ctl_rc_t ctl_migrate(ctl_t *ctl);
ctl_rc_t ctl_registry_create(ctl_t *ctl);
ctl_rc_t ctl_registry_list(ctl_t *ctl);
ctl_rc_t ctl_registry_set(ctl_t *ctl);
ctl_rc_t ctl_account_create(ctl_t *ctl);
ctl_rc_t ctl_account_list(ctl_t *ctl);
ctl_rc_t ctl_account_grant(ctl_t *ctl);
ctl_rc_t ctl_account_disable(ctl_t *ctl);
ctl_rc_t ctl_account_enable(ctl_t *ctl);
ctl_rc_t ctl_token_create(ctl_t *ctl);
ctl_rc_t ctl_token_list(ctl_t *ctl);
ctl_rc_t ctl_token_revoke(ctl_t *ctl);
ctl_rc_t ctl_sweep(ctl_t *ctl);
ctl_rc_t ctl_check(ctl_t *ctl);


#endif /* CARGOCTL_H */
