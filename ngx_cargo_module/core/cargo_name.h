
/*
 * Names of crates, features and dependencies, and where a crate's index
 * document lies.
 *
 * Always true: a valid crate name is ASCII, at most CARGO_NAME_MAX bytes, a
 * letter followed by letters, digits, '-' and '_' (crates.io's rule; cargo
 * itself would let more through).  Two names collide when their canonical
 * forms (lower case, '-' as '_') are equal.
 */


#ifndef CARGO_NAME_H
#define CARGO_NAME_H


#include "cargo_core.h"


#define CARGO_NAME_MAX        64

/* "ab/cd/" and the name itself */
#define CARGO_INDEX_PATH_MAX  (CARGO_NAME_MAX + 6)


/* 400 with crates.io's wording */
cargo_rc_t cargo_name_check_crate(cargo_str_t name, cargo_error_t *error);
cargo_rc_t cargo_name_check_dependency(cargo_str_t name,
    cargo_error_t *error);

/* the name used in code, key of the dependency table: may start with '_' */
cargo_rc_t cargo_name_check_alias(cargo_str_t name, cargo_error_t *error);

/* as cargo does: letters of any script (XID), digits, '_', later '+-.' too */
cargo_rc_t cargo_name_check_feature(cargo_str_t name, cargo_error_t *error);

/* a value of a feature: "feat", "dep/feat", "dep?/feat", "dep:dep" */
cargo_rc_t cargo_name_check_feature_value(cargo_str_t value,
    cargo_error_t *error);

/* 1 when valid, without words: for routing */
int cargo_name_valid(cargo_str_t name);

/* writes name.len bytes to canonical */
void cargo_name_canonical(cargo_str_t name, unsigned char *canonical);

/*
 * The crate that an index path ("se/rd/serde", "3/f/foo", "2/ab", "1/a")
 * names: a slice of path.  CARGO_REFUSED (404) unless the path is the exact
 * lower-case one of a valid name; the sparse protocol has no other spelling.
 */
cargo_rc_t cargo_name_of_index_path(cargo_str_t path, cargo_str_t *name,
    cargo_error_t *error);


#endif /* CARGO_NAME_H */
