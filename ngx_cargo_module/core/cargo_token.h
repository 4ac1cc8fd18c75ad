
/*
 * API tokens: their text, and how they arrive in an Authorization header.
 *
 * A token is "ngxcargo_", 32 random characters of base62 (190 bits) and 6
 * characters of base62 that are the CRC-32 of all before them.  The prefix
 * and the checksum let secret scanners find leaked tokens without asking
 * anybody (pattern: ngxcargo_[0-9A-Za-z]{38}).
 *
 * Always true: a token's text is shown once, when it is made, and is never
 * stored or logged; everything else works with its SHA-256.
 */


#ifndef CARGO_TOKEN_H
#define CARGO_TOKEN_H


#include "cargo_core.h"


#define CARGO_TOKEN_PREFIX  "ngxcargo_"
#define CARGO_TOKEN_LEN     (sizeof(CARGO_TOKEN_PREFIX) - 1 + 32 + 6)
#define CARGO_TOKEN_HASH    32      /* bytes */


/* writes CARGO_TOKEN_LEN bytes and a NUL; -1 when there is no randomness */
int cargo_token_generate(char *token);

/* 1 when prefix, alphabet, length and checksum are right */
int cargo_token_wellformed(cargo_str_t token);

/*
 * SHA-256 of the whole text; -1 when libcrypto fails.  By one thread of a
 * process: it keeps what it works with.
 */
int cargo_token_hash(cargo_str_t token, unsigned char *hash);

/*
 * The token in an Authorization value: bare (what cargo sends), "Bearer t",
 * or "Basic b64(user:t)"; scheme names in any case, white space around it
 * trimmed.  The token is a slice of the header or, for Basic, lives in the
 * arena.  401 for another scheme, for bytes outside visible ASCII and for
 * base64 that does not decode.  The token need not be well formed.
 */
cargo_rc_t cargo_token_of_authorization(cargo_arena_t *arena,
    cargo_str_t header, cargo_str_t *token, cargo_error_t *error);


#endif /* CARGO_TOKEN_H */
