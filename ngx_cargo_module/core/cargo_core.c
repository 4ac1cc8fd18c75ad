
#include "cargo_core.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>


#define CARGO_ARENA_BLOCK  4096


typedef struct cargo_arena_block_s  cargo_arena_block_t;

struct cargo_arena_block_s {
    cargo_arena_block_t  *next;
    max_align_t           data[];
};


struct cargo_arena_s {
    cargo_allocator_t     allocator;
    cargo_arena_block_t  *blocks;
    unsigned char        *free;
    size_t                left;
};


static void *cargo_libc_alloc(void *data, size_t size);
static void cargo_libc_free(void *data, void *p);
static size_t cargo_utf8_char(const unsigned char *p, size_t len);
static void cargo_make_printable(char *text);


cargo_arena_t *
cargo_arena_create(const cargo_allocator_t *allocator)
{
    cargo_arena_t            *arena;
    static cargo_allocator_t  libc = { cargo_libc_alloc, cargo_libc_free,
                                       NULL };

    if (allocator == NULL) {
        allocator = &libc;
    }

    arena = allocator->alloc(allocator->data, sizeof(cargo_arena_t));
    if (arena == NULL) {
        return NULL;
    }

    arena->allocator = *allocator;
    arena->blocks = NULL;
    arena->free = NULL;
    arena->left = 0;

    return arena;
}


void
cargo_arena_destroy(cargo_arena_t *arena)
{
    cargo_allocator_t     allocator;
    cargo_arena_block_t  *block, *next;

    allocator = arena->allocator;

    for (block = arena->blocks; block; block = next) {
        next = block->next;
        allocator.free(allocator.data, block);
    }

    allocator.free(allocator.data, arena);
}


void *
cargo_arena_alloc(cargo_arena_t *arena, size_t size)
{
    void                 *p;
    size_t                room;
    cargo_arena_block_t  *block;

    if (size > SIZE_MAX / 2) {
        return NULL;
    }

    if (size == 0) {
        /* NULL would look like a failure */
        size = 1;
    }

    size = (size + sizeof(max_align_t) - 1) & ~(sizeof(max_align_t) - 1);

    if (size <= arena->left) {
        p = arena->free;
        arena->free += size;
        arena->left -= size;
        return p;
    }

    room = (size > CARGO_ARENA_BLOCK / 4) ? size : CARGO_ARENA_BLOCK;

    block = arena->allocator.alloc(arena->allocator.data,
                                   offsetof(cargo_arena_block_t, data) + room);
    if (block == NULL) {
        return NULL;
    }

    block->next = arena->blocks;
    arena->blocks = block;

    p = block->data;

    if (room > size) {
        arena->free = (unsigned char *) p + size;
        arena->left = room - size;
    }

    return p;
}


cargo_str_t
cargo_arena_copy(cargo_arena_t *arena, const void *data, size_t len)
{
    cargo_str_t  copy = { 0, NULL };

    copy.data = cargo_arena_alloc(arena, len + 1);
    if (copy.data == NULL) {
        return copy;
    }

    if (len) {
        memcpy(copy.data, data, len);
    }

    copy.data[len] = '\0';
    copy.len = len;

    return copy;
}


cargo_str_t
cargo_arena_printf(cargo_arena_t *arena, const char *format, ...)
{
    int          n;
    va_list      args;
    cargo_str_t  text = { 0, NULL };

    va_start(args, format);
    n = vsnprintf(NULL, 0, format, args);
    va_end(args);

    if (n < 0) {
        return text;
    }

    text.data = cargo_arena_alloc(arena, (size_t) n + 1);
    if (text.data == NULL) {
        return text;
    }

    va_start(args, format);
    (void) vsnprintf((char *) text.data, (size_t) n + 1, format, args);
    va_end(args);

    text.len = (size_t) n;

    return text;
}


cargo_rc_t
cargo_refuse(cargo_error_t *error, unsigned status, const char *format, ...)
{
    va_list  args;

    error->status = status;

    va_start(args, format);
    (void) vsnprintf(error->detail, sizeof(error->detail), format, args);
    va_end(args);

    cargo_make_printable(error->detail);

    return CARGO_REFUSED;
}


int
cargo_utf8_valid(const unsigned char *p, size_t len)
{
    size_t  n;

    while (len) {
        n = cargo_utf8_char(p, len);
        if (n == 0) {
            return 0;
        }

        p += n;
        len -= n;
    }

    return 1;
}


int
cargo_str_equal(cargo_str_t a, cargo_str_t b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}


/* the length of the character at p, 0 when it is not one (RFC 3629) */

static size_t
cargo_utf8_char(const unsigned char *p, size_t len)
{
    size_t         n, i;
    unsigned char  low, high;

    if (p[0] < 0x80) {
        return 1;
    }

    low = 0x80;
    high = 0xbf;

    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        n = 2;

    } else if (p[0] >= 0xe0 && p[0] <= 0xef) {
        n = 3;
        low = (p[0] == 0xe0) ? 0xa0 : 0x80;
        high = (p[0] == 0xed) ? 0x9f : 0xbf;

    } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        n = 4;
        low = (p[0] == 0xf0) ? 0x90 : 0x80;
        high = (p[0] == 0xf4) ? 0x8f : 0xbf;

    } else {
        return 0;
    }

    if (len < n || p[1] < low || p[1] > high) {
        return 0;
    }

    for (i = 2; i < n; i++) {
        if (p[i] < 0x80 || p[i] > 0xbf) {
            return 0;
        }
    }

    return n;
}


static void
cargo_make_printable(char *text)
{
    int             cut;
    size_t          n, left;
    unsigned char  *p;

    p = (unsigned char *) text;
    left = strlen(text);
    cut = (left == CARGO_ERROR_DETAIL - 1);

    while (left) {
        n = cargo_utf8_char(p, left);

        if (n == 0 && cut && left < 4 && *p >= 0xc2) {
            /* a character that the buffer's end has cut */
            *p = '\0';
            return;
        }

        if (n == 0 || (n == 1 && (*p == 0x7f || (*p < 0x20 && *p != '\n')))) {
            *p = '?';
            n = 1;
        }

        p += n;
        left -= n;
    }
}


static void *
cargo_libc_alloc(void *data, size_t size)
{
    (void) data;

    return malloc(size);
}


static void
cargo_libc_free(void *data, void *p)
{
    (void) data;

    free(p);
}


/* a context that has its algorithm costs a third of one that looks for it */

int
cargo_sha256(cargo_str_t data, unsigned char *hash)
{
    int                 rc;
    static EVP_MD_CTX  *ctx;

    if (ctx == NULL) {
        ctx = EVP_MD_CTX_new();

        if (ctx == NULL || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1) {
            EVP_MD_CTX_free(ctx);
            ctx = NULL;
            return -1;
        }
    }

    rc = EVP_DigestUpdate(ctx, data.data, data.len) == 1
         && EVP_DigestFinal_ex(ctx, hash, NULL) == 1;

    /* ready for the next one, and nothing of this one left in it */

    if (EVP_DigestInit_ex(ctx, NULL, NULL) != 1 || !rc) {
        EVP_MD_CTX_free(ctx);
        ctx = NULL;
    }

    return rc ? 0 : -1;
}
