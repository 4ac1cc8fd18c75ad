
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/rand.h>
#include <sanitizer/asan_interface.h>


/*
 * Where the blocks are, one behind the other and none twice in a run: ASan's
 * malloc() was a quarter of the time of some targets, and most of it where it
 * maps a large block each time.  What is between them, not yet given or given
 * back is poisoned.
 */
#define FUZZ_POOL     (4 * 1024 * 1024)
#define FUZZ_REDZONE  64

/* of a block, so that what was not set is the same in each run */
#define FUZZ_FILL     4096


/* before each block, so that freeing it says how much it was */
typedef union {
    size_t          size;
    max_align_t     align;
} fuzz_block_t;

typedef struct fuzz_copy_s  fuzz_copy_t;

struct fuzz_copy_s {
    fuzz_copy_t    *next;
    unsigned char   data[];
};


static void *fuzz_alloc(void *data, size_t size);
static void fuzz_free(void *data, void *p);
static void *fuzz_json_alloc(size_t size);
static void fuzz_json_free(void *p);
static fuzz_block_t *fuzz_take(size_t size);
static void fuzz_give(fuzz_block_t *block);
static int fuzz_pooled(const fuzz_block_t *block);
static int fuzz_sentence(const char *text);


static size_t         fuzz_used;        /* bytes in arenas and copies */
static size_t         fuzz_max;
static size_t         fuzz_json_used;   /* bytes */
static uint64_t       fuzz_state;
static fuzz_copy_t   *fuzz_copies;
static fuzz_block_t  *fuzz_pool;
static size_t         fuzz_next;        /* bytes of the pool that were given */


void
fuzz_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: not true: %s\n", file, line, condition);
    abort();
}


cargo_arena_t *
fuzz_begin(const unsigned char *data, size_t size, size_t max)
{
    size_t  i;

    if (fuzz_pool == NULL) {
        fuzz_pool = malloc(FUZZ_POOL);
        fuzz_check(fuzz_pool != NULL);
        ASAN_POISON_MEMORY_REGION(fuzz_pool, FUZZ_POOL);
        json_set_alloc_funcs(fuzz_json_alloc, fuzz_json_free);
    }

    fuzz_max = max;
    fuzz_used = 0;
    fuzz_next = 0;
    fuzz_state = UINT64_C(0xcbf29ce484222325);

    for (i = 0; i < size; i++) {
        fuzz_state = (fuzz_state ^ data[i]) * UINT64_C(0x100000001b3);
    }

    return fuzz_arena();
}


void
fuzz_end(cargo_arena_t *arena)
{
    fuzz_copy_t  *copy;

    while (fuzz_copies) {
        copy = fuzz_copies;
        fuzz_copies = copy->next;
        fuzz_free(NULL, copy);
    }

    cargo_arena_destroy(arena);
    fuzz_check(fuzz_used == 0 && fuzz_json_used == 0);
}


cargo_arena_t *
fuzz_arena(void)
{
    const cargo_allocator_t  allocator = { fuzz_alloc, fuzz_free, NULL };

    return cargo_arena_create(&allocator);
}


/* splitmix64 */

size_t
fuzz_random(size_t n)
{
    uint64_t  x;

    x = fuzz_state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);

    return (size_t) ((x ^ (x >> 31)) % n);
}


size_t
fuzz_cut(fuzz_cut_t cut, size_t left)
{
    switch (cut) {

    case FUZZ_WHOLE:
        return left;

    case FUZZ_BYTES:
        return 1;

    default:
        return 1 + fuzz_random(fuzz_random(4) && left > 16 ? 16 : left);
    }
}


/* in the place of the system's, which are never the same, and slow */

int
getentropy(void *p, size_t len)
{
    unsigned char  *byte;

    for (byte = p; len; len--) {
        *byte++ = (unsigned char) fuzz_random(256);
    }

    return 0;
}


int
RAND_bytes(unsigned char *p, int len)
{
    return getentropy(p, (size_t) len) == 0;
}


cargo_str_t
fuzz_copy(const void *data, size_t len)
{
    cargo_str_t   text;
    fuzz_copy_t  *copy;

    copy = fuzz_alloc(NULL, sizeof(fuzz_copy_t) + len);

    copy->next = fuzz_copies;
    fuzz_copies = copy;

    text.data = copy->data;
    text.len = len;

    if (len) {
        memcpy(text.data, data, len);
    }

#ifdef FUZZ_MUTATE
    fuzz_check(__asan_address_is_poisoned(text.data + len));
#endif

    return text;
}


cargo_str_t
fuzz_line(cargo_str_t *rest)
{
    size_t                len;
    cargo_str_t           line = { 0, NULL };
    const unsigned char  *newline;

    if (rest->data == NULL) {
        return line;
    }

    newline = rest->len ? memchr(rest->data, '\n', rest->len) : NULL;
    len = newline ? (size_t) (newline - rest->data) : rest->len;

    line = fuzz_copy(rest->data, len);

    rest->data = newline ? rest->data + len + 1 : NULL;
    rest->len = newline ? rest->len - len - 1 : 0;

    return line;
}


void
fuzz_check_result(cargo_rc_t rc, const cargo_error_t *error)
{
    fuzz_check(rc == CARGO_OK || rc == CARGO_REFUSED);

    if (rc == CARGO_REFUSED) {
        fuzz_check(error->status >= 400 && error->status < 500);
        fuzz_check(fuzz_sentence(error->detail));
    }
}


int
fuzz_same_error(const cargo_error_t *a, const cargo_error_t *b)
{
    return a->status == b->status && strcmp(a->detail, b->detail) == 0;
}


static int
fuzz_sentence(const char *text)
{
    size_t  i, len;

    len = strlen(text);

    if (len == 0 || !cargo_utf8_valid((const unsigned char *) text, len)) {
        return 0;
    }

    for (i = 0; i < len; i++) {
        if ((text[i] > 0 && text[i] < ' ' && text[i] != '\n')
            || text[i] == 0x7f)
        {
            return 0;
        }
    }

    return 1;
}


static void *
fuzz_alloc(void *data, size_t size)
{
    (void) data;

    fuzz_used += size;
    fuzz_check(fuzz_used <= fuzz_max);

    return fuzz_take(size) + 1;
}


static void
fuzz_free(void *data, void *p)
{
    fuzz_block_t  *block;

    (void) data;

    block = (fuzz_block_t *) p - 1;
    fuzz_used -= block->size;
    fuzz_give(block);
}


static void *
fuzz_json_alloc(size_t size)
{
    fuzz_json_used += size;

    return fuzz_take(size) + 1;
}


static void
fuzz_json_free(void *p)
{
    fuzz_block_t  *block;

    if (p) {
        block = (fuzz_block_t *) p - 1;
        fuzz_json_used -= block->size;
        fuzz_give(block);
    }
}


static fuzz_block_t *
fuzz_take(size_t size)
{
    size_t         room;
    fuzz_block_t  *block;

    room = (sizeof(fuzz_block_t) + size + FUZZ_REDZONE)
           / sizeof(fuzz_block_t) * sizeof(fuzz_block_t);

    if (room <= FUZZ_POOL - fuzz_next) {
        block = fuzz_pool + fuzz_next / sizeof(fuzz_block_t);
        fuzz_next += room;
        ASAN_UNPOISON_MEMORY_REGION(block, sizeof(fuzz_block_t) + size);

    } else {
        block = malloc(sizeof(fuzz_block_t) + size);
        fuzz_check(block != NULL);
    }

    block->size = size;
    memset(block + 1, 0xbe, size < FUZZ_FILL ? size : FUZZ_FILL);

    return block;
}


static void
fuzz_give(fuzz_block_t *block)
{
    if (fuzz_pooled(block)) {
        ASAN_POISON_MEMORY_REGION(block, sizeof(fuzz_block_t) + block->size);

    } else {
        free(block);
    }
}


static int
fuzz_pooled(const fuzz_block_t *block)
{
    return (uintptr_t) block - (uintptr_t) fuzz_pool < FUZZ_POOL;
}
