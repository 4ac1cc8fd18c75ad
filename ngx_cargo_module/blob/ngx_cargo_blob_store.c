
#include "ngx_cargo_blob.h"

#include <openssl/crypto.h>

#include <dirent.h>
#include <sys/statvfs.h>


static ngx_int_t ngx_cargo_blob_make_dir(ngx_cycle_t *cycle, char *path,
    ngx_uid_t user);
static ngx_int_t ngx_cargo_blob_sync_parent(ngx_cycle_t *cycle, char *path);
static ngx_uint_t ngx_cargo_blob_foreign(const char *path);


/*
 * As nginx does with its own temporary paths, the directories are made, and
 * given to the user of the workers; but a directory that is in use for
 * something else is left alone.
 */

ngx_int_t
ngx_cargo_blob_init_store(ngx_cycle_t *cycle, ngx_str_t *path, ngx_uid_t user)
{
    u_char  *tmp;

    tmp = ngx_pnalloc(cycle->pool, path->len + sizeof("/tmp"));
    if (tmp == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_sprintf(tmp, "%V%Z", path);

    if (ngx_cargo_blob_foreign((char *) tmp)) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "cargo_blobs: \"%V\" holds other things; name a "
                      "directory that is used for nothing else", path);
        return NGX_ERROR;
    }

    if (ngx_cargo_blob_make_dir(cycle, (char *) tmp, user) != NGX_OK) {
        return NGX_ERROR;
    }

    (void) ngx_sprintf(tmp, "%V/tmp%Z", path);

    return ngx_cargo_blob_make_dir(cycle, (char *) tmp, user);
}


static ngx_int_t
ngx_cargo_blob_make_dir(ngx_cycle_t *cycle, char *path, ngx_uid_t user)
{
    ngx_file_info_t  fi;

    if (ngx_create_dir(path, 0755) != NGX_FILE_ERROR) {

        if (ngx_cargo_blob_sync_parent(cycle, path) != NGX_OK) {
            return NGX_ERROR;
        }

    } else if (ngx_errno != NGX_EEXIST) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "cargo_blobs: cannot make the directory \"%s\"", path);
        return NGX_ERROR;
    }

    if (ngx_file_info(path, &fi) == NGX_FILE_ERROR || !ngx_is_dir(&fi)) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "cargo_blobs: \"%s\" is not a directory", path);
        return NGX_ERROR;
    }

    if (user != (ngx_uid_t) NGX_CONF_UNSET_UINT
        && geteuid() == 0
        && fi.st_uid != user
        && chown(path, user, (gid_t) -1) == -1)
    {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "cargo_blobs: cannot give \"%s\" to the user of the "
                      "workers", path);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* a directory that is lost with the power takes with it what is in there */

static ngx_int_t
ngx_cargo_blob_sync_parent(ngx_cycle_t *cycle, char *path)
{
    int        rc;
    char      *slash, saved;
    ngx_fd_t   fd;

    slash = strrchr(path, '/');

    if (slash == NULL) {
        return NGX_OK;
    }

    /* with the slash, since the parent may be the root */

    saved = slash[1];
    slash[1] = '\0';

    fd = ngx_open_file(path, O_RDONLY|O_DIRECTORY, 0, 0);
    rc = (fd == NGX_INVALID_FILE) ? -1 : fsync(fd);

    if (rc == -1) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "cargo_blobs: cannot sync \"%s\" to disk", path);
    }

    if (fd != NGX_INVALID_FILE) {
        (void) ngx_close_file(fd);
    }

    slash[1] = saved;

    return rc == -1 ? NGX_ERROR : NGX_OK;
}


/* a store has its tmp/ from the first moment on */

static ngx_uint_t
ngx_cargo_blob_foreign(const char *path)
{
    DIR            *dir;
    ngx_uint_t      other;
    struct dirent  *entry;

    dir = opendir(path);
    if (dir == NULL) {
        return 0;
    }

    other = 0;

    while ((entry = readdir(dir)) != NULL) {

        if (ngx_strcmp(entry->d_name, "tmp") == 0) {
            other = 0;
            break;
        }

        if (ngx_strcmp(entry->d_name, ".") != 0
            && ngx_strcmp(entry->d_name, "..") != 0
            && ngx_strcmp(entry->d_name, "lost+found") != 0)
        {
            other = 1;
        }
    }

    (void) closedir(dir);

    return other;
}


/* what a publish does first, with a block of data that can be written */

const char *
ngx_cargo_blob_try_store(ngx_str_t *path, off_t room, ngx_err_t *err)
{
    const char      *failed;
    cargo_str_t      store;
    cargo_blob_t     blob;
    cargo_arena_t   *arena;
    struct statvfs   fs;

    static const unsigned char  block[512];

    arena = cargo_arena_create(NULL);
    if (arena == NULL) {
        *err = NGX_ENOMEM;
        return "getting memory";
    }

    store.data = path->data;
    store.len = path->len;

    *err = 0;
    failed = NULL;

    if (cargo_blob_open(&blob, arena, store) != 0
        || cargo_blob_write(&blob, block, sizeof(block)) != 0)
    {
        *err = blob.err;
        failed = blob.failed;

    } else if (fstatvfs(blob.fd, &fs) == 0
               && (uint64_t) fs.f_bavail * fs.f_frsize < (uint64_t) room)
    {
        failed = "finding room";
    }

    cargo_blob_drop(&blob);
    cargo_arena_destroy(arena);

    /* as ngx_cargo_blob_upload_run() */
    OPENSSL_thread_stop();

    return failed;
}
