
/*
 * The packages of a Cargo.lock, of any of its versions.
 *
 * Memory: a lock owns its packages until ctl_lock_free().
 *
 * Always true: packages are in the order of their names (canonical) and have
 * a name and a version; what lies in a path, as the members of the workspace
 * do, is not among them.
 */


#ifndef CTL_LOCK_H
#define CTL_LOCK_H


#include "cargoctl.h"


typedef struct {
    const char     *name;
    const char     *version;
    const char     *source;
    const char     *checksum;       /* NULL: not known */
    int             exported;
} ctl_package_t;

typedef struct {
    json_t         *json;           /* holds the texts */
    ctl_package_t  *packages;
    size_t          count;
} ctl_lock_t;


/* CTL_REFUSED, said, when it is not a Cargo.lock */
ctl_rc_t ctl_lock_read(const char *path, ctl_lock_t *lock);
void ctl_lock_free(ctl_lock_t *lock);

/* the package of this version, by its checksum or else by name; NULL: none */
ctl_package_t *ctl_lock_find(const ctl_lock_t *lock, const char *name,
    const char *version, const char *checksum);


#endif /* CTL_LOCK_H */
