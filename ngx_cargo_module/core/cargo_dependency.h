
/*
 * One dependency of a release while it is read, put in order and compared.
 *
 * Memory: a dependency and its arrays live in the arena.  Its texts point
 * into the JSON value it was read from, which has to live as long, or into
 * the arena.
 *
 * Always true: a text whose data is NULL is absent.  What has passed
 * cargo_dependency_check() can be in an index: its names are valid, its
 * requirement is normalised, and a registry that is absent means the own one.
 */


#ifndef CARGO_DEPENDENCY_H
#define CARGO_DEPENDENCY_H


#include <jansson.h>

#include "cargo_core.h"
#include "cargo_release.h"


/* in the index's order */
typedef enum {
    CARGO_DEPENDENCY_NORMAL = 0,
    CARGO_DEPENDENCY_BUILD,
    CARGO_DEPENDENCY_DEV
} cargo_dependency_kind_t;

extern const char *const  cargo_dependency_kinds[CARGO_DEPENDENCY_DEV + 1];


typedef struct {
    cargo_str_t              *texts;
    size_t                    count;
} cargo_texts_t;


typedef struct cargo_dependency_s  cargo_dependency_t;

struct cargo_dependency_s {
    cargo_str_t               name;         /* of the package */
    cargo_str_t               alias;        /* absent: not renamed */
    cargo_str_t               requirement;
    cargo_str_t               target;
    cargo_str_t               registry;
    cargo_str_t               bindep_target;
    cargo_texts_t             features;
    cargo_texts_t             artifacts;
    cargo_dependency_kind_t   kind;
    int                       optional;
    int                       default_features;
    int                       lib;
    cargo_dependency_t       *next;
};


typedef struct {
    cargo_dependency_t       *first;
    size_t                    count;
} cargo_dependencies_t;


/* adds one with cargo's defaults to the list; NULL: no memory */
cargo_dependency_t *cargo_dependency_add(cargo_arena_t *arena,
    cargo_dependencies_t *list);

/*
 * Checks by the rules of crates.io, brings requirement and registry into
 * their normal forms, drops empty features and an alias that renames nothing.
 */
cargo_rc_t cargo_dependency_check(cargo_arena_t *arena,
    cargo_dependency_t *dependency, const cargo_own_index_t *own,
    cargo_error_t *error);

/* the name that code uses */
cargo_str_t cargo_dependency_alias(const cargo_dependency_t *dependency);

/* <0, 0, >0 in the index's order; 0 only when all of them is equal */
int cargo_dependency_compare(const cargo_dependency_t *a,
    const cargo_dependency_t *b);

/* list.count pointers in the index's order; NULL: no memory */
cargo_dependency_t **cargo_dependencies_sort(cargo_arena_t *arena,
    const cargo_dependencies_t *list);

/* the array "deps" of a release; NULL: no memory */
json_t *cargo_dependencies_json(cargo_arena_t *arena,
    const cargo_dependencies_t *list);

/* back from an element of a release's "deps" */
cargo_rc_t cargo_dependency_of_json(cargo_arena_t *arena, const json_t *json,
    cargo_dependency_t *dependency);

/*
 * Calls change() for each dependency of a release, which may give it another
 * registry, and puts them in the index's order again.
 */
typedef cargo_rc_t (*cargo_dependency_change_pt)(void *data,
    cargo_dependency_t *dependency);

cargo_rc_t cargo_dependencies_change(cargo_arena_t *arena, json_t *release,
    cargo_dependency_change_pt change, void *data);

/* the strings of an array, none when it is NULL */
cargo_rc_t cargo_texts_of_json(cargo_arena_t *arena, const json_t *array,
    cargo_texts_t *texts);

/* sorted, each text once: sets are equal when this makes them equal */
void cargo_texts_normalize(cargo_texts_t *texts);

int cargo_texts_compare(const cargo_texts_t *a, const cargo_texts_t *b);

/* bytewise, absent first */
int cargo_text_compare(cargo_str_t a, cargo_str_t b);

/*
 * The forms in which two spellings of one registry, or of one target, are
 * equal: an index URL without "registry+" and trailing slashes, its scheme
 * and host in lower case; a cfg() without white space outside quotes and
 * without trailing commas, as cargo prints it.  data is NULL when there is no
 * memory; an absent text stays absent.
 */
cargo_str_t cargo_registry_canonical(cargo_arena_t *arena, cargo_str_t url);
cargo_str_t cargo_target_canonical(cargo_arena_t *arena, cargo_str_t target);

/*
 * Turns the index URL of this registry, in any spelling, into an absent text,
 * and that of crates.io into CARGO_CRATES_IO_INDEX.
 */
cargo_rc_t cargo_registry_normalize(cargo_arena_t *arena, cargo_str_t *url,
    const cargo_own_index_t *own, cargo_error_t *error);


#endif /* CARGO_DEPENDENCY_H */
