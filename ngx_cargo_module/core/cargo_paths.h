
/*
 * The paths of one archive: each of them safe to unpack anywhere, no two of
 * them in each other's way.
 *
 * Memory: 16 bytes for each file and directory, in a hash table that doubles;
 * with the tables left behind in the arena, up to 86 bytes for each.
 *
 * A slot of the table keeps, instead of the path:
 *
 *   folded  64 bits  hash of the path in lower case (ASCII)
 *   exact   62 bits  hash of the path as it is
 *   kind     2 bits  file, directory, or directory known from its contents
 *
 * The hash of a path is that of its last component and of its parent's hash,
 * so that a path and all its parents cost one pass.  The key is random for
 * each set: nobody can make paths that collide, and should two collide by
 * chance (about 2^-31 with 100,000 paths) then publishing again goes through.
 *
 * Always true: the path of a file is no other path's parent; of paths that
 * are equal but for the case of ASCII letters the set holds one.
 */


#ifndef CARGO_PATHS_H
#define CARGO_PATHS_H


#include "cargo_core.h"


#define CARGO_PATH_COMPONENT_MAX  255       /* NAME_MAX; NTFS has the same */
#define CARGO_PATH_DEPTH_MAX      64        /* components below the root */


typedef enum {
    CARGO_PATH_FILE = 1,
    CARGO_PATH_DIRECTORY,
    CARGO_PATH_PARENT           /* seen as parent only */
} cargo_path_kind_t;

typedef struct cargo_paths_s  cargo_paths_t;


/*
 * root: the directory that holds everything; max: files and directories
 * accepted, those included that are only parents.  NULL when there is no
 * memory or no randomness.
 */
cargo_paths_t *cargo_paths_create(cargo_arena_t *arena, cargo_str_t root,
    uint64_t max);

/*
 * path: with the root, without a '/' at its end.  400 when the path is not
 * below the root, may not be unpacked on some system or collides.
 */
cargo_rc_t cargo_paths_add(cargo_paths_t *paths, cargo_str_t path,
    cargo_path_kind_t kind, cargo_error_t *error);

/* 1 when there is such a file; path: without the root, exact case */
int cargo_paths_has(const cargo_paths_t *paths, cargo_str_t path);

/* 1 when equal but for the case of ASCII letters */
int cargo_path_equal_folded(cargo_str_t a, cargo_str_t b);


#endif /* CARGO_PATHS_H */
