
/*
 * Versions (SemVer 2.0) and version requirements as cargo reads them.
 *
 * Memory: a parsed version points into the text it was parsed from;
 * rendered text lives in the arena.
 *
 * Always true: numbers are unsigned 64 bit without leading zeros; build
 * metadata takes no part in precedence or in uniqueness.
 */


#ifndef CARGO_SEMVER_H
#define CARGO_SEMVER_H


#include "cargo_core.h"


#define CARGO_VERSION_MAX  150


typedef struct {
    uint64_t        major;
    uint64_t        minor;
    uint64_t        patch;
    cargo_str_t     pre;        /* without '-', empty for a release */
    cargo_str_t     build;      /* without '+' */
} cargo_version_t;


/*
 * 400 `"1.0" is an invalid semver version` or, as crates.io has it, `the
 * version number is too long (max 150 characters)`
 */
cargo_rc_t cargo_version_parse(cargo_str_t text, cargo_version_t *version,
    cargo_error_t *error);

/* 1 when the text is a valid version, without words: for routing */
int cargo_version_valid(cargo_str_t text);

/* precedence: <0, 0, >0 */
int cargo_version_compare(const cargo_version_t *a, const cargo_version_t *b);

/*
 * Text whose byte order (collation "C") is the precedence of the versions:
 * what SQL sorts by.
 */
cargo_str_t cargo_version_sort_key(cargo_arena_t *arena,
    const cargo_version_t *version);

/*
 * The requirement in the form in which cargo's own JSON carries it
 * (semver's Display: "1" becomes "^1", ">=1,<2" becomes ">=1, <2", "1.x"
 * becomes "1.*", build metadata is dropped).  What the semver crate refuses
 * is refused, the empty text too: 400 `"x" is an invalid version
 * requirement`.
 */
cargo_rc_t cargo_requirement_normalize(cargo_arena_t *arena, cargo_str_t text,
    cargo_str_t *normalized, cargo_error_t *error);


/*
 * The pieces that versions and requirements have in common.  Both take what
 * they read off the front of rest and return 0 when it is not what it should
 * be; identifiers are those after '-' (pre: no leading zeros) or after '+'.
 */
int cargo_semver_number(cargo_str_t *rest, uint64_t *number);
int cargo_semver_identifiers(cargo_str_t *rest, int pre,
    cargo_str_t *identifiers);

/* takes c off the front of rest; 0 when something else is there */
int cargo_semver_char(cargo_str_t *rest, unsigned char c);


#endif /* CARGO_SEMVER_H */
