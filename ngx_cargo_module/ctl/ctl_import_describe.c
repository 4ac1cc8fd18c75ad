
/*
 * What a crate that is imported is, by its archive: checked as a publish
 * checks it, with the readme that cargo would send, and rendered.
 */


#include "ctl_import.h"

#include <string.h>

#include "cargo_json.h"
#include "ctl_print.h"


static ctl_rc_t ctl_describe_check(ctl_import_crate_t *crate);
static ctl_rc_t ctl_describe_archive(ctl_import_crate_t *crate,
    cargo_str_t keep, cargo_archive_t **archive);
static ctl_rc_t ctl_describe_readme(ctl_import_crate_t *crate);
static ctl_rc_t ctl_describe_render(ctl_import_crate_t *crate);


ctl_rc_t
ctl_import_describe(ctl_import_crate_t *crate)
{
    ctl_rc_t  rc;

    if ((rc = ctl_describe_check(crate)) != CTL_DONE
        || (rc = ctl_describe_readme(crate)) != CTL_DONE)
    {
        return rc;
    }

    return ctl_describe_render(crate);
}


static ctl_rc_t
ctl_describe_check(ctl_import_crate_t *crate)
{
    ctl_rc_t            rc;
    cargo_str_t         none = { 0, NULL };
    cargo_archive_t    *archive;
    cargo_own_index_t   own = { NULL, 0 };

    rc = ctl_describe_archive(crate, none, &archive);

    if (rc == CTL_DONE) {
        rc = ctl_import_result(crate,
                               cargo_release_of_archive(archive, &own,
                                                        &crate->release,
                                                        &crate->error));
    }

    if (archive) {
        cargo_archive_destroy(archive);
    }

    if (rc == CTL_DONE
        && (strcmp(ctl_json_text(crate->release, "name"), crate->file->name)
            != 0
            || strcmp(ctl_json_text(crate->release, "vers"),
                      crate->file->version) != 0))
    {
        (void) cargo_refuse(&crate->error, 400, "its Cargo.toml is that of %s "
                            "%s, but it unpacks to %s-%s",
                            ctl_json_text(crate->release, "name"),
                            ctl_json_text(crate->release, "vers"),
                            crate->file->name, crate->file->version);
        rc = CTL_REFUSED;
    }

    return rc;
}


/* walks through the file; the archive is the caller's to destroy */

static ctl_rc_t
ctl_describe_archive(ctl_import_crate_t *crate, cargo_str_t keep,
    cargo_archive_t **archive)
{
    cargo_str_t                          root;
    static const cargo_archive_limits_t  limits = {
        CARGO_DEFAULT_UNPACKED_MAX, CARGO_DEFAULT_ENTRIES_MAX
    };

    root = cargo_arena_printf(crate->arena, "%s-%s", crate->file->name,
                              crate->file->version);

    *archive = root.data ? cargo_archive_create(crate->arena, &limits, root)
                         : NULL;

    if (*archive == NULL) {
        return ctl_import_result(crate, CARGO_NO_MEMORY);
    }

    cargo_archive_keep(*archive, keep);

    return ctl_import_read(crate, NULL, *archive);
}


/* cargo would send it with a publish; its name is known only now */

static ctl_rc_t
ctl_describe_readme(ctl_import_crate_t *crate)
{
    json_t           *value;
    ctl_rc_t          rc;
    cargo_str_t       file, text = { 0, NULL };
    cargo_archive_t  *archive;

    file = cargo_json_text(json_object_get(crate->release, "readme_file"));

    if (file.data) {
        rc = ctl_describe_archive(crate, file, &archive);

        if (rc == CTL_DONE) {
            text = cargo_archive_kept(archive);
        }

        if (archive) {
            cargo_archive_destroy(archive);
        }

        if (rc != CTL_DONE) {
            return rc;
        }
    }

    if (text.data && (!cargo_utf8_valid(text.data, text.len)
                      || memchr(text.data, '\0', text.len)))
    {
        text.data = NULL;
    }

    value = cargo_json_of_text(text);

    return ctl_import_result(crate, cargo_json_put(crate->release, "readme",
                                                   value));
}


static ctl_rc_t
ctl_describe_render(ctl_import_crate_t *crate)
{
    cargo_rc_t   rc;
    cargo_str_t  checksum;

    checksum.data = (unsigned char *) crate->checksum;
    checksum.len = CARGO_BLOB_HEX;

    rc = ctl_import_map(crate);

    if (rc == CARGO_OK) {
        rc = cargo_release_render(crate->arena, crate->release, checksum,
                                  crate->pubtime, &crate->rendered,
                                  &crate->error);
    }

    return ctl_import_result(crate, rc);
}
