
#include "fuzz.h"

#include <string.h>

#include "cargo_paths.h"


#define PATHS_MAX    24
#define ENTRIES_MAX  200


/* a line: 'f' or 'd' in its lowest bit, then the path below the root */
typedef struct {
    cargo_str_t         text;
    cargo_path_kind_t   kind;
} path_t;


static size_t read_paths(cargo_arena_t *arena, cargo_str_t rest, path_t *paths);
static cargo_rc_t add(cargo_paths_t *set, const path_t *path);
static int add_in_order(const path_t *paths, const size_t *order, size_t n);
static int conflict(const path_t *a, const path_t *b);
static void check_safe(cargo_str_t path);
static cargo_str_t below_root(cargo_str_t path);


static const cargo_str_t  root = cargo_string("foo-1.0.0");


/*
 * The paths that alone are fine are all fine together unless two of them
 * conflict, in whatever order they come.
 */

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    int             conflicts;
    size_t          i, j, n, other, order[PATHS_MAX] = { 0 };
    path_t          paths[PATHS_MAX];
    cargo_str_t     rest;
    cargo_arena_t  *arena;

    arena = fuzz_begin(data, size, 512 * 1024 + 2400 * size);

    rest.data = (unsigned char *) (uintptr_t) data;
    rest.len = size;

    n = read_paths(arena, rest, paths);
    conflicts = 0;

    for (i = 0; i < n; i++) {
        check_safe(paths[i].text);
        order[i] = i;

        for (j = 0; j < i; j++) {
            conflicts |= conflict(&paths[i], &paths[j]);
        }
    }

    fuzz_check(add_in_order(paths, order, n) == !conflicts);

    for (i = n; i > 1; i--) {
        j = fuzz_random(i);
        other = order[i - 1];
        order[i - 1] = order[j];
        order[j] = other;
    }

    fuzz_check(add_in_order(paths, order, n) == !conflicts);

    fuzz_end(arena);

    return 0;
}


/* those that a set takes by themselves */

static size_t
read_paths(cargo_arena_t *arena, cargo_str_t rest, path_t *paths)
{
    size_t          n;
    path_t          path;
    cargo_str_t     line, text;
    cargo_paths_t  *set;
    cargo_arena_t  *one;

    n = 0;
    one = fuzz_arena();
    set = cargo_paths_create(one, root, ENTRIES_MAX);
    fuzz_check(set != NULL);

    while (n < PATHS_MAX && (line = fuzz_line(&rest)).data) {

        if (line.len == 0 || line.len > 1500) {
            continue;
        }

        path.kind = (line.data[0] & 1) ? CARGO_PATH_DIRECTORY
                                       : CARGO_PATH_FILE;

        text.data = cargo_arena_alloc(arena, root.len + line.len);
        text.len = root.len + line.len;
        memcpy(text.data, root.data, root.len);
        text.data[root.len] = '/';
        memcpy(text.data + root.len + 1, line.data + 1, line.len - 1);

        path.text = fuzz_copy(text.data, text.len);

        if (add(set, &path) != CARGO_OK) {

            /* it may be in the way of another */

            cargo_arena_destroy(one);
            one = fuzz_arena();
            set = cargo_paths_create(one, root, ENTRIES_MAX);

            if (add(set, &path) != CARGO_OK) {
                continue;
            }
        }

        paths[n++] = path;
    }

    cargo_arena_destroy(one);

    return n;
}


static cargo_rc_t
add(cargo_paths_t *set, const path_t *path)
{
    cargo_rc_t     rc;
    cargo_error_t  error;

    rc = cargo_paths_add(set, path->text, path->kind, &error);
    fuzz_check_result(rc, &error);

    return rc;
}


static int
add_in_order(const path_t *paths, const size_t *order, size_t n)
{
    int             fine;
    size_t          i;
    cargo_str_t     path;
    cargo_paths_t  *set;
    cargo_arena_t  *arena;

    arena = fuzz_arena();
    set = cargo_paths_create(arena, root, UINT64_MAX - 1);
    fuzz_check(set != NULL);

    fine = 1;

    for (i = 0; i < n && fine; i++) {
        fine = (add(set, &paths[order[i]]) == CARGO_OK);
    }

    for (i = 0; i < n && fine; i++) {
        path = below_root(paths[i].text);
        fuzz_check(cargo_paths_has(set, path)
                   == (paths[i].kind == CARGO_PATH_FILE));

        while (path.len && path.data[--path.len] != '/') { /* void */ }

        path = fuzz_copy(path.data, path.len);
        fuzz_check(!cargo_paths_has(set, path));
    }

    cargo_arena_destroy(arena);

    return fine;
}


/* by comparing texts, and not their hashes */

static int
conflict(const path_t *a, const path_t *b)
{
    size_t       i, len;
    cargo_str_t  x, y;

    len = a->text.len < b->text.len ? a->text.len : b->text.len;

    /* each component that is the first at the same place of both */

    for (i = 0; i <= len; i++) {

        if ((i < a->text.len && a->text.data[i] != '/')
            || (i < b->text.len && b->text.data[i] != '/'))
        {
            if (i == len || a->text.data[i] == '/' || b->text.data[i] == '/') {
                /* one component goes on where the other ends */
                return 0;
            }

            continue;
        }

        x = a->text;
        y = b->text;
        x.len = i;
        y.len = i;

        if (!cargo_path_equal_folded(x, y)) {
            return 0;
        }

        if (!cargo_str_equal(x, y)) {
            return 1;
        }

        if (i == a->text.len || i == b->text.len) {
            break;
        }
    }

    /* the same path twice, or one that is the other's parent */

    if (a->text.len == b->text.len) {
        return 1;
    }

    return (a->text.len < b->text.len ? a : b)->kind == CARGO_PATH_FILE;
}


/* nothing that unpacks elsewhere, or to nothing, on any system */

static void
check_safe(cargo_str_t path)
{
    size_t       i;
    cargo_str_t  component;

    fuzz_check(cargo_utf8_valid(path.data, path.len));
    fuzz_check(path.data[path.len - 1] != '/');

    for (i = 0; i < path.len; i++) {
        fuzz_check(path.data[i] >= ' ' && path.data[i] != 0x7f);
        fuzz_check(!strchr("\\:*?\"<>|", path.data[i]));
    }

    path = below_root(path);

    while (path.len) {
        component = path;

        while (component.len && memchr(component.data, '/', component.len)) {
            component.len--;
        }

        fuzz_check(component.len > 0 && component.len <= 255);
        fuzz_check(component.data[component.len - 1] != '.'
                   && component.data[component.len - 1] != ' ');

        i = component.len + (component.len < path.len);
        path.data += i;
        path.len -= i;
    }
}


static cargo_str_t
below_root(cargo_str_t path)
{
    path.data += root.len + 1;
    path.len -= root.len + 1;

    return path;
}
