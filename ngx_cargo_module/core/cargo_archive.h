
/*
 * A .crate file checked as it arrives: gzip around a tar whose every entry is
 * a regular file or a directory below "name-version/".
 *
 * Memory: about 80 kB for inflate's state and window, a piece of its output
 * and one tar header; the text of Cargo.toml (at most CARGO_MANIFEST_MAX); 16
 * to 86 bytes for each path (cargo_paths.h), and the paths of what may be
 * programs, CARGO_ARCHIVE_BINS_MAX of them.  All within the limits given; file
 * contents pass through, and of one more file at most they are kept.
 *
 * Always true: what is accepted unpacks in cargo of any version and on any
 * file system (no two paths that differ only in case, none that is both file
 * and directory); nothing is normalised silently, the bytes checked are the
 * bytes stored; how the file is cut into pieces changes neither the result
 * nor the words of a refusal.
 */


#ifndef CARGO_ARCHIVE_H
#define CARGO_ARCHIVE_H


#include "cargo_core.h"


#define CARGO_MANIFEST_MAX      (1024 * 1024)

/* a metadata, which carries the readme too, has to be smaller */
#define CARGO_ARCHIVE_KEPT_MAX  (1024 * 1024)

#define CARGO_ARCHIVE_BINS_MAX  512

/* of a .crate's beginning, to hold the first header of its tar */
#define CARGO_ARCHIVE_PEEK      4096

/* limits where none were set; unpacked: what every cargo agrees to unpack */
#define CARGO_DEFAULT_CRATE_MAX     (10 * 1024 * 1024)
#define CARGO_DEFAULT_UNPACKED_MAX  (512 * 1024 * 1024)
#define CARGO_DEFAULT_ENTRIES_MAX   65536


typedef struct {
    uint64_t        unpacked_max;   /* bytes of tar, headers included */
    uint64_t        entries_max;    /* files and directories, those without
                                       an entry of their own included */
} cargo_archive_limits_t;

typedef struct cargo_archive_s  cargo_archive_t;


/* root: "name-version"; NULL when there is no memory or no randomness */
cargo_archive_t *cargo_archive_create(cargo_arena_t *arena,
    const cargo_archive_limits_t *limits, cargo_str_t root);

/* ends inflate; needed before the arena goes */
void cargo_archive_destroy(cargo_archive_t *archive);

/* 400 with crates.io's wording; further calls repeat the refusal */
cargo_rc_t cargo_archive_feed(cargo_archive_t *archive,
    const unsigned char *p, size_t n, cargo_error_t *error);

/*
 * The file has ended: 400 unless the gzip trailer and exactly one root
 * manifest were seen and the tar ended between two entries.  The manifest,
 * named "Cargo.toml" or as in the first days "cargo.toml", lives in the arena
 * and ends in NUL.
 */
cargo_rc_t cargo_archive_end(cargo_archive_t *archive, cargo_str_t *manifest,
    cargo_error_t *error);

/*
 * 1 when the archive held a file of this path (relative to the root, exact
 * case): after cargo_archive_end()
 */
int cargo_archive_has(const cargo_archive_t *archive, const char *path);

/*
 * The paths below the root of what cargo may take for programs by where they
 * lie: src/bin/NAME.rs and src/bin/NAME/main.rs.
 */
const cargo_str_t *cargo_archive_bins(const cargo_archive_t *archive,
    size_t *count);

/*
 * Before the first feed: keeps the contents of the file of this path (which
 * has to live as long), unless it is larger than CARGO_ARCHIVE_KEPT_MAX.
 */
void cargo_archive_keep(cargo_archive_t *archive, cargo_str_t path);

/* data is NULL when there was no such file */
cargo_str_t cargo_archive_kept(const cargo_archive_t *archive);

cargo_arena_t *cargo_archive_arena(const cargo_archive_t *archive);

/*
 * Which crate a file seems to be, from its first CARGO_ARCHIVE_PEEK bytes (or
 * all it has) and nothing checked but that.  400 when it seems to be none.
 */
cargo_rc_t cargo_archive_peek(cargo_arena_t *arena, const unsigned char *p,
    size_t n, cargo_str_t *name, cargo_str_t *version, cargo_error_t *error);


#endif /* CARGO_ARCHIVE_H */
