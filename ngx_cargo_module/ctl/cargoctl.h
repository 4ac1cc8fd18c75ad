
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


/* of an option that may be given more than once */
typedef struct {
    const char    **items;
    size_t          count;
} ctl_list_t;

typedef struct {
    const char     *database;
    const char     *sql;
    const char     *blobs;
    const char     *name;
    const char     *email;
    const char     *registry;
    const char     *role;
    const char     *description;
    const char     *expires;
    const char     *team;
    const char     *message;
    const char     *reason;
    const char     *account;
    const char     *action;
    const char     *since;
    const char     *until;
    const char     *owner;
    const char     *dependencies;
    const char     *lock;
    const char     *url;
    const char     *grace;
    const char     *keep;
    const char     *at;

    ctl_list_t      scopes;
    ctl_list_t      crates;
    ctl_list_t      map;

    int             json;
    int             quiet;
    int             service;
    int             undo;
    int             force;
    int             refused;
    int             dry_run;
    int             quick;
    int             help;
    int             version;

    const char    **operands;
    size_t          noperands;

    PGconn         *connection;
    int             status;         /* of the last answer, as of HTTP */
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
ctl_rc_t ctl_team_create(ctl_t *ctl);
ctl_rc_t ctl_team_delete(ctl_t *ctl);
ctl_rc_t ctl_team_list(ctl_t *ctl);
ctl_rc_t ctl_team_add(ctl_t *ctl);
ctl_rc_t ctl_team_remove(ctl_t *ctl);
ctl_rc_t ctl_token_create(ctl_t *ctl);
ctl_rc_t ctl_token_list(ctl_t *ctl);
ctl_rc_t ctl_token_revoke(ctl_t *ctl);
ctl_rc_t ctl_name_reserve(ctl_t *ctl);
ctl_rc_t ctl_name_release(ctl_t *ctl);
ctl_rc_t ctl_name_list(ctl_t *ctl);
ctl_rc_t ctl_crate_list(ctl_t *ctl);
ctl_rc_t ctl_crate_show(ctl_t *ctl);
ctl_rc_t ctl_crate_restrict(ctl_t *ctl);
ctl_rc_t ctl_crate_open(ctl_t *ctl);
ctl_rc_t ctl_crate_allow(ctl_t *ctl);
ctl_rc_t ctl_crate_deny(ctl_t *ctl);
ctl_rc_t ctl_crate_yank(ctl_t *ctl);
ctl_rc_t ctl_crate_delete(ctl_t *ctl);
ctl_rc_t ctl_crate_deletions(ctl_t *ctl);
ctl_rc_t ctl_crate_release(ctl_t *ctl);
ctl_rc_t ctl_owner_add(ctl_t *ctl);
ctl_rc_t ctl_owner_remove(ctl_t *ctl);
ctl_rc_t ctl_owner_list(ctl_t *ctl);
ctl_rc_t ctl_audit(ctl_t *ctl);
ctl_rc_t ctl_import(ctl_t *ctl);
ctl_rc_t ctl_rebuild(ctl_t *ctl);
ctl_rc_t ctl_export(ctl_t *ctl);
ctl_rc_t ctl_backup(ctl_t *ctl);
ctl_rc_t ctl_restore(ctl_t *ctl);
ctl_rc_t ctl_sweep(ctl_t *ctl);
ctl_rc_t ctl_check(ctl_t *ctl);


#endif /* CARGOCTL_H */
