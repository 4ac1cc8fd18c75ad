
#include "archive.h"

#include <string.h>

#include "cargo_name.h"
#include "cargo_semver.h"


/* inflate, the reader and its buffers; three files kept, and the paths */
#define MEMORY_MAX  (192 * 1024 + 2 * CARGO_MANIFEST_MAX                     \
                     + CARGO_ARCHIVE_KEPT_MAX + 86 * ARCHIVE_ENTRIES_MAX)

/* of a release that was read from the manifest */
#define RELEASE_MAX  (512 * ARCHIVE_UNPACKED_MAX)


typedef struct {
    cargo_rc_t      rc;
    cargo_error_t   error;
    cargo_str_t     manifest;
    cargo_str_t     kept;
    size_t          bins;
} result_t;


static void walk(cargo_arena_t *arena, cargo_str_t gzip, fuzz_cut_t cut,
    result_t *result);
static void check_found(const cargo_archive_t *archive, result_t *result);
static void check_release(cargo_arena_t *arena, cargo_archive_t *archive);
static void check_peek(cargo_arena_t *arena, cargo_str_t gzip,
    const result_t *result);


static const cargo_str_t  archive_kept = cargo_string("README.md");


cargo_rc_t
archive_check(const unsigned char *data, size_t size, cargo_str_t gzip,
    int bytes)
{
    result_t        whole, other;
    fuzz_cut_t      cut;
    cargo_arena_t  *arena, *second;

    arena = fuzz_begin(data, size, 2 * MEMORY_MAX + RELEASE_MAX);

    walk(arena, gzip, FUZZ_WHOLE, &whole);

    for (cut = bytes ? FUZZ_BYTES : FUZZ_PIECES; cut <= FUZZ_PIECES; cut++) {
        second = fuzz_arena();

        walk(second, gzip, cut, &other);

        fuzz_check(other.rc == whole.rc);
        fuzz_check(whole.rc == CARGO_OK
                   || fuzz_same_error(&whole.error, &other.error));

        if (whole.rc == CARGO_OK) {
            fuzz_check(cargo_str_equal(whole.manifest, other.manifest));
            fuzz_check(cargo_str_equal(whole.kept, other.kept));
            fuzz_check(whole.bins == other.bins);
        }

        cargo_arena_destroy(second);
    }

    check_peek(arena, gzip, &whole);

    fuzz_end(arena);

    return whole.rc;
}


static void
walk(cargo_arena_t *arena, cargo_str_t gzip, fuzz_cut_t cut,
    result_t *result)
{
    size_t                   n;
    cargo_archive_t         *archive;
    cargo_archive_limits_t   limits;

    memset(result, 0, sizeof(result_t));

    limits.unpacked_max = ARCHIVE_UNPACKED_MAX;
    limits.entries_max = ARCHIVE_ENTRIES_MAX;

    archive = cargo_archive_create(arena, &limits, fuzz_text(ARCHIVE_ROOT));
    fuzz_check(archive != NULL);

    cargo_archive_keep(archive, archive_kept);

    while (gzip.len && result->rc == CARGO_OK) {
        n = fuzz_cut(cut, gzip.len);
        result->rc = cargo_archive_feed(archive, gzip.data, n,
                                        &result->error);
        gzip.data += n;
        gzip.len -= n;
    }

    if (result->rc == CARGO_OK) {
        result->rc = cargo_archive_end(archive, &result->manifest,
                                       &result->error);
    }

    fuzz_check_result(result->rc, &result->error);

    if (result->rc == CARGO_OK) {
        check_found(archive, result);

        if (cut == FUZZ_WHOLE) {
            check_release(arena, archive);
        }
    }

    cargo_archive_destroy(archive);
}


static void
check_found(const cargo_archive_t *archive, result_t *result)
{
    size_t              i;
    const cargo_str_t  *bins;

    fuzz_check(cargo_archive_has(archive, "Cargo.toml"));
    fuzz_check(!cargo_archive_has(archive, "cargo.toml"));
    fuzz_check(!cargo_archive_has(archive, ""));

    fuzz_check(result->manifest.data[result->manifest.len] == '\0');

    result->kept = cargo_archive_kept(archive);

    if (result->kept.data) {
        fuzz_check(cargo_archive_has(archive, "README.md"));
    }

    bins = cargo_archive_bins(archive, &result->bins);

    for (i = 0; i < result->bins; i++) {
        fuzz_check(bins[i].data[bins[i].len] == '\0');
        fuzz_check(cargo_archive_has(archive, (char *) bins[i].data));
    }
}


static void
check_release(cargo_arena_t *arena, cargo_archive_t *archive)
{
    json_t         *release;
    cargo_rc_t      rc;
    cargo_error_t   error;

    rc = cargo_release_of_archive(archive, &fuzz_own, &release, &error);
    fuzz_check_result(rc, &error);

    if (rc == CARGO_OK) {
        fuzz_check(json_is_boolean(json_object_get(release, "has_lib")));
        fuzz_check(json_is_array(json_object_get(release, "bin_names")));

        fuzz_check_release(arena, release);
        json_decref(release);
    }
}


/* the walk knows more, and does not contradict */

static void
check_peek(cargo_arena_t *arena, cargo_str_t gzip, const result_t *result)
{
    size_t         len;
    cargo_rc_t     rc;
    cargo_str_t    name, version;
    cargo_error_t  error;

    len = gzip.len < CARGO_ARCHIVE_PEEK ? gzip.len : CARGO_ARCHIVE_PEEK;

    rc = cargo_archive_peek(arena, gzip.data, len, &name, &version, &error);
    fuzz_check_result(rc, &error);

    if (rc == CARGO_OK) {
        fuzz_check(cargo_name_valid(name) && cargo_version_valid(version));
    }

    if (rc == CARGO_OK && result->rc == CARGO_OK) {
        fuzz_check(cargo_str_equal(name, fuzz_text("foo")));
        fuzz_check(cargo_str_equal(version, fuzz_text("1.0.0")));
    }
}
