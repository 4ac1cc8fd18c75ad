
/*
 * What an import says of a crate: the line of the index that it came with,
 * the registries of its dependencies, the call of the database.
 *
 * A Cargo.toml does not say from where its registry took the dependencies
 * that it names without one: those are crates.io's unless --dependencies says
 * that they are imported too.  A line of an index knows more.  What it gives
 * as crates.io's stays there; what the Cargo.toml gives by the URL of an index
 * and the line by none is of the same registry as the crate, whatever its URL
 * was.
 */


#include "ctl_import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "cargo_json.h"
#include "cargo_name.h"
#include "ctl_database.h"
#include "ctl_print.h"


#define CTL_OWN        "own"
#define CTL_CRATES_IO  "crates-io"


static int ctl_map_target_valid(const char *target);
static int ctl_pubtime_valid(cargo_str_t text);
static cargo_rc_t ctl_map_dependency(void *data,
    cargo_dependency_t *dependency);
static const char *ctl_map_option(const ctl_import_crate_t *crate,
    cargo_str_t registry, cargo_rc_t *rc);
static const json_t *ctl_map_line(const ctl_import_crate_t *crate,
    const cargo_dependency_t *dependency);
static char *ctl_import_coming(const ctl_import_crate_t *crate);
static PGresult *ctl_import_call(const ctl_import_crate_t *crate);
static ctl_rc_t ctl_import_failed(ctl_import_crate_t *crate,
    const PGresult *result);
static ctl_rc_t ctl_import_answer(ctl_import_crate_t *crate,
    const PGresult *result, int *imported);
static void ctl_import_remember(const ctl_import_crate_t *crate,
    const json_t *body);


ctl_rc_t
ctl_import_check_options(const ctl_t *ctl)
{
    size_t       i;
    const char  *target;

    if (ctl->dependencies && strcmp(ctl->dependencies, CTL_OWN) != 0
        && strcmp(ctl->dependencies, CTL_CRATES_IO) != 0)
    {
        ctl_error("--dependencies is " CTL_OWN " (they are imported too) or "
                  CTL_CRATES_IO ", not \"%s\"", ctl->dependencies);
        return CTL_USAGE;
    }

    for (i = 0; i < ctl->map.count; i++) {
        target = strrchr(ctl->map.items[i], '=');

        if (target == NULL || strstr(ctl->map.items[i], "://") == NULL
            || strstr(ctl->map.items[i], "://") > target
            || !ctl_map_target_valid(target + 1))
        {
            ctl_error("--map %s cannot be understood: write the URL of an "
                      "index and what stands for it, as in --map "
                      "sparse+https://old.example/index/=" CTL_OWN " (or "
                      CTL_CRATES_IO ", or another URL)", ctl->map.items[i]);
            return CTL_USAGE;
        }
    }

    return CTL_DONE;
}


ctl_rc_t
ctl_import_check_owner(ctl_t *ctl)
{
    json_t      *body;
    ctl_rc_t     rc;
    const char  *values[2];

    values[0] = ctl->registry;
    values[1] = ctl->owner;

    rc = ctl_database_call(ctl, "may_import($1::text, $2::text)", 2, values,
                           &body);

    if (rc == CTL_DONE) {
        json_decref(body);
    }

    return rc;
}


ctl_rc_t
ctl_import_read_line(ctl_import_crate_t *crate)
{
    int                      fd;
    char                    *text;
    ssize_t                  n;
    const char              *checksum;
    const ctl_index_line_t  *line;

    line = crate->file->line;

    if (crate->import->rebuild && ctl_rebuild_read(crate) != CTL_DONE) {
        return CTL_REFUSED;
    }

    if (line == NULL) {
        return CTL_DONE;
    }

    text = ctl_alloc(line->len);
    fd = openat(crate->import->dir, line->path, O_RDONLY|O_CLOEXEC);
    n = (fd == -1) ? -1 : pread(fd, text, line->len, line->offset);

    if (fd != -1) {
        (void) close(fd);
    }

    crate->line = (n > 0) ? json_loadb(text, (size_t) n, 0, NULL) : NULL;
    free(text);

    if (crate->line == NULL) {
        (void) cargo_refuse(&crate->error, 500, "its line in %s cannot be "
                            "read any more", line->path);
        return CTL_REFUSED;
    }

    checksum = ctl_json_text(crate->line, "cksum");

    if (strcasecmp(checksum, crate->checksum) != 0) {
        (void) cargo_refuse(&crate->error, 400, "its SHA-256 is %s, but %s:%lu "
                            "has %s", crate->checksum, line->path,
                            line->number, checksum);
        return CTL_REFUSED;
    }

    crate->yanked = json_is_true(json_object_get(crate->line, "yanked"));
    crate->pubtime = cargo_json_text(json_object_get(crate->line, "pubtime"));

    if (!ctl_pubtime_valid(crate->pubtime)) {
        crate->pubtime.data = NULL;
    }

    return CTL_DONE;
}


cargo_rc_t
ctl_import_map(ctl_import_crate_t *crate)
{
    return cargo_dependencies_change(crate->arena, crate->release,
                                     ctl_map_dependency, crate);
}


/* a rehearsal is rolled back, so that the rules of the registry speak too */

ctl_rc_t
ctl_import_publish(ctl_import_crate_t *crate, int *imported)
{
    int        rehearsal;
    ctl_rc_t   rc;
    PGresult  *result;

    rehearsal = crate->import->ctl->dry_run;
    rc = rehearsal ? ctl_database_run(crate->import->ctl, "begin") : CTL_DONE;

    if (rc != CTL_DONE) {
        return rc;
    }

    result = ctl_import_call(crate);

    rc = (PQresultStatus(result) == PGRES_TUPLES_OK)
         ? ctl_import_answer(crate, result, imported)
         : ctl_import_failed(crate, result);

    PQclear(result);

    if (rehearsal && rc != CTL_FAILED
        && ctl_database_run(crate->import->ctl, "rollback") != CTL_DONE)
    {
        return CTL_FAILED;
    }

    return rc;
}


static int
ctl_map_target_valid(const char *target)
{
    return strcmp(target, CTL_OWN) == 0 || strcmp(target, CTL_CRATES_IO) == 0
           || strstr(target, "://") != NULL;
}


/* cargo skips versions with another: "YYYY-MM-DDTHH:MM:SSZ" */

static int
ctl_pubtime_valid(cargo_str_t text)
{
    size_t             i;
    static const char  form[] = "0000-00-00T00:00:00Z";

    if (text.data == NULL || text.len != sizeof(form) - 1) {
        return 0;
    }

    for (i = 0; i < text.len; i++) {
        if (form[i] == '0' ? (text.data[i] < '0' || text.data[i] > '9')
                           : text.data[i] != (unsigned char) form[i])
        {
            return 0;
        }
    }

    return 1;
}


static cargo_rc_t
ctl_map_dependency(void *data, cargo_dependency_t *dependency)
{
    int                  own, line_own, crates_io;
    cargo_rc_t           rc;
    const char          *target;
    const json_t        *line;
    ctl_import_crate_t  *crate = data;

    static const cargo_str_t  index = cargo_string(CARGO_CRATES_IO_INDEX);

    target = ctl_map_option(crate, dependency->registry, &rc);
    if (rc != CARGO_OK) {
        return rc;
    }

    if (target == NULL) {
        line = ctl_map_line(crate, dependency);
        line_own = line && !json_is_string(json_object_get(line, "registry"));
        crates_io = cargo_str_equal(dependency->registry, index);

        own = crates_io ? (line == NULL || line_own)
                          && crate->import->ctl->dependencies
                          && strcmp(crate->import->ctl->dependencies, CTL_OWN)
                             == 0
                        : line_own;

        target = own ? CTL_OWN : NULL;
    }

    if (target == NULL) {
        return CARGO_OK;
    }

    if (strcmp(target, CTL_OWN) == 0) {
        dependency->registry = (cargo_str_t) { 0, NULL };

    } else if (strcmp(target, CTL_CRATES_IO) == 0) {
        dependency->registry = index;

    } else {
        dependency->registry.data = (unsigned char *) (uintptr_t) target;
        dependency->registry.len = strlen(target);
    }

    return CARGO_OK;
}


/* what --map says of this index; NULL: nothing */

static const char *
ctl_map_option(const ctl_import_crate_t *crate, cargo_str_t registry,
    cargo_rc_t *rc)
{
    size_t              i;
    cargo_str_t         text, ours, theirs;
    cargo_error_t       error;
    const char         *item;
    const ctl_list_t   *map;
    cargo_own_index_t   none = { NULL, 0 };

    *rc = CARGO_OK;
    map = &crate->import->ctl->map;

    for (i = 0; i < map->count; i++) {

        item = map->items[i];
        text.data = (unsigned char *) (uintptr_t) item;
        text.len = (size_t) (strrchr(item, '=') - item);

        if (cargo_registry_normalize(crate->arena, &text, &none, &error)
            != CARGO_OK)
        {
            continue;
        }

        ours = cargo_registry_canonical(crate->arena, text);
        theirs = cargo_registry_canonical(crate->arena, registry);

        if (ours.data == NULL || theirs.data == NULL) {
            *rc = CARGO_NO_MEMORY;
            return NULL;
        }

        if (cargo_str_equal(ours, theirs)) {
            return strrchr(item, '=') + 1;
        }
    }

    return NULL;
}


/* the same dependency in the line of the index; NULL: it has none */

static const json_t *
ctl_map_line(const ctl_import_crate_t *crate,
    const cargo_dependency_t *dependency)
{
    size_t       i;
    json_t      *dep;
    cargo_str_t  name;
    const char  *kind;

    name = cargo_dependency_alias(dependency);

    json_array_foreach (json_object_get(crate->line, "deps"), i, dep) {

        kind = ctl_json_text(dep, "kind");

        if (cargo_str_equal(cargo_json_text(json_object_get(dep, "name")),
                            name)
            && strcmp(*kind ? kind : cargo_dependency_kinds[0],
                      cargo_dependency_kinds[dependency->kind]) == 0)
        {
            return dep;
        }
    }

    return NULL;
}


/* canonical names of those dependencies that come too: text of a text[] */

static char *
ctl_import_coming(const ctl_import_crate_t *crate)
{
    char         *list;
    size_t        i, n;
    json_t       *deps, *dep;
    cargo_str_t   name, canonical;
    const char  **items;

    deps = json_object_get(crate->release, "deps");
    items = ctl_alloc(json_array_size(deps) * sizeof(char *));
    n = 0;

    json_array_foreach (deps, i, dep) {

        name = cargo_json_text(json_object_get(dep, "name"));

        if (ctl_import_comes(crate->import, (char *) name.data)) {
            canonical = cargo_arena_copy(crate->arena, name.data, name.len);

            if (canonical.data) {
                cargo_name_canonical(name, canonical.data);
                items[n++] = (char *) canonical.data;
            }
        }
    }

    list = ctl_database_array(items, n, 0);
    free(items);

    return list ? list : ctl_printf("{}");
}


static PGresult *
ctl_import_call(const ctl_import_crate_t *crate)
{
    char        *coming, checksum[sizeof("\\x") + CARGO_BLOB_HEX], size[24];
    PGresult    *result;
    const ctl_t *ctl;
    const char  *values[10];

    ctl = crate->import->ctl;
    coming = ctl_import_coming(crate);

    (void) snprintf(checksum, sizeof(checksum), "\\x%s", crate->checksum);
    (void) snprintf(size, sizeof(size), "%lld", crate->size);

    values[0] = ctl->registry;
    values[1] = (char *) crate->rendered.json.data;
    values[2] = (char *) crate->rendered.head.data;
    values[3] = (char *) crate->rendered.tail.data;
    values[4] = checksum;
    values[5] = size;
    values[6] = (char *) crate->pubtime.data;
    values[7] = crate->yanked ? "true" : "false";
    values[8] = ctl->owner;
    values[9] = coming;

    result = PQexecParams(ctl->connection, "select status, body from"
                          " cargo_admin.import_version($1::text, $2::jsonb,"
                          " $3::text, $4::text, $5::bytea, $6::bigint,"
                          " $7::timestamptz, $8::boolean, $9::text,"
                          " $10::text[])", 10, NULL, values, NULL, NULL, 0);
    free(coming);

    return result;
}


/* data that the database cannot hold is the crate's fault, not ours */

static ctl_rc_t
ctl_import_failed(ctl_import_crate_t *crate, const PGresult *result)
{
    size_t       i;
    const char  *state;

    static const char *const  data[] = { "22", "23", "54" };

    state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

    for (i = 0; state && i < sizeof(data) / sizeof(data[0]); i++) {
        if (strncmp(state, data[i], 2) == 0) {
            (void) cargo_refuse(&crate->error, 400, "the database cannot hold "
                                "it: %s", PQresultErrorField(result,
                                              PG_DIAG_MESSAGE_PRIMARY));
            return CTL_REFUSED;
        }
    }

    ctl_database_error(crate->import->ctl, result, NULL);

    return CTL_FAILED;
}


static ctl_rc_t
ctl_import_answer(ctl_import_crate_t *crate, const PGresult *result,
    int *imported)
{
    int          status;
    json_t      *body;
    const char  *help;

    status = ctl_status(result);
    body = json_loads(PQgetvalue(result, 0, 1), 0, NULL);

    *imported = json_is_true(json_object_get(body, "imported"));

    if (status < 400) {
        ctl_import_remember(crate, body);

    } else {
        help = json_object_get(body, "unknown_dependencies")
               ? "; import it too, or say with --dependencies or --map from "
                 "where it is, or set allow-unknown-dependencies=on"
               : "";

        (void) cargo_refuse(&crate->error, (unsigned) status, "%s%s",
                            ctl_json_text(body, "detail"), help);
    }

    /* the owner, or the registry: it would be the same for all */
    crate->import->stop = (status == 404);

    json_decref(body);

    return (status < 400) ? CTL_DONE : CTL_REFUSED;
}


/* what the summary says of it */

static void
ctl_import_remember(const ctl_import_crate_t *crate, const json_t *body)
{
    size_t                   i;
    json_t                  *warning;
    ctl_import_t            *import;
    const ctl_crate_file_t  *file;

    file = crate->file;
    import = crate->import;

    if (json_is_true(json_object_get(body, "differs"))) {
        json_array_append_new(import->differs,
                              json_sprintf("%s %s", file->name,
                                           file->version));
    }

    json_array_foreach (json_object_get(body, "warnings"), i, warning) {
        json_array_append_new(import->warnings,
                              json_sprintf("%s %s: %s", file->name,
                                           file->version,
                                           json_string_value(warning)));
    }
}
