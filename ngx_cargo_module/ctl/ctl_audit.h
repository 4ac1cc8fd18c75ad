
/*
 * What a row of the audit log has changed, in a few words.
 */


#ifndef CTL_AUDIT_H
#define CTL_AUDIT_H


#include "cargoctl.h"


/*
 * "+bob -team:core", "role reader -> admin"; "" when nothing is different or
 * one of them is not there.  The caller's to free.
 */
char *ctl_audit_change(const json_t *before, const json_t *after);


#endif /* CTL_AUDIT_H */
