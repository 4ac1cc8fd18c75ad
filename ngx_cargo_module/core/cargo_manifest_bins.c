
#include "cargo_manifest.h"

#include <string.h>

#include "cargo_dependency.h"


#define CARGO_MAIN       "src/main.rs"
#define CARGO_BIN_DIR    "src/bin/"


static cargo_rc_t cargo_bins_declared(cargo_arena_t *arena,
    const cargo_json_place_t *place, const json_t **bins);
static cargo_rc_t cargo_bins_discover(const cargo_json_place_t *package,
    const json_t *declared, int *discover);
static void cargo_bins_found(const cargo_archive_t *archive,
    const json_t *declared, cargo_str_t package, cargo_texts_t *names);
static void cargo_bins_add(const json_t *declared, cargo_str_t name,
    cargo_str_t path, cargo_texts_t *names);
static cargo_str_t cargo_bins_name(cargo_str_t path);
static cargo_rc_t cargo_bins_put(cargo_texts_t *names, json_t *release);


cargo_rc_t
cargo_manifest_read_bins(cargo_arena_t *arena, const cargo_json_place_t *place,
    const cargo_archive_t *archive, json_t *release)
{
    int                  autolib, discover;
    size_t               i;
    json_t              *lib, *bin;
    cargo_rc_t           rc;
    const json_t        *declared;
    cargo_texts_t        names;
    cargo_json_place_t   package;

    autolib = 1;

    if ((rc = cargo_manifest_package(place, &package)) != CARGO_OK
        || (rc = cargo_json_boolean(&package, "autolib", &autolib))
           != CARGO_OK
        || (rc = cargo_json_object(place, "lib", &lib)) != CARGO_OK
        || (rc = cargo_bins_declared(arena, place, &declared)) != CARGO_OK
        || (rc = cargo_bins_discover(&package, declared, &discover))
           != CARGO_OK)
    {
        return rc;
    }

    names.count = 0;
    names.texts = cargo_arena_alloc(arena, (json_array_size(declared) + 1
                                            + CARGO_ARCHIVE_BINS_MAX)
                                           * sizeof(cargo_str_t));
    if (names.texts == NULL) {
        return CARGO_NO_MEMORY;
    }

    json_array_foreach (declared, i, bin) {
        names.texts[names.count++] = cargo_json_text(json_object_get(bin,
                                                                     "name"));
    }

    if (discover) {
        cargo_bins_found(archive, declared,
                         cargo_json_text(json_object_get(release, "name")),
                         &names);
    }

    autolib = lib || (autolib && cargo_archive_has(archive, "src/lib.rs"));

    if (cargo_json_put(release, "has_lib", json_boolean(autolib))
        != CARGO_OK)
    {
        return CARGO_NO_MEMORY;
    }

    return cargo_bins_put(&names, release);
}


/* [[bin]]: each a table with a name; NULL when there is none */

static cargo_rc_t
cargo_bins_declared(cargo_arena_t *arena, const cargo_json_place_t *place,
    const json_t **bins)
{
    size_t               i;
    json_t              *bin, *name;
    cargo_rc_t           rc;
    cargo_str_t          path;
    cargo_json_place_t   inner;

    *bins = json_object_get(place->object, "bin");

    if (*bins && !json_is_array(*bins)) {
        return cargo_json_mistyped(place, "bin", *bins, "a sequence");
    }

    inner = *place;

    json_array_foreach (*bins, i, bin) {

        if (!json_is_object(bin)) {
            return cargo_json_mistyped(place, "bin", bin, "a map");
        }

        path = cargo_arena_printf(arena, "bin[%zu].", i);
        if (path.data == NULL) {
            return CARGO_NO_MEMORY;
        }

        inner.path = (const char *) path.data;
        inner.object = bin;

        rc = cargo_json_required(&inner, "name", &name);
        if (rc != CARGO_OK) {
            return rc;
        }
    }

    return CARGO_OK;
}


/* the first edition looks for no more when some are declared */

static cargo_rc_t
cargo_bins_discover(const cargo_json_place_t *package, const json_t *declared,
    int *discover)
{
    cargo_str_t               edition;
    static const cargo_str_t  first = cargo_string("2015");

    edition = cargo_json_text(json_object_get(package->object, "edition"));

    *discover = declared == NULL
                || (edition.data && !cargo_str_equal(edition, first));

    return cargo_json_boolean(package, "autobins", discover);
}


static void
cargo_bins_found(const cargo_archive_t *archive, const json_t *declared,
    cargo_str_t package, cargo_texts_t *names)
{
    size_t                    i, count;
    cargo_str_t               name;
    const cargo_str_t        *paths;
    static const cargo_str_t  entry = cargo_string(CARGO_MAIN);

    if (cargo_archive_has(archive, CARGO_MAIN)) {
        cargo_bins_add(declared, package, entry, names);
    }

    paths = cargo_archive_bins(archive, &count);

    for (i = 0; i < count; i++) {
        name = cargo_bins_name(paths[i]);

        if (name.len) {
            cargo_bins_add(declared, name, paths[i], names);
        }
    }
}


/* unless it is among the declared ones, by name or by path */

static void
cargo_bins_add(const json_t *declared, cargo_str_t name, cargo_str_t path,
    cargo_texts_t *names)
{
    size_t   i;
    json_t  *bin;

    json_array_foreach (declared, i, bin) {
        if (cargo_str_equal(cargo_json_text(json_object_get(bin, "name")),
                            name)
            || cargo_str_equal(cargo_json_text(json_object_get(bin, "path")),
                               path))
        {
            return;
        }
    }

    names->texts[names->count++] = name;
}


/* of src/bin/NAME.rs and src/bin/NAME/main.rs; empty: cargo skips it */

static cargo_str_t
cargo_bins_name(cargo_str_t path)
{
    cargo_str_t     name;
    unsigned char  *slash;

    name.data = path.data + sizeof(CARGO_BIN_DIR) - 1;
    name.len = path.len - (sizeof(CARGO_BIN_DIR) - 1);

    slash = memchr(name.data, '/', name.len);
    name.len = slash ? (size_t) (slash - name.data)
                     : name.len - (sizeof(".rs") - 1);

    if (name.len && name.data[0] == '.') {
        name.len = 0;
    }

    return name;
}


static cargo_rc_t
cargo_bins_put(cargo_texts_t *names, json_t *release)
{
    size_t   i;
    json_t  *array;

    cargo_texts_normalize(names);

    array = json_array();

    for (i = 0; array && i < names->count; i++) {
        if (cargo_json_append(array, cargo_json_of_text(names->texts[i]))
            != CARGO_OK)
        {
            json_decref(array);
            array = NULL;
        }
    }

    return cargo_json_put(release, "bin_names", array);
}
