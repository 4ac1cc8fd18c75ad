
/*
 * Candidates of a sweep on their way through trash/: moved there, looked at
 * again, put back or removed.
 *
 * Memory: belongs to the sweep, whose owner closes it with
 * ctl_trash_close().
 *
 * Always true: after ctl_trash_batch() the batch is empty, and trash/ too
 * unless something failed; with --dry-run nothing is touched.
 */


#ifndef CTL_TRASH_H
#define CTL_TRASH_H


#include "ctl_blobs.h"

#include <time.h>


#define CTL_SWEEP_BATCH  256


typedef struct {
    char              checksum[CTL_SHA256_HEX + 1];
    int               referenced;
    long long         size;
} ctl_candidate_t;

typedef struct {
    ctl_t            *ctl;
    json_t           *removed;      /* checksums */
    json_t           *restored;

    time_t            fresh;        /* modified then or later: not ours */

    long long         looked;
    long long         bytes;
    long long         uploads;
    long long         strange;
    long long         spared;       /* too young to be looked at */

    int               root;
    int               trash;        /* -1 when there is none */
    int               nothing_published;

    size_t            count;
    ctl_candidate_t   batch[CTL_SWEEP_BATCH];
} ctl_sweep_t;


/* makes trash/ where it is missing and sets sweep->fresh */
ctl_rc_t ctl_trash_open(ctl_sweep_t *sweep, time_t grace);
void ctl_trash_close(ctl_sweep_t *sweep);

/* what a sweep that was killed has left there */
ctl_rc_t ctl_trash_empty(ctl_sweep_t *sweep);

/* the candidates collected */
ctl_rc_t ctl_trash_batch(ctl_sweep_t *sweep);


#endif /* CTL_TRASH_H */
