
#include "ngx_cargo_blob.h"

#include <openssl/crypto.h>

#include "cargo_frame.h"
#include "cargo_json.h"


#define NGX_CARGO_BLOB_BUFFER  (128 * 1024)


typedef struct {
    ngx_cargo_blob_upload_t  *upload;
    cargo_blob_t              blob;
    cargo_archive_t          *archive;
    json_t                   *metadata;
    json_t                   *manifest;
} ngx_cargo_blob_work_t;


static uint64_t ngx_cargo_blob_clock(void);
static cargo_rc_t ngx_cargo_blob_read(ngx_cargo_blob_work_t *work);
static cargo_rc_t ngx_cargo_blob_read_file(ngx_cargo_blob_upload_t *upload,
    cargo_frame_t *frame);
static cargo_rc_t ngx_cargo_blob_crate(void *data, cargo_str_t metadata,
    const unsigned char *p, size_t n, cargo_error_t *error);
static cargo_rc_t ngx_cargo_blob_begin(ngx_cargo_blob_work_t *work,
    cargo_str_t metadata, cargo_error_t *error);
static cargo_rc_t ngx_cargo_blob_check(ngx_cargo_blob_work_t *work);
static cargo_rc_t ngx_cargo_blob_render(ngx_cargo_blob_work_t *work);
static cargo_rc_t ngx_cargo_blob_store(ngx_cargo_blob_work_t *work);
static cargo_rc_t ngx_cargo_blob_failed(ngx_cargo_blob_upload_t *upload,
    ngx_err_t err, const char *failed, cargo_error_t *error);
static const char *ngx_cargo_blob_passes(ngx_err_t err);


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
    uint64_t               began;
    ngx_cargo_blob_work_t  work;

    began = ngx_cargo_blob_clock();

    ngx_memzero(&work, sizeof(ngx_cargo_blob_work_t));
    work.upload = upload;
    work.blob.fd = -1;

    upload->rc = ngx_cargo_blob_read(&work);

    if (upload->rc == CARGO_OK) {
        upload->rc = ngx_cargo_blob_check(&work);
    }

    upload->check_time = ngx_cargo_blob_clock() - began;

    if (upload->rc == CARGO_OK) {
        upload->rc = ngx_cargo_blob_store(&work);
        upload->store_time = ngx_cargo_blob_clock() - began
                             - upload->check_time;
    }

    cargo_blob_drop(&work.blob);

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


/* nginx's is of the event loop */

static uint64_t
ngx_cargo_blob_clock(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}


static cargo_rc_t
ngx_cargo_blob_read(ngx_cargo_blob_work_t *work)
{
    cargo_rc_t                rc;
    cargo_frame_t            *frame;
    ngx_cargo_blob_upload_t  *upload;

    upload = work->upload;

    frame = cargo_frame_create(upload->arena, upload->crate_max,
                               ngx_cargo_blob_crate, work);
    if (frame == NULL) {
        return CARGO_NO_MEMORY;
    }

    rc = upload->text.data
         ? cargo_frame_feed(frame, upload->text.data, upload->text.len,
                            &upload->error)
         : ngx_cargo_blob_read_file(upload, frame);

    return rc == CARGO_OK ? cargo_frame_end(frame, &upload->error) : rc;
}


static cargo_rc_t
ngx_cargo_blob_read_file(ngx_cargo_blob_upload_t *upload,
    cargo_frame_t *frame)
{
    off_t           offset;
    ssize_t         n;
    cargo_rc_t      rc;
    unsigned char  *buffer;

    buffer = cargo_arena_alloc(upload->arena, NGX_CARGO_BLOB_BUFFER);
    if (buffer == NULL) {
        return CARGO_NO_MEMORY;
    }

    offset = 0;

    for ( ;; ) {
        n = pread(upload->file, buffer, NGX_CARGO_BLOB_BUFFER, offset);

        if (n == -1) {
            if (ngx_errno == NGX_EINTR) {
                continue;
            }

            return ngx_cargo_blob_failed(upload, ngx_errno,
                                         "reading the body", &upload->error);
        }

        if (n == 0) {
            return CARGO_OK;
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

    if (cargo_blob_write(&work->blob, p, n) != 0) {
        return ngx_cargo_blob_failed(work->upload, work->blob.err,
                                     work->blob.failed, error);
    }

    return cargo_archive_feed(work->archive, p, n, error);
}


static cargo_rc_t
ngx_cargo_blob_begin(ngx_cargo_blob_work_t *work, cargo_str_t metadata,
    cargo_error_t *error)
{
    cargo_rc_t                rc;
    const char               *name, *vers;
    cargo_str_t               root;
    ngx_cargo_blob_upload_t  *upload;

    upload = work->upload;

    rc = cargo_release_of_metadata(upload->arena, metadata, &upload->own,
                                   &work->metadata, error);
    if (rc != CARGO_OK) {
        return rc;
    }

    name = json_string_value(json_object_get(work->metadata, "name"));
    vers = json_string_value(json_object_get(work->metadata, "vers"));

    root = cargo_arena_printf(upload->arena, "%s-%s", name, vers);
    if (root.data == NULL) {
        return CARGO_NO_MEMORY;
    }

    upload->name.data = root.data;
    upload->name.len = ngx_strlen(name);
    upload->vers.data = root.data + upload->name.len + 1;
    upload->vers.len = ngx_strlen(vers);

    work->archive = cargo_archive_create(upload->arena, &upload->limits, root);
    if (work->archive == NULL) {
        return CARGO_NO_MEMORY;
    }

    if (cargo_blob_open(&work->blob, upload->arena, upload->store) != 0) {
        return ngx_cargo_blob_failed(upload, work->blob.err,
                                     work->blob.failed, error);
    }

    return CARGO_OK;
}


static cargo_rc_t
ngx_cargo_blob_check(ngx_cargo_blob_work_t *work)
{
    cargo_rc_t                rc;
    ngx_cargo_blob_upload_t  *upload;

    upload = work->upload;

    rc = cargo_release_of_archive(work->archive, &upload->own,
                                  &work->manifest, &upload->error);
    if (rc != CARGO_OK) {
        return rc;
    }

    rc = cargo_release_agree(upload->arena, work->metadata, work->manifest,
                             &upload->error);
    if (rc != CARGO_OK) {
        return rc;
    }

    if (cargo_blob_checksum(&work->blob, upload->checksum) != 0) {
        return ngx_cargo_blob_failed(upload, work->blob.err,
                                     work->blob.failed, &upload->error);
    }

    upload->size = work->blob.size;

    return ngx_cargo_blob_render(work);
}


static cargo_rc_t
ngx_cargo_blob_render(ngx_cargo_blob_work_t *work)
{
    size_t                    i;
    json_t                   *value;
    char                      pubtime[sizeof("1970-01-01T00:00:00Z")];
    struct tm                 tm;
    cargo_rc_t                rc;
    cargo_str_t               checksum;
    cargo_rendered_t          rendered;
    ngx_cargo_blob_upload_t  *upload;

    /* what the manifest does not have */
    static const char *const  readme[] = { "readme", "readme_file" };

    upload = work->upload;

    for (i = 0; i < sizeof(readme) / sizeof(readme[0]); i++) {
        value = json_object_get(work->metadata, readme[i]);

        if (cargo_json_put(work->manifest, readme[i], json_incref(value))
            != CARGO_OK)
        {
            return CARGO_NO_MEMORY;
        }
    }

    (void) gmtime_r(&upload->now, &tm);
    (void) strftime(pubtime, sizeof(pubtime), "%Y-%m-%dT%H:%M:%SZ", &tm);

    upload->pubtime = cargo_arena_copy(upload->arena, pubtime,
                                       sizeof(pubtime) - 1);
    if (upload->pubtime.data == NULL) {
        return CARGO_NO_MEMORY;
    }

    checksum.data = (unsigned char *) upload->checksum;
    checksum.len = CARGO_BLOB_HEX;

    rc = cargo_release_render(upload->arena, work->manifest, checksum,
                              upload->pubtime, &rendered, &upload->error);

    if (rc == CARGO_OK) {
        upload->release = rendered.json;
        upload->head = rendered.head;
        upload->tail = rendered.tail;
    }

    return rc;
}


static cargo_rc_t
ngx_cargo_blob_store(ngx_cargo_blob_work_t *work)
{
    ngx_cargo_blob_upload_t  *upload;

    upload = work->upload;

    if (cargo_blob_keep(&work->blob, upload->arena, upload->store,
                        upload->checksum)
        != 0)
    {
        return ngx_cargo_blob_failed(upload, work->blob.err,
                                     work->blob.failed, &upload->error);
    }

    return CARGO_OK;
}


/* what the machine lacks or suffers is 503, how it was set up is 500 */

static cargo_rc_t
ngx_cargo_blob_failed(ngx_cargo_blob_upload_t *upload, ngx_err_t err,
    const char *failed, cargo_error_t *error)
{
    const char  *passes;

    upload->err = err;
    upload->failed = failed;

    passes = ngx_cargo_blob_passes(err);

    if (passes) {
        return cargo_refuse(error, 503,
                            "the registry %s (%s); nothing was published; "
                            "tell its administrator, then try again",
                            passes, strerror(err));
    }

    return cargo_refuse(error, 500,
                        "the registry could not store the crate (%s); "
                        "nothing was published; tell its administrator, the "
                        "error log of nginx says more", strerror(err));
}


static const char *
ngx_cargo_blob_passes(ngx_err_t err)
{
    switch (err) {

    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
        return "has no room for the crate now";

    case EROFS:
        return "takes no crates now";

    case EIO:
    case ESTALE:
    case ETIMEDOUT:
        return "cannot use its disk now";

    default:
        return NULL;
    }
}
