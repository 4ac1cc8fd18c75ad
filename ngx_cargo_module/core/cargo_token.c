
#include "cargo_token.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <zlib.h>


#define CARGO_TOKEN_PREFIX_LEN    (sizeof(CARGO_TOKEN_PREFIX) - 1)
#define CARGO_TOKEN_RANDOM_LEN    32
#define CARGO_TOKEN_CHECKSUM_LEN  6

#define CARGO_BASE62_LEN          62

/* the bytes from here on would make the first characters likelier */
#define CARGO_BASE62_FAIR         (256 / CARGO_BASE62_LEN * CARGO_BASE62_LEN)

#define CARGO_AUTHORIZATION_HINT                                              \
    "; send the token alone, as cargo does, or as `Bearer <token>` "          \
    "or `Basic <base64 of user:token>`"


static void cargo_token_checksum(const unsigned char *token, char *checksum);
static cargo_rc_t cargo_token_of_basic(cargo_arena_t *arena,
    cargo_str_t encoded, cargo_str_t *token, cargo_error_t *error);
static int cargo_base64_decode(cargo_str_t encoded, unsigned char *decoded,
    size_t *len);
static int cargo_scheme_is(cargo_str_t scheme, const char *lower_case);
static int cargo_token_visible(cargo_str_t token);
static cargo_str_t cargo_trim(cargo_str_t text);
static int cargo_is_space(unsigned char c);
static int cargo_is_alnum(unsigned char c);


static const char  cargo_base62[] =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";


int
cargo_token_generate(char *token)
{
    char           *p;
    size_t          i, n;
    unsigned char   random[CARGO_TOKEN_RANDOM_LEN];

    memcpy(token, CARGO_TOKEN_PREFIX, CARGO_TOKEN_PREFIX_LEN);
    p = token + CARGO_TOKEN_PREFIX_LEN;

    for (n = 0; n < CARGO_TOKEN_RANDOM_LEN; /* void */ ) {

        if (RAND_bytes(random, sizeof(random)) != 1) {
            OPENSSL_cleanse(token, CARGO_TOKEN_LEN);
            return -1;
        }

        for (i = 0; i < sizeof(random) && n < CARGO_TOKEN_RANDOM_LEN; i++) {
            if (random[i] < CARGO_BASE62_FAIR) {
                p[n++] = cargo_base62[random[i] % CARGO_BASE62_LEN];
            }
        }
    }

    OPENSSL_cleanse(random, sizeof(random));

    cargo_token_checksum((unsigned char *) token, p + n);

    token[CARGO_TOKEN_LEN] = '\0';

    return 0;
}


int
cargo_token_wellformed(cargo_str_t token)
{
    char    checksum[CARGO_TOKEN_CHECKSUM_LEN];
    size_t  i;

    if (token.len != CARGO_TOKEN_LEN
        || memcmp(token.data, CARGO_TOKEN_PREFIX, CARGO_TOKEN_PREFIX_LEN) != 0)
    {
        return 0;
    }

    for (i = CARGO_TOKEN_PREFIX_LEN; i < token.len; i++) {
        if (!cargo_is_alnum(token.data[i])) {
            return 0;
        }
    }

    cargo_token_checksum(token.data, checksum);

    return memcmp(token.data + CARGO_TOKEN_LEN - CARGO_TOKEN_CHECKSUM_LEN,
                  checksum, CARGO_TOKEN_CHECKSUM_LEN)
           == 0;
}


int
cargo_token_hash(cargo_str_t token, unsigned char *hash)
{
    return cargo_sha256(token, hash);
}


/*
 * The refusals never quote the value: whatever it is, it may hold a token,
 * and refusals are logged.
 */

cargo_rc_t
cargo_token_of_authorization(cargo_arena_t *arena, cargo_str_t header,
    cargo_str_t *token, cargo_error_t *error)
{
    int          basic;
    cargo_str_t  scheme, rest;

    header = cargo_trim(header);

    scheme.data = header.data;
    scheme.len = 0;

    while (scheme.len < header.len && !cargo_is_space(header.data[scheme.len]))
    {
        scheme.len++;
    }

    rest.data = header.data + scheme.len;
    rest.len = header.len - scheme.len;
    rest = cargo_trim(rest);

    basic = cargo_scheme_is(scheme, "basic");

    if (!basic && !cargo_scheme_is(scheme, "bearer")) {

        if (rest.len) {
            return cargo_refuse(error, 401, "Invalid `Authorization` header: "
                                "Found unexpected authentication scheme"
                                CARGO_AUTHORIZATION_HINT);
        }

        rest = header;
    }

    if (rest.len == 0) {
        return cargo_refuse(error, 401, "Invalid `Authorization` header: "
                            "there is no token in it" CARGO_AUTHORIZATION_HINT);
    }

    if (!cargo_token_visible(rest)) {
        return cargo_refuse(error, 401, "Invalid `Authorization` header: "
                            "a token has no spaces and only visible ASCII "
                            "characters" CARGO_AUTHORIZATION_HINT);
    }

    if (basic) {
        return cargo_token_of_basic(arena, rest, token, error);
    }

    *token = rest;

    return CARGO_OK;
}


static void
cargo_token_checksum(const unsigned char *token, char *checksum)
{
    uLong   crc;
    size_t  i;

    crc = crc32(0, token, CARGO_TOKEN_PREFIX_LEN + CARGO_TOKEN_RANDOM_LEN);

    for (i = CARGO_TOKEN_CHECKSUM_LEN; i > 0; i--) {
        checksum[i - 1] = cargo_base62[crc % CARGO_BASE62_LEN];
        crc /= CARGO_BASE62_LEN;
    }
}


static cargo_rc_t
cargo_token_of_basic(cargo_arena_t *arena, cargo_str_t encoded,
    cargo_str_t *token, cargo_error_t *error)
{
    size_t          len;
    cargo_str_t     password;
    unsigned char  *decoded, *colon;

    decoded = cargo_arena_alloc(arena, encoded.len);
    if (decoded == NULL) {
        return CARGO_NO_MEMORY;
    }

    if (!cargo_base64_decode(encoded, decoded, &len)) {
        return cargo_refuse(error, 401, "Invalid `Authorization` header: "
                            "what follows `Basic` is not base64"
                            CARGO_AUTHORIZATION_HINT);
    }

    /* RFC 7617: a user has no colon, a password may */

    colon = memchr(decoded, ':', len);

    if (colon == NULL || colon == decoded + len - 1) {
        return cargo_refuse(error, 401, "Invalid `Authorization` header: "
                            "there is no token after `user:` in it"
                            CARGO_AUTHORIZATION_HINT);
    }

    password.data = colon + 1;
    password.len = len - (size_t) (password.data - decoded);

    if (!cargo_token_visible(password)) {
        return cargo_refuse(error, 401, "Invalid `Authorization` header: "
                            "a token has no spaces and only visible ASCII "
                            "characters" CARGO_AUTHORIZATION_HINT);
    }

    *token = password;

    return CARGO_OK;
}


/*
 * EVP_DecodeBlock() lets blanks, '-' and '=' pass in places where they have
 * no meaning and counts the padding as bytes, hence the checks around it.
 */

static int
cargo_base64_decode(cargo_str_t encoded, unsigned char *decoded, size_t *len)
{
    int            n;
    size_t         i, padding;
    unsigned char  c;

    if (encoded.len == 0 || encoded.len % 4 != 0 || encoded.len > INT32_MAX) {
        return 0;
    }

    padding = 0;

    while (padding < 2 && encoded.data[encoded.len - 1 - padding] == '=') {
        padding++;
    }

    for (i = 0; i < encoded.len - padding; i++) {
        c = encoded.data[i];

        if (!cargo_is_alnum(c) && c != '+' && c != '/') {
            return 0;
        }
    }

    n = EVP_DecodeBlock(decoded, encoded.data, (int) encoded.len);
    if (n < 0) {
        return 0;
    }

    *len = (size_t) n - padding;

    return 1;
}


static int
cargo_scheme_is(cargo_str_t scheme, const char *lower_case)
{
    size_t  i;

    if (scheme.len != strlen(lower_case)) {
        return 0;
    }

    for (i = 0; i < scheme.len; i++) {
        if ((scheme.data[i] | 0x20) != (unsigned char) lower_case[i]) {
            return 0;
        }
    }

    return 1;
}


static int
cargo_token_visible(cargo_str_t token)
{
    size_t  i;

    for (i = 0; i < token.len; i++) {
        if (token.data[i] < 0x21 || token.data[i] > 0x7e) {
            return 0;
        }
    }

    return 1;
}


static cargo_str_t
cargo_trim(cargo_str_t text)
{
    while (text.len && cargo_is_space(text.data[0])) {
        text.data++;
        text.len--;
    }

    while (text.len && cargo_is_space(text.data[text.len - 1])) {
        text.len--;
    }

    return text;
}


static int
cargo_is_space(unsigned char c)
{
    return c == ' ' || c == '\t';
}


static int
cargo_is_alnum(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z')
           || (c >= 'a' && c <= 'z');
}
