
/*
 * Threads for what would block a worker, started when there is something to
 * do and ended when there has been nothing for a while.
 *
 * nginx's own pools start theirs with the worker, and a process with a second
 * thread pays for it in every system call and allocation, several percent of
 * a read from memory, whether that thread ever does anything or not.  So they
 * are used where somebody has configured one.
 *
 * Memory: a task belongs to whoever posts it, and has to stay until its event
 * was handled.
 *
 * Always true: the handler of a task's event is called once, from the event
 * loop; no task is lost when a worker exits, though nobody hears of its end
 * then; at most NGX_CARGO_THREADS run at a time.
 */


#ifndef NGX_CARGO_THREADS_H
#define NGX_CARGO_THREADS_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_thread_pool.h>


/* as many, and as long a queue, as nginx's default pool has */
#define NGX_CARGO_THREADS        32
#define NGX_CARGO_THREADS_QUEUE  65536

/* seconds without work after which a thread ends */
#define NGX_CARGO_THREADS_IDLE   3


/* in a worker; exit: waits for what is being done */
void ngx_cargo_threads_init(ngx_cycle_t *cycle);
void ngx_cargo_threads_exit(void);

/*
 * Instead of ngx_thread_task_post().  pool NULL: nginx's pool "default" when
 * there is one, else the threads of this file.  NGX_ERROR: the queue is full,
 * or no thread could be started.
 */
ngx_int_t ngx_cargo_threads_post(ngx_thread_pool_t *pool,
    ngx_thread_task_t *task);


#endif /* NGX_CARGO_THREADS_H */
