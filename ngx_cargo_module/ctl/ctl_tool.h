
/*
 * pg_dump and pg_restore, run with the connection of cargoctl.
 *
 * Always true: how to connect, the password included, goes to them in the
 * environment, which no other user can read, and never in the arguments; they
 * talk to the very server that cargoctl is connected to.
 */


#ifndef CTL_TOOL_H
#define CTL_TOOL_H


#include "cargoctl.h"


/* the major version; CTL_REFUSED, said, when there is no such program */
ctl_rc_t ctl_tool_version(const ctl_t *ctl, const char *program, int *major);

/*
 * args begins with the program and ends with NULL; what it says goes to
 * standard error.  CTL_FAILED, said, when it fails.
 */
ctl_rc_t ctl_tool_run(const ctl_t *ctl, const char *const *args);


/* "--dbname=..." for a program that wants it, the caller's to free */
char *ctl_tool_database(const ctl_t *ctl);


#endif /* CTL_TOOL_H */
