
/*
 * One crate of an import: what a publish would check is checked, then its
 * blob is stored, then the database hears of it.
 */


#include "ctl_import.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl_print.h"
#include "ctl_versions.h"


static ctl_rc_t ctl_take(ctl_import_crate_t *crate);
static ctl_rc_t ctl_take_known(ctl_import_crate_t *crate, int *known);
static int ctl_take_again(const ctl_import_t *import,
    const ctl_crate_file_t *file);
static ctl_rc_t ctl_take_there(ctl_import_crate_t *crate);
static ctl_rc_t ctl_take_find(ctl_import_t *import, const char *name);
static int ctl_take_same(const ctl_import_crate_t *crate);
static ctl_rc_t ctl_take_finish(ctl_import_crate_t *crate);


ctl_rc_t
ctl_import_crate(ctl_import_t *import, const ctl_crate_file_t *file)
{
    ctl_rc_t            rc;
    ctl_import_crate_t  crate;

    memset(&crate, 0, sizeof(ctl_import_crate_t));

    crate.import = import;
    crate.file = file;
    crate.fd = -1;
    crate.arena = cargo_arena_create(NULL);
    crate.buffer = crate.arena ? cargo_arena_alloc(crate.arena,
                                                   CTL_IMPORT_BUFFER)
                               : NULL;

    rc = crate.buffer ? ctl_take(&crate)
                      : ctl_import_result(&crate, CARGO_NO_MEMORY);

    if (rc == CTL_REFUSED) {
        ctl_import_refuse(import, file->path, file->name, file->version,
                          crate.error.detail);

    } else if (rc == CTL_DONE && !ctl_take_again(import, file)) {
        import->last = file;
        memcpy(import->last_checksum, crate.checksum, sizeof(crate.checksum));
    }

    if (crate.fd != -1) {
        (void) close(crate.fd);
    }

    json_decref(crate.line);
    json_decref(crate.release);

    if (crate.arena) {
        cargo_arena_destroy(crate.arena);
    }

    return rc;
}


static ctl_rc_t
ctl_take(ctl_import_crate_t *crate)
{
    int       known;
    ctl_rc_t  rc;

    if ((rc = ctl_import_open(crate)) != CTL_DONE
        || (rc = ctl_import_hash(crate)) != CTL_DONE
        || (rc = ctl_import_read_line(crate)) != CTL_DONE
        || (rc = ctl_take_known(crate, &known)) != CTL_DONE)
    {
        return rc;
    }

    rc = known ? CTL_REFUSED : ctl_import_describe(crate);

    /* what was let in once is not judged again, but it may be told apart */

    if (known
        || (crate->there
            && (rc == CTL_REFUSED
                || (rc == CTL_DONE && ctl_take_same(crate)))))
    {
        crate->import->there++;
        return CTL_DONE;
    }

    if (rc == CTL_DONE && crate->there == NULL) {
        rc = ctl_import_store(crate);
    }

    return (rc == CTL_DONE) ? ctl_take_finish(crate) : rc;
}


/* 1 when the version was taken already: this file of it has to be equal */

static ctl_rc_t
ctl_take_known(ctl_import_crate_t *crate, int *known)
{
    const ctl_crate_file_t  *file;

    file = crate->file;

    *known = ctl_take_again(crate->import, file);

    if (!*known) {
        return ctl_take_there(crate);
    }

    if (strcmp(crate->import->last_checksum, crate->checksum) == 0) {
        return CTL_DONE;
    }

    (void) cargo_refuse(&crate->error, 409, "it is %s %s with other contents "
                        "than %s, which was taken", file->name, file->version,
                        crate->import->last->path);
    return CTL_REFUSED;
}


/* 1 when the last version that was taken is this one */

static int
ctl_take_again(const ctl_import_t *import, const ctl_crate_file_t *file)
{
    return import->last && strcmp(import->last->name, file->name) == 0
           && strcmp(import->last->version, file->version) == 0;
}


/* finds what the registry has as we want it, but perhaps for its line */

static ctl_rc_t
ctl_take_there(ctl_import_crate_t *crate)
{
    int            row, yanked;
    json_t        *line;
    ctl_rc_t       rc;
    PGresult      *versions;
    const char    *text;
    ctl_import_t  *import;

    import = crate->import;

    rc = ctl_take_find(import, crate->file->name);
    if (rc != CTL_DONE) {
        return rc;
    }

    versions = import->versions;

    for (row = 0; row < PQntuples(versions); row++) {

        if (strcmp(PQgetvalue(versions, row, CTL_VERSION_NUM),
                   crate->file->version) != 0
            || strcmp(PQgetvalue(versions, row, CTL_VERSION_CHECKSUM),
                      crate->checksum) != 0)
        {
            continue;
        }

        text = PQgetvalue(versions, row, CTL_VERSION_LINE);
        line = json_loads(text, 0, NULL);
        yanked = json_is_true(json_object_get(line, "yanked"));
        json_decref(line);

        if (crate->line == NULL) {
            crate->yanked = yanked;
        }

        if (crate->yanked == yanked
            && ctl_store_has(&import->store, crate->checksum, crate->size))
        {
            crate->there = text;
        }
    }

    return CTL_DONE;
}


static ctl_rc_t
ctl_take_find(ctl_import_t *import, const char *name)
{
    if (import->crate && ctl_names_compare(import->crate, name) == 0) {
        return CTL_DONE;
    }

    PQclear(import->versions);

    import->crate = name;
    import->versions = ctl_versions_of(import->ctl, name);

    return import->versions ? CTL_DONE : CTL_FAILED;
}


/* the database finds out whether it matters when they are not */

static int
ctl_take_same(const ctl_import_crate_t *crate)
{
    int          same;
    char        *line;
    cargo_str_t  head, tail;

    head = crate->rendered.head;
    tail = crate->rendered.tail;

    line = ctl_printf("%.*s%s%.*s", (int) head.len, head.data,
                      crate->yanked ? "true" : "false", (int) tail.len,
                      tail.data);
    same = strcmp(line, crate->there) == 0;
    free(line);

    return same;
}


static ctl_rc_t
ctl_take_finish(ctl_import_crate_t *crate)
{
    int       imported;
    ctl_rc_t  rc;

    rc = ctl_import_publish(crate, &imported);

    if (rc != CTL_DONE) {
        return rc;
    }

    if (imported) {
        crate->import->imported++;
        crate->import->yanked += crate->yanked != 0;

    } else {
        crate->import->there++;
    }

    return CTL_DONE;
}


ctl_rc_t
ctl_import_result(ctl_import_crate_t *crate, cargo_rc_t rc)
{
    if (rc == CARGO_NO_MEMORY) {
        ctl_error("out of memory at %s", crate->file->path);
        return CTL_FAILED;
    }

    return (rc == CARGO_OK) ? CTL_DONE : CTL_REFUSED;
}
