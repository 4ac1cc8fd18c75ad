
/*
 * The parts of cargo_release_agree().
 *
 * Always true: what is compared are releases, so names are valid and
 * requirements and registries are in their normal forms; order never matters.
 */


#ifndef CARGO_AGREE_H
#define CARGO_AGREE_H


#include <jansson.h>

#include "cargo_core.h"
#include "cargo_dependency.h"


/* of each of the two values in a refusal, so that both fit */
#define CARGO_QUOTED_MAX  300

#define cargo_quoted(text)                                                    \
    (int) ((text).len < CARGO_QUOTED_MAX ? (text).len : CARGO_QUOTED_MAX),    \
    (const char *) (text).data


typedef struct {
    cargo_dependency_t  **sorted;   /* by alias before all else */
    size_t                count;
} cargo_agree_deps_t;


/* the array "deps" of a release, in comparable forms */
cargo_rc_t cargo_agree_read_deps(cargo_arena_t *arena, const json_t *release,
    cargo_agree_deps_t *deps);

cargo_rc_t cargo_agree_compare_deps(cargo_arena_t *arena,
    const cargo_agree_deps_t *metadata, const cargo_agree_deps_t *manifest,
    cargo_error_t *error);

/* 1 when some dependency goes by this name in code */
int cargo_agree_has_dep(const cargo_agree_deps_t *deps, cargo_str_t alias);

/* "a, b"; data is NULL when there is no memory */
cargo_str_t cargo_agree_join(cargo_arena_t *arena,
    const cargo_texts_t *texts);


#endif /* CARGO_AGREE_H */
