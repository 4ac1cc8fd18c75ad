
/*
 * The store as import writes to it: with the order of writes of a publish
 * (core/cargo_blob.h) and as the user it belongs to, also when root imports.
 *
 * Memory: a store belongs to the caller, who closes it.
 *
 * Always true: between ctl_store_enter() and ctl_store_leave() files are made
 * as the store's owner, outside of them as whoever runs cargoctl.
 */


#ifndef CTL_STORE_H
#define CTL_STORE_H


#include "cargoctl.h"

#include <sys/types.h>

#include "cargo_core.h"


typedef struct {
    ctl_t          *ctl;
    cargo_str_t     path;
    int             root;
    int             foreign;    /* it belongs to somebody else, and we are
                                   root */
    uid_t           uid;
    gid_t           gid;
} ctl_store_t;


/* CTL_REFUSED, said; makes tmp/ in a store that is new */
ctl_rc_t ctl_store_open(ctl_store_t *store, ctl_t *ctl);
void ctl_store_close(ctl_store_t *store);

/* CTL_FAILED, said */
ctl_rc_t ctl_store_enter(const ctl_store_t *store);
void ctl_store_leave(const ctl_store_t *store);

/* 1 when the blob is there and has this size */
int ctl_store_has(const ctl_store_t *store, const char *checksum,
    long long size);


#endif /* CTL_STORE_H */
