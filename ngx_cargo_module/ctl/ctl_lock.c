
#include "ctl_lock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cargo_core.h"
#include "cargo_toml.h"
#include "ctl_print.h"
#include "ctl_versions.h"


/* the largest workspaces have some hundred kB */
#define CTL_LOCK_MAX  (16 * 1024 * 1024)


static ctl_rc_t ctl_lock_load(const char *path, cargo_str_t *text);
static void ctl_lock_add(ctl_lock_t *lock, const json_t *package);
static const char *ctl_lock_checksum(const ctl_lock_t *lock,
    const json_t *package, const char *source);
static int ctl_lock_order(const void *a, const void *b);
static int ctl_lock_by_name(const void *name, const void *package);


ctl_rc_t
ctl_lock_read(const char *path, ctl_lock_t *lock)
{
    size_t          i;
    json_t         *packages, *package;
    ctl_rc_t        rc;
    cargo_rc_t      parsed;
    cargo_str_t     text;
    cargo_error_t   error;

    memset(lock, 0, sizeof(ctl_lock_t));

    rc = ctl_lock_load(path, &text);
    if (rc != CTL_DONE) {
        return rc;
    }

    parsed = cargo_toml_parse(text, &lock->json, &error);
    free(text.data);

    if (parsed != CARGO_OK) {
        ctl_error("cannot use %s: %s", path,
                  parsed == CARGO_REFUSED ? error.detail : "out of memory");
        return CTL_REFUSED;
    }

    packages = json_object_get(lock->json, "package");
    lock->packages = ctl_alloc(json_array_size(packages)
                               * sizeof(ctl_package_t));

    json_array_foreach (packages, i, package) {
        ctl_lock_add(lock, package);
    }

    qsort(lock->packages, lock->count, sizeof(ctl_package_t), ctl_lock_order);

    if (lock->count == 0) {
        ctl_error("%s names no package that comes from a registry: is it a "
                  "Cargo.lock?", path);
        ctl_lock_free(lock);
        return CTL_REFUSED;
    }

    return CTL_DONE;
}


void
ctl_lock_free(ctl_lock_t *lock)
{
    json_decref(lock->json);
    free(lock->packages);

    memset(lock, 0, sizeof(ctl_lock_t));
}


ctl_package_t *
ctl_lock_find(const ctl_lock_t *lock, const char *name, const char *version,
    const char *checksum)
{
    ctl_package_t  *package, *end;

    if (lock->count == 0) {
        return NULL;
    }

    package = bsearch(name, lock->packages, lock->count,
                      sizeof(ctl_package_t), ctl_lock_by_name);
    if (package == NULL) {
        return NULL;
    }

    while (package > lock->packages
           && ctl_lock_by_name(name, package - 1) == 0)
    {
        package--;
    }

    end = lock->packages + lock->count;

    for ( /* void */ ; package < end; package++) {

        if (ctl_lock_by_name(name, package) != 0) {
            break;
        }

        if (package->checksum ? strcmp(package->checksum, checksum) == 0
                              : (strcmp(package->name, name) == 0
                                 && strcmp(package->version, version) == 0))
        {
            return package;
        }
    }

    return NULL;
}


static ctl_rc_t
ctl_lock_load(const char *path, cargo_str_t *text)
{
    FILE        *in;
    const char  *wrong;

    in = fopen(path, "rb");

    text->len = 0;
    text->data = ctl_alloc(CTL_LOCK_MAX);

    if (in) {
        text->len = fread(text->data, 1, CTL_LOCK_MAX, in);
    }

    wrong = (in == NULL || ferror(in)) ? strerror(errno)
            : (text->len == CTL_LOCK_MAX) ? "it is too large" : NULL;

    if (in) {
        (void) fclose(in);
    }

    if (wrong) {
        ctl_error("cannot read %s: %s", path, wrong);
        free(text->data);
        return CTL_REFUSED;
    }

    return CTL_DONE;
}


static void
ctl_lock_add(ctl_lock_t *lock, const json_t *package)
{
    ctl_package_t  *added;

    added = &lock->packages[lock->count];

    added->name = json_string_value(json_object_get(package, "name"));
    added->version = json_string_value(json_object_get(package, "version"));
    added->source = json_string_value(json_object_get(package, "source"));
    added->exported = 0;

    if (added->name && *added->name && added->version && added->source) {
        added->checksum = ctl_lock_checksum(lock, package, added->source);
        lock->count++;
    }
}


/* the first version of the format has them all in one table */

static const char *
ctl_lock_checksum(const ctl_lock_t *lock, const json_t *package,
    const char *source)
{
    char        *key;
    const char  *checksum;

    checksum = json_string_value(json_object_get(package, "checksum"));

    if (checksum == NULL) {
        key = ctl_printf("checksum %s %s (%s)", ctl_json_text(package, "name"),
                         ctl_json_text(package, "version"), source);
        checksum = json_string_value(json_object_get(
                       json_object_get(lock->json, "metadata"), key));
        free(key);
    }

    return checksum;
}


static int
ctl_lock_order(const void *a, const void *b)
{
    int                   order;
    const ctl_package_t  *one = a, *other = b;

    order = ctl_names_compare(one->name, other->name);

    return order ? order : strcmp(one->version, other->version);
}


static int
ctl_lock_by_name(const void *name, const void *package)
{
    return ctl_names_compare(name, ((const ctl_package_t *) package)->name);
}
