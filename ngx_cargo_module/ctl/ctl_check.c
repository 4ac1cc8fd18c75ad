
/*
 * check: every version's blob is there and is what was published.
 */


#include "cargoctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl_blobs.h"
#include "ctl_database.h"
#include "ctl_print.h"


#define CTL_CHECK_PAGE  "500"


typedef enum {
    CTL_COL_ID = 0,
    CTL_COL_REGISTRY,
    CTL_COL_CRATE,
    CTL_COL_VERSION,
    CTL_COL_CHECKSUM,
    CTL_COL_SIZE
} ctl_check_column_t;


typedef struct {
    ctl_t           *ctl;
    json_t          *wrong;
    long long        checked;
    long long        missing;
    int              denied;
    int              root;
} ctl_check_t;


static ctl_rc_t ctl_check_versions(ctl_check_t *check);
static void ctl_check_version(ctl_check_t *check, const PGresult *page,
    int row);
static char *ctl_check_blob(ctl_check_t *check, const char *checksum,
    const char *size);
static ctl_rc_t ctl_check_report(const ctl_check_t *check);
static void ctl_check_wrong(const ctl_check_t *check);
static void ctl_check_good(const ctl_check_t *check);


ctl_rc_t
ctl_check(ctl_t *ctl)
{
    ctl_rc_t     rc;
    ctl_check_t  check;

    memset(&check, 0, sizeof(ctl_check_t));
    check.ctl = ctl;

    check.root = ctl_blobs_open(ctl);
    if (check.root == -1) {
        return CTL_REFUSED;
    }

    check.wrong = json_array();

    rc = ctl_database_open(ctl);

    if (rc == CTL_DONE) {
        rc = ctl_check_versions(&check);
        ctl_progress_end();
    }

    if (rc == CTL_DONE) {
        rc = ctl_check_report(&check);
    }

    (void) close(check.root);
    json_decref(check.wrong);

    return rc;
}


static ctl_rc_t
ctl_check_versions(ctl_check_t *check)
{
    int          row, rows;
    char        *after;
    PGresult    *page;
    const char  *values[2];

    after = ctl_printf("0");
    values[1] = CTL_CHECK_PAGE;

    do {
        values[0] = after;

        page = ctl_database_query(check->ctl, "select version_id, registry,"
                                  " crate, version, checksum, size"
                                  " from cargo_admin.version_blobs($1::bigint,"
                                  " $2::int) order by version_id", 2, values);
        free(after);

        if (page == NULL) {
            return CTL_FAILED;
        }

        rows = PQntuples(page);

        for (row = 0; row < rows; row++) {
            ctl_check_version(check, page, row);
            ctl_progress(check->ctl, "%lld versions checked, %zu wrong",
                         check->checked, json_array_size(check->wrong));
        }

        after = ctl_printf("%s", rows ? PQgetvalue(page, rows - 1, CTL_COL_ID)
                                      : "");
        PQclear(page);

    } while (rows);

    free(after);

    return CTL_DONE;
}


static void
ctl_check_version(ctl_check_t *check, const PGresult *page, int row)
{
    char        *problem, path[CTL_BLOB_PATH];
    const char  *registry, *crate, *version, *checksum;

    registry = PQgetvalue(page, row, CTL_COL_REGISTRY);
    crate = PQgetvalue(page, row, CTL_COL_CRATE);
    version = PQgetvalue(page, row, CTL_COL_VERSION);
    checksum = PQgetvalue(page, row, CTL_COL_CHECKSUM);

    check->checked++;

    problem = ctl_check_blob(check, checksum,
                             PQgetvalue(page, row, CTL_COL_SIZE));
    if (problem == NULL) {
        return;
    }

    ctl_blob_path(checksum, path);

    if (!check->ctl->json) {
        ctl_progress_end();
        (void) printf("%s: %s %s: %s %s\n", registry, crate, version, path,
                      problem);
    }

    json_array_append_new(check->wrong,
                          json_pack("{s:s, s:s, s:s, s:s, s:s}",
                                    "registry", registry, "crate", crate,
                                    "version", version, "blob", path,
                                    "problem", problem));
    free(problem);
}


/* what is wrong in words, or NULL */

static char *
ctl_check_blob(ctl_check_t *check, const char *checksum, const char *size)
{
    int    error;
    char  *problem;

    problem = ctl_blob_problem(check->root, checksum, strtoll(size, NULL, 10),
                               check->ctl->quick, &error);

    check->missing += (error == ENOENT);
    check->denied |= (error == EACCES);

    return problem;
}


static ctl_rc_t
ctl_check_report(const ctl_check_t *check)
{
    json_t  *report;

    if (check->ctl->json) {
        report = json_pack("{s:I, s:b, s:O}", "checked",
                           (json_int_t) check->checked, "quick",
                           check->ctl->quick, "wrong", check->wrong);
        ctl_print_json(report);
        json_decref(report);
    }

    if (check->denied) {
        ctl_blobs_error(check->ctl, "open all files in", "", EACCES);
    }

    if (json_array_size(check->wrong)) {
        ctl_check_wrong(check);
        return CTL_REFUSED;
    }

    ctl_check_good(check);

    return CTL_DONE;
}


static void
ctl_check_wrong(const ctl_check_t *check)
{
    size_t  wrong;

    wrong = json_array_size(check->wrong);

    if (check->missing == check->checked) {
        ctl_error("not one of %lld version%s has its blob in %s: is this the "
                  "directory that cargo_blobs names?", check->checked,
                  (check->checked == 1) ? "" : "s", check->ctl->blobs);
        return;
    }

    ctl_error("%zu of %lld version%s cannot be served as published: bring the "
              "file%s back from a backup, or yank %s", wrong, check->checked,
              (check->checked == 1) ? "" : "s", (wrong == 1) ? "" : "s",
              (wrong == 1) ? "it" : "them");
}


static void
ctl_check_good(const ctl_check_t *check)
{
    const char  *how;

    how = check->ctl->quick ? "size" : "size and SHA-256";

    if (check->checked == 0) {
        ctl_say(check->ctl, "nothing to check: no version was published yet");

    } else if (check->checked == 1) {
        ctl_say(check->ctl, "1 version has its blob in %s (%s checked)",
                check->ctl->blobs, how);

    } else {
        ctl_say(check->ctl, "all %lld versions have their blob in %s (%s "
                "checked)", check->checked, check->ctl->blobs, how);
    }
}
