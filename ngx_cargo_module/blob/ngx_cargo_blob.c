
#include "ngx_cargo_blob.h"
#include "ngx_cargo_blob_file.h"

#include <openssl/crypto.h>

#include "cargo_frame.h"
#include "cargo_semver.h"


#define NGX_CARGO_BLOB_BUFFER  (128 * 1024)


typedef struct {
    ngx_cargo_blob_upload_t  *upload;
    ngx_cargo_blob_file_t     file;
    cargo_archive_t          *archive;
    json_t                   *metadata;
    json_t                   *manifest;
} ngx_cargo_blob_work_t;


static cargo_rc_t ngx_cargo_blob_read(ngx_cargo_blob_work_t *work);
static cargo_rc_t ngx_cargo_blob_crate(void *data, cargo_str_t metadata,
    const unsigned char *p, size_t n, cargo_error_t *error);
static cargo_rc_t ngx_cargo_blob_begin(ngx_cargo_blob_work_t *work,
    cargo_str_t metadata, cargo_error_t *error);
static cargo_rc_t ngx_cargo_blob_check(ngx_cargo_blob_work_t *work);
static cargo_rc_t ngx_cargo_blob_render(ngx_cargo_blob_work_t *work);
static cargo_rc_t ngx_cargo_blob_complete(ngx_cargo_blob_work_t *work);
static cargo_rc_t ngx_cargo_blob_store(ngx_cargo_blob_work_t *work);
static cargo_rc_t ngx_cargo_blob_failed(ngx_cargo_blob_upload_t *upload,
    ngx_err_t err, const char *failed, cargo_error_t *error);


ngx_cargo_blob_upload_t *
ngx_cargo_blob_upload_create(void)
{
    cargo_arena_t            *arena;
    ngx_cargo_blob_upload_t  *upload;

    arena = cargo_arena_create(NULL);
    if (arena == NULL) {
        return NULL;
    }

    upload = cargo_arena_alloc(arena, sizeof(ngx_cargo_blob_upload_t));
    if (upload == NULL) {
        cargo_arena_destroy(arena);
        return NULL;
    }

    ngx_memzero(upload, sizeof(ngx_cargo_blob_upload_t));
    upload->arena = arena;

    return upload;
}


void
ngx_cargo_blob_upload_destroy(ngx_cargo_blob_upload_t *upload)
{
    cargo_arena_destroy(upload->arena);
}


void
ngx_cargo_blob_upload_run(ngx_cargo_blob_upload_t *upload)
{
    ngx_cargo_blob_work_t  work;

    ngx_memzero(&work, sizeof(ngx_cargo_blob_work_t));
    work.upload = upload;
    work.file.fd = -1;

    upload->rc = ngx_cargo_blob_read(&work);

    if (upload->rc == CARGO_OK) {
        upload->rc = ngx_cargo_blob_check(&work);
    }

    if (upload->rc == CARGO_OK) {
        upload->rc = ngx_cargo_blob_store(&work);
    }

    ngx_cargo_blob_file_drop(&work.file);

    if (work.archive) {
        cargo_archive_destroy(work.archive);
    }

    json_decref(work.metadata);
    json_decref(work.manifest);

    if (upload->rc == CARGO_NO_MEMORY) {
        upload->rc = ngx_cargo_blob_failed(upload, NGX_ENOMEM,
                                           "checking an upload",
                                           &upload->error);
    }

    /*
     * A worker that exits does not join its threads, and what OpenSSL keeps
     * for this one would be freed by thread and exit() at the same time.
     */
    OPENSSL_thread_stop();
}


static cargo_rc_t
ngx_cargo_blob_read(ngx_cargo_blob_work_t *work)
{
    off_t                     offset;
    ssize_t                   n;
    cargo_rc_t                rc;
    cargo_frame_t            *frame;
    unsigned char            *buffer;
    ngx_cargo_blob_upload_t  *upload;

    upload = work->upload;

    frame = cargo_frame_create(upload->arena, upload->crate_max,
                               ngx_cargo_blob_crate, work);
    buffer = cargo_arena_alloc(upload->arena, NGX_CARGO_BLOB_BUFFER);

    if (frame == NULL || buffer == NULL) {
        return CARGO_NO_MEMORY;
    }

    offset = 0;

    for ( ;; ) {
        n = pread(upload->body, buffer, NGX_CARGO_BLOB_BUFFER, offset);

        if (n == -1) {
            if (ngx_errno == NGX_EINTR) {
                continue;
            }

            return ngx_cargo_blob_failed(upload, ngx_errno,
                                         "reading the body", &upload->error);
        }

        if (n == 0) {
            return cargo_frame_end(frame, &upload->error);
        }

        rc = cargo_frame_feed(frame, buffer, (size_t) n, &upload->error);
        if (rc != CARGO_OK) {
            return rc;
        }

        offset += n;
    }
}


/* refusals go into the frame's error, which the feed then hands out */

static cargo_rc_t
ngx_cargo_blob_crate(void *data, cargo_str_t metadata,
    const unsigned char *p, size_t n, cargo_error_t *error)
{
    ngx_cargo_blob_work_t  *work = data;

    if (n == 0) {
        return ngx_cargo_blob_begin(work, metadata, error);
    }

    if (ngx_cargo_blob_file_write(&work->file, p, n) != NGX_OK) {
        return ngx_cargo_blob_failed(work->upload, work->file.err,
                                     work->file.failed, error);
    }

    return cargo_archive_feed(work->archive, p, n, error);
}


static cargo_rc_t
ngx_cargo_blob_begin(ngx_cargo_blob_work_t *work, cargo_str_t metadata,
    cargo_error_t *error)
{
    cargo_rc_t                rc;
    cargo_str_t               root;
    ngx_cargo_blob_upload_t  *upload;

    upload = work->upload;

    rc = cargo_release_of_metadata(upload->arena, metadata, &upload->own,
                                   &work->metadata, error);
    if (rc != CARGO_OK) {
        return rc;
    }

    root = cargo_arena_printf(upload->arena, "%s-%s",
                   json_string_value(json_object_get(work->metadata, "name")),
                   json_string_value(json_object_get(work->metadata, "vers")));
    if (root.data == NULL) {
        return CARGO_NO_MEMORY;
    }

    work->archive = cargo_archive_create(upload->arena, &upload->limits, root);
    if (work->archive == NULL) {
        return CARGO_NO_MEMORY;
    }

    if (ngx_cargo_blob_file_open(&work->file, upload->arena, upload->store)
        != NGX_OK)
    {
        return ngx_cargo_blob_failed(upload, work->file.err,
                                     work->file.failed, error);
    }

    return CARGO_OK;
}


static cargo_rc_t
ngx_cargo_blob_check(ngx_cargo_blob_work_t *work)
{
    cargo_rc_t                rc;
    cargo_str_t               manifest;
    ngx_cargo_blob_upload_t  *upload;

    upload = work->upload;

    rc = cargo_archive_end(work->archive, &manifest, &upload->error);
    if (rc != CARGO_OK) {
        return rc;
    }

    rc = cargo_release_of_manifest(upload->arena, manifest, &upload->own,
                                   &work->manifest, &upload->error);
    if (rc != CARGO_OK) {
        return rc;
    }

    rc = cargo_release_agree(upload->arena, work->metadata, work->manifest,
                             &upload->error);
    if (rc != CARGO_OK) {
        return rc;
    }

    if (ngx_cargo_blob_file_checksum(&work->file, upload->checksum)
        != NGX_OK)
    {
        return ngx_cargo_blob_failed(upload, work->file.err,
                                     work->file.failed, &upload->error);
    }

    upload->size = work->file.size;

    return ngx_cargo_blob_render(work);
}


static cargo_rc_t
ngx_cargo_blob_render(ngx_cargo_blob_work_t *work)
{
    char                     *text;
    char                      pubtime[sizeof("1970-01-01T00:00:00Z")];
    struct tm                 tm;
    cargo_rc_t                rc;
    cargo_str_t               checksum;
    ngx_cargo_blob_upload_t  *upload;

    upload = work->upload;

    (void) gmtime_r(&upload->now, &tm);
    (void) strftime(pubtime, sizeof(pubtime), "%Y-%m-%dT%H:%M:%SZ", &tm);

    upload->pubtime = cargo_arena_copy(upload->arena, pubtime,
                                       sizeof(pubtime) - 1);
    if (upload->pubtime.data == NULL) {
        return CARGO_NO_MEMORY;
    }

    checksum.data = (unsigned char *) upload->checksum;
    checksum.len = NGX_CARGO_BLOB_HEX;

    rc = cargo_release_index_line(upload->arena, work->manifest, checksum,
                                  upload->pubtime, &upload->head,
                                  &upload->tail);

    if (rc == CARGO_OK) {
        rc = ngx_cargo_blob_complete(work);
    }

    if (rc != CARGO_OK) {
        return rc;
    }

    text = json_dumps(work->manifest, JSON_COMPACT);
    if (text == NULL) {
        return CARGO_NO_MEMORY;
    }

    upload->release = cargo_arena_copy(upload->arena, text, ngx_strlen(text));
    free(text);

    return upload->release.data ? CARGO_OK : CARGO_NO_MEMORY;
}


/* what the manifest does not have: the readme's text, the version's rank */

static cargo_rc_t
ngx_cargo_blob_complete(ngx_cargo_blob_work_t *work)
{
    cargo_rc_t                rc;
    cargo_str_t               key, vers;
    cargo_version_t           version;
    ngx_cargo_blob_upload_t  *upload;

    upload = work->upload;

    vers.data = (unsigned char *)
                json_string_value(json_object_get(work->manifest, "vers"));
    vers.len = ngx_strlen(vers.data);

    rc = cargo_version_parse(vers, &version, &upload->error);
    if (rc != CARGO_OK) {
        return rc;
    }

    key = cargo_version_sort_key(upload->arena, &version);

    if (key.data == NULL
        || json_object_set_new(work->manifest, "sort_key",
                               json_stringn((char *) key.data, key.len))
           == -1
        || json_object_set(work->manifest, "readme",
                           json_object_get(work->metadata, "readme")) == -1
        || json_object_set(work->manifest, "readme_file",
                           json_object_get(work->metadata, "readme_file"))
           == -1)
    {
        return CARGO_NO_MEMORY;
    }

    return CARGO_OK;
}


static cargo_rc_t
ngx_cargo_blob_store(ngx_cargo_blob_work_t *work)
{
    ngx_cargo_blob_upload_t  *upload;

    upload = work->upload;

    if (ngx_cargo_blob_file_keep(&work->file, upload->arena, upload->store,
                                 upload->checksum)
        != NGX_OK)
    {
        return ngx_cargo_blob_failed(upload, work->file.err,
                                     work->file.failed, &upload->error);
    }

    return CARGO_OK;
}


static cargo_rc_t
ngx_cargo_blob_failed(ngx_cargo_blob_upload_t *upload, ngx_err_t err,
    const char *failed, cargo_error_t *error)
{
    upload->err = err;
    upload->failed = failed;

    if (err == ENOSPC || err == EDQUOT || err == EMFILE || err == ENFILE
        || err == ENOMEM)
    {
        return cargo_refuse(error, 503,
                            "the registry has no room for the crate now "
                            "(%s); nothing was published; tell its "
                            "administrator, then try again", strerror(err));
    }

    return cargo_refuse(error, 500,
                        "the registry could not store the crate (%s); "
                        "nothing was published; tell its administrator, the "
                        "error log of nginx says more", strerror(err));
}
