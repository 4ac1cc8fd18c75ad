
#include "ngx_cargo_threads.h"
#include "cargo_ratelimit.h"

#include <sys/eventfd.h>


typedef struct {
    ngx_thread_task_t   *first;
    ngx_thread_task_t  **last;
} ngx_cargo_threads_queue_t;


typedef enum {
    NGX_CARGO_THREAD_NONE = 0,
    NGX_CARGO_THREAD_RUNNING,
    NGX_CARGO_THREAD_ENDED          /* and to be joined */
} ngx_cargo_thread_state_e;


typedef struct {
    pthread_t                  tid;
    ngx_cargo_thread_state_e   state;
} ngx_cargo_thread_t;


static ngx_int_t ngx_cargo_threads_open(void);
static ngx_int_t ngx_cargo_threads_add(ngx_thread_task_t *task);
static ngx_int_t ngx_cargo_threads_start(void);
static void *ngx_cargo_threads_cycle(void *data);
static ngx_thread_task_t *ngx_cargo_threads_next(void);
static void ngx_cargo_threads_wait(void);
static void ngx_cargo_threads_done(ngx_thread_task_t *task);
static void ngx_cargo_threads_handler(ngx_event_t *ev);
static void ngx_cargo_threads_put(ngx_cargo_threads_queue_t *queue,
    ngx_thread_task_t *task);
static void ngx_cargo_threads_complain(const char *what, ngx_err_t err);


static ngx_str_t  ngx_cargo_threads_name = ngx_string("default");

/* of the event loop alone */
static ngx_thread_pool_t          *ngx_cargo_threads_pool;
static ngx_connection_t           *ngx_cargo_threads_connection;

/* under the mutex */
static pthread_mutex_t             ngx_cargo_threads_mutex
                                       = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t              ngx_cargo_threads_work
                                       = PTHREAD_COND_INITIALIZER;
static ngx_cargo_thread_t          ngx_cargo_threads[NGX_CARGO_THREADS];
static ngx_cargo_threads_queue_t   ngx_cargo_threads_todo;
static ngx_cargo_threads_queue_t   ngx_cargo_threads_over;
static ngx_uint_t                  ngx_cargo_threads_queued;
static ngx_uint_t                  ngx_cargo_threads_running;
static ngx_uint_t                  ngx_cargo_threads_idle;
static ngx_uint_t                  ngx_cargo_threads_exiting;


void
ngx_cargo_threads_init(ngx_cycle_t *cycle)
{
    ngx_cargo_threads_todo.last = &ngx_cargo_threads_todo.first;
    ngx_cargo_threads_over.last = &ngx_cargo_threads_over.first;

    ngx_cargo_threads_pool = ngx_thread_pool_get(cycle,
                                                 &ngx_cargo_threads_name);
}


/* joined, not only awaited: nginx unloads the module, their code, after this */

void
ngx_cargo_threads_exit(void)
{
    ngx_uint_t  i;

    (void) pthread_mutex_lock(&ngx_cargo_threads_mutex);
    ngx_cargo_threads_exiting = 1;
    (void) pthread_cond_broadcast(&ngx_cargo_threads_work);
    (void) pthread_mutex_unlock(&ngx_cargo_threads_mutex);

    for (i = 0; i < NGX_CARGO_THREADS; i++) {
        if (ngx_cargo_threads[i].state != NGX_CARGO_THREAD_NONE) {
            (void) pthread_join(ngx_cargo_threads[i].tid, NULL);
        }
    }

    if (ngx_cargo_threads_connection) {
        ngx_close_connection(ngx_cargo_threads_connection);
        ngx_cargo_threads_connection = NULL;
    }
}


ngx_int_t
ngx_cargo_threads_post(ngx_thread_pool_t *pool, ngx_thread_task_t *task)
{
    ngx_int_t  rc;

    if (pool == NULL) {
        pool = ngx_cargo_threads_pool;
    }

    if (pool) {
        return ngx_thread_task_post(pool, task);
    }

    if (ngx_cargo_threads_connection == NULL
        && ngx_cargo_threads_open() != NGX_OK)
    {
        return NGX_ERROR;
    }

    task->event.active = 1;

    (void) pthread_mutex_lock(&ngx_cargo_threads_mutex);
    rc = ngx_cargo_threads_add(task);
    (void) pthread_mutex_unlock(&ngx_cargo_threads_mutex);

    if (rc != NGX_OK) {
        task->event.active = 0;
    }

    return rc;
}


/*
 * Not ngx_notify(): it has a single handler, which is that of nginx's own
 * pools when there are some.
 */

static ngx_int_t
ngx_cargo_threads_open(void)
{
    int                fd;
    ngx_connection_t  *c;

    fd = eventfd(0, EFD_NONBLOCK|EFD_CLOEXEC);

    if (fd == -1) {
        ngx_cargo_threads_complain("no file for what threads have to say: "
                                   "see worker_rlimit_nofile", ngx_errno);
        return NGX_ERROR;
    }

    c = ngx_get_connection(fd, ngx_cycle->log);
    if (c == NULL) {
        (void) close(fd);
        return NGX_ERROR;
    }

    c->log = ngx_cycle->log;
    c->read->log = c->log;
    c->write->log = c->log;
    c->read->handler = ngx_cargo_threads_handler;

    if (ngx_add_event(c->read, NGX_READ_EVENT, NGX_LEVEL_EVENT) != NGX_OK) {
        ngx_close_connection(c);
        return NGX_ERROR;
    }

    ngx_cargo_threads_connection = c;

    return NGX_OK;
}


static ngx_int_t
ngx_cargo_threads_add(ngx_thread_task_t *task)
{
    if (ngx_cargo_threads_queued == NGX_CARGO_THREADS_QUEUE) {
        ngx_cargo_threads_complain("too many uploads and documents wait for "
                                   "a thread: see cargo_thread_pool", 0);
        return NGX_ERROR;
    }

    /* a thread that was woken is idle until it has taken its task */

    if (ngx_cargo_threads_idle <= ngx_cargo_threads_queued
        && ngx_cargo_threads_running < NGX_CARGO_THREADS
        && ngx_cargo_threads_start() != NGX_OK
        && ngx_cargo_threads_running == 0)
    {
        return NGX_ERROR;
    }

    ngx_cargo_threads_put(&ngx_cargo_threads_todo, task);
    ngx_cargo_threads_queued++;

    (void) pthread_cond_signal(&ngx_cargo_threads_work);

    return NGX_OK;
}


static ngx_int_t
ngx_cargo_threads_start(void)
{
    ngx_err_t            err;
    ngx_cargo_thread_t  *thread;

    for (thread = ngx_cargo_threads;
         thread->state == NGX_CARGO_THREAD_RUNNING;
         thread++)
    {
        /* void: fewer than all of them run */
    }

    if (thread->state == NGX_CARGO_THREAD_ENDED) {
        (void) pthread_join(thread->tid, NULL);
        thread->state = NGX_CARGO_THREAD_NONE;
    }

    err = pthread_create(&thread->tid, NULL, ngx_cargo_threads_cycle, thread);

    if (err) {
        ngx_cargo_threads_complain("a thread could not be started: see "
                                   "`ulimit -u`, and pids.max of its cgroup",
                                   err);
        return NGX_ERROR;
    }

    thread->state = NGX_CARGO_THREAD_RUNNING;
    ngx_cargo_threads_running++;

    return NGX_OK;
}


static void *
ngx_cargo_threads_cycle(void *data)
{
    ngx_cargo_thread_t *thread = data;

    sigset_t            set;
    ngx_thread_task_t  *task;

    /* signals are the event loop's, but for those of a fault of its own */

    (void) sigfillset(&set);
    (void) sigdelset(&set, SIGILL);
    (void) sigdelset(&set, SIGFPE);
    (void) sigdelset(&set, SIGSEGV);
    (void) sigdelset(&set, SIGBUS);
    (void) pthread_sigmask(SIG_BLOCK, &set, NULL);

    (void) pthread_mutex_lock(&ngx_cargo_threads_mutex);

    while ((task = ngx_cargo_threads_next())) {
        (void) pthread_mutex_unlock(&ngx_cargo_threads_mutex);

        task->handler(task->ctx, ngx_cycle->log);
        ngx_cargo_threads_done(task);

        (void) pthread_mutex_lock(&ngx_cargo_threads_mutex);
    }

    thread->state = NGX_CARGO_THREAD_ENDED;
    ngx_cargo_threads_running--;

    (void) pthread_mutex_unlock(&ngx_cargo_threads_mutex);

    return NULL;
}


/* NULL: there is nothing to do, and has not been for a while */

static ngx_thread_task_t *
ngx_cargo_threads_next(void)
{
    ngx_thread_task_t  *task;

    if (ngx_cargo_threads_todo.first == NULL && !ngx_cargo_threads_exiting) {
        ngx_cargo_threads_wait();
    }

    task = ngx_cargo_threads_todo.first;

    if (task) {
        ngx_cargo_threads_todo.first = task->next;
        ngx_cargo_threads_queued--;

        if (task->next == NULL) {
            ngx_cargo_threads_todo.last = &ngx_cargo_threads_todo.first;
        }
    }

    return task;
}


/* by the clock of the day: one that is set costs a thread, or keeps it */

static void
ngx_cargo_threads_wait(void)
{
    int              rc;
    struct timespec  until;

    (void) clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += NGX_CARGO_THREADS_IDLE;

    ngx_cargo_threads_idle++;

    do {
        rc = pthread_cond_timedwait(&ngx_cargo_threads_work,
                                    &ngx_cargo_threads_mutex, &until);
    } while (rc == 0 && ngx_cargo_threads_todo.first == NULL
             && !ngx_cargo_threads_exiting);

    ngx_cargo_threads_idle--;
}


static void
ngx_cargo_threads_done(ngx_thread_task_t *task)
{
    uint64_t  one;

    one = 1;

    (void) pthread_mutex_lock(&ngx_cargo_threads_mutex);
    ngx_cargo_threads_put(&ngx_cargo_threads_over, task);
    (void) pthread_mutex_unlock(&ngx_cargo_threads_mutex);

    /* it fails only when it has been told 2^64 times already */
    (void) !write(ngx_cargo_threads_connection->fd, &one, sizeof(one));
}


static void
ngx_cargo_threads_handler(ngx_event_t *ev)
{
    uint64_t            n;
    ngx_event_t        *event;
    ngx_connection_t   *c;
    ngx_thread_task_t  *task, *next;

    c = ev->data;

    /* before the list is taken: what comes afterwards rings again */
    (void) !read(c->fd, &n, sizeof(n));

    (void) pthread_mutex_lock(&ngx_cargo_threads_mutex);

    task = ngx_cargo_threads_over.first;
    ngx_cargo_threads_over.first = NULL;
    ngx_cargo_threads_over.last = &ngx_cargo_threads_over.first;

    (void) pthread_mutex_unlock(&ngx_cargo_threads_mutex);

    for ( /* void */ ; task; task = next) {
        next = task->next;
        event = &task->event;

        event->complete = 1;
        event->active = 0;

        event->handler(event);
    }
}


static void
ngx_cargo_threads_put(ngx_cargo_threads_queue_t *queue,
    ngx_thread_task_t *task)
{
    task->next = NULL;

    *queue->last = task;
    queue->last = &task->next;
}


static void
ngx_cargo_threads_complain(const char *what, ngx_err_t err)
{
    const char                *note;
    static cargo_ratelimit_t   limit;

    note = cargo_ratelimit(&limit, what, (uint32_t) err, ngx_time());

    if (note) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, err, "cargo: %s%s", what,
                      note);
    }
}
