
#include "cargo_paths.h"

#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

#include "cargo_siphash.h"


#define CARGO_PATHS_FIRST      64   /* slots, a power of two */
#define CARGO_PATHS_KIND       3    /* mask of the kind in "exact" */

/* of a path in the text of a refusal, which has to end with the reason */
#define CARGO_PATH_QUOTED_MAX  512

#define cargo_path_arg(path)                                                  \
    (int) ((path).len < CARGO_PATH_QUOTED_MAX ? (path).len                    \
                                              : CARGO_PATH_QUOTED_MAX),       \
    (const char *) (path).data


/* a free slot is all zero: no kind is 0 */
typedef struct {
    uint64_t        folded;
    uint64_t        exact;
} cargo_path_t;


struct cargo_paths_s {
    cargo_arena_t  *arena;
    cargo_str_t     root;
    uint64_t        max;
    size_t          count;
    size_t          size;
    cargo_path_t   *slots;
    unsigned char   key[CARGO_SIPHASH_KEY];
};


static cargo_str_t cargo_path_component(cargo_str_t *rest);
static const char *cargo_path_unfit(cargo_str_t component);
static const char *cargo_path_unfit_byte(cargo_str_t component);
static int cargo_path_reserved(cargo_str_t component);
static cargo_rc_t cargo_paths_check(const cargo_paths_t *paths,
    cargo_str_t path, cargo_error_t *error);
static cargo_path_t cargo_paths_child(const cargo_paths_t *paths,
    cargo_path_t parent, cargo_str_t component);
static cargo_rc_t cargo_paths_insert(cargo_paths_t *paths, cargo_path_t hash,
    cargo_path_kind_t kind, cargo_str_t path, cargo_error_t *error);
static cargo_rc_t cargo_paths_meet(cargo_path_t *slot, cargo_path_t hash,
    cargo_path_kind_t kind, cargo_str_t path, cargo_error_t *error);
static cargo_path_t *cargo_paths_slot(cargo_path_t *slots, size_t size,
    uint64_t folded);
static cargo_rc_t cargo_paths_grow(cargo_paths_t *paths);
static unsigned char cargo_path_lower(unsigned char c);


/* names of devices on Windows, with any extension */
static const cargo_str_t  cargo_path_devices[] = {
    cargo_string("con"),
    cargo_string("prn"),
    cargo_string("aux"),
    cargo_string("nul"),
    cargo_string("conin$"),
    cargo_string("conout$")
};

static const cargo_str_t  cargo_path_source_lock = cargo_string(".cargo-ok");


cargo_paths_t *
cargo_paths_create(cargo_arena_t *arena, cargo_str_t root, uint64_t max)
{
    cargo_paths_t  *paths;

    paths = cargo_arena_alloc(arena, sizeof(cargo_paths_t));
    if (paths == NULL) {
        return NULL;
    }

    memset(paths, 0, sizeof(cargo_paths_t));

    paths->arena = arena;
    paths->max = max;

    paths->root = cargo_arena_copy(arena, root.data, root.len);
    if (paths->root.data == NULL) {
        return NULL;
    }

    /* OpenSSL would make a generator for the thread, and seed it, for this */

    if (getentropy(paths->key, sizeof(paths->key)) != 0) {
        return NULL;
    }

    if (cargo_paths_grow(paths) != CARGO_OK) {
        return NULL;
    }

    return paths;
}


cargo_rc_t
cargo_paths_add(cargo_paths_t *paths, cargo_str_t path,
    cargo_path_kind_t kind, cargo_error_t *error)
{
    cargo_rc_t    rc;
    cargo_str_t   rest, component, parent;
    cargo_path_t  hash = { 0, 0 };

    rc = cargo_paths_check(paths, path, error);
    if (rc != CARGO_OK) {
        return rc;
    }

    rest = path;

    while (rest.data) {
        component = cargo_path_component(&rest);
        hash = cargo_paths_child(paths, hash, component);

        parent.data = path.data;
        parent.len = (size_t) (component.data - path.data) + component.len;

        rc = cargo_paths_insert(paths, hash,
                                rest.data ? CARGO_PATH_PARENT : kind,
                                parent, error);
        if (rc != CARGO_OK) {
            return rc;
        }
    }

    return CARGO_OK;
}


int
cargo_paths_has(const cargo_paths_t *paths, cargo_str_t path)
{
    cargo_str_t          component;
    cargo_path_t         hash = { 0, 0 };
    const cargo_path_t  *slot;

    hash = cargo_paths_child(paths, hash, paths->root);

    while (path.data) {
        component = cargo_path_component(&path);

        if (component.len > CARGO_PATH_COMPONENT_MAX) {
            return 0;
        }

        hash = cargo_paths_child(paths, hash, component);
    }

    slot = cargo_paths_slot(paths->slots, paths->size, hash.folded);

    return slot->exact == ((hash.exact & ~(uint64_t) CARGO_PATHS_KIND)
                           | CARGO_PATH_FILE);
}


int
cargo_path_equal_folded(cargo_str_t a, cargo_str_t b)
{
    size_t  i;

    if (a.len != b.len) {
        return 0;
    }

    for (i = 0; i < a.len; i++) {
        if (cargo_path_lower(a.data[i]) != cargo_path_lower(b.data[i])) {
            return 0;
        }
    }

    return 1;
}


/* takes the first component off rest, whose data is NULL after the last */

static cargo_str_t
cargo_path_component(cargo_str_t *rest)
{
    cargo_str_t           component;
    const unsigned char  *slash;

    component = *rest;

    slash = rest->len ? memchr(rest->data, '/', rest->len) : NULL;

    if (slash == NULL) {
        rest->data = NULL;
        rest->len = 0;
        return component;
    }

    component.len = (size_t) (slash - rest->data);
    rest->data += component.len + 1;
    rest->len -= component.len + 1;

    return component;
}


static cargo_rc_t
cargo_paths_check(const cargo_paths_t *paths, cargo_str_t path,
    cargo_error_t *error)
{
    size_t       depth;
    const char  *reason;
    cargo_str_t  rest, component;

    rest = path;
    reason = NULL;

    component = cargo_path_component(&rest);

    if (!cargo_str_equal(component, paths->root)) {
        return cargo_refuse(error, 400, "invalid path found: " CARGO_STR_FMT,
                            cargo_path_arg(path));
    }

    if (!cargo_utf8_valid(path.data, path.len)) {
        reason = "it is not UTF-8";
    }

    for (depth = 1; rest.data && reason == NULL; depth++) {
        component = cargo_path_component(&rest);

        if (component.len == 2 && memcmp(component.data, "..", 2) == 0) {
            return cargo_refuse(error, 400,
                                "invalid path found: " CARGO_STR_FMT,
                                cargo_path_arg(path));
        }

        reason = cargo_path_unfit(component);

        if (depth == 1
            && cargo_path_equal_folded(component, cargo_path_source_lock))
        {
            reason = "cargo keeps a file of its own by this name";
        }

        if (depth > CARGO_PATH_DEPTH_MAX) {
            reason = "it has more than 64 components below the root";
        }
    }

    if (reason) {
        return cargo_refuse(error, 400, "invalid path found: " CARGO_STR_FMT
                            ": %s", cargo_path_arg(path), reason);
    }

    return CARGO_OK;
}


static const char *
cargo_path_unfit(cargo_str_t component)
{
    unsigned char  last;

    if (component.len == 0) {
        return "it has an empty component (\"//\" or \"/\" at the end)";
    }

    if (component.len > CARGO_PATH_COMPONENT_MAX) {
        return "it has a component of more than 255 bytes";
    }

    last = component.data[component.len - 1];

    if (component.len == 1 && last == '.') {
        return "it has a \".\" component";
    }

    if (last == '.' || last == ' ') {
        return "it has a component that ends in a dot or space, which "
               "Windows would cut off";
    }

    if (cargo_path_reserved(component)) {
        return "it has a component that is the name of a device on Windows; "
               "rename the file";
    }

    return cargo_path_unfit_byte(component);
}


static const char *
cargo_path_unfit_byte(cargo_str_t component)
{
    size_t         i;
    unsigned char  c;

    for (i = 0; i < component.len; i++) {
        c = component.data[i];

        /* C1, the second block of control characters, begins with 0xc2 */

        if (c < 0x20 || c == 0x7f
            || (c == 0xc2 && i + 1 < component.len
                && component.data[i + 1] < 0xa0))
        {
            return "it has a control character";
        }

        /* cargo refuses to package these, except for the backslash on Unix */

        if (strchr("\\<>:\"|?*", c)) {
            return "it has one of the characters \\ < > : \" | ? * that are "
                   "not allowed on Windows; rename the file";
        }
    }

    return NULL;
}


static int
cargo_path_reserved(cargo_str_t component)
{
    size_t                i;
    cargo_str_t           base, port;
    const unsigned char  *dot;
    const cargo_str_t     com = cargo_string("com"),
                          lpt = cargo_string("lpt");

    base = component;

    dot = memchr(base.data, '.', base.len);
    if (dot) {
        base.len = (size_t) (dot - base.data);
    }

    while (base.len && base.data[base.len - 1] == ' ') {
        base.len--;
    }

    for (i = 0; i < sizeof(cargo_path_devices) / sizeof(cargo_str_t); i++) {
        if (cargo_path_equal_folded(base, cargo_path_devices[i])) {
            return 1;
        }
    }

    port = base;
    port.len = 3;

    if (base.len < 4 || (!cargo_path_equal_folded(port, com)
                         && !cargo_path_equal_folded(port, lpt)))
    {
        return 0;
    }

    if (base.len == 4) {
        return base.data[3] >= '1' && base.data[3] <= '9';
    }

    /* Windows takes the superscripts one, two and three for digits */

    return base.len == 5 && base.data[3] == 0xc2
           && (base.data[4] == 0xb9 || base.data[4] == 0xb2
               || base.data[4] == 0xb3);
}


static cargo_path_t
cargo_paths_child(const cargo_paths_t *paths, cargo_path_t parent,
    cargo_str_t component)
{
    size_t         i;
    cargo_path_t   child;
    unsigned char  text[sizeof(uint64_t) + CARGO_PATH_COMPONENT_MAX];

    memcpy(text, &parent.exact, sizeof(uint64_t));
    memcpy(text + sizeof(uint64_t), component.data, component.len);

    child.exact = cargo_siphash(paths->key, text,
                                sizeof(uint64_t) + component.len);

    memcpy(text, &parent.folded, sizeof(uint64_t));

    for (i = sizeof(uint64_t); i < sizeof(uint64_t) + component.len; i++) {
        text[i] = cargo_path_lower(text[i]);
    }

    child.folded = cargo_siphash(paths->key, text,
                                 sizeof(uint64_t) + component.len);

    return child;
}


static cargo_rc_t
cargo_paths_insert(cargo_paths_t *paths, cargo_path_t hash,
    cargo_path_kind_t kind, cargo_str_t path, cargo_error_t *error)
{
    cargo_rc_t     rc;
    cargo_path_t  *slot;

    slot = cargo_paths_slot(paths->slots, paths->size, hash.folded);

    if (slot->exact) {
        return cargo_paths_meet(slot, hash, kind, path, error);
    }

    /* the root, always the first, does not count */

    if (paths->count > paths->max) {
        return cargo_refuse(error, 400,
                            "uploaded tarball contains more than %" PRIu64
                            " files and directories", paths->max);
    }

    if (paths->count >= paths->size / 4 * 3) {
        rc = cargo_paths_grow(paths);
        if (rc != CARGO_OK) {
            return rc;
        }

        slot = cargo_paths_slot(paths->slots, paths->size, hash.folded);
    }

    slot->folded = hash.folded;
    slot->exact = (hash.exact & ~(uint64_t) CARGO_PATHS_KIND) | kind;
    paths->count++;

    return CARGO_OK;
}


static cargo_rc_t
cargo_paths_meet(cargo_path_t *slot, cargo_path_t hash,
    cargo_path_kind_t kind, cargo_str_t path, cargo_error_t *error)
{
    cargo_path_kind_t  known;

    known = slot->exact & CARGO_PATHS_KIND;

    if ((slot->exact ^ hash.exact) & ~(uint64_t) CARGO_PATHS_KIND) {
        return cargo_refuse(error, 400, "uploaded tarball contains `"
                            CARGO_STR_FMT "` and another path that differs "
                            "from it only in case", cargo_path_arg(path));
    }

    if ((known == CARGO_PATH_FILE) != (kind == CARGO_PATH_FILE)) {
        return cargo_refuse(error, 400, "uploaded tarball contains `"
                            CARGO_STR_FMT "` both as a file and as a "
                            "directory", cargo_path_arg(path));
    }

    if (kind == CARGO_PATH_PARENT) {
        return CARGO_OK;
    }

    if (known != CARGO_PATH_PARENT) {
        return cargo_refuse(error, 400, "uploaded tarball contains `"
                            CARGO_STR_FMT "` more than once",
                            cargo_path_arg(path));
    }

    slot->exact = (hash.exact & ~(uint64_t) CARGO_PATHS_KIND) | kind;

    return CARGO_OK;
}


/* the slot with this hash or the free one where it belongs */

static cargo_path_t *
cargo_paths_slot(cargo_path_t *slots, size_t size, uint64_t folded)
{
    size_t  i;

    i = (size_t) folded & (size - 1);

    while (slots[i].exact && slots[i].folded != folded) {
        i = (i + 1) & (size - 1);
    }

    return &slots[i];
}


static cargo_rc_t
cargo_paths_grow(cargo_paths_t *paths)
{
    size_t         i, size;
    cargo_path_t  *slots;

    size = paths->size ? paths->size * 2 : CARGO_PATHS_FIRST;

    slots = cargo_arena_alloc(paths->arena, size * sizeof(cargo_path_t));
    if (slots == NULL) {
        return CARGO_NO_MEMORY;
    }

    memset(slots, 0, size * sizeof(cargo_path_t));

    for (i = 0; i < paths->size; i++) {
        if (paths->slots[i].exact) {
            *cargo_paths_slot(slots, size, paths->slots[i].folded)
                = paths->slots[i];
        }
    }

    paths->slots = slots;
    paths->size = size;

    return CARGO_OK;
}


static unsigned char
cargo_path_lower(unsigned char c)
{
    return (c >= 'A' && c <= 'Z') ? (unsigned char) (c | 0x20) : c;
}
