
/*
 * check: every version's blob is there and is what was published.
 */


#include "cargoctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "ctl_blobs.h"
#include "ctl_database.h"
#include "ctl_print.h"


#define CTL_CHECK_PAGE    "500"
#define CTL_CHECK_BUFFER  (256 * 1024)


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
    unsigned char   *buffer;
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
static char *ctl_check_contents(const ctl_check_t *check, int fd,
    const char *checksum, const char *size);
static int ctl_check_digest(const ctl_check_t *check, int fd, char *hex);
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
    check.buffer = ctl_alloc(CTL_CHECK_BUFFER);

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
    free(check.buffer);

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
    int          fd, dir;
    char        *problem, name[CTL_BLOB_NAME];

    ctl_blob_name(checksum, name);

    fd = -1;
    dir = ctl_blobs_dir(check->root, checksum);

    if (dir != -1) {
        /* a FIFO must not make the check wait */
        fd = openat(dir, name, O_RDONLY|O_NOFOLLOW|O_NONBLOCK|O_CLOEXEC);
    }

    if (fd == -1 && errno == ENOENT) {
        check->missing++;
        problem = ctl_printf("is missing");

    } else if (fd == -1 && errno == ELOOP) {
        problem = ctl_printf("is a symbolic link");

    } else if (fd == -1) {
        check->denied |= (errno == EACCES);
        problem = ctl_printf("cannot be opened (%s)", strerror(errno));

    } else {
        problem = ctl_check_contents(check, fd, checksum, size);
        (void) close(fd);
    }

    if (dir != -1) {
        (void) close(dir);
    }

    return problem;
}


static char *
ctl_check_contents(const ctl_check_t *check, int fd, const char *checksum,
    const char *size)
{
    char         hex[CTL_SHA256_HEX + 1];
    struct stat  st;

    if (fstat(fd, &st) == -1) {
        return ctl_printf("cannot be examined (%s)", strerror(errno));
    }

    if (!S_ISREG(st.st_mode)) {
        return ctl_printf("is not a regular file");
    }

    if ((long long) st.st_size != strtoll(size, NULL, 10)) {
        return ctl_printf("has %lld bytes, published were %s",
                          (long long) st.st_size, size);
    }

    if (check->ctl->quick) {
        return NULL;
    }

    if (ctl_check_digest(check, fd, hex) == -1) {
        return ctl_printf("cannot be read (%s)", strerror(errno));
    }

    if (strcmp(hex, checksum) != 0) {
        return ctl_printf("is corrupt: its SHA-256 is %s", hex);
    }

    return NULL;
}


static int
ctl_check_digest(const ctl_check_t *check, int fd, char *hex)
{
    int             good, error;
    ssize_t         n;
    EVP_MD_CTX     *md;
    unsigned char   digest[EVP_MAX_MD_SIZE];

    n = 0;
    error = 0;

    md = EVP_MD_CTX_new();
    good = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1;

    while (good) {
        n = read(fd, check->buffer, CTL_CHECK_BUFFER);

        if (n <= 0) {
            error = errno;
            break;
        }

        good = EVP_DigestUpdate(md, check->buffer, (size_t) n) == 1;
    }

    good = good && EVP_DigestFinal_ex(md, digest, NULL) == 1;

    EVP_MD_CTX_free(md);

    if (!good) {
        ctl_error("libcrypto cannot compute SHA-256");
        exit(CTL_FAILED);
    }

    if (n < 0) {
        errno = error;
        return -1;
    }

    ctl_hex(digest, CTL_SHA256_HEX / 2, hex);

    return 0;
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
