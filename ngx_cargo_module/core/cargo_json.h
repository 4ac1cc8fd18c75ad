
/*
 * Typed members of a JSON object that somebody else wrote, with refusals that
 * name the place in the words of serde, which authors of crates know.
 *
 * Memory: values read are borrowed from the object; values put are shared
 * with it by a reference of their own.
 *
 * Always true: null and absent are the same, as everywhere in cargo's web
 * API; a value that is returned has the type asked for.
 */


#ifndef CARGO_JSON_H
#define CARGO_JSON_H


#include <jansson.h>

#include "cargo_core.h"


typedef struct {
    const char     *prefix;     /* how each refusal begins */
    const char     *path;       /* of the object: "" or "deps[0]." */
    const json_t   *object;
    cargo_error_t  *error;
} cargo_json_place_t;


/* *value is NULL when there is none */
cargo_rc_t cargo_json_string(const cargo_json_place_t *place, const char *key,
    json_t **value);
cargo_rc_t cargo_json_object(const cargo_json_place_t *place, const char *key,
    json_t **value);

/* an array of strings */
cargo_rc_t cargo_json_strings(const cargo_json_place_t *place,
    const char *key, json_t **value);

/* as cargo_json_string(), but refuses when there is none */
cargo_rc_t cargo_json_required(const cargo_json_place_t *place,
    const char *key, json_t **value);

/* *flag stays as it is when there is none */
cargo_rc_t cargo_json_boolean(const cargo_json_place_t *place,
    const char *key, int *flag);

/* refuses a value for its type; expected: "a string" */
cargo_rc_t cargo_json_mistyped(const cargo_json_place_t *place,
    const char *key, const json_t *value, const char *expected);

/* the text of a string; data is NULL when value is NULL or JSON null */
cargo_str_t cargo_json_text(const json_t *value);

/* takes over value, as json_object_set_new() does; NULL: no memory */
cargo_rc_t cargo_json_put(json_t *object, const char *key, json_t *value);
cargo_rc_t cargo_json_append(json_t *array, json_t *value);

/* a JSON string, or null when text.data is NULL; NULL: no memory */
json_t *cargo_json_of_text(cargo_str_t text);

/*
 * The text of an object or array, without spaces, with room for so many bytes
 * more behind it.  data is NULL when there is no memory.
 */
cargo_str_t cargo_json_dump(cargo_arena_t *arena, const json_t *value,
    size_t room);


#endif /* CARGO_JSON_H */
