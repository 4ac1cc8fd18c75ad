
/*
 * What every file of core/ shares: strings, results, refusals, memory.
 *
 * core/ is plain C11.  It knows bytes and the rules about bytes; it knows
 * neither nginx nor libpq and keeps no global state, so any thread may call
 * it.  But for cargo_blob.h it knows no files either and never blocks.
 *
 * Memory: results live in the cargo_arena_t that the caller passes in and
 * die with it; nothing else is freed by hand.  Values of type json_t follow
 * jansson's reference counts and are owned as each function says.
 *
 * Always true: a cargo_str_t carries its length and need not end in NUL;
 * CARGO_REFUSED means that the input broke a rule and that the cargo_error_t
 * says which in words fit for the person who runs cargo; CARGO_NO_MEMORY
 * means that an allocation failed and that cargo_error_t was not touched.
 */


#ifndef CARGO_CORE_H
#define CARGO_CORE_H


#include <stddef.h>
#include <stdint.h>


typedef struct {
    size_t          len;
    unsigned char  *data;
} cargo_str_t;


#define cargo_string(text)                                                    \
    { sizeof(text) - 1, (unsigned char *) text }

#define CARGO_STR_FMT       "%.*s"
#define cargo_str_arg(s)    (int) (s).len, (const char *) (s).data


typedef enum {
    CARGO_OK = 0,
    CARGO_REFUSED,
    CARGO_NO_MEMORY
} cargo_rc_t;


#define CARGO_ERROR_DETAIL  1024

typedef struct {
    unsigned        status;                     /* HTTP status */
    char            detail[CARGO_ERROR_DETAIL]; /* UTF-8, ends in NUL */
} cargo_error_t;


/*
 * Fills in the error and returns CARGO_REFUSED, so that a check can end in
 * "return cargo_refuse(...)".  What is too long is cut at a character; bytes
 * that are not printable UTF-8 become '?', since names and paths in the text
 * come from the client.
 */
cargo_rc_t cargo_refuse(cargo_error_t *error, unsigned status,
    const char *format, ...) __attribute__((format(printf, 3, 4)));


/*
 * An arena hands out memory that is freed all at once.  The host supplies
 * malloc and free (NULL: libc's), which is also how the tests let the n-th
 * allocation fail.
 */
typedef struct {
    void         *(*alloc)(void *data, size_t size);
    void          (*free)(void *data, void *p);
    void           *data;
} cargo_allocator_t;

typedef struct cargo_arena_s  cargo_arena_t;

cargo_arena_t *cargo_arena_create(const cargo_allocator_t *allocator);
void cargo_arena_destroy(cargo_arena_t *arena);

/* aligned for any type; NULL when the allocator has no more */
void *cargo_arena_alloc(cargo_arena_t *arena, size_t size);

/* a copy that ends in NUL (not counted in len); data is NULL on failure */
cargo_str_t cargo_arena_copy(cargo_arena_t *arena, const void *data,
    size_t len);

/* length and text of a printf-like format; data is NULL on failure */
cargo_str_t cargo_arena_printf(cargo_arena_t *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));


/* 1 when the bytes are well-formed UTF-8 (RFC 3629), else 0 */
int cargo_utf8_valid(const unsigned char *p, size_t len);

int cargo_str_equal(cargo_str_t a, cargo_str_t b);

#define CARGO_SHA256  32

/* CARGO_SHA256 bytes; for one thread alone.  -1: OpenSSL fails */
int cargo_sha256(cargo_str_t data, unsigned char *hash);


#endif /* CARGO_CORE_H */
