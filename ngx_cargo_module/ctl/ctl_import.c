
/*
 * import: the run and its summary.
 */


#include "ctl_import.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl_print.h"


#define CTL_BAR  20


static ctl_rc_t ctl_import_run(ctl_import_t *import);
static ctl_rc_t ctl_import_all(ctl_import_t *import);
static void ctl_import_progress(const ctl_import_t *import, size_t done);
static ctl_rc_t ctl_import_report(const ctl_import_t *import);
static void ctl_import_report_notes(const ctl_import_t *import);
static void ctl_import_report_json(const ctl_import_t *import);
static void ctl_import_report_refused(const ctl_import_t *import);
static int ctl_import_by_reason(const void *a, const void *b);


ctl_rc_t
ctl_import(ctl_t *ctl)
{
    return ctl_import_into(ctl, 0);
}


ctl_rc_t
ctl_import_into(ctl_t *ctl, int rebuild)
{
    ctl_rc_t      rc;
    ctl_import_t  import;

    rc = ctl_import_check_options(ctl);

    if (rc == CTL_DONE) {
        rc = ctl_import_check_owner(ctl);
    }

    if (rc != CTL_DONE) {
        return rc;
    }

    memset(&import, 0, sizeof(ctl_import_t));

    import.ctl = ctl;
    import.dir = -1;
    import.rebuild = rebuild;
    import.source = rebuild ? ctl->blobs : ctl->operands[0];

    rc = ctl_store_open(&import.store, ctl);
    if (rc != CTL_DONE) {
        return rc;
    }

    import.arena = cargo_arena_create(NULL);
    import.refused = json_array();
    import.differs = json_array();
    import.warnings = json_array();
    import.files = ctl_alloc(sizeof(ctl_crate_file_t));
    import.lines = ctl_alloc(sizeof(ctl_index_line_t));

    rc = import.arena ? ctl_import_run(&import) : CTL_FAILED;

    ctl_progress_end();
    ctl_store_close(&import.store);

    if (import.dir != -1) {
        (void) close(import.dir);
    }

    if (import.arena) {
        cargo_arena_destroy(import.arena);
    }

    PQclear(import.versions);
    json_decref(import.refused);
    json_decref(import.differs);
    json_decref(import.warnings);
    free(import.files);
    free(import.lines);

    return rc;
}


void
ctl_import_refuse(ctl_import_t *import, const char *file, const char *name,
    const char *version, const char *reason)
{
    cargo_error_t  place, why;

    /* names of files are any bytes, those of JSON are UTF-8 */

    (void) cargo_refuse(&place, 400, "%s", file);
    (void) cargo_refuse(&why, 400, "%s", reason);

    json_array_append_new(import->refused,
                          json_pack("{s:s, s:s?, s:s?, s:s}",
                                    "file", place.detail, "crate", name,
                                    "version", version,
                                    "reason", why.detail));
}


static ctl_rc_t
ctl_import_run(ctl_import_t *import)
{
    ctl_rc_t  rc, report;

    rc = import->rebuild ? ctl_rebuild_scan(import) : ctl_import_scan(import);

    if (rc != CTL_DONE) {
        return rc;
    }

    if (import->rebuild) {
        ctl_rebuild_sort(import);
    } else {
        ctl_import_sort(import);
    }

    rc = ctl_import_all(import);

    /* what was done before a failure is worth knowing too */

    report = ctl_import_report(import);

    return (rc == CTL_DONE) ? report : rc;
}


static ctl_rc_t
ctl_import_all(ctl_import_t *import)
{
    size_t    i;
    ctl_rc_t  rc;

    for (i = 0; i < import->nfiles && !import->stop; i++) {

        ctl_import_progress(import, i);

        rc = ctl_import_crate(import, &import->files[i]);

        if (rc != CTL_DONE && rc != CTL_REFUSED) {
            return rc;
        }
    }

    return CTL_DONE;
}


static void
ctl_import_progress(const ctl_import_t *import, size_t done)
{
    int                      filled;
    const ctl_crate_file_t  *file;
    static const char        bar[] = "####################";

    file = &import->files[done];
    filled = (int) (done * CTL_BAR / import->nfiles);

    ctl_progress(import->ctl, "[%-*.*s] %zu/%zu %s %s", CTL_BAR, filled, bar,
                 done, import->nfiles, file->name, file->version);
}


static ctl_rc_t
ctl_import_report(const ctl_import_t *import)
{
    size_t        refused;
    const ctl_t  *ctl;

    ctl = import->ctl;
    refused = json_array_size(import->refused);

    ctl_progress_end();

    if (ctl->json) {
        ctl_import_report_json(import);
    }

    ctl_import_report_refused(import);

    if (import->nfiles == 0 && refused == 0) {
        ctl_error("there is no .crate file in %s", import->source);
        return CTL_REFUSED;
    }

    ctl_say(ctl, "%s %zu version%s into %s (%zu yanked), %zu already there, "
            "%zu refused", ctl->dry_run ? "would import" : "imported",
            import->imported, (import->imported == 1) ? "" : "s",
            ctl->registry, import->yanked, import->there, refused);

    ctl_import_report_notes(import);

    if (import->rebuild) {
        ctl_rebuild_report(import);
    }

    return refused ? CTL_REFUSED : CTL_DONE;
}


static void
ctl_import_report_notes(const ctl_import_t *import)
{
    char         *some;
    size_t        i;
    json_t       *warning;
    const ctl_t  *ctl;

    ctl = import->ctl;

    if (import->others) {
        ctl_note(ctl, "%zu other file%s in %s %s left alone", import->others,
                 (import->others == 1) ? "" : "s", import->source,
                 (import->others == 1) ? "was" : "were");
    }

    json_array_foreach (import->warnings, i, warning) {
        ctl_note(ctl, "%s", json_string_value(warning));
    }

    if (json_array_size(import->differs)) {
        some = ctl_json_some(import->differs);
        ctl_note(ctl, "already there, with another index line: %s; delete, "
                 "release and import again, or leave it", some);
        free(some);
    }
}


static void
ctl_import_report_json(const ctl_import_t *import)
{
    json_t  *report;

    report = json_pack("{s:b, s:I, s:I, s:I, s:I, s:O, s:O, s:O}",
                       "dry_run", import->ctl->dry_run,
                       "imported", (json_int_t) import->imported,
                       "yanked", (json_int_t) import->yanked,
                       "already_there", (json_int_t) import->there,
                       "other_files", (json_int_t) import->others,
                       "differs", import->differs,
                       "warnings", import->warnings,
                       "refused", import->refused);
    ctl_print_json(report);
    json_decref(report);
}


static void
ctl_import_report_refused(const ctl_import_t *import)
{
    size_t    i, n;
    json_t  **sorted;

    n = json_array_size(import->refused);
    sorted = ctl_alloc(n * sizeof(json_t *));

    for (i = 0; i < n; i++) {
        sorted[i] = json_array_get(import->refused, i);
    }

    qsort(sorted, n, sizeof(json_t *), ctl_import_by_reason);

    for (i = 0; i < n; i++) {
        ctl_error("%s: %s", ctl_json_text(sorted[i], "file"),
                  ctl_json_text(sorted[i], "reason"));
    }

    free(sorted);
}


static int
ctl_import_by_reason(const void *a, const void *b)
{
    int            order;
    const json_t  *one = *(json_t *const *) a, *other = *(json_t *const *) b;

    order = strcmp(ctl_json_text(one, "reason"),
                   ctl_json_text(other, "reason"));

    return order ? order : strcmp(ctl_json_text(one, "file"),
                                  ctl_json_text(other, "file"));
}
