
#include "cargo_json.h"


#define CARGO_JSON_SHORT  960


static json_t *cargo_json_member(const cargo_json_place_t *place,
    const char *key);


cargo_rc_t
cargo_json_string(const cargo_json_place_t *place, const char *key,
    json_t **value)
{
    *value = cargo_json_member(place, key);

    if (*value && !json_is_string(*value)) {
        return cargo_json_mistyped(place, key, *value, "a string");
    }

    return CARGO_OK;
}


cargo_rc_t
cargo_json_object(const cargo_json_place_t *place, const char *key,
    json_t **value)
{
    *value = cargo_json_member(place, key);

    if (*value && !json_is_object(*value)) {
        return cargo_json_mistyped(place, key, *value, "a map");
    }

    return CARGO_OK;
}


cargo_rc_t
cargo_json_strings(const cargo_json_place_t *place, const char *key,
    json_t **value)
{
    size_t   i;
    json_t  *element;

    *value = cargo_json_member(place, key);

    if (*value == NULL) {
        return CARGO_OK;
    }

    if (!json_is_array(*value)) {
        return cargo_json_mistyped(place, key, *value, "an array of strings");
    }

    json_array_foreach (*value, i, element) {
        if (!json_is_string(element)) {
            return cargo_json_mistyped(place, key, element,
                                       "an array of strings");
        }
    }

    return CARGO_OK;
}


cargo_rc_t
cargo_json_required(const cargo_json_place_t *place, const char *key,
    json_t **value)
{
    cargo_rc_t  rc;

    rc = cargo_json_string(place, key, value);

    if (rc == CARGO_OK && *value == NULL) {
        return cargo_refuse(place->error, 400, "%smissing field `%s%s`",
                            place->prefix, place->path, key);
    }

    return rc;
}


cargo_rc_t
cargo_json_boolean(const cargo_json_place_t *place, const char *key,
    int *flag)
{
    json_t  *value;

    value = cargo_json_member(place, key);

    if (value == NULL) {
        return CARGO_OK;
    }

    if (!json_is_boolean(value)) {
        return cargo_json_mistyped(place, key, value, "a boolean");
    }

    *flag = json_is_true(value);

    return CARGO_OK;
}


cargo_rc_t
cargo_json_mistyped(const cargo_json_place_t *place, const char *key,
    const json_t *value, const char *expected)
{
    static const char *const  names[] = {
        [JSON_OBJECT] = "map",
        [JSON_ARRAY] = "sequence",
        [JSON_STRING] = "string",
        [JSON_INTEGER] = "integer",
        [JSON_REAL] = "floating point",
        [JSON_TRUE] = "boolean `true`",
        [JSON_FALSE] = "boolean `false`",
        [JSON_NULL] = "null"
    };

    return cargo_refuse(place->error, 400,
                        "%sinvalid type: %s, expected %s in field `%s%s`",
                        place->prefix, names[json_typeof(value)], expected,
                        place->path, key);
}


cargo_str_t
cargo_json_text(const json_t *value)
{
    cargo_str_t  text = { 0, NULL };

    if (json_is_string(value)) {
        text.data = (unsigned char *) (uintptr_t) json_string_value(value);
        text.len = json_string_length(value);
    }

    return text;
}


cargo_rc_t
cargo_json_put(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0 ? CARGO_OK
                                                        : CARGO_NO_MEMORY;
}


cargo_rc_t
cargo_json_append(json_t *array, json_t *value)
{
    return json_array_append_new(array, value) == 0 ? CARGO_OK
                                                    : CARGO_NO_MEMORY;
}


json_t *
cargo_json_of_text(cargo_str_t text)
{
    if (text.data == NULL) {
        return json_null();
    }

    return json_stringn((const char *) text.data, text.len);
}


/* most are short: what is long is written twice, what is not only once */

cargo_str_t
cargo_json_dump(cargo_arena_t *arena, const json_t *value, size_t room)
{
    size_t       size, len;
    cargo_str_t  text = { 0, NULL };

    len = CARGO_JSON_SHORT;

    do {
        size = len;

        text.data = cargo_arena_alloc(arena, size + room);
        if (text.data == NULL) {
            return text;
        }

        len = json_dumpb(value, (char *) text.data, size, JSON_COMPACT);

    } while (len > size);

    text.len = len;

    if (len == 0) {
        text.data = NULL;
    }

    return text;
}


static json_t *
cargo_json_member(const cargo_json_place_t *place, const char *key)
{
    json_t  *value;

    value = json_object_get(place->object, key);

    return json_is_null(value) ? NULL : value;
}
