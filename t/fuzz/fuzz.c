
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>


/* what the arena asks malloc() for, and does not share out with others */
#define FUZZ_BLOCK  1040


/* before each block, so that freeing it says how much it was */
typedef union {
    size_t          size;
    max_align_t     align;
} fuzz_block_t;


static void *fuzz_alloc(void *data, size_t size);
static void fuzz_free(void *data, void *p);
static int fuzz_sentence(const char *text);


static size_t    fuzz_used;
static size_t    fuzz_max;
static uint64_t  fuzz_state;


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

    fuzz_max = max;
    fuzz_used = 0;
    fuzz_state = UINT64_C(0xcbf29ce484222325);

    for (i = 0; i < size; i++) {
        fuzz_state = (fuzz_state ^ data[i]) * UINT64_C(0x100000001b3);
    }

    return fuzz_arena();
}


void
fuzz_end(cargo_arena_t *arena)
{
    cargo_arena_destroy(arena);
    fuzz_check(fuzz_used == 0);
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


cargo_str_t
fuzz_line(cargo_arena_t *arena, cargo_str_t *rest)
{
    size_t                len;
    cargo_str_t           line = { 0, NULL };
    const unsigned char  *newline;

    if (rest->data == NULL) {
        return line;
    }

    newline = rest->len ? memchr(rest->data, '\n', rest->len) : NULL;
    len = newline ? (size_t) (newline - rest->data) : rest->len;

    line = fuzz_copy(arena, rest->data, len);

    rest->data = newline ? rest->data + len + 1 : NULL;
    rest->len = newline ? rest->len - len - 1 : 0;

    return line;
}


cargo_str_t
fuzz_copy(cargo_arena_t *arena, const void *data, size_t len)
{
    size_t       room;
    cargo_str_t  copy;

    room = len < FUZZ_BLOCK ? FUZZ_BLOCK : (len + sizeof(max_align_t) - 1)
                                           & ~(sizeof(max_align_t) - 1);

    copy.data = cargo_arena_alloc(arena, room);
    fuzz_check(copy.data != NULL);

    copy.data += room - len;
    copy.len = len;

    if (len) {
        memcpy(copy.data, data, len);
    }

    return copy;
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
    fuzz_block_t  *block;

    (void) data;

    fuzz_used += size;
    fuzz_check(fuzz_used <= fuzz_max);

    block = malloc(sizeof(fuzz_block_t) + size);
    fuzz_check(block != NULL);

    block->size = size;

    return block + 1;
}


static void
fuzz_free(void *data, void *p)
{
    fuzz_block_t  *block;

    (void) data;

    block = (fuzz_block_t *) p - 1;
    fuzz_used -= block->size;
    free(block);
}
