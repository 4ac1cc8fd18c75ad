
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>


static void fuzz_check_line(const json_t *release,
    const cargo_rendered_t *rendered);
static void fuzz_check_deps(const json_t *release, const json_t *line);
static void fuzz_check_feature_split(const json_t *release,
    const json_t *line);
static void fuzz_check_again(cargo_arena_t *arena, const json_t *release,
    const cargo_rendered_t *rendered);
static int fuzz_same_text(const json_t *a, const char *key, const json_t *b,
    const char *other);


static const cargo_str_t  fuzz_urls[] = {
    cargo_string("sparse+https://own.example/index/"),
    cargo_string("https://own.example/git")
};

const cargo_own_index_t  fuzz_own = { fuzz_urls, 2 };

static const cargo_str_t  fuzz_checksum = cargo_string(
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");

static const cargo_str_t  fuzz_pubtime = cargo_string("2024-02-29T23:59:59Z");


void
fuzz_check_release(cargo_arena_t *arena, json_t *release)
{
    json_t            *parsed;
    cargo_error_t      error;
    cargo_rendered_t   rendered;

    fuzz_check(cargo_release_agree(arena, release, release, &error)
               == CARGO_OK);

    fuzz_check(cargo_release_render(arena, release, fuzz_checksum,
                                    fuzz_pubtime, &rendered, &error)
               == CARGO_OK);

    fuzz_check(rendered.json.data[rendered.json.len] == '\0');
    fuzz_check(strlen((char *) rendered.json.data) == rendered.json.len);

    parsed = json_loadb((char *) rendered.json.data, rendered.json.len,
                        JSON_REJECT_DUPLICATES, NULL);
    fuzz_check(parsed != NULL);
    fuzz_check(json_equal(parsed, release));
    json_decref(parsed);

    fuzz_check_line(release, &rendered);
    fuzz_check_again(arena, release, &rendered);
}


static void
fuzz_check_line(const json_t *release, const cargo_rendered_t *rendered)
{
    size_t   len;
    json_t  *line;
    char    *text;

    len = rendered->head.len + 5 + rendered->tail.len;
    text = malloc(len + 1);
    fuzz_check(text != NULL);

    memcpy(text, rendered->head.data, rendered->head.len);
    memcpy(text + rendered->head.len, "false", 5);
    memcpy(text + rendered->head.len + 5, rendered->tail.data,
           rendered->tail.len + 1);

    fuzz_check(strlen(text) == len);
    fuzz_check(strchr(text, '\n') == NULL);
    fuzz_check(cargo_utf8_valid((unsigned char *) text, len));

    line = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    fuzz_check(json_is_object(line));
    free(text);

    fuzz_check(fuzz_same_text(release, "name", line, "name"));
    fuzz_check(fuzz_same_text(release, "vers", line, "vers"));
    fuzz_check(json_is_false(json_object_get(line, "yanked")));
    fuzz_check(strcmp(json_string_value(json_object_get(line, "cksum")),
                      (char *) fuzz_checksum.data) == 0);
    fuzz_check(strcmp(json_string_value(json_object_get(line, "pubtime")),
                      (char *) fuzz_pubtime.data) == 0);

    if (json_is_string(json_object_get(release, "links"))) {
        fuzz_check(fuzz_same_text(release, "links", line, "links"));
    }

    fuzz_check_deps(release, line);
    fuzz_check_feature_split(release, line);

    json_decref(line);
}


static void
fuzz_check_deps(const json_t *release, const json_t *line)
{
    size_t   i;
    json_t  *deps, *dep, *from;

    deps = json_object_get(line, "deps");
    fuzz_check(json_array_size(deps)
               == json_array_size(json_object_get(release, "deps")));

    json_array_foreach (json_object_get(release, "deps"), i, from) {
        dep = json_array_get(deps, i);

        fuzz_check(fuzz_same_text(from, "version_req", dep, "req"));
        fuzz_check(fuzz_same_text(from, "kind", dep, "kind"));

        if (json_is_string(json_object_get(from, "explicit_name_in_toml"))) {
            fuzz_check(fuzz_same_text(from, "explicit_name_in_toml", dep,
                                      "name"));
            fuzz_check(fuzz_same_text(from, "name", dep, "package"));
            fuzz_check(!fuzz_same_text(dep, "name", dep, "package"));

        } else {
            fuzz_check(fuzz_same_text(from, "name", dep, "name"));
            fuzz_check(json_object_get(dep, "package") == NULL);
        }
    }
}


/* each feature is in one of both, and an old cargo can read the first */

static void
fuzz_check_feature_split(const json_t *release, const json_t *line)
{
    size_t       i;
    json_t      *first, *second, *values, *value;
    const char  *name, *last;

    first = json_object_get(line, "features");
    second = json_object_get(line, "features2");

    fuzz_check(json_object_size(first) + json_object_size(second)
               == json_object_size(json_object_get(release, "features")));

    last = "";

    json_object_foreach (json_object_get(release, "features"), name, values) {
        fuzz_check(strcmp(last, name) < 0);
        last = name;

        fuzz_check(json_equal(values, json_object_get(first, name))
                   || json_equal(values, json_object_get(second, name)));
    }

    json_object_foreach (first, name, values) {
        json_array_foreach (values, i, value) {
            fuzz_check(strncmp(json_string_value(value), "dep:", 4) != 0);
            fuzz_check(strstr(json_string_value(value), "?/") == NULL);
        }
    }

    if (json_object_size(second)) {
        fuzz_check(json_integer_value(json_object_get(line, "v")) >= 2);
    }
}


/* what is kept of a release is metadata that could be published */

static void
fuzz_check_again(cargo_arena_t *arena, const json_t *release,
    const cargo_rendered_t *rendered)
{
    json_t            *again, *value;
    const char        *key;
    cargo_error_t      error;
    cargo_rendered_t   same;

    fuzz_check(cargo_release_of_metadata(arena, rendered->json, &fuzz_own,
                                         &again, &error)
               == CARGO_OK);

    json_object_foreach (again, key, value) {
        fuzz_check(json_object_get(release, key) == NULL
                   || json_equal(value, json_object_get(release, key)));
    }

    fuzz_check(cargo_release_agree(arena, again, release, &error)
               == CARGO_OK);
    fuzz_check(cargo_release_agree(arena, release, again, &error)
               == CARGO_OK);

    fuzz_check(cargo_release_render(arena, again, fuzz_checksum, fuzz_pubtime,
                                    &same, &error)
               == CARGO_OK);
    fuzz_check(cargo_str_equal(rendered->head, same.head));
    fuzz_check(cargo_str_equal(rendered->tail, same.tail));

    json_decref(again);
}


static int
fuzz_same_text(const json_t *a, const char *key, const json_t *b,
    const char *other)
{
    return json_is_string(json_object_get(a, key))
           && json_equal(json_object_get(a, key), json_object_get(b, other));
}
