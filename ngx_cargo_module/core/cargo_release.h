
/*
 * A release: all that the registry has to know about one version of one
 * crate, as one JSON object in one normal form, whether it was read from the
 * metadata of a publish or from the Cargo.toml in the .crate.
 *
 *   name, vers                 strings
 *   deps                       array, in the index's order (see below), of
 *     name                       the package's real name
 *     explicit_name_in_toml      the alias, or null when not renamed
 *     version_req                normalised (cargo_requirement_normalize)
 *     features                   array of strings, as given, "" dropped
 *     optional, default_features booleans
 *     target                     text as given, or null
 *     kind                       "normal", "build" or "dev"
 *     registry                   index URL, or null for the own registry
 *     artifact, bindep_target, lib   only with artifact dependencies
 *   features                   object of arrays of strings, sorted by name
 *   links, rust_version        string or null
 *   description, homepage, documentation, repository, readme_file,
 *   license, license_file      string or null
 *   keywords, categories, authors  arrays of strings
 *   readme                     text or null (metadata only)
 *   edition                    string or null (manifest only)
 *   has_lib                    boolean (with the archive only)
 *   bin_names                  array of strings, sorted (with the archive
 *                              only)
 *   sort_key                   text (rendered only)
 *
 * "null" for registry means the own registry, here and in the index and in
 * the publish metadata; in a Cargo.toml the absence of a registry means
 * crates.io.  Reading the manifest turns one into the other.
 *
 * Memory: releases are jansson values; the caller owns the reference it is
 * given.  Text rendered from them lives in the arena.
 *
 * Always true: the index line is rendered from the release read from
 * Cargo.toml, and metadata that disagrees with it was refused, so resolver
 * and compiler see the same crate.
 */


#ifndef CARGO_RELEASE_H
#define CARGO_RELEASE_H


#include <jansson.h>

#include "cargo_archive.h"
#include "cargo_core.h"


#define CARGO_CRATES_IO_INDEX  "https://github.com/rust-lang/crates.io-index"


/* index URLs under which this registry is known, the canonical one first */
typedef struct {
    const cargo_str_t  *urls;
    size_t              count;
} cargo_own_index_t;


/* what the database stores of a release; texts end in NUL */
typedef struct {
    cargo_str_t         json;
    cargo_str_t         head;       /* of the index line */
    cargo_str_t         tail;
} cargo_rendered_t;


/*
 * Both check names, versions, requirements, features, keywords and URLs by
 * the rules of crates.io that concern bytes (which fields must be there, how
 * long they are and how many dependencies and features there may be are
 * settings of the registry and decided in SQL).  400 with crates.io's
 * wording.
 */
cargo_rc_t cargo_release_of_metadata(cargo_arena_t *arena, cargo_str_t json,
    const cargo_own_index_t *own, json_t **release, cargo_error_t *error);
cargo_rc_t cargo_release_of_manifest(cargo_arena_t *arena, cargo_str_t toml,
    const cargo_own_index_t *own, json_t **release, cargo_error_t *error);

/*
 * The Cargo.toml of an archive that was fed to its end, and what cargo builds
 * from the files that lie beside it.
 */
cargo_rc_t cargo_release_of_archive(cargo_archive_t *archive,
    const cargo_own_index_t *own, json_t **release, cargo_error_t *error);

/*
 * 400 unless both say the same of everything that the resolver sees; names
 * the first field or dependency in which they differ and both values.
 */
cargo_rc_t cargo_release_agree(cargo_arena_t *arena, const json_t *metadata,
    const json_t *manifest, cargo_error_t *error);

/*
 * The line of the index, in the two parts around the value of "yanked", the
 * only one that ever changes: head + "false" + tail, no newline.  Key order
 * and the splitting of features are those of crates.io.  checksum: lower
 * case hex; pubtime: "YYYY-MM-DDTHH:MM:SSZ", absent when data is NULL.
 */
cargo_rc_t cargo_release_index_line(cargo_arena_t *arena,
    const json_t *release, cargo_str_t checksum, cargo_str_t pubtime,
    cargo_str_t *head, cargo_str_t *tail);

/* puts "sort_key" and renders the whole */
cargo_rc_t cargo_release_render(cargo_arena_t *arena, json_t *release,
    cargo_str_t checksum, cargo_str_t pubtime, cargo_rendered_t *rendered,
    cargo_error_t *error);


#endif /* CARGO_RELEASE_H */
