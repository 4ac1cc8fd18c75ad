
#include "fuzz.h"

#include <string.h>

#include <openssl/sha.h>
#include <zlib.h>

#include "cargo_token.h"


#define CHECKSUM_LEN  6


static int wellformed(cargo_str_t token);
static void mend(cargo_str_t token);
static void check_one_wrong(cargo_str_t token);
static void check_hash(cargo_str_t token);


static const char  base62[] =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";


int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    cargo_str_t     token;
    cargo_arena_t  *arena;

    arena = fuzz_begin(data, size, 64 * 1024 + 1200 * size);

    token = fuzz_copy(data, size);

    fuzz_check(cargo_token_wellformed(token) == wellformed(token));

    /* what is long enough becomes one by another prefix and checksum */

    if (size >= CARGO_TOKEN_LEN) {
        token = fuzz_copy(data, CARGO_TOKEN_LEN);
        mend(token);

        fuzz_check(cargo_token_wellformed(token) == wellformed(token));

        if (wellformed(token)) {
            check_one_wrong(token);
            check_hash(token);
        }
    }

    fuzz_end(arena);

    return 0;
}


/* once more, from what the header says a token is */

static int
wellformed(cargo_str_t token)
{
    size_t         i;
    cargo_str_t    copy;
    unsigned char  text[CARGO_TOKEN_LEN];

    if (token.len != CARGO_TOKEN_LEN) {
        return 0;
    }

    for (i = sizeof(CARGO_TOKEN_PREFIX) - 1; i < token.len; i++) {
        if (token.data[i] == '\0' || !strchr(base62, token.data[i])) {
            return 0;
        }
    }

    memcpy(text, token.data, CARGO_TOKEN_LEN);
    copy.data = text;
    copy.len = CARGO_TOKEN_LEN;
    mend(copy);

    return cargo_str_equal(copy, token);
}


static void
mend(cargo_str_t token)
{
    size_t  i;
    uLong   crc;

    memcpy(token.data, CARGO_TOKEN_PREFIX, sizeof(CARGO_TOKEN_PREFIX) - 1);

    crc = crc32(0, token.data, (uInt) (CARGO_TOKEN_LEN - CHECKSUM_LEN));

    for (i = CARGO_TOKEN_LEN; i-- > CARGO_TOKEN_LEN - CHECKSUM_LEN; /* void */)
    {
        token.data[i] = (unsigned char) base62[crc % 62];
        crc /= 62;
    }
}


/* CRC-32 sees each change of a byte, and base62 of it too */

static void
check_one_wrong(cargo_str_t token)
{
    cargo_str_t  wrong;

    wrong = fuzz_copy(token.data, token.len);
    wrong.data[fuzz_random(token.len)] ^= (unsigned char)
                                          (1 + fuzz_random(255));

    fuzz_check(!cargo_token_wellformed(wrong));

    wrong = fuzz_copy(token.data, token.len - 1);
    fuzz_check(!cargo_token_wellformed(wrong));
}


static void
check_hash(cargo_str_t token)
{
    unsigned char  hash[CARGO_TOKEN_HASH], expected[SHA256_DIGEST_LENGTH];

    fuzz_check(cargo_token_hash(token, hash) == 0);
    SHA256(token.data, token.len, expected);

    fuzz_check(memcmp(hash, expected, sizeof(hash)) == 0);
}
