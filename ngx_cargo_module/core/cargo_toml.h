
/*
 * TOML to JSON, by toml++ behind a C shim: the one C++ file of the project.
 *
 * Memory: the caller owns the value it is given; the text is not kept.
 *
 * Always true: no exception leaves the shim; text of any kind in, a json_t or
 * a refusal out.  Nothing nests deeper than CARGO_TOML_NESTING brackets with
 * CARGO_TOML_DOTS dots in each key, and neither keys nor strings hold a NUL.
 * Dates and times become strings; inf and nan, which JSON has not, null.
 */


#ifndef CARGO_TOML_H
#define CARGO_TOML_H


#include <jansson.h>


/* the depth of both is stack: toml++ and jansson free a tree by recursion */
#define CARGO_TOML_NESTING  64
#define CARGO_TOML_DOTS     31

/* what begins a value or separates two: each costs up to 700 bytes */
#define CARGO_TOML_VALUES   32768


#ifdef __cplusplus
extern "C" {
#endif


#include "cargo_core.h"


/* 400 with toml++'s description and position */
cargo_rc_t cargo_toml_parse(cargo_str_t text, json_t **value,
    cargo_error_t *error);

/*
 * 400 when some key has more dots than allowed or the text more values; it
 * may be any bytes
 */
cargo_rc_t cargo_toml_scan(cargo_str_t text, cargo_error_t *error);


#ifdef __cplusplus
}
#endif


#endif /* CARGO_TOML_H */
