
/*
 * The members of a release that metadata and manifest have in common, but for
 * the dependencies: copied out of either, then checked.
 *
 * Memory: a release shares values with the JSON it was read from.
 *
 * Always true: a release that was checked breaks no rule of crates.io about
 * bytes; which fields must be there, and how long or how many they may be, is
 * for SQL to say.
 */


#ifndef CARGO_FIELDS_H
#define CARGO_FIELDS_H


#include <jansson.h>

#include "cargo_core.h"
#include "cargo_json.h"


typedef enum {
    CARGO_FIELD_REQUIRED = 0,   /* a string */
    CARGO_FIELD_STRING,         /* a string or null */
    CARGO_FIELD_STRINGS
} cargo_field_type_t;

typedef struct {
    const char          *name;      /* in the release */
    const char          *source;    /* in what is read */
    cargo_field_type_t   type;
} cargo_field_t;


/* fields ends with one whose name is NULL */
cargo_rc_t cargo_fields_copy(const cargo_json_place_t *place,
    const cargo_field_t *fields, json_t *release);

/* the member "features" of the place's object, sorted by name */
cargo_rc_t cargo_fields_copy_features(cargo_arena_t *arena,
    const cargo_json_place_t *place, json_t *release);

/* all but "deps"; prefix: how a refusal of what was badly written begins */
cargo_rc_t cargo_fields_check(json_t *release, const char *prefix,
    cargo_error_t *error);


#endif /* CARGO_FIELDS_H */
