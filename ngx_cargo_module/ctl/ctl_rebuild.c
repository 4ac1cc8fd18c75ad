
/*
 * rebuild: an import from the store itself, for the day when the database is
 * lost and no backup is there.  What a version is stands in its blob, what it
 * was stands in an index that was exported, mirrored or cached.
 */


#include "ctl_import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ctl_blobs.h"
#include "ctl_print.h"
#include "ctl_time.h"


static ctl_rc_t ctl_rebuild_lines(ctl_import_t *import, const char *index);
static int ctl_rebuild_twin(const ctl_import_t *import, size_t i);
static void ctl_rebuild_refuse(ctl_import_t *import,
    const ctl_crate_file_t *file);


ctl_rc_t
ctl_rebuild(ctl_t *ctl)
{
    return ctl_import_into(ctl, 1);
}


ctl_rc_t
ctl_rebuild_scan(ctl_import_t *import)
{
    char      *index;
    ctl_rc_t   rc;

    if (import->ctl->noperands) {

        /* paths of lines are absolute: those of blobs are of the store */

        index = realpath(import->ctl->operands[0], NULL);

        if (index == NULL) {
            ctl_error("cannot open %s: %s", import->ctl->operands[0],
                      strerror(errno));
            return CTL_REFUSED;
        }

        rc = ctl_rebuild_lines(import, index);
        free(index);

        if (rc != CTL_DONE) {
            return rc;
        }
    }

    import->scan = CTL_SCAN_BLOBS;

    return ctl_import_scan(import);
}


/* with an index, what it does not name is left alone; without, what is twice */

void
ctl_rebuild_sort(ctl_import_t *import)
{
    size_t             i, n;
    ctl_crate_file_t  *file;

    ctl_import_sort(import);

    for (n = 0, i = 0; i < import->nfiles; i++) {

        file = &import->files[i];

        if (import->ctl->noperands && file->line == NULL) {
            import->unnamed++;

        } else if (file->line == NULL && ctl_rebuild_twin(import, i)) {
            ctl_rebuild_refuse(import, file);
            file->twin = 1;
        }
    }

    for (i = 0; i < import->nfiles; i++) {

        file = &import->files[i];

        if (file->line || (import->ctl->noperands == 0 && !file->twin)) {
            import->files[n++] = *file;
        }
    }

    import->nfiles = n;
}


ctl_rc_t
ctl_rebuild_read(ctl_import_crate_t *crate)
{
    time_t                   when;
    struct tm                tm;
    const char              *name;
    char                     text[CTL_TIMESTAMP];
    const ctl_crate_file_t  *file;

    file = crate->file;
    name = strrchr(file->path, '/');
    name = name ? name + 1 : file->path;

    if (strncmp(name, crate->checksum, CTL_SHA256_HEX) != 0) {
        (void) cargo_refuse(&crate->error, 400, "it is corrupt: its SHA-256 "
                            "is %s", crate->checksum);
        return CTL_REFUSED;
    }

    when = (time_t) (file->modified / 1000000000LL);

    if (file->line == NULL && gmtime_r(&when, &tm)
        && strftime(text, CTL_TIMESTAMP, "%Y-%m-%dT%H:%M:%SZ", &tm))
    {
        crate->pubtime = cargo_arena_copy(crate->arena, text, strlen(text));
    }

    return CTL_DONE;
}


void
ctl_rebuild_report(const ctl_import_t *import)
{
    const ctl_t  *ctl;

    ctl = import->ctl;

    if (import->unnamed) {
        ctl_note(ctl, "%zu blob%s that %s does not name %s left alone; "
                 "without an index, rebuild takes all",
                 import->unnamed, (import->unnamed == 1) ? "" : "s",
                 ctl->operands[0], (import->unnamed == 1) ? "was" : "were");
    }

    if (ctl->noperands == 0) {
        ctl_note(ctl, "no index was given, so: nothing is yanked, versions "
                 "were published when their files were written, and what had "
                 "been deleted but not swept is back");
    }

    ctl_note(ctl, "not in the files, and lost: accounts, teams, roles, "
             "tokens, who owned a crate (all are %s's now) or was allowed to "
             "read it, settings, reserved names, downloads, the audit log",
             ctl->owner);
}


static ctl_rc_t
ctl_rebuild_lines(ctl_import_t *import, const char *index)
{
    int       dir;
    ctl_rc_t  rc;

    import->scan = CTL_SCAN_LINES;
    dir = open(index, O_RDONLY|O_DIRECTORY|O_CLOEXEC);

    if (dir == -1) {
        ctl_error("cannot open %s: %s", index, strerror(errno));
        return CTL_REFUSED;
    }

    rc = ctl_import_scan_below(import, dir, index);
    (void) close(dir);

    if (rc == CTL_DONE && import->nlines == 0) {
        ctl_error("there is no line of an index in %s: name a directory of "
                  "`cargoctl export`, of a mirror or of an index", index);
        rc = CTL_REFUSED;
    }

    return rc;
}


/* files of a crate that have no line are in the order of their times */

static int
ctl_rebuild_twin(const ctl_import_t *import, size_t i)
{
    size_t                   n;
    const ctl_crate_file_t  *file, *other;

    file = &import->files[i];

    for (n = i; n > 0 && strcmp(import->files[n - 1].name, file->name) == 0;
         n--)
    {
        /* void */
    }

    for ( /* void */ ; n < import->nfiles; n++) {
        other = &import->files[n];

        if (strcmp(other->name, file->name) != 0) {
            break;
        }

        if (n != i && strcmp(other->version, file->version) == 0) {
            return 1;
        }
    }

    return 0;
}


static void
ctl_rebuild_refuse(ctl_import_t *import, const ctl_crate_file_t *file)
{
    char  *reason;

    reason = ctl_printf("it is not the only blob of %s %s, and nothing tells "
                        "which was published: name an index that does, or "
                        "move the others away", file->name, file->version);
    ctl_import_refuse(import, file->path, file->name, file->version, reason);
    free(reason);
}
