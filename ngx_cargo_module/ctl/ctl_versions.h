
/*
 * The versions that a registry holds, as cargo_admin.export_versions() gives
 * them: a crate's in the order of its index document.
 *
 * Memory: the caller clears each PGresult.
 */


#ifndef CTL_VERSIONS_H
#define CTL_VERSIONS_H


#include "cargoctl.h"


/* columns */
typedef enum {
    CTL_VERSION_CRATE = 0,
    CTL_VERSION_NUM,
    CTL_VERSION_CHECKSUM,
    CTL_VERSION_SIZE,
    CTL_VERSION_LINE
} ctl_version_column_t;


/* connects: CTL_REFUSED, said, when there is no such registry */
ctl_rc_t ctl_versions_open(ctl_t *ctl);

/* of the crates that follow: after is a crate's name, "" begins */
PGresult *ctl_versions_after(ctl_t *ctl, const char *after);

/* of one crate, in any spelling; other crates are not among them */
PGresult *ctl_versions_of(ctl_t *ctl, const char *name);

/* <0, 0, >0 by canonical form, bytewise */
int ctl_names_compare(const char *a, const char *b);


#endif /* CTL_VERSIONS_H */
