
#include "fuzz.h"

#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

#include "cargo_token.h"


static cargo_rc_t read_token(cargo_arena_t *arena, cargo_str_t header,
    cargo_str_t *token);
static void check_words(const cargo_error_t *error);
static void check_spellings(cargo_arena_t *arena, cargo_str_t token);
static cargo_str_t basic(cargo_arena_t *arena, cargo_str_t token);


int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    size_t          i;
    cargo_str_t     header, token;
    cargo_arena_t  *arena;

    arena = fuzz_begin(data, size, 64 * 1024 + 1200 * size);

    header.data = (unsigned char *) (uintptr_t) data;
    header.len = size;

    if (read_token(arena, header, &token) == CARGO_OK) {
        fuzz_check(token.len > 0 && token.len <= size);

        for (i = 0; i < token.len; i++) {
            fuzz_check(token.data[i] > ' ' && token.data[i] < 0x7f);
        }

        check_spellings(arena, token);
    }

    fuzz_end(arena);

    return 0;
}


static cargo_rc_t
read_token(cargo_arena_t *arena, cargo_str_t header, cargo_str_t *token)
{
    cargo_rc_t     rc;
    cargo_error_t  error;

    rc = cargo_token_of_authorization(arena, header, token, &error);
    fuzz_check_result(rc, &error);

    if (rc == CARGO_REFUSED) {
        fuzz_check(error.status == 401);
        check_words(&error);
    }

    return rc;
}


/* a refusal has its own words alone, and none of the header's */

static void
check_words(const cargo_error_t *error)
{
    static const char  *words[] = {
        "Found unexpected authentication scheme",
        "there is no token in it",
        "a token has no spaces and only visible ASCII characters",
        "what follows `Basic` is not base64",
        "there is no token after `user:` in it"
    };

    size_t  i;
    char    text[CARGO_ERROR_DETAIL];

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        (void) snprintf(text, sizeof(text), "Invalid `Authorization` header: "
                        "%s; send the token alone, as cargo does, or as "
                        "`Bearer <token>` or `Basic <base64 of user:token>`",
                        words[i]);

        if (strcmp(text, error->detail) == 0) {
            return;
        }
    }

    fuzz_check(!"a refusal of known words");
}


/* in each way in which it may be sent the token is the same */

static void
check_spellings(cargo_arena_t *arena, cargo_str_t token)
{
    size_t       i;
    cargo_str_t  header, same;

    static const char  *prefixes[] = {
        "Bearer ", "bearer \t", " BEARER  "
    };

    for (i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        header = cargo_arena_printf(arena, "%s" CARGO_STR_FMT, prefixes[i],
                                    cargo_str_arg(token));
        header = fuzz_copy(header.data, header.len);

        fuzz_check(read_token(arena, header, &same) == CARGO_OK);
        fuzz_check(cargo_str_equal(token, same));
    }

    fuzz_check(read_token(arena, basic(arena, token), &same) == CARGO_OK);
    fuzz_check(cargo_str_equal(token, same));
}


static cargo_str_t
basic(cargo_arena_t *arena, cargo_str_t token)
{
    char         *encoded;
    cargo_str_t   user;

    user = cargo_arena_printf(arena, "user:" CARGO_STR_FMT,
                              cargo_str_arg(token));
    encoded = cargo_arena_alloc(arena, user.len * 2 + 8);

    (void) EVP_EncodeBlock((unsigned char *) encoded, user.data,
                           (int) user.len);

    return cargo_arena_printf(arena, "basic %s", encoded);
}
