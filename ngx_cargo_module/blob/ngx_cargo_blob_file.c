
#include "ngx_cargo_blob_file.h"


#define NGX_CARGO_BLOB_TMP      "/tmp/upload-XXXXXX"

#define NGX_CARGO_BLOB_DIR_LEN  (sizeof("/ab/cd") - 1)


static ngx_int_t ngx_cargo_blob_failed(ngx_cargo_blob_file_t *file,
    const char *what);
static ngx_int_t ngx_cargo_blob_make_dirs(ngx_cargo_blob_file_t *file,
    char *path, size_t store_len);
static ngx_int_t ngx_cargo_blob_sync_dir(ngx_cargo_blob_file_t *file,
    char *path, size_t len);


ngx_int_t
ngx_cargo_blob_file_open(ngx_cargo_blob_file_t *file, cargo_arena_t *arena,
    cargo_str_t store)
{
    ngx_memzero(file, sizeof(ngx_cargo_blob_file_t));
    file->fd = -1;

    file->path = cargo_arena_alloc(arena,
                                   store.len + sizeof(NGX_CARGO_BLOB_TMP));
    file->digest = EVP_MD_CTX_new();

    if (file->path == NULL
        || file->digest == NULL
        || EVP_DigestInit_ex(file->digest, EVP_sha256(), NULL) != 1)
    {
        ngx_set_errno(NGX_ENOMEM);
        return ngx_cargo_blob_failed(file, "getting memory");
    }

    ngx_memcpy(file->path, store.data, store.len);
    ngx_memcpy(file->path + store.len, NGX_CARGO_BLOB_TMP,
               sizeof(NGX_CARGO_BLOB_TMP));

    file->fd = mkostemp(file->path, O_CLOEXEC);
    if (file->fd == -1) {
        return ngx_cargo_blob_failed(file, "creating a file in tmp/");
    }

    return NGX_OK;
}


ngx_int_t
ngx_cargo_blob_file_write(ngx_cargo_blob_file_t *file,
    const unsigned char *p, size_t n)
{
    ssize_t  written;

    if (EVP_DigestUpdate(file->digest, p, n) != 1) {
        ngx_set_errno(NGX_ENOMEM);
        return ngx_cargo_blob_failed(file, "hashing");
    }

    file->size += n;

    while (n) {
        written = write(file->fd, p, n);

        if (written == -1) {
            if (ngx_errno == NGX_EINTR) {
                continue;
            }

            return ngx_cargo_blob_failed(file, "writing a file in tmp/");
        }

        p += written;
        n -= (size_t) written;
    }

    return NGX_OK;
}


ngx_int_t
ngx_cargo_blob_file_checksum(ngx_cargo_blob_file_t *file, char *checksum)
{
    unsigned char  hash[EVP_MAX_MD_SIZE];

    if (EVP_DigestFinal_ex(file->digest, hash, NULL) != 1) {
        ngx_set_errno(NGX_ENOMEM);
        return ngx_cargo_blob_failed(file, "hashing");
    }

    *ngx_hex_dump((u_char *) checksum, hash, NGX_CARGO_BLOB_HEX / 2) = '\0';

    return NGX_OK;
}


/*
 * The order is the promise: content on disk, then the name, then the name on
 * disk, and only then does anybody hear of it.
 */

ngx_int_t
ngx_cargo_blob_file_keep(ngx_cargo_blob_file_t *file, cargo_arena_t *arena,
    cargo_str_t store, const char *checksum)
{
    char  *path;

    path = cargo_arena_alloc(arena, store.len + NGX_CARGO_BLOB_NAME_LEN + 1);
    if (path == NULL) {
        ngx_set_errno(NGX_ENOMEM);
        (void) ngx_cargo_blob_failed(file, "getting memory");
        goto failed;
    }

    ngx_memcpy(path, store.data, store.len);
    *ngx_cargo_blob_name((u_char *) path + store.len, checksum) = '\0';

    if (fchmod(file->fd, 0644) == -1) {
        (void) ngx_cargo_blob_failed(file, "setting the mode of");
        goto failed;
    }

    if (fsync(file->fd) == -1) {
        (void) ngx_cargo_blob_failed(file, "fsync of");
        goto failed;
    }

    if (ngx_cargo_blob_make_dirs(file, path, store.len) != NGX_OK) {
        goto failed;
    }

    if (rename(file->path, path) == -1) {
        (void) ngx_cargo_blob_failed(file, "renaming");
        goto failed;
    }

    file->path = NULL;

    if (ngx_cargo_blob_sync_dir(file, path,
                                store.len + NGX_CARGO_BLOB_DIR_LEN)
        != NGX_OK)
    {
        goto failed;
    }

    ngx_cargo_blob_file_drop(file);

    return NGX_OK;

failed:

    ngx_cargo_blob_file_drop(file);

    return NGX_ERROR;
}


void
ngx_cargo_blob_file_drop(ngx_cargo_blob_file_t *file)
{
    if (file->fd != -1) {
        (void) close(file->fd);
        file->fd = -1;

        if (file->path) {
            (void) unlink(file->path);
        }
    }

    EVP_MD_CTX_free(file->digest);
    file->digest = NULL;
}


static ngx_int_t
ngx_cargo_blob_failed(ngx_cargo_blob_file_t *file, const char *what)
{
    file->err = ngx_errno;
    file->failed = what;

    return NGX_ERROR;
}


static ngx_int_t
ngx_cargo_blob_make_dirs(ngx_cargo_blob_file_t *file, char *path,
    size_t store_len)
{
    int     rc;
    size_t  len;

    /* "/ab", then "/ab/cd" */

    for (len = store_len + 3; len <= store_len + 6; len += 3) {
        path[len] = '\0';
        rc = mkdir(path, 0755);
        path[len] = '/';

        if (rc == -1 && ngx_errno != NGX_EEXIST) {
            return ngx_cargo_blob_failed(file, "making a directory for");
        }

        /*
         * Also if it was there: another upload may have made it a moment ago
         * and not have come to this point yet.
         */

        if (ngx_cargo_blob_sync_dir(file, path, len - 3) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_cargo_blob_sync_dir(ngx_cargo_blob_file_t *file, char *path, size_t len)
{
    int   fd, rc;
    char  saved;

    saved = path[len];
    path[len] = '\0';
    fd = open(path, O_RDONLY|O_DIRECTORY|O_CLOEXEC);
    path[len] = saved;

    if (fd == -1) {
        return ngx_cargo_blob_failed(file, "opening the directory of");
    }

    rc = fsync(fd);

    if (rc == -1) {
        (void) ngx_cargo_blob_failed(file, "fsync of the directory of");
    }

    (void) close(fd);

    return rc == -1 ? NGX_ERROR : NGX_OK;
}
