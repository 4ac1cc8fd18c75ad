
/*
 * SipHash-2-4 with 64 bits of result (Aumasson and Bernstein, 2012).
 *
 * For tables whose keys a client chooses: without the secret key no one can
 * make keys that collide.
 */


#ifndef CARGO_SIPHASH_H
#define CARGO_SIPHASH_H


#include <stddef.h>
#include <stdint.h>


#define CARGO_SIPHASH_KEY  16


uint64_t cargo_siphash(const unsigned char key[CARGO_SIPHASH_KEY],
    const unsigned char *p, size_t len);


#endif /* CARGO_SIPHASH_H */
