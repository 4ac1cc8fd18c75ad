
/*
 * The database as cargoctl uses it: one blocking connection, and answers and
 * errors turned into sentences.
 *
 * Memory: the caller clears each PGresult and drops each json_t it is given.
 *
 * Always true: whoever returns NULL or something other than CTL_DONE has
 * said why; the session's search_path is pg_catalog alone and its time zone
 * is UTC.
 */


#ifndef CTL_DATABASE_H
#define CTL_DATABASE_H


#include "cargoctl.h"


/* first key of the advisory locks, "carg"; the second says what for */
#define CTL_LOCK            "1667330663"
#define CTL_LOCK_MIGRATE    CTL_LOCK ", 1"
#define CTL_LOCK_SWEEP      CTL_LOCK ", 2"


ctl_rc_t ctl_database_open(ctl_t *ctl);
void ctl_database_close(ctl_t *ctl);

/* statements without parameters, in one go */
ctl_rc_t ctl_database_run(ctl_t *ctl, const char *sql);

/* one statement with text parameters */
PGresult *ctl_database_query(ctl_t *ctl, const char *sql, int n,
    const char *const *values);

/* as above, for a question with one answer: the text 't' or not */
ctl_rc_t ctl_database_ask(ctl_t *ctl, const char *sql, int *yes);

/*
 * A function of cargo_admin: "create_registry($1::text, $2::jsonb)".
 * CTL_REFUSED when it answers with a status of 400 or more.  Connects when
 * nobody has.
 */
ctl_rc_t ctl_database_call(ctl_t *ctl, const char *function, int n,
    const char *const *values, json_t **body);

/* the status of a function's answer, its first column */
int ctl_status(const PGresult *answer);

/*
 * The text form of a text[], the caller's to free: NULL when there are no
 * items; with commas, an item may hold several that these separate.
 */
char *ctl_database_array(const char *const *items, size_t n, int commas);

/* the sentence for a failed result; what: which step of migrate failed */
void ctl_database_error(const ctl_t *ctl, const PGresult *result,
    const char *what);


#endif /* CTL_DATABASE_H */
