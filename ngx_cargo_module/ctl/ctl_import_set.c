
/*
 * The set of crates found: files and lines of an index brought together.
 *
 * The order is that of the import, and so of the documents that the registry
 * will have: crates by name, the versions of a crate as in the index document
 * that was found, those without a line after them by precedence.
 */


#include "ctl_import.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cargo_semver.h"
#include "ctl_blobs.h"
#include "ctl_print.h"
#include "ctl_versions.h"


static void ctl_set_match(ctl_import_t *import);
static int ctl_set_same(const ctl_index_line_t *line,
    const ctl_crate_file_t *file);
static void ctl_set_missing(ctl_import_t *import);
static int ctl_set_compare(const char *name, const char *version,
    const char *other_name, const char *other_version);
static int ctl_set_by_file(const void *a, const void *b);
static int ctl_set_by_line(const void *a, const void *b);
static int ctl_set_by_place(const ctl_index_line_t *a,
    const ctl_index_line_t *b);
static int ctl_set_in_order(const void *a, const void *b);
static int ctl_set_precedence(const char *a, const char *b);
static int ctl_set_by_name(const void *name, const void *file);


void
ctl_import_sort(ctl_import_t *import)
{
    qsort(import->files, import->nfiles, sizeof(ctl_crate_file_t),
          ctl_set_by_file);
    qsort(import->lines, import->nlines, sizeof(ctl_index_line_t),
          ctl_set_by_line);

    ctl_set_match(import);
    ctl_set_missing(import);

    qsort(import->files, import->nfiles, sizeof(ctl_crate_file_t),
          ctl_set_in_order);
}


int
ctl_import_comes(const ctl_import_t *import, const char *name)
{
    return bsearch(name, import->files, import->nfiles,
                   sizeof(ctl_crate_file_t), ctl_set_by_name)
           != NULL;
}


/* two files of one version get the same line, the first of those about it */

static void
ctl_set_match(ctl_import_t *import)
{
    int                order;
    size_t             i, n;
    ctl_crate_file_t  *file;
    ctl_index_line_t  *line;

    n = 0;

    for (i = 0; i < import->nfiles; i++) {

        file = &import->files[i];

        while (n < import->nlines) {
            line = &import->lines[n];
            order = ctl_set_compare(line->name, line->version, file->name,
                                    file->version);

            if (order == 0 && ctl_set_same(line, file)) {
                line->used = 1;
                file->line = line;
            }

            if (order >= 0) {
                break;
            }

            n++;
        }
    }
}


/* of a rebuild, whose files have the names of their contents */

static int
ctl_set_same(const ctl_index_line_t *line, const ctl_crate_file_t *file)
{
    size_t  len;

    len = strlen(file->path);

    return line->checksum == NULL
           || (len >= CTL_BLOB_NAME - 1
               && strncasecmp(file->path + len - (CTL_BLOB_NAME - 1),
                              line->checksum, CTL_SHA256_HEX) == 0);
}


static void
ctl_set_missing(ctl_import_t *import)
{
    char                    *where;
    size_t                   i;
    const ctl_index_line_t  *line, *before;

    before = NULL;

    for (i = 0; i < import->nlines; i++) {

        line = &import->lines[i];

        if (!line->used
            && (before == NULL
                || ctl_set_compare(before->name, before->version, line->name,
                                   line->version) != 0))
        {
            where = ctl_printf("%s:%lu", line->path, line->number);
            ctl_import_refuse(import, where, line->name, line->version,
                              "the .crate file of this version is missing");
            free(where);
        }

        before = line;
    }
}


static int
ctl_set_compare(const char *name, const char *version, const char *other_name,
    const char *other_version)
{
    int  order;

    order = ctl_names_compare(name, other_name);

    if (order == 0) {
        order = strcmp(name, other_name);
    }

    return order ? order : strcmp(version, other_version);
}


static int
ctl_set_by_file(const void *a, const void *b)
{
    int                      order;
    const ctl_crate_file_t  *file = a, *other = b;

    order = ctl_set_compare(file->name, file->version, other->name,
                            other->version);

    return order ? order : strcmp(file->path, other->path);
}


static int
ctl_set_by_line(const void *a, const void *b)
{
    int                      order;
    const ctl_index_line_t  *line = a, *other = b;

    order = ctl_set_compare(line->name, line->version, other->name,
                            other->version);

    return order ? order : ctl_set_by_place(line, other);
}


static int
ctl_set_by_place(const ctl_index_line_t *a, const ctl_index_line_t *b)
{
    int  order;

    order = strcmp(a->path, b->path);

    return order ? order : (a->number > b->number) - (a->number < b->number);
}


static int
ctl_set_in_order(const void *a, const void *b)
{
    int                      order;
    const ctl_crate_file_t  *file = a, *other = b;

    order = ctl_names_compare(file->name, other->name);

    if (order == 0) {
        order = (file->line == NULL) - (other->line == NULL);
    }

    if (order == 0 && file->line) {
        order = ctl_set_by_place(file->line, other->line);
    }

    if (order == 0) {
        order = (file->modified > other->modified)
                - (file->modified < other->modified);
    }

    if (order == 0) {
        order = ctl_set_precedence(file->version, other->version);
    }

    return order ? order : ctl_set_by_file(a, b);
}


/* both were parsed before */

static int
ctl_set_precedence(const char *a, const char *b)
{
    cargo_str_t      text, other_text;
    cargo_error_t    error;
    cargo_version_t  version, other;

    text.data = (unsigned char *) (uintptr_t) a;
    text.len = strlen(a);
    other_text.data = (unsigned char *) (uintptr_t) b;
    other_text.len = strlen(b);

    if (cargo_version_parse(text, &version, &error) != CARGO_OK
        || cargo_version_parse(other_text, &other, &error) != CARGO_OK)
    {
        return strcmp(a, b);
    }

    return cargo_version_compare(&version, &other);
}


static int
ctl_set_by_name(const void *name, const void *file)
{
    return ctl_names_compare(name, ((const ctl_crate_file_t *) file)->name);
}
