
#include "ngx_cargo_snapshot.h"

#include <sys/file.h>


/* it holds what private registries have, and hashes of tokens */
#define NGX_CARGO_SNAPSHOT_ACCESS  0600

/* seconds: ages are rounded up */
#define NGX_CARGO_SNAPSHOT_NEWER   2

#define NGX_CARGO_SNAPSHOT_BOOT    "/proc/sys/kernel/random/boot_id"


static void ngx_cargo_snapshot_write_seal(ngx_cargo_snapshot_work_t *work);
static ngx_int_t ngx_cargo_snapshot_open(ngx_cargo_snapshot_work_t *work);
static ngx_int_t ngx_cargo_snapshot_fill(ngx_cargo_snapshot_work_t *work);
static ngx_int_t ngx_cargo_snapshot_place(ngx_cargo_snapshot_work_t *work);
static int ngx_cargo_snapshot_append(void *data, const unsigned char *p,
    size_t len);
static int ngx_cargo_snapshot_pack(void *data, cargo_snapshot_entry_t *entry);
static ngx_int_t ngx_cargo_snapshot_pwrite(ngx_cargo_snapshot_work_t *work,
    const u_char *p, size_t len, off_t offset);
static ngx_int_t ngx_cargo_snapshot_failed(ngx_cargo_snapshot_work_t *work,
    const char *failed);


void
ngx_cargo_snapshot_now(cargo_snapshot_moment_t *now)
{
    ssize_t          n;
    ngx_fd_t         fd;
    u_char           text[36];
    ngx_uint_t       i, digits;
    ngx_int_t        digit;
    struct timespec  ts;

    ngx_memzero(now, sizeof(cargo_snapshot_moment_t));
    now->time = time(NULL);

#ifdef CLOCK_BOOTTIME

    if (clock_gettime(CLOCK_BOOTTIME, &ts) == -1) {
        return;
    }

    now->uptime = ts.tv_sec;

    fd = open(NGX_CARGO_SNAPSHOT_BOOT, O_RDONLY|O_CLOEXEC);
    if (fd == NGX_INVALID_FILE) {
        return;
    }

    n = read(fd, text, sizeof(text));
    (void) close(fd);

    digits = 0;

    for (i = 0; n > 0 && i < (ngx_uint_t) n; i++) {
        digit = ngx_hextoi(&text[i], 1);

        if (digit != NGX_ERROR && digits < 2 * CARGO_SNAPSHOT_BOOT) {
            now->boot[digits / 2] |= digit << (digits % 2 ? 0 : 4);
            digits++;
        }
    }

#endif
}


void
ngx_cargo_snapshot_write(ngx_cargo_snapshot_work_t *work)
{
    work->failed = NULL;
    work->busy = 0;

    if (!work->whole) {
        ngx_cargo_snapshot_write_seal(work);
        return;
    }

    if (ngx_cargo_snapshot_open(work) != NGX_OK) {
        return;
    }

    if (ngx_cargo_snapshot_fill(work) == NGX_OK) {
        (void) ngx_cargo_snapshot_place(work);

    } else {
        /* a disk that is full */
        (void) unlink((char *) work->shm->snapshot_tmp.data);
    }

    (void) close(work->fd);
}


/* of the file that was written last; if that is another one now, of none */

static void
ngx_cargo_snapshot_write_seal(ngx_cargo_snapshot_work_t *work)
{
    off_t   offset;
    u_char  header[CARGO_SNAPSHOT_HEADER], seal[CARGO_SNAPSHOT_SEAL];

    work->fd = open((char *) work->shm->snapshot.data,
                    O_RDWR|O_CLOEXEC|O_NOFOLLOW|O_NONBLOCK);

    if (work->fd == NGX_INVALID_FILE
        || pread(work->fd, header, sizeof(header), 0) != sizeof(header)
        || ngx_memcmp(header, work->header, sizeof(header)) != 0)
    {
        work->busy = 1;

    } else {
        offset = CARGO_SNAPSHOT_HEADER
                 + work->seal.number % CARGO_SNAPSHOT_SEALS
                   * CARGO_SNAPSHOT_SEAL;

        cargo_snapshot_seal_write(&work->seal, seal);

        if (ngx_cargo_snapshot_pwrite(work, seal, sizeof(seal), offset)
            == NGX_OK
            && fdatasync(work->fd) == -1)
        {
            (void) ngx_cargo_snapshot_failed(work, "fdatasync()");
        }
    }

    if (work->fd != NGX_INVALID_FILE) {
        (void) close(work->fd);
    }
}


/*
 * Workers of two configurations may write at the same time.  Who has the
 * lock has the file, as long as it still has this name.
 */

static ngx_int_t
ngx_cargo_snapshot_open(ngx_cargo_snapshot_work_t *work)
{
    struct stat  named, opened;

    work->fd = open((char *) work->shm->snapshot_tmp.data,
                    O_RDWR|O_CREAT|O_CLOEXEC|O_NOFOLLOW|O_NONBLOCK,
                    NGX_CARGO_SNAPSHOT_ACCESS);

    if (work->fd == NGX_INVALID_FILE) {
        return ngx_cargo_snapshot_failed(work, "open()");
    }

    if (flock(work->fd, LOCK_EX|LOCK_NB) == -1
        || fstat(work->fd, &opened) == -1
        || stat((char *) work->shm->snapshot_tmp.data, &named) == -1
        || named.st_ino != opened.st_ino || named.st_dev != opened.st_dev)
    {
        work->busy = 1;
        (void) close(work->fd);
        return NGX_DECLINED;
    }

    if (fchmod(work->fd, NGX_CARGO_SNAPSHOT_ACCESS) == -1
        || ftruncate(work->fd, 0) == -1
        || lseek(work->fd, CARGO_SNAPSHOT_ENTRIES, SEEK_SET) == -1)
    {
        (void) ngx_cargo_snapshot_failed(work, "ftruncate()");
        (void) close(work->fd);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_cargo_snapshot_fill(ngx_cargo_snapshot_work_t *work)
{
    u_char                   p[CARGO_SNAPSHOT_ENTRIES];
    cargo_snapshot_writer_t  writer;

    writer.append = ngx_cargo_snapshot_append;
    writer.pack = ngx_cargo_snapshot_pack;
    writer.data = work;

    switch (cargo_zone_save(&work->shm->zone, work->seal.at.time,
                            work->snapshot->source, &writer, work->header))
    {

    case CARGO_OK:
        break;

    case CARGO_REFUSED:
        return NGX_ERROR;

    default: /* CARGO_NO_MEMORY */
        ngx_set_errno(NGX_ENOMEM);
        return ngx_cargo_snapshot_failed(work, "malloc()");
    }

    ngx_memzero(p, sizeof(p));
    ngx_memcpy(p, work->header, CARGO_SNAPSHOT_HEADER);
    cargo_snapshot_seal_write(&work->seal,
                              p + CARGO_SNAPSHOT_HEADER
                              + work->seal.number % CARGO_SNAPSHOT_SEALS
                                * CARGO_SNAPSHOT_SEAL);

    return ngx_cargo_snapshot_pwrite(work, p, sizeof(p), 0);
}


/* after a power cut there is the old one or the new one, and whole */

static ngx_int_t
ngx_cargo_snapshot_place(ngx_cargo_snapshot_work_t *work)
{
    int       rc;
    ngx_fd_t  dir;

    if (fsync(work->fd) == -1) {
        return ngx_cargo_snapshot_failed(work, "fsync()");
    }

    if (rename((char *) work->shm->snapshot_tmp.data,
               (char *) work->shm->snapshot.data)
        == -1)
    {
        return ngx_cargo_snapshot_failed(work, "rename()");
    }

    dir = open((char *) work->shm->snapshot_dir.data,
               O_RDONLY|O_DIRECTORY|O_CLOEXEC);
    if (dir == NGX_INVALID_FILE) {
        return ngx_cargo_snapshot_failed(work, "open() of the directory");
    }

    rc = fsync(dir);

    if (rc == -1) {
        (void) ngx_cargo_snapshot_failed(work, "fsync() of the directory");
    }

    (void) close(dir);

    return rc == -1 ? NGX_ERROR : NGX_OK;
}


static int
ngx_cargo_snapshot_append(void *data, const unsigned char *p, size_t len)
{
    ssize_t                     n;
    ngx_cargo_snapshot_work_t  *work = data;

    while (len) {
        n = write(work->fd, p, len);

        if (n == -1 && ngx_errno == NGX_EINTR) {
            continue;
        }

        if (n <= 0) {
            (void) ngx_cargo_snapshot_failed(work, "write()");
            return -1;
        }

        p += n;
        len -= n;
    }

    return 0;
}


static int
ngx_cargo_snapshot_pack(void *data, cargo_snapshot_entry_t *entry)
{
    ngx_cargo_snapshot_work_t  *work = data;

    return work->snapshot->pack(work->shm, entry, work->head) != 0;
}


static ngx_int_t
ngx_cargo_snapshot_pwrite(ngx_cargo_snapshot_work_t *work, const u_char *p,
    size_t len, off_t offset)
{
    ssize_t  n;

    do {
        n = pwrite(work->fd, p, len, offset);
    } while (n == -1 && ngx_errno == NGX_EINTR);

    return n == (ssize_t) len ? NGX_OK
                              : ngx_cargo_snapshot_failed(work, "pwrite()");
}


ngx_uint_t
ngx_cargo_snapshot_newer(ngx_cargo_snapshot_work_t *work)
{
    int64_t                age;
    ssize_t                n;
    ngx_fd_t               fd;
    u_char                 p[CARGO_SNAPSHOT_ENTRIES];
    cargo_snapshot_seal_t  seal;

    fd = open((char *) work->shm->snapshot.data,
              O_RDONLY|O_CLOEXEC|O_NOFOLLOW|O_NONBLOCK);

    if (fd == NGX_INVALID_FILE) {
        return 0;
    }

    n = pread(fd, p, sizeof(p), 0);
    (void) close(fd);

    if (n != sizeof(p)
        || !cargo_snapshot_seal_read(p + CARGO_SNAPSHOT_HEADER, &seal))
    {
        return 0;
    }

    age = cargo_snapshot_age(&seal, &work->seal.at);

    return age != -1 && age + NGX_CARGO_SNAPSHOT_NEWER < work->seal.age;
}


static ngx_int_t
ngx_cargo_snapshot_failed(ngx_cargo_snapshot_work_t *work, const char *failed)
{
    work->err = ngx_errno;
    work->failed = failed;

    return NGX_ERROR;
}
