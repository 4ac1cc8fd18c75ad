
#include "ctl_tool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl_print.h"


/* what a shell says of a program that is not there */
#define CTL_TOOL_ABSENT  127


static pid_t ctl_tool_start(const ctl_t *ctl, const char *const *args,
    int out);
static void ctl_tool_become(const ctl_t *ctl, const char *const *args,
    int out, pid_t parent);
static void ctl_tool_environment(const ctl_t *ctl);
static ctl_rc_t ctl_tool_wait(const char *program, pid_t pid);


ctl_rc_t
ctl_tool_version(const ctl_t *ctl, const char *program, int *major)
{
    int          out[2];
    char         text[256];
    FILE        *in;
    pid_t        pid;
    size_t       len;
    ctl_rc_t     rc;
    const char  *number, *args[3];

    if (pipe2(out, O_CLOEXEC) == -1) {
        ctl_error("cannot run %s: %s", program, strerror(errno));
        return CTL_FAILED;
    }

    args[0] = program;
    args[1] = "--version";
    args[2] = NULL;

    pid = ctl_tool_start(ctl, args, out[1]);
    (void) close(out[1]);

    in = fdopen(out[0], "r");
    len = in ? fread(text, 1, sizeof(text) - 1, in) : 0;
    text[len] = '\0';

    if (in) {
        (void) fclose(in);
    }

    rc = ctl_tool_wait(program, pid);

    if (rc != CTL_DONE) {
        return rc;
    }

    number = strstr(text, "(PostgreSQL) ");
    *major = number ? (int) strtol(number + sizeof("(PostgreSQL) ") - 1, NULL,
                                   10)
                    : 0;

    if (*major == 0) {
        ctl_error("%s in PATH is not that of PostgreSQL: it calls itself "
                  "\"%s\"", program, text);
        return CTL_REFUSED;
    }

    return CTL_DONE;
}


ctl_rc_t
ctl_tool_run(const ctl_t *ctl, const char *const *args)
{
    return ctl_tool_wait(args[0], ctl_tool_start(ctl, args, STDERR_FILENO));
}


/* quoted, as a name with a "=" would be read as a connection string */

char *
ctl_tool_database(const ctl_t *ctl)
{
    char        *quoted, *text, *p;
    const char  *name;

    name = PQdb(ctl->connection);
    quoted = ctl_alloc(2 * strlen(name) + 1);

    for (p = quoted; *name; name++) {
        if (*name == '\'' || *name == '\\') {
            *p++ = '\\';
        }

        *p++ = *name;
    }

    *p = '\0';

    text = ctl_printf("--dbname=dbname='%s'", quoted);
    free(quoted);

    return text;
}


static pid_t
ctl_tool_start(const ctl_t *ctl, const char *const *args, int out)
{
    pid_t  pid, parent;

    (void) fflush(NULL);

    parent = getpid();
    pid = fork();

    if (pid == 0) {
        ctl_tool_become(ctl, args, out, parent);
    }

    return pid;
}


/* a backup that was killed must not be written on by what it started */

static void
ctl_tool_become(const ctl_t *ctl, const char *const *args, int out,
    pid_t parent)
{
    (void) prctl(PR_SET_PDEATHSIG, SIGTERM);
    (void) signal(SIGPIPE, SIG_DFL);

    if (getppid() == parent && dup2(out, STDOUT_FILENO) != -1) {
        ctl_tool_environment(ctl);
        (void) execvp(args[0], (char *const *) (uintptr_t) args);
    }

    _exit(errno == ENOENT ? CTL_TOOL_ABSENT : 126);
}


/*
 * A service would be read again and win over all of this; of several hosts it
 * has to be the one that answered.
 */

static void
ctl_tool_environment(const ctl_t *ctl)
{
    PQconninfoOption  *options, *option;

    options = PQconninfo(ctl->connection);

    for (option = options; option && option->keyword; option++) {
        if (option->envvar && option->val) {
            (void) setenv(option->envvar, option->val, 1);
        }
    }

    PQconninfoFree(options);

    (void) unsetenv("PGSERVICE");
    (void) unsetenv("PGHOSTADDR");
    (void) setenv("PGDATABASE", PQdb(ctl->connection), 1);
    (void) setenv("PGHOST", PQhost(ctl->connection), 1);
    (void) setenv("PGPORT", PQport(ctl->connection), 1);
    (void) setenv("PGUSER", PQuser(ctl->connection), 1);

    if (*PQhostaddr(ctl->connection)) {
        (void) setenv("PGHOSTADDR", PQhostaddr(ctl->connection), 1);
    }
}


static ctl_rc_t
ctl_tool_wait(const char *program, pid_t pid)
{
    int  status;

    while (pid != -1 && waitpid(pid, &status, 0) == -1) {
        if (errno != EINTR) {
            pid = -1;
        }
    }

    if (pid == -1) {
        ctl_error("cannot run %s: %s", program, strerror(errno));
        return CTL_FAILED;
    }

    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return CTL_DONE;
    }

    if (WIFEXITED(status) && WEXITSTATUS(status) == CTL_TOOL_ABSENT) {
        ctl_error("there is no %s in PATH: install the client programs of "
                  "PostgreSQL (Debian: postgresql-client)", program);
        return CTL_REFUSED;
    }

    if (WIFSIGNALED(status)) {
        ctl_error("%s was ended by signal %d: run the command again",
                  program, WTERMSIG(status));
    } else {
        ctl_error("%s failed (exit code %d); what it said is above", program,
                  WEXITSTATUS(status));
    }

    return CTL_FAILED;
}
