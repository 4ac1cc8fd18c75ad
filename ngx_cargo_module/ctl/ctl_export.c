
/*
 * export: the run and its summary.
 */


#include "ctl_export.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl_blobs.h"
#include "ctl_lock.h"
#include "ctl_print.h"
#include "ctl_versions.h"


static ctl_rc_t ctl_export_run(ctl_export_t *to, ctl_lock_t *lock);
static ctl_rc_t ctl_export_all(ctl_export_t *to);
static ctl_rc_t ctl_export_locked(ctl_export_t *to, ctl_lock_t *lock);
static ctl_rc_t ctl_export_page(ctl_export_t *to, const PGresult *page,
    const ctl_lock_t *lock);
static ctl_rc_t ctl_export_crate(ctl_export_t *to, const PGresult *page,
    int first, int end, const ctl_lock_t *lock);
static ctl_rc_t ctl_export_version(ctl_export_t *to, const PGresult *page,
    int row, const ctl_lock_t *lock, FILE *document);
static void ctl_export_left_out(ctl_export_t *to, const ctl_lock_t *lock);
static ctl_rc_t ctl_export_report(const ctl_export_t *to);
static void ctl_export_report_json(const ctl_export_t *to);
static void ctl_export_report_rest(const ctl_export_t *to);


ctl_rc_t
ctl_export(ctl_t *ctl)
{
    ctl_rc_t      rc;
    ctl_lock_t    lock;
    ctl_export_t  to;

    memset(&to, 0, sizeof(ctl_export_t));
    memset(&lock, 0, sizeof(ctl_lock_t));

    to.ctl = ctl;
    to.path = ctl->operands[0];
    to.dir = -1;

    to.root = ctl_blobs_open(ctl);
    if (to.root == -1) {
        return CTL_REFUSED;
    }

    to.files = json_object();
    to.missing = json_array();
    to.left_out = json_array();
    to.strangers = json_array();

    rc = ctl->lock ? ctl_lock_read(ctl->lock, &lock) : CTL_DONE;

    if (rc == CTL_DONE) {
        rc = ctl_export_run(&to, &lock);
    }

    ctl_progress_end();
    ctl_lock_free(&lock);
    (void) close(to.root);

    if (to.dir != -1) {
        (void) close(to.dir);
    }

    json_decref(to.files);
    json_decref(to.missing);
    json_decref(to.left_out);
    json_decref(to.strangers);

    return rc;
}


static ctl_rc_t
ctl_export_run(ctl_export_t *to, ctl_lock_t *lock)
{
    ctl_rc_t  rc;

    rc = ctl_versions_open(to->ctl);

    if (rc == CTL_DONE) {
        rc = ctl_export_open(to);
    }

    if (rc == CTL_DONE && to->ctl->url) {
        rc = ctl_export_config(to);
    }

    if (rc == CTL_DONE) {
        rc = to->ctl->lock ? ctl_export_locked(to, lock) : ctl_export_all(to);
    }

    if (rc != CTL_DONE) {
        return rc;
    }

    ctl_export_left_out(to, lock);
    ctl_export_strangers(to);

    return ctl_export_report(to);
}


static ctl_rc_t
ctl_export_all(ctl_export_t *to)
{
    int        rows;
    char      *after;
    ctl_rc_t   rc;
    PGresult  *page;

    after = ctl_printf("%s", "");

    do {
        page = ctl_versions_after(to->ctl, after);
        free(after);

        if (page == NULL) {
            return CTL_FAILED;
        }

        rc = ctl_export_page(to, page, NULL);
        rows = PQntuples(page);

        after = ctl_printf("%s", rows ? PQgetvalue(page, rows - 1,
                                                   CTL_VERSION_CRATE)
                                      : "");
        PQclear(page);

    } while (rc == CTL_DONE && rows);

    free(after);

    return rc;
}


static ctl_rc_t
ctl_export_locked(ctl_export_t *to, ctl_lock_t *lock)
{
    size_t       i;
    ctl_rc_t     rc;
    PGresult    *page;
    const char  *name, *before;

    rc = CTL_DONE;
    before = NULL;

    for (i = 0; rc == CTL_DONE && i < lock->count; i++) {

        name = lock->packages[i].name;

        if (before && ctl_names_compare(before, name) == 0) {
            continue;
        }

        before = name;
        page = ctl_versions_of(to->ctl, name);

        rc = page ? ctl_export_page(to, page, lock) : CTL_FAILED;

        PQclear(page);
    }

    return rc;
}


/* lock: NULL for all versions */

static ctl_rc_t
ctl_export_page(ctl_export_t *to, const PGresult *page, const ctl_lock_t *lock)
{
    int       first, end, rows;
    ctl_rc_t  rc;

    rc = CTL_DONE;
    rows = PQntuples(page);

    for (first = 0; rc == CTL_DONE && first < rows; first = end) {

        end = first + 1;

        while (end < rows
               && strcmp(PQgetvalue(page, first, CTL_VERSION_CRATE),
                         PQgetvalue(page, end, CTL_VERSION_CRATE)) == 0)
        {
            end++;
        }

        rc = ctl_export_crate(to, page, first, end, lock);

        ctl_progress(to->ctl, "%zu versions of %zu crates exported",
                     to->versions, to->crates);
    }

    return rc;
}


static ctl_rc_t
ctl_export_crate(ctl_export_t *to, const PGresult *page, int first, int end,
    const ctl_lock_t *lock)
{
    int       row;
    FILE     *document;
    char     *text;
    size_t    len;
    ctl_rc_t  rc;

    document = open_memstream(&text, &len);

    if (document == NULL) {
        ctl_error("out of memory");
        return CTL_FAILED;
    }

    rc = CTL_DONE;

    for (row = first; rc == CTL_DONE && row < end; row++) {
        rc = ctl_export_version(to, page, row, lock, document);
    }

    if (fclose(document) != 0) {
        ctl_error("out of memory");
        rc = CTL_FAILED;
    }

    if (rc == CTL_DONE && len) {
        to->crates++;
        rc = ctl_export_document(to, PQgetvalue(page, first,
                                                CTL_VERSION_CRATE), text, len);
    }

    free(text);

    return rc;
}


static ctl_rc_t
ctl_export_version(ctl_export_t *to, const PGresult *page, int row,
    const ctl_lock_t *lock, FILE *document)
{
    ctl_rc_t        rc;
    const char     *crate, *version, *checksum;
    ctl_package_t  *package;

    crate = PQgetvalue(page, row, CTL_VERSION_CRATE);
    version = PQgetvalue(page, row, CTL_VERSION_NUM);
    checksum = PQgetvalue(page, row, CTL_VERSION_CHECKSUM);

    package = lock ? ctl_lock_find(lock, crate, version, checksum) : NULL;

    if (lock && package == NULL) {
        return CTL_DONE;
    }

    if (package) {
        package->exported = 1;
    }

    rc = ctl_export_blob(to, crate, version, checksum,
                         strtoll(PQgetvalue(page, row, CTL_VERSION_SIZE),
                                 NULL, 10));

    if (rc == CTL_DONE) {
        to->versions++;
        (void) fprintf(document, "%s\n",
                       PQgetvalue(page, row, CTL_VERSION_LINE));
    }

    return (rc == CTL_REFUSED) ? CTL_DONE : rc;
}


static void
ctl_export_left_out(ctl_export_t *to, const ctl_lock_t *lock)
{
    size_t                i;
    const ctl_package_t  *package;

    for (i = 0; i < lock->count; i++) {
        package = &lock->packages[i];

        if (!package->exported) {
            json_array_append_new(to->left_out,
                                  json_pack("{s:s, s:s, s:s}",
                                            "crate", package->name,
                                            "version", package->version,
                                            "source", package->source));
        }
    }
}


static ctl_rc_t
ctl_export_report(const ctl_export_t *to)
{
    size_t  missing;

    ctl_progress_end();

    if (to->ctl->json) {
        ctl_export_report_json(to);
    }

    ctl_say(to->ctl, "exported %zu version%s of %zu crate%s to %s (%zu file%s "
            "written, the others were there)", to->versions,
            (to->versions == 1) ? "" : "s", to->crates,
            (to->crates == 1) ? "" : "s", to->path, to->written,
            (to->written == 1) ? "" : "s");

    ctl_export_report_rest(to);

    missing = json_array_size(to->missing);

    if (missing) {
        ctl_error("%zu version%s could not be exported: `cargoctl check` says "
                  "more", missing, (missing == 1) ? "" : "s");
        return CTL_REFUSED;
    }

    return CTL_DONE;
}


static void
ctl_export_report_json(const ctl_export_t *to)
{
    json_t  *report;

    report = json_pack("{s:I, s:I, s:I, s:O, s:O, s:O}",
                       "crates", (json_int_t) to->crates,
                       "versions", (json_int_t) to->versions,
                       "written", (json_int_t) to->written,
                       "missing", to->missing,
                       "not_exported", to->left_out,
                       "left_over", to->strangers);
    ctl_print_json(report);
    json_decref(report);
}


static void
ctl_export_report_rest(const ctl_export_t *to)
{
    size_t   i, n;
    json_t  *entry;

    json_array_foreach (to->left_out, i, entry) {
        ctl_note(to->ctl, "not exported: %s %s of %s, which the registry does "
                 "not have", ctl_json_text(entry, "crate"),
                 ctl_json_text(entry, "version"),
                 ctl_json_text(entry, "source"));
    }

    n = json_array_size(to->strangers);

    if (n) {
        ctl_note(to->ctl, "%zu file%s in %s, such as %s, %s not of this "
                 "export: left there", n, (n == 1) ? "" : "s", to->path,
                 json_string_value(json_array_get(to->strangers, 0)),
                 (n == 1) ? "is" : "are");
    }

    json_array_foreach (to->missing, i, entry) {
        ctl_error("%s %s: %s", ctl_json_text(entry, "crate"),
                  ctl_json_text(entry, "version"),
                  ctl_json_text(entry, "reason"));
    }
}
