
#include "cargo_release.h"

#include "cargo_json.h"
#include "cargo_semver.h"


static cargo_rc_t cargo_render_sort_key(cargo_arena_t *arena,
    json_t *release, cargo_error_t *error);


cargo_rc_t
cargo_release_render(cargo_arena_t *arena, json_t *release,
    cargo_str_t checksum, cargo_str_t pubtime, cargo_rendered_t *rendered,
    cargo_error_t *error)
{
    cargo_rc_t   rc;
    cargo_str_t  head, tail;

    rc = cargo_release_index_line(arena, release, checksum, pubtime, &head,
                                  &tail);
    if (rc != CARGO_OK) {
        return rc;
    }

    rc = cargo_render_sort_key(arena, release, error);
    if (rc != CARGO_OK) {
        return rc;
    }

    rendered->json = cargo_json_dump(arena, release, 1);
    rendered->head = cargo_arena_copy(arena, head.data, head.len);
    rendered->tail = cargo_arena_copy(arena, tail.data, tail.len);

    if (rendered->json.data == NULL
        || rendered->head.data == NULL || rendered->tail.data == NULL)
    {
        return CARGO_NO_MEMORY;
    }

    rendered->json.data[rendered->json.len] = '\0';

    return CARGO_OK;
}


static cargo_rc_t
cargo_render_sort_key(cargo_arena_t *arena, json_t *release,
    cargo_error_t *error)
{
    cargo_rc_t       rc;
    cargo_str_t      key;
    cargo_version_t  version;

    rc = cargo_version_parse(cargo_json_text(json_object_get(release, "vers")),
                             &version, error);
    if (rc != CARGO_OK) {
        return rc;
    }

    key = cargo_version_sort_key(arena, &version);

    return key.data ? cargo_json_put(release, "sort_key",
                                     cargo_json_of_text(key))
                    : CARGO_NO_MEMORY;
}
