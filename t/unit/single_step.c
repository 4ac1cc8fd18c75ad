
#define _GNU_SOURCE

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "single_step.h"


#define EXIT_FORBIDDEN  77


static const char *start(void (*work)(void), pid_t *pid, int *status);


const char  single_step_forbidden[] = "ptrace is not allowed here";


const char *
single_step(void (*work)(void), void (*stopped)(void *data), void *data)
{
    int          status;
    pid_t        pid;
    const char  *reason;

    reason = start(work, &pid, &status);
    if (reason) {
        return reason;
    }

    while (WIFSTOPPED(status)) {
        if (WSTOPSIG(status) != SIGTRAP && WSTOPSIG(status) != SIGSTOP) {
            return strsignal(WSTOPSIG(status));
        }

        stopped(data);

        if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) == -1
            || waitpid(pid, &status, 0) != pid)
        {
            return strerror(errno);
        }
    }

    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return "did not do it";
    }

    return NULL;
}


/* the process is stopped before it begins */

static const char *
start(void (*work)(void), pid_t *pid, int *status)
{
    *pid = fork();

    if (*pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == -1) {
            _exit(EXIT_FORBIDDEN);
        }

        (void) raise(SIGSTOP);
        work();
        _exit(0);
    }

    if (*pid == -1 || waitpid(*pid, status, 0) != *pid) {
        return strerror(errno);
    }

    if (WIFEXITED(*status) && WEXITSTATUS(*status) == EXIT_FORBIDDEN) {
        return single_step_forbidden;
    }

    (void) ptrace(PTRACE_SETOPTIONS, *pid, NULL, PTRACE_O_EXITKILL);

    return NULL;
}
