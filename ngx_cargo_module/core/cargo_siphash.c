
#include "cargo_siphash.h"


#define cargo_rotate(x, bits)  ((x) << (bits) | (x) >> (64 - (bits)))


typedef struct {
    uint64_t        a;
    uint64_t        b;
    uint64_t        c;
    uint64_t        d;
} cargo_siphash_t;


static inline uint64_t cargo_siphash_word(const unsigned char *p);
static uint64_t cargo_siphash_last(const unsigned char *p, size_t len);
static inline void cargo_siphash_round(cargo_siphash_t *s);


uint64_t
cargo_siphash(const unsigned char key[CARGO_SIPHASH_KEY],
    const unsigned char *p, size_t len)
{
    uint64_t         k0, k1, word, length;
    cargo_siphash_t  s;

    k0 = cargo_siphash_word(key);
    k1 = cargo_siphash_word(key + 8);

    s.a = k0 ^ UINT64_C(0x736f6d6570736575);
    s.b = k1 ^ UINT64_C(0x646f72616e646f6d);
    s.c = k0 ^ UINT64_C(0x6c7967656e657261);
    s.d = k1 ^ UINT64_C(0x7465646279746573);

    length = (uint64_t) len << 56;

    for ( /* void */ ; len >= 8; p += 8, len -= 8) {
        word = cargo_siphash_word(p);

        s.d ^= word;
        cargo_siphash_round(&s);
        cargo_siphash_round(&s);
        s.a ^= word;
    }

    word = cargo_siphash_last(p, len) | length;

    s.d ^= word;
    cargo_siphash_round(&s);
    cargo_siphash_round(&s);
    s.a ^= word;

    s.c ^= 0xff;
    cargo_siphash_round(&s);
    cargo_siphash_round(&s);
    cargo_siphash_round(&s);
    cargo_siphash_round(&s);

    return s.a ^ s.b ^ s.c ^ s.d;
}


/* written out, since compilers make one load of it */

static inline uint64_t
cargo_siphash_word(const unsigned char *p)
{
    return (uint64_t) p[0]
           | (uint64_t) p[1] << 8
           | (uint64_t) p[2] << 16
           | (uint64_t) p[3] << 24
           | (uint64_t) p[4] << 32
           | (uint64_t) p[5] << 40
           | (uint64_t) p[6] << 48
           | (uint64_t) p[7] << 56;
}


static uint64_t
cargo_siphash_last(const unsigned char *p, size_t len)
{
    size_t    i;
    uint64_t  word;

    word = 0;

    for (i = 0; i < len; i++) {
        word |= (uint64_t) p[i] << (8 * i);
    }

    return word;
}


static inline void
cargo_siphash_round(cargo_siphash_t *s)
{
    s->a += s->b;
    s->c += s->d;
    s->b = cargo_rotate(s->b, 13) ^ s->a;
    s->d = cargo_rotate(s->d, 16) ^ s->c;
    s->a = cargo_rotate(s->a, 32);

    s->c += s->b;
    s->a += s->d;
    s->b = cargo_rotate(s->b, 17) ^ s->c;
    s->d = cargo_rotate(s->d, 21) ^ s->a;
    s->c = cargo_rotate(s->c, 32);
}
