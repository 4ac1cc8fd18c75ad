
#include "ngx_cargo_snapshot.h"

#include <ngx_thread_pool.h>


#define NGX_CARGO_SNAPSHOT_INTERVAL  (60 * 1000)
#define NGX_CARGO_SNAPSHOT_SOON      5000


typedef struct {
    ngx_fd_t                 fd;
    ngx_cargo_shm_t         *shm;
    ngx_cargo_snapshot_t    *snapshot;
} ngx_cargo_snapshot_file_t;


static const char *ngx_cargo_snapshot_foreign(ngx_fd_t fd, ngx_uid_t user,
    uint64_t *size);
static int ngx_cargo_snapshot_read(void *data, uint64_t offset,
    unsigned char *p, size_t len);
static int ngx_cargo_snapshot_unpack(void *data,
    cargo_snapshot_entry_t *entry, cargo_zone_key_t *key);
static void ngx_cargo_snapshot_timer(ngx_event_t *ev);
static ngx_int_t ngx_cargo_snapshot_begin(void);
static void ngx_cargo_snapshot_thread(void *data, ngx_log_t *log);
static void ngx_cargo_snapshot_done(ngx_event_t *ev);
static void ngx_cargo_snapshot_result(void);


static ngx_cargo_snapshot_work_t   ngx_cargo_snapshot_work;
static ngx_event_t                 ngx_cargo_snapshot_event;
static ngx_thread_task_t          *ngx_cargo_snapshot_task;

/* what the file holds; none: it is to be written whole */
static ngx_cargo_snapshot_work_t   ngx_cargo_snapshot_last;
static ngx_uint_t                  ngx_cargo_snapshot_written;

/* it was said, and need not be again */
static ngx_err_t                   ngx_cargo_snapshot_err;


void
ngx_cargo_snapshot_load(ngx_cargo_shm_t *shm, ngx_cargo_snapshot_t *snapshot,
    ngx_uid_t user, ngx_log_t *log)
{
    const char                 *refused;
    cargo_snapshot_loaded_t     loaded;
    cargo_snapshot_moment_t     now;
    cargo_snapshot_reader_t     reader;
    ngx_cargo_snapshot_file_t   file;

    file.shm = shm;
    file.snapshot = snapshot;
    file.fd = open((char *) shm->snapshot.data,
                   O_RDONLY|O_CLOEXEC|O_NOFOLLOW|O_NONBLOCK);

    if (file.fd == NGX_INVALID_FILE) {
        if (ngx_errno != NGX_ENOENT) {
            ngx_log_error(NGX_LOG_WARN, log, ngx_errno,
                          "cargo_zone: the snapshot \"%V\" cannot be read: "
                          "nginx starts without it", &shm->snapshot);
        }

        return;
    }

    reader.read = ngx_cargo_snapshot_read;
    reader.unpack = ngx_cargo_snapshot_unpack;
    reader.data = &file;

    ngx_memzero(&loaded, sizeof(cargo_snapshot_loaded_t));
    refused = ngx_cargo_snapshot_foreign(file.fd, user, &reader.size);

    if (refused == NULL) {
        ngx_cargo_snapshot_now(&now);

        if (cargo_zone_load(&shm->zone, &now, snapshot->source, &reader,
                            &loaded)
            == CARGO_NO_MEMORY)
        {
            loaded.refused = "there is not enough memory";
        }

        refused = loaded.refused;
    }

    (void) close(file.fd);

    if (refused) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "cargo_zone: the snapshot \"%V\" is ignored: %s",
                      &shm->snapshot, refused);
        return;
    }

    ngx_cargo_shm_set_age(shm, loaded.age);

    ngx_log_error(NGX_LOG_NOTICE, log, 0,
                  "cargo_zone: %uL of %uL entries loaded from the snapshot "
                  "\"%V\", in step with the database %L s ago",
                  loaded.stored, loaded.entries, &shm->snapshot, loaded.age);
}


static const char *
ngx_cargo_snapshot_foreign(ngx_fd_t fd, ngx_uid_t user, uint64_t *size)
{
    struct stat  st;

    if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)) {
        return "it is no file";
    }

    if (st.st_uid != geteuid() && st.st_uid != user) {
        return "it does not belong to the user of the workers";
    }

    if (st.st_mode & (S_IWGRP|S_IWOTH)) {
        return "others may write it";
    }

    *size = st.st_size;

    return NULL;
}


static int
ngx_cargo_snapshot_read(void *data, uint64_t offset, unsigned char *p,
    size_t len)
{
    ssize_t                     n;
    ngx_cargo_snapshot_file_t  *file = data;

    while (len) {
        n = pread(file->fd, p, len, offset);

        if (n == -1 && ngx_errno == NGX_EINTR) {
            continue;
        }

        if (n <= 0) {
            return -1;
        }

        p += n;
        offset += n;
        len -= n;
    }

    return 0;
}


static int
ngx_cargo_snapshot_unpack(void *data, cargo_snapshot_entry_t *entry,
    cargo_zone_key_t *key)
{
    ngx_cargo_snapshot_file_t  *file = data;

    return file->snapshot->unpack(file->shm, entry, key) != 0;
}


ngx_int_t
ngx_cargo_snapshot_init(ngx_cycle_t *cycle, ngx_cargo_shm_t *shm,
    ngx_cargo_snapshot_t *snapshot)
{
    ngx_cargo_snapshot_work_t  *work;

    ngx_cargo_snapshot_task = ngx_thread_task_alloc(cycle->pool, 0);

    if (ngx_cargo_snapshot_task == NULL) {
        return NGX_ERROR;
    }

    work = &ngx_cargo_snapshot_work;
    work->shm = shm;
    work->snapshot = snapshot;

    /* rather now than after a minute */

    if (access((char *) shm->snapshot_dir.data, W_OK|X_OK) == -1) {
        work->err = ngx_errno;
        work->failed = "access() to the directory";
        ngx_cargo_snapshot_result();
    }

    ngx_cargo_snapshot_task->ctx = work;
    ngx_cargo_snapshot_task->handler = ngx_cargo_snapshot_thread;
    ngx_cargo_snapshot_task->event.handler = ngx_cargo_snapshot_done;
    ngx_cargo_snapshot_task->event.log = cycle->log;

    ngx_cargo_snapshot_event.handler = ngx_cargo_snapshot_timer;
    ngx_cargo_snapshot_event.log = cycle->log;
    ngx_cargo_snapshot_event.cancelable = 1;

    /* the timer wants a connection to log */
    ngx_cargo_snapshot_event.data = &ngx_cargo_snapshot_event;

    ngx_add_timer(&ngx_cargo_snapshot_event, NGX_CARGO_SNAPSHOT_INTERVAL);

    return NGX_OK;
}


void
ngx_cargo_snapshot_soon(void)
{
    ngx_event_t  *ev;

    ev = &ngx_cargo_snapshot_event;

    if (ev->timer_set
        && (ngx_msec_int_t) (ev->timer.key - ngx_current_msec)
           > NGX_CARGO_SNAPSHOT_SOON)
    {
        ngx_add_timer(ev, NGX_CARGO_SNAPSHOT_SOON);
    }
}


static void
ngx_cargo_snapshot_timer(ngx_event_t *ev)
{
    if (ngx_exiting) {
        return;
    }

    ngx_add_timer(ev, NGX_CARGO_SNAPSHOT_INTERVAL);

    if (ngx_cargo_snapshot_task->event.active) {
        ngx_cargo_snapshot_soon();
        return;
    }

    if (ngx_cargo_snapshot_begin() == NGX_OK) {
        (void) ngx_thread_task_post(ngx_cargo_snapshot_work.shm->threads,
                                    ngx_cargo_snapshot_task);
    }
}


/*
 * When it was in step first, then what has been invalidated by then, then
 * what is left: nothing is in the file that was wrong at that time.
 */

static ngx_int_t
ngx_cargo_snapshot_begin(void)
{
    cargo_zone_stats_t          stats;
    ngx_cargo_snapshot_work_t  *work, *last;

    work = &ngx_cargo_snapshot_work;
    last = &ngx_cargo_snapshot_last;

    /* nothing could ever be served of what was never in step */

    if (ngx_cargo_shm_age(work->shm, &work->seal.age) != NGX_OK) {
        return NGX_DECLINED;
    }

    ngx_cargo_snapshot_now(&work->seal.at);
    work->seal.number = last->seal.number + 1;

    cargo_zone_stats(&work->shm->zone, &stats);
    work->stores = stats.stores;
    work->invalidations = stats.invalidations;

    work->whole = !ngx_cargo_snapshot_written
                  || last->stores != work->stores
                  || last->invalidations != work->invalidations;

    return NGX_OK;
}


static void
ngx_cargo_snapshot_thread(void *data, ngx_log_t *log)
{
    ngx_cargo_snapshot_write(data);
}


static void
ngx_cargo_snapshot_done(ngx_event_t *ev)
{
    ngx_cargo_snapshot_result();
}


static void
ngx_cargo_snapshot_result(void)
{
    ngx_cargo_snapshot_work_t  *work;

    work = &ngx_cargo_snapshot_work;

    ngx_cargo_snapshot_written = (work->failed == NULL && !work->busy);

    if (ngx_cargo_snapshot_written) {
        ngx_cargo_snapshot_last = *work;
        ngx_cargo_snapshot_err = 0;

    } else if (work->failed && work->err != ngx_cargo_snapshot_err) {
        ngx_cargo_snapshot_err = work->err;

        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, work->err,
                      "cargo_zone: the snapshot \"%V\" cannot be written, "
                      "and reads will not survive a restart while the "
                      "database is away: %s failed; is the directory there, "
                      "with room, and may the user of the workers write to "
                      "it?", &work->shm->snapshot, work->failed);
    }
}


/*
 * Threads have ended by now.  Workers of an old configuration may have been
 * busy for hours, while those of the new one wrote.
 */

void
ngx_cargo_snapshot_exit(void)
{
    ngx_cargo_snapshot_work_t  *work;

    work = &ngx_cargo_snapshot_work;

    if (work->shm == NULL) {
        return;
    }

    if (ngx_cargo_snapshot_task->event.active) {
        ngx_cargo_snapshot_written = 0;
    }

    if (ngx_cargo_snapshot_begin() == NGX_OK
        && !ngx_cargo_snapshot_newer(work))
    {
        ngx_cargo_snapshot_write(work);
        ngx_cargo_snapshot_result();
    }
}
