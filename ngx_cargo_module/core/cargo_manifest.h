
/*
 * What the readers of Cargo.toml share: one reads [package] and [features],
 * one the tables of dependencies, one those of what is built.
 *
 * Always true: what is read is a manifest as "cargo package" writes it, where
 * nothing is inherited from a workspace any more; the old spellings that
 * cargo still accepts are accepted.
 */


#ifndef CARGO_MANIFEST_H
#define CARGO_MANIFEST_H


#include <jansson.h>

#include "cargo_archive.h"
#include "cargo_core.h"
#include "cargo_json.h"
#include "cargo_release.h"


#define CARGO_MANIFEST_PREFIX                                                 \
    "failed to parse `Cargo.toml` manifest file\n\n"

/* prefix, path and key */
#define CARGO_MANIFEST_INHERITED                                              \
    "%svalue from workspace hasn't been set: `%s%s`; upload what "            \
    "\"cargo package\" writes"


/* puts "deps"; the place is the whole manifest */
cargo_rc_t cargo_manifest_read_deps(cargo_arena_t *arena,
    const cargo_json_place_t *place, const cargo_own_index_t *own,
    json_t *release);

/* puts "has_lib" and "bin_names", by the rules of cargo's autodiscovery */
cargo_rc_t cargo_manifest_read_bins(cargo_arena_t *arena,
    const cargo_json_place_t *place, const cargo_archive_t *archive,
    json_t *release);

/* the table [package], by its old name too; "package." or "project." */
cargo_rc_t cargo_manifest_package(const cargo_json_place_t *place,
    cargo_json_place_t *package);


#endif /* CARGO_MANIFEST_H */
