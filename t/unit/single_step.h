
/*
 * A process that goes one instruction at a time, for tests of what others see
 * of it in shared memory.
 *
 * The process is a fork of the caller's and ends with its work; while it
 * stands, nothing else does anything in it.  Needs ptrace(2).
 */


#ifndef SINGLE_STEP_H
#define SINGLE_STEP_H


/* where ptrace(2) is forbidden; compare the pointer */
extern const char  single_step_forbidden[];


/*
 * Runs work() in a process of its own and calls stopped() before its first
 * instruction and after each.  Returns NULL when work() has returned, and
 * otherwise the reason: single_step_forbidden before stopped() was called at
 * all, a signal's name, an error of the system's, or that work() has ended
 * the process itself, by a status other than 0.
 */
const char *single_step(void (*work)(void), void (*stopped)(void *data),
    void *data);


#endif /* SINGLE_STEP_H */
